"""Every command does what its help says, for people and for scripts.

given a home in which a hospital has published two records of a patient
├─ every command
│  ├─ has help, under each of its names, and ends with 0
│  ├─ ends with 0 and tells people something
│  └─ prints the same JSON with --json before its name and after it
├─ tables show names in the place of addresses; the list of identities shows both
├─ a value of very many digits is text, or refused: whatever takes it
└─ an option or command that is not there: exit code 2, as JSON if asked for
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from homes import ADDRESS_OF_NOBODY, OBSERVATION, Answer, CommandLine, Home, make_identity

from medshare.chain.artifacts import CONTRACTS
from medshare.cli import main
from medshare.cli.root import cli as root
from medshare.errors import InvalidInputError

pytestmark = pytest.mark.integration

ACCREDITATION = {"actor", "kind", "member", "until", "in_force", "why_not"}
PROPOSAL = {"proposal", "state", "what", "proposer", "votes", "needed", "deadline", "block"}
PROPOSALS: dict[str, list[str]] = {
    "admit": ["clinic"],
    "remove": ["clinic"],
    "suspend": ["clinic"],
    "reinstate": ["clinic"],
    "rules": ["--quorum", "60", "--voting-period", "10d"],
    "suspend-actor": ["hospital", "--kind", "custodian"],
    "reinstate-actor": ["hospital", "--kind", "custodian"],
    "approve-study": ["1"],
    "cancel-request": ["1"],
    "decide": ["1", "--patient", "patient", "--return"],
    "token": [ADDRESS_OF_NOBODY, "--allow"],
    "split": ["--category", "non-profit", "--patient", "72.5", "--custodian", "20"],
    "periods": ["--dispute", "7d", "--decision", "30d"],
    "withdraw-treasury": ["--to", "clinic"],
}

# Each command with words that must end well, and the keys of its JSON. {…} is filled in by `filled`.
DERIVED = {"place", "media_type", "category", "clinical_date", "labels", "patient_reference", "warnings"}
COMMANDS: dict[str, tuple[list[str], set[str]]] = {
    "init": ([], {"home", "network", "store", "block"}),
    "doctor": ([], {"check", "health", "says", "mend"}),
    "identity new": (["newcomer"], {"name", "address", "encryption_key", "published"}),
    "identity publish": (["{offline}"], {"name", "encryption_key", "block"}),
    "identity fund": (["patient"], {"address"}),
    "identity list": ([], {"name", "address", "damaged"}),
    "identity show": (["patient"], {"address", "name", "encryption_keys"}),
    "identity export": (["patient", "--to", "{folder}"], {"secret", "public"}),
    "record publish": (
        ["{file}", "--as", "hospital", "--patient", "patient"],
        {"file", "record", "cid", "version", "already_published", "readers", "withheld", *DERIVED},
    ),
    "record check": (["{resource}"], {"file", "conforms", "findings", *DERIVED}),
    "record score": (["{resource}"], {"file", "place", "score", "parts", "method"}),
    "record resume": (["--as", "hospital"], set()),
    "record unfinished": (["--as", "hospital"], set()),
    "record list": (
        ["--patient", "patient"],
        {"record", "status", "newest_version", "version", "registered_at", "ended_at", "custodian", "patient"},
    ),
    "record restore": (["--as", "hospital"], {"restored", "not_readable"}),
    "record find": (["--as", "patient"], {"new", "known", "looked_through", "not_readable"}),
    "record readable": (
        ["--as", "doctor"],
        {"record", "status", "newest_version", "version", "registered_at", "ended_at", "custodian", "patient"},
    ),
    "record show": (
        ["{scan}"],
        {"record", "status", "newest_version", "version", "registered_at", "ended_at", "custodian", "patient", "cid"},
    ),
    "record fetch": (
        ["{scan}", "--as", "doctor", "--to", "{new}"],
        {"record", "status", "newest_version", "bytes", "media_type", "category", "clinical_date", "decision", "file"},
    ),
    "record rotate": (["{scan}", "--as", "hospital"], {"rotated", "what_remains"}),
    "record history": (["--as", "doctor", "--patient", "patient"], {"records", "failures"}),
    "exam check": (
        [
            *("--code", "93832-4", "--patient", "patient", "--as", "doctor", "--within", "36500d"),
            *("--category", "observation", "--to", "{new}"),
        ],
        {
            *("answer", "record", "code", "when", "custodian", "score", "file", "looked_at", "not_permitted"),
            *("others", "failures"),
        },
    ),
    "record retract": (["{observation}", "--as", "hospital", "--reason", "wrong patient"], {"record", "reason_salt"}),
    "consent give": (
        ["--as", "patient", "--to", "researcher", "--until", "30d", "--everything", "--purpose", "HRESCH"],
        {
            "grant",
            "grantee",
            "purposes",
            "provisions",
            "released",
            "passed_over",
            "told",
            "untold",
            "not_before",
            "expires_at",
            "block",
        },
    ),
    "consent preview": (
        ["--as", "patient", "--reader", "doctor"],
        {
            "record",
            "custodian",
            "category",
            "labels",
            "clinical_date",
            "purpose",
            "permitted",
            "reason",
            "explanation",
        },
    ),
    "consent renew": (["--as", "patient"], set()),
    "consent show": (
        ["{grant}", "--as", "doctor"],
        {"grant", "state", "patient", "grantee", "provisions", "not_before", "expires_at"},
    ),
    "consent export": (
        ["{grant}", "--as", "doctor", "--to", "{new}"],
        {"grant", "format", "profile", "status", "provisions", "file"},
    ),
    "consent import": (
        ["{consent}", "--to", "{new}"],
        {"patient", "reader", "provisions", "not_before", "expires_at", "break_glass", "file"},
    ),
    "consent receipt": (
        ["{grant}", "--as", "doctor", "--controller", "{controller}", "--to", "{new}"],
        {"grant", "receipt", "record", "created", "consent_state", "digest", "readers", "file"},
    ),
    "consent controller": (
        ["{controller}", "--of", "doctor"],
        {"of", "party_id", "party_name", "party_address", "party_contact", "party_type"},
    ),
    "access grant": (
        ["--all", "--as", "patient", "--to", "researcher", "--purpose", "HRESCH,PUBHLTH", "--until", "30d"],
        {
            "grant",
            "grantee",
            "purposes",
            "records",
            "not_before",
            "expires_at",
            "bundle",
            "custodians_told",
            "custodians_not_told",
            "block",
        },
    ),
    "access revoke": (["{grant}", "--as", "patient"], {"grant", "had_been_granted", "block", "bundles_left"}),
    "access revoke-all": (["--as", "patient"], {"patient", "block", "bundles_left"}),
    "access tidy": (["--patient", "patient"], {"patient", "bundles_left"}),
    "access list": (
        ["--grantee", "doctor"],
        {"grant", "state", "patient", "grantee", "purposes", "not_before", "expires_at", "revoked_at"},
    ),
    "access check": (
        ["{scan}", "--as", "doctor"],
        {"permitted", "reason", "explanation", "as_of", "block", "status", "newest_version"},
    ),
    "delegate appoint": (
        ["neighbour", "--as", "patient", "--until", "30d", "--with-access"],
        {
            "patient",
            "delegate",
            "may",
            "purposes",
            "not_before",
            "expires_at",
            "access",
            "records_released",
            "block",
        },
    ),
    "delegate dismiss": (["neighbour", "--as", "patient"], {"patient", "delegate", "block"}),
    "delegate list": (["--patient", "patient"], set()),
    "guardian name": (
        ["neighbour", "clinic", "--as", "patient", "--export", "{new}"],
        {"patient", "guardians", "threshold", "begins_at", "file", "block"},
    ),
    "guardian show": (
        ["--patient", "patient"],
        {
            "patient",
            "in_control",
            "guarded",
            "delay_days",
            "change_begins_at",
            "proposed",
            "ready_at",
            "guardians",
            "threshold",
            "file",
        },
    ),
    "emergency serve": (["--as", "hospital", "--once"], set()),
    "emergency bar": (["--as", "patient"], {"patient", "barred", "block"}),
    "emergency list": ([], set()),
    "receipt list": (["--as", "hospital"], set()),
    "receipt batch": (["--as", "hospital"], {"root", "receipts"}),
    "receipt anchor": (["--as", "hospital"], set()),
    "receipt export": (["--as", "hospital", "--to", "{new}"], {"custodian", "patient", "receipts", "batches", "file"}),
    "quality show": (["{scan}"], set()),
    "quality slips": ([], set()),
    "consortium show": (
        [],
        {
            "consortium",
            "members",
            "quorum_percent",
            "votes_needed",
            "voting_period_seconds",
            "open_proposals",
            "block",
        },
    ),
    "consortium members": ([], {"seat", "member", "status", "admitted_at"}),
    "consortium accredit": (["doctor", "--kind", "assessor", "--until", "30d"], {*ACCREDITATION, "block"}),
    "consortium suspend": (["hospital", "--kind", "custodian"], {*ACCREDITATION, "block"}),
    "consortium accreditations": ([], ACCREDITATION),
    **{
        f"consortium propose {verb}": ([*words, "--reason-file", "{file}", "--export", "{new}"], {*PROPOSAL, "file"})
        for verb, words in PROPOSALS.items()
    },
    "consortium proposals": ([], set()),
    "request list": ([], set()),
    "request offers": (["--as", "patient"], set()),
    "reward show": (["--account", "patient"], set()),
    "inbox": (["--as", "patient"], set()),
    "audit may-read": (
        ["--patient", "patient"],
        {"grant", "state", "patient", "grantee", "purposes", "not_before", "expires_at", "revoked_at"},
    ),
    "audit trail": (["--patient", "patient"], {"block", "at", "event", "who", "concerns", "what", "transaction"}),
    "audit report": (
        ["--patient", "patient"],
        {
            *("patient", "since", "block", "at", "disclosures", "series", "limits"),
            *("receipts", "released_without_receipt"),
        },
    ),
    "audit export": (
        ["--patient", "patient", "--format", "disclosures", "--to", "{new}"],
        {"patient", "format", "file", "events", "disclosures", "block"},
    ),
    "audit check": (
        ["{accounting}"],
        {
            "patient",
            "since",
            "block",
            "at",
            "events",
            "disclosures",
            "told_since",
            "discrepancies",
            "names_not_known_here",
        },
    ),
    "audit rebuild": ([], {"block", "block_hash"}),
    "audit verify": ([], {"block", "block_hash", "events", "compared", "differences"}),
    "storage pins": ([], {"cid"}),
    "storage collect": ([], {"removed_blocks", "freed_bytes", "kept_blocks", "spared_blocks", "spared_bytes"}),
    "storage export": (["{scan}", "--to", "{new}"], {"root", "file", "bytes"}),
    "storage import": (["{car}"], {"roots"}),
    "storage unpack": (["{scan}", "--to", "{new}"], {"folder", "files"}),
    "network list": ([], {"name", "kind", "chain_id", "node", "in_use"}),
    "network show": ([], {"network", "chain_id", "block", *CONTRACTS}),
}
EMPTY_HERE = {
    "damaged",
    "newest version",
    "ended at",
    "revoked at",
    "why not",
    "place",
    "clinical date",
    "patient reference",
}  # a column in which nothing is said is not shown to people
PII_CONTROLLER = {
    **dict.fromkeys(("party_id", "party_name", "party_address", "party_contact", "party_type"), "said"),
    "privacy_notice": "https://clinic.example/privacy",
    "language": "en",
    "storage_locations": ["DE"],
    **dict.fromkeys(("retention_period", "jurisdiction", "withdrawal_method"), "said"),
}
IN_OTHER_WORDS = {
    *("withheld", "rotated", "what remains", "records", "others", "failures", "findings", "parts"),
    *("since", "at", "disclosures", "series", "limits", "receipts", "released without receipt"),
}  # people are told in a sentence
IN_A_STORY = {
    *("guardian sign", "guardian propose", "guardian object", "guardian complete"),
    *("quality attest", "quality attest-batch", "quality take-slip", "quality withdraw"),
    *("receipt sign", "receipt keep", "receipt prove", "receipt check"),
    *("emergency open", "emergency release", "emergency end", "emergency review", "emergency show"),
    *("signed show", "signed discard", "relay send", "relay watch"),
    *("consortium reinstate", "consortium proposal", "consortium vote", "consortium execute"),
    *("request open", "request show", "request approve", "request accept", "request submit", "request deliver"),
    *("request decline", "request confirm", "request dispute", "request release", "request cancel"),
    *("request return-unearned", "reward withdraw", "reward account"),
    *("record hold", "record release-hold", "record holds", "record erase", "record erasures", "record forget"),
    *("record erasure-notice", "record take-erasure-notice"),
    *("record acknowledge-erasure", "record take-acknowledgement", "record verify-erasure"),
    *("record register", "record give-up"),
}  # before it: test_cli_people.py, _receipts, _quality, _signing, _consortium, _requests, _erasure, _batches, _loading
A_NETWORK = {
    *("network keys", "network init", "network check", "network reconcile", "network give-way"),
    *("network up", "network status", "network stop", "network start", "network down"),
}  # they need member files, or nodes: test_cli_network.py, test_consortium_network.py
SEVERAL_NODES = {
    "storage status",
    "storage repair",
    "storage unpin",
}  # they need institutions' nodes: test_replication_faults.py, e2e/test_replication.py
ELSEWHERE = {*IN_A_STORY, *A_NETWORK, *SEVERAL_NODES, "demo"}  # takes seconds: test_demo.py


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from leaves(child, (*path, name))


EVERY = [path for path, _ in leaves(root)]


@pytest.fixture
def granted(granted_home: Home, capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    return CommandLine(granted_home, capsysbinary)


@pytest.fixture
def filled(granted: CommandLine, tmp_path: Path):
    """Fill in words, with names that are new each time."""
    count = 0

    def fill(words: list[str]) -> list[str]:
        nonlocal count
        count += 1
        folder = tmp_path / f"folder-{count}"
        folder.mkdir()
        (folder / "file").write_bytes(b"a record, %d" % count)
        (folder / "resource").write_bytes(OBSERVATION)
        values = {
            "scan": granted.home.scan,
            "observation": granted.home.observation,
            "grant": granted.home.grant,
            "folder": str(folder),
            "file": str(folder / "file"),
            "resource": str(folder / "resource"),
            "new": str(folder / "new"),
        }
        if "{car}" in words:
            values["car"] = str(folder / "car")
            granted.json("storage", "export", granted.home.scan, "--to", values["car"])
        if "{consent}" in words:
            values["consent"] = str(folder / "consent")
            granted.json("consent", "export", granted.home.grant, "--as", "doctor", "--to", values["consent"])
        if "{controller}" in words:
            values["controller"] = str(folder / "controller")
            (folder / "controller").write_text(json.dumps(PII_CONTROLLER))
        if "{accounting}" in words:
            values["accounting"] = str(folder / "accounting")
            said = ("--patient", "patient", "--format", "audit-event", "--to", values["accounting"])
            granted.json("audit", "export", *said)
        if "{offline}" in words:
            values["offline"] = f"offline-{count}"
            make_identity(granted.home.path, values["offline"])
            granted.json("identity", "fund", values["offline"])
        return [word.format(**values) for word in words]

    return fill


def test_commands__all_of_them__are_tried_here() -> None:
    ends = {" ".join(path) for path, command in leaves(root) if not isinstance(command, click.Group)}
    assert ends == set(COMMANDS) | ELSEWHERE


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_help__asked_for__says_what_the_command_does(capsys: pytest.CaptureFixture[str], path: tuple[str, ...]) -> None:
    assert main([*path, "-h"]) == 0
    short = capsys.readouterr()
    assert main([*path, "--help"]) == 0
    assert capsys.readouterr() == short
    assert short.err == ""
    assert short.out.startswith(f"Usage: {' '.join(('medshare', *path))} ")
    assert "." in short.out.split("\n\n")[1]


def test_help__of_the_root__lists_every_noun_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(name in text for name in root.commands)
    assert "3 denied, 4 not found, 5 integrity, 6 unavailable" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_command__for_people__says_something_and_no_json(granted: CommandLine, filled, command: str) -> None:
    words, keys = COMMANDS[command]
    answer = granted(*command.split(), *filled(words))
    assert (answer.code, answer.err) == (0, "")
    assert answer.text.strip()
    assert not answer.text.startswith(("{", "["))
    shown = {key.replace("_", " ") for key in keys} - EMPTY_HERE - IN_OTHER_WORDS
    if command != "doctor":
        assert all(key in answer.text for key in shown)


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("command", COMMANDS)
def test_command__for_scripts__prints_json_wherever_the_option_stands(
    granted: CommandLine, filled, command: str, place: str
) -> None:
    words, keys = COMMANDS[command]
    before, after = (["--json"], []) if place == "before" else ([], ["--json"])
    answer = granted(*before, *command.split(), *filled(words), *after)
    assert (answer.code, answer.err) == (0, "")
    said = answer.json
    first = said[0] if isinstance(said, list) and said else said
    assert set(first) == keys


def test_tables__of_people_we_know__show_names(granted: CommandLine) -> None:
    text = granted("access", "list", "--patient", "patient").text
    assert "doctor" in text
    assert granted.home.addresses["doctor"] not in text
    assert granted.home.grant in text  # whole, to be copied


def test_table_of_identities__shows_names_and_addresses(cli: CommandLine) -> None:
    lines = [line.split() for line in cli("identity", "list").text.splitlines()[1:]]
    assert sorted(lines) == sorted([name, address] for name, address in cli.home.addresses.items())


def test_tables__column_in_which_nothing_is_said__is_left_out(cli: CommandLine) -> None:
    assert "ended at" not in cli("record", "list", "--patient", "patient").text
    cli.json("record", "retract", cli.home.scan, "--as", "hospital", "--reason", "wrong")
    assert "ended at" in cli("record", "list", "--patient", "patient").text


def test_tables__with_nothing_to_show__say_so(cli: CommandLine) -> None:
    nothing = cli("record", "list", "--patient", "stranger").text
    assert nothing.startswith("no records of this patient are known here; those of batches are found with: medshare")
    assert nothing.endswith("record find --as NAME\n")
    assert cli("access", "list", "--patient", "stranger").text == "no grants\n"
    assert cli("record", "readable", "--as", "stranger").text == "no live grant covers this purpose\n"
    assert cli("record", "resume", "--as", "hospital").text == "nothing was left unfinished\n"
    assert cli("audit", "may-read", "--patient", "stranger").text == "nobody\n"
    assert cli("audit", "trail", "--patient", "stranger").text == "the chain tells nothing about this patient\n"
    for words in (["record", "list", "--patient"], ["access", "list", "--patient"], ["audit", "trail", "--patient"]):
        assert cli.json(*words, ADDRESS_OF_NOBODY) == []


def test_table__with_a_damaged_key_file_nearby__is_still_shown(cli: CommandLine) -> None:
    (cli.home.identity("stranger") / "account.json").write_text("{")
    answer = cli("record", "list", "--patient", cli.home.addresses["patient"])
    assert answer.code == 0
    assert cli.home.scan in answer.text


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["record", "nonsense"],
        ["record", "list"],
        ["record", "list", "--nonsense", "1"],
        ["record", "list", "--patient", "patient", "too", "many"],
        ["access", "grant", "--as", "patient", "--to", "doctor", "--until", "1d"],
        ["init", "--store", "nonsense"],
        ["init", "--store", "kubo"],
        ["init", "--kubo", "/ip4/127.0.0.1/tcp/1/http"],
        ["init", "--store", "local", "--kubo-token", "TOKEN"],
    ],
    ids=" ".join,
)
def test_usage__wrong__is_2_and_json_if_asked_for(cli: CommandLine, words: list[str]) -> None:
    for_people: Answer = cli(*words)
    for_scripts = cli("--json", *words)
    assert (for_people.code, for_people.out) == (2, b"")
    assert for_people.err.startswith("Usage: medshare")
    assert (for_scripts.code, for_scripts.out) == (2, b"")
    assert set(json.loads(for_scripts.err)) == {"error", "message", "hint"}


VALUES = [
    pytest.param(command, value, id=f"{' '.join(path)} {value.name}")
    for path, command in leaves(root)
    for value in command.params
    if not (isinstance(value, click.Option) and value.is_flag)
]


@pytest.mark.parametrize(("command", "value"), VALUES)
def test_value__very_many_digits__is_text_or_refused(command: click.Command, value: click.Parameter) -> None:
    try:
        taken = value.type.convert("9" * 5_000, value, click.Context(command))
    except (click.UsageError, InvalidInputError):
        return
    assert isinstance(taken, str | Path)


def test_version__asked_for__is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"medshare, version {version('medshare')}\n"
