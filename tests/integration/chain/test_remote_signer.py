"""A wallet that is asked over JSON-RPC, honest or not.

given anvil, which holds keys and signs when asked
└── what it signs should be what our own key signs
given each dialect
└── method, account and typed data should go out as that wallet wants them
given a wallet whose owner says no
└── that should be told apart from a wallet that cannot be reached
given a wallet that does not answer, or answers nonsense, too much, or something else
└── an error of ours should come, soon, and without the wallet's address on the network
"""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from eth_account import Account
from nodes import HD_PATH, MNEMONIC, deaf_port

from medshare.chain import LocalSigner
from medshare.chain.signing import Dialect, RemoteSigner
from medshare.errors import SignatureMismatchError, SignerUnavailableError, SigningError, SigningRefusedError
from medshare.model.eip712 import Domain
from medshare.model.ids import Address, address
from medshare.model.typed_data import SignableRevokeAll, to_typed_data
from medshare.services.signing import sign

pytestmark = pytest.mark.integration

NOW = 1_800_000_000
DOMAIN = Domain.of("ConsentRegistry", 31337, address("0x5FbDB2315678afecb367f032d93F642f64180aa3"))
SIGNER = LocalSigner.from_key(b"\x07" * 32)
SECRET = "/secret-key-in-the-path"
SOON = 0.5


def message_of(who: Address) -> SignableRevokeAll:
    return SignableRevokeAll(patient=who, stamp=0, deadline=NOW + 3_600)


class NoWallets:
    def accepts(self, *_: object) -> bool:
        return False


@dataclass
class Wallet:
    """A server that answers as it is told."""

    url: str = ""
    status: int = 200
    body: bytes = b""
    asked: list[dict[str, Any]] = field(default_factory=list)
    silent: bool = False
    over: threading.Event = field(default_factory=threading.Event)

    def answers(self, **answer: Any) -> None:
        self.body = json.dumps({"jsonrpc": "2.0", "id": 1, **answer}).encode()


@contextmanager
def serving(wallet: Wallet) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            wallet.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if wallet.silent:
                wallet.over.wait(60)
            self.send_response(wallet.status)
            self.send_header("Content-Length", str(len(wallet.body)))
            self.end_headers()
            self.wfile.write(wallet.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Say nothing: clients that hang up are what is tested."""

    server = Server(("127.0.0.1", 0), Handler)
    wallet.url = f"http://127.0.0.1:{server.server_address[1]}{SECRET}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        wallet.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def wallet() -> Iterator[Wallet]:
    wallet = Wallet()
    with serving(wallet):
        yield wallet


def ask(wallet: Wallet, **changes: Any):
    with RemoteSigner(SIGNER.address, wallet.url, timeout=SOON, **changes) as signer:
        return sign(message_of(SIGNER.address), DOMAIN, signer=signer, now=NOW, wallets=NoWallets())


def hexed(signature: bytes) -> str:
    return "0x" + signature.hex()


def own_signature() -> bytes:
    return SIGNER.sign_typed_data(to_typed_data(message_of(SIGNER.address), DOMAIN))


@pytest.mark.anvil
def test_sign__anvil_that_holds_the_key__signs_what_we_sign(anvil) -> None:
    Account.enable_unaudited_hdwallet_features()
    account = LocalSigner(Account.from_mnemonic(MNEMONIC, account_path=f"{HD_PATH}/1"))

    with RemoteSigner(account.address, anvil.url) as remote:
        theirs = sign(message_of(account.address), DOMAIN, signer=remote, now=NOW, wallets=NoWallets())

    assert theirs == sign(message_of(account.address), DOMAIN, signer=account, now=NOW, wallets=NoWallets())


@pytest.mark.parametrize("dialect", Dialect)
def test_sign__each_dialect__goes_out_as_the_wallet_wants_it(dialect, wallet) -> None:
    wallet.answers(result=hexed(own_signature()))

    ask(wallet, dialect=dialect)

    (asked,) = wallet.asked
    who, typed_data = asked["params"]
    assert (asked["method"], who) == (str(dialect), SIGNER.address)
    assert isinstance(typed_data, dict if dialect is Dialect.CLEF else str)
    wanted = to_typed_data(message_of(SIGNER.address), DOMAIN)
    assert (typed_data if dialect is Dialect.CLEF else json.loads(typed_data)) == wanted


@pytest.mark.parametrize(
    "error",
    [
        {"code": 4001, "message": "User rejected the request."},
        {"code": -32000, "message": "Request denied"},
        {"code": -32603, "message": "MetaMask Message Signature: User denied message signature."},
    ],
)
def test_sign__owner_says_no__is_told_so(error, wallet) -> None:
    wallet.answers(error=error)

    with pytest.raises(SigningRefusedError):
        ask(wallet)
    assert len(wallet.asked) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"body": b""},
        {"body": b"<html>"},
        {"body": b"[1]"},
        {"body": b'{"jsonrpc":"2.0","id":1}'},
        {"body": b'{"result":null}'},
        {"body": b'{"result":"signature"}'},
        {"body": b'{"result":"0x"}'},
        {"body": b'{"result":"0x123"}'},
        {"body": b'{"result":["0x12"]}'},
        {"body": b'{"result":"0x' + b"ab" * 4097 + b'"}'},
        {"body": b'{"result":"0x' + b"ab" * 70_000 + b'"}'},
        {"body": b'{"error":{"code":-32601,"message":"method not found"}}'},
        {"body": b'{"error":"locked"}'},
        {"status": 502, "body": b"<html>"},
        {"status": 401, "body": b"{}"},
        {"status": 429, "body": b"slow down"},
        {"status": 302, "body": b""},
        {"silent": True},
    ],
    ids=lambda change: str(change)[:40],
)
def test_sign__wallet_that_answers_nonsense_or_nothing__is_unavailable(change, wallet) -> None:
    for name, value in change.items():
        setattr(wallet, name, value)

    with pytest.raises(SignerUnavailableError) as caught:
        ask(wallet)
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told
    assert SECRET not in caught.value.hint
    assert len(wallet.asked) == 1


def test_sign__nobody_listens__is_unavailable() -> None:
    with deaf_port() as port, pytest.raises(SignerUnavailableError):
        ask(Wallet(url=f"http://127.0.0.1:{port}{SECRET}"))


def test_sign__wallet_signs_with_another_account__is_noticed(wallet) -> None:
    other = LocalSigner.from_key(b"\x08" * 32)
    wallet.answers(result=hexed(other.sign_typed_data(to_typed_data(message_of(SIGNER.address), DOMAIN))))

    with pytest.raises(SignatureMismatchError):
        ask(wallet)


def test_errors__of_signing__have_a_hint() -> None:
    assert all(kind.hint for kind in SigningError.__subclasses__() if not kind.__init__.__annotations__)
    assert repr(RemoteSigner(SIGNER.address, "http://127.0.0.1:1" + SECRET)) == f"RemoteSigner({SIGNER.address})"
