"""What was given before and is on chain is said to be: whoever died on the way gives the same command again.

given a study at the point where something is due: approving, cancelling, returning, delivering, declining, confirming,
disputing, releasing
├─ when the process dies at any call to chain or store, before or after it took effect, and it is given again
│  └─ it should be on chain once, and its place should be told
├─ when it is given a third time → nothing is sent, whatever happened since
├─ when the first was on its way while the second looked → what has arrived is told
└─ when others give it, or it is about something else → the contract refuses as before
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from service_doubles import CrashError, Faults, Overriding, faulty_store
from study_town import DAY, StudyTown, new_study_town

from medshare.errors import RequestNotAllowedError, ReservationNotError
from medshare.model.events import (
    AccessDelivered,
    DeliveryDeclined,
    DeliveryDisputed,
    LedgerEvent,
    RequestCancelled,
    RewardPaid,
    StudyApproved,
    UnearnedReturned,
)
from medshare.model.ids import RequestId
from medshare.model.request import ReservationStatus
from medshare.services.on_chain import OnChain
from medshare.testing import new_actor

pytestmark = pytest.mark.unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that is given once, and again."""

    until_due: Callable[[StudyTown], RequestId]
    do: Callable[[StudyTown, RequestId], OnChain]
    event: type[LedgerEvent]
    verb: str
    """Of the contract."""


def opened(town: StudyTown) -> RequestId:
    return town.requesting.open(town.study, requester=town.researcher).request_id


def accepted(town: StudyTown) -> RequestId:
    request_id = town.open().request_id
    town.publish()
    town.accept(request_id)
    return request_id


def ended(town: StudyTown) -> RequestId:
    request_id = town.open().request_id
    town.until(town.study.deadline)
    return request_id


def to_release(town: StudyTown) -> RequestId:
    request_id = town.delivered()
    town.pass_by(14 * DAY)
    return request_id


def approve(town: StudyTown, request_id: RequestId) -> OnChain:
    return town.requesting.approve(request_id, committee=town.committee)


def cancel(town: StudyTown, request_id: RequestId) -> OnChain:
    return town.requesting.cancel(request_id, requester=town.researcher)


def give_back(town: StudyTown, request_id: RequestId) -> OnChain:
    return town.requesting.return_unearned(request_id, payer=town.world.stranger.signer)


def deliver(town: StudyTown, request_id: RequestId) -> OnChain:
    return town.delivering.deliver(request_id, town.mary.address, custodian=town.world.hospital).on_chain


def decline(town: StudyTown, request_id: RequestId) -> OnChain:
    return town.delivering.decline(request_id, town.mary.address, custodian=town.world.hospital)


def confirm(town: StudyTown, request_id: RequestId) -> OnChain:
    return town.requesting.confirm(request_id, town.mary.address, requester=town.researcher).on_chain


def dispute(town: StudyTown, request_id: RequestId) -> OnChain:
    return town.requesting.dispute(request_id, town.mary.address, "empty", requester=town.researcher)


def release(town: StudyTown, request_id: RequestId) -> OnChain:
    return town.requesting.release(request_id, town.mary.address, payer=town.world.stranger.signer)


DEEDS = {
    "approve": Deed(until_due=opened, do=approve, event=StudyApproved, verb="approve_study"),
    "cancel": Deed(until_due=accepted, do=cancel, event=RequestCancelled, verb="cancel"),
    "return": Deed(until_due=ended, do=give_back, event=UnearnedReturned, verb="return_unearned"),
    "deliver": Deed(until_due=accepted, do=deliver, event=AccessDelivered, verb="deliver"),
    "decline": Deed(until_due=accepted, do=decline, event=DeliveryDeclined, verb="decline"),
    "confirm": Deed(until_due=StudyTown.delivered, do=confirm, event=RewardPaid, verb="confirm"),
    "dispute": Deed(until_due=StudyTown.delivered, do=dispute, event=DeliveryDisputed, verb="dispute"),
    "release": Deed(until_due=to_release, do=release, event=RewardPaid, verb="release"),
}


