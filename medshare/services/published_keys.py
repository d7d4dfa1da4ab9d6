"""The keys that somebody has published, as they can be used."""

from __future__ import annotations

import logging

from medshare.envelope import Recipient
from medshare.errors import ConfigurationError, InvalidInputError
from medshare.model.events import BlockRef
from medshare.model.ids import Address
from medshare.ports import Actor, Ledger
from medshare.services.auditing import Auditing, GrantStanding

_log = logging.getLogger(__name__)


def published_keys(auditing: Auditing, actor: Address) -> list[Recipient]:
    """Return every key an actor has published and can be used, the newest first; raises ``LedgerUnavailableError``."""
    keys = []
    for event in reversed(auditing.encryption_keys(actor)):
        try:
            keys.append(Recipient(event.key))
        except InvalidInputError:
            _log.debug("%s published a key that cannot be used", actor)
    return keys


def granters_keys(auditing: Auditing, standing: GrantStanding) -> list[Recipient]:
    """Return the keys of those whose word about a grant counts: who gave it by right, and the patient; raises as above.

    Args:
        auditing: which keys were published.
        standing: the grant.
    """
    granter = [standing.granted_by] if standing.by_right else []
    return [
        key for actor in dict.fromkeys([*granter, standing.grant.patient]) for key in published_keys(auditing, actor)
    ]


def own_keys(ledger: Ledger, custodian: Actor, patient: Address, block: BlockRef) -> list[Recipient]:
    """Return the keys of those who can always open a record: the patient's and the custodian's.

    Raises:
        EncryptionKeyNotSetError: one of them has published none.
        ConfigurationError: the custodian's identity is not the one he has published.
    """
    custodians = custodians_key(ledger, custodian, block)
    _, patients = controllers_key(ledger, patient, block)
    return [patients, custodians]


def custodians_key(ledger: Ledger, custodian: Actor, block: BlockRef) -> Recipient:
    """Return the custodian's key; raises as ``own_keys``."""
    published = ledger.directory.encryption_key(custodian.address, block=block).key
    if published != custodian.identity.recipient.key:
        raise ConfigurationError(
            f"the encryption key of {custodian.address} in the Directory is not the one used here",
            hint="publish this identity's key, or use the identity that was published",
        )
    return custodian.identity.recipient


def controllers_key(ledger: Ledger, patient: Address, block: BlockRef) -> tuple[Address, Recipient]:
    """Return who is in control of a patient, and his key; raises ``EncryptionKeyNotSetError``."""
    # Of a patient whose key was recovered the new one counts: it is published under the address that took over.
    controller = ledger.authority.controller_of(patient, block=block).controller
    return controller, Recipient(ledger.directory.encryption_key(controller, block=block).key)
