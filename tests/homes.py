"""Homes to work in: people with keys, an embedded chain with contracts, two published records; made once, then copied.

Their keystores are locked with little work (scrypt n = 2^12), so that a test waits only for what it tests. What
happened in them is an hour old: nothing that a test does falls into the same second.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from medshare import connect
from medshare.chain import LocalSigner, open_chain
from medshare.cli import main
from medshare.envelope import Identity
from medshare.files import private_folder, write_whole
from medshare.keyring import ACCOUNT_FILE, PUBLIC_FILE, SECRET_FILE
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import MAX_TIME, RecordRef
from medshare.model.ids import Address
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.ports import Actor
from medshare.services.publishing import Description
from medshare.session import Session, make_home
from medshare.settings import Settings

PASSPHRASE = "a passphrase for tests"
PEOPLE = ("clinic", "doctor", "hospital", "neighbour", "patient", "researcher", "stranger")
OBSERVATION = json.dumps(
    {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "hours of sleep"},
        "effectiveDateTime": "2026-03-04T10:00:00Z",
        "valueString": "7",
    }
).encode()
SCAN = hashlib.shake_256(b"a scan").digest((1 << 20) + 17)
LITTLE_WORK = 1 << 12
ADDRESS_OF_NOBODY = "0x00000000000000000000000000000000000000AA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A folder in which ``medshare`` works, and what lies in it."""

    path: Path
    addresses: Mapping[str, str]
    observation: str = ""
    """Id of the hospital's FHIR record of the patient."""
    scan: str = ""
    """Id of the hospital's large record of the patient."""
    grant: str = ""
    """Id of the grant of both to the doctor, for treatment, for a day; in ``granted_home``."""

    @property
    def passphrase_file(self) -> Path:
        return self.path / "passphrase"

    @property
    def options(self) -> list[str]:
        """What goes before the command."""
        return ["--home", str(self.path), "--passphrase-file", str(self.passphrase_file)]

    def identity(self, name: str) -> Path:
        return self.path / "identities" / name

    def copied_to(self, path: Path) -> Home:
        shutil.copytree(self.path, path)
        return replace(self, path=path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command said."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return json.loads(self.err)


class CommandLine:
    """Runs ``medshare`` in this process, in one home."""

    def __init__(self, home: Home, captured: pytest.CaptureFixture[bytes]) -> None:
        self.home = home
        self._captured = captured

    def __call__(self, *words: object, home: Home | None = None, passphrase: bool = True) -> Answer:
        options = (home or self.home).options
        return self.bare(*(options if passphrase else options[:2]), *words)

    def bare(self, *words: object) -> Answer:
        """Run with these words only."""
        self._captured.readouterr()
        code = main([str(word) for word in words])
        said = self._captured.readouterr()
        return Answer(code=code, out=said.out, err=said.err.decode())

    def json(self, *words: object, home: Home | None = None) -> Any:
        """Run a command that must end well; return what it says as JSON."""
        answer = self("--json", *words, home=home)
        assert (answer.code, answer.err) == (0, ""), answer
        return answer.json

    def accredit(self, who: str, kind: AccreditationKind, until: int = MAX_TIME) -> None:
        """Have the founding member of the home's chain accredit somebody; 0 withdraws it."""
        accredit_in(self.home.path, self.home.addresses[who], kind, until)

    def fetched(self, record: str, reader: str, *words: object, home: Home | None = None) -> bytes:
        answer = self("record", "fetch", record, "--as", reader, *words, home=home)
        assert answer.code == 0, answer
        return answer.out


def accredit(session: Session, account: str, kind: AccreditationKind, until: int = MAX_TIME) -> None:
    """Accredit an account, as the founding member of a development network."""
    member = session.chain.development_member()
    session.ledger.accreditation.accredit(member, Address(account), kind, until)


def accredit_in(home: Path, account: str, kind: AccreditationKind, until: int = MAX_TIME) -> None:
    """Accredit an account on the chain of a home, as the founding member of a development network."""
    with connect(home) as session:
        accredit(session, account, kind, until)


def make_identity(home: Path, name: str, passphrase: str = PASSPHRASE) -> Actor:
    """Write the files of an identity, locked with little work."""
    actor = Actor(signer=LocalSigner.generate(), identity=Identity.generate())
    folder = private_folder(home / "identities" / name)
    actor.signer.save_keystore(folder / ACCOUNT_FILE, passphrase, work=LITTLE_WORK)
    actor.identity.save(folder / SECRET_FILE, passphrase)
    actor.identity.recipient.save(folder / PUBLIC_FILE)
    return actor


@pytest.fixture
def people(tmp_path: Path, templates: Path) -> Home:
    """A home with people and contracts, and nothing published."""
    return _people(templates).copied_to(tmp_path / "home")


@pytest.fixture
def home(tmp_path: Path, templates: Path) -> Home:
    """A home in which the hospital has published two records of the patient."""
    return _with_records(templates).copied_to(tmp_path / "home")


@pytest.fixture
def granted_home(tmp_path: Path, templates: Path) -> Home:
    """A home with two records, and both granted to the doctor."""
    return _with_grant(templates).copied_to(tmp_path / "home")


@pytest.fixture
def cli(home: Home, capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    """``medshare`` in the home with two records."""
    return CommandLine(home, capsysbinary)


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the homes that are copied; one in a run, whoever imports this fixture."""
    return _templates(tmp_path_factory.getbasetemp())


@functools.cache
def _templates(base: Path) -> Path:
    return private_folder(base / "template-homes")


@contextmanager
def _an_hour_ago() -> Iterator[None]:
    """The embedded chain's clock, as long as the block lasts."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("medshare.session.open_chain", functools.partial(open_chain, clock=lambda: time.time() - 3600))
        yield


@functools.cache
def _people(templates: Path) -> Home:
    folder = private_folder(templates / "people")
    with _an_hour_ago():
        make_home(Settings(home=folder))
    write_whole(folder / "passphrase", PASSPHRASE.encode() + b"\n", replace=False)
    addresses = {}
    with _an_hour_ago(), connect(folder) as session:
        for name in PEOPLE:
            actor = make_identity(folder, name)
            session.chain.fund(actor.address)
            session.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)
            addresses[name] = actor.address
        for custodian in ("hospital", "clinic"):
            accredit(session, addresses[custodian], AccreditationKind.CUSTODIAN)
    return Home(path=folder, addresses=addresses)


@functools.cache
def _with_records(templates: Path) -> Home:
    home = _people(templates).copied_to(templates / "records")
    with _an_hour_ago(), connect(home.path) as session:
        hospital = session.keyring.open("hospital", lambda _: PASSPHRASE)
        observation, scan = (
            session.publishing.publish(
                content, custodian=hospital, patient=session.keyring.resolve("patient"), description=description
            )
            for content, description in (
                (
                    OBSERVATION,
                    Description(
                        media_type="application/fhir+json",
                        category=Category.OBSERVATION,
                        resource_type="Observation",
                        clinical_date="2026-03-04",
                    ),
                ),
                (SCAN, Description(media_type="application/dicom", category=Category.IMAGING)),
            )
        )
    return replace(home, observation=observation.record_id.hex(), scan=scan.record_id.hex())


@functools.cache
def _with_grant(templates: Path) -> Home:
    home = _with_records(templates).copied_to(templates / "grant")
    with _an_hour_ago(), connect(home.path) as session:
        patient = session.keyring.open("patient", lambda _: PASSPHRASE)
        granted = session.consenting.grant(
            patient=patient,
            grantee=session.keyring.resolve("doctor"),
            records=[
                RecordRef(custodian=entry.custodian, record_id=entry.record_id)
                for entry in session.auditing.records(patient.address)
            ],
            purposes=PurposeOfUse.TREAT,
            expires_at=session.clock.now() + 86_400,
        )
    return replace(home, grant=f"{granted.grant_id:#x}")
