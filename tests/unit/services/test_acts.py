"""Who did what.

given the events about a patient
├─ what somebody did for him is that one's act, and only the very next event of the transaction
├─ what the patient's own verbs did is the act of the one in control of him then
├─ where the chain does not say, nobody is named
├─ members accredit, propose and vote; what a vote did has no author of its own
└─ whom an act concerns is known also where its event does not say it
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medshare.chain import LocalSigner
from medshare.hashing import sha256
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import GrantRequest
from medshare.model.delegation import DAY, Circle, DelegationRequest, Verbs
from medshare.model.emergency import EmergencyReason, EpisodeRequest, Verdict
from medshare.model.events import AccessGranted, ActedFor, EpisodeReviewed, LedgerEvent
from medshare.model.governed import ApproveStudy, DecideDispute, GovernedCall, encode_call
from medshare.model.ids import ProposalId, RequestId, address, derive_grant_id
from medshare.model.purpose import Purpose
from medshare.model.request import NATIVE, Acceptance, RequestTerms, request_terms_digest
from medshare.model.typed_data import SignableGrant, SignedMessage, to_typed_data
from medshare.ports import Ledger
from medshare.services.acts import Act, acts
from medshare.services.auditing import Auditing
from medshare.services.index import LedgerIndex
from medshare.testing import FakeClock, InMemoryChain, NamedSigner, in_memory_ledger

pytestmark = pytest.mark.unit

MARY, SON, DOCTOR, NEW_KEY, CLINICIAN, REVIEWER, HOSPITAL, GUARDIAN, RESEARCHER = (
    NamedSigner(address("0x" + f"{number:02x}" * 20)) for number in range(1, 10)
)
ANN = LocalSigner.from_key(b"\1" * 32)
"""Who can sign, and so accept a request."""
TERMS, BUNDLE, DETAILS, RECORD = (sha256(text) for text in (b"terms", b"bundle", b"details", b"record"))
NOW = 1_800_000_000
CIRCLE = Circle(guardians=(GUARDIAN.address,), threshold=1, salt=bytes(32))
GRANT_ID = derive_grant_id(MARY.address, DOCTOR.address, TERMS)
APPOINTMENT = DelegationRequest(
    delegate=SON.address, verbs=Verbs(3), purposes=Purpose.TREAT, not_before=0, expires_at=NOW + 60 * DAY
)
REQUEST = GrantRequest(
    grantee=DOCTOR.address,
    terms=TERMS,
    bundle=BUNDLE,
    not_before=0,
    expires_at=NOW + 30 * DAY,
    purposes=Purpose.TREAT,
)


@pytest.fixture
def chain() -> InMemoryChain:
    """Everything that can happen about Mary, once."""
    clock = FakeClock(NOW)
    ledger, chain = in_memory_ledger(clock, [HOSPITAL.address])
    model = chain.model
    ledger.records.register(HOSPITAL, RECORD, MARY.address)
    ledger.authority.appoint(MARY, MARY.address, APPOINTMENT)
    ledger.consents.grant_for(SON, MARY.address, REQUEST)
    ledger.consents.grant(MARY, REQUEST)
    ledger.consents.revoke(SON, GRANT_ID)
    ledger.authority.dismiss(MARY, MARY.address, SON.address)
    ledger.authority.name_guardians(MARY, MARY.address, CIRCLE.digest(MARY.address), DAY)
    chain.mine(lambda place: model.propose_recovery(MARY.address, NEW_KEY.address, CIRCLE, NOW + DAY, (True,), place))
    clock.advance(2 * DAY)
    ledger.authority.complete_recovery(DOCTOR, MARY.address)
    ledger.consents.revoke_all(NEW_KEY, MARY.address)
    ledger.consents.revoke(MARY, GRANT_ID)
    ledger.emergencies.set_bar(NEW_KEY, MARY.address, barred=False)
    for who, kind in ((CLINICIAN, AccreditationKind.CLINICIAN), (REVIEWER, AccreditationKind.REVIEWER)):
        ledger.accreditation.accredit(chain.member, who.address, kind, NOW + 90 * DAY)
    opened = ledger.emergencies.break_glass(
        CLINICIAN,
        EpisodeRequest(patient=MARY.address, reason=EmergencyReason.INCAPABLE, details=DETAILS, duration=600),
    )
    ledger.emergencies.release(HOSPITAL, opened.episode_id, BUNDLE)
    ledger.emergencies.end(NEW_KEY, opened.episode_id)
    ledger.emergencies.review(REVIEWER, opened.episode_id, Verdict.JUSTIFIED, DETAILS)
    ledger.records.retract(HOSPITAL, RECORD, DETAILS)
    return chain


def told(one: Act) -> tuple[str, str | None, str | None]:
    names = {
        signer.address: name
        for name, signer in {
            "Mary": MARY,
            "Ann": ANN,
            "son": SON,
            "doctor": DOCTOR,
            "new key": NEW_KEY,
            "clinician": CLINICIAN,
            "reviewer": REVIEWER,
            "hospital": HOSPITAL,
            "researcher": RESEARCHER,
            "member": InMemoryChain.member,
        }.items()
    }
    return type(one.event).__name__, names.get(one.by), names.get(one.concerns)


STORY = [
    ("RecordRegistered", "hospital", "Mary"),
    ("DelegateAppointed", "Mary", "son"),
    ("AccessGranted", "son", "doctor"),
    ("AccessGranted", "Mary", "doctor"),
    ("AccessRevoked", "son", "doctor"),
    ("DelegateDismissed", None, "son"),
    ("GuardiansNamed", "Mary", None),
    ("RecoveryProposed", None, "new key"),
    ("ControlMoved", None, "new key"),
    ("AllAccessRevoked", "new key", None),
    ("AccessRevoked", "Mary", "doctor"),
    ("BarSet", "new key", None),
    ("GlassBroken", "clinician", "Mary"),
    ("KeysReleased", "hospital", "clinician"),
    ("EpisodeEnded", "new key", "clinician"),
    ("EpisodeReviewed", "reviewer", "clinician"),
    ("RecordRetracted", "hospital", None),
]


def test_trail__of_a_full_life__says_who_did_what_to_whom(chain: InMemoryChain, tmp_path: Path) -> None:
    trail = Auditing(index=LedgerIndex(tmp_path / "index", chain)).trail(MARY.address)
    assert [told(act) for act in acts(trail)] == STORY
    assert [type(event) for event in trail].count(ActedFor) == 2


def test_acts__of_the_whole_chain__name_the_accredited_and_who_accredited_him(chain: InMemoryChain) -> None:
    found = [told(act) for act in acts(chain.events(0, chain.head().number))]
    assert ("Accredited", "member", "clinician") in found
    assert ("Accredited", "member", "reviewer") in found


STUDY = [
    ("RequestOpened", "researcher", None),
    ("AccessGranted", "Ann", "researcher"),
    ("RewardReserved", "Ann", "hospital"),
    ("AccessDelivered", "hospital", "researcher"),
    ("DeliveryDisputed", "researcher", "hospital"),
    ("RewardPaid", None, "hospital"),
]


@pytest.fixture
def study() -> InMemoryChain:
    """A study on open call that Ann takes part in, and whose dispute is decided by vote."""
    ledger, chain = in_memory_ledger(FakeClock(NOW), [HOSPITAL.address])
    chain.accredit(RESEARCHER.address, AccreditationKind.RESEARCHER)
    chain.give(RESEARCHER.address, 1_000)
    terms = RequestTerms(
        purposes=Purpose.HRESCH,
        category=1,
        grants=1,
        deadline=NOW + DAY,
        access_days=0,
        reward=1_000,
        document=RECORD,
    )
    request_id = ledger.requests.open(RESEARCHER, terms).request_id
    decided(ledger, chain, ApproveStudy(request_id=request_id))
    message = SignableGrant(
        patient=ANN.address,
        grantee=RESEARCHER.address,
        terms=request_terms_digest(ledger.requests.address, request_id, HOSPITAL.address, DETAILS),
        bundle=BUNDLE,
        purposes=Purpose.HRESCH,
        not_before=0,
        expires_at=NOW + DAY,
        stamp=0,
        epoch=0,
        deadline=NOW + DAY,
    )
    domain = chain.domains["ConsentRegistry"]
    signature = ANN.sign_typed_data(to_typed_data(message, domain))
    signed = SignedMessage(message=message, domain=domain, signer=ANN.address, signature=signature)
    acceptance = Acceptance(custodian=HOSPITAL.address, content=DETAILS, signed=signed)
    ledger.requests.accept(SON, request_id, acceptance)
    ledger.requests.deliver(HOSPITAL, request_id, ANN.address, DETAILS, BUNDLE, 0)
    ledger.requests.dispute(RESEARCHER, request_id, ANN.address, DETAILS)
    decided(ledger, chain, DecideDispute(request_id=request_id, patient=ANN.address, paid=True))
    ledger.escrow.withdraw(HOSPITAL, HOSPITAL.address, NATIVE, NEW_KEY.address)
    return chain


def decided(ledger: Ledger, chain: InMemoryChain, call: GovernedCall) -> None:
    proposal_id = ledger.consortium.propose(chain.member, call, DETAILS).proposal_id
    ledger.consortium.execute(SON, proposal_id, encode_call(call))


def test_trail__of_a_study__says_who_did_what_to_whom(study: InMemoryChain, tmp_path: Path) -> None:
    trail = Auditing(index=LedgerIndex(tmp_path / "index", study)).trail(ANN.address)
    assert [told(act) for act in acts(trail)] == STUDY


def test_acts__of_a_study__name_members_and_whom_it_pays(study: InMemoryChain) -> None:
    found = [told(act) for act in acts(study.events(0, study.head().number))]
    for act in (
        ("MemberAdmitted", None, "member"),
        ("Proposed", "member", None),
        ("Voted", "member", None),
        ("ProposalExecuted", "son", None),
        ("StudyApproved", None, "researcher"),
        ("Credited", None, "Ann"),
        ("Withdrawn", "hospital", "new key"),
    ):
        assert act in found


def test_acts__the_signature_was_sent_before__names_nobody_who_reserved(study: InMemoryChain) -> None:
    events = [event for event in study.events(0, study.head().number) if not isinstance(event, AccessGranted)]
    assert ("RewardReserved", None, "hospital") in [told(act) for act in acts(events)]


def test_index__request_and_proposal__are_found_with_all_their_events(study: InMemoryChain, tmp_path: Path) -> None:
    index = LedgerIndex(tmp_path / "index", study)
    index.sync()
    opened, _, *others = (kind for kind, *_ in STUDY)
    kinds = [type(event).__name__ for event in index.events(request_id=RequestId(1))]
    assert kinds == [opened, "StudyApproved", *others]
    assert [type(event).__name__ for event in index.events(proposal_id=ProposalId(2))] == [
        "Proposed",
        "Voted",
        "ProposalExecuted",
    ]
    assert index.events(request_id=RequestId(2)) == []


def test_acts__what_follows_in_the_transaction_but_not_next__is_the_patients_own(chain: InMemoryChain) -> None:
    """A batch may hold what a delegate did and, after it, what the patient signed."""
    events = list(chain.events(0, chain.head().number))
    at = next(number for number, event in enumerate(events) if isinstance(event, ActedFor))
    acted, granted = events[at], events[at + 1]

    def by(*moved: LedgerEvent) -> list[str | None]:
        return [act.by for act in acts(moved)]

    assert by(acted, granted) == [SON.address]
    assert by(acted, granted, _later(granted, 2)) == [SON.address, MARY.address]
    assert by(acted, _later(granted, 1)) == [MARY.address]
    assert by(acted, replace(granted, place=replace(granted.place, tx_hash=bytes(32)))) == [MARY.address]
    assert by(granted) == [MARY.address]


def _later(event: LedgerEvent, by: int) -> LedgerEvent:
    return replace(event, place=replace(event.place, log_index=event.place.log_index + by))


def test_index__episode__is_found_with_all_its_events(chain: InMemoryChain, tmp_path: Path) -> None:
    index = LedgerIndex(tmp_path / "index", chain)
    index.sync()
    (broken,) = index.events(actor=CLINICIAN.address, patient=MARY.address)
    kinds = [type(event).__name__ for event in index.events(episode_id=broken.episode_id)]
    assert kinds == ["GlassBroken", "KeysReleased", "EpisodeEnded", "EpisodeReviewed"]
    assert [type(event) for event in index.events(actor=REVIEWER.address, episode_id=broken.episode_id)] == [
        EpisodeReviewed
    ]
