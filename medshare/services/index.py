"""A local index of our events in SQLite: exact at a block, correct after a reorganisation, rebuilt at will.

Only events are kept, never a state derived from them: what a reorganisation takes back is deleted, and the rest is
still the truth.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from medshare.errors import ConfigurationError, LedgerBusyError, LedgerUnavailableError
from medshare.files import PRIVATE_FILE
from medshare.model.events import (
    BatchAnchored,
    BlockRef,
    EventPlace,
    LedgerEvent,
    RecordRegistered,
    RecordSuperseded,
)
from medshare.model.ids import Address, EpisodeId, GrantId, ProposalId, RecordId, RequestId
from medshare.ports import EventSource
from medshare.services import event_codec
from medshare.services.batch_book import Stated
from medshare.services.batched_events import BatchedRecords, StatedOtherwise, chain_order, stated_in_batches
from medshare.services.database import damaged, opened

BLOCKS_PER_STEP = 2_000
_SCHEMA_VERSION = 5
_WHAT = "the index"
_HINT = "it is only a copy of the chain: rebuild it with: medshare audit rebuild"
_MAX_ATTEMPTS = 5
_BUSY_SECONDS = 30
_FEW = 16
"""So many records are asked for one by one; of more, all events of their custodians are read."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS source (
    chain_id INTEGER NOT NULL, first_block INTEGER NOT NULL, first_hash BLOB NOT NULL, deployment TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS checkpoints (number INTEGER PRIMARY KEY, hash BLOB NOT NULL, time INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    number INTEGER NOT NULL, log_index INTEGER NOT NULL, hash BLOB NOT NULL, time INTEGER NOT NULL,
    tx_hash BLOB NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    patient TEXT, actor TEXT, record TEXT, grant_id TEXT, episode TEXT, proposal TEXT, request TEXT,
    PRIMARY KEY (number, log_index)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS events_patient ON events (patient, number, log_index);
CREATE INDEX IF NOT EXISTS events_actor ON events (actor, kind, number, log_index);
CREATE INDEX IF NOT EXISTS events_record ON events (record, number, log_index);
CREATE INDEX IF NOT EXISTS events_grant ON events (grant_id, number, log_index);
CREATE INDEX IF NOT EXISTS events_episode ON events (episode, number, log_index);
CREATE INDEX IF NOT EXISTS events_proposal ON events (proposal, number, log_index);
CREATE INDEX IF NOT EXISTS events_request ON events (request, number, log_index);
CREATE INDEX IF NOT EXISTS events_kind ON events (kind, number, log_index);
"""


class LedgerIndex:
    """The events of one deployment, searchable.

    Args:
        path: the SQLite file; created where missing, and begun anew where it speaks of another chain or deployment.
        source: where events come from.
        deployment: what names the contracts that tell them; some may change while the first block stays.
        batched: which records of batches can be shown here; each is told at the place of its batch.
    """

    def __init__(
        self, path: Path, source: EventSource, *, deployment: str = "", batched: BatchedRecords | None = None
    ) -> None:
        self._path = path
        self._source = source
        self._deployment = deployment
        self._batched = batched
        self._synced: BlockRef | None = None

    def sync(self, progress: Callable[[int, int], None] | None = None) -> BlockRef:
        """Bring the index up to the newest block and return that block.

        Args:
            progress: called with (blocks done, blocks to do).

        Raises:
            LedgerUnavailableError: the chain cannot be read, or reorganises faster than it can be read.
            LedgerBusyError: another process is reading the chain into it, for longer than one should wait.
            ConfigurationError: the file is damaged; ``rebuild`` it.
        """
        with self._alone():
            self._synced = self._sync(progress)
            return self._synced

    def _sync(self, progress: Callable[[int, int], None] | None) -> BlockRef:
        with self._open() as database:
            self._check_source(database)
            for _ in range(_MAX_ATTEMPTS):
                head = self._source.head()
                try:
                    if self._read_up_to(database, head, progress):
                        return head
                except LedgerUnavailableError:
                    # A block that was there and is not: the chain is shorter now. Or the node has broken off.
                    if self._source.head() == head:
                        raise
        raise LedgerUnavailableError("the chain was reorganised again and again while it was read")

    def rebuild(self, progress: Callable[[int, int], None] | None = None) -> BlockRef:
        """Forget everything and read the chain from the beginning; also where the file is damaged.

        Raises:
            LedgerUnavailableError, LedgerBusyError: as ``sync``.
        """
        with self._alone():
            try:
                with self._open() as database, database:
                    self._forget_from(database, 0)
                self._synced = self._sync(progress)
            except ConfigurationError:
                for suffix in ("", "-journal", "-wal", "-shm"):
                    with suppress(FileNotFoundError):
                        self._path.with_name(self._path.name + suffix).unlink()
                self._synced = self._sync(progress)
            return self._synced

    def events(
        self,
        *,
        patient: Address | None = None,
        actor: Address | None = None,
        record_id: RecordId | None = None,
        grant_id: GrantId | None = None,
        episode_id: EpisodeId | None = None,
        proposal_id: ProposalId | None = None,
        request_id: RequestId | None = None,
        kind: type[LedgerEvent] | None = None,
        without: Collection[type[LedgerEvent]] = (),
        until: int | None = None,
        up_to_block: int | None = None,
    ) -> list[LedgerEvent]:
        """Return events in chain order that match everything that is given.

        Args:
            patient: whose records, grants, delegates, emergencies, or parts in requests.
            actor: grantee, custodian, delegate, clinician, reviewer, owner of an encryption key, member, who is
                accredited, requester, or whose credit.
            record_id: which record.
            grant_id: which grant.
            episode_id: which emergency episode.
            proposal_id: which proposal.
            request_id: which request.
            kind: events of this class only.
            without: no events of these classes.
            until: only those in blocks of this time (Unix seconds) or before.
            up_to_block: only those in blocks of this number or before.

        Raises:
            LedgerUnavailableError, LedgerBusyError, ConfigurationError: as ``sync``.
        """
        told = self._told(
            {
                "patient = ?": patient,
                "actor = ?": actor,
                "record = ?": None if record_id is None else record_id.hex(),
                "grant_id = ?": None if grant_id is None else event_codec.token_text(grant_id),
                "episode = ?": None if episode_id is None else event_codec.token_text(episode_id),
                "proposal = ?": None if proposal_id is None else event_codec.counted_text(proposal_id),
                "request = ?": None if request_id is None else event_codec.counted_text(request_id),
                "kind = ?": None if kind is None else kind.__name__,
                "time <= ?": until,
                "number <= ?": up_to_block,
            },
            without,
        )
        of_records = (grant_id, episode_id, proposal_id, request_id) == (None,) * 4
        if (
            self._batched is None
            or not of_records
            or kind not in (None, RecordRegistered)
            or RecordRegistered in without
        ):
            return told
        stated = self._batched.stated(patient=patient, custodian=actor, record_id=record_id)
        if not stated:
            return told
        limits = {"time <= ?": until, "number <= ?": up_to_block}
        anchored, registered = self._anchored(actor, limits), self._registered(stated, limits)
        batched = stated_in_batches(stated, anchored=anchored, registered=lambda *record: record in registered)
        return sorted([*told, *batched], key=chain_order)

    def stated_otherwise(self, patient: Address) -> list[StatedOtherwise]:
        """Return the records that batches state of a patient, as can be shown here, and their own entries of another.

        Raises:
            LedgerUnavailableError, LedgerBusyError, ConfigurationError: as ``sync``.
        """
        stated = self._batched.stated(patient=patient) if self._batched is not None else ()
        if not stated:
            return []
        anchored, registered = self._anchored(None, {}), self._registered(stated, {})
        found = []
        for one in stated:
            batch = anchored.get((one.custodian, one.root))
            entry = registered.get((one.custodian, one.record_id))
            if batch is not None and entry is not None and entry.patient != patient:
                found.append(StatedOtherwise(batch=batch, entry=entry))
        return found

    def _anchored(
        self, custodian: Address | None, limits: Mapping[str, int | None]
    ) -> dict[tuple[Address, bytes], BatchAnchored]:
        """Return the batches that are on the chain."""
        return {
            (event.custodian, event.root): event
            for event in self._told({"kind = ?": BatchAnchored.__name__, "actor = ?": custodian, **limits})
            if isinstance(event, BatchAnchored)
        }

    def _registered(
        self, stated: Sequence[Stated], limits: Mapping[str, int | None]
    ) -> dict[tuple[Address, RecordId], RecordRegistered | RecordSuperseded]:
        """Return the records that have entries of their own: of those that are stated, and perhaps others."""
        asked: list[Mapping[str, str]] = (
            [{"record = ?": one.record_id.hex()} for one in stated]
            if len(stated) <= _FEW
            else [{"actor = ?": custodian} for custodian in {one.custodian for one in stated}]
        )
        return {
            (event.custodian, event.record_id): event
            for given in asked
            for kind in (RecordRegistered, RecordSuperseded)
            for event in self._told({**given, "kind = ?": kind.__name__, **limits})
            if isinstance(event, RecordRegistered | RecordSuperseded)
        }

    def _told(
        self, given: Mapping[str, str | int | None], without: Collection[type[LedgerEvent]] = ()
    ) -> list[LedgerEvent]:
        """Return the chain's events that match everything that is given."""
        wanted = {clause: value for clause, value in given.items() if value is not None}
        clauses = [*wanted, *["kind <> ?"] * len(without)]
        values = [*wanted.values(), *(each.__name__ for each in without)]
        where = " AND ".join(clauses) or "1"
        # The clauses are the constants above; values are bound.
        query = (
            "SELECT number, log_index, hash, time, tx_hash, kind, body FROM events "  # noqa: S608
            f"WHERE {where} ORDER BY number, log_index"
        )
        for _ in range(_MAX_ATTEMPTS):
            with self._open() as database, database:
                database.execute("BEGIN")
                whole = self._holds_what_was_synced(database)
                rows = database.execute(query, values).fetchall() if whole else []
            if whole:
                return [self._event(row) for row in rows]
            self.sync()
        raise LedgerBusyError("another process rebuilds the index again and again")

    def named(self, *, after_block: int) -> frozenset[Address]:
        """Return whom events in blocks after this number are about or by; raises as ``events``."""
        with self._open() as database:
            rows = database.execute(
                "SELECT patient FROM events WHERE number > ?1 UNION SELECT actor FROM events WHERE number > ?1",
                (after_block,),
            ).fetchall()
        return frozenset(Address(account) for (account,) in rows if account is not None)

    def _holds_what_was_synced(self, database: sqlite3.Connection) -> bool:
        """Whether no other process has begun the index anew since our last ``sync`` and is not done yet."""
        if self._synced is None:
            return True
        wanted = (self._synced.number, self._synced.hash)
        found = database.execute("SELECT 1 FROM checkpoints WHERE number = ? AND hash = ?", wanted).fetchone()
        return found is not None

    # ------------------------------------------------------------------------------------------- reading the chain

    def _read_up_to(
        self, database: sqlite3.Connection, head: BlockRef, progress: Callable[[int, int], None] | None
    ) -> bool:
        """Read what is missing; False where the chain changed meanwhile, so that the caller begins again."""
        known = self._last_common_block(database, head)
        start = self._source.first_block if known is None else known + 1
        with database:
            self._forget_from(database, start)
        previous = None if known is None else self._source.block(known)
        for first in range(start, head.number + 1, BLOCKS_PER_STEP):
            last = min(first + BLOCKS_PER_STEP - 1, head.number)
            # The same last block before and after means that no block up to it changed while its events were read.
            end = head if last == head.number else self._source.block(last)
            events = list(self._source.events(first, last))
            continues = previous is None or self._source.block(previous.number) == previous
            if not continues or self._source.block(last) != end:
                return False
            with database:
                self._write(database, events, end)
            previous = end
            if progress is not None:
                progress(last - start + 1, head.number - start + 1)
        return True

    def _last_common_block(self, database: sqlite3.Connection, head: BlockRef) -> int | None:
        """Return the highest block that we have read and that is still on the chain."""
        # One by one: a cursor left open while the node is asked would hold the file.
        query = "SELECT number, hash FROM checkpoints WHERE number <= ? ORDER BY number DESC LIMIT 1"
        row = database.execute(query, (head.number,)).fetchone()
        while row is not None and self._source.block(row[0]).hash != row[1]:
            row = database.execute(query, (row[0] - 1,)).fetchone()
        return None if row is None else int(row[0])

    @staticmethod
    def _write(database: sqlite3.Connection, events: list[LedgerEvent], end: BlockRef) -> None:
        blocks = {event.place.block.number: event.place.block for event in events}
        blocks[end.number] = end
        database.executemany(
            "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)",
            [(block.number, block.hash, block.time) for block in blocks.values()],
        )
        database.executemany(
            "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_row(event) for event in events],
        )

    @staticmethod
    def _forget_from(database: sqlite3.Connection, number: int) -> None:
        database.execute("DELETE FROM events WHERE number >= ?", (number,))
        database.execute("DELETE FROM checkpoints WHERE number >= ?", (number,))

    def _check_source(self, database: sqlite3.Connection) -> None:
        """Begin anew where the index speaks of another chain or deployment."""
        first = self._source.block(self._source.first_block)
        now = (self._source.chain_id, first.number, first.hash, self._deployment)
        with database:
            if database.execute("SELECT * FROM source").fetchone() != now:
                database.execute("DELETE FROM source")
                self._forget_from(database, 0)
                database.execute("INSERT INTO source VALUES (?, ?, ?, ?)", now)

    @staticmethod
    def _event(row: tuple[int, int, bytes, int, bytes, str, str]) -> LedgerEvent:
        number, log_index, block_hash, time, tx_hash, kind, body = row
        block = BlockRef(number=number, hash=block_hash, time=time)
        try:
            return event_codec.decode(kind, body, EventPlace(block=block, log_index=log_index, tx_hash=tx_hash))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(_WHAT, _HINT) from error

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with opened(self._path, _WHAT, hint=_HINT) as database:
            if database.execute("PRAGMA user_version").fetchone()[0] != _SCHEMA_VERSION:
                self._create(database)
            yield database

    @staticmethod
    def _create(database: sqlite3.Connection) -> None:
        with database:
            database.execute("BEGIN IMMEDIATE")
            # Asked again: another process may have been here first.
            if database.execute("PRAGMA user_version").fetchone()[0] != _SCHEMA_VERSION:
                dropped = (f"DROP TABLE IF EXISTS {table}" for table in ("source", "checkpoints", "events"))
                for statement in (*dropped, *_SCHEMA.split(";"), f"PRAGMA user_version = {_SCHEMA_VERSION}"):
                    database.execute(statement)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time read the chain: two would forget each other's blocks."""
        lock = FileLock(self._path.with_name(self._path.name + ".lock"), mode=PRIVATE_FILE)
        try:
            lock.acquire(timeout=_BUSY_SECONDS)
        except Timeout as error:
            raise LedgerBusyError("another process is reading the chain into the index") from error
        except OSError as error:
            raise ConfigurationError(
                "the index cannot be opened", hint="check the folder and its permissions"
            ) from error
        try:
            yield
        finally:
            lock.release()


def _row(event: LedgerEvent) -> tuple[int | str | bytes | None, ...]:
    kind, body = event_codec.encode(event)
    about = event_codec.subject(event)
    place = event.place
    return (
        place.block.number,
        place.log_index,
        place.block.hash,
        place.block.time,
        place.tx_hash,
        kind,
        body,
        about.get("patient"),
        about.get("actor"),
        about.get("record"),
        about.get("grant_id"),
        about.get("episode"),
        about.get("proposal"),
        about.get("request"),
    )
