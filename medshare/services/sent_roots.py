"""Sent roots: whether what was signed here to anchor a batch may still reach the chain, or has.

What a custodian sends himself lies in his outbox under an intent; what he signs for another to pay, in the journal of
that payer, as long as nobody knows what became of it. What lies in neither was never given to a node.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from medshare.model.ids import Address
from medshare.model.typed_data import SignableAnchorBatch
from medshare.services.relay_journal import RELAY_JOURNAL, RelayJournal


def anchoring_intent(root: bytes) -> str:
    """Return the intent under which a batch is anchored."""
    return f"batch/{root.hex()}"


class SentRoots:
    """What was signed in one home, on one deployment, to anchor batches.

    Args:
        has_sent: whether a transaction of an account was signed for an intent, and was not lost or refused since.
        relays: the folder in which each payer has a folder of his own with his journal.
    """

    def __init__(self, *, has_sent: Callable[[Address, str], bool], relays: Path) -> None:
        self._has_sent = has_sent
        self._relays = relays

    def may_arrive(self, custodian: Address, root: bytes) -> bool:
        """Whether a batch of a custodian may still be anchored by what was signed, or is.

        Raises:
            StoreFullError, LedgerBusyError, ConfigurationError: a payer's journal cannot be used.
        """
        return self._has_sent(custodian, anchoring_intent(root)) or any(
            isinstance(signed.message, SignableAnchorBatch)
            and (signed.message.custodian, signed.message.root) == (custodian, root)
            for journal in sorted(self._relays.glob(f"*/{RELAY_JOURNAL}"))
            for several in RelayJournal(journal).on_their_way().values()
            for signed in several
        )
