"""A geth of one's own, asked over its socket, that misbehaves.

given a socket
├─ answers are returned, in as many pieces as they come
├─ what the node refuses is its own error
└─ nobody there, silence, an answer cut off, nonsense, another shape than expected: unavailable, and no other error
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from medshare.chain.wire import NodeError
from medshare.errors import LedgerUnavailableError
from medshare.network.asking import GethNode

pytestmark = pytest.mark.integration


@contextmanager
def answering(path: Path, *pieces: bytes) -> Iterator[GethNode]:
    """A node that answers every question with the same, piece by piece, and hangs up."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                with line:
                    line.recv(1 << 16)
                    for piece in pieces:
                        line.sendall(piece)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield GethNode(path, timeout=2)
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s") / "ipc"


def result(value: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}).encode() + b"\n"


def test_answer__in_pieces__is_returned(path: Path) -> None:
    text = result("0x10")
    with answering(path, text[:5], text[5:20], text[20:]) as node:
        assert node.block_number() == 16


def test_answer__refusal__is_the_nodes(path: Path) -> None:
    with (
        answering(path, b'{"error": {"code": -32000, "message": "authentication needed"}}\n') as node,
        pytest.raises(NodeError, match="authentication needed"),
    ):
        node.ask("eth_sign")


@pytest.mark.parametrize(
    "pieces",
    [(), (b'{"result": "0x',), (b"<html>\n",), (b"[]\n",), (b"{}\n",), (b"\xff\n",)],
    ids=["silence", "cut off", "no JSON", "a list", "no result", "no text"],
)
def test_answer__makes_no_sense__is_unavailable(path: Path, pieces: tuple[bytes, ...]) -> None:
    with answering(path, *pieces) as node, pytest.raises(LedgerUnavailableError):
        node.block_number()


@pytest.mark.parametrize(
    "question", [GethNode.peers, GethNode.signers, GethNode.sealers, GethNode.votes, GethNode.genesis_hash]
)
@pytest.mark.parametrize("value", [None, 5, "x", [5], {"x": 1}], ids=str)
def test_answer__of_another_shape__is_unavailable(
    path: Path, question: Callable[[GethNode], object], value: object
) -> None:
    with answering(path, result(value)) as node, pytest.raises(LedgerUnavailableError):
        question(node)


def test_nobody__there__is_unavailable(path: Path) -> None:
    with pytest.raises(LedgerUnavailableError):
        GethNode(path).block_number()


def test_socket__without_answer__is_given_up(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with pytest.raises(LedgerUnavailableError):
            GethNode(path, timeout=0.2).block_number()
