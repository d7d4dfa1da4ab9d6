"""Answers that are no, and stories that do not fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medshare.errors.base import MedshareError

if TYPE_CHECKING:
    from medshare.model.consent import Decision


class AccessDeniedError(MedshareError):
    """The reader has no right to this record for this purpose now. An answer, not a fault."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.explain(), hint=decision.advice())
        self.decision = decision


class ReceiptMissingError(MedshareError):
    """A custodian releases keys on a read receipt only, and the reader has signed none that is good."""

    hint = "have the reader sign one: medshare receipt sign"

    def __init__(self, reader: str) -> None:
        super().__init__(f"{reader} has signed no read receipt for this")
        self.reader = reader


class IntegrityError(MedshareError):
    """Chain, manifest, bundle and store do not tell the same story."""

    hint = "nothing was released; report this to the custodian, and run: medshare doctor"
