"""The scripts of a study, run as a researcher, a patient and an agent would run them.

given a home with two records of a patient by a hospital, an accredited researcher and an ethics committee
request_access.py
├─ shows what it deposits and asks; no, or nobody there: nothing is opened
├─ opens once, and takes up what was opened before, here or elsewhere; named patients, from options and a file
├─ given again without its patients: it is refused, and not made public
├─ confirms what verifies, leaves what is disputed, and tells what does not verify, with the exit code
├─ waits until all is settled, through a chain that is busy, and tells only what changes
└─ what cannot be opened is the exit code of its error
fetch_dataset.py
├─ fetches what was delivered and is permitted, once; says under which grant, with which duties, until when
├─ what other grants permit, or other categories, is not in it; a declined or waiting delivery is not, either
├─ revoked, expired, retracted, to be erased: nothing is fetched any more, it says why, and the files are to be deleted
└─ another's request, a missing bundle, another data set's folder: refused
approve_requests.py
├─ accepts, declines and asks as the policy says, for several patients, paid by another; a dry run does nothing
├─ again: what is accepted is not accepted twice
├─ asks the person who is there; leaves it where nobody is
├─ an agent answers for a patient
└─ one that fails or cannot be read keeps no other back
records of batches, where nobody has found any before
└─ are accepted, confirmed and fetched, each by who acts
study_report.py
├─ tells where the money is, to the last unit, before and after it is settled, and who takes part until when
└─ of a sealed study the words only to who may read them
"""

from __future__ import annotations

import json
import re
import runpy
import shutil
import sys
import time
from pathlib import Path

import approve_requests
import fetch_dataset
import pytest
import request_access
import study_report
from homes import OBSERVATION, PASSPHRASE, CommandLine, make_identity
from studies import DAY, REWARD, write_study

from medshare import connect
from medshare.cli.console import moment
from medshare.content import Cid
from medshare.errors import LedgerBusyError
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import MAX_TIME
from medshare.model.record import Category
from medshare.services.description import Description
from medshare.services.requesting import Requesting

pytestmark = pytest.mark.integration

TO_PATIENT, TO_CUSTODIAN, TO_CONSORTIUM = 700_001, 200_000, 100_000


@pytest.fixture
def town(cli: CommandLine) -> CommandLine:
    """A home in which the researcher is one, and the clinic has an ethics committee."""
    with connect(cli.home.path) as session:
        member = session.chain.development_member()
        for name, kind in (
            ("researcher", AccreditationKind.RESEARCHER),
            ("clinic", AccreditationKind.ETHICS_COMMITTEE),
        ):
            session.ledger.accreditation.accredit(member, session.keyring.resolve(name), kind, MAX_TIME)
    return cli


class Scripts:
    """Runs the scripts in a home, and says what they said."""

    def __init__(self, town: CommandLine, captured: pytest.CaptureFixture[bytes]) -> None:
        self.town = town
        self._captured = captured

    def __call__(self, script, *words: object) -> tuple[int, str, str]:
        self._captured.readouterr()
        code = script.main([*(str(word) for word in words), *self.town.home.options])
        said = self._captured.readouterr()
        return code, said.out.decode(), said.err.decode()

    def json(self, script, *words: object, code: int = 0):
        found, out, err = self(script, *words, "--json")
        assert found == code, err
        return json.loads(out)


@pytest.fixture
def scripts(town: CommandLine, capsysbinary: pytest.CaptureFixture[bytes]) -> Scripts:
    return Scripts(town, capsysbinary)


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch):
    """Somebody is at the keyboard, and types this."""

    def types(word: str) -> None:
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: word)

    return types


NAMED = ("--patient", "patient", "--patient", "stranger")
"""As many as the study has grants."""


def requesting(path: Path, *more: object) -> tuple[object, ...]:
    return (path, "--as", "researcher", "--yes", *more)


def opened(scripts: Scripts, path: Path) -> str:
    """Open the study for the patient, who is named, and another who never answers."""
    return str(scripts.json(request_access, *requesting(path, *NAMED))["request"])


