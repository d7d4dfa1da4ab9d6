"""A relay in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from medshare.errors import InvalidInputError, LedgerError, RejectedError, WrongDomainError
from medshare.model.events import EventPlace, LedgerEvent
from medshare.model.ids import Address
from medshare.model.ledger import LedgerModel
from medshare.model.signatures import recover
from medshare.model.typed_data import SignedMessage
from medshare.ports import CallOutcome, Rehearsal, Signer
from medshare.testing.chain import InMemoryChain

_GAS_OF_ONE = 50_000


class InMemoryRelay:
    """Keys sign here, contract wallets do not: there are no contracts but ours."""

    def __init__(self, chain: InMemoryChain) -> None:
        self._chain = chain
        self._sent: dict[str, tuple[CallOutcome, ...]] = {}

    def __call__(
        self,
        payer: Signer,
        signed: Sequence[SignedMessage],
        *,
        intent: str | None = None,
    ) -> tuple[CallOutcome, ...]:
        """Take messages of one contract in one block; return what became of each."""
        if intent is not None and intent in self._sent:
            return self._sent[intent]
        refusals = self.rehearse(payer.address, signed).refusals
        if all(refusals):
            if len(signed) == 1 and refusals[0] is not None:
                raise refusals[0]
            return tuple(CallOutcome(receipt=None, refusal=refusal) for refusal in refusals)
        told: list[LedgerError | None] = []
        receipt = self._chain.mine(lambda place: self._take(self._chain.model, signed, place, told))
        outcomes = tuple(CallOutcome(receipt=receipt, refusal=refusal) for refusal in told)
        if intent is not None:
            self._sent[intent] = outcomes
        return outcomes

    def rehearse(
        self,
        payer: Address,  # noqa: ARG002 - who pays makes no difference here
        signed: Sequence[SignedMessage],
    ) -> Rehearsal:
        """Return what would become of them now; nothing is mined."""
        contracts = {one.message.contract for one in signed}
        if len(contracts) != 1:
            raise InvalidInputError("one transaction carries messages of one contract, and at least one message")
        for one in signed:
            if one.domain != self._chain.domains[one.message.contract]:
                raise WrongDomainError(self._chain.domains[one.message.contract], one.domain)
        head = self._chain.head()
        told: list[LedgerError | None] = []
        place = EventPlace(block=head, log_index=0, tx_hash=bytes(len(head.hash)))
        self._take(self._chain.state_at(head), signed, place, told)
        return Rehearsal(refusals=tuple(told), gas=_GAS_OF_ONE * told.count(None))

    def _take(
        self, model: LedgerModel, signed: Sequence[SignedMessage], place: EventPlace, told: list[LedgerError | None]
    ) -> list[LedgerEvent]:
        """Let the model take each message; add to ``told`` why it refused it, or None."""
        events: list[LedgerEvent] = []
        for one in signed:
            try:
                valid = recover(one.digest, one.signature) == one.signer
                here = replace(place, log_index=len(events))
                events += model.relay(one.message, one.signer, here, valid=valid)
                told.append(None)
            except RejectedError as error:
                told.append(error)
        return events
