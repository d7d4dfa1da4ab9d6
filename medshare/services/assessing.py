"""Quality: an accredited assessor attests how good records are in form, and says nothing about their content.

    assessing.attest(record_id, score=92, method=100, assessor=me)
    assessing.attest_batch({record_id: 92, other_id: 40}, method=100, assessor=me).slips
    assessing.of(record_id)                       # what stands of it, by assessors who are accredited now
    assessing.lowest(record_id)

Of what was attested one by one, everybody sees the score on chain; of a batch, whoever was given a slip and keeps it.
``medshare.scoring`` computes medshare's own score of what an assessor reads, and has it attested here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from medshare.errors import AttestationWithdrawnError, RootKnownError, UnknownAttestationError
from medshare.model.accreditation import AccreditationKind
from medshare.model.attestation import Assessed, Attestation, check_score
from medshare.model.ids import Address, RecordId
from medshare.model.slip import Slip, slips_of
from medshare.ports import Actor, Ledger, Receipt
from medshare.services.auditing import Auditing
from medshare.services.on_chain import OnChain
from medshare.services.slips import Slips


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """An attestation of a record, and whether it counts."""

    attestation: Attestation
    """With the record's score, also where it is a batch's."""
    accredited: bool
    """Whether the assessor is accredited at the newest block."""

    @property
    def batch(self) -> bytes | None:
        """The root of the batch of which a slip is kept here; None where the record was attested alone."""
        return self.attestation.subject if self.attestation.count else None

    @property
    def counts(self) -> bool:
        """Whether it was not withdrawn, and its assessor is accredited."""
        return self.attestation.stands and self.accredited


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedBatch:
    """A batch that is on chain."""

    root: bytes
    slips: tuple[Slip, ...]
    """One for each record."""
    receipt: Receipt | None
    """None where the same was attested before, and stands."""


class Assessing:
    """Attests the quality of records, and says what was attested.

    Args:
        ledger: the contracts.
        auditing: what the chain tells of a record.
        slips: what is kept of batches; None where nobody keeps any.
    """

    def __init__(self, *, ledger: Ledger, auditing: Auditing, slips: Slips | None = None) -> None:
        self._ledger = ledger
        self._auditing = auditing
        self._slips = slips

    def attest(self, record_id: RecordId, *, score: int, method: int, assessor: Actor) -> Receipt:
        """Attest the quality of a registered record, or attest it anew.

        Args:
            record_id: which record.
            score: 0 to 100.
            method: by which method: from ``FIRST_OWN_METHOD`` on one's own, which one publishes oneself.
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

    def attest_batch(
        self,
        scores: Mapping[RecordId, int],
        *,
        method: int,
        assessor: Actor,
        check: Callable[[Sequence[Slip]], None] | None = None,
    ) -> AttestedBatch:
        """Attest the quality of many registered records under one root, and keep the slips.

        Which records they are, and how good, nobody learns but from a slip. The salts follow from the assessor's secret
        key: the same records and scores have the same root, and are attested once, however often this is repeated. What
        was withdrawn is attested anew, under another root.

        Args:
            scores: of each record, 0 to 100.
            method: by which method all of them.
            assessor: an accredited one.
            check: shown the slips before anything is attested; what it raises ends it.

        Raises:
            UnknownRecordError: nobody has registered one of them.
            AttestingNotAccreditedError: the assessor is not accredited as such now.
            InvalidInputError, MethodMissingError: they are none or too many, or score or method cannot be.
            LedgerError: the chain failed or refused; repeat, nothing is attested twice.
        """
        for record_id, score in scores.items():
            check_score(score)
            self._auditing.claims(record_id)
        attempts = (_slips(scores, method, assessor, attempt) for attempt in count())
        slips = next(each for each in attempts if self._not_withdrawn(assessor.address, each[0].root))
        if check is not None:
            check(slips)
        root = slips[0].root
        attested = self._batch(assessor.address, root) is not None
        receipt = None if attested else self._send_batch(root, len(slips), method, assessor)
        if self._slips is not None:
            self._slips.keep(slips)
        return AttestedBatch(root=root, slips=slips, receipt=receipt)

    def has_withdrawn(self, root: bytes, *, assessor: Address) -> bool:
        """Whether an assessor has attested a batch, and withdrawn it; raises ``LedgerError``."""
        standing = self._batch(assessor, root)
        return standing is not None and not standing.stands

    def _not_withdrawn(self, assessor: Address, root: bytes) -> bool:
        standing = self._batch(assessor, root)
        return standing is None or standing.stands

    def _send_batch(self, root: bytes, size: int, method: int, assessor: Actor) -> Receipt | None:
        try:
            return self._ledger.attestations.attest_batch(assessor.signer, root, method, size)
        except RootKnownError:
            # What was sent before has been mined since we looked.
            if self._batch(assessor.address, root) is None:
                raise
            return None

    def _batch(self, assessor: Address, root: bytes) -> Attestation | None:
        try:
            return self._ledger.attestations.attestation(assessor, root, block=self._ledger.chain.head())
        except UnknownAttestationError:
            return None

    def withdraw(self, subject: bytes, *, assessor: Actor) -> OnChain:
        """Withdraw what the assessor attested of a record, or of a batch by its root; what is withdrawn, not again.

        Raises:
            UnknownAttestationError: there is nothing to withdraw.
            LedgerError: the chain failed.
        """
        try:
            return OnChain.now(self._ledger.attestations.withdraw(assessor.signer, subject))
        except AttestationWithdrawnError:
            # Only now: it may have been attested anew, and that be on its way until something else is sent.
            event = self._auditing.attestation_withdrawn(assessor.address, subject)
            if event is None:
                raise
            return OnChain.before(event.place)

    def of(self, record_id: RecordId) -> list[Quality]:
        """Return what was attested of a record, oldest first, withdrawn or not; of batches, where a slip is kept here.

        Raises:
            LedgerUnavailableError: the chain cannot be read.
        """
        block = self._auditing.sync()
        accreditation, kind = self._ledger.accreditation, AccreditationKind.ASSESSOR
        kept = [] if self._slips is None else self._slips.of(record_id, block=block)
        in_batches = [replace(each.batch, score=each.slip.assessed.score) for each in kept]
        attested = [*self._auditing.attestations(record_id), *in_batches]
        return [
            Quality(attestation=one, accredited=accreditation.is_accredited(one.assessor, kind, block=block))
            for one in sorted(attested, key=lambda one: one.attested_at)
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


def _slips(scores: Mapping[RecordId, int], method: int, assessor: Actor, attempt: int) -> tuple[Slip, ...]:
    said = sorted(scores.items())
    batch = b"".join(record_id + score.to_bytes(32, "big") for record_id, score in said)
    context = method.to_bytes(32, "big") + attempt.to_bytes(32, "big") + hashlib.sha256(batch).digest()
    derive = assessor.identity.derive_secret
    assessed = [
        Assessed(record_id=record_id, score=score, salt=derive("medshare/slip-salt/1", context + record_id))
        for record_id, score in said
    ]
    return slips_of(assessed, assessor=assessor.address, method=method)
