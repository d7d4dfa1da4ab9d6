"""Loading: many records, examined, sealed, stored and pinned one after the other, and anchored by the batch."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from medshare.content import Block, BlockBatch
from medshare.errors import EncryptionKeyNotSetError, InvalidInputError, LedgerBusyError, MedshareError
from medshare.ingesting import Patients, Said
from medshare.loading.apart import Examiners
from medshare.loading.arrivals import GROUP_BYTES, Arrival, Source, arrivals, sources
from medshare.model.ids import Address, RecordId
from medshare.model.record_batch import MAX_BATCH, AnchoredBatch
from medshare.ports import Actor, BlobStore
from medshare.services.auditing import Auditing
from medshare.services.batching import Batching, Sealed
from medshare.services.before_publishing import require_known
from medshare.services.description import Description, publication_of
from medshare.services.journal import PublicationJournal, Stage
from medshare.services.load_journal import Batch, BatchedPublication, Known, LoadJournal, PatientOfBatch
from medshare.services.patients_asked import PatientsAsked
from medshare.services.plaintext import Plaintext
from medshare.services.progress import Progress, silent
from medshare.services.publishing import Publishing
from medshare.services.sealing import seal_record
from medshare.services.standing import Readers, Withheld
from medshare.standards.ingest import Examined, Part

_log = logging.getLogger(__name__)

DEFAULT_BATCH_SIZE = 100_000
"""Records under one root, where nothing else is said: a night's, since small batches have large catalogues together."""
_AHEAD = 2
_STREAMED = 1 << 20
"""Bytes from which on a record goes to the store by itself, and not with others."""


class Outcome(StrEnum):
    """What became of a record that arrived."""

    STORED = "stored"
    """It is in the store, and in the batch that is anchored next."""
    ALREADY = "already"
    """It was published before."""
    PUBLISHED = "published"
    """It had been begun before, by itself or in a batch that was given to the chain, and is published now."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What became of one record, or of a file that holds none."""

    file: int
    """Its file's place among what was given, from 1."""
    member: int | None
    """The file's place in its folder, where a folder was given."""
    path: Path = field(repr=False)
    place: str
    """Where it is in its file: ``line 7``, ``entry 3``, ``message 2``; empty for all of it."""
    outcome: Outcome
    record_id: RecordId | None = None
    refusal: MedshareError | None = field(default=None, compare=False)
    examined: Examined | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored:
    """A batch that is on chain: with it, all that was told to be stored before."""

    batch: AnchoredBatch
    withheld: tuple[Withheld, ...] = ()
    """Live grants whose readers got no packet of some record in it, for another reason than what they say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tools:
    batching: Batching
    publishing: Publishing
    journal: PublicationJournal
    loads: LoadJournal
    auditing: Auditing
    store: BlobStore


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A record that is to be published."""

    patient: Address
    description: Description
    plaintext: Plaintext
    publication_id: str