@pytest.fixture
def town(tmp_path: Path) -> StudyTown:
    return new_study_town(tmp_path)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_given_again__died_at_any_call__is_on_chain_once(tmp_path: Path, deed: Deed, *, after: bool) -> None:
    for at in range(1, 80):
        town = new_study_town(tmp_path / str(at))
        request_id = deed.until_due(town)
        faults = Faults(at=at, after=after)
        ledger = town.world.ledger
        requests = faults.wrap(ledger.requests, "request", "reservation", deed.verb)
        chain = faults.wrap(ledger.chain, "head", "events")
        town.wire(ledger=replace(ledger, requests=requests, chain=chain), store=faulty_store(town.world, faults))
        try:
            deed.do(town, request_id)
        except CrashError:
            struck = True
        else:
            struck = False
        was_there = bool(town.events(deed.event))
        town.wire()
        done = deed.do(town, request_id)
        (event,) = town.events(deed.event)
        assert (done.block, done.tx_hash, done.already) == (event.place.block, event.place.tx_hash, was_there)
        if not struck:
            break
    assert not struck, "raise the limit: the last calls were not reached"


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_given_again__first_was_on_its_way__what_arrived_is_told(town: StudyTown, deed: Deed) -> None:
    request_id = deed.until_due(town)
    ledger = town.world.ledger
    send = getattr(ledger.requests, deed.verb)

    def arrives_before(*arguments, **more):
        """What waits in the outbox is sent before anything else; had it another intent, the second is refused."""
        more.pop("intent", None)
        send(*arguments, **more)
        return send(*arguments, **more)

    town.wire(ledger=replace(ledger, requests=Overriding(ledger.requests, **{deed.verb: arrives_before})))
    done = deed.do(town, request_id)
    (event,) = town.events(deed.event)
    assert (done.block, done.already) == (event.place.block, True)


def test_deliver__given_again_after_all_was_settled_and_revoked__is_told(town: StudyTown) -> None:
    request_id = town.delivered()
    (event,) = town.events(AccessDelivered)
    confirm(town, request_id)
    town.world.consenting.revoke_all(patient=town.mary)
    town.world.chain.accredit(town.world.hospital.address, valid_until=0)
    done = town.delivering.deliver(request_id, town.mary.address, custodian=town.world.hospital)
    assert (done.bundle, done.score, done.found) == (event.bundle, event.score, None)
    assert done.on_chain == OnChain.before(event.place)


def test_deliver__by_another_after_it_was_delivered__is_refused(town: StudyTown) -> None:
    request_id = town.delivered()
    with pytest.raises(ReservationNotError):
        town.delivering.deliver(request_id, town.mary.address, custodian=town.world.stranger)


def test_decline__accepted_anew_since__is_declined_too(town: StudyTown) -> None:
    request_id = accepted(town)
    decline(town, request_id)
    town.accept(request_id)
    assert not decline(town, request_id).already
    assert len(town.events(DeliveryDeclined)) == 2


def test_dispute__for_another_reason__is_refused(town: StudyTown) -> None:
    request_id = town.delivered()
    dispute(town, request_id)
    with pytest.raises(ReservationNotError):
        town.requesting.dispute(request_id, town.mary.address, "late", requester=town.researcher)


def test_given_again__by_another__is_refused(town: StudyTown) -> None:
    request_id, other = town.delivered(), new_actor()
    confirm(town, request_id)
    cancel(town, request_id)
    with pytest.raises(ReservationNotError):
        town.requesting.confirm(request_id, town.mary.address, requester=other)
    with pytest.raises(RequestNotAllowedError):
        town.requesting.cancel(request_id, requester=other)


def test_release__of_what_was_given_back__is_refused(town: StudyTown) -> None:
    request_id = accepted(town)
    decline(town, request_id)
    assert town.part(request_id).status is ReservationStatus.NONE
    with pytest.raises(ReservationNotError):
        release(town, request_id)
