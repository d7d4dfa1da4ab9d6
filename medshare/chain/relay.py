"""Sending what others have signed, as ``ports.Relay``: one by its signed verb, several of one contract in a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medshare.chain.client import ChainClient
from medshare.chain.several_calls import SeveralCalls
from medshare.chain.signed_calls import encode_batch, encode_signed
from medshare.chain.transactions import TransactionSender
from medshare.errors import InvalidInputError, WrongDomainError
from medshare.model.eip712 import Domain
from medshare.model.ids import Address
from medshare.model.typed_data import SignedMessage
from medshare.ports import CallOutcome, Rehearsal, Signer


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
    ) -> tuple[CallOutcome, ...]:
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
        return self._several(contract).send(payer, calls, intent=intent)

    def rehearse(self, payer: Address, signed: Sequence[SignedMessage]) -> Rehearsal:
        """Return what would become of messages of one contract that ``payer`` sent now. Nothing is sent.

        Raises:
            TransactionFailedError: one fails without saying why, and with it the whole.
            LedgerUnavailableError: the chain could not be asked.
            WrongDomainError, InvalidInputError, NotRelayableError: as for sending.
        """
        contract, calls = self._calls(signed)
        refusals = self._several(contract).refusals(payer, calls)
        good = [call for call, refusal in zip(calls, refusals, strict=True) if refusal is None]
        if not good:
            return Rehearsal(refusals=refusals, gas=0)
        data = good[0] if len(good) == 1 else encode_batch(contract, good)
        gas = self._client.estimate_gas(sender=payer, to=self._addresses[contract], data=data)
        return Rehearsal(refusals=refusals, gas=gas)

    def _several(self, contract: str) -> SeveralCalls:
        return SeveralCalls(self._client, self._sender, contract, self._addresses[contract])

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
