"""Verified reads.

given a file in an honest source
├─ when it is read, or a range of it → it should give these bytes, from the blocks needed only
└─ when a directory is listed → it should give each entry's CID and sizes
given a source that lies, or a DAG made to harm (deep, wide, cyclic, sizes that lie, other kinds)
└─ when it is read → it should raise a StoreError before downloading much
"""

from __future__ import annotations

import threading

import pytest
from content_dags import SMALL, Shelf, pattern
from hypothesis import given
from hypothesis import strategies as st

from medshare.content import (
    CHUNK_SIZE,
    MAX_FILE_SIZE,
    MAX_LINKS,
    Block,
    Cid,
    Codec,
    Layout,
    Link,
    build_directory,
    file_size,
    list_directory,
    read_file,
    references,
    walk,
)
from medshare.content.dagpb import MAX_NODE_SIZE, DirectoryNode, FileNode, PbLink
from medshare.errors import (
    BlobMismatchError,
    BlobNotFoundError,
    BlobTooLargeError,
    InvalidInputError,
    MalformedBlobError,
    MedshareError,
    StoreError,
)

pytestmark = pytest.mark.unit


def read(shelf: Shelf, cid: Cid, layout: Layout = SMALL, **options: int) -> bytes:
    return b"".join(read_file(shelf, cid, layout=layout, **{"max_size": 10**6, **options}))


# ----------------------------------------------------------------------------------------------- honest


@given(st.binary(max_size=200), st.integers(1, 5))
def test_read_file__whole__gives_the_bytes(data: bytes, read_ahead: int) -> None:
    shelf = Shelf()
    link = shelf.file(data)
    assert read(shelf, link.cid, read_ahead=read_ahead) == data
    assert file_size(shelf, link.cid, layout=SMALL) == len(data)


@given(st.binary(max_size=120), st.integers(0, 130), st.integers(0, 130), st.integers(1, 3))
def test_read_file__range__is_the_slice(data: bytes, offset: int, length: int, read_ahead: int) -> None:
    shelf = Shelf()
    link = shelf.file(data)
    assert read(shelf, link.cid, offset=offset, length=length, read_ahead=read_ahead) == data[offset : offset + length]


def test_read_file__range__fetches_only_what_it_needs() -> None:
    shelf = Shelf()
    link = shelf.file(pattern(4 * 3 * 3 * 3))  # three levels, 27 leaves
    assert read(shelf, link.cid, offset=50, length=1) == pattern(108)[50:51]
    assert len(shelf.asked) == 4


def test_read_file__profile__gives_the_bytes() -> None:
    shelf = Shelf()
    data = pattern(3 * CHUNK_SIZE + 5)
    link = shelf.file(data, Layout())
    assert b"".join(read_file(shelf, link.cid, max_size=len(data))) == data


def test_read_file__abandoned__leaves_no_threads() -> None:
    shelf = Shelf()
    pieces = read_file(shelf, shelf.file(pattern(100)).cid, max_size=100, layout=SMALL, read_ahead=3)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]  # a generator
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("medshare-read")]


@pytest.mark.parametrize("options", [{"offset": -1}, {"length": -1}, {"read_ahead": 0}, {"read_ahead": 65}])
def test_read_file__impossible_range__is_refused_at_once(options: dict[str, int]) -> None:
    with pytest.raises(InvalidInputError):
        read_file(Shelf(), Cid.of(Codec.RAW, b""), max_size=1, **options)


def test_list_directory__files__gives_links_and_sizes() -> None:
    shelf = Shelf()
    entries = {"header": shelf.file(b"abc"), "payload": shelf.file(pattern(50)), "zero": shelf.file(b"")}
    directory = build_directory(entries, shelf.emit)
    assert list_directory(shelf, directory.cid, layout=SMALL) == entries


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_walk__directory__gives_every_block_once(files: list[bytes]) -> None:
    shelf = Shelf()
    entries = {str(i): shelf.file(data) for i, data in enumerate(files)}
    directory = build_directory(entries, shelf.emit)
    blocks = list(walk(shelf, directory.cid, layout=SMALL))
    assert blocks[0].cid == directory.cid
    assert {block.cid: block.data for block in blocks} == shelf.blocks


