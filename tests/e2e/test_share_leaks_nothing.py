"""Nothing secret or identifying is where it should not be, searched for after a whole share.

given a share with canaries: in plaintexts, file names, identity names, the passphrase, a reason, a label
and every logger of the process at DEBUG, into a file
when a hospital publishes, a patient grants, readers fetch and are refused, it is revoked, retracted and audited
├─ no plaintext, file name, reason or label, and no digest of one, is in the log, on the terminal's error side, or in
│  any file of the home: chain (transactions, logs, state), blocks, pins, index, journal, outbox
├─ no private key, file key or passphrase is anywhere, in any spelling; the locked key files are in identities/ only
├─ identities' names are in identities/ only, no path but theirs has a canary in it
├─ others cannot enter the home, and blocks are named by their CIDs
└─ and the search finds what is there: it would see a leak
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from canaries import contents, digests, found, spellings
from homes import accredit_in, make_identity

from medshare.content import Cid
from medshare.envelope import unwrap
from medshare.files import private_folder
from medshare.model.accreditation import AccreditationKind
from medshare.model.ids import RecordId
from medshare.ports import Actor
from medshare.services.record_files import locate, own_header
from medshare.storage import LocalBlobStore

pytestmark = pytest.mark.e2e

PASSPHRASE = "CANARY-passphrase-wolfsmilk"
NAMES = {role: f"canary-{role}-gertrude" for role in ("hospital", "patient", "doctor", "stranger")}
NEWCOMER = "canary-newcomer-gertrude"
FILE_NAME = "CANARY-Gertrude-Wolfsmilk-1950-07-09.json"
PLAIN = {
    "family name": b"CANARY-Wolfsmilk",
    "number": b"943 476 5919",
    "birth date": b"1950-07-09",
    "note": b"CANARY note: suspected porphyria",
    "clinical date": b"2025-11-17",
    "label": b"CANARY-porphyria",
    "reason": b"CANARY-reason: other patient's blood",
}
FHIR = json.dumps(
    {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "blood"},
        "effectiveDateTime": PLAIN["clinical date"].decode(),
        "subject": {"display": PLAIN["family name"].decode(), "identifier": {"value": PLAIN["number"].decode()}},
        "extension": [{"url": "urn:example:born", "valueDate": PLAIN["birth date"].decode()}],
        "note": [{"text": PLAIN["note"].decode()}],
    }
).encode()
# Not guessable, so that every piece of it would be recognised; with a canary at its start, middle and end.
NOISE = hashlib.shake_256(b"CANARY scan").digest(1_500_000)
SCAN = PLAIN["note"] + NOISE[:700_000] + PLAIN["family name"] + NOISE[700_000:] + PLAIN["number"]

# Runs in a process of its own: the log is of everything from the first import on.
SHARE = """
import json, logging, sys
work = json.load(sys.stdin)
logging.basicConfig(filename=work["log"], level=logging.DEBUG, format="%(name)s %(levelname)s %(message)s %(args)s")
from medshare.cli import main
for words, code in work["commands"]:
    logging.getLogger("test").debug("next command")
    ended = main(words)
    assert ended == code, (words, ended)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What a share has left behind."""

    home: Path
    log: bytes
    out: bytes
    err: bytes
    actors: dict[str, Actor]
    records: tuple[str, ...]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    base = tmp_path_factory.mktemp("share")
    home, outside = base / "home", base / "outside"
    outside.mkdir()
    (outside / FILE_NAME).write_bytes(FHIR)
    (outside / f"scan-{FILE_NAME}").write_bytes(SCAN)
    for name, text in (("passphrase", PASSPHRASE), ("wrong", "CANARY-wrong-passphrase")):
        (outside / name).write_text(text)
        (outside / name).chmod(0o600)
    actors = {}
    commands: list[tuple[list[str], int]] = [(["init"], 0)]
    for role, name in NAMES.items():
        actors[role] = make_identity(private_folder(home), name, PASSPHRASE)
        commands += [(["identity", "fund", name], 0), (["identity", "publish", name], 0)]
    commands.append((["identity", "new", NEWCOMER], 0))
    environment = {"PATH": "", "MEDSHARE_HOME": str(home), "MEDSHARE_PASSPHRASE_FILE": str(outside / "passphrase")}
    out, err = _run(commands, base / "log-0", environment)
    accredit_in(home, actors["hospital"].address, AccreditationKind.CUSTODIAN)
    hospital, patient, doctor, stranger = NAMES.values()
    fhir, scan = str(outside / FILE_NAME), str(outside / f"scan-{FILE_NAME}")
    label = ["--label", PLAIN["label"].decode()]
    as_patient, as_hospital = ["--as", patient], ["--as", hospital]
    commands = [
        (["record", "publish", fhir, *as_hospital, "--patient", patient, *label], 0),
        (["record", "publish", scan, *as_hospital, "--patient", patient, "--clinical-date", "2025-11-17"], 0),
        (["record", "publish", fhir + "-missing", *as_hospital, "--patient", patient], 2),
        (["record", "publish", str(outside), *as_hospital, "--patient", patient], 2),
        (
            [
                "-v",
                "--passphrase-file",
                str(outside / "wrong"),
                "record",
                "publish",
                fhir,
                *as_hospital,
                "--patient",
                patient,
            ],
            3,
        ),
        (["access", "grant", "--all", *as_patient, "--to", doctor, "--until", "30d"], 0),
        (["access", "grant", "--all", *as_patient, "--to", stranger, "--purpose", "HRESCH", "--until", "1d"], 0),
    ]
    out_1, err_1 = _run(commands, base / "log-1", environment)
    store = LocalBlobStore(home / "blocks")
    records = []
    for root in store.pins():
        try:
            locate(store, RecordId(root.digest))
        except Exception:  # noqa: BLE001, S112 - a bundle
            continue
        records.append(root.digest.hex())
    assert len(records) == 2
    more: list[tuple[list[str], int]] = []
    for number, record in enumerate(records):
        more += [
            (["record", "fetch", record, "--as", doctor, "--to", str(outside / f"fetched-{number}")], 0),
            (
                [
                    "record",
                    "fetch",
                    record,
                    "--as",
                    doctor,
                    "--offset",
                    "0",
                    "--length",
                    "9",
                    "--to",
                    str(outside / f"part-{number}"),
                ],
                0,
            ),
            (["-v", "record", "fetch", record, "--as", stranger, "--to", str(outside / "never")], 3),
            (["access", "check", record, "--as", stranger], 3),
        ]
    more += [
        (["record", "readable", "--as", doctor], 0),
        (["record", "retract", records[0], *as_hospital, "--reason", PLAIN["reason"].decode()], 0),
        (["access", "revoke-all", *as_patient], 0),
        (["-v", "record", "fetch", records[1], "--as", doctor, "--to", str(outside / "never")], 3),
        (["audit", "trail", "--patient", patient], 0),
        (["audit", "rebuild"], 0),
        (["doctor"], 0),
    ]
    out_2, err_2 = _run(more, base / "log-2", environment)
    assert sorted((outside / f"fetched-{number}").read_bytes() for number in range(2)) == sorted([FHIR, SCAN])
    return Shared(
        home=home,
        log=b"".join((base / f"log-{number}").read_bytes() for number in range(3)),
        out=out + out_1 + out_2,
        err=err + err_1 + err_2,
        actors=actors,
        records=tuple(records),
    )


def _run(commands: list[tuple[list[str], int]], log: Path, environment: dict[str, str]) -> tuple[bytes, bytes]:
    done = subprocess.run(
        [sys.executable, "-c", SHARE],
        input=json.dumps({"commands": commands, "log": str(log)}).encode(),
        capture_output=True,
        env=environment,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def everywhere(shared: Shared) -> dict[str, bytes]:
    return contents(shared.home) | {"the log": shared.log, "standard error": shared.err}


def file_keys(shared: Shared) -> dict[str, bytes]:
    store = LocalBlobStore(shared.home / "blocks")
    keys = {}
    for record in shared.records:
        header = own_header(store, locate(store, RecordId(bytes.fromhex(record))))
        file_key = unwrap(header, shared.actors["patient"].identity).file_key
        keys[f"file key of {record}"] = bytes(file_key.reveal())
    return keys


def test_search__for_what_is_there__finds_it(shared: Shared, everywhere: dict[str, bytes]) -> None:
    record = bytes.fromhex(shared.records[0])
    places = found({"record": record}, everywhere)
    assert found({"its CID": str(Cid.of_directory(record)).encode()}, {"the log": shared.log}) == ["its CID in the log"]
    assert any("chain.sqlite" in place for place in places)
    assert any("publications.sqlite" in place for place in places)
    for spelled in spellings(b"CANARY-planted-here"):
        assert found({"planted": b"CANARY-planted-here"}, {"a place": b"xx" + spelled + b"yy"}), spelled
    assert b"medshare.services.storing DEBUG" in shared.log
    assert len({line.split(b" ", 1)[0] for line in shared.log.splitlines()}) >= 3, "loggers of more than one package"
    assert b"Traceback" in shared.err


def test_plaintext__after_a_share__is_nowhere(everywhere: dict[str, bytes]) -> None:
    needles = PLAIN | {f"scan at {at}": NOISE[at : at + 24] for at in range(0, len(NOISE), 50_000)}
    assert found(needles, everywhere) == []


def test_words_of_the_manifest__after_a_share__are_nowhere(everywhere: dict[str, bytes]) -> None:
    assert found({"media type": b"application/fhir+json", "type": b'"Observation"'}, everywhere) == []


def test_digests__of_what_can_be_guessed__are_nowhere(everywhere: dict[str, bytes]) -> None:
    guesses = [*PLAIN.values(), FHIR, SCAN, FILE_NAME.encode(), *(name.encode() for name in NAMES.values())]
    needles = {
        f"digest {number} of {guess[:30]!r}": digest
        for guess in guesses
        for number, digest in enumerate(digests(guess))
    }
    assert found(needles, everywhere) == []


def test_file_names__after_a_share__are_nowhere(shared: Shared, everywhere: dict[str, bytes]) -> None:
    assert found({"file name": FILE_NAME.encode(), "its stem": FILE_NAME[:-5].encode()}, everywhere) == []


def test_names_of_identities__after_a_share__are_in_their_folders_names_only(
    shared: Shared, everywhere: dict[str, bytes]
) -> None:
    needles = {name: name.encode() for name in (*NAMES.values(), NEWCOMER)}
    assert found(needles, {place: text for place, text in everywhere.items() if place != "standard error"}) == []
    paths = [str(path.relative_to(shared.home)) for path in shared.home.rglob("*")]
    named = [path for path in paths if "canary" in path.lower()]
    assert named
    assert all(path.split("/")[0] == "identities" for path in named)


def test_keys_and_passphrases__after_a_share__are_nowhere(shared: Shared, everywhere: dict[str, bytes]) -> None:
    needles = {"passphrase": PASSPHRASE.encode(), "wrong passphrase": b"CANARY-wrong-passphrase"}
    for role, actor in shared.actors.items():
        needles[f"account key of {role}"] = bytes(actor.signer._account.key)
        needles[f"encryption key of {role}"] = actor.identity._secret.private_bytes_raw()
    needles |= file_keys(shared)
    assert len(needles) == 2 + 2 * len(NAMES) + 2
    assert found(needles, everywhere | {"standard output": shared.out}) == []


def test_locked_keys__after_a_share__are_in_identities_only(shared: Shared) -> None:
    locked = [
        path.relative_to(shared.home)
        for path in shared.home.rglob("*")
        if path.is_file() and (b"PRIVATE KEY" in path.read_bytes() or b"ciphertext" in path.read_bytes())
    ]
    assert len(locked) == 2 * (len(NAMES) + 1)
    assert {path.parts[0] for path in locked} == {"identities"}
    assert {(shared.home / path).stat().st_mode & 0o777 for path in locked} == {0o600}


def test_home__of_a_share__is_closed_to_others(shared: Shared) -> None:
    assert shared.home.stat().st_mode & 0o777 == 0o700


def test_names_of_blocks__after_a_share__are_their_cids(shared: Shared) -> None:
    names = [path.name for path in (shared.home / "blocks" / "blocks").rglob("*") if path.is_file()]
    assert len(names) >= 8
    for name in names:
        Cid.parse(name)
