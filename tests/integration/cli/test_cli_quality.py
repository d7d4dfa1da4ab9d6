"""Quality on the command line: attested, shown, withdrawn; searched by.

given a home with two records of a patient by a hospital, and a clinic that is accredited as assessor
├─ what it attests is shown, with whether it counts; withdrawn, or no longer accredited, it does not
├─ lists and histories hold what is good enough, and nothing that nobody has attested
└─ who may not, and what is not there or cannot be, is refused with its exit code
"""

from __future__ import annotations

import pytest
from homes import CommandLine, Home

from medshare.model.accreditation import AccreditationKind

pytestmark = pytest.mark.integration


@pytest.fixture
def granted(granted_home: Home, capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    cli = CommandLine(granted_home, capsysbinary)
    cli.accredit("clinic", AccreditationKind.ASSESSOR)
    return cli


def attest(cli: CommandLine, record: str, score: int) -> None:
    said = cli.json("quality", "attest", record, "--as", "clinic", "--score", score, "--method", 100)
    assert (said["record"], said["score"]) == (record, score)


def test_quality__attested__is_shown_until_withdrawn_or_no_longer_accredited(granted: CommandLine) -> None:
    scan = granted.home.scan
    assert granted("quality", "show", scan).text == "nobody has attested the quality of this record\n"
    attest(granted, scan, 80)
    (row,) = granted.json("quality", "show", scan)
    assert (row["assessor"], row["score"], row["method"], row["counts"]) == (
        granted.home.addresses["clinic"],
        80,
        "100",
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


@pytest.mark.parametrize(
    ("words", "error", "code"),
    [
        (["attest", "{scan}", "--as", "doctor", "--score", "1", "--method", "100"], "AttestingNotAccreditedError", 3),
        (["attest", "11" * 32, "--as", "clinic", "--score", "1", "--method", "100"], "UnknownRecordError", 4),
        (["withdraw", "{scan}", "--as", "clinic"], "UnknownAttestationError", 4),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_quality__that_may_not_be__is_refused(granted: CommandLine, words: list[str], error: str, code: int) -> None:
    answer = granted("--json", "quality", *(word.format(scan=granted.home.scan) for word in words))
    assert (answer.code, answer.out, answer.error["error"]) == (code, b"", error)


@pytest.mark.parametrize(
    "words",
    [
        ["--score", "101", "--method", "100"],
        ["--score", "-1", "--method", "100"],
        ["--score", "1", "--method", "99"],
        ["--score", "1", "--method", "65536"],
        ["--score", "1"],
        ["--method", "100"],
        ["--score", "1", "--method", "100", "--file", "record"],
    ],
)
def test_quality__numbers_that_cannot_be__are_usage(granted: CommandLine, words: list[str]) -> None:
    answer = granted("--json", "quality", "attest", granted.home.scan, "--as", "clinic", *words)
    assert (answer.code, answer.out) == (2, b"")
