"""The keys that somebody has published, as they can be used."""

from __future__ import annotations

import logging

from medshare.envelope import Recipient
from medshare.errors import InvalidInputError
from medshare.model.ids import Address
from medshare.services.auditing import Auditing

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
