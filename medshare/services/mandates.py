"""Mandates: by what right somebody grants for a patient, and how the patient's records open for him.

The key that took over for a lost one opens what custodians have encrypted anew for it. A delegate opens the records as
a reader: he releases what he may read himself, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

from medshare.envelope import FileKey, Recipient
from medshare.errors import (
    AccessDeniedError,
    BeyondDelegationError,
    EncryptionKeyNotSetError,
    InvalidInputError,
    NotAllowedToActError,
    PurposesEmptyError,
)
from medshare.model.delegation import Verbs
from medshare.model.events import BlockRef
from medshare.model.ids import Address
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Manifest, RecordEntry
from medshare.model.terms import Terms
from medshare.ports import Actor, Ledger
from medshare.services.retrieving import Retrieving


class Mandates:
    """Says by what right somebody grants for a patient. Every method raises ``LedgerError`` where the chain fails.

    Args:
        ledger: the contracts.
        retrieving: opens records for a delegate, as for any reader; None where nobody acts for others.
    """

    def __init__(self, *, ledger: Ledger, retrieving: Retrieving | None) -> None:
        self._ledger = ledger
        self._retrieving = retrieving

    def opening(
        self, actor: Actor, patient: Address, purposes: Collection[PurposeOfUse], block: BlockRef
    ) -> Callable[[RecordEntry], tuple[FileKey, Manifest]] | None:
        """Return how a delegate opens the patient's records; None for who is in control, and has a packet of his own.

        Args:
            actor: who is going to grant.
            patient: for whom.
            purposes: what for; a delegate opens a record for the first of them for which he may read it.
            block: when.

        Raises:
            NotAllowedToActError: he may not act for this patient.
        """
        if self._controller(patient, block) == actor.address:
            return None
        if self._retrieving is None or not self._is_delegate(actor.address, patient, Verbs.GRANT, block):
            raise NotAllowedToActError(patient, actor.address)
        wanted = tuple(dict.fromkeys([PurposeOfUse.PATRQT, *purposes]))
        return partial(_open_as_reader, self._retrieving, actor, wanted)

    def check_terms(self, actor: Actor, terms: Terms, expires_at: int, block: BlockRef) -> None:
        """Refuse before any work what the contract would refuse a delegate.

        Raises:
            BeyondDelegationError: for other purposes or for longer than he is appointed.
        """
        if self._controller(terms.patient, block) == actor.address:
            return
        held = self._ledger.authority.delegation(terms.patient, actor.address, block=block)
        if expires_at > held.expires_at or terms.purposes & held.purposes != terms.purposes:
            raise BeyondDelegationError(terms.patient, actor.address)

    def keys_of_patient(self, patient: Address, actor: Actor, block: BlockRef) -> list[Recipient]:
        """Return the key by which the patient reads what another grants in his name, where there is one."""
        controller = self._controller(patient, block)
        if controller == actor.address:
            return []
        try:
            return [Recipient(self._ledger.directory.encryption_key(controller, block=block).key)]
        except (EncryptionKeyNotSetError, InvalidInputError):
            return []

    def _is_delegate(self, actor: Address, patient: Address, verb: Verbs, block: BlockRef) -> bool:
        held = self._ledger.authority.delegation(patient, actor, block=block)
        return held.permits(verb, stamp=self._ledger.consents.stamp(patient, block=block), now=block.time)

    def _controller(self, patient: Address, block: BlockRef) -> Address:
        return self._ledger.authority.controller_of(patient, block=block).controller


def _open_as_reader(
    retrieving: Retrieving, reader: Actor, purposes: Sequence[PurposeOfUse], entry: RecordEntry
) -> tuple[FileKey, Manifest]:
    """Open a record for the first of ``purposes`` for which ``reader`` may; raises as ``Retrieving.open``."""
    denied: AccessDeniedError | None = None
    for purpose in purposes:
        try:
            opened = retrieving.open(entry.ref, reader=reader, purpose=purpose)
        except AccessDeniedError as error:
            denied = denied or error
        else:
            return opened.file_key, opened.manifest
    if denied is None:
        raise PurposesEmptyError
    raise denied
