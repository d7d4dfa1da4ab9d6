"""A Kubo node's RPC in memory, which can be told to misbehave. It answers as the source of Kubo 0.43 does."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from medshare.content import Block, Cid, read_car, references
from medshare.errors import BlobNotFoundError, InvalidInputError, MedshareError

STALL_SECONDS = 120.0
"""Far more than any client of the tests waits."""


@dataclass
class FakeKubo:
    """The node's state, what it was asked, and what it shall do wrong: a fault for each command, and how often."""

    blocks: dict[Cid, bytes] = field(default_factory=dict)
    pins: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    authorization: str | None = None
    faults: dict[str, tuple[str, int]] = field(default_factory=dict)
    address: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the test is over: answers that stay away are held back no longer."""

    def misbehave(self, command: str, fault: str, times: int = 10**6) -> None:
        self.faults[command] = (fault, times)

    def next_fault(self, command: str) -> str:
        fault, times = self.faults.get(command, ("", 0))
        if times == 0:
            return ""
        self.faults[command] = (fault, times - 1)
        return fault

    def count(self, command: str) -> int:
        return sum(asked == command for asked, _ in self.asked)

    def source(self, cid: Cid, _max_size: int) -> bytes:
        if cid not in self.blocks:
            raise BlobNotFoundError(str(cid))
        return self.blocks[cid]


class NodeError(Exception):
    """Becomes HTTP 500 with Kubo's form of an error."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    kubo: ClassVar[FakeKubo]

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        command = url.path.removeprefix("/api/v0/")
        said = parse_qs(url.query)
        params = {key: values[-1] for key, values in said.items()}
        body = self.body()
        self.kubo.asked.append((command, params))
        if self.kubo.authorization is not None and self.headers.get("Authorization") != self.kubo.authorization:
            self.answer(b"403 - Forbidden", status=403)
            return
        fault = self.kubo.next_fault(command)
        if fault in FAULTS:
            FAULTS[fault](self)
            return
        try:
            cids = [Cid.parse(text) for text in said.get("arg", [])]
            several = command in ("block/rm", "pin/add")
            answer = COMMANDS[command](self.kubo, cids if several else cids[-1] if cids else None, body)
        except (NodeError, MedshareError) as error:
            message = f"ipld: could not find {error.cid}" if isinstance(error, BlobNotFoundError) else str(error)
            self.answer(json.dumps({"Message": message, "Code": 0, "Type": "error"}).encode(), status=500)
            return
        self.answer(changed(fault, answer, self.kubo), fault=fault)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def answer(self, data: bytes, *, status: int = 200, fault: str = "", kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if fault == "cut chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data[: len(data) // 2])
            self.close_connection = True
            return
        if fault == "cut silently":
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if fault == "cut":
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        else:
            self.wfile.write(data)

    # Faults that are answers of their own.

    def die(self) -> None:
        self.close_connection = True

    def stall(self) -> None:
        self.kubo.over.wait(STALL_SECONDS)
        self.close_connection = True

    def drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(10**6))
        self.end_headers()
        self.close_connection = True
        with suppress(OSError):
            for _ in range(int(STALL_SECONDS * 20)):
                self.wfile.write(b"x")
                self.kubo.over.wait(0.05)

    def endless(self) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        with suppress(OSError):
            for _ in range(4096):  # 256 MiB, should anybody take it
                self.wfile.write(bytes(64 * 1024))


def html(handler: Handler) -> None:
    handler.answer(b"<html><body>Log in to the hospital network</body></html>", kind="text/html")


def html_500(handler: Handler) -> None:
    handler.answer(b"<html>Bad gateway</html>", status=500, kind="text/html")


def redirect(handler: Handler) -> None:
    handler.send_response(302)
    handler.send_header("Location", handler.kubo.address)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def error(message: str, status: int = 500) -> Any:
    return lambda handler: handler.answer(
        json.dumps({"Message": message, "Code": 0, "Type": "error"}).encode(), status=status
    )


FAULTS: dict[str, Any] = {
    "die": Handler.die,
    "stall": Handler.stall,
    "drip": Handler.drip,
    "endless": Handler.endless,
    "html": html,
    "html 500": html_500,
    "redirect": redirect,
    "500": error("something \x1b[31m broke"),
    "404": error("404 page not found", 404),
    "deadline": error("context deadline exceeded"),
    "full": error("write /data/ipfs/blocks/X: no space left on device"),
    "late error": error("late: disk failed", 200),
    "deep JSON": lambda handler: handler.answer(b"[" * 60_000),
    "number": lambda handler: handler.answer(b"42"),
}


