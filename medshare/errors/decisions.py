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


class ScoreTooLowError(MedshareError):
    """None of the records that would be delivered is as good as the study asks, or attested at all."""

    hint = "have the records attested, and of batches give the patient the slips, before he accepts; or decline"

    def __init__(self, records: int, minimum_score: int, method: int) -> None:
        super().__init__(
            f"none of {records} records is attested with {minimum_score} of 100 or more by method {method}, "
            "by assessors who count"
        )
        self.records = records
        self.minimum_score = minimum_score
        self.method = method


class DeliveryGoneError(MedshareError):
    """What was delivered for a request opens no more, by right: it was erased, or the patient has forgotten it."""

    hint = (
        "it was earned when it was delivered: where you doubt that, dispute it in time: medshare request dispute "
        "REQUEST --patient PATIENT --as NAME; after that anybody can have it paid: medshare request release REQUEST "
        "--patient PATIENT --as NAME"
    )

    def __init__(self, request_id: int, patient: str, reason: str) -> None:
        super().__init__(f"request {request_id}: nothing opens any more of what was delivered for {patient}: {reason}")
        self.request_id = request_id
        self.patient = patient
        self.reason = reason


class IntegrityError(MedshareError):
    """Chain, manifest, bundle and store do not tell the same story."""

    hint = "nothing was released; report this to the custodian, and run: medshare doctor"


class ScoreOverstatedError(IntegrityError):
    """A custodian has stated a higher score of what he delivered than was attested of it then."""

    hint = "nothing was confirmed: dispute the delivery, within the period for it"

    def __init__(self, stated: int, attested: int) -> None:
        super().__init__(f"the delivery is stated to have a score of {stated}, and {attested} was attested")
        self.stated = stated
        self.attested = attested
