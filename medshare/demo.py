"""The demo: the whole path on real FHIR records, on the embedded chain and store, with what the public sees of it.

A hospital publishes, a patient grants, a doctor fetches and verifies; a stranger, an expired and a revoked reader are
refused, each for his own reason. It leaves a folder in which the ``medshare`` commands go on.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib import resources
from pathlib import Path

from medshare.content import Cid, list_directory
from medshare.errors import AccessDeniedError, ConfigurationError, EncryptionKeyUnchangedError, IntegrityError
from medshare.files import private_folder, write_whole
from medshare.ingesting import Said
from medshare.keyring import read_passphrase
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import Reason, RecordRef
from medshare.model.events import LedgerEvent
from medshare.model.ids import Address, GrantId
from medshare.model.purpose import Purpose, PurposeOfUse
from medshare.model.record import Category
from medshare.ports import Actor
from medshare.services.description import Description
from medshare.services.registering import Published
from medshare.session import Session, connect, make_home
from medshare.settings import Settings
from medshare.standards import fhir
from medshare.standards.ingest import examine

MARK_FILE = "DEMO.txt"
"""Says that a folder is the demo's own: no other folder is ever touched."""
PASSPHRASE_FILE = "passphrase"  # noqa: S105 - a file's name
IDENTITIES = ("hospital", "patient", "doctor", "specialist", "researcher", "stranger")
LARGE_SIZE = 32 << 20
"""Bytes of the large record: as much as a small imaging study."""
_MARK = b"medshare demo made this folder. Its passphrase lies beside its keys: keep nothing real here.\n"
_DAY = 86_400
_YEAR = 365 * _DAY
_MOMENT = 3
"""Seconds that the shortest grant lasts, so that its end can be waited for."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the demo did, in figures."""

    home: str
    records: int
    bytes_verified: int
    packet_bytes: int
    """What one more reader of the large record cost in the store."""
    refused: dict[str, str]
    """Who was refused, and why."""
    events: int
    seconds: float


def run_demo(home: Path, say: Say) -> Outcome:
    """Run the demo in ``home`` and tell what happens.

    Args:
        home: a folder of the demo's own; an earlier demo in it is gone on with.
        say: told each line.

    Raises:
        ConfigurationError: the folder holds something else.
        MedshareError: something did not go as it should.
    """
    started = time.monotonic()
    passphrase = _prepare(home)
    say(f"A place for chain, store and keys: {home}")
    with connect(home) as session:
        outcome = show(session, _identities(session, passphrase, say), home, say)
    outcome = replace(outcome, seconds=_since(started))
    say("")
    say(f"Done in {outcome.seconds} s. Go on with your own commands:")
    say(f"  export MEDSHARE_HOME={home} MEDSHARE_PASSPHRASE_FILE={home / PASSPHRASE_FILE}")
    say("  medshare audit may-read --patient patient")
    say("  medshare record list --patient patient")
    say("  medshare identity new colleague")
    say("  medshare access grant --as patient --to colleague --purpose TREAT --until 1h --all")
    say("  medshare record readable --as colleague")
    say("  medshare doctor")
    return outcome


def show(session: Session, actors: Mapping[str, Actor], home: Path, say: Say, *, moment: int = _MOMENT) -> Outcome:
    """Show the whole path in a session of any network, and tell what happens.

    Args:
        session: where it happens.
        actors: those of ``IDENTITIES`` by name, with published encryption keys and what coins they need; the hospital
            is accredited as a custodian.
        home: the folder for what is fetched.
        say: told each line.
        moment: seconds that the shortest grant lasts; longer than a transaction takes to count.

    Raises:
        ConfigurationError: somebody who is to be refused has been granted something before.
        MedshareError: something did not go as it should.
    """
    started = time.monotonic()
    demo = _Demo(session, say, actors, moment)
    published = demo.publish()
    demo.grant_doctor(published)
    verified = demo.fetch_all(published, home / "fetched")
    demo.refuse_stranger(published[0])
    demo.refuse_expired(published[1])
    packet = demo.add_reader_and_revoke(published[-1])
    events = demo.audit()
    return Outcome(
        home=str(home),
        records=len(published),
        bytes_verified=verified,
        packet_bytes=packet,
        refused={name: reason.value for name, reason in demo.refused.items()},
        events=events,
        seconds=_since(started),
    )