def test_references__tree__does_not_fetch_leaves() -> None:
    shelf = Shelf()
    link = shelf.file(pattern(100))
    found = list(references(shelf, link.cid, layout=SMALL))
    assert {reference.cid for reference in found} == set(shelf.blocks)
    assert all(cid.codec is Codec.DAG_PB for cid in shelf.asked)


# ---------------------------------------------------------------------------------------- a source that lies


@pytest.mark.parametrize("read_ahead", [1, 4])
def test_read_file__one_bit_flipped_anywhere__is_a_mismatch(read_ahead: int) -> None:
    shelf = Shelf()
    link = shelf.file(pattern(60))
    for cid, data in list(shelf.blocks.items()):
        shelf.blocks[cid] = bytes([data[0] ^ 1]) + data[1:]
        with pytest.raises(BlobMismatchError) as caught:
            read(shelf, link.cid, read_ahead=read_ahead)
        assert caught.value.expected == str(cid)
        shelf.blocks[cid] = data


def test_read_file__block_missing__says_which() -> None:
    shelf = Shelf()
    link = shelf.file(pattern(60))
    leaf = next(cid for cid in shelf.blocks if cid.codec is Codec.RAW)
    del shelf.blocks[leaf]
    with pytest.raises(BlobNotFoundError, match=str(leaf)):
        read(shelf, link.cid)


def test_read_file__answer_larger_than_asked__is_too_large() -> None:
    with pytest.raises(BlobTooLargeError):
        list(read_file(lambda _cid, limit: bytes(limit + 1), Cid.of(Codec.RAW, b""), max_size=10))


# ---------------------------------------------------------------------------------------- DAGs made to harm


def file_node(*children: tuple[Cid, int, int]) -> FileNode:
    links = tuple(PbLink(cid, "", total) for cid, _size, total in children)
    return FileNode(links, tuple(size for _cid, size, _total in children))


def refused(shelf: Shelf, cid: Cid, layout: Layout = SMALL, max_size: int = 10**6) -> StoreError:
    with pytest.raises((MalformedBlobError, BlobTooLargeError)) as caught:
        read(shelf, cid, layout, max_size=max_size)
    with pytest.raises((MalformedBlobError, BlobTooLargeError)):
        list(walk(shelf, cid, max_size=max_size, layout=layout))
    return caught.value


def test_read_file__larger_than_allowed__is_refused_before_the_download() -> None:
    shelf = Shelf()
    link = shelf.file(pattern(100))
    with pytest.raises(BlobTooLargeError):
        read(shelf, link.cid, max_size=99)
    assert shelf.asked == [link.cid]


def test_read_file__claims_exabytes__is_refused_before_the_download() -> None:
    shelf = Shelf()
    leaf = shelf.add_raw(Codec.RAW, b"abcd")
    root = shelf.add(file_node(*[(leaf, 2**52, 2**52)] * 1000))
    refused(shelf, root, Layout())
    assert set(shelf.asked) == {root}


def test_read_file__chain_deeper_than_its_size_needs__is_refused() -> None:
    shelf = Shelf()
    cid, total = shelf.add_raw(Codec.RAW, b"abcdefgh"), 8
    for _ in range(50):
        node = file_node((cid, 8, total))
        cid, total = shelf.add(node), total + len(shelf.blocks[shelf.add(node)])
    refused(shelf, cid)
    assert len(set(shelf.asked)) <= 2


def test_read_file__wider_than_a_node_may_be__is_refused() -> None:
    shelf = Shelf()
    leaf = shelf.add_raw(Codec.RAW, b"a")
    refused(shelf, shelf.add(file_node(*[(leaf, 1, 1)] * (MAX_LINKS + 1))), Layout())


