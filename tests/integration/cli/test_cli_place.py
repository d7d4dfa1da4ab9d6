"""init and doctor: a place to work in, what is wrong with it, and how to mend it.

given a home
├─ init: writes what is asked for and only that; a store that does not answer changes nothing; whatever is written
│  can be read back
├─ any other command where no home is: exit code 4, and nothing is made
├─ doctor, all well: every line is ok, exit code 0
└─ doctor, one thing broken: that line is BAD or warn, the others stand, it says how to mend it, and mending it helps
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from homes import ADDRESS_OF_NOBODY, PASSPHRASE, CommandLine, make_identity
from nodes import deaf_port

from medshare.chain.record_registry import RecordRegistryAdapter
from medshare.content import Cid
from medshare.errors import ConfigurationError, LedgerUnavailableError
from medshare.session import SystemClock
from medshare.settings import Settings, StoreKind, StoreSettings

pytestmark = pytest.mark.integration


@pytest.fixture
def nobody_listens() -> Iterator[int]:
    with deaf_port() as port:
        yield port


def findings(cli: CommandLine, *options: str, deep: bool = False) -> tuple[int, dict[str, dict[str, str]]]:
    answer = cli(*options, "--json", "doctor", *(["--deep"] if deep else []))
    assert answer.err == ""
    found = {row["check"]: row for row in answer.json}
    for row in found.values():
        assert (row["health"] == "good") == (row["mend"] == ""), row
    return answer.code, found


def unwell(found: dict[str, dict[str, str]]) -> dict[str, str]:
    return {check: row["health"] for check, row in found.items() if row["health"] != "good"}


# ----------------------------------------------------------------------------------------------------- init


def test_init__in_a_new_folder__makes_a_place_that_works(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], cli: CommandLine
) -> None:
    said = cli.bare("--home", tmp_path / "a" / "b", "--json", "init").json
    assert (said["network"], said["store"]) == ("embedded", "local")
    assert cli.bare("--home", tmp_path / "a" / "b", "doctor").code == 0
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "words",
    [
        ["doctor"],
        ["identity", "list"],
        ["identity", "new", "somebody"],
        ["identity", "new", "somebody", "--offline"],
        ["record", "list", "--patient", ADDRESS_OF_NOBODY],
        ["record", "publish", "{file}", "--as", "hospital", "--patient", ADDRESS_OF_NOBODY],
        ["access", "list", "--patient", ADDRESS_OF_NOBODY],
        ["audit", "rebuild"],
        ["storage", "pins"],
        ["storage", "collect"],
        ["network", "list"],
        ["network", "show"],
    ],
    ids=" ".join,
)
def test_any_other_command__in_a_folder_that_is_no_home__is_not_found_and_makes_nothing(
    cli: CommandLine, tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "file").write_bytes(b"a record")
    mistyped = tmp_path / "hone"
    answer = cli.bare(
        "--home",
        mistyped,
        "--passphrase-file",
        cli.home.passphrase_file,
        "--json",
        *(word.format(file=tmp_path / "file") for word in words),
    )
    assert (answer.code, answer.out, answer.error["error"]) == (4, b"", "HomeNotFoundError")
    assert str(mistyped) in answer.error["message"]
    assert f"medshare --home {mistyped} init" in answer.error["hint"]
    assert not mistyped.exists()


def test_init__with_a_kubo_that_is_not_there__is_unavailable_and_changes_nothing(
    cli: CommandLine, nobody_listens: int
) -> None:
    settings = cli.home.path / "medshare.toml"
    before = settings.read_bytes()
    address = f"/ip4/127.0.0.1/tcp/{nobody_listens}/http"
    answer = cli("--json", "init", "--store", "kubo", "--kubo", address)
    assert (answer.code, answer.error["error"]) == (6, "StoreUnavailableError")
    assert settings.read_bytes() == before
    assert cli("doctor").code == 0


@pytest.mark.parametrize("address", ["nonsense", "/ip4/127.0.0.1/tcp/1/http\"\nnetwork = 'x'", "http://localhost"])
def test_init__with_an_address_that_is_none__changes_nothing(cli: CommandLine, address: str) -> None:
    before = (cli.home.path / "medshare.toml").read_bytes()
    assert cli("init", "--store", "kubo", "--kubo", address).code == 2
    assert (cli.home.path / "medshare.toml").read_bytes() == before


def test_init__with_a_token_that_is_not_set__changes_nothing(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_TOKEN", raising=False)
    before = (cli.home.path / "medshare.toml").read_bytes()
    words = ["--store", "kubo", "--kubo", "/ip4/127.0.0.1/tcp/1/http", "--kubo-token", "NO_SUCH_TOKEN"]
    answer = cli("init", *words)
    assert answer.code == 1
    assert "NO_SUCH_TOKEN" in answer.err
    assert (cli.home.path / "medshare.toml").read_bytes() == before


def test_init__again__keeps_the_store_that_was_chosen(
    cli: CommandLine, nobody_listens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/ip4/127.0.0.1/tcp/{nobody_listens}/http"
    kubo = StoreSettings(kind=StoreKind.KUBO, address=address, token="TOKEN")
    replace(cli.home.settings, store=kubo).save()
    monkeypatch.setenv("TOKEN", "secret")
    assert cli("init").code == 6  # it is asked, and does not answer
    assert Settings.load(cli.home.path).store == kubo
    assert cli.json("init", "--store", "local")["store"] == "local"
    assert Settings.load(cli.home.path).store == StoreSettings()


def test_init__on_a_network_where_nothing_is_deployed__says_what_to_do(cli: CommandLine, nobody_listens: int) -> None:
    answer = cli("--network", "nowhere", "init")
    assert answer.code == 4
    known = sorted({"anvil", "embedded", cli.home.settings.network})
    assert f"known networks: {', '.join(known)}" in answer.err


@pytest.mark.parametrize("text", ['"', "\\", "\n", "\x7f", "\x1b", "é", "'", "${HOME}", "]["])
def test_settings__with_any_text__are_read_back_as_written(tmp_path: Path, text: str) -> None:
    written = Settings(
        home=tmp_path,
        network=f"a{text}b",
        store=StoreSettings(kind=StoreKind.KUBO, address=f"/ip4{text}", token=f"T{text}"),
    )
    written.save()
    assert Settings.load(tmp_path) == written


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        b"network = ",
        b"network = 1",
        b"unknown = 1",
        b"store = 1",
        b"[store]\nkind = 'tape'",
        b"[store]\nkind = 'kubo'",
        b"[store]\naddress = '/ip4/127.0.0.1/tcp/1/http'",
        b"[store]\nkind = 1",
        b"[store]\nsecret = 'x'",
    ],
)
def test_settings__that_say_what_they_cannot__are_refused(cli: CommandLine, text: bytes) -> None:
    (cli.home.path / "medshare.toml").write_bytes(text)
    with pytest.raises(ConfigurationError):
        Settings.load(cli.home.path)
    assert cli("network", "show").code == 1
    code, found = findings(cli)
    assert code == 1
    assert unwell(found) == {"session": "bad"}
    assert found["session"]["mend"] == f"mend {cli.home.path / 'medshare.toml'}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("netwrok = 'x'", "no key 'netwrok'"),
        ("network = 1", "network in the settings"),
        ("store = 1", "[store]"),
        ("[store]\nkind = 'local'\npath = '/x'", "no key 'path'"),
        ("[store]\nkind = 1", "kind in [store]"),
        ("[store]\nkind = 'tape'", "one of local, kubo"),
        ("network = 'embedded'\nstore store", "(at line 2, column 7)"),
    ],
)
def test_settings__that_say_what_they_cannot__the_key_is_named(cli: CommandLine, text: str, says: str) -> None:
    (cli.home.path / "medshare.toml").write_text(text)
    assert says in cli("identity", "list").err


# --------------------------------------------------------------------------------------------------- doctor


def checks_of_identities(cli: CommandLine) -> list[str]:
    """One for each, and one more for who holds records of others."""
    checks = [[f"identity {name}"] for name in sorted(cli.home.addresses)]
    checks[sorted(cli.home.addresses).index("hospital")].append("accreditation hospital")
    return [check for each in checks for check in each]


def test_doctor__all_is_well__says_so_line_by_line(cli: CommandLine) -> None:
    answer = cli("doctor")
    lines = answer.text.splitlines()
    assert (answer.code, answer.err) == (0, "")
    assert {line[:6] for line in lines} == {"ok    "}
    assert [line.split(":")[0][6:] for line in lines] == [
        "chain",
        "clock",
        "index",
        "store",
        "space",
        "publications",
        *checks_of_identities(cli),
    ]


def test_doctor__key_not_published__says_how_to_publish_it(cli: CommandLine) -> None:
    make_identity(cli.home.path, "newcomer")
    code, found = findings(cli)
    assert (code, unwell(found)) == (0, {"identity newcomer": "warning"})
    assert f"medshare --home {cli.home.path} identity publish" in found["identity newcomer"]["mend"]
    cli.json("identity", "fund", "newcomer")
    cli.json("identity", "publish", "newcomer")
    assert unwell(findings(cli)[1]) == {}


def test_doctor__other_key_in_the_directory__is_bad(cli: CommandLine) -> None:
    for name in ("encryption.sec", "encryption.pub"):
        shutil.copy(cli.home.identity("clinic") / name, cli.home.identity("doctor") / name)
    code, found = findings(cli)
    assert (code, unwell(found)) == (1, {"identity doctor": "bad"})
    assert "another encryption key" in found["identity doctor"]["says"]
    assert "revoke everything" in found["identity doctor"]["mend"]
    text = cli("doctor").text
    assert "BAD   identity doctor: " in text
    assert "ok    identity clinic: " in text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("account.json", b""),
        ("account.json", b"{}"),
        ("account.json", b"\xff\x00"),
        ("account.json", None),
        ("encryption.pub", b""),
        ("encryption.pub", b"{}"),
        ("encryption.pub", None),
        ("encryption.sec", None),
    ],
)
def test_doctor__damaged_key_file__is_bad_and_the_rest_is_examined(
    cli: CommandLine, name: str, content: bytes | None
) -> None:
    path = cli.home.identity("doctor") / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    code, found = findings(cli)
    assert (code, unwell(found)) == (1, {"identity doctor": "bad"})
    assert len(found) == 6 + len(checks_of_identities(cli))
    assert f"restore {cli.home.identity('doctor')} from a backup" in found["identity doctor"]["mend"]


@pytest.mark.parametrize(
    ("name", "mode", "mended"),
    [
        ("account.json", 0o644, "600"),
        ("encryption.sec", 0o640, "600"),
        ("encryption.sec", 0o604, "600"),
        ("encryption.pub", 0o666, "644"),
    ],
)
def test_doctor__key_file_open_to_others__says_which_and_the_command_mends(
    cli: CommandLine, name: str, mode: int, mended: str
) -> None:
    path = cli.home.identity("doctor") / name
    path.chmod(mode)
    code, found = findings(cli)
    assert (code, unwell(found)) == (1, {"identity doctor": "bad"})
    assert name in found["identity doctor"]["says"]
    assert found["identity doctor"]["mend"] == f"chmod {mended} {path}"
    path.chmod(int(mended, 8))
    assert findings(cli)[0] == 0


@pytest.mark.about("local", "files of its blocks")
def test_doctor__block_missing__names_the_record_and_importing_it_mends(cli: CommandLine, tmp_path: Path) -> None:
    cli.json("storage", "export", cli.home.scan, "--to", tmp_path / "scan.car")
    blocks = [path for path in (cli.home.path / "blocks" / "blocks").rglob("*") if path.is_file()]
    max(blocks, key=lambda path: path.stat().st_size).unlink()
    code, found = findings(cli)
    assert (code, unwell(found)) == (1, {"publications": "bad"})
    assert cli.home.scan in found["publications"]["says"]
    assert "CAR archive" in found["publications"]["mend"]
    cli.json("storage", "import", tmp_path / "scan.car")
    assert findings(cli)[0] == 0


@pytest.mark.about("local", "files of its blocks")
def test_doctor__block_damaged__is_seen_only_by_a_deep_look(cli: CommandLine) -> None:
    blocks = [path for path in (cli.home.path / "blocks" / "blocks").rglob("*") if path.is_file()]
    largest = max(blocks, key=lambda path: path.stat().st_size)
    whole = largest.read_bytes()
    largest.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    code, found = findings(cli)
    assert (code, unwell(found)) == (0, {})
    assert "--deep" in found["publications"]["says"]
    code, found = findings(cli, deep=True)
    assert (code, unwell(found)) == (1, {"publications": "bad"})
    assert cli.home.scan in found["publications"]["says"]
    largest.write_bytes(whole)
    assert findings(cli, deep=True)[0] == 0


def test_doctor__little_space__is_a_warning(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(total=1 << 40, used=0, free=(1 << 30) - 1))
    code, found = findings(cli)
    assert (code, unwell(found)) == (0, {"space": "warning"})
    assert "1023 MiB" in found["space"]["says"]


@pytest.mark.parametrize("place", ["medshare.session.open_chain", "medshare.services.auditing.Auditing.sync"])
def test_doctor__disk_refuses__is_a_line_and_no_traceback(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def refused(*_args: object, **_more: object) -> None:
        raise OSError(30, "Read-only file system", "/somewhere")

    monkeypatch.setattr(place, refused)
    code, found = findings(cli)
    assert (code, list(unwell(found).values())) == (1, ["bad"])
    (bad,) = (row for row in found.values() if row["health"] == "bad")
    assert "Read-only file system" in bad["says"]


def test_doctor__unfinished_publication__is_a_warning_and_resuming_mends(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"half way")
    with monkeypatch.context() as broken:

        def lost(*_args: object, **_more: object) -> None:
            raise LedgerUnavailableError("cut")

        broken.setattr(RecordRegistryAdapter, "register", lost)
        assert cli("record", "publish", tmp_path / "file", "--as", "hospital", "--patient", "patient").code == 6
    code, found = findings(cli)
    assert (code, unwell(found)) == (0, {"publications": "warning"})
    assert f"medshare --home {cli.home.path} record resume" in found["publications"]["mend"]
    cli.json("record", "resume", "--as", "hospital")
    assert unwell(findings(cli)[1]) == {}


def test_doctor__clock_behind__says_by_how_much(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    now = SystemClock().now()
    monkeypatch.setattr(SystemClock, "now", lambda _self: now - 86_400)
    code, found = findings(cli)
    assert (code, unwell(found)) == (0, {"clock": "warning"})
    assert "s behind the newest block" in found["clock"]["says"]
    assert "set the clock" in found["clock"]["mend"]


def test_doctor__kubo_does_not_answer__is_bad(cli: CommandLine, nobody_listens: int) -> None:
    kubo = StoreSettings(kind=StoreKind.KUBO, address=f"/ip4/127.0.0.1/tcp/{nobody_listens}/http")
    replace(cli.home.settings, store=kubo).save()
    code, found = findings(cli)
    assert code == 1
    assert found["store"]["health"] == "bad"
    assert found["store"]["mend"]
    assert found["chain"]["health"] == found["identity doctor"]["health"] == "good"


def test_doctor__anvil_is_not_there__is_the_finding(cli: CommandLine, nobody_listens: int) -> None:
    (cli.home.path / "networks.toml").write_text(f'[networks.anvil]\nurl = "http://127.0.0.1:{nobody_listens}"\n')
    code, found = findings(cli, "--network", "anvil")
    assert (code, unwell(found)) == (1, {"session": "bad"})
    assert "no connection to the node" in found["session"]["says"]
    assert f"http://127.0.0.1:{nobody_listens}" in found["session"]["mend"]


def test_doctor__contracts_are_others__is_the_finding(cli: CommandLine) -> None:
    cli.home.deployment_file.write_text("{}")
    code, found = findings(cli)
    assert (code, unwell(found)) == (1, {"session": "bad"})


def test_doctor__says_nothing_about_what_it_was_not_asked__and_changes_no_pins(cli: CommandLine) -> None:
    before = cli.json("storage", "pins")
    text = cli("doctor").text
    assert cli.json("storage", "pins") == before
    assert PASSPHRASE not in text
    assert str(Cid.of_directory(bytes.fromhex(cli.home.scan))) in {row["cid"] for row in before}
