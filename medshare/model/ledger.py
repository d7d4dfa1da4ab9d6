"""The five contracts as one pure state machine: the reference they are tested against.

A verb checks the rules, raises the error the contract would, or returns the events the contract would emit, in their
order, and applies them. ``apply`` alone, event by event, rebuilds the same state: that is what an index does. Signed
verbs come in through ``relay``: whether a signature is the signer's is told by the caller, everything else is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from medshare.errors import NotRelayableError
from medshare.model.events import (
    AccessGranted,
    AccessRevoked,
    Accredited,
    ActedFor,
    AllAccessRevoked,
    BarSet,
    ControlMoved,
    DelegateAppointed,
    DelegateDismissed,
    EncryptionKeySet,
    EpisodeEnded,
    EpisodeReviewed,
    EventPlace,
    GlassBroken,
    GuardiansNamed,
    KeysReleased,
    LedgerEvent,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
    RecoveryObjected,
    RecoveryProposed,
)
from medshare.model.ids import Address
from medshare.model.rules.authority import LAST_COUNT
from medshare.model.rules.consents import ConsentRules
from medshare.model.rules.directory import DirectoryRules, EncryptionKey
from medshare.model.rules.emergencies import EmergencyRules
from medshare.model.rules.records import LAST_VERSION, RecordRules
from medshare.model.typed_data import (
    Signable,
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
)

__all__ = ["LAST_COUNT", "LAST_VERSION", "EncryptionKey", "LedgerModel"]


@dataclass
class LedgerModel(DirectoryRules, RecordRules, ConsentRules, EmergencyRules):
    """State of all contracts, with their verbs."""

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
            case SignableRegister() | SignableSupersede() | SignableRetract():
                return self._custodians_word(message, signer, place, valid=valid)
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
            case SignableEndEpisode():
                return self._end_episode_signed(message, signer, place, valid=valid)
            case SignableSetBar():
                return self._set_bar_signed(message, signer, place, valid=valid)
            case _:
                raise NotRelayableError(f"a signed {message.struct()} does nothing by itself")

    def apply(self, event: LedgerEvent) -> None:
        """Change the state as ``event`` says it changed."""
        match event:
            case EncryptionKeySet():
                self._apply_key(event)
            case RecordRegistered() | RecordSuperseded() | RecordRetracted():
                self._apply_record(event)
            case AccessGranted() | AccessRevoked() | AllAccessRevoked():
                self._apply_consent(event)
            case DelegateAppointed() | DelegateDismissed():
                self._apply_delegation(event)
            case ActedFor():
                pass
            case GuardiansNamed() | RecoveryProposed() | RecoveryObjected() | ControlMoved():
                self._apply_recovery(event)
            case GlassBroken() | EpisodeEnded() | KeysReleased() | EpisodeReviewed() | Accredited() | BarSet():
                self._apply_emergency(event)
            case _:
                assert_never(event)
