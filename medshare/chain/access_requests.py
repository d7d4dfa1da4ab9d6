"""The contract AccessRequests, as ``ports.RequestLedger``; its money is in ``medshare.chain.escrow``."""

from __future__ import annotations

from medshare.chain.client import ChainClient
from medshare.chain.codec import address_word, digest_word, selector
from medshare.chain.events import told
from medshare.chain.request_codec import decode_request, decode_reservation, encode_accepting, encode_terms
from medshare.chain.transactions import TransactionSender
from medshare.errors import WrongDomainError
from medshare.model.eip712 import Domain, encode_word
from medshare.model.events import BlockRef, RequestOpened
from medshare.model.ids import Address, BundleId, RequestId
from medshare.model.request import NATIVE, Acceptance, AccessRequest, RequestTerms, Reservation
from medshare.ports import OpenedRequest, Receipt, Signer

CONTRACT = "AccessRequests"
_OPEN = "open((uint16,uint8,uint16,uint32,uint16,address,uint128,bytes32,bytes32,uint8,uint16,uint16))"
_ACCEPT = "accept(uint256,(address,address,bytes32,bytes32,uint256,uint256,bytes),(bytes32,bytes32[]))"


class AccessRequestsAdapter:
    """Speaks to a deployed AccessRequests.

    Every method raises ``LedgerUnavailableError`` where the node fails, and writing raises as
    ``TransactionSender.send``; ``UnknownRequestError`` where there is no such request.

    Args:
        client: the chain.
        sender: who sends, and remembers.
        address: the contract's own.
        consents: the ConsentRegistry, for which patients sign.
    """

    def __init__(self, client: ChainClient, sender: TransactionSender, address: Address, consents: Address) -> None:
        self._client = client
        self._sender = sender
        self._consents = consents
        self.address = address

    def open(self, signer: Signer, terms: RequestTerms, *, intent: str | None = None) -> OpenedRequest:
        """Open a request and deposit all its rewards, as an accredited researcher.

        Raises:
            RequestNotAccreditedError: the signer is not accredited as a researcher now.
            RequestTermsInvalidError, RequestCategoryUnknownError: the terms cannot be.
            TokenNotAllowedError, AmountMismatchError: the token cannot be used here, or takes a fee.
            InsufficientFundsError: the signer has not so many coins.
            TokenFailedError, TransactionFailedError: the token refused: allow it first, or get more of it.
        """
        data = selector(CONTRACT, _OPEN) + encode_terms(terms)
        value = terms.budget if terms.token == NATIVE else 0
        receipt = self._sender.send(signer, to=self.address, data=data, value=value, intent=intent)
        opened = told(self._client, self.address, CONTRACT, RequestOpened, receipt)
        return OpenedRequest(request_id=opened.request.request_id, receipt=receipt)

    def approve_study(self, signer: Signer, request_id: RequestId) -> Receipt:
        """Approve a study of another on open call, as an accredited ethics committee.

        Raises:
            RequestNotAccreditedError, RequestNotAllowedError: the signer is no such committee, or it is his own study.
            RequestNotOpenError: it does not await approval.
        """
        return self._send(signer, "approveStudy(uint256)", _id(request_id))

    def cancel(self, signer: Signer, request_id: RequestId) -> Receipt:
        """End a request for those who have not accepted, as its requester.

        Raises:
            RequestNotAllowedError: the signer is not its requester.
            RequestNotOpenError, RequestDeadlinePassedError: it ended before.
        """
        return self._send(signer, "cancel(uint256)", _id(request_id))

    def return_unearned(self, payer: Signer, request_id: RequestId) -> Receipt:
        """Give back what was not earned by the deadline; raises ``RequestTooEarlyError``, ``NothingToReturnError``."""
        return self._send(payer, "returnUnearned(uint256)", _id(request_id))

    def accept(
        self, payer: Signer, request_id: RequestId, acceptance: Acceptance, *, intent: str | None = None
    ) -> Receipt:
        """Accept a request by a patient's signature: grant, and reserve the reward; anybody may send.

        Raises:
            RequestNotOpenError, RequestDeadlinePassedError, RequestUsedUpError: nobody can accept it now.
            NotInvitedError, ReservedAlreadyError: the patient is not asked, or has accepted.
            GrantUnfitError: what was signed is not what is asked for.
            SignatureInvalidError, SignedOutdatedError, DeadlinePassedError: as for a signed grant.
            WrongDomainError: it was signed for another chain or ConsentRegistry.
            InvalidInputError: it is no grant that was signed.
        """
        ours = Domain.of(acceptance.grant.contract, self._client.chain_id, self._consents)
        if acceptance.signed.domain != ours:
            raise WrongDomainError(ours, acceptance.signed.domain)
        data = selector(CONTRACT, _ACCEPT) + encode_accepting(request_id, acceptance)
        return self._sender.send(payer, to=self.address, data=data, intent=intent)

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
        """State that what was granted can be fetched, as the accredited custodian whom the patient named.

        ``score`` is the lowest that is attested of it, 0 where nothing is.

        Raises:
            ReservationNotError: there is nothing to deliver.
            RequestNotAllowedError, RequestNotAccreditedError: the signer is another, or not accredited now.
            RequestDeadlinePassedError, GrantNotLiveError: it is too late, or the patient has revoked.
            ScoreUnfitError: it is not as good as the request asks for.
            InvalidInputError: the score is none.
        """
        named = _id(request_id) + address_word(patient) + digest_word(content) + digest_word(bundle)
        arguments = named + encode_word("uint8", score, "score")
        return self._send(signer, "deliver(uint256,address,bytes32,bytes32,uint8)", arguments, intent)

    def decline(self, signer: Signer, request_id: RequestId, patient: Address) -> Receipt:
        """State that there is nothing to deliver, as the custodian whom the patient named.

        Raises:
            ReservationNotError, RequestDeadlinePassedError: there is nothing to decline.
            RequestNotAllowedError: the signer is another, and the custodian is accredited.
        """
        return self._send(signer, "decline(uint256,address)", _id(request_id) + address_word(patient))

    def confirm(self, signer: Signer, request_id: RequestId, patient: Address) -> Receipt:
        """Confirm a delivery, as the requester; raises ``RequestNotAllowedError`` and ``ReservationNotError``."""
        return self._send(signer, "confirm(uint256,address)", _id(request_id) + address_word(patient))

    def dispute(self, signer: Signer, request_id: RequestId, patient: Address, reason: bytes) -> Receipt:
        """Dispute a delivery, as the requester; ``reason`` is a salted digest.

        Raises:
            ReservationNotError, RequestDeadlinePassedError: there is nothing to dispute, or it is too late.
            RequestNotAllowedError: the signer is another.
        """
        arguments = _id(request_id) + address_word(patient) + digest_word(reason)
        return self._send(signer, "dispute(uint256,address,bytes32)", arguments)

    def release(self, payer: Signer, request_id: RequestId, patient: Address) -> Receipt:
        """Pay a reward that nobody disputed or decided in time.

        Raises:
            ReservationNotError: there is nothing to pay.
            RequestTooEarlyError: its time has not come.
        """
        return self._send(payer, "release(uint256,address)", _id(request_id) + address_word(patient))

    def request(self, request_id: RequestId, *, block: BlockRef) -> AccessRequest:
        """Return a request as it stands; raises ``UnknownRequestError``."""
        data = selector(CONTRACT, "getRequest(uint256)") + _id(request_id)
        return decode_request(request_id, self._client.call(self.address, data, block=block))

    def reservation(self, request_id: RequestId, patient: Address, *, block: BlockRef) -> Reservation:
        """Return a patient's part in a request; empty where he has none."""
        data = selector(CONTRACT, "getReservation(uint256,address)") + _id(request_id) + address_word(patient)
        return decode_reservation(self._client.call(self.address, data, block=block))

    def _send(self, signer: Signer, function: str, arguments: bytes, intent: str | None = None) -> Receipt:
        data = selector(CONTRACT, function) + arguments
        return self._sender.send(signer, to=self.address, data=data, intent=intent)


def _id(request_id: RequestId) -> bytes:
    return encode_word("uint256", request_id, "request")
