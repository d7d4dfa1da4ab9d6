"""CAR archives.

given what we wrote
├─ when it is read → it should give the roots and each block once
└─ when bytes of it are changed or missing → it should raise an error of ours, and never a wrong block
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable

import pytest
from content_dags import Shelf, pattern
from hypothesis import given
from hypothesis import strategies as st

from medshare.content import (
    BATCH_SIZE,
    MAX_BLOCK_SIZE,
    Block,
    BlockBatch,
    Cid,
    Codec,
    Layout,
    build_directory,
    encode_car,
    in_batches,
    read_car,
    verify_block,
    write_car,
)
from medshare.content.car import MAX_ROOTS
from medshare.content.varint import encode_varint
from medshare.errors import (
    BlobMismatchError,
    BlobNotFoundError,
    BlobTooLargeError,
    InvalidInputError,
    MalformedBlobError,
    MedshareError,
    StoreFullError,
)

pytestmark = pytest.mark.unit

ONE, TWO = Block.of(Codec.RAW, b"one"), Block.of(Codec.RAW, b"two")


def car(*blocks: Block, roots: tuple[Cid, ...] | None = None) -> bytes:
    return b"".join(encode_car(roots or (blocks[0].cid,), blocks))


def read_all(raw: bytes) -> tuple[tuple[Cid, ...], list[Block]]:
    roots, blocks = read_car(io.BytesIO(raw))
    return roots, list(blocks)


def test_encode__one_block__are_the_bytes_of_the_specification() -> None:
    header = bytes.fromhex("a265726f6f747381d82a582500") + bytes(ONE.cid) + bytes.fromhex("6776657273696f6e01")
    assert car(ONE) == bytes([len(header)]) + header + bytes([39]) + bytes(ONE.cid) + b"one"


@pytest.mark.parametrize("count", [1, 2, 23, 24, 255, 256, MAX_ROOTS])
def test_read__any_number_of_roots__gives_them_back(count: int) -> None:
    roots = tuple(Cid.of(Codec.DAG_PB, bytes([i >> 8, i & 255])) for i in range(count))
    assert read_all(car(ONE, TWO, roots=roots)) == (roots, [ONE, TWO])


def test_write_car__directories_that_share_files__holds_each_block_once() -> None:
    shelf = Shelf()
    shared = shelf.file(pattern(100), Layout())
    roots = [build_directory({name: shared}, shelf.emit).cid for name in ("a", "b")]
    out = io.BytesIO()
    write_car(shelf, roots, out)
    found, blocks = read_all(out.getvalue())
    assert list(found) == roots
    assert sorted(map(str, (block.cid for block in blocks))) == sorted(map(str, shelf.blocks))


def test_write_car__block_missing__raises() -> None:
    with pytest.raises(BlobNotFoundError):
        write_car(Shelf(), [ONE.cid], io.BytesIO())


@pytest.mark.parametrize("count", [0, MAX_ROOTS + 1])
def test_encode__no_roots_or_too_many__is_refused(count: int) -> None:
    with pytest.raises(InvalidInputError):
        list(encode_car([ONE.cid] * count, []))


def test_read__cut_anywhere__is_malformed_or_whole_to_there() -> None:
    raw = car(ONE, TWO)
    ends = {len(car(ONE)) - 40, len(car(ONE)), len(raw)}  # after the header and after each block
    for size in range(len(raw)):
        try:
            _roots, blocks = read_all(raw[:size])
        except MalformedBlobError:
            assert size not in ends
        else:
            assert size in ends
            assert blocks == [ONE, TWO][: len(blocks)]


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        pytest.param(b"", MalformedBlobError, id="empty"),
        pytest.param(b"\xff" * 12, MalformedBlobError, id="endless number"),
        pytest.param(encode_varint(2**40), BlobTooLargeError, id="header of a terabyte"),
        pytest.param(b"\x0a" + b"\xa1\x67version\x02", MalformedBlobError, id="CARv2"),
        pytest.param(car(ONE) + encode_varint(2**40), BlobTooLargeError, id="block of a terabyte"),
        pytest.param(car(ONE) + b"\x00", MalformedBlobError, id="block of nothing"),
        pytest.param(car(ONE) + b"\x22\x12\x20" + bytes(32), MalformedBlobError, id="CIDv0"),
        pytest.param(car(ONE) + b"\x06\x01\x55\x00\x02hi", MalformedBlobError, id="identity hash"),
        pytest.param(car(ONE)[:-1] + b"x", BlobMismatchError, id="wrong block"),
        pytest.param(
            encode_varint(len(b"\xa2\x65roots\x80\x67version\x01")) + b"\xa2\x65roots\x80\x67version\x01",
            MalformedBlobError,
            id="no roots",
        ),
    ],
)
def test_read__made_to_harm__is_refused(raw: bytes, error: type[MedshareError]) -> None:
    with pytest.raises(error):
        read_all(raw)


@given(st.data())
def test_read__changed_bytes__never_give_a_wrong_block(draw: st.DataObject) -> None:
    raw = bytearray(car(ONE, TWO, roots=(ONE.cid, TWO.cid)))
    for _ in range(draw.draw(st.integers(1, 3))):
        where = draw.draw(st.integers(0, len(raw)))
        raw[where : where + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=3))
    try:
        _roots, blocks = read_car(io.BytesIO(bytes(raw)))
        for block in blocks:
            verify_block(block.cid, block.data)
    except MedshareError:
        pass


# ----------------------------------------------------------------------------------------------- batches


def test_block_batch__many_blocks__gives_them_on_in_order_and_in_parts() -> None:
    batches: list[list[Block]] = []
    blocks = [Block.of(Codec.RAW, bytes([i]) * 10) for i in range(7)]
    with BlockBatch(lambda some: batches.append(list(some)), max_bytes=30) as emit:
        for block in blocks:
            emit(block)
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert [block for batch in batches for block in batch] == blocks


def test_block_batch__building_fails__gives_the_rest_to_nobody() -> None:
    batches: list[object] = []

    def build() -> None:
        with BlockBatch(batches.append) as emit:
            emit(ONE)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build()
    assert batches == []


def test_in_batches__limits__hold() -> None:
    assert [len(batch) for batch in in_batches([ONE] * 5, max_blocks=2)] == [2, 2, 1]
    assert [len(batch) for batch in in_batches([Block.of(Codec.RAW, bytes(BATCH_SIZE // 8))] * 9)] == [8, 1]
    with pytest.raises(BlobTooLargeError):
        list(in_batches([Block(ONE.cid, bytes(MAX_BLOCK_SIZE + 1))]))


def test_block_batch__putting_fails__raises_at_the_next_batch_or_the_end() -> None:
    def full(_blocks: Iterable[Block]) -> None:
        raise StoreFullError("no space left")

    def build(count: int) -> None:
        with BlockBatch(full, max_bytes=1) as emit:
            for _ in range(count):
                emit(ONE)

    for count in (1, 2, 3):
        with pytest.raises(StoreFullError):
            build(count)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("medshare-put")]


def test_block_batch__flush__returns_when_everything_was_put() -> None:
    stored: list[Block] = []

    def slow(blocks: Iterable[Block]) -> None:
        threading.Event().wait(0.01)
        stored.extend(blocks)

    with BlockBatch(slow, max_bytes=4) as emit:
        for block in (ONE, TWO, ONE):
            emit(block)
        emit.flush()
        assert stored == [ONE, TWO, ONE]
