"""Drafting: what a person is about to sign, with the counts that the chain shows now.

    draft = Drafting(ledger, signer=me.address, deadline=tomorrow)
    message = draft.revoke(grant_id)

A message names a count that its effect uses up, so that it works once. What ends something names the next count, too:
what is on its way, signed earlier and not sent yet, ends with it. One draft is asked at one block.
"""

from __future__ import annotations

from contextlib import suppress

from medshare.errors import EncryptionKeyNotSetError, NotAllowedToActError, UnknownGrantError
from medshare.model.delegation import DelegationRequest, Verbs
from medshare.model.events import BlockRef
from medshare.model.grant import GrantRequest
from medshare.model.ids import Address, CatalogueId, EpisodeId, GrantId, RecordId, derive_grant_id, patient_of
from medshare.model.ledger import LAST_COUNT
from medshare.model.typed_data import (
    SignableAnchorBatch,
    SignableAppoint,
    SignableDismiss,
    SignableEndEpisode,
    SignableGrant,
    SignableNameGuardians,
    SignableObjectToRecovery,
    SignableRecover,
    SignableRegister,
    SignableRetract,
    SignableRevoke,
    SignableRevokeAll,
    SignableSetBar,
    SignableSetEncryptionKey,
    SignableSupersede,
    SignableWithdraw,
)
from medshare.ports import Ledger


