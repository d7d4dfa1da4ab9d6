"""What a study asks of the quality of records: by whose method, how good at least, and which pay depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from medshare.errors import InvalidInputError
from medshare.model.attestation import BEST_SCORE, MAX_METHOD
from medshare.model.documents import Reader

WHOLE_WEIGHT = 10_000
"""Weights are in ten thousandths of the custodian's share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityCondition:
    """Which scores count in a request, and what for."""

    method: int
    """By which method assessors attest what counts here, from 1."""
    minimum_score: int = 0
    """With less, 0 to 100, a record is not delivered; 0: all are."""
    weight: int = 0
    """Ten thousandths of the custodian's share that depend on the lowest score he delivers; 0: none."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("method", 1, MAX_METHOD),
            ("minimum_score", 0, BEST_SCORE),
            ("weight", 0, WHOLE_WEIGHT),
        ):
            if not low <= getattr(self, name) <= high:
                raise InvalidInputError(f"the {name} of a condition of quality is a number from {low} to {high}")
        if not self.minimum_score and not self.weight:
            raise InvalidInputError("a condition of quality needs a minimum_score, a weight, or both")

    def not_earned(self, share: int, score: int) -> int:
        """Return what of the custodian's ``share`` a delivery of this score has not earned; rounding is his gain."""
        return share * self.weight * (BEST_SCORE - score) // (WHOLE_WEIGHT * BEST_SCORE)

    def in_words(self) -> str:
        """Return what it means for whom is asked."""
        said = []
        if self.minimum_score:
            said.append(
                f"records below {self.minimum_score} of {BEST_SCORE} are not delivered, nor any without a score"
            )
        if self.weight:
            said.append(f"{self.weight * 100 / WHOLE_WEIGHT:g} % of the custodian's part depend on the lowest score")
        return f"{'; '.join(said)}; scores are those of assessors, by method {self.method}"

    @classmethod
    def read(cls, read: Reader) -> Self:
        """Return what ``read`` holds; raises ``InvalidInputError``."""
        condition = cls(
            method=read.integer("method", 1, MAX_METHOD),
            minimum_score=read.optional_integer("minimum_score", 0, BEST_SCORE) or 0,
            weight=read.optional_integer("weight", 0, WHOLE_WEIGHT) or 0,
        )
        read.end()
        return condition

    def fields(self) -> dict[str, Any]:
        """Return the fields of a document that ``read`` reads."""
        return {"method": self.method, "minimum_score": self.minimum_score, "weight": self.weight}
