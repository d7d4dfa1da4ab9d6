"""What an inbox tells members of the consortium, and those whom they accredited."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from medshare.model.accreditation import AccreditationKind, Suspension
from medshare.model.describing_calls import capacity, in_words, unknown_in_words
from medshare.model.events import (
    AccreditationReinstated,
    AccreditationSuspended,
    Accredited,
    LedgerEvent,
    MemberAdmitted,
    MemberReinstated,
    MemberRemoved,
    MemberSuspended,
)
from medshare.model.ids import Address
from medshare.services.governing import Governing, ProposalStanding, ProposalState
from medshare.services.notices import Notice, Urgency


def votes_due(governing: Governing, account: Address) -> Iterator[Notice]:
    """Yield the proposals that wait for the vote of ``account``, and its own that have passed; nothing to others."""
    if account not in governing.consortium().seated:
        return
    for each in governing.proposals():
        if each.state is ProposalState.PENDING and not each.voted(account):
            yield _due(each, "VoteDue", f"your vote is asked for, to {_what(each)}", "vote")
        elif each.state is ProposalState.PASSED and each.proposed.proposer == account:
            yield _due(each, "ExecutionDue", f"what you proposed has passed, to {_what(each)}", "execute")


def seats_and_accreditations(governing: Governing, account: Address, after: int) -> Iterator[Notice]:
    """Yield what became of the seat or accreditations of ``account``, or of the seat of who accredited it.

    Args:
        governing: how members and accreditations stand.
        account: whose inbox.
        after: what happened in later blocks than this.
    """
    answering: dict[AccreditationKind, Address] = {}
    for event in governing.events():
        said = _said(event, account, answering.values())
        if isinstance(event, Accredited) and event.actor == account:
            answering[event.kind] = event.member
        if said is not None and event.place.block.number > after:
            sentence, who, until = said
            yield Notice(
                urgency=Urgency.NEWS,
                kind=type(event).__name__,
                at=event.place.block.time,
                says=sentence,
                who=who,
                until=until,
            )


def _due(each: ProposalStanding, kind: str, says: str, verb: str) -> Notice:
    return Notice(
        urgency=Urgency.DUE,
        kind=kind,
        at=each.proposed.place.block.time,
        says=says,
        who=each.proposed.proposer,
        until=each.proposed.deadline,
        waits=True,
        proposal_id=each.proposal_id,
        answer=f"medshare consortium {verb} {each.proposal_id} --as {{me}}",
    )


def _what(each: ProposalStanding) -> str:
    return unknown_in_words(each.proposed.call_data) if each.call is None else in_words(each.call, lambda _: None)


def _said(
    event: LedgerEvent, account: Address, members: Collection[Address]
) -> tuple[str, Address | None, int | None] | None:
    match event:
        case Accredited() if event.actor == account:
            if not event.valid_until:
                return f"your accreditation as {capacity(event.kind)} was withdrawn", event.member, None
            return f"you were accredited as {capacity(event.kind)}", event.member, event.valid_until
        case AccreditationSuspended() if event.actor == account:
            by = "by vote" if event.by is Suspension.BY_VOTE else "by the member that accredited you"
            return f"you were suspended as {capacity(event.kind)}, {by}", None, None
        case AccreditationReinstated() if event.actor == account:
            return f"your suspension as {capacity(event.kind)} was lifted", None, None
        case MemberAdmitted() | MemberReinstated() if event.member == account:
            return "you have a seat in the consortium", None, None
        case MemberRemoved() | MemberSuspended() if event.member == account:
            return "you lost your seat in the consortium: whom you accredited is accredited no longer", None, None
        case MemberRemoved() | MemberSuspended() if event.member in members:
            return "the member that accredited you lost its seat: you are accredited no longer", event.member, None
        case MemberAdmitted() | MemberReinstated() if event.member in members:
            return "the member that accredited you has its seat again", event.member, None
        case _:
            return None
