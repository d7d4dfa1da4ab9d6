"""A Clique chain that stands still although enough validators run, and how one of them gives way.

Two validators can seal a block of the same number and weight at the same moment. geth gives up no block of its own for
another that weighs the same, and who has just sealed may not seal the next one. So where those who could go on are
down, or sealed the block before, nobody can: all heads have the same number, and not the same hash. One of the two has
to drop its block and take the other's. Nothing that a majority stood behind is lost by it.

Only its own institution can make a validator do so, over the node's socket, and knows of the others no more than that
they are connected. If both gave way at once they would meet again, so each waits for another while.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Protocol

from medshare.chain.wire import NodeError
from medshare.model.ids import Address
from medshare.network.asking import Head
from medshare.network.members import MemberFile, ValidatorNode

_PERIODS = 5
_LEAST_SECONDS = 10.0
_WIGGLE = 0.5
"""Seconds, for each signer of a majority, that Clique lets pass at most before a block is sealed out of turn."""
_FOLLOW_SECONDS = 60.0
_LOOK_EVERY = 0.2

_log = logging.getLogger(__name__)


class SealingNode(Protocol):
    """A validator of one's own."""

    def head(self) -> Head:
        """Return the newest block."""

    def peers(self) -> frozenset[str]:
        """Return the public keys of the nodes that it is connected with."""

    def is_sealing(self) -> bool:
        """Whether it seals blocks when it may."""

    def seal(self, signer: Address, *, free_gas: bool) -> None:
        """Begin to seal."""

    def pause(self) -> None:
        """Seal no more."""

    def rewind(self, number: int) -> None:
        """Drop the blocks after one."""

    def reconnect(self, enodes: Iterable[str]) -> None:
        """Meet other nodes anew."""

    def transactions(self, number: int) -> list[str]:
        """Return the signed transactions of a block."""

    def resend(self, transaction: str) -> None:
        """Send a signed transaction."""


class Movement(StrEnum):
    """Whether a validator sees blocks come, and if not, what is to be done."""

    MOVES = "blocks come"
    PAUSED = "it does not seal"
    TOO_FEW = "too few validators are connected"
    ANOTHERS = "the newest block is another's, who may give way"
    OWN = "the newest block is its own: it may give way"


def patience(members: MemberFile) -> float:
    """Return the seconds within which a block comes, where enough validators run."""
    return max(_LEAST_SECONDS, _PERIODS * members.block_period + _WIGGLE * members.confirmations)


def find_movement(
    node: SealingNode,
    validator: ValidatorNode,
    members: MemberFile,
    *,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Movement:
    """Return whether blocks come, after once or twice ``patience`` where none does; see ``SealingNode`` for ``node``.

    Raises:
        LedgerUnavailableError: the node does not answer.
    """
    if not node.is_sealing():
        return Movement.PAUSED
    first = node.head()
    most = patience(members)
    # By chance, so that two that wait for each other do not give way together.
    deadline = monotonic() + most + secrets.randbelow(round(most * 1000)) / 1000
    while monotonic() < deadline:
        sleep(_LOOK_EVERY)
        if node.head().number > first.number:
            return Movement.MOVES
    partners = {other.node_key for other in members.validators if other != validator}
    if len(partners & node.peers()) + 1 < members.confirmations:
        return Movement.TOO_FEW
    return Movement.OWN if first.sealer == validator.signer else Movement.ANOTHERS


def give_way(
    node: SealingNode,
    validator: ValidatorNode,
    members: MemberFile,
    *,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> bool:
    """Have a validator drop its newest block, take the one that others have in its place, and seal on.

    What was in its block is sent again. Where nobody has another block it seals one anew.

    Returns:
        Whether it follows others now.

    Raises:
        LedgerUnavailableError: the node does not answer any more. Repeat it: it may have been left not sealing.
    """
    head = node.head()
    dropped = node.transactions(head.number)
    try:
        node.pause()  # else it would seal the same number again at once
        node.rewind(head.number - 1)
        # geth takes a partner to be at the block before the last that he sent; who meets anew says where he is.
        node.reconnect(other.enode for other in members.validators if other != validator)
        deadline = monotonic() + _FOLLOW_SECONDS
        while not (follows := node.head().number >= head.number) and monotonic() < deadline:
            sleep(_LOOK_EVERY)
        _resend(node, dropped)
    finally:
        node.seal(validator.signer, free_gas=members.free_gas)
    _log.warning("%s has given way at block %d", validator.name, head.number)
    return follows


def _resend(node: SealingNode, transactions: Sequence[str]) -> None:
    for transaction in transactions:
        with suppress(NodeError):  # it is in the other block as well, or in the pool still
            node.resend(transaction)
