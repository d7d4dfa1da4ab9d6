"""Several stores to read from: who is asked first, and who is left alone for a while.

given one's own store and others
├─ when one has given a block → it should be asked first for the next, and one's own again once that has one
├─ when one is unavailable → it should be asked last for a while, and then as before
└─ when the only one that has a block is unavailable → it should be asked all the same
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from medshare.content import MAX_BLOCK_SIZE, Block, Cid, Codec
from medshare.errors import StoreUnavailableError
from medshare.storage import SeveralStores
from medshare.storage.several import REST_SECONDS
from medshare.testing import FakeClock, MemoryStore

pytestmark = pytest.mark.unit

BLOCKS = [Block.of(Codec.RAW, bytes([number])) for number in range(6)]


class Store(MemoryStore):
    def __init__(self, blocks: Iterable[Block] = ()) -> None:
        super().__init__()
        self.put(blocks)
        self.down = False
        self.asked = 0

    def get(self, cid: Cid, max_size: int = MAX_BLOCK_SIZE) -> bytes:
        self.asked += 1
        if self.down:
            raise StoreUnavailableError("the test says so")
        return super().get(cid, max_size)


def test_get__one_had_the_last_block__is_asked_first_for_the_next(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="medshare")
    own, other = Store(BLOCKS[4:]), Store(BLOCKS[:4])
    stores = SeveralStores(own, other)
    for block in BLOCKS[:4]:
        assert stores.get(block.cid) == block.data
    assert (own.asked, other.asked) == (1, 4)
    for block in BLOCKS[4:]:
        assert stores.get(block.cid) == block.data
    assert (own.asked, other.asked) == (3, 5)
    assert [record.message for record in caplog.records] == [
        "blocks come from store 2 of 2 now",
        "blocks come from store 1 of 2 now",
    ]


def test_get__one_is_unavailable__is_asked_last_for_a_while() -> None:
    clock = FakeClock(0)
    own, other = Store(BLOCKS), Store(BLOCKS)
    stores = SeveralStores(own, other, now=clock.now)
    assert stores.get(BLOCKS[0].cid) == BLOCKS[0].data
    own.down = True
    for block in BLOCKS:
        assert stores.get(block.cid) == block.data
    assert own.asked == 2
    own.down, other.down = False, True
    clock.advance(int(REST_SECONDS) + 1)
    assert stores.get(BLOCKS[0].cid) == BLOCKS[0].data
    assert stores.get(BLOCKS[1].cid) == BLOCKS[1].data
    assert own.asked == 4


def test_get__only_the_unavailable_one_has_it__is_asked_all_the_same() -> None:
    own, other = Store(), Store(BLOCKS)
    other.down = True
    stores = SeveralStores(own, other)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            stores.get(BLOCKS[0].cid)
    other.down = False
    assert stores.get(BLOCKS[0].cid) == BLOCKS[0].data
