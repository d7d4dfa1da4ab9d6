"""Scoring: an assessor reads records, computes medshare's own score of each, and attests it; anybody computes it anew.

    scored = scoring.score(record, reader=me, purpose=PurposeOfUse.HQUALIMP)
    scoring.attest(record, assessor=me, purpose=PurposeOfUse.HQUALIMP)
    scoring.attest_batch(records, assessor=me, purpose=PurposeOfUse.HQUALIMP)

Who attests has seen what he attests: he opens the record by a live grant, as any reader. Where he has its bytes
already, they are compared with the manifest, which only who may read the record can open; nothing more is fetched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medshare.errors import (
    InvalidInputError,
    LedgerUnavailableError,
    MedshareError,
    StoreFullError,
    StoreUnavailableError,
)
from medshare.files import open_plaintext
from medshare.model.ids import RecordId
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import RecordRef, plaintext_digest
from medshare.model.slip import Slip
from medshare.ports import Actor, Receipt
from medshare.services.assessing import Assessing, AttestedBatch
from medshare.services.progress import Progress, silent
from medshare.services.retrieving import OpenRecord, Retrieving
from medshare.services.slip_journal import SlipJournal
from medshare.standards.quality import MAX_SCORED, METHODS, VERSION, Quality, score

_ENDS_ALL = (LedgerUnavailableError, StoreFullError, StoreUnavailableError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """A score that was computed and attested."""

    quality: Quality
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Unscored:
    """A record of which there is no score, and why."""

    record: RecordRef
    error: MedshareError


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredBatch:
    """What came of scoring many records."""

    attested: AttestedBatch | None
    """None where something has no score: then nothing was attested."""
    unscored: tuple[Unscored, ...]


class Scoring:
    """Computes medshare's own score of records, and has it attested.

    Args:
        retrieving: opens what a reader may read.
        assessing: attests.
        journal: where scores wait until their batch is attested.
    """

    def __init__(self, *, retrieving: Retrieving, assessing: Assessing, journal: SlipJournal) -> None:
        self._retrieving = retrieving
        self._assessing = assessing
        self._journal = journal

    def score(
        self,
        record: RecordRef,
        *,
        reader: Actor,
        purpose: PurposeOfUse,
        file: Path | None = None,
        progress: Progress = silent,
    ) -> Quality:
        """Return medshare's own score of a record that ``reader`` may read.

        Args:
            record: which record, by whose word.
            reader: who reads it.
            purpose: what for.
            file: the record's bytes, where he has them already; compared with the manifest.
            progress: told how far it is.

        Raises:
            AccessDeniedError: he may not read it, also where he has the bytes.
            InvalidInputError: the file is another, the record is too large, or there is no score of such records.
            ConfigurationError: the library that reads them is not installed.
            MedshareError: the record does not open, as ``Retrieving.open``.
        """
        opened = self._retrieving.open(record, reader=reader, purpose=purpose)
        if opened.manifest.size > MAX_SCORED:
            raise InvalidInputError(f"the record has {opened.manifest.size} bytes, {MAX_SCORED} at most are scored")
        document = b"".join(opened.stream(progress)) if file is None else _same(opened, file)
        return score(document, opened.manifest.media_type)

    def attest(
        self,
        record: RecordRef,
        *,
        assessor: Actor,
        purpose: PurposeOfUse,
        file: Path | None = None,
        progress: Progress = silent,
    ) -> Attested:
        """Compute the score of a record and attest it, under the number of medshare's newest method.

        Args, Raises: as ``score`` and ``Assessing.attest``.
        """
        quality = self.score(record, reader=assessor, purpose=purpose, file=file, progress=progress)
        receipt = self._assessing.attest(record.record_id, score=quality.score, method=VERSION, assessor=assessor)
        return Attested(quality=quality, receipt=receipt)

    def attest_batch(
        self,
        records: Sequence[RecordRef],
        *,
        assessor: Actor,
        purpose: PurposeOfUse,
        check: Callable[[Sequence[Slip]], None] | None = None,
        progress: Progress = silent,
    ) -> ScoredBatch:
        """Compute the scores of many records and attest them under one root, all or none.

        Repeated, it is the same root. What was read before it was broken off is not read again.

        Args:
            records: which, by whose word.
            assessor: who reads and attests.
            purpose: what for.
            check: as ``Assessing.attest_batch``.
            progress: told how many have been read.

        Raises:
            StoreUnavailableError, StoreFullError, LedgerError: what would stop each; repeat.
            AttestingNotAccreditedError, InvalidInputError: as ``Assessing.attest_batch``.
        """
        method = METHODS[VERSION]
        before = self._journal.noted_scores(assessor.address, method)
        scores: dict[RecordId, int] = {}
        unscored = []
        for done, record in enumerate(records):
            progress("reading", done, len(records))
            record_id = record.record_id
            if record_id in before:
                scores[record_id] = before[record_id]
                continue
            try:
                scores[record_id] = self.score(record, reader=assessor, purpose=purpose).score
            except _ENDS_ALL:
                raise
            except MedshareError as error:
                unscored.append(Unscored(record=record, error=error))
            else:
                self._journal.note_score(assessor.address, record_id, method, scores[record_id])
        if unscored:
            return ScoredBatch(attested=None, unscored=tuple(unscored))
        attested = self._assessing.attest_batch(scores, method=VERSION, assessor=assessor, check=check)
        self._journal.drop_scores(assessor.address, scores)
        return ScoredBatch(attested=attested, unscored=())


def _same(opened: OpenRecord, file: Path) -> bytes:
    """Return the bytes of a file, if they are those of the record."""
    with open_plaintext(file) as stream:
        document = stream.read(opened.manifest.size + 1)
    found = plaintext_digest(opened.manifest.salt, hashlib.sha256(document).digest())
    if found != opened.manifest.digest:
        raise InvalidInputError("the file is not this record", hint="fetch it: medshare record fetch")
    return document
