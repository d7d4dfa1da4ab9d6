"""Homes to work in: people with keys, contracts on a chain, two published records; made once, then copied.

Their keystores are locked with little work (scrypt n = 2^12), so that a test waits only for what it tests. On which
chain and store they are is one setting: see ``grounds``.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from grounds import Ground

from medshare import connect
from medshare.chain import LocalSigner, deployment_file
from medshare.cli import main
from medshare.content import Cid
from medshare.envelope import Identity
from medshare.files import private_folder, write_whole
from medshare.keyring import ACCOUNT_FILE, PUBLIC_FILE, SECRET_FILE
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import MAX_TIME, RecordRef
from medshare.model.ids import Address
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.ports import Actor
from medshare.services.description import Description
from medshare.session import Session
from medshare.settings import Settings, StoreKind

PASSPHRASE = "a passphrase for tests"
PEOPLE = ("clinic", "doctor", "hospital", "neighbour", "patient", "researcher", "stranger")
OBSERVATION = json.dumps(
    {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "93832-4"}], "text": "hours of sleep"},
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

    @property
    def settings(self) -> Settings:
        return Settings.load(self.path)

    @property
    def deployment_file(self) -> Path:
        return deployment_file(self.path, self.settings.network)

    def identity(self, name: str) -> Path:
        return self.path / "identities" / name

    def at(self, path: Path) -> Home:
        """Return the same home as it lies in another place."""
        return replace(self, path=path)

    def copied_to(self, path: Path) -> Home:
        shutil.copytree(self.path, path)
        return self.at(path)


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
    """Runs ``medshare`` in this process, in one home.

    Args:
        home: the home.
        captured: what catches what is printed.
        warnings: what a command that ends well may warn of; default: of nothing.
    """

    def __init__(self, home: Home, captured: pytest.CaptureFixture[bytes], warnings: str = "(?!)") -> None:
        self.home = home
        self._captured = captured
        self._warnings = warnings

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
        assert answer.code == 0, answer
        self.check_warnings(answer.err)
        return answer.json

    def check_warnings(self, said: str) -> None:
        """Check that nothing was said on standard error but the warnings that there may be."""
        for line in said.splitlines():
            assert re.search(self._warnings, json.loads(line)["warning"]), said

    def accredit(self, who: str, kind: AccreditationKind, until: int = MAX_TIME) -> None:
        """Have the founding member of the home's chain accredit somebody; 0 withdraws it."""
        accredit_in(self.home.path, self.home.addresses[who], kind, until)

    def collect(self) -> Any:
        """Remove everything that no pin keeps, however young it is."""
        at_once = ("--older-than", "0s") if self.home.settings.store.kind is StoreKind.LOCAL else ()
        return self.json("storage", "collect", *at_once)

    def pins(self) -> frozenset[str]:
        """Return the CIDs that the store keeps."""
        return frozenset(row["cid"] for row in self.json("storage", "pins"))

    def lose(self, *roots: Cid) -> None:
        """Take what is below these roots away from the store."""
        with connect(self.home.path) as session:
            for root in roots:
                session.store.unpin(root)
        self.collect()

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


def make_identity(home: Path, name: str, passphrase: str = PASSPHRASE, *, signer: LocalSigner | None = None) -> Actor:
    """Write the files of an identity, locked with little work; its account is a new one, unless it is known."""
    actor = Actor(signer=signer or LocalSigner.generate(), identity=Identity.generate())
    folder = private_folder(home / "identities" / name)
    actor.signer.save_keystore(folder / ACCOUNT_FILE, passphrase, work=LITTLE_WORK)
    actor.identity.save(folder / SECRET_FILE, passphrase)
    actor.identity.recipient.save(folder / PUBLIC_FILE)
    return actor


class Templates:
    """The homes that are copied. What happened in them lies back, by an hour where the chain can be told so."""

    def __init__(self, folder: Path, ground: Ground) -> None:
        self._folder = folder
        self._ground = ground

    @cached_property
    def people(self) -> Home:
        """People and contracts, and nothing published."""
        with self._ground.building():
            return self._with_people("people")

    @cached_property
    def records(self) -> Home:
        """The hospital has published two records of the patient."""
        with self._ground.building():
            return self._with_records("records")

    @cached_property
    def grant(self) -> Home:
        """Both records are granted to the doctor."""
        with self._ground.building():
            return self._with_grant("grant")

    def begin(self, template: Home, path: Path) -> Home:
        """Return a copy to work in, of which the chain knows no more than the template does."""
        self._ground.begin()
        return template.copied_to(path)

    def _with_people(self, name: str) -> Home:
        if self._ground.chain.is_copied_with_home and name != "people":
            return self.people.copied_to(self._folder / name)
        folder = self._folder / name
        self._ground.found_home(folder)
        write_whole(folder / "passphrase", PASSPHRASE.encode() + b"\n", replace=False)
        addresses = {}
        with connect(folder) as session:
            for person in PEOPLE:
                actor = make_identity(folder, person)
                session.chain.fund(actor.address)
                session.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)
                addresses[person] = actor.address
            for custodian in ("hospital", "clinic"):
                accredit(session, addresses[custodian], AccreditationKind.CUSTODIAN)
        return Home(path=folder, addresses=addresses)

    def _with_records(self, name: str) -> Home:
        if self._ground.chain.is_copied_with_home and name != "records":
            return self.records.copied_to(self._folder / name)
        home = self._with_people(name)
        with connect(home.path) as session:
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

    def _with_grant(self, name: str) -> Home:
        home = self._with_records(name)
        with connect(home.path) as session:
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


@pytest.fixture
def people(tmp_path: Path, templates: Templates) -> Home:
    """A home with people and contracts, and nothing published."""
    return templates.begin(templates.people, tmp_path / "home")


@pytest.fixture
def home(tmp_path: Path, templates: Templates) -> Home:
    """A home in which the hospital has published two records of the patient."""
    return templates.begin(templates.records, tmp_path / "home")


@pytest.fixture
def granted_home(tmp_path: Path, templates: Templates) -> Home:
    """A home with two records, and both granted to the doctor."""
    return templates.begin(templates.grant, tmp_path / "home")


@pytest.fixture
def cli(home: Home, capsysbinary: pytest.CaptureFixture[bytes]) -> CommandLine:
    """``medshare`` in the home with two records."""
    return CommandLine(home, capsysbinary)


@pytest.fixture
def days_later(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the chain's clock so many days ahead of the machine's; where it cannot be set the test is skipped."""
    return lambda days: ground.chain.set_ahead(days * 86_400, monkeypatch)


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory, ground: Ground) -> Templates:
    """The homes that are copied; made once in a run, whoever imports this fixture."""
    return _templates(tmp_path_factory.getbasetemp(), ground)


@functools.cache
def _templates(base: Path, ground: Ground) -> Templates:
    return Templates(private_folder(base / "template-homes"), ground)
