"""DAGs for the tests of medshare.content: honest ones in memory, and hostile ones by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from medshare.content import Block, Cid, Codec, Layout, Link, build_file
from medshare.content.dagpb import Node, encode_node
from medshare.errors import BlobNotFoundError

SMALL = Layout(4, 3)
PERIOD = 65521


def pattern(size: int) -> bytes:
    """The same bytes as in tests/judges/unixfs.mjs."""
    one = bytes((i * 167 + (i >> 8) * 13) & 255 for i in range(min(size, PERIOD)))
    return (one * (size // PERIOD + 1))[:size]


@dataclass
class Shelf:
    """A source that counts what it is asked; it checks nothing."""

    blocks: dict[Cid, bytes] = field(default_factory=dict)
    asked: list[Cid] = field(default_factory=list)

    def __call__(self, cid: Cid, _max_size: int) -> bytes:
        self.asked.append(cid)
        if cid not in self.blocks:
            raise BlobNotFoundError(str(cid))
        return self.blocks[cid]

    def emit(self, block: Block) -> None:
        self.blocks[block.cid] = block.data

    def add(self, node: Node) -> Cid:
        return self.add_raw(Codec.DAG_PB, encode_node(node))

    def add_raw(self, codec: Codec, data: bytes) -> Cid:
        block = Block.of(codec, data)
        self.emit(block)
        return block.cid

    def file(self, data: bytes, layout: Layout = SMALL) -> Link:
        return build_file([data], self.emit, layout=layout)