def changed(fault: str, answer: bytes, kubo: FakeKubo) -> bytes:
    """The right answer, made wrong."""
    if fault == "other block":
        return next(data for data in kubo.blocks.values() if data != answer)
    if fault == "one bit":
        return bytes([answer[0] ^ 1]) + answer[1:]
    if fault == "other CID":
        right = next(iter(kubo.blocks))
        return answer.replace(str(right).encode(), str(Cid(right.codec, bytes(32))).encode())
    if fault == "pin error":
        return json.dumps({"Root": {"Cid": {"/": "x"}, "PinErrorMsg": "no pin: disk failed"}}).encode() + b"\n" + answer
    if fault == "one block less":
        stats = json.loads(answer)["Stats"]
        return json.dumps({"Stats": {**stats, "BlockCount": stats["BlockCount"] - 1}}).encode()
    if fault == "nothing":
        return b""
    if fault == "rm error":
        return answer + b'{"Hash": "x", "Error": "could not remove a block"}\n'
    if fault == "gc error":
        return answer + b'{"Error": "could not remove a block"}\n'
    return answer


# ------------------------------------------------------------------------------------------ commands


def version(_kubo: FakeKubo, _cid: Cid | None, _body: bytes) -> bytes:
    return b'{"Version":"0.43.1","Commit":"","Repo":"18"}\n'


def block_get(kubo: FakeKubo, cid: Cid, _body: bytes) -> bytes:
    return kubo.source(cid, 0)


def block_stat(kubo: FakeKubo, cid: Cid, _body: bytes) -> bytes:
    if cid not in kubo.blocks:
        raise NodeError(f"block was not found locally (offline): ipld: could not find {cid}")
    return json.dumps({"Key": str(cid), "Size": len(kubo.blocks[cid])}).encode()


def block_rm(kubo: FakeKubo, cids: list[Cid], _body: bytes) -> bytes:
    needed = needed_by_pins(kubo)
    answer = b""
    for cid in cids:
        told = {"Hash": str(cid)}
        if cid in needed:
            told["Error"] = "pinned: recursive"
        else:
            kubo.blocks.pop(cid, None)
        answer += json.dumps(told).encode() + b"\n"
    return answer


def dag_import(kubo: FakeKubo, _cid: None, body: bytes) -> bytes:
    boundary = body.split(b"\r\n", 1)[0]
    car = body.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n" + boundary + b"--\r\n")
    _roots, found = read_car(io.BytesIO(car))
    count = size = 0
    for block in found:
        kubo.blocks[block.cid] = block.data
        count, size = count + 1, size + len(block.data)
    return json.dumps({"Stats": {"BlockCount": count, "BlockBytesCount": size}}).encode() + b"\n"


def pin_add(kubo: FakeKubo, cids: list[Cid], _body: bytes) -> bytes:
    for cid in cids:
        for reference in references(kubo.source, cid):
            kubo.source(reference.cid, 0)
        kubo.pins[str(cid)] = "recursive"
    return json.dumps({"Pins": [str(cid) for cid in cids]}).encode()


def pin_rm(kubo: FakeKubo, cid: Cid, _body: bytes) -> bytes:
    if kubo.pins.pop(str(cid), None) is None:
        raise NodeError("not pinned or pinned indirectly")
    return json.dumps({"Pins": [str(cid)]}).encode()


def pin_ls(kubo: FakeKubo, _cid: None, _body: bytes) -> bytes:
    return json.dumps({"Keys": {cid: {"Type": kind, "Name": ""} for cid, kind in kubo.pins.items()}}).encode()


def needed_by_pins(kubo: FakeKubo) -> set[Cid]:
    needed = set()
    for text in kubo.pins:
        with suppress(InvalidInputError):
            needed |= {reference.cid for reference in references(kubo.source, Cid.parse(text))}
    return needed


def repo_gc(kubo: FakeKubo, _cid: None, _body: bytes) -> bytes:
    needed = needed_by_pins(kubo)
    gone = [cid for cid in kubo.blocks if cid not in needed]
    for cid in gone:
        del kubo.blocks[cid]
    return b"".join(json.dumps({"Key": {"/": str(cid)}}).encode() + b"\n" for cid in gone)


def repo_stat(kubo: FakeKubo, _cid: None, _body: bytes) -> bytes:
    size = sum(map(len, kubo.blocks.values()))
    return json.dumps({"RepoSize": size, "StorageMax": 10**10, "NumObjects": len(kubo.blocks)}).encode()


COMMANDS: dict[str, Any] = {
    "version": version,
    "block/get": block_get,
    "block/stat": block_stat,
    "block/rm": block_rm,
    "dag/import": dag_import,
    "pin/add": pin_add,
    "pin/rm": pin_rm,
    "pin/ls": pin_ls,
    "repo/gc": repo_gc,
    "repo/stat": repo_stat,
}


class Server(ThreadingHTTPServer):
    """Clients that hang up are no news."""

    daemon_threads = True

    def handle_error(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def running_fake() -> Iterator[FakeKubo]:
    """A fake node on a free port."""
    kubo = FakeKubo()
    handler = type("BoundHandler", (Handler,), {"kubo": kubo})
    with Server(("127.0.0.1", 0), handler) as server:
        kubo.address = f"/ip4/127.0.0.1/tcp/{server.server_port}/http"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield kubo
        finally:
            kubo.over.set()
            server.shutdown()
            thread.join()


def put_directly(kubo: FakeKubo, *blocks: Block) -> None:
    """Store without asking."""
    kubo.blocks.update({block.cid: block.data for block in blocks})
