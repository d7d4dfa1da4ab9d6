"""Standing consent, from the first grant to the history, on the embedded chain with two hospitals' stores.

given two hospitals, each with a store of its own, and a patient who is known to both
├─ the patient grants a doctor laboratory records before there are any; each hospital publishes; the doctor reads both
├─ the patient revokes; what is superseded stays shut to the doctor, who has every block and every key he ever had
├─ one hospital rotates what it has; a second doctor, whose grant is live, reads the new versions, the first none
└─ the second doctor's history holds what the one hospital's store still gives, and says what the other's does not
"""

from __future__ import annotations

from pathlib import Path

import pytest
from homes import PASSPHRASE, Home
from world import publishing_on, resealing_on

from medshare import Session, connect
from medshare.content import Cid, list_directory, read_file
from medshare.envelope import unwrap
from medshare.errors import AccessDeniedError, BlobNotFoundError, NotARecipientError, StoreUnavailableError
from medshare.files import private_folder
from medshare.model.consent import Effect, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.ports import Actor, BlobStore
from medshare.services.consenting import Consenting
from medshare.services.description import Description
from medshare.services.history import History
from medshare.services.journal import PublicationJournal
from medshare.services.record_files import locate
from medshare.services.registering import Published
from medshare.services.retrieving import Retrieving
from medshare.services.rotating import Rotating
from medshare.services.standing import StandingConsents
from medshare.storage import LocalBlobStore, SeveralStores

pytestmark = pytest.mark.e2e

TREAT = PurposeOfUse.TREAT
LAB = Category.LABORATORY


class Down:
    """A store that cannot be reached."""

    def get(self, _cid: Cid, *_limit: int) -> bytes:
        raise StoreUnavailableError("the test says so")


class Place:
    """One party's services over the session's chain, with a store of its own, reading from the others' too."""

    def __init__(self, session: Session, folder: Path, *others: BlobStore) -> None:
        self.blocks = LocalBlobStore(private_folder(folder / "blocks"))
        store = SeveralStores(self.blocks, *others)
        parts = {"ledger": session.ledger, "store": store, "auditing": session.auditing}
        standing = StandingConsents(**parts, clock=session.clock)
        publishes = {**parts, "journal": PublicationJournal(folder / "state"), "standing": standing}
        self.publishing = publishing_on(**publishes)
        self.rotating = Rotating(
            store=store,
            clock=session.clock,
            auditing=session.auditing,
            standing=standing,
            resealing=resealing_on(**publishes),
        )
        self.consenting = Consenting(**parts)
        self.retrieving = Retrieving(**parts, clock=session.clock)
        self.history = History(auditing=session.auditing, retrieving=self.retrieving)


def publish(place: Place, hospital: Actor, patient: Actor, text: bytes, day: str, **more) -> Published:
    return place.publishing.publish(
        text,
        custodian=hospital,
        patient=patient.address,
        description=Description(media_type="text/plain", category=LAB, clinical_date=day),
        **more,
    )


def laboratory(*custodians: Actor) -> list[Provision]:
    named = tuple(custodian.address for custodian in custodians)
    return [Provision(effect=Effect.PERMIT, purposes=(TREAT,), categories=(LAB,), custodians=named)]


def keys_of(actor: Actor, stores: list[LocalBlobStore], roots: list[Cid]) -> set[bytes]:
    """What ``actor`` can open of any header that any store holds, of any file of any record or bundle."""
    held = set()
    for store in stores:
        for root in roots:
            try:
                files = list_directory(store.get, root)
            except BlobNotFoundError:
                continue
            for link in files.values():
                head = next(iter(read_file(store.get, link.cid, max_size=link.size)))
                if not head.startswith(b"crypt4gh"):
                    continue
                count = int.from_bytes(head[12:16], "little")
                try:
                    held.add(unwrap(head[: 16 + 108 * count], actor.identity).file_key.commitment)
                except NotARecipientError:
                    continue
    return held