class Loading:
    """Publishes very many records, as a custodian.

    Args:
        batching: what gathers and anchors them.
        publishing: what publishes one by itself.
        journal: what was begun to be published by itself.
        loads: what loads have stored.
        auditing: what the chain has told.
        store: where records go.
        processes: how many examine; default: as many as the machine has processors.
    """

    def __init__(
        self,
        *,
        batching: Batching,
        publishing: Publishing,
        journal: PublicationJournal,
        loads: LoadJournal,
        auditing: Auditing,
        store: BlobStore,
        processes: int | None = None,
    ) -> None:
        self._tools = _Tools(
            batching=batching, publishing=publishing, journal=journal, loads=loads, auditing=auditing, store=store
        )
        self._batching = batching
        self._processes = processes if processes is not None else os.cpu_count() or 1

    def load(
        self,
        given: Sequence[Path],
        *,
        custodian: Actor,
        patients: Patients,
        said: Said | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        progress: Progress = silent,
    ) -> Iterator[Loaded | Anchored]:
        """Publish all that files and folders hold, and yield what became of each record and each batch.

        A record that cannot be published is told, and keeps no other from being published. One that was published
        before, by itself or in a batch, is not published again. Until the next ``Anchored`` a record is stored only.

        Args:
            given: files; of a folder all files in it and below, but for hidden ones.
            custodian: who publishes.
            patients: whose the records are.
            said: what the custodian says beside what records say themselves.
            batch_size: records under one root.
            progress: told how many bytes are done.

        Raises:
            InvalidInputError: the size of a batch is out of range, or a folder cannot be read.
            CustodianNotAccreditedError: nobody accredits the custodian now; nothing is examined or stored.
            LedgerBusyError: another process loads for the same custodian.
            ConfigurationError: the custodian's identity is not the one he has published; or what he has published was
                never known here, or is lost; or a process has ended.
            StoreError, LedgerError: the store or the chain failed; repeat, nothing was lost and nothing is done twice.
        """
        if not 0 < batch_size <= MAX_BATCH:
            raise InvalidInputError(f"a batch holds 1 to {MAX_BATCH} records")
        self._batching.require_accredited(custodian)
        wanted = said or Said()
        total = sum(source.size for source in sources(given))
        processes = self._processes if total > _AHEAD * GROUP_BYTES else 0
        require_known(self._tools.journal, self._tools.auditing, custodian.address)
        with self._batching.claimed(custodian), Examiners(processes) as examiners:
            left = self._left(custodian)
            yield from self._settled(left, custodian, progress)
            run = _Run(
                self._tools,
                custodian=custodian,
                patients=patients,
                said=wanted,
                batch_size=batch_size,
                settled=frozenset(batch.number for batch in left),
            )
            ahead = _AHEAD * processes
            for arrival in arrivals(sources(given), wanted, examiners, ahead=ahead):
                for told in run.take(arrival, progress):
                    yield told
                    progress("publishing", run.done, total)
            yield from run.end(progress)

    def resume(self, custodian: Actor, *, progress: Progress = silent) -> list[Anchored]:
        """Anchor what loads have stored, as far as they came; return what was anchored.

        What another process is loading is left to it.

        Raises:
            StoreError, LedgerError: as ``load``.
        """
        with ExitStack() as claims:
            try:
                claims.enter_context(self._batching.claimed(custodian))
            except LedgerBusyError:
                _log.debug("the loads of %s are another process's", custodian.address)
                return []
            self._batching.clear(custodian)
            return list(self._settled(self._left(custodian, unsent=True), custodian, progress))

    def unfinished(self, custodian: Address) -> list[Batch]:
        """Return the batches that are stored, and not anchored and right for whom they should be, the oldest first."""
        return self._tools.loads.unfinished(custodian)

    def can_be_given_up(self, batch: Batch, custodian: Address) -> bool:
        """Whether ``give_up`` would take an unfinished batch of a custodian now.

        Raises:
            StoreError, LedgerError: a journal or the chain failed; repeat.
        """
        return self._batching.can_be_given_up(batch, custodian)

    def give_up(self, number: int, custodian: Actor) -> int:
        """Give up a batch that is not on chain, nor on its way there: its records can be loaded again, or left.

        Broken off, the same goes on; so does whatever loads or resumes next.

        Args:
            number: the batch's, as ``unfinished`` tells it.
            custodian: whose it is.

        Returns:
            how many roots the store keeps no longer: of records, and of the catalogue where there was one.

        Raises:
            InvalidInputError: there is no such batch, it is on chain, or it may be on its way there.
            LedgerBusyError: another process loads for the same custodian.
            StoreError, LedgerError: the store or the chain failed; repeat.
        """
        with self._batching.claimed(custodian):
            loads = self._tools.loads
            if any(batch.number == number for batch in loads.given_up(custodian.address)):
                return self._batching.clear(custodian)
            for batch in loads.unfinished(custodian.address):
                if batch.number == number:
                    return self._batching.give_up(batch, custodian)
        raise InvalidInputError(
            f"this custodian has no unfinished batch {number} here",
            hint="which there are: medshare record unfinished --as CUSTODIAN",
        )

    def _left(self, custodian: Actor, *, unsent: bool = False) -> list[Batch]:
        """Return the unfinished batches that were given to the chain; with ``unsent``, those that were not, too."""
        unfinished = self._tools.loads.unfinished(custodian.address)
        return [batch for batch in unfinished if unsent or batch.stage is not Stage.STORED]

    def _settled(self, left: Sequence[Batch], custodian: Actor, progress: Progress) -> Iterator[Anchored]:
        """Follow batches to their end."""
        if not left:
            return
        asked = self._batching.asking(custodian)
        for batch in left:
            yield Anchored(batch=self._batching.anchor(batch, custodian, asked, progress))


