"""A wallet that is asked over JSON-RPC, and signs what it is shown with one key, for whatever account it is asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from medshare.chain import LocalSigner


@contextmanager
def bridged(owner: LocalSigner) -> Iterator[str]:
    """Serve the wallet of ``owner``; the value is its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            _, typed_data = asked["params"]
            signature = owner.sign_typed_data(json.loads(typed_data))
            body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": "0x" + signature.hex()}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