def test_standing_consent__from_the_first_grant_to_the_history(people: Home, tmp_path: Path) -> None:
    with connect(people.path) as session:
        hospital, clinic, patient, doctor, second = (
            session.keyring.open(name, lambda _name: PASSPHRASE)
            for name in ("hospital", "clinic", "patient", "doctor", "researcher")
        )
        at_hospital = Place(session, private_folder(tmp_path / "hospital"))
        at_clinic = Place(session, private_folder(tmp_path / "clinic"), at_hospital.blocks)
        home = Place(session, private_folder(tmp_path / "home"), at_hospital.blocks, at_clinic.blocks)
        at_hospital = Place(session, tmp_path / "hospital", home.blocks)
        at_clinic = Place(session, tmp_path / "clinic", home.blocks)
        day = session.clock.now() + 86_400

        # before there are any
        granted = home.consenting.grant(
            patient=patient,
            grantee=doctor.address,
            provisions=laboratory(hospital, clinic),
            expires_at=day,
        )
        assert set(granted.told) == {hospital.address, clinic.address}
        assert granted.released == ()
        one = publish(at_hospital, hospital, patient, b"sodium 140", "2026-01-10")
        two = publish(at_clinic, clinic, patient, b"potassium 4", "2026-02-10")
        assert (one.readers, two.readers) == ((doctor.address,), (doctor.address,))
        found = home.history.of(patient.address, reader=doctor, purpose=TREAT)
        assert [b"".join(each.stream()) for each in found] == [b"potassium 4", b"sodium 140"]
        assert found.failures == []

        # a second doctor, and the first one's grant is revoked
        home.consenting.grant(patient=patient, grantee=second.address, provisions=laboratory(), expires_at=day)
        home.consenting.revoke(granted.grant_id, patient=patient)
        later = publish(at_hospital, hospital, patient, b"sodium 141", "2026-01-11", supersedes=one.record_id)
        assert later.readers == (second.address,)
        (rotation,) = at_clinic.rotating.rotate(
            at_clinic.rotating.due(patient.address, custodian=clinic), custodian=clinic, forget_old=True
        )
        rotated = rotation.published
        assert rotated is not None
        assert rotated.readers == (second.address,)
        assert at_clinic.rotating.due(patient.address, custodian=clinic) == []

        # the first doctor has every block and every key
        stores = [at_hospital.blocks, at_clinic.blocks, home.blocks]
        roots = [Cid.of_directory(entry.record_id) for entry in session.auditing.records(patient.address)]
        roots += [Cid.of_directory(bundle) for bundle in session.auditing.bundles(patient.address)]
        everywhere = SeveralStores(*stores)
        old, new = (
            [locate(everywhere, each.record_id).commitment.key_commitment for each in pair]
            for pair in ((one, two), (later, rotated))
        )
        assert keys_of(doctor, stores, roots) >= set(old)
        assert not keys_of(doctor, stores, roots) & set(new)
        assert keys_of(second, stores, roots) >= {*old, *new}
        for each in (one, two, later, rotated):
            with pytest.raises(AccessDeniedError):
                home.retrieving.open(each.entry.ref, reader=doctor, purpose=TREAT)

        # one hospital's store fails
        halved = Place(session, private_folder(tmp_path / "halved"), home.blocks, at_clinic.blocks, Down())
        found = halved.history.of(patient.address, reader=second, purpose=TREAT)
        assert [b"".join(each.stream()) for each in found] == [b"potassium 4"]
        assert {(each.record.custodian, type(each.error)) for each in found.failures if each.record is not None} == {
            (hospital.address, StoreUnavailableError)
        }

        # what was given up goes with the collection, and nothing else
        assert at_clinic.blocks.collect(grace=0).removed_blocks > 0
        assert not at_clinic.blocks.has(two.cid)
        assert at_clinic.blocks.has(rotated.cid)
        found = home.history.of(patient.address, reader=second, purpose=TREAT)
        assert [b"".join(each.stream()) for each in found] == [b"potassium 4", b"sodium 141"]
        assert found.failures == []