class Drafting:
    """Drafts the messages of one signer.

    Where the signer must be allowed to act for a patient, a method raises ``NotAllowedToActError`` if he is not; each
    raises ``LedgerUnavailableError`` where the chain fails.

    Args:
        ledger: the contracts.
        signer: who is going to sign.
        deadline: first second in which it is too late to send the message, Unix time.
        block: at which block the chain is asked; default: the newest.
    """

    def __init__(self, ledger: Ledger, *, signer: Address, deadline: int, block: BlockRef | None = None) -> None:
        self._ledger = ledger
        self._signer = signer
        self._deadline = deadline
        self._block = block or ledger.chain.head()

    # -------------------------------------------------------------------------------------------- one's own word

    def set_encryption_key(self, key: bytes) -> SignableSetEncryptionKey:
        """Publish or rotate the signer's key."""
        version = 0
        with suppress(EncryptionKeyNotSetError):
            version = self._ledger.directory.encryption_key(self._signer, block=self._block).version
        return SignableSetEncryptionKey(actor=self._signer, key=key, version=version + 1, deadline=self._deadline)

    def register(self, record_id: RecordId, patient: Address) -> SignableRegister:
        """Register a first version, as its custodian."""
        return SignableRegister(custodian=self._signer, record_id=record_id, patient=patient, deadline=self._deadline)

    def supersede(self, record_id: RecordId, previous_id: RecordId) -> SignableSupersede:
        """Put a new version in the place of the signer's record."""
        return SignableSupersede(
            custodian=self._signer, record_id=record_id, previous_id=previous_id, deadline=self._deadline
        )

    def retract(self, record_id: RecordId, reason: bytes) -> SignableRetract:
        """Withdraw the signer's record; ``reason`` is a salted digest."""
        return SignableRetract(custodian=self._signer, record_id=record_id, reason=reason, deadline=self._deadline)

    def anchor_batch(self, root: bytes, catalogue: CatalogueId, count: int) -> SignableAnchorBatch:
        """State very many records of the signer's by their root."""
        return SignableAnchorBatch(
            custodian=self._signer, root=root, catalogue=catalogue, records=count, deadline=self._deadline
        )

    # --------------------------------------------------------------------------------------------------- access

    def grant(self, patient: Address, request: GrantRequest) -> SignableGrant:
        """Grant access to a patient's records."""
        return SignableGrant(
            patient=patient,
            grantee=request.grantee,
            terms=request.terms,
            bundle=request.bundle,
            purposes=request.purposes,
            not_before=request.not_before,
            expires_at=request.expires_at,
            stamp=self._stamp(patient),
            epoch=self._epoch_of(derive_grant_id(patient, request.grantee, request.terms)),
            mandate=self._mandate(patient, Verbs.GRANT),
            deadline=self._deadline,
        )

    def revoke(self, grant_id: GrantId) -> SignableRevoke:
        """Take a grant back, and every change of it that is on its way."""
        patient = patient_of(grant_id)
        return SignableRevoke(
            patient=patient,
            grant_id=grant_id,
            last_epoch=_next(self._epoch_of(grant_id)),
            mandate=self._mandate(patient, Verbs.REVOKE),
            deadline=self._deadline,
        )

    def revoke_all(self, patient: Address) -> SignableRevokeAll:
        """Take everything back."""
        return SignableRevokeAll(
            patient=patient, stamp=self._stamp(patient), mandate=self._mandate(patient), deadline=self._deadline
        )

    # ------------------------------------------------------------------------------------------------- authority

    def appoint(self, patient: Address, request: DelegationRequest) -> SignableAppoint:
        """Let somebody act for a patient, or change what he may do."""
        return SignableAppoint(
            patient=patient,
            delegate=request.delegate,
            verbs=request.verbs,
            purposes=request.purposes,
            not_before=request.not_before,
            expires_at=request.expires_at,
            stamp=self._stamp(patient),
            epoch=self._appointments(patient, request.delegate),
            mandate=self._mandate(patient),
            deadline=self._deadline,
        )

    def dismiss(self, patient: Address, delegate: Address) -> SignableDismiss:
        """Dismiss a delegate, and every appointment of his that is on its way; or resign, as the delegate."""
        epoch = self._appointments(patient, delegate)
        return SignableDismiss(
            patient=patient,
            delegate=delegate,
            last_epoch=_next(epoch),
            mandate=epoch if delegate == self._signer else self._mandate(patient),
            deadline=self._deadline,
        )

    def name_guardians(self, patient: Address, circle: bytes, delay: int) -> SignableNameGuardians:
        """Name those who together can give the patient a new key; ``circle`` is a digest, zeros for nobody."""
        return SignableNameGuardians(
            patient=patient,
            circle=circle,
            delay=delay,
            changes=self._ledger.authority.guardianship(patient, block=self._block).changes,
            mandate=self._mandate(patient),
            deadline=self._deadline,
        )

    def recover(self, patient: Address, controller: Address) -> SignableRecover:
        """Propose a new key for a patient who lost his, as one of his guardians."""
        attempt = self._ledger.authority.guardianship(patient, block=self._block).attempt
        return SignableRecover(patient=patient, controller=controller, attempt=attempt + 1, deadline=self._deadline)

    def object_to_recovery(self, patient: Address) -> SignableObjectToRecovery:
        """Object to the recovery that is proposed."""
        return SignableObjectToRecovery(
            patient=patient,
            attempt=self._ledger.authority.guardianship(patient, block=self._block).attempt,
            mandate=self._mandate(patient),
            deadline=self._deadline,
        )

    # ------------------------------------------------------------------------------------------------- emergency

    def end_episode(self, episode_id: EpisodeId) -> SignableEndEpisode:
        """End an emergency episode, as the one in control of its patient."""
        patient = self._ledger.emergencies.episode(episode_id, block=self._block).patient
        self._mandate(patient)
        return SignableEndEpisode(episode_id=episode_id, deadline=self._deadline)

    def set_bar(self, patient: Address, *, barred: bool) -> SignableSetBar:
        """Bar break-glass for a patient, or allow it again."""
        self._mandate(patient)
        count = self._ledger.emergencies.bar(patient, block=self._block).count
        return SignableSetBar(patient=patient, barred=barred, count=count, deadline=self._deadline)

    # --------------------------------------------------------------------------------------------------- rewards

    def withdraw(self, account: Address, token: Address, to: Address) -> SignableWithdraw:
        """Withdraw all of an account's credit in one token, as the one in control of it."""
        self._mandate(account)
        count = self._ledger.escrow.withdrawals(account, block=self._block)
        return SignableWithdraw(account=account, token=token, to=to, count=count, deadline=self._deadline)

    # ---------------------------------------------------------------------------------------------------- counts

    def _mandate(self, patient: Address, verb: Verbs | None = None) -> int:
        """Return by which mandate the signer acts: as the one in control, or as a delegate who may do ``verb``."""
        control = self._ledger.authority.controller_of(patient, block=self._block)
        if control.controller == self._signer:
            return 0 if self._signer == patient else control.tenure
        if verb is not None:
            held = self._ledger.authority.delegation(patient, self._signer, block=self._block)
            if held.permits(verb, stamp=self._stamp(patient), now=self._block.time):
                return held.epoch
        raise NotAllowedToActError(patient, self._signer)

    def _stamp(self, patient: Address) -> int:
        return self._ledger.consents.stamp(patient, block=self._block)

    def _epoch_of(self, grant_id: GrantId) -> int:
        try:
            return self._ledger.consents.get_grant(grant_id, block=self._block).epoch
        except UnknownGrantError:
            return 0

    def _appointments(self, patient: Address, delegate: Address) -> int:
        return self._ledger.authority.delegation(patient, delegate, block=self._block).epoch


def _next(count: int) -> int:
    return min(count + 1, LAST_COUNT)