@dataclass(slots=True, kw_only=True)
class _Group:
    """Records that are stored together, and what is told of them then."""

    told: list[tuple[Loaded, str]] = field(default_factory=list)
    """With the publication's id, where that is in ``sealed``."""
    sealed: dict[str, Sealed] = field(default_factory=dict)
    patients: dict[Address, PatientOfBatch] = field(default_factory=dict)


class _Run:
    """One load, from its first record to its last."""

    def __init__(
        self,
        tools: _Tools,
        *,
        custodian: Actor,
        patients: Patients,
        said: Said,
        batch_size: int,
        settled: frozenset[int],
    ) -> None:
        self._tools = tools
        self._custodian = custodian
        self._patients = patients
        self._said = said
        self._batch_size = batch_size
        self._settled = settled  # batches of an earlier load that this one has followed to their end
        self.done = 0
        """Bytes that are behind us."""
        self._asked: PatientsAsked = tools.batching.asking(custodian)
        self._begin()

    def _begin(self) -> None:
        self._batch: Batch = self._tools.batching.begin(self._custodian)
        self._count = self._batch.count
        self._withheld: dict[Withheld, None] = {}
        self._retracted: frozenset[RecordId] | None = None

    def take(self, arrival: Arrival, progress: Progress) -> Iterator[Loaded | Anchored]:
        """Publish what arrived, and yield what became of it."""
        self.done = arrival.source.before + arrival.source.size
        refusal = arrival.refusal or self._refused_together(arrival)
        if refusal is not None:
            yield _loaded(arrival.source, None, Outcome.REFUSED, refusal=refusal)
            return
        if arrival.parts and arrival.parts[-1].end is not None:
            self.done = arrival.source.before + arrival.parts[-1].end
        self._asked.heed()
        prepared = [self._prepared(part) for part in arrival.parts]
        known = self._tools.loads.known(each.publication_id for each in prepared if isinstance(each, _Item))
        group = _Group()
        for part, item in zip(arrival.parts, prepared, strict=True):
            if self._count + len(group.sealed) >= self._batch_size:
                yield from self._stored(group)
                yield from self.end(progress)
                group = _Group()
                known = self._tools.loads.known(each.publication_id for each in prepared if isinstance(each, _Item))
            if isinstance(item, MedshareError):
                group.told.append((_loaded(arrival.source, part, Outcome.REFUSED, refusal=item), ""))
                continue
            found = self._still_known(item, known.get(item.publication_id))
            if found is not None:
                group.told.append((self._already(arrival.source, part, item, found), ""))
                continue
            record_id = self._seal(item, group)
            stored = _loaded(arrival.source, part, Outcome.STORED, record_id=record_id)
            group.told.append((stored, item.publication_id))
        yield from self._stored(group)

    def end(self, progress: Progress) -> Iterator[Anchored]:
        """Anchor the batch as far as it came, and begin the next."""
        if self._count:
            batch = self._tools.batching.anchor(self._batch, self._custodian, self._asked, progress)
            yield Anchored(batch=batch, withheld=tuple(self._withheld))
            self._asked.refresh()
            self._begin()

    def _refused_together(self, arrival: Arrival) -> MedshareError | None:
        """Return why records that came together are not of whom they should be, or None."""
        if not arrival.together:
            return None
        references = [each for part in arrival.parts if part.examined for each in part.examined.patients]
        try:
            self._patients.check_together(references)
        except InvalidInputError as refusal:
            return refusal
        return None

    def _prepared(self, part: Part) -> _Item | MedshareError:
        """Return what is to be published, or why it cannot be."""
        if part.examined is None:
            return part.refusal or InvalidInputError("it cannot be read")
        try:
            description = self._said.describe(part.examined)
            patient = self._patients.of(part.examined.patients)
            self._asked.of(patient)
            plaintext = Plaintext(part.document, silent)
            plaintext.read()
        except (InvalidInputError, EncryptionKeyNotSetError) as refusal:
            return refusal
        publication_id = publication_of(self._tools.journal, plaintext, self._custodian.address, patient, description)
        return _Item(patient=patient, description=description, plaintext=plaintext, publication_id=publication_id)

    def _still_known(self, item: _Item, known: Known | None) -> Known | None:
        """Return what is known of a record; one that was retracted is published anew."""
        if known is None or known.stage is not Stage.REGISTERED:
            return known
        if self._retracted is None:
            self._retracted = self._tools.auditing.retracted(self._custodian.address)
        if known.record_id not in self._retracted:
            return known
        self._tools.journal.forget(item.publication_id)
        return None

    def _already(self, source: Source, part: Part, item: _Item, known: Known) -> Loaded:
        """Tell of a record that is in the journal; finish what was begun to be published by itself."""
        if known.stage is Stage.REGISTERED:
            # Of an earlier load that was stopped, nobody was told yet that it is published.
            outcome = Outcome.PUBLISHED if known.batch in self._settled else Outcome.ALREADY
            return _loaded(source, part, outcome, record_id=known.record_id)
        if known.batch is not None:
            return _loaded(source, part, Outcome.STORED, record_id=known.record_id)
        try:
            published = self._tools.publishing.publish(
                part.document, custodian=self._custodian, patient=item.patient, description=item.description
            )
        except LedgerBusyError as refusal:
            return _loaded(source, part, Outcome.REFUSED, refusal=refusal)
        return _loaded(source, part, Outcome.PUBLISHED, record_id=published.record_id)

    def _seal(self, item: _Item, group: _Group) -> RecordId:
        """Seal a record for its group; the same record twice is one."""
        twin = group.sealed.get(item.publication_id)
        if twin is not None:
            return twin.publication.record_id
        readers = self._asked.readers(item.patient, item.description)
        self._withheld.update(dict.fromkeys(readers.withheld))
        blocks: list[Block] = []
        if item.plaintext.size < _STREAMED:
            record_id = self._sealed(item, readers, blocks.append)
        else:
            with BlockBatch(self._tools.store.put) as emit:
                record_id = self._sealed(item, readers, emit)
        group.patients[item.patient] = self._asked.of(item.patient)
        group.sealed[item.publication_id] = Sealed(
            publication=BatchedPublication(
                publication_id=item.publication_id,
                record_id=record_id,
                patient=item.patient,
                readers=tuple(key.key for key in readers.admitted.values()),
            ),
            blocks=blocks,
        )
        return record_id

    def _sealed(self, item: _Item, readers: Readers, emit: Callable[[Block], None]) -> RecordId:
        root = seal_record(
            item.plaintext,
            writer=self._custodian.identity,
            describe=lambda salt: item.description.manifest(
                item.plaintext, patient=item.patient, custodian=self._custodian.address, salt=salt
            ),
            recipients=lambda _: self._asked.recipients(item.patient, readers),
            emit=emit,
        )
        return RecordId(root.digest)

    def _stored(self, group: _Group) -> Iterator[Loaded]:
        """Store a group, and yield what became of its records."""
        added: set[str] = set()
        if group.sealed:
            added = self._tools.batching.add(self._batch, list(group.sealed.values()), list(group.patients.values()))
            self._count += len(added)
        for loaded, publication_id in group.told:
            if publication_id and publication_id not in added:
                busy = LedgerBusyError("another process is publishing the same record")
                yield replace(loaded, outcome=Outcome.REFUSED, record_id=None, refusal=busy)
            else:
                yield loaded


def _loaded(
    source: Source,
    part: Part | None,
    outcome: Outcome,
    *,
    record_id: RecordId | None = None,
    refusal: MedshareError | None = None,
) -> Loaded:
    return Loaded(
        file=source.file,
        member=source.member,
        path=source.path,
        place=part.place if part is not None else "",
        outcome=outcome,
        record_id=record_id,
        refusal=refusal,
        examined=part.examined if part is not None else None,
    )
