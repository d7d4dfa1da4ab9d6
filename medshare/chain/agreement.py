"""A second node is asked before anything counts: one that lies, or follows another branch, is contradicted.

Asked are a transaction's receipt, its block at the depth at which it is final, the newest block of that depth, and the
code of the contracts; that the second node is on the same chain, down to its first block, is looked at each time. Where
they contradict each other ``EndpointsDisagreeError`` is raised, and nothing is done. Where only one node answers it is
believed, with a warning, unless the profile says ``must_agree``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from medshare.chain.client import ChainClient, MinedReceipt
from medshare.errors import EndpointsDisagreeError, LedgerUnavailableError
from medshare.hashing import keccak256
from medshare.model.events import BlockRef
from medshare.model.ids import Address

logger = logging.getLogger(__name__)


def is_final(client: ChainClient, receipt: MinedReceipt) -> bool:
    """Whether a transaction counts: its block is as deep as the profile wants, and a second node says the same.

    False where it is for waiting: too few confirmations, or the second node is not as far yet.

    Raises:
        EndpointsDisagreeError: the second node has other blocks there, or says something else of the transaction.
        LedgerUnavailableError: the node fails; or no second one answers, and the profile wants two.
    """
    return _is_deep(client, receipt) and _second(client, lambda other, name: _says_so(client, receipt, other, name))


def newest_confirmed(client: ChainClient) -> BlockRef:
    """Return the newest block that is as deep as the profile wants; a second node has the same.

    Raises:
        EndpointsDisagreeError: the second node has another block there.
        LedgerUnavailableError: the node fails, or the second node is not as far yet; or no second one answers, and the
            profile wants two.
    """
    newest = max(client.head().number - client.profile.confirmations + 1, 0)
    if client.profile.finalized:
        newest = min(newest, client.final_head().number)
    block = client.block(newest)
    if not _second(client, lambda other, name: _has_block(client, newest, block.hash, other, name)):
        raise LedgerUnavailableError(f"the second node has not confirmed block {newest} yet")
    return block


def agreed_code(client: ChainClient, account: Address) -> bytes:
    """Return the code at an address, on which two nodes agree; raises as ``is_final``."""
    code = client.code(account)

    def compare(other: ChainClient, name: str) -> bool:
        theirs = other.code(account)
        if theirs != code:
            said = (_code_words(code), _code_words(theirs))
            raise EndpointsDisagreeError(f"the code at {account}", (_name(client), name), said)
        return True

    _second(client, compare)
    return code


def _says_so(client: ChainClient, receipt: MinedReceipt, other: ChainClient, name: str) -> bool:
    if not _has_block(client, receipt.block_number, receipt.block_hash, other, name):
        return False
    theirs = other.receipt(receipt.tx_hash)
    if theirs != receipt:
        what = f"transaction 0x{receipt.tx_hash.hex()}"
        said = (_receipt_words(receipt), _receipt_words(theirs))
        raise EndpointsDisagreeError(what, (_name(client), name), said)
    return True


def _has_block(client: ChainClient, number: int, block_hash: bytes, other: ChainClient, name: str) -> bool:
    """Whether another node has confirmed a block; raises where it has another one there."""
    if not _has_reached(other, number):
        return False
    theirs = other.block(number).hash
    if theirs != block_hash:
        said = ("0x" + block_hash.hex(), "0x" + theirs.hex())
        raise EndpointsDisagreeError(f"block {number}", (_name(client), name), said)
    return True


def _is_deep(client: ChainClient, receipt: MinedReceipt) -> bool:
    """Whether a node's chain has gone on far enough above a transaction, and still has its block."""
    number = receipt.block_number
    if client.profile.confirmations == 1 and not client.profile.finalized:
        # geth tells a receipt a moment before its block is the newest: who asks then is told how it was before.
        return client.head().number >= number
    # The chain may have been reorganised between the two answers.
    return _has_reached(client, number) and client.block(number).hash == receipt.block_hash


def _has_reached(client: ChainClient, number: int) -> bool:
    """Whether a node's chain has gone on as far above a block as the profile wants."""
    depth = client.profile.confirmations
    if client.profile.finalized and client.final_head().number < number:
        logger.info("block %d is not final yet", number)
        return False
    reached = client.head().number - number + 1
    if reached < depth:
        logger.info("block %d has %d of %d confirmations", number, reached, depth)
        return False
    return True


def _second(client: ChainClient, ask: Callable[[ChainClient, str], bool]) -> bool:
    """Return what the first other node that answers makes of it; True where there is none that could be asked."""
    if client.endpoints is None:
        return True
    for other, name in _others(client):
        try:
            return ask(other, name)
        except LedgerUnavailableError as error:
            logger.warning("node %s cannot be asked for a second answer: %s", name, error)
    if client.profile.must_agree:
        raise LedgerUnavailableError(
            f"no second node of network {client.profile.name!r} answers, and nothing counts before two agree",
            hint="start another node; or set must_agree = false to believe one alone meanwhile",
        )
    logger.warning("only node %s answers: nothing contradicts it", _name(client))
    return True


def _others(client: ChainClient) -> Iterator[tuple[ChainClient, str]]:
    if client.endpoints is not None:
        for name, provider in client.endpoints.others():
            yield ChainClient(client.profile, provider), name


def _name(client: ChainClient) -> str:
    return client.profile.endpoint if client.endpoints is None else client.endpoints.name


def _code_words(code: bytes) -> str:
    return f"{len(code)} bytes, 0x{keccak256(code).hex()[:16]}…" if code else "nothing"


def _receipt_words(receipt: MinedReceipt | None) -> str:
    if receipt is None:
        return "is not mined"
    return f"{'succeeded' if receipt.succeeded else 'failed'} in block {receipt.block_number}, {receipt.gas_used} gas"
