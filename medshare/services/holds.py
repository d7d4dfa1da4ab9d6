"""Legal holds: records that a custodian must not erase, since a court or an authority may demand them.

A hold is on all versions of a record, those to come included. Why it was placed is kept encrypted for the custodian, as
is when it was released: nothing of it goes on chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from medshare.errors import InvalidInputError, LegalHoldError, RecordErasedError
from medshare.hashing import tagged_sha256
from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.ids import RecordId
from medshare.model.record import RecordEntry, RecordRef
from medshare.ports import Actor, Clock, Ledger
from medshare.services.auditing import Auditing
from medshare.services.kept_texts import MAX_DOCUMENT, MAX_TEXT
from medshare.services.safe import Safe

HOLD_VERSION = 1
_MAX_TIME = (1 << 32) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHold:
    """A hold on a record."""

    record_id: RecordId
    """The record's first version."""
    reason: str
    placed_at: int
    """Unix seconds."""
    until: int | None = None
    """First second in which it lasts no longer; None where it lasts until it is released."""
    released_at: int | None = None

    def in_force(self, now: int) -> bool:
        """Whether it keeps the record from being erased."""
        return self.released_at is None and (self.until is None or now < self.until)

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the hold that ``document`` holds; raises ``InvalidInputError``."""
        read = Reader(decode_document(document, MAX_DOCUMENT), "hold")
        read.version(HOLD_VERSION)
        hold = cls(
            record_id=RecordId(read.digest("record")),
            reason=read.text("reason", MAX_TEXT),
            placed_at=read.integer("placed_at", 0, _MAX_TIME),
            until=read.optional_integer("until", 0, _MAX_TIME),
            released_at=read.optional_integer("released_at", 0, _MAX_TIME),
        )
        read.end()
        return hold

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads."""
        return encode_document(
            {
                "version": HOLD_VERSION,
                "record": self.record_id.hex(),
                "reason": self.reason,
                "placed_at": self.placed_at,
                "until": self.until,
                "released_at": self.released_at,
            }
        )


class LegalHolds:
    """Places and releases holds, as a custodian.

    Args:
        ledger: the contracts.
        clock: the time on the wall.
        auditing: which versions a record has.
        safe: where holds are kept.
    """

    def __init__(self, *, ledger: Ledger, clock: Clock, auditing: Auditing, safe: Safe) -> None:
        self._ledger = ledger
        self._clock = clock
        self._auditing = auditing
        self._safe = safe

    def place(self, record_id: RecordId, reason: str, *, custodian: Actor, until: int | None = None) -> LegalHold:
        """Keep a record from being erased, in the place of an earlier hold on it.

        Args:
            record_id: any of its versions.
            reason: why; it stays here.
            custodian: whose record it is.
            until: first second in which it lasts no longer, Unix time; None: until it is released.

        Raises:
            InvalidInputError: no reason is given, it is too long, or the hold would be over already.
            UnknownRecordError: the custodian has registered no such record.
            RecordErasedError: it is too late.
            StoreFullError, LedgerError: repeat.
        """
        now = self._now()
        if not reason.strip() or len(reason) > MAX_TEXT:
            raise InvalidInputError(f"a hold has a reason, of at most {MAX_TEXT} characters")
        if until is not None and until <= now:
            raise InvalidInputError("a hold lasts until a time that is still to come")
        record = self._record(record_id, custodian)
        mark = self._auditing.erasure(record.ref)
        if mark is not None:
            raise RecordErasedError(record_id, mark.place.block.time)
        hold = LegalHold(record_id=self._first(record), reason=reason, placed_at=now, until=until)
        self._keep(hold, custodian)
        return hold

    def release(self, record_id: RecordId, *, custodian: Actor) -> LegalHold:
        """End the hold on a record; what it was stays in the safe.

        Raises:
            InvalidInputError: none is in force.
            UnknownRecordError, StoreFullError, LedgerError: as ``place``.
        """
        hold = self.find(self._record(record_id, custodian), custodian=custodian)
        if hold is None or not hold.in_force(self._now()):
            raise InvalidInputError("no legal hold is in force on this record")
        released = replace(hold, released_at=self._now())
        self._keep(released, custodian)
        return released

    def find(self, record: RecordEntry, *, custodian: Actor) -> LegalHold | None:
        """Return the hold that was placed last on a record, in force or not, or None.

        Raises:
            EnvelopeError, ConfigurationError, InvalidInputError: it is there, and cannot be read.
        """
        kept = self._safe.find(_name(custodian, self._first(record)), custodian.identity)
        return None if kept is None else LegalHold.from_json(kept)

    def check(self, record: RecordEntry, *, custodian: Actor) -> None:
        """Raise ``LegalHoldError`` where a hold is in force on a record; else as ``find``."""
        hold = self.find(record, custodian=custodian)
        if hold is not None and hold.in_force(self._now()):
            raise LegalHoldError(record.record_id, hold.until)

    def placed(self, custodian: Actor) -> Iterator[tuple[LegalHold, bool]]:
        """Yield every hold that a custodian has placed, and whether it is in force. Raises as ``find``."""
        for patient in self._auditing.patients_of(custodian.address):
            for entry in self._auditing.records(patient):
                if entry.custodian == custodian.address and entry.version == 1:
                    kept = self._safe.find(_name(custodian, entry.record_id), custodian.identity)
                    if kept is not None:
                        hold = LegalHold.from_json(kept)
                        yield hold, hold.in_force(self._now())

    def _record(self, record_id: RecordId, custodian: Actor) -> RecordEntry:
        return self._ledger.records.record(custodian.address, record_id, block=self._ledger.chain.head())

    def _first(self, record: RecordEntry) -> RecordId:
        lineage = self._auditing.lineages(record.patient).get(
            RecordRef(custodian=record.custodian, record_id=record.record_id), ()
        )
        return lineage[-1] if lineage else record.record_id

    def _keep(self, hold: LegalHold, custodian: Actor) -> None:
        self._safe.keep(_name(custodian, hold.record_id), hold.to_json(), custodian.identity)

    def _now(self) -> int:
        return max(self._ledger.chain.head().time, self._clock.now())


def _name(custodian: Actor, first: RecordId) -> bytes:
    return tagged_sha256("medshare/legal-hold/1", bytes.fromhex(custodian.address.removeprefix("0x")), first)
