"""Quality: an accredited assessor attests how good records are in form, and says nothing about their content.

    assessing.attest(record_id, score=92, method=1, assessor=me)
    assessing.of(record_id)                       # what stands of it, by assessors who are accredited now

Batches: ``AssessedBatch.of([...])`` gives the root of many; the assessor keeps scores and salts, and shows those of a
record to whom he likes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from medshare.model.accreditation import AccreditationKind
from medshare.model.attestation import AssessedBatch, Attestation, check_score
from medshare.model.ids import RecordId
from medshare.ports import Actor, Ledger, Receipt
from medshare.services.auditing import Auditing


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """An attestation, and whether it counts."""

    attestation: Attestation
    accredited: bool
    """Whether the assessor is accredited at the newest block."""

    @property
    def counts(self) -> bool:
        """Whether it was not withdrawn, and its assessor is accredited."""
        return self.attestation.stands and self.accredited


class Assessing:
    """Attests the quality of records, and says what was attested.

    Args:
        ledger: the contracts.
        auditing: what the chain tells of a record.
    """

    def __init__(self, *, ledger: Ledger, auditing: Auditing) -> None:
        self._ledger = ledger
        self._auditing = auditing

    def attest(self, record_id: RecordId, *, score: int, method: int, assessor: Actor) -> Receipt:
        """Attest the quality of a registered record, or attest it anew.

        Args:
            record_id: which record.
            score: 0 to 100.
            method: by which method, from 1; what each is, assessors publish.
            assessor: an accredited one.

        Raises:
            UnknownRecordError: nobody has registered it.
            AttestingNotAccreditedError: the assessor is not accredited as such now.
            InvalidInputError, MethodMissingError: score or method cannot be.
            LedgerError: the chain failed or refused.
        """
        check_score(score)
        self._auditing.claims(record_id)
        return self._ledger.attestations.attest(assessor.signer, record_id, method, score)

    def attest_batch(self, batch: AssessedBatch, count: int, *, method: int, assessor: Actor) -> Receipt:
        """Attest the quality of many records under one root, once.

        Raises:
            AttestingNotAccreditedError, MethodMissingError, CountIsZeroError, RootKnownError: as the contract would.
            InvalidInputError: method or count cannot be.
            LedgerError: the chain failed or refused.
        """
        return self._ledger.attestations.attest_batch(assessor.signer, batch.root, method, count)

    def withdraw(self, subject: bytes, *, assessor: Actor) -> Receipt:
        """Withdraw what the assessor attested of a record, or of a batch by its root.

        Raises:
            UnknownAttestationError, AttestationWithdrawnError: there is nothing, or nothing left, to withdraw.
            LedgerError: the chain failed.
        """
        return self._ledger.attestations.withdraw(assessor.signer, subject)

    def of(self, record_id: RecordId) -> list[Quality]:
        """Return what was attested of a record, oldest first, withdrawn or not.

        Raises:
            LedgerUnavailableError: the chain cannot be read.
        """
        block = self._auditing.sync()
        accreditation, kind = self._ledger.accreditation, AccreditationKind.ASSESSOR
        return [
            Quality(attestation=one, accredited=accreditation.is_accredited(one.assessor, kind, block=block))
            for one in self._auditing.attestations(record_id)
        ]

    def at_least(self, score: int, record_ids: Iterable[RecordId]) -> set[RecordId]:
        """Return those records of which somebody who counts has attested a score, and nobody less than this.

        Raises:
            LedgerUnavailableError: the chain cannot be read.
        """
        lowest = {record_id: self.lowest(record_id) for record_id in record_ids}
        return {record_id for record_id, found in lowest.items() if found is not None and found >= score}

    def lowest(self, record_id: RecordId, method: int | None = None) -> int | None:
        """Return the lowest score of a record that counts, or None where none does.

        Args:
            record_id: which record.
            method: only what was attested by this method; default: by any.

        Raises:
            LedgerUnavailableError: the chain cannot be read.
        """
        counting = [one.attestation for one in self.of(record_id) if one.counts]
        return min((one.score for one in counting if method in (None, one.method)), default=None)
