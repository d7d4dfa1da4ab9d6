"""Quality on the command line: attested, shown, withdrawn; searched by.

given a home with two records of a patient by a hospital, and a clinic that is accredited as assessor
├─ what it attests is shown, with whether it counts; withdrawn, or no longer accredited, it does not
├─ lists and histories hold what is good enough, and nothing that nobody has attested
├─ a study asks for a score, and weighs it: the records of one patient are good enough, another's are not
└─ who may not, and what is not there or cannot be, is refused with its exit code
"""

from __future__ import annotations

from pathlib import Path

import pytest
from homes import OBSERVATION, PASSPHRASE, CommandLine, Home
from studies import REWARD, write_study

from medshare import connect
from medshare.model.accreditation import AccreditationKind
from medshare.model.ids import Address
from medshare.model.record import Category
from medshare.services.publishing import Description

pytestmark = pytest.mark.integration


@pytest.fixture
def granted(granted_home: Home, capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    cli = CommandLine(granted_home, capsysbinary)
    cli.accredit("clinic", AccreditationKind.ASSESSOR)
    return cli


def attest(cli: CommandLine, record: str, score: int) -> None:
    said = cli.json("quality", "attest", record, "--as", "clinic", "--score", score, "--method", 1)
    assert (said["record"], said["score"]) == (record, score)


def test_quality__attested__is_shown_until_withdrawn_or_no_longer_accredited(granted: CommandLine) -> None:
    scan = granted.home.scan
    assert granted("quality", "show", scan).text == "nobody has attested the quality of this record\n"
    attest(granted, scan, 80)
    (row,) = granted.json("quality", "show", scan)
    assert (row["assessor"], row["score"], row["method"], row["counts"]) == (
        granted.home.addresses["clinic"],
        80,
        1,
        True,
    )
    granted.accredit("clinic", AccreditationKind.ASSESSOR, 0)
    (row,) = granted.json("quality", "show", scan)
    assert (row["accredited"], row["counts"]) == (False, False)
    granted.json("quality", "withdraw", scan, "--as", "clinic")
    (row,) = granted.json("quality", "show", scan)
    assert row["withdrawn_at"] is not None
    assert granted.json("audit", "verify")["differences"] == []


def test_records__searched_by_quality__are_those_attested_as_good(granted: CommandLine) -> None:
    attest(granted, granted.home.scan, 80)
    attest(granted, granted.home.observation, 40)
    listed = ("record", "list", "--patient", "patient", "--min-score")
    assert [row["record"] for row in granted.json(*listed, 80)] == [granted.home.scan]
    assert len(granted.json(*listed, 40)) == 2
    assert granted(*listed, 81).text == "no record of this patient has this quality attested\n"
    history = granted.json("record", "history", "--as", "doctor", "--patient", "patient", "--min-score", 50)
    assert [row["record"] for row in history["records"]] == [granted.home.scan]


def test_study__that_asks_for_quality__is_delivered_and_paid_by_it(granted: CommandLine, tmp_path: Path) -> None:
    cli, home = granted, granted.home
    cli.accredit("researcher", AccreditationKind.RESEARCHER)
    cli.accredit("neighbour", AccreditationKind.ETHICS_COMMITTEE)
    with connect(home.path) as session:
        hospital = session.keyring.open("hospital", lambda _: PASSPHRASE)
        said = Description(media_type="application/fhir+json", category=Category.OBSERVATION)
        other = session.publishing.publish(
            OBSERVATION, custodian=hospital, patient=Address(home.addresses["stranger"]), description=said
        )
    attest(cli, home.observation, 92)
    attest(cli, other.record_id.hex(), 70)
    wanted = {"effect": "permit", "purposes": ["BIORCH"], "everything": True}
    asked = ("--min-score", 80, "--quality-method", 1, "--quality-weight", 5000)
    opening = ("request", "open", write_study(tmp_path, wanted=wanted), "--as", "researcher")
    for half in (asked[:2], asked[4:]):
        answer = cli("--json", *opening, *half)
        assert (answer.code, answer.error["error"]) == (2, "InvalidInputError")
    row = cli.json(*opening, *asked)
    assert (row["minimum_score"], row["quality_method"], row["quality_weight"]) == (80, 1, 5000)
    number = str(row["request"])
    assert cli.json(*opening, *asked)["already"]
    cli.json("request", "approve", number, "--as", "neighbour")
    assert "records below 80 of 100 are not delivered" in cli("request", "offers", "--as", "patient").text
    answer = cli("--json", "request", "accept", number, "--as", "stranger", "--yes")
    assert (answer.code, answer.error["error"]) == (1, "ScoreTooLowError")
    cli.json("request", "accept", number, "--as", "patient", "--yes")

    delivered = cli.json("request", "deliver", number, "--patient", "patient", "--as", "hospital")

    assert (delivered["records"], delivered["score"]) == ([home.observation], 92)
    (left_out,) = delivered["left_out"]
    assert left_out.startswith(home.scan)
    (part,) = cli.json("request", "show", number)["parts"]
    assert (part["state"], part["score"]) == ("delivered", 92)
    confirmed = cli.json("request", "confirm", number, "--patient", "patient", "--as", "researcher")
    assert (confirmed["records"], confirmed["score"]) == (1, 92)
    account = cli.json("reward", "account", number)
    assert (account["to_custodians"], account["returned"]) == (200_000 - 8_000, 8_000)
    assert account["to_patients"] + account["to_consortium"] == REWARD - 200_000
    assert cli.json("audit", "verify")["differences"] == []


@pytest.mark.parametrize(
    ("words", "error", "code"),
    [
        (["attest", "{scan}", "--as", "doctor", "--score", "1", "--method", "1"], "AttestingNotAccreditedError", 3),
        (["attest", "11" * 32, "--as", "clinic", "--score", "1", "--method", "1"], "UnknownRecordError", 4),
        (["withdraw", "{scan}", "--as", "clinic"], "UnknownAttestationError", 4),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_quality__that_may_not_be__is_refused(granted: CommandLine, words: list[str], error: str, code: int) -> None:
    answer = granted("--json", "quality", *(word.format(scan=granted.home.scan) for word in words))
    assert (answer.code, answer.out, answer.error["error"]) == (code, b"", error)


@pytest.mark.parametrize(
    "words",
    [["--score", "101", "--method", "1"], ["--score", "-1", "--method", "1"], ["--score", "1", "--method", "0"]],
)
def test_quality__numbers_that_cannot_be__are_usage(granted: CommandLine, words: list[str]) -> None:
    answer = granted("--json", "quality", "attest", granted.home.scan, "--as", "clinic", *words)
    assert (answer.code, answer.out) == (2, b"")
