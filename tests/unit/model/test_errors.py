"""One tree of errors, drawn where it is written.

given every error that medshare has
├─ when the tree is read at the head of medshare.errors, it is the classes' own tree, whole
├─ when an error is printed, pickled or raised through a process, it keeps message, hint and values
└─ when a contract has an error, exactly one class stands for it
"""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import re
from datetime import date
from pathlib import Path

import pytest

import medshare
from medshare import errors
from medshare.errors import (
    AccessDeniedError,
    EnvelopeError,
    InvalidInputError,
    LedgerError,
    MedshareError,
    RejectedError,
    StoreError,
    UnknownRecordError,
)
from medshare.model import finding
from medshare.model.consent import Decision, Reason, RecordRef, Subject
from medshare.model.ids import RecordId, address
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import RecordStatus

pytestmark = pytest.mark.unit

HERE = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Exception)}
SUBJECT = Subject(
    record=RecordRef(custodian=address("0x" + "22" * 20), record_id=RecordId(b"\1" * 32)),
    patient=address("0x" + "33" * 20),
    status=RecordStatus.ACTIVE,
)
DECISION = Decision(
    reason=Reason.EXPIRED, subject=SUBJECT, reader=address("0x" + "11" * 20), purpose=PurposeOfUse.TREAT, at=5
)
VALUES = {
    "message": "something went wrong",
    "standard": "FHIR R4",
    "findings": (finding.error("missing", "Observation.code", "it must be there"),),
    "name": "mary",
    "node": "validator-1",
    "known": ("local", "sepolia"),
    "expected": "this",
    "actual": "that",
    "network": "local",
    "folder": "somewhere",
    "contract": "ConsentRegistry",
    "address": "0x" + "11" * 20,
    "reason": "no code",
    "reader": "0x" + "44" * 20,
    "assessor": "0x" + "55" * 20,
    "root": b"\6" * 32,
    "score": 101,
    "stated": 90,
    "attested": 70,
    "records": 3,
    "minimum_score": 80,
    "method": 1,
    "what": "file",
    "nodes": ("https://one.example", "https://two.example"),
    "said": ("this", "that"),
    "found": 7,
    "cid": "bafy",
    "limit": 5,
    "tx_hash": "0x" + "22" * 32,
    "decision": DECISION,
    "actor": "0x" + "11" * 20,
    "custodian": "0x" + "11" * 20,
    "record_id": b"\1" * 32,
    "until": 1_800_000_000,
    "erased_at": 1_800_000_000,
    "kept_until": date(2036, 3, 4),
    "rule": "imaging: 10 years from its clinical date",
    "status": 2,
    "patient": "0x" + "11" * 20,
    "not_before": 5,
    "expires_at": 4,
    "grant_id": 1 << 200,
    "caller": "0x" + "33" * 20,
    "grantee": "0x" + "44" * 20,
    "accounts": 1,
    "ids": 2,
    "deadline": 5,
    "latest": 4,
    "signer": "0x" + "55" * 20,
    "signed": 1,
    "current": 2,
    "subject": "0x" + "11" * 20,
    "wait": 60,
    "delegate": "0x" + "66" * 20,
    "mandate": 1,
    "verbs": 3,
    "purposes": 1,
    "delay": 5,
    "threshold": 2,
    "controller": "0x" + "77" * 20,
    "ready_at": 5,
    "duration": 5,
    "episode_id": 1 << 200,
    "clinician": "0x" + "88" * 20,
    "kind": 0,
    "member": "0x" + "99" * 20,
    "seat": 1,
    "suspension": 1,
    "target": "0x" + "aa" * 20,
    "proposal_id": 3,
    "votes": 1,
    "needed": 2,
    "quorum": 50,
    "voting_period": 5,
    "token": "0x" + "bb" * 20,
    "promised": 2,
    "arrived": 1,
    "account": "0x" + "cc" * 20,
    "to": "0x" + "dd" * 20,
    "category": 9,
    "request_id": 4,
    "earliest": 5,
    "wanted": 1 << 200,
    "balance": 1,
    "dispute_period": 5,
    "decision_period": 5,
    "count": 0,
}


def made(kind: type[MedshareError]) -> MedshareError:
    parameters = inspect.signature(kind).parameters.values()
    needed = [each.name for each in parameters if each.default is each.empty and each.name != "self"]
    return kind(*[VALUES[name] for name in needed])


