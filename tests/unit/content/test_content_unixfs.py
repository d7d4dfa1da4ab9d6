"""Building trees and directories.

given bytes in pieces of any size
├─ when a file is built → it should have the CID that Kubo and npm ipfs-unixfs-importer give
├─ when the pieces are cut otherwise → it should have the same CID
└─ when it is large → it should hold no more than a few chunks in memory
given names and links
├─ when a directory is built → it should not depend on their order
└─ when a name could do harm, or the block would be sharded → it should raise InvalidInputError
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest
from content_dags import SMALL, Shelf, pattern
from hypothesis import given
from hypothesis import strategies as st

from medshare.content import CHUNK_SIZE, PROFILE, Block, Cid, Codec, Layout, Link, build_directory, build_file
from medshare.content.layout import MAX_LARGE_ENTRIES
from medshare.errors import InvalidInputError

pytestmark = pytest.mark.unit

# Checked against npm ipfs-unixfs-importer 17.1.1, profile unixfs-v1-2025, by tests/integration/storage; written down
# so that they hold without node. Size, chunk, links, CID, Tsize.
VECTORS = [
    (0, 1048576, 1024, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", 0),
    (1, 1048576, 1024, "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu", 1),
    (1048575, 1048576, 1024, "bafkreien4fqd3nekrgfrue4wuiacahdzkchno7g7htqfzejbf7t2a6mopu", 1048575),
    (1048576, 1048576, 1024, "bafkreiesdugtu4sfvqnf6z3vzxssqv5c6yo64l6rpv3vi6eoac7zibu5ve", 1048576),
    (1048577, 1048576, 1024, "bafybeieyjrty734i2vmmynxkbtu2oxzjp32t6wvrlvcwxgsu4ghqcpfg7e", 1048681),
    (5242883, 1048576, 1024, "bafybeibfljwbzbew325ghu2qgikp3n66deopmka7optwqot7pna2l3vvlq", 5243188),
    (1000, 1024, 1024, "bafkreibavw2lrj32vzcanwq7j2r7qh7wdodxn5nzokrqb64xaxeplxkdii", 1000),
    (3, 4, 3, "bafkreiflnfikql2ekqypwsswmaf2k6gyegx7fszzmlpskns46ppyc5pulu", 3),
    (12, 4, 3, "bafybeia5iqoaeji5ykxpz3nirhufx3kim4c6fead676myoaf2qex7cte5y", 156),
    (13, 4, 3, "bafybeigokbvcahjgn5gnnhwzdmtxspfufjbeiftw7mooible6rgi6nlppm", 308),
    (36, 4, 3, "bafybeihybp7w3kc4stonsqzegsr5kelay4xp3pxm42p2ip3uio2oo6qp3u", 615),
    (37, 4, 3, "bafybeia3fexkxft5ss2yowyehphmks4gfhsxyy6db5b3fjgn27ue4fi3iy", 819),
    (108, 4, 3, "bafybeid7idam6dzxrkyhdjlmj65vt3lvubxxqghwpzm5bexsk5ofckpehu", 1992),
    (109, 4, 3, "bafybeiclpudhwbgwnikafo7xhbysfnoj6wapa2v4uoibia4ygadr6pyf4u", 2249),
    (1000, 4, 3, "bafybeihcgfaa6z253rcyio2kejv2a3rij644a4date2dpsemogwnfho2t4", 19299),
    (44544, 256, 174, "bafybeigo5jdwa75qhaomrlkusfdiyao6w6kqppb75oaw646mb3s7ip2qmy", 52905),
    (44800, 256, 174, "bafybeibz2oh3ycx645fhg3ag2bmxpsaaa4ny62453ykgvztzeromwyxgje", 53322),
    (4096, 4, 1024, "bafybeigpm7rqfpu7mbqv6mf3pmospgifklak2qr4qvbv4j2dpjswe7gzzi", 51208),
    (4100, 4, 1024, "bafybeif2xw7bgwhsx664x6iys35vi73agqmyvuasgtsp5kkfshykrxihpm", 51366),
]


@pytest.mark.parametrize(("size", "chunk", "links", "cid", "total_size"), VECTORS)
def test_build_file__known_bytes__gives_the_known_cid(
    size: int, chunk: int, links: int, cid: str, total_size: int
) -> None:
    link = build_file([pattern(size)], lambda _block: None, layout=Layout(chunk, links))
    assert (str(link.cid), link.size, link.total_size) == (cid, size, total_size)


def test_build_directory__empty__is_the_one_everybody_knows() -> None:
    link = build_directory({}, lambda _block: None)
    assert str(link.cid) == "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"


@given(st.binary(max_size=150), st.data())
def test_build_file__pieces_cut_otherwise__gives_the_same_cid(data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=12)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    whole, cut = Shelf(), Shelf()
    assert build_file(pieces, cut.emit, layout=SMALL) == whole.file(data)
    assert cut.blocks == whole.blocks


def test_build_file__children__come_before_their_parents() -> None:
    blocks: list[Block] = []
    link = build_file([pattern(100)], blocks.append, layout=SMALL)
    assert blocks[-1].cid == link.cid


def test_build_file__large__holds_a_few_chunks_only() -> None:
    piece = pattern(64 * 1024 + 28)

    def pieces() -> Iterator[bytes]:
        for _ in range(512):
            yield piece

    tracemalloc.start()
    link = build_file(pieces(), lambda _block: None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert link.size == 512 * len(piece)
    assert peak < 6 * CHUNK_SIZE


LEAF = Link(Cid.of(Codec.RAW, b"x"), 1, 1)


def test_build_directory__order_of_entries__does_not_matter() -> None:
    forth = build_directory({"a": LEAF, "b": LEAF, "é": LEAF}, lambda _block: None)
    back = build_directory({"é": LEAF, "b": LEAF, "a": LEAF}, lambda _block: None)
    assert forth == back
    assert forth.size == 3
    assert forth.is_directory


@pytest.mark.parametrize("name", ["..", "a/b", "", "\x1b[31m"])
def test_build_directory__harmful_name__is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="a name in a directory"):
        build_directory({name: LEAF}, lambda _block: None)


def test_build_directory__too_many_entries__says_that_it_would_be_sharded() -> None:
    with pytest.raises(InvalidInputError, match="sharded"):
        build_directory({f"{i:064x}.c4gh": LEAF for i in range(2400)}, lambda _block: None)
    build_directory({f"{i:064x}.c4gh": LEAF for i in range(2200)}, lambda _block: None)


def test_build_directory__directory_inside__is_refused() -> None:
    inner = build_directory({}, lambda _block: None)
    with pytest.raises(InvalidInputError, match="not supported"):
        build_directory({"inner": inner}, lambda _block: None)


def test_build_directory__more_large_files_than_a_reader_lists__is_refused() -> None:
    large = Link(Cid.of(Codec.DAG_PB, b"x"), 2 * CHUNK_SIZE, 2 * CHUNK_SIZE)
    with pytest.raises(InvalidInputError, match="more than one block"):
        build_directory({f"{i}": large for i in range(MAX_LARGE_ENTRIES + 1)}, lambda _block: None)


@pytest.mark.parametrize(("chunk", "links"), [(0, 2), (4, 1), (CHUNK_SIZE + 1, 2), (4, 1025)])
def test_layout__outside_the_profile__is_refused(chunk: int, links: int) -> None:
    with pytest.raises(ValueError, match="profile"):
        Layout(chunk, links)


def test_layout__profile__reaches_a_terabyte_in_two_levels() -> None:
    assert [PROFILE.height(size) for size in (0, CHUNK_SIZE, CHUNK_SIZE + 1, 2**30, 2**30 + 1, 2**40)] == [
        0,
        0,
        1,
        1,
        2,
        2,
    ]