def example_records() -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of the FHIR R4 examples that come with medshare (CC0; see ORIGIN.md beside them)."""
    folder = resources.files("medshare").joinpath("_data", "demo", "fhir")
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".json"):
            yield file.name, file.read_bytes()


def large_record(size: int = LARGE_SIZE) -> bytes:
    """Return ``size`` bytes that do not compress and are the same each time, in place of an imaging study."""
    return hashlib.shake_256(b"medshare demo").digest(size)


def public_view(event: LedgerEvent) -> str:
    """Return what everybody can read of an event on chain, for ever."""
    return f"{type(event).__name__}({', '.join(f'{name}={_public(value)}' for name, value in _said(event))})"


class _Demo:
    """The steps, one method each."""

    def __init__(self, session: Session, say: Say, actors: Mapping[str, Actor], moment: int) -> None:
        self._session = session
        self._say = say
        self._actors = actors
        self._moment = moment
        self._told = session.ledger.chain.head().number
        self.refused: dict[str, Reason] = {}

    def publish(self) -> list[Published]:
        """The hospital publishes twelve FHIR records and a large one."""
        self._title("The hospital encrypts the patient's records, stores them, and registers them on chain")
        published = []
        for name, document in example_records():
            description = Said().describe(examine(document, fhir.MEDIA_TYPE))
            published.append(self._publish(name, document, description))
        scan = Description(media_type="application/dicom", category=Category.IMAGING, clinical_date="2026-05-04")
        published.append(self._publish("a scan", large_record(), scan))
        self._public()
        return published

    def grant_doctor(self, published: list[Published]) -> None:
        """The patient grants the doctor treatment for thirty days."""
        self._title("The patient grants the doctor access to all of it, for treatment, for 30 days")
        granted = self._grant("doctor", published, PurposeOfUse.TREAT, self._in(30 * _DAY))
        self._say(f"  grant  {granted:#x}")
        self._public()

    def fetch_all(self, published: list[Published], folder: Path) -> int:
        """The doctor fetches everything; each record is compared with what the hospital had."""
        self._title("The doctor fetches the records; every block, segment, key and digest is verified")
        private_folder(folder)
        originals = [document for _, document in example_records()] + [large_record()]
        verified = 0
        for number, (each, original) in enumerate(zip(published, originals, strict=True)):
            opened = self._session.retrieving.open(
                _ref(each), reader=self._actors["doctor"], purpose=PurposeOfUse.TREAT
            )
            target = folder / f"{number:02d}-{opened.manifest.category.value}"
            verified += opened.save(target, replace_existing=True)
            if target.read_bytes() != original:
                raise IntegrityError("what was fetched is not what was published")
        self._say(f"  {len(published)} records, {verified:,} bytes, each the same byte for byte, in {folder}")
        self._say("  public: nothing, reading leaves no trace on chain")
        return verified

    def refuse_stranger(self, published: Published) -> None:
        """A stranger has no grant."""
        self._title("A stranger asks for a record")
        self._refused("stranger", published, PurposeOfUse.TREAT, Reason.NO_GRANT)

    def refuse_expired(self, published: Published) -> None:
        """A researcher's grant ends."""
        self._title(f"A researcher may read one record for research, for {self._moment} seconds")
        ends_at = self._in(self._moment)
        self._grant("researcher", [published], PurposeOfUse.HRESCH, ends_at)
        self._session.retrieving.open(_ref(published), reader=self._actors["researcher"], purpose=PurposeOfUse.HRESCH)
        self._say("  he opens it now; and for treatment, which he was not granted, he is refused:")
        self._refused("researcher", published, PurposeOfUse.TREAT, Reason.PURPOSE_NOT_GRANTED)
        self._public()
        time.sleep(max(0, ends_at + 1 - self._session.clock.now()))
        self._say("  a few seconds later:")
        self._refused("researcher", published, PurposeOfUse.HRESCH, Reason.EXPIRED)

    def add_reader_and_revoke(self, published: Published) -> int:
        """One more reader costs one packet; then he is revoked. Return the packet's file size."""
        self._title("The patient lets a specialist see the scan too, and takes it back")
        grant_id = self._grant("specialist", [published], PurposeOfUse.TREAT, self._in(_DAY))
        opened = self._session.retrieving.open(
            _ref(published), reader=self._actors["specialist"], purpose=PurposeOfUse.TREAT
        )
        standing = self._session.auditing.grant(grant_id)
        if standing is None:
            raise IntegrityError("the grant is not in the index")
        bundle = list_directory(self._session.store.get, Cid.of_directory(standing.bundle))
        packet = min(link.size for link in bundle.values())
        self._say(f"  one more reader of {opened.manifest.size:,} bytes: one header of {packet} bytes")
        self._session.consenting.revoke(grant_id, patient=self._actors["patient"])
        self._public()
        self._refused("specialist", published, PurposeOfUse.TREAT, Reason.REVOKED)
        self._say("  (what he has read stays with him: revoking works forward only)")
        return packet

    def audit(self) -> int:
        """Print the patient's audit trail; return how many events it has."""
        patient = self._actors["patient"].address
        self._title("The audit trail: who may read the patient's records now, and what happened, from the chain")
        for standing in self._session.auditing.grants(patient=patient):
            name = self._session.keyring.name_of(standing.grant.grantee) or standing.grant.grantee
            codes = ",".join(standing.purposes.codes)
            self._say(f"  {name:<11} {'live' if standing.live else standing.reason.value:<8} for {codes}")
        trail = self._session.auditing.trail(patient)
        self._say(f"  {len(trail)} events; all of them: medshare audit trail --patient patient")
        return len(trail)

    # ------------------------------------------------------------------------------------------- telling

    def _publish(self, name: str, document: bytes, description: Description) -> Published:
        published = self._session.publishing.publish(
            document,
            custodian=self._actors["hospital"],
            patient=self._actors["patient"].address,
            description=description,
        )
        self._say(f"  {len(document):>12,} bytes  {published.cid}  {name}")
        return published

    def _grant(self, grantee: str, published: list[Published], purpose: PurposeOfUse, expires_at: int) -> GrantId:
        granted = self._session.consenting.grant(
            patient=self._actors["patient"],
            grantee=self._actors[grantee].address,
            records=[_ref(each) for each in published],
            purposes=purpose,
            expires_at=expires_at,
        )
        return granted.grant_id

    def _in(self, seconds: int) -> int:
        """Return when so many seconds will have passed, by the later clock."""
        return max(self._session.clock.now(), self._session.ledger.chain.head().time) + seconds

    def _refused(self, who: str, published: Published, purpose: PurposeOfUse, expected: Reason) -> None:
        try:
            self._session.retrieving.open(_ref(published), reader=self._actors[who], purpose=purpose)
        except AccessDeniedError as error:
            if error.decision.reason is expected:
                self._say(f"  {who}: {error}")
                self.refused[who] = error.decision.reason
                return
        # Only the folder's user can have done that, with commands of his own.
        raise ConfigurationError(
            f"the {who} has been granted something in this folder since the demo ran",
            hint="name a new folder with --home",
        )

    def _title(self, text: str) -> None:
        self._say("")
        self._say(text)

    def _public(self) -> None:
        """Tell what the steps since the last call have made public."""
        head = self._session.ledger.chain.head().number
        events = list(self._session.ledger.chain.events(self._told + 1, head))
        self._told = head
        for event in events[:2]:
            self._say(f"  public: {public_view(event)}")
        if len(events) > 2:
            self._say(f"  public: … and {len(events) - 2} more of this kind")


