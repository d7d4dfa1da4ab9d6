"""Emergencies: a clinician breaks the glass for a patient who cannot consent; custodians release keys; it is reviewed.

    opened = emergencies.open(
        clinician=me, patient=who, reason=EmergencyReason.UNCONSCIOUS, details=text, duration=3600
    )
    emergencies.release(opened.episode.episode_id, custodian=hospital)  # the hospital's client, by itself: serve()
    retrieving.open(record, reader=me, purpose=PurposeOfUse.BTG)

What a custodian's client does, numbered as in the code:

(1) fix the block; ask the contract whether the episode is in force at it, compare with our own rules, ask the clock;
(2) take the patient's active records of this custodian, and open each up to its manifest;
(3) ask the Directory, at that block, for the clinician's key;
(4) write, store and pin a bundle: a header for each record, for that key;
(5) announce it on chain, where the patient sees it, and write down what was in it.

When an episode is over the clinician's client opens nothing any more, and ``serve`` gives the bundles up. What he has
read stays read: he answers for it in the review.

The text of details and reviews never leaves this machine: salted digests go on chain, text and salt into the safe.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from medshare.content import Cid
from medshare.envelope import FileKey, Recipient
from medshare.errors import (
    ConfigurationError,
    EpisodeOverError,
    InvalidInputError,
    LedgerUnavailableError,
    MedshareError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from medshare.model.documents import decode_document, encode_document
from medshare.model.emergency import EmergencyReason, Episode, EpisodeRequest, Verdict
from medshare.model.events import BlockRef
from medshare.model.ids import Address, BundleId, EpisodeId, RecordId, clinician_of
from medshare.model.provision import MAX_RECORDS
from medshare.model.record import Category, RecordEntry, RecordRef, RecordStatus
from medshare.ports import Actor, BlobStore, Clock, Ledger, Receipt
from medshare.services.auditing import Auditing, Emergency
from medshare.services.batch_book import BatchBook
from medshare.services.emergency_keys import standing_episode, write_release
from medshare.services.kept_texts import KeptTexts
from medshare.services.progress import silent
from medshare.services.receipts import Receipts
from medshare.services.safe import Safe
from medshare.services.slips import Slips
from medshare.services.stored_version import StoredVersion

_ENDS_ALL = (ConfigurationError, LedgerUnavailableError, StoreFullError, StoreUnavailableError)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An emergency episode that was opened."""

    episode: Episode
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedKeys:
    """Keys that a custodian released for an episode."""

    episode_id: EpisodeId
    bundles: tuple[Cid, ...]
    records: tuple[RecordId, ...]
    passed_over: tuple[RecordId, ...]
    """Records that do not open for their custodian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What became of one episode that waited for keys."""

    episode_id: EpisodeId
    released: ReleasedKeys | None
    error: MedshareError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeStanding:
    """An episode, with what follows from it now."""

    emergency: Emergency
    in_force: bool
    review_due_at: int
    """First second in which a review is late."""
    overdue: bool


