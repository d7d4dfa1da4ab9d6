"""Which institutions have their seats, as the contract Consortium says."""

from __future__ import annotations

from collections.abc import Iterator

from medshare.model.accreditation import MemberStatus
from medshare.model.events import BlockRef
from medshare.model.ids import ZERO_ADDRESS, Address
from medshare.ports import ConsortiumLedger

_LAST_SEAT = 255


def seated_members(consortium: ConsortiumLedger, *, block: BlockRef) -> Iterator[Address]:
    """Yield every institution that has its seat at a block; raises ``LedgerUnavailableError``."""
    for seat in range(1, _LAST_SEAT + 1):
        holder = consortium.member_at(seat, block=block)
        if holder == ZERO_ADDRESS:
            return
        if consortium.member(holder, block=block).status is MemberStatus.SEATED:
            yield holder
