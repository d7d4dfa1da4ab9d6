"""Judging: which records are as good as a request asks, and how good the worst of them is, by the chain's own events.

    judging.judged(records, condition=request.terms.quality, moments=[accepted, delivered], slips=slips)

Patient, custodian and requester ask the same question here, of the same moments, and get the same answer. Only what
is attested by the method that the request names counts, by assessors accredited at that moment; of several the lowest,
so that a friendly assessor does not outbid a strict one. What was withdrawn, or attested otherwise, later than the
moment changes nothing of it: who delivered honestly did. Of batches count the slips in the bundle that the patient
signs: these each of the three has. Slips that he keeps besides do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from medshare.model.accreditation import AccreditationKind
from medshare.model.attestation import BEST_SCORE, Attestation
from medshare.model.events import AccessDelivered, BlockRef
from medshare.model.ids import Address, RecordId
from medshare.model.ledger import LedgerModel
from medshare.model.quality_condition import QualityCondition
from medshare.model.record import RecordRef
from medshare.model.slip import Slip
from medshare.services.auditing import Auditing


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """As of when scores are asked for."""

    block: int
    """The last block that counts."""
    time: int
    """By which accreditations count, Unix seconds."""

    @classmethod
    def after(cls, block: BlockRef) -> Self:
        """Return the moment after a block."""
        return cls(block=block.number, time=block.time)

    @classmethod
    def of_delivery(cls, delivered: AccessDelivered) -> Self:
        """Return the moment before a delivery: what comes in its block with it, its custodian cannot know."""
        block = delivered.place.block
        return cls(block=block.number - 1, time=block.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A record that is not delivered, since it is not as good as the request asks."""

    record: RecordRef
    score: int | None
    """What was attested of it at the first of the moments at which it was not enough; None where nothing is known of
    it: the slip of a record that is not as good is in no bundle."""

    def explain(self) -> str:
        """Return why, in words."""
        if self.score is None:
            return "not attested as good as the study asks, as far as the chain and the slips in the bundle tell"
        return f"attested with {self.score} of {BEST_SCORE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Some records beside what a request asks of their quality."""

    good: tuple[RecordRef, ...]
    """Those that are as good as it asks."""
    left_out: tuple[LeftOut, ...]
    score: int
    """The lowest that is attested of the good ones at the last moment: 0 where of one nothing is, or nothing asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _AsOf:
    """What the chain said at a moment."""

    moment: Moment
    consortium: LedgerModel
    """Who was accredited."""
    batches: Mapping[tuple[Address, bytes], Attestation]
    """The batches of those of whom there are slips, by assessor and root."""


class Judging:
    """Judges records by what assessors attest of them.

    Args:
        auditing: the chain's events.
    """

    def __init__(self, *, auditing: Auditing) -> None:
        self._auditing = auditing

    def judged(
        self,
        records: Iterable[RecordRef],
        *,
        condition: QualityCondition | None,
        moments: Sequence[Moment],
        slips: Sequence[Slip] = (),
    ) -> Judged:
        """Return which records are as good as the condition asks at each of the moments.

        Args:
            records: which.
            condition: what a request asks of quality; None where it asks nothing, and all are good.
            moments: one or more, the one that decides about the score last.
            slips: those of the patient's bundle, each compared with the chain; what became of their batches is asked.

        Raises:
            LedgerUnavailableError: the chain cannot be read.
        """
        if condition is None:
            return Judged(good=tuple(records), left_out=(), score=0)
        known = [self._as_of(moment, slips) for moment in moments]
        by_record: dict[RecordId, list[Slip]] = {}
        for slip in slips:
            by_record.setdefault(slip.record_id, []).append(slip)
        good: dict[RecordRef, int] = {}
        left_out = []
        for record in records:
            for then in known:
                score = self._lowest(record.record_id, condition.method, then, by_record.get(record.record_id, ()))
                if (score or 0) < condition.minimum_score:
                    good.pop(record, None)
                    left_out.append(LeftOut(record=record, score=score))
                    break
                good[record] = score or 0
        return Judged(good=tuple(good), left_out=tuple(left_out), score=min(good.values(), default=0))

    def _lowest(self, record_id: RecordId, method: int, then: _AsOf, slips: Sequence[Slip]) -> int | None:
        """Return the lowest score that counts of a record, or None where none does."""
        in_batches = [
            replace(batch, score=slip.assessed.score)
            for slip in slips
            if (batch := then.batches.get((slip.assessor, slip.root))) is not None
        ]
        return min(
            (
                one.score
                for one in (*self._auditing.attestations(record_id, up_to_block=then.moment.block), *in_batches)
                if one.stands
                and one.method == method
                and then.consortium.is_accredited(one.assessor, AccreditationKind.ASSESSOR, then.moment.time)
            ),
            default=None,
        )

    def _as_of(self, moment: Moment, slips: Sequence[Slip]) -> _AsOf:
        batches = {
            (assessor, root): batch
            for assessor in {slip.assessor for slip in slips}
            for root, batch in self._auditing.attested_batches(assessor, up_to_block=moment.block).items()
        }
        return _AsOf(moment=moment, consortium=self._consortium(moment), batches=batches)

    def _consortium(self, moment: Moment) -> LedgerModel:
        """Return who was accredited, by the events: few nodes answer about the state of old blocks."""
        model = LedgerModel()
        for event in self._auditing.governance().events:
            if event.place.block.number <= moment.block:
                model.apply(event)
        return model
