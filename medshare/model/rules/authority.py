"""Authority: who may act for a patient. Each verb asks once, for control or for a verb, directly or by signature."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from medshare.errors import (
    AuthorityExhaustedError,
    DelegateInvalidError,
    DelegationPeriodEmptyError,
    DelegationScopeError,
    MandateEndedError,
    NotAllowedToActError,
    SignedOutdatedError,
)
from medshare.model.delegation import ALL_VERBS, Control, Delegation, DelegationRequest, Verbs, no_delegation
from medshare.model.events import DelegateAppointed, DelegateDismissed, EventPlace
from medshare.model.ids import ZERO_ADDRESS, Address
from medshare.model.rules.signatures import require_signature
from medshare.model.typed_data import Mandated, SignableAppoint, SignableDismiss

LAST_COUNT = 255
"""Counters stop here instead of wrapping: what has come so far can still be ended, never begun."""


@dataclass
class AuthorityRules:
    """Control and delegations, with their verbs."""

    stamps: dict[Address, int] = field(default_factory=dict)
    controls: dict[Address, Control] = field(default_factory=dict)
    """Of the patients whose key was recovered."""
    delegations: dict[tuple[Address, Address], Delegation] = field(default_factory=dict)
    """By patient and delegate."""

    # --------------------------------------------------------------------------------------- appointing

    def appoint(
        self, caller: Address, patient: Address, request: DelegationRequest, place: EventPlace
    ) -> tuple[DelegateAppointed]:
        """Let somebody act for the patient, or change what he may do."""
        self._require_control(patient, caller)
        return self._appoint(patient, request, place)

    def _appoint_signed(
        self, message: SignableAppoint, signer: Address, place: EventPlace, *, valid: bool
    ) -> tuple[DelegateAppointed]:
        self._require_signed_control(message, message.patient, signer, place, valid=valid)
        stamp, epoch = self.stamp(message.patient), self.delegation(message.patient, message.delegate).epoch
        if message.stamp != stamp:
            raise SignedOutdatedError(message.stamp, stamp)
        if message.epoch != epoch:
            raise SignedOutdatedError(message.epoch, epoch)
        request = DelegationRequest(
            delegate=message.delegate,
            verbs=Verbs(message.verbs),
            purposes=message.purposes,
            not_before=message.not_before,
            expires_at=message.expires_at,
        )
        return self._appoint(message.patient, request, place)

    def _appoint(self, patient: Address, request: DelegationRequest, place: EventPlace) -> tuple[DelegateAppointed]:
        delegate = request.delegate
        stamp, epoch = self.stamp(patient), self.delegation(patient, delegate).epoch + 1
        if epoch >= LAST_COUNT or stamp == LAST_COUNT:
            raise AuthorityExhaustedError(patient)
        if delegate in (ZERO_ADDRESS, patient, self.controller_of(patient).controller):
            raise DelegateInvalidError(delegate)
        verbs = request.verbs
        if not verbs or int(verbs) & ~int(ALL_VERBS) or bool(verbs & Verbs.GRANT) != bool(request.purposes):
            raise DelegationScopeError(int(verbs), int(request.purposes))
        not_before = max(request.not_before, place.block.time)
        if not_before >= request.expires_at:
            raise DelegationPeriodEmptyError(not_before, request.expires_at)
        delegation = Delegation(
            patient=patient,
            delegate=delegate,
            verbs=verbs,
            purposes=request.purposes,
            not_before=not_before,
            expires_at=request.expires_at,
            stamp=stamp,
            epoch=epoch,
        )
        event = DelegateAppointed(place=place, delegation=delegation)
        self._apply_delegation(event)
        return (event,)

    # --------------------------------------------------------------------------------------- dismissing

    def dismiss(
        self, caller: Address, patient: Address, delegate: Address, place: EventPlace
    ) -> tuple[DelegateDismissed]:
        """Dismiss a delegate; the delegate himself may resign. Never refused to them."""
        if caller != delegate:
            self._require_control(patient, caller)
        return self._dismiss(patient, delegate, self.delegation(patient, delegate).epoch, place)

    def _dismiss_signed(
        self, message: SignableDismiss, signer: Address, place: EventPlace, *, valid: bool
    ) -> tuple[DelegateDismissed]:
        patient, delegate = message.patient, message.delegate
        epoch = self.delegation(patient, delegate).epoch
        stated = ZERO_ADDRESS if signer == patient else signer
        if stated == delegate:
            # Resigning needs no more than being the delegate. Nobody signs as the zero address.
            self._require_mandate(message, patient, stated, epoch)
            is_delegates = valid and stated != ZERO_ADDRESS
            require_signature(stated, deadline=message.deadline, now=place.block.time, valid=is_delegates)
        else:
            self._require_signed_control(message, patient, signer, place, valid=valid)
        if epoch > message.last_epoch:
            raise SignedOutdatedError(message.last_epoch, epoch)
        return self._dismiss(patient, delegate, message.last_epoch, place)

    def _dismiss(
        self, patient: Address, delegate: Address, last_epoch: int, place: EventPlace
    ) -> tuple[DelegateDismissed]:
        epoch = min(last_epoch + 1, LAST_COUNT)
        event = DelegateDismissed(place=place, patient=patient, delegate=delegate, epoch=epoch)
        self._apply_delegation(event)
        return (event,)

    # ------------------------------------------------------------------------------------------- reads

    def controller_of(self, patient: Address) -> Control:
        """Return who is in control of a patient: himself, unless his key was recovered."""
        return self.controls.get(patient, Control(controller=patient, tenure=0))

    def delegation(self, patient: Address, delegate: Address) -> Delegation:
        """Return a delegation as it stands, in force or not."""
        return self.delegations.get((patient, delegate), no_delegation(patient, delegate))

    def is_delegate(self, delegation: Delegation, now: int) -> bool:
        """Whether a delegate may do all that a delegation names for all its purposes at ``now``."""
        held = self.delegation(delegation.patient, delegation.delegate)
        may = held.permits(delegation.verbs, stamp=self.stamp(delegation.patient), now=now)
        return may and held.purposes & delegation.purposes == delegation.purposes

    def stamp(self, patient: Address) -> int:
        """Return how often a patient has revoked everything, up to ``LAST_COUNT``."""
        return self.stamps.get(patient, 0)

    # ----------------------------------------------------------------------------------------- asking

    def _require_control(self, patient: Address, actor: Address) -> None:
        if actor != self.controller_of(patient).controller:
            raise NotAllowedToActError(patient, actor)

    def _require_signed_control(
        self, message: Mandated, patient: Address, signer: Address, place: EventPlace, *, valid: bool
    ) -> None:
        self._require_control(patient, signer)
        if signer != patient:
            self._require_mandate(message, patient, signer, self.controller_of(patient).tenure)
        require_signature(signer, deadline=message.deadline, now=place.block.time, valid=valid)

    def _require_verb(self, patient: Address, actor: Address, verb: Verbs, now: int) -> Delegation | None:
        """Return the actor's delegation, or None for the one in control."""
        if actor == self.controller_of(patient).controller:
            return None
        delegation = self.delegation(patient, actor)
        if not delegation.permits(verb, stamp=self.stamp(patient), now=now):
            raise NotAllowedToActError(patient, actor)
        return delegation

    def _require_signed_verb(
        self, message: Mandated, patient: Address, signer: Address, verb: Verbs, place: EventPlace, *, valid: bool
    ) -> Delegation | None:
        now = place.block.time
        if signer == patient:
            # Who lost control cannot be his own delegate either.
            self._require_control(patient, patient)
            require_signature(patient, deadline=message.deadline, now=now, valid=valid)
            return None
        delegation = self._require_verb(patient, signer, verb, now)
        mandate = self.controller_of(patient).tenure if delegation is None else delegation.epoch
        self._require_mandate(message, patient, signer, mandate)
        require_signature(signer, deadline=message.deadline, now=now, valid=valid)
        return delegation

    @staticmethod
    def _require_mandate(message: Mandated, patient: Address, signer: Address, current: int) -> None:
        if message.mandate != current:
            raise MandateEndedError(patient, signer, message.mandate)

    # ------------------------------------------------------------------------------------------ replay

    def _apply_delegation(self, event: DelegateAppointed | DelegateDismissed) -> None:
        match event:
            case DelegateAppointed():
                self.delegations[event.delegation.patient, event.delegation.delegate] = event.delegation
            case DelegateDismissed():
                held = self.delegation(event.patient, event.delegate)
                self.delegations[event.patient, event.delegate] = replace(held, verbs=Verbs(0), epoch=event.epoch)