def test_walk__few_blocks_that_claim_terabytes__looks_at_each_once() -> None:
    shelf = Shelf()
    leaf = shelf.add_raw(Codec.RAW, bytes(CHUNK_SIZE))
    inner = file_node(*[(leaf, CHUNK_SIZE, CHUNK_SIZE)] * MAX_LINKS)
    inner_cid = shelf.add(inner)
    total = inner.size + len(shelf.blocks[inner_cid])
    root = shelf.add(file_node(*[(inner_cid, inner.size, total)] * MAX_LINKS))
    assert len(list(walk(shelf, root))) == 3  # a terabyte, and no more than a terabyte
    with pytest.raises(BlobTooLargeError):
        list(walk(shelf, root, max_size=2**40 - 1))
    with pytest.raises(BlobTooLargeError):
        list(read_file(shelf, root, max_size=2**40 - 1))


def test_walk__files_of_a_directory_together_too_large__is_refused() -> None:
    shelf = Shelf()
    directory = build_directory({"a": shelf.file(pattern(50)), "b": shelf.file(pattern(51))}, shelf.emit)
    with pytest.raises(BlobTooLargeError):
        list(walk(shelf, directory.cid, max_size=100, layout=SMALL))
    list(walk(shelf, directory.cid, max_size=101, layout=SMALL))


def test_read_file__leaf_shorter_or_longer_than_said__is_refused() -> None:
    shelf = Shelf()
    leaf, short, long = (shelf.add_raw(Codec.RAW, data) for data in (b"abcd", b"ab", b"abcde"))
    refused(shelf, shelf.add(file_node((short, 4, 4), (leaf, 4, 4))))
    refused(shelf, shelf.add(file_node((long, 4, 4), (leaf, 4, 4))))


def test_read_file__child_of_another_size_than_said__is_refused() -> None:
    shelf = Shelf()
    child, leaf = shelf.file(b"abcdefgh"), shelf.add_raw(Codec.RAW, b"abcd")
    tail = shelf.add(file_node((leaf, 4, 4)))
    node = file_node((child.cid, 12, child.total_size), (tail, 4, 4 + len(shelf.blocks[tail])))
    refused(shelf, shelf.add(node))


def test_read_file__divided_otherwise_than_the_profile__is_refused() -> None:
    shelf = Shelf()
    leaf, short = shelf.add_raw(Codec.RAW, b"abcd"), shelf.add_raw(Codec.RAW, b"ab")
    assert read(shelf, shelf.add(file_node((leaf, 4, 4), (short, 2, 2)))) == b"abcdab"
    refused(shelf, shelf.add(file_node((short, 2, 2), (leaf, 4, 4))))
    refused(shelf, shelf.add(file_node((short, 2, 2), (short, 2, 2), (short, 2, 2))))


def test_read_file__total_size_that_lies__is_refused() -> None:
    shelf = Shelf()
    inner = shelf.file(pattern(12))
    tail = shelf.add(file_node((shelf.add_raw(Codec.RAW, b"abcd"), 4, 4)))
    honest = (tail, 4, 4 + len(shelf.blocks[tail]))
    assert len(read(shelf, shelf.add(file_node((inner.cid, 12, inner.total_size), honest)))) == 16
    refused(shelf, shelf.add(file_node((inner.cid, 12, inner.total_size + 1), honest)))


def test_read_file__link_to_another_kind__is_refused() -> None:
    shelf = Shelf()
    leaf = shelf.add_raw(Codec.RAW, b"abcd")
    directory = build_directory({}, shelf.emit).cid
    refused(shelf, shelf.add(file_node((leaf, 4, 4), (directory, 4, 4))))  # dag-pb where a leaf must be
    refused(shelf, shelf.add(file_node((leaf, 12, 12), (leaf, 4, 4))))  # a leaf where a node must be
    refused(shelf, shelf.add(file_node((directory, 12, 4), (directory, 4, 4))))  # a directory inside a file


