"""Recovery: a patient who lost his key gets a new one from guardians, after a delay in which he can object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from medshare.errors import (
    AuthorityExhaustedError,
    CircleInvalidError,
    ControllerInvalidError,
    DelayOutOfRangeError,
    GuardiansTooFewError,
    NoRecoveryError,
    RecoveryTooEarlyError,
    SignedOutdatedError,
)
from medshare.model.delegation import LONGEST_DELAY, NO_CIRCLE, SHORTEST_DELAY, Circle, Control, Guardianship
from medshare.model.events import ControlMoved, EventPlace, GuardiansNamed, RecoveryObjected, RecoveryProposed
from medshare.model.ids import ZERO_ADDRESS, Address
from medshare.model.rules.authority import LAST_COUNT, AuthorityRules
from medshare.model.rules.signatures import require_signature
from medshare.model.typed_data import SignableNameGuardians, SignableObjectToRecovery


@dataclass
class RecoveryRules(AuthorityRules):
    """Guardians, with their verbs."""

    guardianships: dict[Address, Guardianship] = field(default_factory=dict)

    # ---------------------------------------------------------------------------------- naming guardians

    def name_guardians(
        self, caller: Address, patient: Address, circle: bytes, delay: int, place: EventPlace
    ) -> tuple[GuardiansNamed]:
        """Name those who together can give the patient a new key; zeros for nobody."""
        self._require_control(patient, caller)
        return self._name_guardians(patient, circle, delay, place)

    def _name_guardians_signed(
        self, message: SignableNameGuardians, signer: Address, place: EventPlace, *, valid: bool
    ) -> tuple[GuardiansNamed]:
        self._require_signed_control(message, message.patient, signer, place, valid=valid)
        changes = self.guardianship(message.patient).changes
        if message.changes != changes:
            raise SignedOutdatedError(message.changes, changes)
        return self._name_guardians(message.patient, message.circle, message.delay, place)

    def _name_guardians(self, patient: Address, circle: bytes, delay: int, place: EventPlace) -> tuple[GuardiansNamed]:
        if not SHORTEST_DELAY <= delay <= LONGEST_DELAY:
            raise DelayOutOfRangeError(delay)
        now = place.block.time
        standing = self.guardianship(patient).at(now)
        begins_at = now if standing.circle == NO_CIRCLE else now + standing.delay
        event = GuardiansNamed(place=place, patient=patient, circle=circle, delay=delay, begins_at=begins_at)
        self._apply_recovery(event)
        return (event,)

    # --------------------------------------------------------------------------------------- recovering

    def propose_recovery(
        self,
        patient: Address,
        controller: Address,
        circle: Circle,
        deadline: int,
        signed: Sequence[bool | None],
        place: EventPlace,
    ) -> tuple[RecoveryProposed]:
        """Propose a new key for a patient who lost his. Anybody may send.

        Args:
            patient: who lost his key.
            controller: the key that shall take over.
            circle: the circle in force.
            deadline: until when the guardians' signatures may be sent.
            signed: for each guardian, in their order: None if he has not signed, else whether his signature is good.
            place: where it happens.
        """
        now = place.block.time
        standing = self.guardianship(patient).at(now)
        control = self.controller_of(patient)
        if control.tenure == LAST_COUNT:
            raise AuthorityExhaustedError(patient)
        if controller in (ZERO_ADDRESS, patient, control.controller):
            raise ControllerInvalidError(controller)
        if standing.circle != circle.digest(patient) or len(signed) != len(circle.guardians):
            raise CircleInvalidError(patient)
        for guardian, valid in zip(circle.guardians, signed, strict=True):
            if valid is not None:
                require_signature(guardian, deadline=deadline, now=now, valid=valid)
        count = sum(valid is not None for valid in signed)
        if count < circle.threshold:
            raise GuardiansTooFewError(count, circle.threshold)
        event = RecoveryProposed(
            place=place,
            patient=patient,
            controller=controller,
            attempt=standing.attempt + 1,
            ready_at=now + standing.delay,
        )
        self._apply_recovery(event)
        return (event,)

    def object_to_recovery(self, caller: Address, patient: Address, place: EventPlace) -> tuple[RecoveryObjected]:
        """Object to the recovery that is proposed."""
        self._require_control(patient, caller)
        return self._object(patient, place)

    def _object_signed(
        self, message: SignableObjectToRecovery, signer: Address, place: EventPlace, *, valid: bool
    ) -> tuple[RecoveryObjected]:
        patient = message.patient
        # The contract puts the attempt as it stands into the digest: a signature for another one is nobody's.
        for_this = valid and message.attempt == self.guardianship(patient).attempt
        self._require_signed_control(message, patient, signer, place, valid=for_this)
        return self._object(patient, place)

    def _object(self, patient: Address, place: EventPlace) -> tuple[RecoveryObjected]:
        standing = self.guardianship(patient)
        if standing.ready_at == 0:
            raise NoRecoveryError(patient)
        event = RecoveryObjected(place=place, patient=patient, attempt=standing.attempt)
        self._apply_recovery(event)
        return (event,)

    def complete_recovery(self, patient: Address, place: EventPlace) -> tuple[ControlMoved]:
        """Complete a recovery to which nobody objected in time. Anybody may send."""
        standing = self.guardianship(patient)
        if standing.ready_at == 0:
            raise NoRecoveryError(patient)
        if place.block.time < standing.ready_at:
            raise RecoveryTooEarlyError(standing.ready_at)
        tenure = self.controller_of(patient).tenure + 1
        event = ControlMoved(place=place, patient=patient, controller=standing.proposed, tenure=tenure)
        self._apply_recovery(event)
        return (event,)

    # ------------------------------------------------------------------------------------ reads, replay

    def guardianship(self, patient: Address) -> Guardianship:
        """Return what stands about a patient's guardians, as it was written down last: ask it ``at`` a time."""
        return self.guardianships.get(patient, Guardianship())

    def _apply_recovery(self, event: GuardiansNamed | RecoveryProposed | RecoveryObjected | ControlMoved) -> None:
        standing = self.guardianship(event.patient)
        match event:
            case GuardiansNamed():
                standing = _named(standing.at(event.place.block.time), event)
            case RecoveryProposed():
                standing = replace(
                    standing.at(event.place.block.time),
                    proposed=event.controller,
                    ready_at=event.ready_at,
                    attempt=event.attempt,
                )
            case RecoveryObjected():
                standing = replace(standing, proposed=ZERO_ADDRESS, ready_at=0)
            case ControlMoved():
                standing = replace(standing, proposed=ZERO_ADDRESS, ready_at=0)
                self.controls[event.patient] = Control(controller=event.controller, tenure=event.tenure)
        self.guardianships[event.patient] = standing


def _named(standing: Guardianship, event: GuardiansNamed) -> Guardianship:
    standing = replace(standing, changes=standing.changes + 1)
    if standing.circle == NO_CIRCLE:
        return replace(standing, circle=event.circle, delay=event.delay)
    return replace(standing, next_circle=event.circle, next_delay=event.delay, next_from=event.begins_at)
