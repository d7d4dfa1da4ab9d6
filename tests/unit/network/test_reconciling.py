"""Who seals follows who is seated.

given seats, signers and what a node votes for
├─ nothing differs: nothing is owed
├─ a seated member's validator that may not seal is to come, a signer whose member lost his seat is to go
├─ what the node votes for already is not owed; what came about, or is wanted no longer, is discarded
├─ members without validator and members that the file does not know are told
├─ where nobody would be left, it is refused
└─ for Besu the same votes are calls for its operator
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from member_files import account, member_file

from medshare.errors import ConfigurationError, LedgerUnavailableError
from medshare.model.ids import Address
from medshare.network.asking import Votes
from medshare.network.reconciling import cast_votes, find_difference, qbft_calls, qbft_votes

pytestmark = pytest.mark.unit

MEMBERS = member_file()
NORTH, SOUTH, WEST = (node.signer for node in MEMBERS.validators)
SEATS = [each.address for each in MEMBERS.institutions]


def votes(*signers: Address, proposals: dict[Address, bool] | None = None, **more: object) -> Votes:
    return Votes(signers=frozenset(signers), votes=more.get("votes", {}), proposals=proposals or {})  # type: ignore[arg-type]


class Node:
    """A validator that remembers what it votes for."""

    def __init__(self, start: Votes) -> None:
        self.now = start
        self.proposals = dict(start.proposals)

    def votes(self) -> Votes:
        return replace(self.now, proposals=dict(self.proposals))

    def propose(self, account: Address, *, seals: bool) -> None:
        self.proposals[account] = seals

    def discard(self, account: Address) -> None:
        del self.proposals[account]


def test_difference__seats_and_signers_agree__is_none() -> None:
    found = find_difference(MEMBERS, SEATS, votes(NORTH, SOUTH, WEST))
    assert (found.changes, found.owed, found.outdated, found.needed) == ((), (), (), 2)


def test_difference__one_to_come_and_one_to_go__are_in_that_order() -> None:
    found = find_difference(MEMBERS, SEATS[:2], votes(NORTH, WEST, votes={SOUTH: frozenset({NORTH})}))
    assert [(each.signer, each.seals, each.institution) for each in found.changes] == [
        (SOUTH, True, "south"),
        (WEST, False, "west"),
    ]
    assert [len(each.voters) for each in found.changes] == [1, 0]


def test_difference__signer_that_nobody_knows__is_to_go() -> None:
    found = find_difference(MEMBERS, SEATS, votes(NORTH, SOUTH, WEST, account(77)))
    assert [(each.signer, each.seals, each.institution) for each in found.changes] == [(account(77), False, None)]


def test_votes__cast__are_owed_no_longer_and_outdated_ones_are_gone() -> None:
    node = Node(votes(NORTH, WEST, proposals={account(5): True, NORTH: False, SOUTH: False}))
    first = find_difference(MEMBERS, SEATS[:2], node.votes())
    assert set(first.outdated) == {account(5), NORTH, SOUTH}
    cast_votes(node, first)
    assert node.proposals == {SOUTH: True, WEST: False}
    again = find_difference(MEMBERS, SEATS[:2], node.votes())
    assert (again.owed, again.outdated, len(again.changes)) == ((), (), 2)
    node.now = votes(NORTH, SOUTH)
    cast_votes(node, find_difference(MEMBERS, SEATS[:2], node.votes()))
    assert node.proposals == {}


def test_difference__members_without_validator_or_entry__are_told() -> None:
    bare = replace(MEMBERS, institutions=(*MEMBERS.institutions[:2], replace(MEMBERS.institutions[2], validators=())))
    found = find_difference(bare, [*SEATS, account(66)], votes(NORTH, SOUTH))
    assert (found.without_validator, found.unknown, found.changes) == (("west",), (account(66),), ())


def test_difference__nobody_would_be_left__is_refused() -> None:
    with pytest.raises(ConfigurationError, match="none of those who seal now") as refused:
        find_difference(MEMBERS, [account(66)], votes(NORTH, SOUTH, WEST))
    assert "member file" in refused.value.hint


def test_qbft__the_same_votes__are_calls() -> None:
    found = find_difference(MEMBERS, SEATS[:2], votes(NORTH, WEST, proposals={account(5): True}))
    assert qbft_calls(found) == [
        ("qbft_discardValidatorVote", [account(5)]),
        ("qbft_proposeValidatorVote", [SOUTH, True]),
        ("qbft_proposeValidatorVote", [WEST, False]),
    ]


def test_qbft__what_besu_says__is_read_or_refused() -> None:
    answers: dict[str, object] = {
        "qbft_getValidatorsByBlockNumber": [NORTH.lower(), SOUTH],
        "qbft_getPendingVotes": {WEST: True},
    }
    assert qbft_votes(lambda method, *_: answers[method]) == votes(NORTH, SOUTH, proposals={WEST: True})
    for wrong in (None, 5, ["x"]):
        answers["qbft_getValidatorsByBlockNumber"] = wrong
        with pytest.raises(LedgerUnavailableError):
            qbft_votes(lambda method, *_: answers[method])
