"""What requests for access mean for an account: what is asked, to be delivered, to be settled, to be approved.

No key is needed, and so nothing sealed is read: of requests for named patients it says that there are some, and how to
find out with one's key whether one is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from medshare.errors import EnvelopeError, IntegrityError, StoreError, StoreUnavailableError
from medshare.model.accreditation import AccreditationKind
from medshare.model.events import LedgerEvent, RewardPaid
from medshare.model.ids import Address
from medshare.model.record import RecordStatus
from medshare.model.request import AccessRequest, ReservationStatus
from medshare.ports import Ledger
from medshare.services.auditing import Auditing
from medshare.services.notices import Notice, Urgency
from medshare.services.request_book import Part, RequestBook, RequestStanding, RequestState
from medshare.services.request_words import reward_in_words
from medshare.services.requesting import Requesting

_SUMMARY = 200


class RequestNotices:
    """Tells what requests mean for an account.

    Args:
        ledger: the contracts.
        auditing: which records there are.
        book: how requests stand.
        requesting: opens public studies, and says who vouches for a requester.
    """

    def __init__(self, *, ledger: Ledger, auditing: Auditing, book: RequestBook, requesting: Requesting) -> None:
        self._ledger = ledger
        self._auditing = auditing
        self._book = book
        self._requesting = requesting

    def of(self, account: Address, patients: Collection[Address], *, after: int, now: int) -> Iterator[Notice]:
        """Yield what waits for ``account``, and what happened in blocks after ``after``.

        Args:
            account: whose inbox.
            patients: for whom he answers, himself among them.
            after: the last block that he has seen.
            now: Unix seconds.

        Raises:
            StoreUnavailableError, LedgerError: store or chain failed.
        """
        standings = self._book.requests()
        asked = [
            patient
            for patient in patients
            if any(entry.status is RecordStatus.ACTIVE for entry in self._auditing.records(patient))
        ]
        if asked:
            yield from self._asked(standings, asked, account, after, now)
        for standing in standings:
            for patient in patients:
                part = standing.part(patient)
                if part is not None:
                    yield from _as_patient(part, after)
            on_receipt = _waits_for(standing, account, now) and self._requesting.is_on_receipt(standing)
            yield from _as_custodian(standing, account, after, now, on_receipt=on_receipt)
            if standing.request.requester == account:
                yield from _as_requester(standing, after, now)
                if on_receipt:
                    yield from _receipts_due(standing)
        yield from self._as_committee(standings, account, now)

    # ------------------------------------------------------------------------------------------- patients

    def _asked(
        self, standings: list[RequestStanding], patients: list[Address], account: Address, after: int, now: int
    ) -> Iterator[Notice]:
        """What was opened since for those whom ``account`` answers for, who have records."""
        for standing in standings:
            request = standing.request
            begun = standing.approved or standing.opened
            if not _is_new(begun, after) or not request.acceptable(now):
                continue
            for patient in patients:
                part = standing.part(patient)
                if part is None or part.status is ReservationStatus.NONE:
                    yield self._offer(request, patient, account, begun.place.block.time)

    def _offer(self, request: AccessRequest, patient: Address, account: Address, at: int) -> Notice:
        acting = "" if patient == account else f" --for {patient}"
        if not request.is_open_call:
            says = "named patients are asked for access; whether this one is among them, only the key tells"
            answer = f"medshare request offers --as {{me}}{acting}"
        else:
            says = self._in_words(request)
            answer = f"medshare request accept {request.request_id} --as {{me}}{acting}"
        return Notice(
            urgency=Urgency.NEWS,
            kind="RequestOpen",
            at=at,
            says=says,
            who=request.requester,
            patient=patient,
            until=request.terms.deadline,
            request_id=request.request_id,
            answer=answer,
        )

    def _in_words(self, request: AccessRequest) -> str:
        """Return an open call in a sentence: what, why, by whose accreditation, how long, how much."""
        member = self._requesting.accredited_by(request.requester)
        vouching = "nobody vouches for it now" if member is None else f"accredited by {member}"
        try:
            study = self._requesting.study(request)
        except StoreUnavailableError:
            raise
        except (StoreError, EnvelopeError, IntegrityError):
            return f"a study whose document is missing or wrong, {vouching}: do not accept it"
        wanted, days = study.wanted.in_words(), request.terms.access_days
        return (
            f"{study.title} ({study.institution}, {vouching}): {study.summary[:_SUMMARY]}"
            f" Wants {wanted}, for {days} days after the deadline. Reward: {reward_in_words(request, _nameless)}"
        )

    # ----------------------------------------------------------------------------------------- committees

    def _as_committee(self, standings: list[RequestStanding], account: Address, now: int) -> Iterator[Notice]:
        waiting = [each for each in standings if each.state(now) is RequestState.AWAITING_APPROVAL]
        if not waiting or not self._ledger.accreditation.is_accredited(
            account, AccreditationKind.ETHICS_COMMITTEE, block=self._ledger.chain.head()
        ):
            return
        for standing in waiting:
            request = standing.request
            yield Notice(
                urgency=Urgency.DUE,
                kind="StudyAwaitsApproval",
                at=standing.opened.place.block.time,
                says=f"a study on open call awaits approval: {self._in_words(request)}",
                who=request.requester,
                until=request.terms.deadline,
                waits=True,
                request_id=request.request_id,
                answer=f"medshare request approve {request.request_id} --as {{me}}",
            )


def _as_patient(part: Part, after: int) -> Iterator[Notice]:
    """What others did with a patient's part."""
    for event, says in (
        (part.delivered, "the custodian delivered what you granted"),
        (part.declined, "the custodian has nothing to deliver: you can accept anew, or revoke what you granted"),
        (part.disputed, "the requester disputes the delivery; the consortium decides"),
        (part.settled, _settled(part, "your reward can be withdrawn", "the dispute was decided against the delivery")),
    ):
        if event is not None and _is_new(event, after):
            yield _news(part, event, says, who=part.reservation.custodian)


