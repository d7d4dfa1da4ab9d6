"""Institutions govern together, on the command line.

given a home on the embedded chain, whose one member acts where nobody is named
├─ from one member to three by votes: proposed, shown in words, voted for, executed; the inbox says what waits
├─ a vote: asks first, says what it would do and why, warns of calldata that nobody knows; refused where nobody is there
├─ the reason: kept, exported, checked; another file is refused
├─ accredited, suspended, reinstated, withdrawn: listed with the reason why not, told in the inbox, and by doctor
├─ a member loses its seat: its custodian can publish nothing more, and what is published opens
└─ what may not be, or is not there: refused with its exit code
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from homes import OBSERVATION, CommandLine

from medshare import connect
from medshare.model.governed import GovernedCall

pytestmark = pytest.mark.integration


@dataclass(frozen=True, slots=True, kw_only=True)
class Strange(GovernedCall):
    """A call that the consortium takes as a proposal, and nobody here knows."""

    signature: ClassVar[str] = "strange(uint256)"

    number: int


@pytest.fixture
def why(tmp_path: Path) -> Path:
    file = tmp_path / "why.txt"
    file.write_text("They treat a third of our patients.")
    return file


def proposed(cli: CommandLine, why: Path, *words: object) -> dict[str, object]:
    return cli.json("consortium", "propose", *words, "--reason-file", why)


def admitted(cli: CommandLine, why: Path, who: str, *voters: str) -> None:
    number = proposed(cli, why, "admit", who)["proposal"]
    for voter in voters:
        cli.json("consortium", "vote", number, "--as", voter, "--yes")
    cli.json("consortium", "execute", number)


def strange(cli: CommandLine) -> int:
    """Propose what nobody here knows; return its number."""
    with connect(cli.home.path) as session:
        member = session.chain.development_member()
        return session.ledger.consortium.propose(member, Strange(number=7), b"\1" * 32).proposal_id


# --------------------------------------------------------------------------------------------- votes


def test_consortium__from_one_member_to_three__decides_by_votes(cli: CommandLine, why: Path) -> None:
    clinic, neighbour = cli.home.addresses["clinic"], cli.home.addresses["neighbour"]
    alone = cli.json("consortium", "show")
    assert (len(alone["members"]), alone["votes_needed"], alone["open_proposals"]) == (1, 1, 0)
    first = proposed(cli, why, "admit", "clinic")
    assert (first["state"], first["votes"], first["needed"]) == ("passed", 1, 1)
    assert first["what"] == f"give clinic ({clinic}) a seat"
    executed = cli.json("consortium", "execute", first["proposal"])
    assert (executed["state"], executed["votes"], executed["needed"]) == ("executed", 1, None)
    second = proposed(cli, why, "admit", "neighbour")
    assert (second["state"], second["votes"], second["needed"]) == ("pending", 1, 2)
    assert cli.json("consortium", "show")["open_proposals"] == 1
    (waiting,) = [each for each in cli.json("inbox", "--as", "clinic") if each["waits"]]
    assert (waiting["kind"], waiting["urgency"], waiting["proposal"]) == ("VoteDue", "due", second["proposal"])
    assert waiting["answer"] == f"medshare consortium vote {second['proposal']} --as clinic"
    voted = cli.json("consortium", "vote", second["proposal"], "--as", "clinic", "--yes")
    assert (voted["state"], voted["votes"]) == ("passed", 2)
    assert not any(each["waits"] for each in cli.json("inbox", "--as", "clinic"))
    cli.json("consortium", "execute", second["proposal"], "--as", "stranger")
    rows = cli.json("consortium", "members")
    assert [each["seat"] for each in rows] == [1, 2, 3]
    assert [each["member"] for each in rows[1:]] == [clinic, neighbour]
    assert cli.json("consortium", "proposals", "--open") == []
    assert [each["state"] for each in cli.json("consortium", "proposals")] == ["executed", "executed"]
    shown = cli.json("consortium", "proposal", second["proposal"])
    assert shown["voted"] == [alone["members"][0], clinic]
    assert (shown["function"], shown["arguments"]) == ("admit(address)", {"member": neighbour})
    assert shown["executed_by"] == cli.home.addresses["stranger"]


def test_propose__again_while_it_is_open__is_the_same_proposal(cli: CommandLine, why: Path) -> None:
    admitted(cli, why, "clinic")
    first = proposed(cli, why, "remove", "clinic")
    again = cli("consortium", "propose", "remove", "clinic", "--reason-file", why)
    assert again.text.startswith("this is proposed already, and open\n")
    assert proposed(cli, why, "remove", "clinic")["proposal"] == first["proposal"]
    assert len(cli.json("consortium", "proposals")) == 2


def test_vote__nobody_to_be_asked__votes_for_nothing(cli: CommandLine, why: Path) -> None:
    admitted(cli, why, "clinic")
    number = proposed(cli, why, "remove", "clinic")["proposal"]
    answer = cli("consortium", "vote", number, "--as", "clinic")
    assert (answer.code, answer.out) == (1, b"")
    assert "nobody is there to be asked" in answer.err
    assert cli.json("consortium", "proposal", number)["votes"] == 1


@pytest.mark.parametrize(("typed", "code", "votes"), [("n", 1, 1), ("y", 0, 2)])
def test_vote__person_is_asked__votes_only_for_what_he_wants(
    cli: CommandLine, why: Path, monkeypatch: pytest.MonkeyPatch, typed: str, code: int, votes: int
) -> None:
    admitted(cli, why, "clinic")
    number = proposed(cli, why, "suspend", "clinic")["proposal"]
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: typed)
    answer = cli("consortium", "vote", number, "--as", "clinic")
    assert answer.code == code
    assert "warning: Whom it accredited is accredited no longer" in answer.err
    assert f"you vote to: take the seat of clinic ({cli.home.addresses['clinic']})" in answer.err
    assert cli.json("consortium", "proposal", number)["votes"] == votes


def test_vote__calldata_that_nobody_knows__is_shown_with_a_warning(cli: CommandLine, why: Path) -> None:
    admitted(cli, why, "clinic")
    number = strange(cli)
    (row,) = cli.json("consortium", "proposals", "--open")
    assert row["what"].startswith("make a call that is unknown here (selector 0x")
    shown = cli.json("consortium", "proposal", number)
    assert (shown["function"], shown["arguments"]) == (None, None)
    assert "Nobody here can say what this does" in shown["warnings"][0]
    answer = cli("consortium", "vote", number, "--as", "clinic", "--yes")
    assert answer.code == 0
    assert "warning: Nobody here can say what this does" in answer.err
    assert f"with the calldata: {shown['calldata']}" in answer.err


def test_reason__exported_checked_and_shown(cli: CommandLine, why: Path, tmp_path: Path) -> None:
    admitted(cli, why, "clinic")
    cli.json("consortium", "accredit", "hospital", "--kind", "assessor", "--until", "1d")
    words = ["propose", "suspend-actor", "hospital", "--kind", "assessor", "--reason-file", why, "--as", "clinic"]
    made = cli.json("consortium", *words, "--export", tmp_path / "reason.json")
    number = made["proposal"]
    assert made["file"] == str(tmp_path / "reason.json")
    kept = cli.json("consortium", "proposal", number, "--as", "clinic", "--export", tmp_path / "again.json")
    assert kept["reason"] == why.read_text()
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "reason.json").read_bytes()
    assert cli.json("consortium", "proposal", number)["reason"] is None
    checked = cli.json("consortium", "proposal", number, "--reason", tmp_path / "reason.json")
    assert checked["reason"] == why.read_text()
    forged = tmp_path / "forged.json"
    forged.write_text((tmp_path / "reason.json").read_text().replace("third", "fifth"))
    answer = cli("--json", "consortium", "vote", number, "--reason", forged, "--yes")
    assert (answer.code, answer.error["error"]) == (5, "IntegrityError")
    assert cli.json("consortium", "proposal", number)["votes"] == 1
    voted = cli("consortium", "vote", number, "--reason", tmp_path / "reason.json", "--yes")
    assert f"because: {why.read_text()}" in voted.err
    assert cli("consortium", "proposal", number, "--export", tmp_path / "third.json").code == 2
    why.write_text("an \x1b[31malert")
    cli.json("consortium", *words, "--export", tmp_path / "red.json")
    number += 1
    assert "an \\x1b[31malert" in cli("consortium", "proposal", number, "--reason", tmp_path / "red.json").text
    assert cli("consortium", *words, "--export", why).code == 2


# -------------------------------------------------------------------------------------- accreditation


def test_accreditation__given_suspended_reinstated_withdrawn__is_listed_with_the_reason(cli: CommandLine) -> None:
    researcher = ["researcher", "--kind", "researcher"]
    given = cli.json("consortium", "accredit", *researcher, "--until", "30d")
    assert (given["actor"], given["in_force"], given["why_not"]) == (cli.home.addresses["researcher"], True, None)
    cli.json("inbox", "--as", "researcher")
    assert cli.json("consortium", "suspend", *researcher)["why_not"] == ["suspended by the member"]
    (told,) = cli.json("inbox", "--as", "researcher")
    assert (told["kind"], told["says"]) == (
        "AccreditationSuspended",
        "you were suspended as a researcher, by the member that accredited you",
    )
    again = cli("consortium", "accredit", *researcher, "--until", "60d")
    assert "it counts for nothing yet" in again.text
    assert cli.json("consortium", "reinstate", *researcher)["in_force"]
    assert cli.json("consortium", "accredit", *researcher, "--withdraw")["why_not"] == ["withdrawn"]
    (row,) = cli.json("consortium", "accreditations", "--actor", "researcher")
    assert (row["kind"], row["in_force"], row["why_not"]) == ("researcher", False, ["withdrawn"])
    assert cli("consortium", "accreditations", "--kind", "ethics-committee").text == "nobody is accredited\n"


def test_accreditation__by_a_member_that_is_named__is_its_own(cli: CommandLine, why: Path) -> None:
    admitted(cli, why, "clinic")
    cli.json("consortium", "accredit", "neighbour", "--kind", "reviewer", "--until", "1d", "--as", "clinic")
    (row,) = cli.json("consortium", "accreditations", "--actor", "neighbour")
    assert row["member"] == cli.home.addresses["clinic"]
    answer = cli("--json", "consortium", "suspend", "neighbour", "--kind", "reviewer")
    assert (answer.code, answer.error["error"]) == (3, "AccreditedByAnotherError")
    assert cli.home.addresses["clinic"] in answer.error["hint"]


def test_doctor__a_custodian_without_accreditation__is_told_how_to_mend_it(cli: CommandLine) -> None:
    def found() -> tuple[int, dict[str, str]]:
        answer = cli("--json", "doctor")
        return answer.code, next(row for row in answer.json if row["check"] == "accreditation hospital")

    hospital = ["hospital", "--kind", "custodian"]
    code, well = found()
    assert (code, well["health"], well["mend"]) == (0, "good", "")
    assert not any(row["check"] == "accreditation doctor" for row in cli.json("doctor"))
    cli.json("consortium", "accredit", *hospital, "--until", "20d")
    code, soon = found()
    assert (code, soon["health"]) == (0, "warning")
    assert re.search("ends in (20 days|19 days 23 hours)$", soon["says"])
    cli.json("consortium", "suspend", *hospital)
    code, bad = found()
    assert (code, bad["health"]) == (1, "bad")
    assert "medshare" in bad["mend"]
    assert "consortium reinstate hospital --kind custodian" in bad["mend"]
    cli.json("consortium", "reinstate", *hospital)
    cli.json("consortium", "accredit", *hospital, "--withdraw")
    code, bad = found()
    assert (code, bad["health"]) == (1, "bad")
    assert "consortium accredit hospital --kind custodian" in bad["mend"]
    cli.json("consortium", "accredit", *hospital, "--until", "365d")
    assert found()[1]["health"] == "good"


def test_seat__lost__its_custodian_publishes_nothing_more_and_what_there_is_opens(
    cli: CommandLine, why: Path, tmp_path: Path
) -> None:
    admitted(cli, why, "clinic")
    admitted(cli, why, "neighbour", "clinic")
    cli.json("consortium", "accredit", "hospital", "--kind", "custodian", "--withdraw")
    cli.json("consortium", "accredit", "hospital", "--kind", "custodian", "--until", "9d", "--as", "clinic")
    file = tmp_path / "new.txt"
    file.write_text("a new record")
    publish = ["record", "publish", file, "--as", "hospital", "--patient", "patient"]
    number = proposed(cli, why, "remove", "clinic")["proposal"]
    cli.json("consortium", "vote", number, "--as", "neighbour", "--yes")
    cli.json("consortium", "execute", number, "--as", "stranger")
    (row,) = cli.json("consortium", "accreditations", "--actor", "hospital", "--kind", "custodian")
    assert row["why_not"] == ["the member lost its seat"]
    answer = cli("--json", *publish)
    assert (answer.code, answer.error["error"]) == (3, "CustodianNotAccreditedError")
    assert cli.fetched(cli.home.observation, "patient") == OBSERVATION
    cli.json("consortium", "accredit", "hospital", "--kind", "custodian", "--until", "9d", "--as", "neighbour")
    assert cli(*publish).code == 0


# ------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("words", "error", "code"),
    [
        ("accredit doctor --kind custodian --until 1d --as stranger", "NotAMemberError", 3),
        ("accredit doctor --kind custodian --until 2020-01-01", "InvalidInputError", 2),
        ("suspend stranger --kind reviewer", "SuspensionInvalidError", 1),
        ("reinstate hospital --kind custodian", "SuspensionInvalidError", 1),
        ("propose admit clinic --as stranger --reason-file {why}", "NotAMemberError", 3),
        ("propose admit nobody --reason-file {why}", "UnknownIdentityError", 4),
        ("propose admit clinic", "ConfigurationError", 1),
        ("propose admit clinic --reason-file {why}.none", "InvalidInputError", 2),
        ("propose split --category public --patient 80 --custodian 30 --reason-file {why}", "InvalidInputError", 2),
        ("propose split --category public --patient 70.001 --custodian 0 --reason-file {why}", "InvalidInputError", 2),
        ("vote 99 --yes", "UnknownProposalError", 4),
        ("vote {done} --yes", "ProposalExecutedError", 1),
        ("vote {open} --yes", "VotedAlreadyError", 1),
        ("vote {open} --as stranger --yes", "NotAMemberError", 3),
        ("execute {open}", "QuorumMissingError", 3),
        ("execute {done}", "ProposalExecutedError", 1),
        ("proposal 99", "UnknownProposalError", 4),
    ],
)
def test_consortium__what_may_not_be__is_refused_with_its_code(
    cli: CommandLine, why: Path, words: str, error: str, code: int
) -> None:
    admitted(cli, why, "clinic")
    pending = proposed(cli, why, "remove", "clinic")["proposal"]
    answer = cli("--json", "consortium", *words.format(why=why, done=pending - 1, open=pending).split())
    assert (answer.code, answer.error["error"]) == (code, error)


@pytest.mark.parametrize(
    "words",
    [
        ["accredit", "doctor", "--kind", "custodian"],
        ["accredit", "doctor", "--kind", "custodian", "--until", "1d", "--withdraw"],
        ["accredit", "doctor", "--kind", "nonsense", "--until", "1d"],
        ["propose", "rules", "--quorum", "50", "--voting-period", "1d"],
        ["propose", "decide", "1", "--patient", "patient"],
        ["vote", "0"],
        ["proposal", "nonsense"],
    ],
    ids=" ".join,
)
def test_consortium__usage__is_2(cli: CommandLine, words: list[str]) -> None:
    answer = cli("--json", "consortium", *words)
    assert (answer.code, answer.out) == (2, b"")
