"""A JSON-RPC server over the embedded chain that breaks in the ways real nodes and networks do.

``python faulty_node.py FOLDER`` serves a chain without faults to several processes, and prints its URL.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from medshare.chain.embedded import EmbeddedNode, EmbeddedProvider

LATE_SECONDS = 120.0
"""Far more than any client of the tests waits."""
HTML = b"<html><body>502 Bad Gateway</body></html>"


class FaultyNode:
    """What the server does next. ``faults[method]`` is a list of fault names, each used once, in order."""

    def __init__(self, node: EmbeddedNode) -> None:
        self.node = node
        self.provider = EmbeddedProvider(node)
        self.faults: dict[str, list[str]] = {}
        self.seen: Counter[str] = Counter()
        self.arrived: list[str] = []
        """Raw transactions that reached the chain, accepted or not."""
        self.url = ""
        self.lies: dict[str, Callable[[list[Any], Any], Any]] = {}
        """By method, what is answered for ever: made of the question's parameters and the true answer."""
        self.over = threading.Event()
        """Set when the test is over: answers that stay away are held back no longer."""

    def fail(self, method: str, *faults: str) -> None:
        """Let the next requests of ``method`` go wrong."""
        self.faults.setdefault(method, []).extend(faults)

    def forward(self, question: dict[str, Any]) -> dict[str, Any]:
        """Ask the chain."""
        if question["method"] == "eth_sendRawTransaction":
            self.arrived.append(question["params"][0])
        answer = {**self.provider.make_request(question["method"], question["params"]), "id": question["id"]}
        lie = self.lies.get(question["method"])
        return answer if lie is None else answer | {"result": lie(question["params"], answer.get("result"))}


class Server(ThreadingHTTPServer):
    """The server of one faulty node."""

    daemon_threads = True

    def __init__(self, faulty: FaultyNode) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faulty = faulty

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that hang up are what is tested."""


class Handler(BaseHTTPRequestHandler):
    """Answers, or does as the fault says."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if isinstance(question, list):
            self.reply(json.dumps([self.server.faulty.forward(one) for one in question]).encode())
            return
        method = question["method"]
        self.server.faulty.seen[method] += 1
        waiting = self.server.faulty.faults.get(method, [])
        fault = waiting.pop(0) if waiting else "none"
        getattr(self, "fault_" + fault)(question)

    def reply(self, body: bytes, status: int = 200, kind: str = "application/json", size: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if size is None else size))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, question: dict[str, Any]) -> bytes:
        return json.dumps(self.server.faulty.forward(question)).encode()

    def cut_off(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def fault_none(self, question: dict[str, Any]) -> None:
        self.reply(self.answer(question))

    def fault_drop_before(self, _question: dict[str, Any]) -> None:
        self.cut_off()

    def fault_drop_after(self, question: dict[str, Any]) -> None:
        self.answer(question)
        self.cut_off()

    def fault_html(self, _question: dict[str, Any]) -> None:
        self.reply(HTML, kind="text/html")

    def fault_html_502(self, _question: dict[str, Any]) -> None:
        self.reply(HTML, status=502, kind="text/html")

    def fault_html_404(self, _question: dict[str, Any]) -> None:
        self.reply(HTML, status=404, kind="text/html")

    def fault_html_after(self, question: dict[str, Any]) -> None:
        self.answer(question)
        self.reply(HTML, status=502, kind="text/html")

    def fault_cut(self, question: dict[str, Any]) -> None:
        body = self.answer(question)
        self.reply(body[: len(body) // 2], size=len(body))
        self.cut_off()

    def fault_cut_json(self, question: dict[str, Any]) -> None:
        self.reply(self.answer(question)[:-5])

    def fault_cut_chunk(self, question: dict[str, Any]) -> None:
        body = self.answer(question)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s" % (len(body) + 50, body))
        self.cut_off()

    def fault_busy(self, _question: dict[str, Any]) -> None:
        self.reply(b"slow down", status=429, kind="text/plain")

    def fault_slow_after(self, question: dict[str, Any]) -> None:
        body = self.answer(question)
        self.server.faulty.over.wait(LATE_SECONDS)
        self.reply(body)

    def fault_drip(self, question: dict[str, Any]) -> None:
        body = self.answer(question)
        self.reply(b"", size=len(body))
        for byte in body:
            self.server.faulty.over.wait(LATE_SECONDS / len(body))
            self.wfile.write(bytes([byte]))

    def fault_redirect(self, _question: dict[str, Any]) -> None:
        self.send_response(302)
        self.send_header("Location", self.server.faulty.url + "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def fault_other_chain(self, question: dict[str, Any]) -> None:
        self.reply(json.dumps({"jsonrpc": "2.0", "id": question["id"], "result": "0x1"}).encode())

    def fault_list(self, _question: dict[str, Any]) -> None:
        self.reply(b"[1, 2]")

    def fault_nonsense(self, question: dict[str, Any]) -> None:
        self.reply(json.dumps({"jsonrpc": "2.0", "id": question["id"], "result": {"number": "nine"}}).encode())

    def fault_too_many(self, question: dict[str, Any]) -> None:
        error = {"code": -32005, "message": "query returned more than 10000 results"}
        self.reply(json.dumps({"jsonrpc": "2.0", "id": question["id"], "error": error}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(node: EmbeddedNode) -> Iterator[FaultyNode]:
    """Serve ``node`` on a free loopback port until the block ends."""
    faulty = FaultyNode(node)
    server = Server(faulty)
    faulty.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield faulty
    finally:
        faulty.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    with EmbeddedNode(Path(sys.argv[1])) as chain, serving(chain) as served:
        print(served.url, flush=True)
        sys.stdin.read()