class Emergencies:
    """Break-glass, for clinicians, custodians, reviewers and patients.

    Args:
        ledger: the contracts.
        store: where records and bundles are.
        clock: the time on the wall.
        auditing: what the chain tells of episodes and records.
        safe: where texts are kept whose digests are on chain.
        slips: what is kept of the quality of records; None where nobody keeps any.
        batches: what shows records of batches, for clinicians, too; None where there are none.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: BlobStore,
        clock: Clock,
        auditing: Auditing,
        safe: Safe,
        slips: Slips | None = None,
        batches: BatchBook | None = None,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._auditing = auditing
        self._safe = safe
        self._slips = slips
        self._texts = KeptTexts(safe)
        self._batches = batches

    # ---------------------------------------------------------------------------------------- clinicians

    def open(
        self, *, clinician: Actor, patient: Address, reason: EmergencyReason, details: str, duration: int
    ) -> Opened:
        """Break the glass for a patient. Everybody sees it, the patient is told, and somebody else reviews it.

        Args:
            clinician: an accredited one.
            patient: who cannot consent.
            reason: the code that goes on chain.
            details: what happened; kept here, only a salted digest goes on chain.
            duration: seconds, from a minute up to the deployment's limit.

        Raises:
            NotAccreditedError: the clinician is not accredited now.
            BreakGlassBarredError: the patient has barred it.
            EpisodeOpenError: an episode is open for this patient already; use it.
            ReviewOverdueError, TooManyUnreviewedError: earlier episodes must be reviewed first.
            EpisodePatientInvalidError, EpisodeDurationError: the episode cannot be.
            LedgerError: the chain failed; repeat.
        """
        block = self._ledger.chain.head()
        number = self._ledger.emergencies.standing(clinician.address, block=block).episodes + 1
        # Derived, so that a repetition after a lost answer says the same, and is sent once.
        context = bytes.fromhex(patient[2:]) + number.to_bytes(8, "big")
        digest = self._texts.keep(details, owner=clinician, tag="medshare/emergency-details/1", context=context).digest
        request = EpisodeRequest(patient=patient, reason=reason, details=digest, duration=duration)
        intent = f"break-glass/{clinician.address}/{number}/{digest.hex()}/{duration}/{reason}"
        opened = self._ledger.emergencies.break_glass(clinician.signer, request, intent=intent)
        _log.debug("episode %x opened in block %d", opened.episode_id, opened.receipt.block.number)
        episode = self._ledger.emergencies.episode(opened.episode_id, block=opened.receipt.block)
        return Opened(episode=episode, receipt=opened.receipt)

    def end(self, episode_id: EpisodeId, *, actor: Actor) -> Receipt:
        """End an episode now, as its clinician or the one in control of the patient.

        Raises:
            UnknownEpisodeError, EpisodeOverError: there is none, or it is over.
            EpisodeNotAllowedError: somebody else.
        """
        return self._ledger.emergencies.end(actor.signer, episode_id)

    # ---------------------------------------------------------------------------------------- custodians

    def release(
        self,
        episode_id: EpisodeId,
        *,
        custodian: Actor,
        categories: Collection[Category] = (),
        on: Receipts | None = None,
    ) -> ReleasedKeys:
        """Release the keys of the patient's records to the clinician of an episode that is in force.

        Args:
            episode_id: which episode.
            custodian: whose records.
            categories: of these only; default: all.
            on: where given, only where the clinician has signed a read receipt that is among these.

        Raises:
            UnknownEpisodeError, EpisodeOverError: there is none, or it is not in force: nothing is released.
            ReceiptMissingError: the clinician has signed no receipt, and one is asked for.
            EncryptionKeyNotSetError: the clinician has published no key.
            InvalidInputError: this custodian holds no such record of the patient; or the clinician's key is unusable.
            ConfigurationError: the custodian's identity is not the one he has published.
            IntegrityError: contract and client disagree about the episode.
            StoreError, LedgerError: store or chain failed; repeat.
        """
        block = self._ledger.chain.head()  # (1)
        episode = standing_episode(self._ledger, episode_id, block)
        if not episode.in_force(block.time) or not episode.in_force(self._now(block)):
            raise EpisodeOverError(episode_id)
        if on is not None:
            on.require(episode_id, custodian=custodian.address)
        self._check_published(custodian, block)
        keys: dict[RecordId, FileKey] = {}
        passed_over = []
        for entry in self._active(episode.patient, custodian.address):  # (2)
            try:
                version = StoredVersion.open(self._store, entry, custodian.identity, progress=silent)
            except _ENDS_ALL:
                raise
            except MedshareError:
                _log.warning("record %s does not open for its custodian", entry.record_id.hex())
                passed_over.append(entry.record_id)
                continue
            if not categories or version.manifest.category in categories:
                keys[entry.record_id] = version.file_key
        if not keys:
            raise InvalidInputError("there is no such record of this patient by this custodian")
        clinician = Recipient(self._ledger.directory.encryption_key(clinician_of(episode_id), block=block).key)  # (3)
        several = list(keys.items())
        bundles = tuple(
            self._announce(episode_id, dict(several[start : start + MAX_RECORDS]), custodian, clinician)
            for start in range(0, len(several), MAX_RECORDS)
        )
        return ReleasedKeys(episode_id=episode_id, bundles=bundles, records=tuple(keys), passed_over=tuple(passed_over))

    def _announce(
        self, episode_id: EpisodeId, keys: dict[RecordId, FileKey], custodian: Actor, clinician: Recipient
    ) -> Cid:
        records = [RecordRef(custodian=custodian.address, record_id=record_id) for record_id in keys]
        bundle = write_release(
            self._store,
            keys,
            episode_id=episode_id,
            custodian=custodian.identity,
            clinician=clinician,
            slips=self._slips_of(keys, custodian, clinician),
            shown=() if self._batches is None else self._batches.showing(records),
        )
        self._store.pin(bundle)  # (4)
        try:
            self._ledger.emergencies.release(custodian.signer, episode_id, BundleId(bundle.digest))  # (5)
        except MedshareError as error:
            if not isinstance(error, LedgerUnavailableError):
                self._give_up(bundle)
            raise
        note = {"episode": f"{episode_id:#x}", "records": [each.hex() for each in keys]}
        self._safe.keep(bundle.digest, encode_document(note), custodian.identity)
        _log.info("released %d keys for episode %x", len(keys), episode_id)
        return bundle

    def _slips_of(self, keys: Collection[RecordId], custodian: Actor, clinician: Recipient) -> list[bytes] | None:
        try:
            return None if self._slips is None else self._slips.sealed(keys, custodian.identity, [clinician])
        except ConfigurationError as error:
            # A journal that is damaged holds up no emergency.
            _log.warning("keys are released without slips: %s", error)
            return None

    def waiting(self, custodian: Address) -> list[Emergency]:
        """Return the episodes in force for which a custodian holds records whose keys he has not released.

        Raises:
            LedgerError: the chain failed.
        """
        found = []
        block = self._auditing.sync()
        for patient in self._auditing.patients_of(custodian):
            for emergency in self._auditing.emergencies(patient=patient):
                if emergency.episode.ends_at <= self._now(block):
                    continue
                released = [each.place.block.time for each in emergency.released if each.custodian == custodian]
                since = max(released, default=-1)
                is_wanted = any(entry.registered_at > since for entry in self._active(patient, custodian))
                if is_wanted and standing_episode(self._ledger, emergency.episode.episode_id, block).in_force(
                    self._now(block)
                ):
                    found.append(emergency)
        return found

    def serve(
        self, *, custodian: Actor, categories: Collection[Category] = (), on: Receipts | None = None
    ) -> Iterator[Served]:
        """Release keys for each episode that waits for them, and give up what was released for those that are over.

        What fails for one episode keeps no other waiting. Call it every few seconds.

        Args:
            custodian: whose records.
            categories: as ``release``.
            on: as ``release``.

        Raises:
            ConfigurationError, LedgerUnavailableError, StoreFullError, StoreUnavailableError: what would stop each.
        """
        self.give_up_ended(custodian.address)
        for emergency in self.waiting(custodian.address):
            episode_id = emergency.episode.episode_id
            try:
                released = self.release(episode_id, custodian=custodian, categories=categories, on=on)
            except _ENDS_ALL:
                raise
            except MedshareError as error:
                yield Served(episode_id=episode_id, released=None, error=error)
            else:
                yield Served(episode_id=episode_id, released=released)

    def give_up_ended(self, custodian: Address) -> int:
        """Give up the bundles that were released for episodes that are over; return how many.

        Raises:
            StoreUnavailableError, LedgerError: store or chain failed; repeat.
        """
        pins = self._store.pins()
        block = self._auditing.sync()
        over = [
            Cid.of_directory(release.bundle)
            for patient in self._auditing.patients_of(custodian)
            for emergency in self._auditing.emergencies(patient=patient)
            if emergency.episode.ends_at <= block.time
            for release in emergency.released
            if release.custodian == custodian
        ]
        return sum(self._give_up(bundle) for bundle in over if bundle in pins)

    def released_records(self, bundle: Cid, *, custodian: Actor) -> list[RecordId] | None:
        """Return which keys a bundle released, as this custodian wrote it down; None where he has no note of it."""
        note = self._safe.find(bundle.digest, custodian.identity)
        if note is None:
            return None
        return [RecordId(bytes.fromhex(each)) for each in decode_document(note)["records"]]

    def bundles_with(self, records: Collection[RecordId], emergency: Emergency, *, custodian: Actor) -> list[BundleId]:
        """Return the bundles of an emergency in which this custodian released a key of any of these records.

        Those of which he has no note any more count: nobody can say what they held.
        """
        own = [each.bundle for each in emergency.released if each.custodian == custodian.address]
        found = []
        for bundle in own:
            released = self.released_records(Cid.of_directory(bundle), custodian=custodian)
            if released is None or not set(records).isdisjoint(released):
                found.append(bundle)
        return found

    # ------------------------------------------------------------------------------- reviewers, patients

    def review(self, episode_id: EpisodeId, verdict: Verdict, note: str, *, reviewer: Actor) -> Receipt:
        """Say whether an emergency was justified, as an accredited reviewer who is neither clinician nor patient.

        Raises:
            UnknownEpisodeError, AlreadyReviewedError: there is none, or it was reviewed.
            NotAccreditedError, EpisodeNotAllowedError: this one may not review it.
            VerdictMissingError: the verdict is none.
        """
        context = episode_id.to_bytes(32, "big")
        digest = self._texts.keep(note, owner=reviewer, tag="medshare/emergency-review/1", context=context).digest
        return self._ledger.emergencies.review(reviewer.signer, episode_id, verdict, digest)

    def set_bar(self, *, patient: Actor, barred: bool, on_behalf_of: Address | None = None) -> Receipt:
        """Bar break-glass for a patient, or allow it again, as the one in control; episodes in force go on.

        Raises:
            EpisodeNotAllowedError: another is in control; a delegate never bars.
        """
        return self._ledger.emergencies.set_bar(patient.signer, on_behalf_of or patient.address, barred=barred)

    def text_of(self, digest: bytes, *, owner: Actor) -> str | None:
        """Return details or a review by their digest on chain, where they were written here by ``owner``, or None.

        Raises:
            EnvelopeError: they are another identity's.
        """
        kept = self._texts.find(digest, owner=owner)
        return None if kept is None else kept.text

    def episodes(self, *, patient: Address | None = None, clinician: Address | None = None) -> list[EpisodeStanding]:
        """Return episodes of a patient, of a clinician, or all there are, oldest first. Raises ``LedgerError``."""
        found = self._auditing.emergencies(patient=patient, clinician=clinician)
        block = self._auditing.sync()
        period = self._ledger.emergencies.limits(block=block).review_period
        return [self._standing(each, block, period) for each in found]

    def _standing(self, emergency: Emergency, block: BlockRef, period: int) -> EpisodeStanding:
        episode, now = emergency.episode, self._now(block)
        lasts = episode.in_force(now)
        due = episode.opened_at + period
        return EpisodeStanding(
            emergency=emergency,
            in_force=lasts and standing_episode(self._ledger, episode.episode_id, block).in_force(now),
            review_due_at=due,
            overdue=emergency.reviewed is None and now >= due,
        )

    # ----------------------------------------------------------------------------------------- internals

    def _active(self, patient: Address, custodian: Address) -> list[RecordEntry]:
        entries = self._auditing.records(patient)
        return [each for each in entries if each.custodian == custodian and each.status is RecordStatus.ACTIVE]

    def _check_published(self, custodian: Actor, block: BlockRef) -> None:
        if (
            self._ledger.directory.encryption_key(custodian.address, block=block).key
            != custodian.identity.recipient.key
        ):
            raise ConfigurationError(
                f"the encryption key of {custodian.address} in the Directory is not the one used here",
                hint="publish this identity's key, or use the identity that was published",
            )

    def _give_up(self, bundle: Cid) -> bool:
        try:
            self._store.unpin(bundle)
        except StoreError:
            _log.warning("the store did not give up bundle %s", bundle)
            return False
        return True

    def _now(self, block: BlockRef) -> int:
        return max(block.time, self._clock.now())
