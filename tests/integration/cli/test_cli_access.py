"""Granting and revoking on the command line: who may, what for, until when.

given a home with two records
├─ grant: refused to oneself, to zero, into the past, for no purpose, of others' records; then nothing changes
├─ a grant covers its records, its purposes and its time, and nothing else; of a purpose the chain shows the coarser
├─ the same grant again has new dates and stays one grant
├─ revoke: by its patient only, again without error; revoke-all ends those that have not begun, too
└─ audit: who may read now, and who could then
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from homes import OBSERVATION, SCAN, CommandLine, Home

from medshare.errors import StoreUnavailableError
from medshare.storage import KuboBlobStore, LocalBlobStore

pytestmark = pytest.mark.integration


@pytest.fixture
def granted(granted_home: Home, capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    return CommandLine(granted_home, capsysbinary)


def check(cli: CommandLine, record: str, reader: str, purpose: str = "TREAT") -> str:
    """Return the reason of the decision; the exit code must fit it."""
    answer = cli("--json", "access", "check", record, "--as", reader, "--purpose", purpose)
    said = answer.json
    assert answer.code == (0 if said["permitted"] else 3)
    return str(said["reason"])


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--to", "patient", "--until", "1d"], "GranteeIsPatientError"),
        (["--to", "0x" + "00" * 20, "--until", "1d"], "GranteeIsZeroError"),
        (["--to", "doctor", "--until", "2020-01-01"], "PeriodEmptyError"),
        (["--to", "doctor", "--until", "0s"], "PeriodEmptyError"),
        (["--to", "doctor", "--until", "1d", "--from", "2d"], "PeriodEmptyError"),
        (["--to", "doctor", "--until", "2107-01-01"], "InvalidInputError"),
        (["--to", "doctor", "--until", "999999d"], "InvalidInputError"),
        (["--to", "doctor", "--until", "1d", "--from", "1969-12-31"], "InvalidInputError"),
        (["--to", "doctor", "--until", "soon"], "InvalidInputError"),
        (["--to", "doctor", "--until", "1d", "--purpose", ""], "InvalidInputError"),
        (["--to", "doctor", "--until", "1d", "--purpose", ","], "InvalidInputError"),
        (["--to", "doctor", "--until", "1d", "--purpose", "TREAT,SPYING"], "InvalidInputError"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_grant__that_cannot_be__is_refused_as_input_and_nothing_is_granted(
    cli: CommandLine, words: list[str], error: str
) -> None:
    answer = cli("--json", "access", "grant", "--all", "--as", "patient", *words)
    assert (answer.code, answer.out, answer.error["error"]) == (2, b"", error)
    assert cli.json("access", "list", "--patient", "patient") == []
    assert len(cli.json("storage", "pins")) == 2


def test_grant__of_records_that_are_not_ones_own__is_refused(cli: CommandLine) -> None:
    for thief in ("hospital", "doctor", "neighbour"):
        answer = cli("access", "grant", cli.home.scan, "--as", thief, "--to", "stranger", "--until", "1d")
        assert answer.code == 2
        assert "not registered as yours" in answer.err
    assert cli.json("access", "list", "--grantee", "stranger") == []


def test_grant__all_where_there_is_nothing__is_refused(cli: CommandLine) -> None:
    answer = cli("access", "grant", "--all", "--as", "neighbour", "--to", "doctor", "--until", "1d")
    assert (answer.code, answer.out) == (2, b"")


@pytest.mark.parametrize("words", [[], ["--all", "{scan}"], ["{scan}", "{scan}"]], ids=["none", "both", "one twice"])
def test_grant__unclear_which_records__is_refused(cli: CommandLine, words: list[str]) -> None:
    filled = [word.format(scan=cli.home.scan) for word in words]
    assert cli("access", "grant", *filled, "--as", "patient", "--to", "doctor", "--until", "1d").code == 2


def test_grant__of_one_record_for_one_purpose__covers_nothing_else(cli: CommandLine) -> None:
    cli.json(
        "access", "grant", cli.home.scan, "--as", "patient", "--to", "doctor", "--purpose", "hresch", "--until", "1h"
    )
    assert check(cli, cli.home.scan, "doctor", "HRESCH") == "permitted"
    assert check(cli, cli.home.scan, "doctor", "TREAT") == "purpose-not-granted"
    assert check(cli, cli.home.scan, "stranger", "HRESCH") == "no-grant"
    assert check(cli, cli.home.observation, "doctor", "HRESCH") not in ("permitted", "own-record")
    assert cli.fetched(cli.home.scan, "doctor", "--purpose", "HRESCH") == SCAN
    refused = cli("record", "fetch", cli.home.observation, "--as", "doctor", "--purpose", "HRESCH")
    assert (refused.code, refused.out) == (3, b"")


def test_grant__for_a_purpose_that_the_chain_does_not_know__says_what_it_shows_instead(cli: CommandLine) -> None:
    words = ["access", "grant", cli.home.scan, "--as", "patient", "--to", "doctor", "--until", "1h"]
    said = cli.json(*words, "--purpose", "HQUALIMP,TREAT,BIORCH")
    assert said["purposes"] == ["TREAT", "HOPERAT", "HRESCH"]
    told = cli(*words, "--purpose", "HQUALIMP,TREAT,BIORCH").text
    assert "the chain shows HOPERAT, HRESCH only; that it is for BIORCH, HQUALIMP stands in the" in told
    assert f"consent show {said['grant']} --as NAME" in told
    (provision,) = cli.json("consent", "show", said["grant"], "--as", "doctor")["provisions"]
    assert "HQUALIMP" in provision
    assert check(cli, cli.home.scan, "doctor", "HQUALIMP") == "permitted"
    assert check(cli, cli.home.scan, "doctor", "HOPERAT") == "purpose-not-granted"
    assert "the chain shows" not in cli(*words, "--purpose", "TREAT,HRESCH").text


def test_grant__from_tomorrow__is_not_live_today(cli: CommandLine) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = cli.json(
        "access", "grant", "--all", "--as", "patient", "--to", "doctor", "--from", tomorrow, "--until", "48h"
    )
    assert said["not_before"] == tomorrow
    assert cli.json("access", "list", "--grantee", "doctor")[0]["state"] == "not-yet"
    assert cli("record", "fetch", cli.home.scan, "--as", "doctor").code == 3
    assert cli.json("audit", "may-read", "--patient", "patient") == []


def test_grant__given_again__has_new_dates_and_stays_one(granted: CommandLine) -> None:
    (before,) = granted.json("access", "list", "--patient", "patient")
    again = granted.json("access", "grant", "--all", "--as", "patient", "--to", "doctor", "--until", "9d")
    (after,) = granted.json("access", "list", "--patient", "patient")
    assert before["grant"] == after["grant"] == again["grant"] == granted.home.grant
    assert after["expires_at"] > before["expires_at"]
    assert granted.fetched(granted.home.observation, "doctor") == OBSERVATION


def test_grant__to_an_address__is_as_to_a_name(cli: CommandLine) -> None:
    address = cli.home.addresses["doctor"]
    said = cli.json("access", "grant", "--all", "--as", "patient", "--to", address.lower(), "--until", "1d")
    assert said["grantee"] == address
    assert check(cli, cli.home.scan, "doctor") == "permitted"


@pytest.mark.parametrize("thief", ["doctor", "hospital", "neighbour"])
def test_revoke__anothers_grant__is_denied_and_it_stays_live(granted: CommandLine, thief: str) -> None:
    answer = granted("--json", "access", "revoke", granted.home.grant, "--as", thief)
    assert (answer.code, answer.error["error"]) == (3, "NotAllowedToActError")
    assert check(granted, granted.home.scan, "doctor") == "permitted"


def test_revoke__by_the_patient__ends_it_at_once_and_again_is_no_error(granted: CommandLine) -> None:
    bundles = len(granted.json("storage", "pins"))
    assert granted.json("access", "revoke", granted.home.grant, "--as", "patient")["bundles_left"] == 0
    refused = granted("record", "fetch", granted.home.scan, "--as", "doctor")
    assert (refused.code, refused.out) == (3, b"")
    assert "has revoked the grant" in refused.err
    assert check(granted, granted.home.scan, "doctor") == "revoked"
    assert granted.json("record", "readable", "--as", "doctor") == []
    assert len(granted.json("storage", "pins")) == bundles - 1
    assert granted("access", "revoke", granted.home.grant, "--as", "patient").code == 0


def test_revoke__then_grant_again__is_live_again(granted: CommandLine) -> None:
    granted.json("access", "revoke", granted.home.grant, "--as", "patient")
    granted.json("access", "grant", "--all", "--as", "patient", "--to", "doctor", "--until", "1d")
    assert granted.fetched(granted.home.scan, "doctor") == SCAN


def test_revoke_all__ends_what_has_not_begun_too(granted: CommandLine) -> None:
    words = ["--as", "patient", "--to", "researcher", "--purpose", "HRESCH", "--from", "1d", "--until", "2d"]
    granted.json("access", "grant", granted.home.scan, *words)
    granted.json("access", "revoke-all", "--as", "patient")
    assert {row["state"] for row in granted.json("access", "list", "--patient", "patient")} == {"revoked"}
    assert granted.json("audit", "may-read", "--patient", "patient") == []
    assert granted("record", "fetch", granted.home.scan, "--as", "doctor").code == 3
    assert granted.fetched(granted.home.scan, "patient") == SCAN


def test_audit__after_a_revocation__knows_who_could_read_then(granted: CommandLine) -> None:
    (grant,) = granted.json("access", "list", "--patient", "patient")
    then = grant["not_before"]
    granted.json("access", "revoke", granted.home.grant, "--as", "patient")
    now = granted.json("audit", "may-read", "--patient", "patient")
    could = granted.json("audit", "may-read", "--patient", "patient", "--at", then)
    before = granted.json("audit", "may-read", "--patient", "patient", "--at", "2001-01-01")
    assert now == before == []
    assert [row["grant"] for row in could] == [granted.home.grant]
    events = [row["event"] for row in granted.json("audit", "trail", "--patient", "patient")]
    assert events == ["RecordRegistered", "RecordRegistered", "AccessGranted", "AccessRevoked"]


def test_audit__trail__says_who_acted_and_whom_it_concerns(granted: CommandLine) -> None:
    granted.json("access", "revoke", granted.home.grant, "--as", "patient")
    rows = granted.json("audit", "trail", "--patient", "patient")
    hospital, patient, doctor = (granted.home.addresses[name] for name in ("hospital", "patient", "doctor"))
    assert [(row["who"], row["concerns"]) for row in rows] == [
        (hospital, patient),
        (hospital, patient),
        (patient, doctor),
        (patient, doctor),
    ]


@pytest.mark.parametrize("how", [["revoke", "{grant}"], ["revoke-all"]], ids=lambda how: how[0])
def test_list__revoked__still_says_what_it_was_for(granted: CommandLine, how: list[str]) -> None:
    granted.json("access", *(word.format(grant=granted.home.grant) for word in how), "--as", "patient")
    (row,) = granted.json("access", "list", "--patient", "patient")
    assert (row["state"], row["purposes"]) == ("revoked", ["TREAT"])


def test_revoke__store_does_not_give_up_the_bundle__is_explained(
    granted: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_args: object) -> None:
        raise StoreUnavailableError("no connection")

    with monkeypatch.context() as broken:
        for store in (LocalBlobStore, KuboBlobStore):
            broken.setattr(store, "unpin", down)
        answer = granted("access", "revoke", granted.home.grant, "--as", "patient")
    assert answer.code == 0
    assert "still keeps 1 of their key bundles" in answer.text
    assert "still keeps" not in granted("access", "revoke", granted.home.grant, "--as", "patient").text


def test_revoke__id_cut_off__is_refused_and_says_where_ids_are_shown(granted: CommandLine) -> None:
    answer = granted("access", "revoke", granted.home.grant[:20], "--as", "patient")
    assert answer.code == 2
    assert "access list --patient WHO" in answer.err


def test_grant__into_the_past__says_the_moments_in_words(cli: CommandLine) -> None:
    answer = cli("access", "grant", "--all", "--as", "patient", "--to", "doctor", "--until", "2020-01-01")
    assert "until 2020-01-01T00:00:00Z would never be live" in answer.err


def test_audit__rebuilt__tells_the_same(granted: CommandLine) -> None:
    before = granted.json("audit", "trail", "--patient", "patient")
    rebuilt = granted.json("audit", "rebuild")
    assert rebuilt["block"] >= before[-1]["block"]
    assert granted.json("audit", "trail", "--patient", "patient") == before
