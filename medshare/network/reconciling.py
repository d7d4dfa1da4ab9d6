"""Who seals blocks follows who has a seat: the difference between the two, and the votes that a member owes.

The contract Consortium says which institutions are members; the validators' votes say who seals. Neither can command
the other, so each member's node casts the votes that follow from the seats. A node that starts anew has forgotten what
it votes for: this is done again then, and does no harm at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from medshare.chain.wire import translated
from medshare.errors import ConfigurationError
from medshare.model.ids import Address
from medshare.network.asking import Votes, account_in
from medshare.network.members import Institution, MemberFile


class VotingNode(Protocol):
    """A validator of one's own."""

    def votes(self) -> Votes:
        """Return signers, votes and what this node proposes."""

    def propose(self, account: Address, *, seals: bool) -> None:
        """Vote that an account shall seal, or no longer."""

    def discard(self, account: Address) -> None:
        """Vote no longer on an account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A validator that should seal and may not, or the other way round."""

    signer: Address
    seals: bool
    """Whether it should."""
    institution: str | None
    """Whose it is; None where no member knows it."""
    voters: frozenset[Address]
    """Who has voted for it in a block since it came up."""
    proposed: bool
    """Whether this node votes for it already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where seats and signers part."""

    changes: tuple[Change, ...]
    needed: int
    """Votes that a change needs."""
    outdated: tuple[Address, ...]
    """What this node votes for, and need not or must not."""
    without_validator: tuple[str, ...]
    """Seated members that the member file gives no validator."""
    unknown: tuple[Address, ...]
    """Seated members that the member file does not know."""

    @property
    def owed(self) -> tuple[Change, ...]:
        """The votes that this node has not cast yet."""
        return tuple(change for change in self.changes if not change.proposed)


def wanted_signers(members: MemberFile, seated: Iterable[Address]) -> dict[Address, Institution]:
    """Return who should seal: the validators of every institution that has its seat."""
    seats = frozenset(seated)
    return {node.signer: each for each in members.institutions if each.address in seats for node in each.validators}


def find_difference(members: MemberFile, seated: Iterable[Address], votes: Votes) -> Difference:
    """Return where seats and signers part.

    Args:
        members: who the institutions are, and which validators they have.
        seated: the institutions that have their seats now, as Consortium says.
        votes: where the validators stand.

    Raises:
        ConfigurationError: nobody would be left to seal: then this is another contract's or network's member file.
    """
    seats = frozenset(seated)
    wanted = wanted_signers(members, seats)
    if not wanted.keys() & votes.signers:
        raise ConfigurationError(
            "none of those who seal now is a validator of a seated member",
            hint="compare network, deployment and member file: with these the chain would stop",
        )
    # In a fixed order, and who is to come before who is to go: every node proposes the same first.
    missing = sorted(wanted.keys() - votes.signers, key=str.lower)
    excess = sorted(votes.signers - wanted.keys(), key=str.lower)
    changes = tuple(
        _change(members, signer, votes, seals=seals)
        for seals, signers in ((True, missing), (False, excess))
        for signer in signers
    )
    pending = {change.signer: change.seals for change in changes}
    known = {each.address: each for each in members.institutions}
    return Difference(
        changes=changes,
        needed=len(votes.signers) // 2 + 1,
        outdated=tuple(account for account, seals in votes.proposals.items() if pending.get(account) != seals),
        without_validator=tuple(known[seat].name for seat in seats & known.keys() if not known[seat].validators),
        unknown=tuple(sorted(seats - known.keys())),
    )


def cast_votes(node: VotingNode, difference: Difference) -> None:
    """Have one's own node vote for what is owed, and no longer for what is outdated; raises ``LedgerUnavailableError``.

    It votes in the blocks that it seals, one change a block, until the change has come about.
    """
    for account in difference.outdated:
        node.discard(account)
    for change in difference.owed:
        node.propose(change.signer, seals=change.seals)


def qbft_votes(ask: Callable[..., Any]) -> Votes:
    """Return where the validators of a QBFT network stand, as one's own Besu says.

    Args:
        ask: asks the node one question: method and parameters.

    Raises:
        LedgerUnavailableError: it does not answer, or its RPC has no QBFT.
    """
    signers, pending = ask("qbft_getValidatorsByBlockNumber", "latest"), ask("qbft_getPendingVotes")
    with translated("qbft_getPendingVotes"):
        return Votes(
            signers=frozenset(account_in(each) for each in signers),
            votes={},  # Besu counts them, and does not tell
            proposals={account_in(account): bool(wanted) for account, wanted in pending.items()},
        )


def qbft_calls(difference: Difference) -> list[tuple[str, list[Address | bool]]]:
    """Return the calls by which the operator of a Besu node casts the same votes, method and parameters."""
    calls: list[tuple[str, list[Address | bool]]] = [
        ("qbft_discardValidatorVote", [account]) for account in difference.outdated
    ]
    return calls + [("qbft_proposeValidatorVote", [change.signer, change.seals]) for change in difference.owed]


def _change(members: MemberFile, signer: Address, votes: Votes, *, seals: bool) -> Change:
    owner = members.owner(signer)
    return Change(
        signer=signer,
        seals=seals,
        institution=None if owner is None else owner.name,
        voters=votes.votes.get(signer, frozenset()),
        proposed=votes.proposals.get(signer) == seals,
    )
