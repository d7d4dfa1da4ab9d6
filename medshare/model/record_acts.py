"""What a custodian does with records, where several acts go to the chain together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from medshare.model.ids import RecordId
from medshare.model.record_batch import Inclusion


@dataclass(frozen=True, slots=True, kw_only=True)
class Enter:
    """Give a record of a batch an entry of its own."""

    inclusion: Inclusion


@dataclass(frozen=True, slots=True, kw_only=True)
class Supersede:
    """Put a new version in the place of a record."""

    record_id: RecordId
    previous_id: RecordId


@dataclass(frozen=True, slots=True, kw_only=True)
class Retract:
    """Withdraw a record."""

    record_id: RecordId
    reason: bytes
    """A salted digest."""


RecordAct: TypeAlias = Enter | Supersede | Retract