def accepted(scripts: Scripts, path: Path) -> str:
    number = opened(scripts, path)
    scripts.town.json("request", "accept", number, "--as", "patient", "--yes")
    return number


def delivered(scripts: Scripts, path: Path, number: str | None = None) -> str:
    number = number or accepted(scripts, path)
    scripts.town.json("request", "deliver", number, "--patient", "patient", "--as", "hospital")
    return number


def lose_bundles(town: CommandLine) -> None:
    """Take what is delivered to readers of the patient away from the store."""
    with connect(town.home.path) as session:
        bundles = session.auditing.bundles(session.keyring.resolve("patient"))
    town.lose(*map(Cid.of_directory, bundles))


def policy(folder: Path, *rules: str, head: str = "") -> Path:
    path = folder / f"policy-{len(list(folder.iterdir()))}.toml"
    path.write_text("\n".join(["version = 1", head, *(f"[[rules]]\n{rule}" for rule in rules)]))
    return path


def states(scripts: Scripts, number: str) -> list[str]:
    return [part["state"] for part in scripts.town.json("request", "show", number)["parts"]]


# ------------------------------------------------------------------------------------------- request_access


def test_request_access__nobody_there__opens_nothing(scripts: Scripts, tmp_path: Path) -> None:
    code, out, err = scripts(request_access, write_study(tmp_path), "--as", "researcher")
    assert (code, out) == (1, "")
    assert f"deposit: 2 x {REWARD} = {2 * REWARD} wei of the chain's own coin" in err
    assert "nobody is there to be asked: Deposit this, and open the request?" in err
    assert scripts.town.json("request", "list") == []


@pytest.mark.parametrize(("typed", "code", "number"), [("n", 1, 0), ("y", 0, 1)])
def test_request_access__somebody_is_asked__opens_what_he_wants(
    scripts: Scripts, tmp_path: Path, somebody, typed: str, code: int, number: int
) -> None:
    somebody(typed)
    found, out, err = scripts(request_access, write_study(tmp_path), "--as", "researcher")
    assert found == code
    assert "everybody may accept, once an ethics committee or a vote has approved it" in err
    assert ("request 1: opened\nrequest 1: awaiting approval; 0 of 2 accepted" in out) is (typed == "y")
    assert len(scripts.town.json("request", "list")) == number


def test_request_access__again__takes_it_up_and_asks_nothing(scripts: Scripts, tmp_path: Path) -> None:
    path = write_study(tmp_path)
    first = scripts.json(request_access, *requesting(path))
    assert (first["request"], first["state"], first["deposited"]) == (1, "awaiting approval", 2 * REWARD)
    scripts.town.json("request", "approve", 1, "--as", "clinic")
    code, out, err = scripts(request_access, path, "--as", "researcher")
    assert (code, err) == (0, "")
    assert out == (
        "request 1: opened before\n"
        "request 1: open; 0 of 2 accepted: 0 to be delivered, 0 to be confirmed, 0 disputed, 0 paid, 0 returned\n"
    )
    assert len(scripts.town.json("request", "list")) == 1