def test_read_file__node_of_a_file_that_fits_a_leaf__is_refused() -> None:
    shelf = Shelf()
    refused(shelf, shelf.add(file_node((shelf.add_raw(Codec.RAW, b"ab"), 2, 2))))


def test_read_file__leaf_larger_than_a_chunk__is_refused() -> None:
    shelf = Shelf()
    refused(shelf, shelf.add_raw(Codec.RAW, b"abcde"))


def test_read_file__directory_and_directory_of_directories__are_refused() -> None:
    shelf = Shelf()
    inner = build_directory({}, shelf.emit)
    with pytest.raises(MalformedBlobError, match="directory stands where a file"):
        read(shelf, inner.cid)
    outer = shelf.add(DirectoryNode((PbLink(inner.cid, "inner", inner.total_size),)))
    for ask in (list_directory, lambda *args, **more: list(walk(*args, **more))):
        with pytest.raises(MalformedBlobError):
            ask(shelf, outer, layout=SMALL)


def test_list_directory__file_or_leaf__is_refused() -> None:
    shelf = Shelf()
    for link in (shelf.file(b"ab"), shelf.file(pattern(20))):
        with pytest.raises(MalformedBlobError):
            list_directory(shelf, link.cid, layout=SMALL)


def test_list_directory__sizes_that_lie__are_refused() -> None:
    shelf = Shelf()
    file = shelf.file(pattern(20))
    for link in (Link(file.cid, 20, file.total_size + 1), Link(shelf.file(b"a").cid, 1, 5)):
        directory = build_directory({"a": link}, shelf.emit)
        with pytest.raises(MalformedBlobError):
            list_directory(shelf, directory.cid, layout=SMALL)
        with pytest.raises(MalformedBlobError):
            list(walk(shelf, directory.cid, layout=SMALL))


def test_list_directory__thousands_of_large_files__is_refused_before_the_download() -> None:
    shelf = Shelf()
    links = tuple(PbLink(Cid(Codec.DAG_PB, bytes(32)), f"{i:05}", 2**30) for i in range(4000))
    root = shelf.add(DirectoryNode(links))
    with pytest.raises(BlobTooLargeError):
        list_directory(shelf, root)
    assert shelf.asked == [root]


def test_read_file__node_larger_than_a_node_may_be__is_not_taken() -> None:
    asked = []

    def source(_cid: Cid, limit: int) -> bytes:
        asked.append(limit)
        return bytes(limit + 1)

    with pytest.raises(BlobTooLargeError):
        list(read_file(source, Cid(Codec.DAG_PB, bytes(32)), max_size=MAX_FILE_SIZE))
    assert asked == [MAX_NODE_SIZE]


@given(st.data())
def test_read__any_dag_of_our_pieces__gives_bytes_or_an_error_of_ours(draw: st.DataObject) -> None:
    shelf = Shelf()
    cids = [shelf.add_raw(Codec.RAW, b"abcd"), shelf.add_raw(Codec.RAW, b"x")]
    sizes = st.sampled_from([1, 2, 4, 5, 8, 12, 16, 52])
    for _ in range(draw.draw(st.integers(1, 5))):
        child = st.tuples(st.sampled_from(cids), sizes, st.integers(0, 200))
        children = draw.draw(st.lists(child, min_size=1, max_size=4))
        cids.append(shelf.add(file_node(*children)))
    try:
        data = read(shelf, cids[-1], read_ahead=1)
    except MedshareError:
        return
    again = Shelf()
    assert again.file(data).cid == cids[-1]  # what is accepted is what we would have built


def test_block__of__addresses_its_bytes() -> None:
    assert Block.of(Codec.RAW, b"a").cid == Cid.of(Codec.RAW, b"a")
