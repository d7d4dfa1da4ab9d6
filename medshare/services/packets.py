"""Packets: who has one in the header of a record, and who would get one now.

Where the two differ, the record is for others than it should be, and is published anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from medshare.envelope import Recipient
from medshare.model.ids import Address, RecordId
from medshare.model.record import Manifest, RecordEntry, RecordRef, RecordStatus
from medshare.model.subject import Subject
from medshare.ports import Actor, BlobStore
from medshare.services.auditing import Auditing
from medshare.services.description import Description
from medshare.services.progress import silent
from medshare.services.standing import StandingConsents
from medshare.services.stored_version import StoredVersion

_NO_ID_YET = RecordId(bytes(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Packets:
    """Of one record: keys, beside those of patient and custodian."""

    held: frozenset[Recipient]
    """Those that its header has a packet for."""
    permitted: frozenset[Recipient]
    """Those that would get one now."""
    unknown: frozenset[Recipient]
    """Those of readers of whom it cannot be said now."""


def packets_of(
    entry: RecordEntry, *, custodian: Actor, store: BlobStore, auditing: Auditing, standing: StandingConsents
) -> Packets:
    """Return who has a packet in the header of a record of one's own, and who would get one now.

    Args:
        entry: the record.
        custodian: whose it is.
        store: where it is; not trusted.
        auditing: which earlier versions it has.
        standing: whom live grants permit it.

    Raises:
        NotARecipientError: it was encrypted for an earlier key of the custodian.
        StoreError, EnvelopeError, IntegrityError: it is not whole, or not what it should be.
        LedgerError: the chain failed.
    """
    stored = StoredVersion.open(store, entry, custodian.identity, progress=silent)
    readers = standing.readers(custodian, unborn_version(stored.manifest, auditing))
    permitted = frozenset(readers.admitted.values())
    candidates = standing.keys_ever(entry.patient) | permitted
    unknown = {key for each in readers.withheld for key in standing.keys_of(each.reader)}
    return Packets(held=stored.readers(custodian.identity, candidates), permitted=permitted, unknown=frozenset(unknown))


def unborn(
    described: Manifest | Description, *, custodian: Address, patient: Address, lineage: tuple[RecordId, ...] = ()
) -> Subject:
    """Return what is known of a record before its id is, which no provision can name yet."""
    return Subject(
        record=RecordRef(custodian=custodian, record_id=_NO_ID_YET),
        patient=patient,
        status=RecordStatus.ACTIVE,
        lineage=lineage,
        category=described.category,
        labels=described.labels,
        clinical_date=described.clinical_date,
    )


def unborn_version(manifest: Manifest, auditing: Auditing) -> Subject:
    """Return the same of what may be the next version of another record."""
    previous = manifest.supersedes
    lineage: tuple[RecordId, ...] = ()
    if previous is not None:
        earlier = RecordRef(custodian=manifest.custodian, record_id=previous)
        lineage = (previous, *auditing.lineages(manifest.patient).get(earlier, ()))
    return unborn(manifest, custodian=manifest.custodian, patient=manifest.patient, lineage=lineage)
