"""A plain HTTP gateway as a store to read from: block by block, each verified, so that nobody has to trust it.

``GET /ipfs/{cid}?format=raw`` is the one request that the specification of trustless gateways asks for:
https://specs.ipfs.tech/http-gateways/trustless-gateway/
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions

from medshare.content import MAX_BLOCK_SIZE, Block, Cid, verify_block
from medshare.errors import (
    BlobNotFoundError,
    BlobTooLargeError,
    InvalidInputError,
    ReadOnlyStoreError,
    StoreUnavailableError,
)
from medshare.ports import Collected
from medshare.storage.credentials import BasicAuth, BearerAuth, refused_credentials
from medshare.storage.kubo_rpc import pieces
from medshare.storage.repeating import RefusedError, repeated

TIMEOUT_SECONDS: Final = 30.0
MAX_REDIRECTS: Final = 3
_CONNECT_SECONDS: Final = 10.0
_RAW: Final = "application/vnd.ipld.raw"
_MISSING: Final = frozenset({404, 410, 412})
"""412 is how a gateway refuses ``only-if-cached``."""
_REFUSED: Final = frozenset({401, 403})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PORTS: Final = {"http": 80, "https": 443}
_HINT: Final = "write it as https://gateway.example or http://127.0.0.1:8080"


class GatewayBlobStore:
    """A ``BlobStore`` that only reads, from a gateway. Close it, or use it in a ``with``.

    What would write raises ``ReadOnlyStoreError``. It follows no redirect to another host: neither the question, which
    names a record, nor the credentials go where nobody has sent them.

    Args:
        url: where the gateway answers, without ``/ipfs``.
        auth: credentials, if it asks for them.
        ca_file: certificates to trust instead of the system's, for ``https``.
        timeout: seconds for one block, each attempt.

    Raises:
        InvalidInputError: the URL is not one. No connection is made yet.
    """

    def __init__(
        self,
        url: str,
        *,
        auth: BasicAuth | BearerAuth | None = None,
        ca_file: Path | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self._base = _checked(url)
        self._auth = auth
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False  # neither ~/.netrc nor a proxy may see or replace the credentials
        self._session.headers["Accept-Encoding"] = "identity"  # nothing that unpacks to more than was sent
        self._session.headers["Accept"] = _RAW
        if auth is not None:
            self._session.headers["Authorization"] = auth.header
        if ca_file is not None:
            self._session.verify = str(ca_file)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------ reading

    def get(self, cid: Cid, max_size: int = MAX_BLOCK_SIZE) -> bytes:
        """Return a block's bytes, verified; see ``BlobStore.get``. A gateway that lies is not asked twice."""
        data = repeated(lambda: self._fetch(cid, max_size))
        verify_block(cid, data)
        return data

    def has(self, cid: Cid) -> bool:
        """Whether the gateway says that it has the block at hand, and need not fetch it."""
        try:
            repeated(lambda: self._look(cid))
        except BlobNotFoundError:
            return False
        return True

    def pins(self) -> frozenset[Cid]:
        """Return nothing: a gateway pins nothing for those who read from it."""
        return frozenset()

    # ------------------------------------------------------------------------------------------ writing

    def put(self, blocks: Iterable[Block]) -> None:  # noqa: ARG002 - the port's; none is written
        """Raise ``ReadOnlyStoreError``, as all that would write."""
        raise ReadOnlyStoreError

    def pin(self, root: Cid) -> None:  # noqa: ARG002 - the port's; nothing is pinned
        """Raise ``ReadOnlyStoreError``."""
        raise ReadOnlyStoreError

    def pin_all(self, roots: Iterable[Cid]) -> None:  # noqa: ARG002 - the port's; nothing is pinned
        """Raise ``ReadOnlyStoreError``."""
        raise ReadOnlyStoreError

    def unpin(self, root: Cid) -> None:  # noqa: ARG002 - the port's; nothing is pinned
        """Raise ``ReadOnlyStoreError``."""
        raise ReadOnlyStoreError

    def collect(self) -> Collected:
        """Raise ``ReadOnlyStoreError``."""
        raise ReadOnlyStoreError

    def remove(self, blocks: Iterable[Cid]) -> None:  # noqa: ARG002 - the port's; nothing is removed
        """Raise ``ReadOnlyStoreError``."""
        raise ReadOnlyStoreError

    # ---------------------------------------------------------------------------------------- questions

    def _fetch(self, cid: Cid, max_size: int) -> bytes:
        deadline = time.monotonic() + self._timeout
        with _gateway_errors(), self._answer("GET", cid, deadline) as response:
            if response.headers.get("Content-Type", "").startswith("text/html"):
                raise RefusedError("the gateway answered with a page, not with a block", hint="check its address")
            answer = bytearray()
            for piece in pieces(response, deadline):
                answer += piece
                if len(answer) > max_size:
                    raise BlobTooLargeError(f"block {cid}", max_size)
            return bytes(answer)

    def _look(self, cid: Cid) -> None:
        deadline = time.monotonic() + self._timeout
        with _gateway_errors(), self._answer("HEAD", cid, deadline, {"Cache-Control": "only-if-cached"}):
            return

    @contextmanager
    def _answer(
        self, method: str, cid: Cid, deadline: float, headers: dict[str, str] | None = None
    ) -> Iterator[requests.Response]:
        """Ask, follow redirects that stay with the gateway, and yield the answer once it is one."""
        url = f"{self._base}/ipfs/{cid}?format=raw"
        for _ in range(MAX_REDIRECTS + 1):
            left = max(0.001, deadline - time.monotonic())
            with self._session.request(
                method,
                url,
                headers=headers,
                stream=True,
                timeout=(min(left, _CONNECT_SECONDS), left),
                allow_redirects=False,
            ) as response:
                if response.status_code not in _REDIRECTS:
                    self._assert_answered(cid, response.status_code)
                    yield response
                    return
                url = self._same_origin(url, response.headers.get("Location", ""))
        raise RefusedError("the gateway redirects again and again", hint="check its address")

    def _assert_answered(self, cid: Cid, status: int) -> None:
        if status == requests.codes.ok:
            return
        if status in _MISSING:
            raise BlobNotFoundError(str(cid))
        if status in _REFUSED:
            raise refused_credentials("the gateway", self._auth)
        message = f"the gateway answered with HTTP status {status}"
        if status == requests.codes.too_many_requests or status >= requests.codes.server_error:
            raise StoreUnavailableError(message)
        raise RefusedError(message, hint="check its address; it must answer /ipfs/CID?format=raw")

    @staticmethod
    def _same_origin(asked: str, location: str) -> str:
        target = urljoin(asked, location)
        if _origin(target) != _origin(asked):
            raise RefusedError(
                "the gateway redirects to another host, which is not followed",
                hint="name a gateway that answers under /ipfs itself",
            )
        return target


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise InvalidInputError("not the address of a gateway", hint=_HINT) from error
    if not whole or parts.query or parts.fragment or parts.username is not None:
        raise InvalidInputError("not the address of a gateway", hint=_HINT)
    return url.rstrip("/")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", None, None


@contextmanager
def _gateway_errors() -> Iterator[None]:
    """Every failure of the line, as one of our errors. Ours pass."""
    try:
        yield
    except (requests.Timeout, TimeoutError) as error:
        raise StoreUnavailableError("the gateway did not answer in time") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        # ValueError: what requests makes of a redirect to nonsense. Our own is raised before any request.
        raise StoreUnavailableError(f"the gateway cannot be reached, or broke off: {type(error).__name__}") from error
