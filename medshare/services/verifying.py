"""Whether what the events tell is what the contracts answer: everything replayed, and asked at the same block.

Who decides by the index (who may read, whose turn it is to review) relies on a node that told all events, in their
order. A node that held some back, or made some up, is found here where anything else speaks of the same: each answer
that differs is named. What no event speaks of cannot be asked about, save seats, proposals and requests, which have
numbers; another node would tell of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from medshare.errors import RejectedError
from medshare.model.events import BlockRef, LedgerEvent
from medshare.model.ids import ZERO_ADDRESS, Address, ProposalId, RequestId
from medshare.model.ledger import LedgerModel
from medshare.ports import Ledger
from medshare.services.index import LedgerIndex
from medshare.services.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing of which the events tell something else than the contract answers."""

    what: str
    """What was asked, such as ``grant 0x…``."""
    replayed: str
    """What follows from the events."""
    answered: str
    """What the contract answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was compared, and what differs."""

    block: BlockRef
    events: int
    """How many events were replayed."""
    compared: Mapping[str, int]
    """How many answers, by kind."""
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    kind: str
    about: str
    replayed: Callable[[], object]
    answered: Callable[[], object]


class Verifying:
    """Compares the replayed events with the contracts' own answers.

    Args:
        ledger: the contracts.
        index: the index of their events.
    """

    def __init__(self, *, ledger: Ledger, index: LedgerIndex) -> None:
        self._ledger = ledger
        self._index = index

    def verify(self, progress: Progress | None = None) -> Verified:
        """Replay every event up to the newest block, and ask the contracts about all of it at that block.

        Args:
            progress: called with what is done, how many answers were compared, and of how many.

        Raises:
            LedgerUnavailableError: the chain cannot be read; or it went on so far that the node has forgotten the
                block: nodes keep the state of their newest blocks only, so ask one that keeps more.
        """
        block = self._index.sync()
        events = self._index.events(up_to_block=block.number)
        limits = self._ledger.emergencies.limits(block=block)
        model = LedgerModel(
            consortium=self._ledger.consortium.address, escrow=self._ledger.requests.address, limits=limits
        )
        differences = [told for event in events if (told := _applied(model, event)) is not None]
        questions = list(self._questions(model, block))
        for done, question in enumerate(questions, start=1):
            replayed, answered = _told(question.replayed), _told(question.answered)
            if replayed != answered:
                what = f"{question.kind} {question.about}".strip()
                differences.append(Difference(what=what, replayed=str(replayed), answered=str(answered)))
            if progress is not None:
                progress("comparing answers", done, len(questions))
        return Verified(
            block=block,
            events=len(events),
            compared=Counter(question.kind for question in questions),
            differences=tuple(differences),
        )

    def _questions(self, model: LedgerModel, block: BlockRef) -> Iterator[_Question]:
        yield from self._about_records(model, block)
        yield from self._about_grants(model, block)
        yield from self._about_authority(model, block)
        yield from self._about_emergencies(model, block)
        yield from self._about_the_consortium(model, block)
        yield from self._about_requests(model, block)
        yield from self._about_money(model, block)
        yield from self._about_attestations(model, block)

    # ----------------------------------------------------------------------------- what is asked, by contract

    def _about_records(self, model: LedgerModel, block: BlockRef) -> Iterator[_Question]:
        directory, records = self._ledger.directory, self._ledger.records
        for actor in model.keys:
            yield _Question(
                kind="encryption key",
                about=f"of {actor}",
                replayed=partial(model.encryption_key, actor),
                answered=partial(directory.encryption_key, actor, block=block),
            )
        for custodian, root in model.batches:
            yield _Question(
                kind="batch",
                about=f"{root.hex()} of {custodian}",
                replayed=partial(model.batch, custodian, root),
                answered=partial(records.batch, custodian, root, block=block),
            )
        for custodian, record_id in model.records:
            yield _Question(
                kind="record",
                about=f"{record_id.hex()} of {custodian}",
                replayed=partial(model.record, custodian, record_id),
                answered=partial(records.record, custodian, record_id, block=block),
            )

    def _about_grants(self, model: LedgerModel, block: BlockRef) -> Iterator[_Question]:
        consents = self._ledger.consents
        for grant_id, grant in model.grants.items():
            yield _Question(
                kind="grant",
                about=f"{grant_id:#x}",
                replayed=partial(model.get_grant, grant_id),
                answered=partial(consents.get_grant, grant_id, block=block),
            )
            yield _Question(
                kind="live grant",
                about=f"{grant_id:#x}",
                replayed=partial(model.is_live, grant_id, grant.purposes, block.time),
                answered=partial(consents.is_live, grant_id, grant.purposes, block=block),
            )
        for patient in dict.fromkeys([*model.stamps, *(grant.patient for grant in model.grants.values())]):
            yield _Question(
                kind="stamp",
                about=f"of {patient}",
                replayed=partial(model.stamp, patient),
                answered=partial(consents.stamp, patient, block=block),
            )

    def _about_authority(self, model: LedgerModel, block: BlockRef) -> Iterator[_Question]:
        authority = self._ledger.authority
        patients = [*model.controls, *model.guardianships, *(grant.patient for grant in model.grants.values())]
        for patient in dict.fromkeys(patients):
            yield _Question(
                kind="controller",
                about=f"of {patient}",
                replayed=partial(model.controller_of, patient),
                answered=partial(authority.controller_of, patient, block=block),
            )
        for patient, delegate in model.delegations:
            yield _Question(
                kind="delegation",
                about=f"of {patient} to {delegate}",
                replayed=partial(model.delegation, patient, delegate),
                answered=partial(authority.delegation, patient, delegate, block=block),
            )
        for patient in model.guardianships:
            yield _Question(
                kind="guardians",
                about=f"of {patient}",
                replayed=partial(model.guardianship, patient),
                answered=partial(authority.guardianship, patient, block=block),
            )

    def _about_emergencies(self, model: LedgerModel, block: BlockRef) -> Iterator[_Question]:
        emergencies = self._ledger.emergencies
        for episode_id in model.episodes:
            yield _Question(
                kind="episode",
                about=f"{episode_id:#x}",
                replayed=partial(model.episode, episode_id),
                answered=partial(emergencies.episode, episode_id, block=block),
            )
        for clinician in model.standings:
            yield _Question(
                kind="standing",
                about=f"of {clinician}",
                replayed=partial(model.standing, clinician),
                answered=partial(emergencies.standing, clinician, block=block),
            )
        for patient in model.bars:
            yield _Question(
                kind="bar",
                about=f"of {patient}",
                replayed=partial(model.bar, patient),
                answered=partial(emergencies.bar, patient, block=block),
            )

    def _about_the_consortium(self, model: LedgerModel, block: BlockRef) -> Iterator[_Question]:
        consortium, accreditation = self._ledger.consortium, self._ledger.accreditation
        for member in model.members:
            yield _Question(
                kind="member",
                about=member,
                replayed=partial(model.member, member),
                answered=partial(consortium.member, member, block=block),
            )
        next_seat = len(model.members) + 1
        # One more than was told: a seat, proposal or request of which no event came to us would lie there.
        yield _Question(
            kind="seat",
            about=f"{next_seat}",
            replayed=partial(model.member_at, next_seat),
            answered=partial(consortium.member_at, next_seat, block=block),
        )
        for actor, kind in model.accreditations:
            yield _Question(
                kind="accreditation",
                about=f"of {actor} as {kind.name.lower()}",
                replayed=partial(model.accreditation, actor, kind),
                answered=partial(accreditation.accreditation, actor, kind, block=block),
            )
        for proposal_id in [*model.proposals, ProposalId(len(model.proposals) + 1)]:
            yield _Question(
                kind="proposal",
                about=f"{proposal_id}",
                replayed=partial(model.proposal, proposal_id),
                answered=partial(consortium.proposal, proposal_id, block=block),
            )
        yield _Question(
            kind="voting rules",
            about="",
            replayed=lambda: model.voting_rules,
            answered=partial(consortium.voting_rules, block=block),
        )

    def _about_requests(self, model: LedgerModel, block: BlockRef) -> Iterator[_Question]:
        requests = self._ledger.requests
        for request_id in [*model.requests, RequestId(len(model.requests) + 1)]:
            yield _Question(
                kind="request",
                about=f"{request_id}",
                replayed=partial(model.request, request_id),
                answered=partial(requests.request, request_id, block=block),
            )
        for request_id, patient in model.reservations:
            yield _Question(
                kind="reservation",
                about=f"of {patient} in request {request_id}",
                replayed=partial(model.reservation, request_id, patient),
                answered=partial(requests.reservation, request_id, patient, block=block),
            )

    def _about_money(self, model: LedgerModel, block: BlockRef) -> Iterator[_Question]:
        escrow = self._ledger.escrow
        for account, token in model.credits:
            yield _Question(
                kind="credit",
                about=f"of {account} in {_token(token)}",
                replayed=partial(model.credit, account, token),
                answered=partial(escrow.credit, account, token, block=block),
            )
        for account in dict.fromkeys(account for account, _ in model.credits):
            yield _Question(
                kind="withdrawals",
                about=f"of {account}",
                replayed=partial(model.withdrawals, account),
                answered=partial(escrow.withdrawals, account, block=block),
            )
        for token in model.allowed_tokens:
            yield _Question(
                kind="allowed token",
                about=token,
                replayed=partial(model.is_token_allowed, token),
                answered=partial(escrow.is_token_allowed, token, block=block),
            )
        for category in model.splits:
            yield _Question(
                kind="split",
                about=f"of category {category}",
                replayed=partial(model.split, category),
                answered=partial(escrow.split, category, block=block),
            )
        yield _Question(
            kind="periods", about="", replayed=lambda: model.periods, answered=partial(escrow.periods, block=block)
        )

    def _about_attestations(self, model: LedgerModel, block: BlockRef) -> Iterator[_Question]:
        attestations = self._ledger.attestations
        for assessor, subject in model.attestations:
            yield _Question(
                kind="attestation",
                about=f"of {subject.hex()} by {assessor}",
                replayed=partial(model.attestation, assessor, subject),
                answered=partial(attestations.attestation, assessor, subject, block=block),
            )
        for custodian, root in model.anchors:
            yield _Question(
                kind="anchor",
                about=f"of {root.hex()} by {custodian}",
                replayed=partial(model.anchor, custodian, root),
                answered=partial(attestations.anchor, custodian, root, block=block),
            )


def _applied(model: LedgerModel, event: LedgerEvent) -> Difference | None:
    """Let an event change the state; return that it cannot follow on what was told before, where that is so."""
    try:
        model.apply(event)
    except (RejectedError, KeyError, ValueError):
        place = event.place
        what = f"event {type(event).__name__} of transaction 0x{place.tx_hash.hex()}"
        return Difference(what=what, replayed="it cannot follow on the events before it", answered="it was told")
    return None


def _told(ask: Callable[[], object]) -> object:
    """Return an answer; a contract's refusal, such as that there is none, is one, too."""
    try:
        return ask()
    except RejectedError as refusal:
        return f"{type(refusal).__name__}: {refusal}"


def _token(token: Address) -> str:
    return "coins" if token == ZERO_ADDRESS else token
