"""Who could have read a record of one's own: everybody to whom its key was given, as far as its custodian can know.

A patient's terms are secret; a custodian knows of each grant what its excerpt for him says. Where that is gone, nobody
can say any more what the grant covered, and its reader counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medshare.errors import LedgerError, MedshareError, StoreUnavailableError
from medshare.model.erasure import Ground, ToldReader
from medshare.model.grant import MAX_TIME
from medshare.model.ids import Address
from medshare.model.record import RecordEntry
from medshare.model.subject import Subject
from medshare.ports import Actor, BlobStore
from medshare.services.auditing import Auditing
from medshare.services.emergencies import Emergencies
from medshare.services.progress import silent
from medshare.services.standing import StandingConsents, may_have_covered
from medshare.services.stored_version import StoredVersion


class PastReaders:
    """Finds who could have read a record, as its custodian.

    Args:
        store: where the record is.
        auditing: which grants and emergencies there were.
        standing: what excerpts of terms say.
        emergencies: which keys were released.
    """

    def __init__(
        self, *, store: BlobStore, auditing: Auditing, standing: StandingConsents, emergencies: Emergencies
    ) -> None:
        self._store = store
        self._auditing = auditing
        self._standing = standing
        self._emergencies = emergencies

    def of(self, versions: Sequence[RecordEntry], *, custodian: Actor) -> tuple[ToldReader, ...]:
        """Return who could have read any of the versions of one record, each once, by address.

        Raises:
            StoreUnavailableError, LedgerError: store or chain failed.
        """
        patient = versions[0].patient
        found: dict[Address, Ground] = {}
        subjects = []
        for entry in versions:
            subject, packets = self._opened(entry, custodian)
            subjects.append((entry, subject))
            found |= dict.fromkeys(packets, Ground.STANDING_PACKET)
        for reader in self._granted(patient, subjects, custodian):
            found.setdefault(reader, Ground.GRANT)
        for clinician in self._in_emergencies(patient, versions, custodian):
            found.setdefault(clinician, Ground.EMERGENCY)
        for own in (patient, custodian.address):
            found.pop(own, None)
        return tuple(ToldReader(reader=reader, ground=found[reader]) for reader in sorted(found))

    def _opened(self, entry: RecordEntry, custodian: Actor) -> tuple[Subject, list[Address]]:
        """Return what is known of a version, and whose packets its header holds; less where it does not open."""
        lineage = self._auditing.lineages(entry.patient).get(entry.ref, ())
        try:
            stored = StoredVersion.open(self._store, entry, custodian.identity, progress=silent)
            holders = {
                key: standing.grant.grantee
                for standing in self._auditing.grants(patient=entry.patient)
                for key in self._standing.keys_of(standing.grant.grantee)
            }
            held = stored.readers(custodian.identity, frozenset(holders))
        except (StoreUnavailableError, LedgerError):
            raise
        except MedshareError:
            return Subject.on_chain(entry, lineage), []
        return Subject.described(entry, stored.manifest, lineage), [holders[key] for key in held]

    def _granted(
        self, patient: Address, subjects: Sequence[tuple[RecordEntry, Subject]], custodian: Actor
    ) -> Iterator[Address]:
        for standing in self._auditing.grants(patient=patient):
            ended_at = min(standing.revoked_at or MAX_TIME, standing.grant.expires_at)
            there = [subject for entry, subject in subjects if entry.registered_at <= ended_at]
            if not there:
                continue
            excerpt = self._standing.excerpt(custodian, standing)
            if excerpt is None or any(may_have_covered(standing, excerpt, subject) for subject in there):
                yield standing.grant.grantee

    def _in_emergencies(self, patient: Address, versions: Sequence[RecordEntry], custodian: Actor) -> Iterator[Address]:
        ids = {entry.record_id for entry in versions}
        for emergency in self._auditing.emergencies(patient=patient):
            if self._emergencies.bundles_with(ids, emergency, custodian=custodian):
                yield emergency.episode.clinician
