"""A study as the tests know it, and a request on chain that says the same."""

from __future__ import annotations

import json
import time
from pathlib import Path

from medshare.model.ids import DocumentId, RecordId, RequestId, address
from medshare.model.intended_use import DuoPurpose, IntendedUse, Organisation
from medshare.model.provision import Duty, Effect, Obligation, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.model.request import AccessRequest, Periods, RequestCategory, RequestStatus, Split
from medshare.model.study import Study

REWARD = 1_000_001
NOW = 1_800_000_000
DAY = 86_400
RESEARCHER, TOKEN, MEMBER = (address("0x" + each * 20) for each in ("4e", "70", "3e"))


class PATIENTS:
    """Digests that stand for something."""

    document = DocumentId(b"\xd0" * 32)
    root = b"\x1e" * 32
    record = RecordId(b"\x4e" * 32)


STUDY = Study(
    requester=RESEARCHER,
    title="Sleep and blood sugar",
    summary="We compare laboratory values of people who sleep little with those of others.",
    institution="University Hospital",
    contact="study@example.org",
    wanted=Provision(
        effect=Effect.PERMIT,
        purposes=(PurposeOfUse.BIORCH,),
        categories=(Category.LABORATORY, Category.OBSERVATION),
        obligations=(Obligation(duty=Duty.NORELINK), Obligation(duty=Duty.ERASE_BY, by=NOW + 400 * DAY)),
    ),
    intended_use=IntendedUse(
        purposes=(DuoPurpose.HEALTH,),
        organisation=Organisation.NOT_FOR_PROFIT,
        commercial_use=False,
        countries=("FI",),
        ethics_reference="HUS/1/2026",
        months=12,
    ),
    category=RequestCategory.NON_PROFIT,
    grants=3,
    deadline=NOW + 30 * DAY,
    access_days=90,
    reward=REWARD,
    reward_in_words="about a cup of coffee",
)


def on_chain(study: Study, **more: object) -> AccessRequest:
    """The request that ``study`` opens for named patients, as it stands at once."""
    fields = {
        "request_id": RequestId(1),
        "requester": study.requester,
        "terms": study.terms(PATIENTS.document, PATIENTS.root),
        "status": RequestStatus.OPEN,
        "places": study.grants,
        "delivered": 0,
        "returned": 0,
        "split": Split(patient=7_000, custodian=2_000),
        "periods": Periods(),
    }
    return AccessRequest(**{**fields, **more})


def write_study(folder: Path, **change: object) -> Path:
    """Write a study to a new file; its deadline is in 20 days."""
    said = {
        "version": 1,
        "title": "Sleep and blood sugar",
        "summary": "We compare values of people who sleep little with those of others.",
        "institution": "University Hospital",
        "contact": "study@example.org",
        "wanted": {
            "effect": "permit",
            "purposes": ["BIORCH"],
            "categories": ["observation"],
            "obligations": [{"duty": "NORELINK"}],
        },
        "intended_use": {"purposes": ["health"], "organisation": "not-for-profit", "commercial_use": False},
        "category": 1,
        "grants": 2,
        "deadline": time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + 20 * DAY)),
        "access_days": 30,
        "reward": REWARD,
    }
    path = folder / f"study-{len(list(folder.iterdir()))}.json"
    path.write_text(json.dumps({**said, **change}))
    return path
