"""Sending what others have signed, as ``ports.Relay``: one by its signed verb, several of one contract in a batch.

What became of each message of a batch is read from the transaction's own logs: the contract tells ``CallRefused`` for
each that it refused, with the error that the message alone would have met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medshare.chain.client import ChainClient
from medshare.chain.codec import WORD, decode_bools, decode_bytes, hex_bytes
from medshare.chain.logs import topic_of
from medshare.chain.reverts import NOT_SENT, decode_revert
from medshare.chain.signed_calls import encode_batch, encode_signed
from medshare.chain.transactions import TransactionSender
from medshare.chain.wire import translated
from medshare.errors import (
    InvalidInputError,
    LedgerError,
    LedgerUnavailableError,
    RejectedError,
    TransactionFailedError,
    WrongDomainError,
)
from medshare.model.eip712 import Domain
from medshare.model.ids import Address
from medshare.model.typed_data import SignedMessage
from medshare.ports import Receipt, Rehearsal, RelayOutcome, Signer


class ContractRelay:
    """Relays to the contracts of one deployment.

    Args:
        client: the chain.
        sender: who sends, and remembers.
        addresses: the contracts by name.
    """

    def __init__(self, client: ChainClient, sender: TransactionSender, addresses: Mapping[str, Address]) -> None:
        self._client = client
        self._sender = sender
        self._addresses = addresses

    def __call__(
        self, payer: Signer, signed: Sequence[SignedMessage], *, intent: str | None = None
    ) -> tuple[RelayOutcome, ...]:
        """Send messages of one contract in one transaction; return what became of each, in their order.

        Where the contract would refuse every one of them, nothing is sent.

        Args:
            payer: who pays.
            signed: the messages.
            intent: as for ``TransactionSender.send``. Repeated, the same messages have the same outcomes.

        Raises:
            RejectedError: there is one message only, and the contract refuses it.
            WrongDomainError: a message is for another contract or chain.
            InvalidInputError: no message at all, or messages of several contracts.
            NotRelayableError: a message that no verb takes by itself.
            LedgerError: as ``TransactionSender.send``.
        """
        contract, calls = self._calls(signed)
        if len(calls) == 1:
            receipt = self._sender.send(payer, to=self._addresses[contract], data=calls[0], intent=intent)
            return (RelayOutcome(receipt=receipt, refusal=None),)
        if intent is None or not self._sender.has_sent(payer.address, intent):
            refusals = self._refusals(payer.address, contract, calls)
            if all(refusals):
                return tuple(RelayOutcome(receipt=None, refusal=refusal) for refusal in refusals)
        data = encode_batch(contract, calls)
        receipt = self._sender.send(payer, to=self._addresses[contract], data=data, intent=intent)
        told = self._told(contract, receipt)
        return tuple(RelayOutcome(receipt=receipt, refusal=told.get(at)) for at in range(len(calls)))

    def rehearse(self, payer: Address, signed: Sequence[SignedMessage]) -> Rehearsal:
        """Return what would become of messages of one contract that ``payer`` sent now. Nothing is sent.

        Raises:
            TransactionFailedError: one fails without saying why, and with it the whole.
            LedgerUnavailableError: the chain could not be asked.
            WrongDomainError, InvalidInputError, NotRelayableError: as for sending.
        """
        contract, calls = self._calls(signed)
        refusals = self._refusals(payer, contract, calls)
        good = [call for call, refusal in zip(calls, refusals, strict=True) if refusal is None]
        if not good:
            return Rehearsal(refusals=refusals, gas=0)
        data = good[0] if len(good) == 1 else encode_batch(contract, good)
        gas = self._client.estimate_gas(sender=payer, to=self._addresses[contract], data=data)
        return Rehearsal(refusals=refusals, gas=gas)

    def _calls(self, signed: Sequence[SignedMessage]) -> tuple[str, list[bytes]]:
        contracts = {one.message.contract for one in signed}
        if len(contracts) != 1:
            raise InvalidInputError("one transaction carries messages of one contract, and at least one message")
        (contract,) = contracts
        ours = Domain.of(contract, self._client.chain_id, self._addresses[contract])
        for one in signed:
            if one.domain != ours:
                raise WrongDomainError(ours, one.domain)
        return contract, [encode_signed(one) for one in signed]

    def _refusals(self, payer: Address, contract: str, calls: Sequence[bytes]) -> tuple[LedgerError | None, ...]:
        """Return why the contract would refuse each call now, together and in this order; None where it would not."""
        if len(calls) == 1:
            return (self._refusal(payer, contract, calls[0]),)
        answer = self._client.call(self._addresses[contract], encode_batch(contract, calls), sender=payer)
        done = decode_bools(answer, len(calls))
        return tuple(
            None if passes else self._refusal(payer, contract, call) or _in_the_way()
            for call, passes in zip(calls, done, strict=True)
        )

    def _refusal(self, payer: Address, contract: str, call: bytes) -> LedgerError | None:
        try:
            self._client.call(self._addresses[contract], call, sender=payer)
        except RejectedError as error:
            return error
        return None

    def _told(self, contract: str, receipt: Receipt) -> dict[int, LedgerError]:
        """Return what a batch's own logs tell of the calls that were refused, by their place."""
        number = receipt.block.number
        logs = self._client.logs([self._addresses[contract]], [topic_of(contract, "CallRefused")], number, number)
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
