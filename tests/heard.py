"""What the library says while it works: counted, and the moment at which a test lets something happen.

What is logged for each transaction that is sent, and for whatever had to be tried once more, is a fault drill's clock:
it strikes in the thread that works, between two of its steps.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class Said(StrEnum):
    """What is listened for, as the library words it."""

    SENT = "sent %s, nonce %d"
    SENT_AGAIN = "0x%s is sent again"
    OUTBID = "0x%s waits: outbid by 0x%s"
    NODE_CHANGED = "node %s is used now instead of %s"
    STORE_CHANGED = "blocks come from store %d of %d now"
    STORE_ASKED_AGAIN = "trying again in %s s: %s"


class Heard(logging.Handler):
    """Counts what is said, and acts when it is said often enough."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.counts: Counter[str] = Counter()
        self._waiting: dict[tuple[str, int], Callable[[], None]] = {}

    def at(self, said: Said, number: int, act: Callable[[], None]) -> None:
        """Act once, when this is said for the ``number``-th time from now on; in the thread that says it."""
        self._waiting[said, self.counts[said] + number] = act

    def emit(self, record: logging.LogRecord) -> None:
        self.counts[record.msg] += 1
        act = self._waiting.pop((record.msg, self.counts[record.msg]), None)
        if act is not None:
            act()

    def retries(self) -> str:
        """Return what had to be tried once more, in words."""
        said = {
            "changes to another node": Said.NODE_CHANGED,
            "transactions sent again": Said.SENT_AGAIN,
            "outbid": Said.OUTBID,
            "changes to another store": Said.STORE_CHANGED,
            "questions to a store asked again": Said.STORE_ASKED_AGAIN,
        }
        return ", ".join(f"{self.counts[each]} {what}" for what, each in said.items())


@contextmanager
def listening() -> Iterator[Heard]:
    """Hear all that the library says, until the block ends."""
    heard, logger = Heard(), logging.getLogger("medshare")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(heard)
    try:
        yield heard
    finally:
        logger.removeHandler(heard)
        logger.setLevel(level)
