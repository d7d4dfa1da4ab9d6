"""Sent roots: whether what was signed here to anchor a batch may still reach the chain, or has.

What a custodian sends himself lies in his outbox under an intent. What he signs for another to pay, anybody can send
who has seen it, and a transaction that failed shows it to all: whatever became of the payment, the chain takes it until
its deadline. That is kept before it is given to anybody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from medshare.model.ids import Address
from medshare.model.typed_data import SignableAnchorBatch, SignedMessage
from medshare.services.load_journal import LoadJournal


def anchoring_intent(root: bytes) -> str:
    """Return the intent under which a batch is anchored."""
    return f"batch/{root.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnItsWay:
    """What was signed to anchor a batch may still reach the chain, or has."""

    until: int | None
    """The deadline of what was signed for another to pay, Unix seconds; None where the custodian sends it himself."""


class SentRoots:
    """What was signed in one home, on one deployment, to anchor batches.

    Args:
        has_sent: whether a transaction of an account was signed for an intent, and was not lost or refused since.
        journal: where it is kept what was signed for another to pay.
        confirmed_at: returns the time of the newest block that is not expected to be undone.
    """

    def __init__(
        self, *, has_sent: Callable[[Address, str], bool], journal: LoadJournal, confirmed_at: Callable[[], int]
    ) -> None:
        self._has_sent = has_sent
        self._journal = journal
        self._confirmed_at = confirmed_at

    def keep(self, signed: SignedMessage) -> None:
        """Keep what was signed, where it anchors a batch, before it is given to anybody.

        Raises:
            StoreFullError, LedgerBusyError, ConfigurationError: the journal cannot be used; do not give it to anybody.
        """
        message = signed.message
        if isinstance(message, SignableAnchorBatch):
            self._journal.signed(message.custodian, message.root, message.deadline)

    def on_its_way(self, custodian: Address, root: bytes) -> OnItsWay | None:
        """Return by what a batch of a custodian may still be anchored, or is; None where nothing anchors it any more.

        Raises:
            StoreFullError, LedgerBusyError, ConfigurationError: a journal cannot be used.
            LedgerError: the chain cannot be asked for its time.
        """
        if self._has_sent(custodian, anchoring_intent(root)):
            return OnItsWay(until=None)
        deadline = self._journal.signed_until(custodian, root)
        # A block is never earlier than the one before it, and in one at the deadline the contract refuses.
        if deadline is None or self._confirmed_at() >= deadline:
            return None
        return OnItsWay(until=deadline)
