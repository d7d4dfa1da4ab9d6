"""ConsentRegistry: which rights are live, by the patient's word alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

from medshare.errors import (
    BeyondDelegationError,
    GranteeIsPatientError,
    GranteeIsZeroError,
    GrantExhaustedError,
    GrantIdTakenError,
    PatientExhaustedError,
    PeriodEmptyError,
    PurposesEmptyError,
    SignedOutdatedError,
    UnknownGrantError,
)
from medshare.model.consent import Grant, GrantRequest, Reason, liveness
from medshare.model.delegation import Delegation, Verbs
from medshare.model.events import AccessGranted, AccessRevoked, ActedFor, AllAccessRevoked, ConsentEvent, EventPlace
from medshare.model.ids import ZERO_ADDRESS, Address, GrantId, derive_grant_id, patient_of
from medshare.model.purpose import Purpose
from medshare.model.rules.authority import LAST_COUNT
from medshare.model.rules.recovery import RecoveryRules
from medshare.model.typed_data import SignableGrant, SignableRevoke, SignableRevokeAll

Granted: TypeAlias = tuple[AccessGranted] | tuple[ActedFor, AccessGranted]
Revoked: TypeAlias = tuple[AccessRevoked] | tuple[ActedFor, AccessRevoked]


@dataclass
class ConsentRules(RecoveryRules):
    """Grants, with their verbs."""

    grants: dict[GrantId, Grant] = field(default_factory=dict)

    # ---------------------------------------------------------------------------------------- granting

    def grant(self, caller: Address, request: GrantRequest, place: EventPlace) -> tuple[AccessGranted]:
        """Grant access, as patient."""
        self._require_control(caller, caller)
        return (self._grant(caller, request, place),)

    def grant_for(
        self, caller: Address, patient: Address, request: GrantRequest, place: EventPlace
    ) -> tuple[ActedFor, AccessGranted]:
        """Grant access to a patient's records, as somebody who may act for him."""
        delegation = self._require_verb(patient, caller, Verbs.GRANT, place.block.time)
        self._require_within(delegation, request)
        acted = ActedFor(place=place, patient=patient, actor=caller)
        return acted, self._grant(patient, request, place.after())

    def _grant_signed(self, message: SignableGrant, signer: Address, place: EventPlace, *, valid: bool) -> Granted:
        patient = message.patient
        request = GrantRequest(
            grantee=message.grantee,
            terms=message.terms,
            bundle=message.bundle,
            not_before=message.not_before,
            expires_at=message.expires_at,
            purposes=message.purposes,
        )
        delegation = self._require_signed_verb(message, patient, signer, Verbs.GRANT, place, valid=valid)
        self._require_within(delegation, request)
        grant_id = derive_grant_id(patient, request.grantee, request.terms)
        signed, current = (message.stamp, message.epoch), (self.stamp(patient), self._epoch(grant_id))
        if signed != current:
            raise SignedOutdatedError(_counts(signed), _counts(current))
        if signer == patient:
            return (self._grant(patient, request, place),)
        granted = self._grant(patient, request, place.after())
        return ActedFor(place=place, patient=patient, actor=signer), granted

    def _grant(self, patient: Address, request: GrantRequest, place: EventPlace) -> AccessGranted:
        grant_id = derive_grant_id(patient, request.grantee, request.terms)
        previous = self.grants.get(grant_id)
        stamp, epoch = self.stamp(patient), self._epoch(grant_id) + 1
        if stamp == LAST_COUNT:
            raise PatientExhaustedError(patient)
        if epoch >= LAST_COUNT:
            raise GrantExhaustedError(grant_id)
        if request.grantee == ZERO_ADDRESS:
            raise GranteeIsZeroError
        if request.grantee == patient:
            raise GranteeIsPatientError(patient)
        if previous is not None and previous.grantee not in (ZERO_ADDRESS, request.grantee):
            raise GrantIdTakenError(grant_id, previous.grantee)
        if not request.purposes:
            raise PurposesEmptyError
        not_before = max(request.not_before, place.block.time)
        if not_before >= request.expires_at:
            raise PeriodEmptyError(not_before, request.expires_at)
        granted = Grant(
            grant_id=grant_id,
            grantee=request.grantee,
            not_before=not_before,
            expires_at=request.expires_at,
            purposes=request.purposes,
            stamp=stamp,
            epoch=epoch,
        )
        event = AccessGranted(place=place, terms=request.terms, bundle=request.bundle, grant=granted)
        self._apply_consent(event)
        return event

    @staticmethod
    def _require_within(delegation: Delegation | None, request: GrantRequest) -> None:
        """A delegate grants for no other purposes and for no longer than he is appointed."""
        if delegation is None:
            return
        is_longer = request.expires_at > delegation.expires_at
        if is_longer or int(request.purposes) & ~int(delegation.purposes):
            raise BeyondDelegationError(delegation.patient, delegation.delegate)

    # ---------------------------------------------------------------------------------------- revoking

    def revoke(self, caller: Address, grant_id: GrantId, place: EventPlace) -> Revoked:
        """Take a grant back. Never refused to the patient, also where nothing was granted yet."""
        patient = patient_of(grant_id)
        epoch = self._epoch(grant_id)
        if caller == patient:
            return (self._revoke(grant_id, epoch, place),)
        self._require_verb(patient, caller, Verbs.REVOKE, place.block.time)
        acted = ActedFor(place=place, patient=patient, actor=caller)
        return acted, self._revoke(grant_id, epoch, place.after())

    def _revoke_signed(self, message: SignableRevoke, signer: Address, place: EventPlace, *, valid: bool) -> Revoked:
        patient, grant_id = message.patient, message.grant_id
        self._require_signed_verb(message, patient, signer, Verbs.REVOKE, place, valid=valid)
        if self._epoch(grant_id) > message.last_epoch:
            raise SignedOutdatedError(message.last_epoch, self._epoch(grant_id))
        if signer == patient:
            return (self._revoke(grant_id, message.last_epoch, place),)
        acted = ActedFor(place=place, patient=patient, actor=signer)
        return acted, self._revoke(grant_id, message.last_epoch, place.after())

    def _revoke(self, grant_id: GrantId, last_epoch: int, place: EventPlace) -> AccessRevoked:
        event = AccessRevoked(place=place, grant_id=grant_id, epoch=min(last_epoch + 1, LAST_COUNT))
        self._apply_consent(event)
        return event

    def revoke_all(self, caller: Address, patient: Address, place: EventPlace) -> tuple[AllAccessRevoked]:
        """Take everything back. Never refused to the one in control."""
        self._require_control(patient, caller)
        return self._revoke_all(patient, place)

    def _revoke_all_signed(
        self, message: SignableRevokeAll, signer: Address, place: EventPlace, *, valid: bool
    ) -> tuple[AllAccessRevoked]:
        self._require_signed_control(message, message.patient, signer, place, valid=valid)
        stamp = self.stamp(message.patient)
        if message.stamp != stamp:
            raise SignedOutdatedError(message.stamp, stamp)
        return self._revoke_all(message.patient, place)

    def _revoke_all(self, patient: Address, place: EventPlace) -> tuple[AllAccessRevoked]:
        event = AllAccessRevoked(place=place, patient=patient, stamp=min(self.stamp(patient) + 1, LAST_COUNT))
        self._apply_consent(event)
        return (event,)

    # ------------------------------------------------------------------------------------ reads, replay

    def get_grant(self, grant_id: GrantId) -> Grant:
        """Return a grant as it stands; raises ``UnknownGrantError``."""
        if grant_id not in self.grants:
            raise UnknownGrantError(grant_id)
        return self.grants[grant_id]

    def is_live(self, grant_id: GrantId, purpose: Purpose, now: int) -> bool:
        """Whether a grant is live for all of ``purpose`` at ``now``; raises ``PurposesEmptyError`` for none."""
        if not purpose:
            raise PurposesEmptyError
        grant = self.grants.get(grant_id)
        if grant is None:
            return False
        return liveness(grant, stamp=self.stamp(grant.patient), purpose=purpose, now=now) is Reason.PERMITTED

    def _epoch(self, grant_id: GrantId) -> int:
        return self.grants[grant_id].epoch if grant_id in self.grants else 0

    def _apply_consent(self, event: ConsentEvent) -> None:
        match event:
            case AccessGranted():
                self.grants[event.grant.grant_id] = event.grant
            case AccessRevoked():
                held = self.grants.get(event.grant_id, _nothing_granted(event.grant_id))
                self.grants[event.grant_id] = replace(held, purposes=Purpose(0), epoch=event.epoch)
            case AllAccessRevoked():
                self.stamps[event.patient] = event.stamp


def _nothing_granted(grant_id: GrantId) -> Grant:
    return Grant(
        grant_id=grant_id,
        grantee=ZERO_ADDRESS,
        not_before=0,
        expires_at=0,
        purposes=Purpose(0),
        stamp=0,
        epoch=0,
    )


def _counts(counts: tuple[int, int]) -> int:
    """Return stamp and epoch as they lie in a grant's word."""
    stamp, epoch = counts
    return stamp << 8 | epoch