def test_request_access__named_patients__are_asked_and_nobody_else(scripts: Scripts, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("stranger\n\n")
    path = write_study(tmp_path)
    words = requesting(path, "--patient", "patient", "--patients-file", names, "--reader", "clinic")
    found = scripts.json(request_access, *words)
    assert (found["state"], found["approved"]) == ("open", False)
    assert scripts.json(request_access, *words)["request"] == found["request"]
    for name, number in (("patient", 1), ("stranger", 1), ("neighbour", 0)):
        assert len(scripts.town.json("request", "offers", "--as", name)) == number
    assert scripts.town.json("request", "show", found["request"], "--as", "clinic")["study"] == "Sleep and blood sugar"


def test_request_access__patients_forgotten__makes_no_sealed_study_public(scripts: Scripts, tmp_path: Path) -> None:
    path = write_study(tmp_path)
    opened(scripts, path)
    for named in ((), ("--patient", "stranger")):
        code, _, err = scripts(request_access, *requesting(path, *named))
        assert code == 2
        assert "request 1 has this very study, for other patients\nhint: to go on with it name the same" in err
    assert len(scripts.town.json("request", "list")) == 1


def test_request_access__opened_from_elsewhere__is_taken_up(scripts: Scripts, tmp_path: Path) -> None:
    path = write_study(tmp_path)
    assert scripts(request_access, *requesting(path))[0] == 0
    for journal in (scripts.town.home.path / "state").rglob("requests.sqlite"):
        journal.unlink()
    code, out, _ = scripts(request_access, path, "--as", "researcher")
    assert code == 0
    assert out.startswith("request 1: opened before\n")
    assert len(scripts.town.json("request", "list")) == 1


def test_request_access__confirming__pays_what_verifies_and_only_once(scripts: Scripts, tmp_path: Path) -> None:
    path = write_study(tmp_path)
    number = delivered(scripts, path)
    patient = scripts.town.home.addresses["patient"]
    words = requesting(path, *NAMED, "--confirm")
    code, out, _ = scripts(request_access, *words)
    assert code == 0
    assert f"{patient}: confirmed, 1 records open; paid\n" in out
    assert "1 of 2 accepted: 0 to be delivered, 0 to be confirmed, 0 disputed, 1 paid" in out
    assert states(scripts, number) == ["paid"]
    again = scripts.json(request_access, *words)
    assert (again["paid"], again["not_confirmed"]) == (1, [])


def test_request_access__confirming__leaves_what_is_disputed_to_who_decides(scripts: Scripts, tmp_path: Path) -> None:
    path, reason = write_study(tmp_path), tmp_path / "why.txt"
    number = delivered(scripts, path)
    reason.write_text("the values are empty")
    words = ["--patient", "patient", "--reason-file", reason, "--as", "researcher"]
    scripts.town.json("request", "dispute", number, *words)
    found = scripts.json(request_access, *requesting(path, *NAMED, "--confirm"))
    assert (found["disputed"], found["paid"]) == (1, 0)


@pytest.mark.parametrize(
    ("what", "code", "says"),
    [
        ("gone", 4, r"; until \S+Z you can say why: medshare request dispute 1 "),
        ("revoked", 3, r"; it was earned all the same, and anybody can have it paid from \S+Z on\n"),
        ("erased", 3, r"; it was earned all the same, unless you say until \S+Z why not: medshare request dispute 1 "),
    ],
)
def test_request_access__delivery_that_does_not_verify__is_told_and_not_confirmed(
    scripts: Scripts, tmp_path: Path, what: str, code: int, says: str
) -> None:
    path = write_study(tmp_path)
    number = delivered(scripts, path)
    if what == "revoked":
        scripts.town.json("access", "revoke-all", "--as", "patient")
    elif what == "erased":
        policy = 'version = 1\njurisdiction = "Examplia"\ndefault = 0\nacknowledge_within = 30\n'
        (scripts.town.home.path / "retention.toml").write_text(policy)
        reason = tmp_path / "why.txt"
        reason.write_text("consent withdrawn")
        words = ["--as", "hospital", "--reason-file", reason, "--yes"]
        scripts.town.json("record", "erase", scripts.town.home.observation, *words)
    else:
        lose_bundles(scripts.town)
    found, out, _ = scripts(request_access, *requesting(path, *NAMED, "--confirm"))
    assert found == code
    assert "not confirmed: " in out
    assert re.search(says, out)
    assert states(scripts, number) == ["delivered"]


def test_request_access__waiting__goes_on_until_all_is_settled(
    scripts: Scripts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(tmp_path, grants=1)
    words = requesting(path, "--patient", "patient", "--wait", "--confirm", "--every", "7")
    busy = [LedgerBusyError("the embedded chain is in use")]
    asked = Requesting.request
    happens = [
        lambda: None,
        lambda: scripts.town.json("request", "accept", "1", "--as", "patient", "--yes"),
        lambda: monkeypatch.setattr(Requesting, "request", lambda *_: (_ for _ in ()).throw(busy[0])),
        lambda: monkeypatch.setattr(Requesting, "request", asked),
        lambda: scripts.town.json("request", "deliver", "1", "--patient", "patient", "--as", "hospital"),
    ]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        happens.pop(0)()

    said: list[str] = []
    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr("builtins.print", lambda text, **_: said.append(text))
    assert scripts(request_access, *words)[0] == 0
    assert slept == [7.0] * 5
    patient = scripts.town.home.addresses["patient"]
    beginnings = [
        "request 1: opened",
        "request 1: open; 0 of 1 accepted: 0 to be delivered",
        "request 1: used up; 1 of 1 accepted: 1 to be delivered",
        "the embedded chain is in use; trying again",
        f"{patient}: confirmed, 1 records open; paid",
        "request 1: used up; 1 of 1 accepted: 0 to be delivered",
    ]
    assert [line[: len(begins)] for line, begins in zip(said, beginnings, strict=True)] == beginnings


def test_request_access__past_the_deadline__says_how_the_rest_comes_back(
    scripts: Scripts, tmp_path: Path, days_later
) -> None:
    path = write_study(tmp_path)
    opened(scripts, path)
    days_later(21)
    code, out, _ = scripts(request_access, *requesting(path, *NAMED, "--wait"))
    assert code == 0
    assert out.endswith("have the rest back: medshare request return-unearned 1 --as NAME\n")


@pytest.mark.parametrize(
    ("change", "who", "says", "code"),
    [
        ({}, "doctor", "RequestNotAccreditedError", 3),
        ({"deadline": "2020-01-01T00:00:00Z"}, "researcher", "RequestTermsInvalidError", 2),
        ({"reward": 1 << 127}, "researcher", "InsufficientFundsError", 1),
        ({"extra": 1}, "researcher", "InvalidInputError", 2),
        ({"requester": "0x" + "70" * 20}, "researcher", "InvalidInputError", 2),
        ({}, "nobody", "UnknownIdentityError", 4),
    ],
)
def test_request_access__that_cannot_be__says_why(
    scripts: Scripts, tmp_path: Path, change: dict, who: str, says: str, code: int
) -> None:
    found, out, err = scripts(request_access, write_study(tmp_path, **change), "--as", who, "--yes", "--json")
    assert (found, out) == (code, "")
    assert json.loads(err)["error"] == says
    assert scripts.town.json("request", "list") == []


# -------------------------------------------------------------------------------------------- fetch_dataset


def fetching(number: str, folder: Path, *more: object) -> tuple[object, ...]:
    return (number, "--as", "researcher", "--to", folder, *more)


def test_fetch_dataset__delivered__is_exactly_what_is_permitted(scripts: Scripts, tmp_path: Path) -> None:
    town = scripts.town
    number = delivered(scripts, write_study(tmp_path))
    town.json("access", "grant", town.home.scan, "--as", "patient", "--to", "researcher", "--until", "1d",
              "--purpose", "BIORCH")  # fmt: skip
    folder = tmp_path / "dataset"
    found = scripts.json(fetch_dataset, *fetching(number, folder))
    assert json.loads((folder / "dataset.json").read_text()) == found
    assert {path.name for path in folder.iterdir()} == {town.home.observation, "dataset.json"}
    assert (folder / town.home.observation).read_bytes() == OBSERVATION
    assert (found["request"], found["title"], found["purposes"]) == (int(number), "Sleep and blood sugar", ["BIORCH"])
    (row,), (participant,) = found["records"], found["participants"]
    assert (row["state"], row["purposes"], row["obligations"]) == ("granted", ["BIORCH"], ["NORELINK"])
    assert row["grant"] == participant["grant"]
    assert row["usable_until"] == participant["usable_until"]
    assert (participant["patient"], participant["delivery"], participant["state"]) == (
        town.home.addresses["patient"],
        "delivered",
        "granted",
    )
    before = (folder / town.home.observation).stat().st_mtime_ns
    code, out, _ = scripts(fetch_dataset, *fetching(number, folder))
    assert (code, out.count("there already")) == (0, 1)
    assert (folder / town.home.observation).stat().st_mtime_ns == before


@pytest.mark.parametrize("what", ["waiting", "declined"])
def test_fetch_dataset__not_delivered__is_not_fetched(scripts: Scripts, tmp_path: Path, what: str) -> None:
    number = accepted(scripts, write_study(tmp_path))
    if what == "declined":
        scripts.town.json("request", "decline", number, "--patient", "patient", "--as", "hospital")
    folder = tmp_path / "dataset"
    code, out, _ = scripts(fetch_dataset, *fetching(number, folder))
    assert code == 0
    assert f"nothing of request {number} may be used: 0 were delivered\n" in out
    assert ("1 who accepted are not delivered yet" in out) is (what == "waiting")
    assert [path.name for path in folder.iterdir()] == ["dataset.json"]


def test_fetch_dataset__for_several_purposes__says_for_which(scripts: Scripts, tmp_path: Path) -> None:
    wanted = {"effect": "permit", "purposes": ["BIORCH", "CLINTRCH"], "categories": ["observation"]}
    path = write_study(tmp_path, wanted=wanted)
    number = delivered(scripts, path)
    (row,) = scripts.json(fetch_dataset, *fetching(number, tmp_path / "dataset"))["records"]
    assert row["purposes"] == ["BIORCH", "CLINTRCH"]


def test_fetch_dataset__revoked__is_refused_and_the_file_is_to_be_deleted(scripts: Scripts, tmp_path: Path) -> None:
    number, folder = delivered(scripts, write_study(tmp_path)), tmp_path / "dataset"
    assert scripts(fetch_dataset, *fetching(number, folder))[0] == 0
    scripts.town.json("access", "revoke-all", "--as", "patient")
    code, out, _ = scripts(fetch_dataset, *fetching(number, folder))
    assert code == 3
    assert "1 files may no longer be used, delete them:" in out
    assert "1 of 1 who were delivered permit nothing any more:" in out
    assert f"{scripts.town.home.addresses['patient']}: revoked 20" in out
    other = tmp_path / "other"
    found = scripts.json(fetch_dataset, *fetching(number, other), code=3)
    assert found["records"] == []
    assert found["participants"][0]["state"] == "revoked"
    assert [path.name for path in other.iterdir()] == ["dataset.json"]


def test_fetch_dataset__expired__is_refused_and_says_since_when(scripts: Scripts, tmp_path: Path, days_later) -> None:
    number, folder = delivered(scripts, write_study(tmp_path)), tmp_path / "dataset"
    (row,) = scripts.json(fetch_dataset, *fetching(number, folder))["records"]
    days_later(60)
    found = scripts.json(fetch_dataset, *fetching(number, folder), code=3)
    assert [(each["state"], each["ended_at"]) for each in found["records"]] == [("expired", row["usable_until"])]
    assert found["participants"][0]["ended_at"] == row["usable_until"]


def test_fetch_dataset__to_be_erased_before_the_grant_ends__is_told_so(
    scripts: Scripts, tmp_path: Path, days_later
) -> None:
    by = int(time.time()) + 30 * DAY
    wanted = {
        "effect": "permit",
        "purposes": ["BIORCH"],
        "everything": True,
        "obligations": [{"duty": "erase-by", "by": by}],
    }
    number, folder = delivered(scripts, write_study(tmp_path, wanted=wanted)), tmp_path / "dataset"
    found = scripts.json(fetch_dataset, *fetching(number, folder))
    assert {row["usable_until"] for row in found["records"]} == {moment(by)}
    assert len(found["records"]) == 2
    days_later(31)
    found = scripts.json(fetch_dataset, *fetching(number, folder))
    assert {row["state"] for row in found["records"]} == {"erasure-due"}


def test_fetch_dataset__retracted__is_not_fetched_again(scripts: Scripts, tmp_path: Path) -> None:
    town = scripts.town
    number, folder = delivered(scripts, write_study(tmp_path)), tmp_path / "dataset"
    assert scripts(fetch_dataset, *fetching(number, folder))[0] == 0
    town.json("record", "retract", town.home.observation, "--as", "hospital", "--reason", "wrong")
    code, out, _ = scripts(fetch_dataset, *fetching(number, folder))
    assert code == 0
    assert f"{folder / town.home.observation}: retracted 20" in out
    assert scripts.json(fetch_dataset, *fetching(number, tmp_path / "other"))["records"] == []


def test_fetch_dataset__bundle_is_gone__is_told_with_its_code(scripts: Scripts, tmp_path: Path) -> None:
    number = delivered(scripts, write_study(tmp_path))
    lose_bundles(scripts.town)
    patient = scripts.town.home.addresses["patient"]
    found = scripts.json(fetch_dataset, *fetching(number, tmp_path / "dataset"), code=4)
    assert [(each["patient"], each["error"]) for each in found["refused"]] == [(patient, "BlobNotFoundError")]


def test_fetch_dataset__of_another__is_refused(scripts: Scripts, tmp_path: Path) -> None:
    number, folder = delivered(scripts, write_study(tmp_path)), tmp_path / "dataset"
    code, _, err = scripts(fetch_dataset, number, "--as", "doctor", "--to", folder)
    assert (code, folder.exists()) == (3, False)
    assert "error: " in err
    assert scripts(fetch_dataset, *fetching("9", folder))[0] == 4
    assert scripts(fetch_dataset, *fetching(number, folder))[0] == 0
    other = delivered(scripts, write_study(tmp_path, title="Another"))
    code, _, err = scripts(fetch_dataset, *fetching(other, folder))
    assert code == 2
    assert "another network, reader, request or purposes" in err


# ----------------------------------------------------------------------------------------- approve_requests


APPROVE, DECLINE, ASK = ('answer = "approve"', 'answer = "decline"', 'answer = "ask"')


def answering(path: Path, *more: object) -> tuple[object, ...]:
    return ("--policy", path, *(more or ("--as", "patient")))


def with_mary(town: CommandLine) -> None:
    """Make a patient who has no coins, with a record of the hospital."""
    actor = make_identity(town.home.path, "mary")
    town.json("identity", "publish", "mary", "--paid-by", "neighbour", "--yes")
    with connect(town.home.path) as session:
        hospital = session.keyring.open("hospital", lambda _: PASSPHRASE)
        description = Description(media_type="application/fhir+json", category=Category.OBSERVATION)
        session.publishing.publish(OBSERVATION, custodian=hospital, patient=actor.address, description=description)


def test_approve_requests__as_the_policy_says__for_several_patients(scripts: Scripts, tmp_path: Path) -> None:
    town = scripts.town
    with_mary(town)
    for title, category in (("One", 1), ("For profit", 3), ("Public", 2)):
        path = write_study(tmp_path, title=title, category=category)
        number = scripts.json(request_access, *requesting(path))["request"]
        town.json("request", "approve", number, "--as", "clinic")
    rules = policy(tmp_path, f"{DECLINE}\ncategories = [3]", f"{APPROVE}\ncategories = [1]")
    words = answering(rules, "--as", "patient", "--as", "mary", "--paid-by", "neighbour")
    code, out, _ = scripts(approve_requests, *words, "--dry-run")
    assert code == 0
    assert out.endswith("2 would be accepted, 2 declined, 2 would be asked about\n")
    for number in (1, 2, 3):
        assert states(scripts, number) == []
    code, out, _ = scripts(approve_requests, *words)
    assert code == 0
    assert "mary is asked, request 1:\n  request: 1\n  study: One\n" in out
    assert "  the policy: approve: rule 2 of the policy fits\n  => accepted: access is granted" in out
    assert out.endswith("2 accepted, 2 declined, 2 waits for an answer\n")
    assert (states(scripts, 1), states(scripts, 2), states(scripts, 3)) == (["reserved"] * 2, [], [])
    again = scripts.json(approve_requests, *words)
    assert [(row["request"], row["answer"]) for row in again] == [(2, "decline"), (3, "ask")] * 2
    with connect(town.home.path) as session:
        assert session.chain.client.balance(session.keyring.resolve("mary")) == 0


@pytest.mark.parametrize(("typed", "done"), [("n", "not accepted: the answer was no"), ("y", "accepted")])
def test_approve_requests__somebody_is_there__is_asked(
    scripts: Scripts, tmp_path: Path, somebody, typed: str, done: str
) -> None:
    number = opened(scripts, write_study(tmp_path))
    somebody(typed)
    code, out, err = scripts(approve_requests, *answering(policy(tmp_path)))
    assert code == 0
    assert f"=> {done}" in out
    assert out.count("study: Sleep and blood sugar") == 1
    assert "Accept this?" in err or "you sign" in err
    assert states(scripts, number) == (["reserved"] if typed == "y" else [])


def test_approve_requests__agent__answers_for_a_patient(scripts: Scripts, tmp_path: Path) -> None:
    town = scripts.town
    may = ["--may", "grant", "--purpose", "BIORCH", "--until", "300d", "--with-access"]
    town.json("delegate", "appoint", "neighbour", "--as", "patient", *may)
    path = write_study(tmp_path)
    scripts.json(request_access, *requesting(path))
    town.json("request", "approve", 1, "--as", "clinic")
    (row,) = scripts.json(
        approve_requests, *answering(policy(tmp_path, APPROVE), "--as", "neighbour", "--for", "patient")
    )
    assert (row["patient"], row["done"].split(":")[0], row["error"]) == (
        town.home.addresses["patient"],
        "accepted",
        None,
    )
    assert states(scripts, 1) == ["reserved"]


def test_approve_requests__one_fails_or_cannot_be_read__keeps_no_other_back(scripts: Scripts, tmp_path: Path) -> None:
    with_mary(scripts.town)
    before = scripts.town.pins()
    for title in ("Gone", "There"):
        path = write_study(tmp_path, title=title)
        number = scripts.json(request_access, *requesting(path))["request"]
        scripts.town.json("request", "approve", number, "--as", "clinic")
        if title == "Gone":
            gone = scripts.town.pins() - before
    scripts.town.lose(*map(Cid.parse, gone))
    rules = policy(tmp_path, APPROVE)
    rows = scripts.json(approve_requests, *answering(rules, "--as", "stranger", "--as", "mary"), code=4)
    assert [(row["request"], row["error"]) for row in rows] == [
        (1, "BlobNotFoundError"),
        (2, "InvalidInputError"),  # nobody holds records of the stranger
        (1, "BlobNotFoundError"),
        (2, "InsufficientFundsError"),
    ]
    paid = answering(rules, "--as", "mary", "--paid-by", "neighbour", "--delivered-by", "hospital")
    code, out, _ = scripts(approve_requests, *paid)
    assert code == 4
    assert "its study cannot be read: the store has no block" in out
    assert out.endswith("1 left, 1 accepted\n")


def test_approve_requests__nobody_asks__says_so(scripts: Scripts, tmp_path: Path) -> None:
    code, out, _ = scripts(approve_requests, *answering(policy(tmp_path, ASK)))
    assert (code, out) == (0, "nobody is asked for anything now\n")


@pytest.mark.parametrize(
    ("text", "words", "says", "code"),
    [
        ("version = 9", ("--as", "patient"), "this medshare reads version 1", 2),
        ("version = 1", ("--as", "nobody"), "no identity is called 'nobody'", 4),
        ("version = 1", ("--as", "patient", "--paid-by", "nobody"), "no identity is called 'nobody'", 4),
    ],
)
def test_approve_requests__that_cannot_be__says_why(
    scripts: Scripts, tmp_path: Path, text: str, words: tuple[str, ...], says: str, code: int
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    found, _, err = scripts(approve_requests, *answering(path, *words))
    assert found == code
    assert says in err


# --------------------------------------------------------------------------------------------- study_report


def test_study_report__before_and_after_it_is_settled__adds_up_to_the_last_unit(
    scripts: Scripts, tmp_path: Path, days_later
) -> None:
    path = write_study(tmp_path)
    number = delivered(scripts, path)
    found = scripts.json(study_report, number)
    assert (found["study"], found["state"]) == (None, "open")
    assert found["money"] == {
        "deposited": 2 * REWARD,
        "to_patients": 0,
        "to_custodians": 0,
        "to_consortium": 0,
        "spent": 0,
        "refunded": 0,
        "held_for_deliveries": REWARD,
        "reserved": 0,
        "free": REWARD,
    }
    assert scripts(request_access, *requesting(path, *NAMED, "--confirm"))[0] == 0
    days_later(21)
    scripts.town.json("request", "return-unearned", number, "--as", "stranger")
    found = scripts.json(study_report, number, "--as", "researcher")
    assert (found["study"], found["state"]) == ("Sleep and blood sugar", "ended")
    money = found["money"]
    assert (money["spent"], money["refunded"], money["reserved"], money["free"]) == (REWARD, REWARD, 0, 0)
    (row,) = found["participants"]
    assert (row["delivery"], row["access"], row["to_patient"], row["to_custodian"], row["to_consortium"]) == (
        "paid",
        "granted",
        TO_PATIENT,
        TO_CUSTODIAN,
        TO_CONSORTIUM,
    )
    code, out, _ = scripts(study_report, number)
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["in", "deposited", "by", "the", "requester", "2,000,002"] in lines
    assert ["in", "-", "out", "-", "held", "0"] in lines
    (line,) = (line for line in lines if line[:1] == ["patient"] and "paid" in line)
    assert line[1:4] == ["hospital", "paid", "granted"]
    assert line[-3:] == ["700,001", "200,000", "0"]


def test_study_report__nobody_accepted__says_so(scripts: Scripts, tmp_path: Path) -> None:
    number = opened(scripts, write_study(tmp_path, reward=0))
    code, out, _ = scripts(study_report, number)
    assert code == 0
    assert "0 have accepted" in out
    assert scripts(study_report, "9")[0] == 4


# -------------------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("script", ["request_access", "fetch_dataset", "approve_requests", "study_report"])
def test_script__as_a_program__needs_its_arguments_and_helps(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(study_report.__file__).with_name(f"{script}.py")
    for words, code in ((["--help"], 0), ([], 2)):
        monkeypatch.setattr(sys, "argv", [str(path), *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(path), run_name="__main__")
        assert ended.value.code == code
    assert f"python scripts/{script}.py" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (study_report, ["x"]),
        (fetch_dataset, ["0", "--as", "me", "--to", "there"]),
        (approve_requests, ["--policy", "p.toml", "--as", "one", "--as", "two", "--for", "three"]),
    ],
    ids=["no number", "zero", "for whom"],
)
def test_script__wrong_usage__is_2(script, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        script.main(words)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


# ----------------------------------------------------------------------------------- records of batches


def test_scripts__records_of_batches__are_found_by_who_acts(scripts: Scripts, tmp_path: Path) -> None:
    source, target, path = tmp_path / "later.json", tmp_path / "dataset", write_study(tmp_path)
    source.write_bytes(OBSERVATION.replace(b'"7"', b'"8"'))
    scripts.town("record", "publish", "--batch", source, "--as", "hospital", "--patient", "patient")
    forget_batches(scripts.town)
    number = opened(scripts, path)
    rule = 'answer = "approve"\nduo = ["human", "allowed"]'
    head = 'data_use = { permission = "GRU", modifiers = [] }'
    answered = scripts.json(approve_requests, "--policy", policy(tmp_path, rule, head=head), "--as", "patient")
    assert [row["error"] for row in answered] == [None]
    delivered(scripts, path, number)
    forget_batches(scripts.town)
    _, out, _ = scripts(request_access, *requesting(path, *NAMED, "--confirm"))
    assert "confirmed, 2 records open; paid" in out
    forget_batches(scripts.town)
    assert scripts(fetch_dataset, *fetching(number, target))[0] == 0
    assert len(json.loads((target / "dataset.json").read_text())["records"]) == 2


def forget_batches(town: CommandLine) -> None:
    """Forget what was found in batches, as in the home of another."""
    for book in (town.home.path / "state").glob("*/batches.sqlite"):
        shutil.move(book, book.with_suffix(".forgotten"))
