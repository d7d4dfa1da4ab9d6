"""Several calls of one contract in one transaction, by its verb ``batch``.

What became of each is read from the transaction's own logs: the contract tells ``CallRefused`` for each that it
refused, with the error that the call alone would have met.
"""

from __future__ import annotations

from collections.abc import Sequence

from medshare.chain.client import ChainClient
from medshare.chain.codec import WORD, decode_bools, decode_bytes, hex_bytes
from medshare.chain.logs import topic_of
from medshare.chain.reverts import NOT_SENT, decode_revert
from medshare.chain.signed_calls import encode_batch
from medshare.chain.transactions import TransactionSender
from medshare.chain.wire import translated
from medshare.errors import LedgerError, LedgerUnavailableError, RejectedError, TransactionFailedError
from medshare.model.ids import Address
from medshare.ports import CallOutcome, Receipt, Signer


class SeveralCalls:
    """Sends several calls of one contract in one transaction.

    Args:
        client: the chain.
        sender: who sends, and remembers.
        contract: the contract's name.
        address: where it is.
    """

    def __init__(self, client: ChainClient, sender: TransactionSender, contract: str, address: Address) -> None:
        self._client = client
        self._sender = sender
        self._contract = contract
        self._address = address

    def send(self, payer: Signer, calls: Sequence[bytes], *, intent: str | None = None) -> tuple[CallOutcome, ...]:
        """Send them and return what became of each, in their order; where all would be refused, send nothing.

        Args:
            payer: who sends.
            calls: at least one.
            intent: as for ``TransactionSender.send``. Repeated, the same calls have the same outcomes.

        Raises:
            RejectedError: there is one call only, and the contract refuses it.
            LedgerError: as ``TransactionSender.send``.
        """
        if len(calls) == 1:
            receipt = self._sender.send(payer, to=self._address, data=calls[0], intent=intent)
            return (CallOutcome(receipt=receipt, refusal=None),)
        if intent is None or not self._sender.has_sent(payer.address, intent):
            refusals = self.refusals(payer.address, calls)
            if all(refusals):
                return tuple(CallOutcome(receipt=None, refusal=refusal) for refusal in refusals)
        data = encode_batch(self._contract, calls)
        receipt = self._sender.send(payer, to=self._address, data=data, intent=intent)
        told = self._told(receipt)
        return tuple(CallOutcome(receipt=receipt, refusal=told.get(at)) for at in range(len(calls)))

    def refusals(self, payer: Address, calls: Sequence[bytes]) -> tuple[LedgerError | None, ...]:
        """Return why the contract would refuse each call now, together and in this order; None where it would not.

        Raises:
            TransactionFailedError: one fails without saying why, and with it the whole.
            LedgerUnavailableError: the chain could not be asked.
        """
        if len(calls) == 1:
            return (self._refusal(payer, calls[0]),)
        answer = self._client.call(self._address, encode_batch(self._contract, calls), sender=payer)
        done = decode_bools(answer, len(calls))
        return tuple(
            None if passes else self._refusal(payer, call) or _in_the_way()
            for call, passes in zip(calls, done, strict=True)
        )

    def _refusal(self, payer: Address, call: bytes) -> LedgerError | None:
        try:
            self._client.call(self._address, call, sender=payer)
        except RejectedError as error:
            return error
        return None

    def _told(self, receipt: Receipt) -> dict[int, LedgerError]:
        """Return what the transaction's own logs tell of the calls that were refused, by their place."""
        number = receipt.block.number
        logs = self._client.logs([self._address], [topic_of(self._contract, "CallRefused")], number, number)
        refusals = {}
        with translated("eth_getLogs"):
            for log in logs:
                if hex_bytes(log["transactionHash"]) != receipt.tx_hash:
                    continue
                if hex_bytes(log["blockHash"]) != receipt.block.hash:
                    raise LedgerUnavailableError(
                        f"block {number} was replaced while it was read", hint="repeat: nothing is sent twice"
                    )
                place = int.from_bytes(hex_bytes(log["topics"][1], WORD), "big")
                refusals[place] = decode_revert(
                    decode_bytes(hex_bytes(log["data"]), 0, 1), tx_hash="0x" + receipt.tx_hash.hex()
                )
        return refusals


def _in_the_way() -> LedgerError:
    """Return the refusal of a call that would pass alone: what it counts from is used up before it is its turn."""
    return TransactionFailedError(NOT_SENT, "another message that goes before it uses up what it counts from")
