"""Who may act for a patient, as ``ports.AuthorityLedger``: the other half of the contract ConsentRegistry."""

from __future__ import annotations

from collections.abc import Sequence

from medshare.chain.client import ChainClient
from medshare.chain.codec import (
    address_word,
    decode_bool,
    decode_control,
    decode_delegation,
    decode_guardianship,
    digest_word,
    encode_recovery,
    pack_delegation_request,
    selector,
    word,
    words,
)
from medshare.chain.transactions import TransactionSender
from medshare.errors import InvalidInputError
from medshare.model.approvals import line_up
from medshare.model.delegation import Circle, Control, Delegation, DelegationRequest, Guardianship
from medshare.model.events import BlockRef
from medshare.model.ids import Address
from medshare.model.typed_data import SignedMessage
from medshare.ports import Receipt, Signer

CONTRACT = "ConsentRegistry"
_MAX_DELAY = (1 << 32) - 1


class AuthorityAdapter:
    """Speaks to a deployed ConsentRegistry about who acts for whom.

    Every method raises ``LedgerUnavailableError`` where the node fails, and writing raises as
    ``TransactionSender.send``.
    """

    def __init__(self, client: ChainClient, sender: TransactionSender, address: Address) -> None:
        self._client = client
        self._sender = sender
        self.address = address

    # ---------------------------------------------------------------------------------------- delegates

    def appoint(self, signer: Signer, patient: Address, request: DelegationRequest) -> Receipt:
        """Let somebody act for a patient, or change what he may do, as the one in control of the patient.

        Raises:
            NotAllowedToActError: the signer is not in control of the patient.
            DelegateInvalidError, DelegationScopeError, DelegationPeriodEmptyError: the appointment cannot be.
            AuthorityExhaustedError: there can be no more appointments of this delegate, or of this patient.
        """
        data = (
            selector(CONTRACT, "appoint(address,address,uint256)")
            + address_word(patient)
            + address_word(request.delegate)
            + pack_delegation_request(request)
        )
        return self._sender.send(signer, to=self.address, data=data)

    def dismiss(self, signer: Signer, patient: Address, delegate: Address) -> Receipt:
        """Dismiss a delegate, or resign as the delegate; raises ``NotAllowedToActError``."""
        data = selector(CONTRACT, "dismiss(address,address)") + address_word(patient) + address_word(delegate)
        return self._sender.send(signer, to=self.address, data=data)

    # ----------------------------------------------------------------------------------------- recovery

    def name_guardians(self, signer: Signer, patient: Address, circle: bytes, delay: int) -> Receipt:
        """Name those who together can give the patient a new key.

        Args:
            signer: the one in control of the patient.
            patient: for whom.
            circle: ``Circle.digest``; zeros for nobody.
            delay: seconds in which the patient can object to a recovery.

        Raises:
            NotAllowedToActError: the signer is not in control of the patient.
            DelayOutOfRangeError: the delay is shorter than a day or longer than ninety.
            InvalidInputError: it is no number that the chain could hold.
        """
        if not 0 <= delay <= _MAX_DELAY:
            raise InvalidInputError("a delay is a number of seconds")
        data = (
            selector(CONTRACT, "nameGuardians(address,bytes32,uint32)")
            + address_word(patient)
            + digest_word(circle)
            + word(delay)
        )
        return self._sender.send(signer, to=self.address, data=data)

    def propose_recovery(self, payer: Signer, circle: Circle, approvals: Sequence[SignedMessage]) -> Receipt:
        """Propose a new key for a patient who lost his, with the signatures of enough guardians.

        Args:
            payer: who sends; anybody may.
            circle: the circle in force.
            approvals: what the guardians signed: all the same ``Recover``.

        Raises:
            CircleInvalidError: it is not the circle in force.
            GuardiansTooFewError: too few of its guardians signed.
            SignatureInvalidError, DeadlinePassedError: a signature is wrong, for another attempt, or comes too late.
            ControllerInvalidError: the new key cannot take over.
            AuthorityExhaustedError: the patient's control moved as often as it can.
            InvalidInputError: the approvals are not of one recovery, or of somebody else than the guardians.
        """
        message, signatures = line_up(circle, approvals)
        data = selector(CONTRACT, "proposeRecovery(address,address,(address[],uint8,bytes32),uint32,bytes[])")
        data += encode_recovery(message.patient, message.controller, circle, message.deadline, signatures)
        return self._sender.send(payer, to=self.address, data=data)

    def object_to_recovery(self, signer: Signer, patient: Address) -> Receipt:
        """Object to the recovery that is proposed; raises ``NotAllowedToActError`` and ``NoRecoveryError``."""
        data = selector(CONTRACT, "objectToRecovery(address)") + address_word(patient)
        return self._sender.send(signer, to=self.address, data=data)

    def complete_recovery(self, payer: Signer, patient: Address) -> Receipt:
        """Complete a recovery to which nobody objected in time; anybody may send.

        Raises:
            NoRecoveryError: none is proposed.
            RecoveryTooEarlyError: the patient can still object.
        """
        data = selector(CONTRACT, "completeRecovery(address)") + address_word(patient)
        return self._sender.send(payer, to=self.address, data=data)

    # -------------------------------------------------------------------------------------------- reads

    def controller_of(self, patient: Address, *, block: BlockRef) -> Control:
        """Return who is in control of a patient."""
        data = selector(CONTRACT, "controllerOf(address)") + address_word(patient)
        return decode_control(self._client.call(self.address, data, block=block))

    def delegation(self, patient: Address, delegate: Address, *, block: BlockRef) -> Delegation:
        """Return a delegation as it stands, in force or not; its epoch is 0 where nobody was ever appointed."""
        data = selector(CONTRACT, "getDelegation(address,address)") + address_word(patient) + address_word(delegate)
        return decode_delegation(patient, delegate, self._client.call(self.address, data, block=block))

    def may_act(self, delegation: Delegation, *, block: BlockRef) -> bool:
        """Return the contract's own answer at that block's time: may the delegate do all that ``delegation`` names?"""
        data = (
            selector(CONTRACT, "isDelegate(address,address,uint8,uint16)")
            + address_word(delegation.patient)
            + address_word(delegation.delegate)
            + word(int(delegation.verbs))
            + word(int(delegation.purposes))
        )
        (may,) = words(self._client.call(self.address, data, block=block), 1)
        return decode_bool(may)

    def guardianship(self, patient: Address, *, block: BlockRef) -> Guardianship:
        """Return what stands about a patient's guardians, as it was written down last: ask it ``at`` a time."""
        data = selector(CONTRACT, "getGuardianship(address)") + address_word(patient)
        return decode_guardianship(self._client.call(self.address, data, block=block))
