"""Access requests and their escrow in memory. Tokens are names: what an account has of them it was given."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.errors import InsufficientFundsError, InvalidInputError, TransactionFailedError, WrongDomainError
from medshare.model.events import BlockRef, EventPlace, RequestOpened
from medshare.model.ids import Address, BundleId, RequestId
from medshare.model.request import NATIVE, Acceptance, AccessRequest, Periods, RequestTerms, Reservation, Split
from medshare.model.signatures import recover
from medshare.ports import OpenedRequest, Receipt, Signer
from medshare.testing.chain import InMemoryChain


@dataclass(frozen=True, slots=True)
class InMemoryRequests:
    """The contract AccessRequests, without its money."""

    chain: InMemoryChain

    @property
    def address(self) -> Address:
        """The contract's own."""
        return self.chain.model.escrow

    def open(self, signer: Signer, terms: RequestTerms, *, intent: str | None = None) -> OpenedRequest:
        """Open a request and deposit all its rewards."""
        receipt = self.chain.mine_once(
            signer.address, intent, terms, lambda place: self._open(signer.address, terms, place)
        )
        (opened,) = self.chain.events_of(receipt, RequestOpened)
        return OpenedRequest(request_id=opened.request.request_id, receipt=receipt)

    def _open(self, requester: Address, terms: RequestTerms, place: EventPlace) -> tuple[RequestOpened]:
        chain, due = self.chain, terms.budget
        has = chain.balance(requester, terms.token, chain.head())
        if terms.token == NATIVE and has < due:
            raise InsufficientFundsError(requester)
        # What the contract refuses it refuses before it asks the token.
        chain.state_at(chain.head()).open_request(requester, terms, place)
        if terms.token != NATIVE:
            allowed = chain.allowances.get((requester, terms.token), 0)
            if min(has, allowed) < due:
                raise TransactionFailedError("(not sent)", "the token refuses")
            chain.allowances[requester, terms.token] = allowed - due
        return chain.model.open_request(requester, terms, place)

    def approve_study(self, signer: Signer, request_id: RequestId) -> Receipt:
        """Approve a study on open call."""
        return self.chain.mine(lambda place: self.chain.model.approve_study(signer.address, request_id, place))

    def cancel(self, signer: Signer, request_id: RequestId) -> Receipt:
        """End a request for those who have not accepted."""
        return self.chain.mine(lambda place: self.chain.model.cancel_request(signer.address, request_id, place))

    def return_unearned(
        self,
        payer: Signer,  # noqa: ARG002 - anybody may
        request_id: RequestId,
    ) -> Receipt:
        """Give back what was not earned by the deadline."""
        return self.chain.mine(lambda place: self.chain.model.return_unearned(request_id, place))

    def accept(
        self, payer: Signer, request_id: RequestId, acceptance: Acceptance, *, intent: str | None = None
    ) -> Receipt:
        """Accept a request by a patient's signature."""
        signed, domain = acceptance.signed, self.chain.domains[acceptance.grant.contract]
        if signed.domain != domain:
            raise WrongDomainError(domain, signed.domain)
        valid = recover(signed.digest, signed.signature) == signed.signer
        return self.chain.mine_once(
            payer.address,
            intent,
            (request_id, acceptance),
            lambda place: self.chain.model.accept(request_id, acceptance, place, valid=valid),
        )

    def deliver(
        self,
        signer: Signer,
        request_id: RequestId,
        patient: Address,
        content: bytes,
        bundle: BundleId,
        score: int,
        *,
        intent: str | None = None,
    ) -> Receipt:
        """State that what was granted can be fetched."""
        return self.chain.mine_once(
            signer.address,
            intent,
            (request_id, patient, content, bundle, score),
            lambda place: self.chain.model.deliver(signer.address, request_id, patient, content, bundle, score, place),
        )

    def decline(self, signer: Signer, request_id: RequestId, patient: Address) -> Receipt:
        """State that there is nothing to deliver."""
        return self.chain.mine(lambda place: self.chain.model.decline(signer.address, request_id, patient, place))

    def confirm(self, signer: Signer, request_id: RequestId, patient: Address) -> Receipt:
        """Confirm a delivery."""
        return self.chain.mine(lambda place: self.chain.model.confirm(signer.address, request_id, patient, place))

    def dispute(self, signer: Signer, request_id: RequestId, patient: Address, reason: bytes) -> Receipt:
        """Dispute a delivery."""
        return self.chain.mine(
            lambda place: self.chain.model.dispute(signer.address, request_id, patient, reason, place)
        )

    def release(
        self,
        payer: Signer,  # noqa: ARG002 - anybody may
        request_id: RequestId,
        patient: Address,
    ) -> Receipt:
        """Pay a reward that nobody disputed or decided in time."""
        return self.chain.mine(lambda place: self.chain.model.release_reward(request_id, patient, place))

    def request(self, request_id: RequestId, *, block: BlockRef) -> AccessRequest:
        """Return a request as it stands."""
        return self.chain.state_at(block).request(request_id)

    def reservation(self, request_id: RequestId, patient: Address, *, block: BlockRef) -> Reservation:
        """Return a patient's part in a request."""
        return self.chain.state_at(block).reservation(request_id, patient)


@dataclass(frozen=True, slots=True)
class InMemoryEscrow:
    """What AccessRequests holds, and what accounts have themselves."""

    chain: InMemoryChain

    def withdraw(self, signer: Signer, account: Address, token: Address, to: Address) -> Receipt:
        """Withdraw all of an account's credit in one token."""
        return self.chain.mine(lambda place: self.chain.model.withdraw(signer.address, account, token, to, place))

    def credit(self, account: Address, token: Address, *, block: BlockRef) -> int:
        """Return what an account can withdraw."""
        return self.chain.state_at(block).credit(account, token)

    def withdrawals(self, account: Address, *, block: BlockRef) -> int:
        """Return how often an account has withdrawn."""
        return self.chain.state_at(block).withdrawals(account)

    def split(self, category: int, *, block: BlockRef) -> Split | None:
        """Return how rewards of a category are divided now."""
        return self.chain.state_at(block).split(category)

    def periods(self, *, block: BlockRef) -> Periods:
        """Return the periods of a request that opens now."""
        return self.chain.state_at(block).periods

    def is_token_allowed(self, token: Address, *, block: BlockRef) -> bool:
        """Return whether new requests may pay in this token."""
        return self.chain.state_at(block).is_token_allowed(token)

    def allow(self, signer: Signer, token: Address, amount: int) -> Receipt:
        """Let the escrow take so much of the signer's tokens."""
        if token == NATIVE:
            raise InvalidInputError("the chain's own coin is sent along; nothing must be allowed before")
        receipt = self.chain.mine()
        self.chain.allowances[signer.address, token] = amount
        return receipt

    def balance(self, account: Address, token: Address, *, block: BlockRef) -> int:
        """Return what an account has itself."""
        return self.chain.balance(account, token, block)
