"""The contracts as one pure state machine: the reference they are tested against.

A verb checks the rules, raises the error the contract would, or returns the events the contract would emit, in their
order, and applies them. ``apply`` alone, event by event, rebuilds the same state: that is what an index does. Signed
verbs come in through ``relay``: whether a signature is the signer's is told by the caller, everything else is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from medshare.errors import InvalidInputError, NotRelayableError
from medshare.model.events import (
    AccessDelivered,
    AccessGranted,
    AccessRevoked,
    AccreditationReinstated,
    AccreditationSuspended,
    Accredited,
    ActedFor,
    AllAccessRevoked,
    AttestationWithdrawn,
    BarSet,
    BatchAnchored,
    BatchAttested,
    ConsortiumEvent,
    ControlMoved,
    Credited,
    DelegateAppointed,
    DelegateDismissed,
    DeliveryDeclined,
    DeliveryDisputed,
    EncryptionKeySet,
    EpisodeEnded,
    EpisodeReviewed,
    EscrowEvent,
    EventPlace,
    GlassBroken,
    GuardiansNamed,
    KeysReleased,
    LedgerEvent,
    MemberAdmitted,
    MemberReinstated,
    MemberRemoved,
    MemberSuspended,
    PeriodsSet,
    ProposalExecuted,
    Proposed,
    QualityAttested,
    ReceiptsAnchored,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
    RecoveryObjected,
    RecoveryProposed,
    RegisteredFromBatch,
    RequestCancelled,
    RequestEvent,
    RequestOpened,
    RewardPaid,
    RewardReserved,
    RewardReturned,
    SplitSet,
    StudyApproved,
    TokenAllowed,
    UnearnedReturned,
    Voted,
    VotingRulesSet,
    Withdrawn,
)
from medshare.model.governed import (
    AdmitMember,
    ApproveStudy,
    CancelRequest,
    DecideDispute,
    GovernedCall,
    ReinstateAccreditation,
    ReinstateMember,
    RemoveMember,
    SetPeriods,
    SetSplit,
    SetTokenAllowed,
    SetVotingRules,
    SuspendAccreditation,
    SuspendMember,
    WithdrawTreasury,
    decode_call,
)
from medshare.model.ids import Address, ProposalId
from medshare.model.proposal import VotingRules
from medshare.model.request import Periods, Split
from medshare.model.rules.attestations import AttestationRules
from medshare.model.rules.authority import LAST_COUNT
from medshare.model.rules.consortium import ConsortiumRules
from medshare.model.rules.directory import EncryptionKey
from medshare.model.rules.emergencies import EmergencyRules
from medshare.model.rules.records import LAST_VERSION, RecordRules
from medshare.model.rules.requests import RequestRules
from medshare.model.typed_data import (
    Mandated,
    Signable,
    SignableAnchorBatch,
    SignableAppoint,
    SignableDismiss,
    SignableEndEpisode,
    SignableGrant,
    SignableNameGuardians,
    SignableObjectToRecovery,
    SignableRegister,
    SignableRetract,
    SignableRevoke,
    SignableRevokeAll,
    SignableSetBar,
    SignableSetEncryptionKey,
    SignableSupersede,
    SignableWithdraw,
)

__all__ = ["LAST_COUNT", "LAST_VERSION", "EncryptionKey", "LedgerModel"]


@dataclass
class LedgerModel(ConsortiumRules, RecordRules, EmergencyRules, RequestRules, AttestationRules):
    """State of all contracts, with their verbs."""

    def execute(
        self, caller: Address, proposal_id: ProposalId, call_data: bytes, place: EventPlace
    ) -> tuple[LedgerEvent, ...]:
        """Execute a proposal that has passed. Anybody may; whom it calls is called by the consortium."""
        proposal = self._check_execution(proposal_id, call_data, place.block.time)
        contract = "Consortium" if proposal.target == self.consortium else "AccessRequests"
        call = decode_call(contract, call_data)
        if call is None:
            raise InvalidInputError("the model knows no such call")
        # Performed first: where it is refused, the proposal is as it was.
        done = self._perform(call, place.after())
        executed = ProposalExecuted(place=place, proposal_id=proposal_id, by=caller)
        self.apply(executed)
        return executed, *done

    def _is_governed(self, target: Address) -> bool:
        return target == self.escrow

    def _perform(self, call: GovernedCall, place: EventPlace) -> tuple[LedgerEvent, ...]:
        """Do what was voted for."""
        by = self.consortium
        match call:
            case AdmitMember():
                return self.admit(by, call.member, place)
            case RemoveMember():
                return self.remove(by, call.member, place)
            case SuspendMember():
                return self.suspend(by, call.member, place)
            case ReinstateMember():
                return self.reinstate(by, call.member, place)
            case SetVotingRules():
                rules = VotingRules(quorum=call.quorum, voting_period=call.voting_period)
                return self.set_voting_rules(by, rules, place)
            case SuspendAccreditation():
                return self.suspend_accreditation(by, call.actor, call.kind, place)
            case ReinstateAccreditation():
                return self.reinstate_accreditation(by, call.actor, call.kind, place)
            case _:
                return self._perform_on_requests(call, place)

    def _perform_on_requests(self, call: GovernedCall, place: EventPlace) -> tuple[LedgerEvent, ...]:
        by = self.consortium
        match call:
            case ApproveStudy():
                return self.approve_study(by, call.request_id, place)
            case CancelRequest():
                return self.cancel_request(by, call.request_id, place)
            case DecideDispute():
                return self.decide(by, call.request_id, call.patient, place, paid=call.paid)
            case SetTokenAllowed():
                return self.set_token_allowed(by, call.token, place, allowed=call.allowed)
            case SetSplit():
                return self.set_split(by, call.category, Split(patient=call.patient, custodian=call.custodian), place)
            case SetPeriods():
                periods = Periods(dispute_period=call.dispute_period, decision_period=call.decision_period)
                return self.set_periods(by, periods, place)
            case WithdrawTreasury():
                return self.withdraw(by, call.account, call.token, call.to, place)
            case _:
                raise InvalidInputError(f"the model does not perform {type(call).__name__}")

    def relay(
        self, message: Signable, signer: Address, place: EventPlace, *, valid: bool = True
    ) -> tuple[LedgerEvent, ...]:
        """Do what a signed message asks, sent by anybody.

        Args:
            message: what was signed.
            signer: by whom.
            place: where it happens.
            valid: whether the signature is the signer's for this message.
        """
        match message:
            case SignableSetEncryptionKey():
                return self._set_encryption_key_signed(message, signer, place, valid=valid)
            case SignableRegister() | SignableSupersede() | SignableRetract() | SignableAnchorBatch():
                return self._custodians_word(message, signer, place, valid=valid)
            case SignableEndEpisode():
                return self._end_episode_signed(message, signer, place, valid=valid)
            case SignableSetBar():
                return self._set_bar_signed(message, signer, place, valid=valid)
            case SignableWithdraw():
                return self._withdraw_signed(message, signer, place, valid=valid)
            case Mandated():
                return self._patients_word(message, signer, place, valid=valid)
            case _:
                raise NotRelayableError(f"a signed {message.struct()} does nothing by itself")

    def _patients_word(
        self, message: Mandated, signer: Address, place: EventPlace, *, valid: bool
    ) -> tuple[LedgerEvent, ...]:
        match message:
            case SignableGrant():
                return self._grant_signed(message, signer, place, valid=valid)
            case SignableRevoke():
                return self._revoke_signed(message, signer, place, valid=valid)
            case SignableRevokeAll():
                return self._revoke_all_signed(message, signer, place, valid=valid)
            case SignableAppoint():
                return self._appoint_signed(message, signer, place, valid=valid)
            case SignableDismiss():
                return self._dismiss_signed(message, signer, place, valid=valid)
            case SignableNameGuardians():
                return self._name_guardians_signed(message, signer, place, valid=valid)
            case SignableObjectToRecovery():
                return self._object_signed(message, signer, place, valid=valid)
            case _:
                raise NotRelayableError(f"a signed {message.struct()} does nothing by itself")

    def apply(self, event: LedgerEvent) -> None:
        """Change the state as ``event`` says it changed."""
        match event:
            case EncryptionKeySet():
                self._apply_key(event)
            case RecordRegistered() | RegisteredFromBatch() | RecordSuperseded() | RecordRetracted():
                self._apply_record(event)
            case BatchAnchored():
                self._apply_batch(event)
            case AccessGranted() | AccessRevoked() | AllAccessRevoked():
                self._apply_consent(event)
            case DelegateAppointed() | DelegateDismissed():
                self._apply_delegation(event)
            case ActedFor():
                pass
            case GuardiansNamed() | RecoveryProposed() | RecoveryObjected() | ControlMoved():
                self._apply_recovery(event)
            case GlassBroken() | EpisodeEnded() | KeysReleased() | EpisodeReviewed() | BarSet():
                self._apply_emergency(event)
            case QualityAttested() | BatchAttested() | AttestationWithdrawn() | ReceiptsAnchored():
                self._apply_attestation(event)
            case _:
                self._apply_governing(event)

    def _apply_governing(self, event: ConsortiumEvent | EscrowEvent | RequestEvent) -> None:
        match event:
            case MemberAdmitted() | MemberRemoved() | MemberSuspended() | MemberReinstated():
                self._apply_member(event)
            case Accredited() | AccreditationSuspended() | AccreditationReinstated():
                self._apply_accreditation(event)
            case Proposed() | Voted() | ProposalExecuted() | VotingRulesSet():
                self._apply_voting(event)
            case Credited() | Withdrawn() | TokenAllowed() | SplitSet():
                self._apply_escrow(event)
            case RequestOpened() | StudyApproved() | RequestCancelled() | UnearnedReturned() | PeriodsSet():
                self._apply_request(event)
            case RewardReserved() | AccessDelivered() | DeliveryDeclined() | DeliveryDisputed():
                self._apply_reservation(event)
            case RewardPaid() | RewardReturned():
                self._apply_reservation(event)
            case _:
                assert_never(event)