def drawn() -> dict[str, str]:
    """The drawing: each class and the one it hangs from."""
    tree: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        names = re.findall(r"\b[A-Z][A-Za-z]*Error\b", line.split("   (also")[0])
        if not names:
            continue
        depth = line.index(names[0])
        while above and above[-1][0] >= depth:
            above.pop()
        for name in names:
            assert name not in tree, f"{name} is drawn twice"
            tree[name] = above[-1][1] if above else ""
        above.append((depth, names[0]))
    return tree


def test_drawing__of_the_tree__is_the_tree() -> None:
    one_by_one = {
        name: kind for name, kind in HERE.items() if kind is RejectedError or not issubclass(kind, RejectedError)
    }
    assert drawn() == {
        name: "" if kind is MedshareError else kind.__bases__[0].__name__ for name, kind in one_by_one.items()
    }


def test_tree__every_class__hangs_from_the_root_and_ends_in_error() -> None:
    assert len(HERE) > 40
    for name, kind in HERE.items():
        assert issubclass(kind, MedshareError)
        assert name.endswith("Error")
        assert kind.__doc__, name
        assert kind.__doc__.strip().endswith("."), name


def test_tree__the_branches_a_caller_tells_apart__do_not_overlap() -> None:
    branches = (EnvelopeError, StoreError, LedgerError, InvalidInputError, AccessDeniedError)
    for kind in HERE.values():
        assert sum(issubclass(kind, branch) for branch in branches) <= 1, kind
    assert issubclass(InvalidInputError, ValueError)


@pytest.mark.parametrize("kind", HERE.values(), ids=HERE)
def test_error__any__has_a_message_of_one_line(kind: type[MedshareError]) -> None:
    error = made(kind)
    assert str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 300
    assert "object at 0x" not in f"{error} {error.hint}"
    assert isinstance(error.hint, str)


def through_pickle(error: MedshareError) -> MedshareError:
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes


def same(one: MedshareError, other: MedshareError) -> bool:
    return (type(one), str(one), one.hint, vars(one)) == (type(other), str(other), other.hint, vars(other))


@pytest.mark.parametrize("copied", [copy.copy, through_pickle])
def test_error__with_a_message_of_its_own__comes_back_from_another_process(copied) -> None:
    simple = [kind for kind in HERE.values() if list(inspect.signature(kind).parameters) == ["message", "hint"]]
    assert len(simple) > 12
    for kind in simple:
        for error in (kind("what happened"), kind("what happened", hint="do this next")):
            assert same(copied(error), error)


@pytest.mark.parametrize("copied", [copy.copy, through_pickle])
def test_error__with_values__comes_back_from_another_process(copied) -> None:
    for kind in HERE.values():
        error = made(kind)
        assert same(copied(error), error)


def test_hint__given_for_one__is_no_other_s() -> None:
    error = MedshareError("one", hint="for this one")
    assert (error.hint, MedshareError("other").hint, MedshareError.hint) == ("for this one", "", "")


def test_hints__of_what_can_be_tried_again__say_so() -> None:
    for kind in (errors.StoreUnavailableError, errors.LedgerUnavailableError, errors.LedgerBusyError):
        assert re.search("again|repeat", made(kind).hint), kind


def test_rejected__any__shows_its_values_by_name_and_is_told_apart_by_identity() -> None:
    one, two = (UnknownRecordError("0x" + "11" * 20, b"\1" * 32) for _ in range(2))
    assert one.record_id.hex() in str(one)
    assert one.custodian in str(one)
    assert one != two
    assert len({one, two}) == 2


def test_rejected__each_contract_error__says_what_to_do() -> None:
    for kind in HERE.values():
        if issubclass(kind, RejectedError) and kind is not RejectedError:
            assert made(kind).hint, kind


def test_rejected__each_contract_error__has_exactly_one_class() -> None:
    folder = Path(medshare.__file__).parent / "_data" / "contracts"
    on_chain: dict[str, int] = {}
    for name in (
        "Consortium",
        "RecordRegistry",
        "ConsentRegistry",
        "EmergencyAccess",
        "AccessRequests",
        "Attestations",
    ):
        for item in json.loads((folder / f"{name}.json").read_text())["abi"]:
            if item["type"] == "error":
                on_chain[item["name"]] = len(item["inputs"])
    ours = [kind for kind in HERE.values() if issubclass(kind, RejectedError) and kind is not RejectedError]
    assert sorted(kind.solidity for kind in ours) == sorted(on_chain)
    for kind in ours:
        assert len(inspect.signature(kind).parameters) == on_chain[kind.solidity], kind