def _since(started: float) -> float:
    return round(time.monotonic() - started, 1)


def _prepare(home: Path) -> str:
    """Return the passphrase of the demo in ``home``, which is made where it is not there yet."""
    if not (home / MARK_FILE).exists():
        if home.exists() and any(home.iterdir()):
            raise ConfigurationError("the demo's folder holds something else", hint="name a new folder with --home")
        private_folder(home)
        write_whole(home / MARK_FILE, _MARK, replace=False)
    make_home(Settings.begin(home))
    path = home / PASSPHRASE_FILE
    if not path.exists():
        write_whole(path, secrets.token_urlsafe(18).encode() + b"\n", replace=False)
    return read_passphrase(path)


def _identities(session: Session, passphrase: str, say: Say) -> dict[str, Actor]:
    """Open or make the identities, with coins and a published encryption key."""
    known = {entry.name for entry in session.keyring.entries()}
    actors = {}
    for name in IDENTITIES:
        if name in known:
            actors[name] = session.keyring.open(name, lambda _: passphrase)
        else:
            actors[name] = session.keyring.create(name, passphrase)
        session.chain.fund(actors[name].address)
        with suppress(EncryptionKeyUnchangedError):
            key = actors[name].identity.recipient.key
            session.ledger.directory.set_encryption_key(actors[name].signer, key)
    say(f"Six people, each with a signing key and an encryption key: {', '.join(actors)}")
    _accredit(session, actors["hospital"].address, say)
    return actors


def _accredit(session: Session, hospital: Address, say: Say) -> None:
    """Have the member of the consortium say that the hospital is one: only then may it register records of others."""
    ledger, kind = session.ledger, AccreditationKind.CUSTODIAN
    if not ledger.accreditation.is_accredited(hospital, kind, block=ledger.chain.head()):
        until = session.clock.now() + _YEAR
        ledger.accreditation.accredit(session.chain.development_member(), hospital, kind, until)
    say("The founding member of this chain's consortium has accredited the hospital as a custodian")


def _ref(published: Published) -> RecordRef:
    return RecordRef(custodian=published.entry.custodian, record_id=published.record_id)


def _said(thing: object) -> Iterator[tuple[str, object]]:
    """Yield what a thing says, and what the grant, request or delegation in it says."""
    for field in fields(thing) if is_dataclass(thing) else ():
        value = getattr(thing, field.name)
        if is_dataclass(value):
            yield from () if field.name == "place" else _said(value)
        else:
            yield field.name, value


def _public(value: object) -> str:
    match value:
        case bytes():
            return f"0x{value.hex()[:16]}…"
        case Purpose():
            return ",".join(value.codes) or "none"
        case str():
            return f"{value[:10]}…"
        case int() if value >= 1 << 64:
            return f"{value:#x}"[:18] + "…"
        case _:
            return str(value)
