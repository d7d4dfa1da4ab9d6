"""A gateway in memory, which can be told to misbehave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from fake_kubo import STALL_SECONDS, Server

from medshare.content import Block, Cid


@dataclass
class FakeGateway:
    """The gateway's blocks, what it was asked, and what it shall do wrong, how often."""

    blocks: dict[Cid, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    fault: str = ""
    times: int = 10**6
    elsewhere: str = ""
    authorization: str | None = None
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the test is over: answers that stay away are held back no longer."""

    def misbehave(self, fault: str, times: int = 10**6) -> None:
        self.fault, self.times = fault, times

    def next_fault(self) -> str:
        if self.times == 0:
            return ""
        self.times -= 1
        return self.fault

    def hold(self, *blocks: Block) -> None:
        self.blocks.update({block.cid: block.data for block in blocks})


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    gateway: ClassVar[FakeGateway]

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.gateway.asked.append((self.command, self.path))
        self.gateway.headers.append(dict(self.headers))
        if self.gateway.authorization is not None and self.headers.get("Authorization") != self.gateway.authorization:
            self.answer(b"who are you?", status=401)
            return
        url = urlsplit(self.path)
        fault = self.gateway.next_fault()
        if fault in FAULTS:
            FAULTS[fault](self)
            return
        cid = Cid.parse(url.path.removeprefix("/ipfs/"))
        assert parse_qs(url.query) == {"format": ["raw"]}
        data = self.gateway.blocks.get(cid)
        if data is None:
            self.answer(b"not here", status=412 if self.headers.get("Cache-Control") == "only-if-cached" else 404)
        elif fault == "one bit":
            self.answer(bytes([data[0] ^ 1]) + data[1:])
        elif fault == "other block":
            self.answer(next(other for other in self.gateway.blocks.values() if other != data))
        elif fault == "cut":
            self.answer(data, sent=len(data) // 2)
        elif fault == "cut silently":
            self.answer(data[: len(data) // 2])
        else:
            self.answer(data)

    def answer(
        self, data: bytes, *, status: int = 200, kind: str = "application/vnd.ipld.raw", sent: int | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[:sent])
        if sent is not None:
            self.close_connection = True

    def redirect(self, target: str) -> None:
        self.send_response(301)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def die(self) -> None:
        self.close_connection = True

    def stall(self) -> None:
        self.gateway.over.wait(STALL_SECONDS)
        self.close_connection = True

    def drip(self) -> None:
        self._without_end(b"x", 0.05)

    def endless(self) -> None:
        self._without_end(bytes(64 * 1024), 0)

    def _without_end(self, piece: bytes, pause: float) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.ipld.raw")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        with suppress(OSError):
            for _ in range(4096):
                self.wfile.write(piece)
                if pause and self.gateway.over.wait(pause):
                    return


FAULTS: dict[str, Callable[[Handler], None]] = {
    "die": Handler.die,
    "stall": Handler.stall,
    "drip": Handler.drip,
    "endless": Handler.endless,
    "html": lambda handler: handler.answer(b"<html>Log in to the hospital network</html>", kind="text/html"),
    "empty": lambda handler: handler.answer(b""),
    "500": lambda handler: handler.answer(b"broken \x1b[31m", status=500),
    "504": lambda handler: handler.answer(b"late", status=504),
    "429": lambda handler: handler.answer(b"slowly", status=429),
    "400": lambda handler: handler.answer(b"what?", status=400),
    "410": lambda handler: handler.answer(b"taken down", status=410),
    "redirect elsewhere": lambda handler: handler.redirect(handler.gateway.elsewhere + handler.path),
    "redirect to the CID's own host": lambda handler: handler.redirect("http://bafy.ipfs.localhost/"),
    "redirect to nonsense": lambda handler: handler.redirect("http://[/"),
    "redirect to nowhere": lambda handler: handler.redirect(""),
    "redirect to itself": lambda handler: handler.redirect(handler.path),
}


@contextmanager
def running_gateway() -> Iterator[FakeGateway]:
    """A gateway on a free port."""
    gateway = FakeGateway()
    handler = type("BoundHandler", (Handler,), {"gateway": gateway})
    with Server(("127.0.0.1", 0), handler) as server:
        gateway.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield gateway
        finally:
            gateway.over.set()
            server.shutdown()
            thread.join()
