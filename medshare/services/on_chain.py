"""Once: what is on chain already is said to be, and not sent again; for what the chain would refuse the second time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from medshare.errors import RejectedError
from medshare.model.events import BlockRef, EventPlace
from medshare.ports import Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class OnChain:
    """Where something is on chain."""

    block: BlockRef
    tx_hash: bytes
    already: bool
    """Whether it was there before, so that nothing was sent now."""

    @classmethod
    def now(cls, receipt: Receipt) -> Self:
        """Return where it is that was sent just now."""
        return cls(block=receipt.block, tx_hash=receipt.tx_hash, already=False)

    @classmethod
    def before(cls, place: EventPlace) -> Self:
        """Return where it is that was sent before."""
        return cls(block=place.block, tx_hash=place.tx_hash, already=True)


def once(send: Callable[[], Receipt], *, place: Callable[[], EventPlace | None]) -> OnChain:
    """Send something, unless it is on chain.

    Args:
        send: sends it.
        place: looks where it is on chain; None where it is not. Asked again where the chain refuses: an earlier
            attempt that broke off may have been on its way, and is sent before anything else of its account.

    Raises:
        MedshareError: as the two.
    """
    found = place()
    if found is None:
        try:
            return OnChain.now(send())
        except RejectedError:
            found = place()
            if found is None:
                raise
    return OnChain.before(found)
