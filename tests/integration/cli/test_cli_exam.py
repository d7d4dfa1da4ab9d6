"""Whether an examination was made already, on the command line: an answer, an exit code, and the record itself.

given a home whose doctor may read an observation and a scan that is none
├─ it exists: 0; shown without its value, and written to a file
├─ there is none: 4, with what does not count and why
├─ nobody can say: 1, or 6 where trying again may help, naming what could not be looked at
├─ codes that count as the same are in a file of the user's
└─ who may read nothing is denied; what cannot be a code, a span or such a file is wrong usage
"""

from __future__ import annotations

from pathlib import Path

import pytest
from homes import OBSERVATION, Answer, CommandLine, Home

from medshare import connect
from medshare.content import Cid
from medshare.errors import StoreUnavailableError
from medshare.model.accreditation import AccreditationKind
from medshare.model.ids import GrantId, record_id
from medshare.storage import KuboBlobStore, LocalBlobStore

pytestmark = pytest.mark.integration

SLEEP, OTHER = "93832-4", "718-7"
EVER = "36500d"
OF_OBSERVATIONS = ("--category", "observation")


@pytest.fixture
def granted(granted_home: Home, capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    return CommandLine(granted_home, capsysbinary)


def words(*more: object, code: str = SLEEP, within: str = EVER, reader: str = "doctor") -> list[object]:
    return ["exam", "check", "--code", code, "--patient", "patient", "--as", reader, "--within", within, *more]


def asked(cli: CommandLine, *more: object, **changed: str) -> Answer:
    return cli("--json", *words(*more, **changed))


def test_exam__that_exists__is_shown_without_its_value_and_written(granted: CommandLine, tmp_path: Path) -> None:
    out = tmp_path / "result"
    answer = asked(granted, "--to", out)
    assert answer.code == 0
    found = answer.json
    assert (found["answer"], found["record"], found["code"], found["when"], found["custodian"], found["file"]) == (
        "exists",
        granted.home.observation,
        SLEEP,
        "2026-03-04",
        granted.home.addresses["hospital"],
        str(out),
    )
    assert 0 < found["score"] <= 100
    assert out.read_bytes() == OBSERVATION
    text = granted(*words(*OF_OBSERVATIONS))
    assert (text.code, text.err) == (0, "")
    assert all(each in text.text for each in (granted.home.observation, "hospital", "2026-03-04", SLEEP))
    assert "hours of sleep" not in text.text


def test_exam__file_is_there__is_refused_and_kept(granted: CommandLine, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.write_bytes(b"mine")
    answer = asked(granted, "--to", out)
    assert (answer.code, answer.out, answer.error["error"]) == (2, b"", "InvalidInputError")
    assert out.read_bytes() == b"mine"


def test_exam__that_does_not_exist__is_4(granted: CommandLine, tmp_path: Path) -> None:
    out = tmp_path / "result"
    answer = asked(granted, *OF_OBSERVATIONS, "--to", out, code=OTHER)
    assert (answer.code, answer.err) == (4, "")
    assert answer.json == {
        "answer": "none",
        **dict.fromkeys(("record", "code", "when", "custodian", "score", "file")),
        "looked_at": 1,
        "not_permitted": 0,
        "others": [],
        "failures": [],
    }
    assert not out.exists()
    assert "no such result" in granted(*words(*OF_OBSERVATIONS, code=OTHER)).text


def test_exam__too_old__is_4_and_not_read(granted: CommandLine) -> None:
    answer = asked(granted, *OF_OBSERVATIONS, within="1d")
    assert (answer.code, answer.json["looked_at"]) == (4, 0)


def test_exam__too_poor__is_4_and_says_why(granted: CommandLine) -> None:
    answer = asked(granted, *OF_OBSERVATIONS, "--min-score", 100)
    assert answer.code == 4
    (other,) = answer.json["others"]
    assert (other["record"], other["why"]) == (granted.home.observation, "its quality is too low")
    text = granted(*words(*OF_OBSERVATIONS, "--min-score", 100)).text
    assert "not counted:" in text
    assert "its quality is too low" in text


def test_exam__attested__exists_where_an_assessor_says_so(granted: CommandLine) -> None:
    attested = (*OF_OBSERVATIONS, "--min-attested", 60)
    assert asked(granted, *attested).code == 4
    granted.accredit("clinic", AccreditationKind.ASSESSOR)
    observation = granted.home.observation
    granted.json("quality", "attest", observation, "--as", "clinic", "--score", 60, "--method", 100)
    assert asked(granted, *attested).json["record"] == observation


def test_exam__a_record_that_cannot_be_read__is_unknown_and_named(granted: CommandLine) -> None:
    answer = asked(granted, code=OTHER)
    assert (answer.code, answer.json["answer"]) == (1, "unknown")
    (failure,) = answer.json["failures"]
    assert (failure["record"], failure["error"]) == (granted.home.scan, "InvalidInputError")
    for_people = granted(*words(code=OTHER))
    assert for_people.code == 1
    assert "none was found, and not all could be decided" in for_people.text
    assert f"not looked at: record {granted.home.scan} of hospital" in for_people.err


def test_exam__store_does_not_answer__is_unknown_and_6(granted: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Cid.of_directory(record_id(granted.home.observation))

    def failing(get):
        def fails(store, cid, *rest):
            if cid == root:
                raise StoreUnavailableError("the test says so")
            return get(store, cid, *rest)

        return fails

    for store in (LocalBlobStore, KuboBlobStore):
        monkeypatch.setattr(store, "get", failing(store.get))
    answer = asked(granted)
    assert (answer.code, answer.json["answer"]) == (6, "unknown")


def test_exam__bundle_is_gone__names_the_grant(granted: CommandLine) -> None:
    with connect(granted.home.path) as session:
        standing = session.auditing.grant(GrantId(int(granted.home.grant, 16)))
    assert standing is not None
    granted.lose(Cid.of_directory(standing.bundle))
    answer = granted(*words())
    assert answer.code == 1
    assert f"not looked at: all that grant {granted.home.grant} permits" in answer.err


def test_exam__equivalent_codes__are_the_user_s_own(granted: CommandLine, tmp_path: Path) -> None:
    groups = tmp_path / "groups.toml"
    groups.write_text(f'version = 1\n[[group]]\nname = "for a test"\ncodes = ["{OTHER}", "{SLEEP}"]\n')
    found = asked(granted, "--equivalent", groups, code=OTHER).json
    assert (found["record"], found["code"]) == (granted.home.observation, SLEEP)
    groups.write_text("version = 1\n")
    assert asked(granted, "--equivalent", groups).code == 2
    assert asked(granted, "--equivalent", tmp_path / "nowhere").code == 2


def test_exam__who_may_read_nothing__is_denied(granted: CommandLine) -> None:
    answer = asked(granted, reader="stranger")
    assert (answer.code, answer.out, answer.error["error"]) == (3, b"", "AccessDeniedError")
    granted.json("access", "revoke", granted.home.grant, "--as", "patient")
    assert asked(granted).code == 3


@pytest.mark.parametrize(
    "changed", [{"code": "718-8"}, {"code": "glucose"}, {"within": "a while"}, {"within": "-1d"}], ids=str
)
def test_exam__that_cannot_be_asked_for__is_wrong_usage(granted: CommandLine, changed: dict[str, str]) -> None:
    answer = asked(granted, **changed)
    assert (answer.code, answer.out) == (2, b"")