def _waits_for(standing: RequestStanding, account: Address, now: int) -> bool:
    """Whether something is still to be delivered in which ``account`` has a part."""
    return now < standing.request.terms.deadline and any(
        part.status is ReservationStatus.RESERVED
        and account in (standing.request.requester, part.reservation.custodian)
        for part in standing.parts
    )


def _receipts_due(standing: RequestStanding) -> Iterator[Notice]:
    """What a requester can read only when he has signed that he is about to."""
    request = standing.request
    for part in standing.parts:
        if part.status is ReservationStatus.RESERVED:
            yield Notice(
                urgency=Urgency.DUE,
                kind="ReceiptDue",
                at=part.reserved.place.block.time,
                says="the custodian releases the keys when you have signed a read receipt, and given it to him",
                who=part.reservation.custodian,
                patient=part.patient,
                until=request.terms.deadline,
                waits=True,
                request_id=request.request_id,
                answer=f"medshare receipt sign --request {request.request_id} --patient {part.patient} --as {{me}} "
                "--to receipt.json",
            )


def _as_custodian(
    standing: RequestStanding, account: Address, after: int, now: int, *, on_receipt: bool
) -> Iterator[Notice]:
    request = standing.request
    for part in standing.parts:
        if part.reservation.custodian != account:
            continue
        if part.status is ReservationStatus.RESERVED and now < request.terms.deadline:
            yield Notice(
                urgency=Urgency.DUE,
                kind="DeliveryDue",
                at=part.reserved.place.block.time,
                says="a patient accepted a request, and named you to deliver"
                + (", on a read receipt: medshare receipt keep" if on_receipt else ""),
                who=request.requester,
                patient=part.patient,
                until=request.terms.deadline,
                waits=True,
                request_id=request.request_id,
                answer=f"medshare request deliver {request.request_id} --patient {part.patient} --as {{me}}",
            )
        for event, says in (
            (part.disputed, "the requester disputes what you delivered; the consortium decides"),
            (
                part.settled,
                _settled(part, "your share can be withdrawn", "the dispute was decided against what you delivered"),
            ),
        ):
            if event is not None and _is_new(event, after):
                yield _news(part, event, says, who=request.requester)


def _as_requester(standing: RequestStanding, after: int, now: int) -> Iterator[Notice]:
    request = standing.request
    if standing.approved is not None and _is_new(standing.approved, after):
        yield Notice(
            urgency=Urgency.NEWS,
            kind="StudyApproved",
            at=standing.approved.place.block.time,
            says="your study was approved: patients can accept",
            who=standing.approved.by,
            request_id=request.request_id,
        )
    if now >= request.terms.deadline and standing.unearned and request.terms.reward:
        yield Notice(
            urgency=Urgency.DUE,
            kind="MoneyUnearned",
            at=request.terms.deadline,
            says=f"{standing.unearned} rewards were not earned by the deadline, and go back to you",
            waits=True,
            request_id=request.request_id,
            answer=f"medshare request return-unearned {request.request_id} --as {{me}}",
        )
    for part in standing.parts:
        if part.status is ReservationStatus.DELIVERED:
            yield Notice(
                urgency=Urgency.DUE,
                kind="DeliveryToConfirm",
                at=part.reservation.since,
                says="a delivery is to be confirmed or disputed; after this time it is released",
                who=part.reservation.custodian,
                patient=part.patient,
                until=part.released_at,
                waits=True,
                request_id=request.request_id,
                answer=f"medshare request confirm {request.request_id} --patient {part.patient} --as {{me}}",
            )
        if _is_new(part.reserved, after):
            yield _news(part, part.reserved, "a patient accepted your request", who=part.patient)
        if part.declined is not None and _is_new(part.declined, after):
            yield _news(part, part.declined, "a custodian had nothing to deliver", who=part.reservation.custodian)
        if part.settled is not None and part.disputed is not None and _is_new(part.settled, after):
            says = _settled(part, "a delivery that you disputed was paid", "a dispute was decided for you")
            yield _news(part, part.settled, says, who=part.reservation.custodian)


def _settled(part: Part, paid: str, returned: str) -> str:
    return paid if isinstance(part.settled, RewardPaid) else returned


def _news(part: Part, event: LedgerEvent, says: str, *, who: Address) -> Notice:
    return Notice(
        urgency=Urgency.NEWS,
        kind=type(event).__name__,
        at=event.place.block.time,
        says=says,
        who=who,
        patient=part.patient,
        request_id=part.request.request_id,
    )


def _is_new(event: LedgerEvent, after: int) -> bool:
    return event.place.block.number > after


_nameless: Callable[[Address], str | None] = lambda _address: None  # noqa: E731 - the inbox's reader puts names in
