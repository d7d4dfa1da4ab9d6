"""One call to a Kubo node's RPC, bounded in time and size, with every failure as one of our errors.

``ipfshttpclient`` reads the address and makes the session. Its own calls are not used: they read an answer of any
size into memory, follow redirects with the credentials, and take a stream that was cut off for a whole one.
https://docs.ipfs.tech/reference/kubo/rpc/
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urljoin

import ipfshttpclient
import requests
import urllib3.exceptions

from medshare.content import Cid
from medshare.errors import (
    BlobNotFoundError,
    BlobTooLargeError,
    InvalidInputError,
    StoreFullError,
    StoreUnavailableError,
)
from medshare.storage.credentials import BasicAuth, BearerAuth, refused_credentials
from medshare.storage.repeating import RefusedError

MAX_ANSWER_SIZE: Final = 64 * 1024 * 1024
"""The largest listing: about half a million pins."""

MAX_LINE_SIZE: Final = 64 * 1024
MAX_ERROR_SIZE: Final = 64 * 1024
_MAX_SHOWN: Final = 200  # characters of a node's message that we repeat
_PIECE: Final = 64 * 1024
_CONNECT_SECONDS: Final = 10.0
_SERVER_SHARE: Final = 0.9  # the node gives up first, so that its reason reaches us

_MISSING = re.compile(r"could not find (b[a-z2-7]{58})\b")
_NOT_FOUND = ("could not find", "not found", "context deadline exceeded")
_NO_SPACE = ("no space left", "disk quota", "maximum storage limit exceeded")


class NotPinnedError(RefusedError):
    """The node was to unpin what it has not pinned."""


class _NodeError(Exception):
    """The node's own words for what went wrong; never leaves ``kubo_errors``."""


class KuboRpc:
    """The connection to one node.

    Args:
        address: a multiaddr, such as ``/ip4/127.0.0.1/tcp/5001/http``.
        auth: credentials, if the node asks for them.
        ca_file: certificates to trust instead of the system's, for ``https``.

    Raises:
        InvalidInputError: the address is not one.
    """

    def __init__(
        self, address: str, *, auth: BasicAuth | BearerAuth | None = None, ca_file: Path | None = None
    ) -> None:
        headers = {"Accept-Encoding": "identity"}  # nothing that unpacks to more than was sent
        if auth is not None:
            headers["Authorization"] = auth.header
        try:
            client = ipfshttpclient.Client(address, headers=headers, session=True)
        except (ipfshttpclient.exceptions.Error, ValueError) as error:
            raise InvalidInputError(
                "not the address of a Kubo node", hint="write it as /ip4/127.0.0.1/tcp/5001/http"
            ) from error
        # The one reach into the library: its session knows /ip4, /ip6, /dns and /unix, but has no public name.
        self._session: requests.Session = client._client._session  # noqa: SLF001
        self._base: str = client._client._base_url  # noqa: SLF001
        for adapter in self._session.adapters.values():
            # An option of urllib3 1.x that the library still sets, and of which 2.x warns at each connection.
            adapter.poolmanager.connection_pool_kw.pop("strict", None)
        self._auth = auth
        self._session.trust_env = False  # neither ~/.netrc nor a proxy may see or replace the credentials
        if ca_file is not None:
            self._session.verify = str(ca_file)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def call(
        self,
        command: str,
        arg: Cid | None = None,
        *,
        seconds: float,
        options: Mapping[str, str | list[str]] | None = None,
        limit: int = MAX_ANSWER_SIZE,
        body: Iterable[bytes] | None = None,
    ) -> bytes:
        """Return the whole answer.

        Raises:
            BlobTooLargeError: it is longer than ``limit``.
            BlobNotFoundError: the node says that it lacks a block.
            StoreFullError: the node's disk is full.
            StoreRefusedError: the node does not take these credentials.
            StoreUnavailableError: everything else.
        """
        answer = []
        size = 0
        for piece in self._stream(command, arg, seconds, options, body):
            size += len(piece)
            if size > limit:
                raise BlobTooLargeError(f"the node's answer to {command}", limit)
            answer.append(piece)
        return b"".join(answer)

    def lines(
        self, command: str, *, seconds: float, options: Mapping[str, str | list[str]] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the JSON objects of an answer that comes line by line; raises as ``call``."""
        rest = b""
        for piece in self._stream(command, None, seconds, options, None):
            *whole, rest = (rest + piece).split(b"\n")
            if len(rest) > MAX_LINE_SIZE:
                raise BlobTooLargeError(f"a line of the node's answer to {command}", MAX_LINE_SIZE)
            yield from (json_object(line) for line in whole if line.strip())
        if rest.strip():
            yield json_object(rest)

    def _stream(
        self,
        command: str,
        arg: Cid | None,
        seconds: float,
        options: Mapping[str, str | list[str]] | None,
        body: Iterable[bytes] | None,
    ) -> Iterator[bytes]:
        params = {**(options or {}), "timeout": f"{max(1, round(seconds * _SERVER_SHARE * 1000))}ms"}
        if arg is not None:
            params.setdefault("arg", str(arg))
        headers, data = _multipart(body) if body is not None else ({}, None)
        deadline = time.monotonic() + seconds
        with (
            kubo_errors(arg),
            self._session.post(
                urljoin(self._base, command),
                params=params,
                headers=headers,
                data=data,
                stream=True,
                timeout=(min(seconds, _CONNECT_SECONDS), seconds),
                allow_redirects=False,
            ) as response,
        ):
            if response.status_code != requests.codes.ok:
                self._raise_for(response, deadline)
            yield from pieces(response, deadline)

    def _raise_for(self, response: requests.Response, deadline: float) -> NoReturn:
        """Turn an answer that is not 200 into the node's reason."""
        if response.status_code in {requests.codes.unauthorized, requests.codes.forbidden}:
            raise refused_credentials("the node", self._auth)
        if response.status_code != requests.codes.server_error:
            raise RefusedError(
                f"the node answered with HTTP status {response.status_code}",
                hint="check that the address is the RPC API, port 5001",
            )
        raw = b""
        for piece in pieces(response, deadline):
            raw += piece
            if len(raw) > MAX_ERROR_SIZE:
                break
        try:
            message = json.loads(raw)["Message"]
        except (ValueError, KeyError, TypeError, RecursionError):
            message = "HTTP status 500"
        raise _NodeError(str(message))


def json_object(raw: bytes) -> dict[str, Any]:
    """Return one JSON object of the node's.

    Raises:
        StoreUnavailableError: it is not JSON, or not an object, or an error that came after the status line.
    """
    with kubo_errors(None):
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise RefusedError(
                "the answer is not that of a Kubo node", hint="check that the address is the RPC API, port 5001"
            ) from error
        if not isinstance(value, dict):
            raise RefusedError("the answer is not that of a Kubo node")
        if value.get("Type") == "error":
            raise _NodeError(str(value.get("Message")))
        return value


def raise_node_error(message: object) -> NoReturn:
    """Raise what a node's message inside an answer means, although its HTTP status was 200."""
    with kubo_errors(None):
        raise _NodeError(str(message))


def pieces(response: requests.Response, deadline: float) -> Iterator[bytes]:
    """Yield an answer's bytes as they come, until the deadline; raises the library's errors."""
    # Not iter_content: it waits for a whole piece, and a node that drips one byte now and then would hold us for ever.
    while piece := response.raw.read1(_PIECE, decode_content=False):
        if time.monotonic() > deadline:
            raise requests.Timeout
        yield piece


@contextmanager
def kubo_errors(cid: Cid | None) -> Iterator[None]:
    """Every failure of the library, the line and the node, as one of our errors. Ours pass."""
    try:
        yield
    except _NodeError as error:
        message = str(error)
        lower = message.lower()
        shown = ascii(message[:_MAX_SHOWN])
        if any(words in lower for words in _NO_SPACE):
            raise StoreFullError(f"the node's disk is full: {shown}") from error
        if cid is not None and any(words in lower for words in _NOT_FOUND):
            # A search that ran out of time is "not found" too: nobody who answers has the block.
            missing = _MISSING.search(message)
            raise BlobNotFoundError(missing[1] if missing else str(cid)) from error
        if "not pinned" in lower:
            raise NotPinnedError("not pinned") from error
        raise StoreUnavailableError(f"the node failed: {shown}") from error
    except (requests.Timeout, TimeoutError) as error:
        raise StoreUnavailableError("the node did not answer in time") from error
    except (
        ipfshttpclient.exceptions.Error,
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        raise StoreUnavailableError(f"the node cannot be reached, or broke off: {type(error).__name__}") from error


def _multipart(body: Iterable[bytes]) -> tuple[dict[str, str], Iterator[bytes]]:
    """Wrap ``body`` as the one file of a form, without holding it."""
    boundary = secrets.token_hex(16)
    head = (
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="file"; filename="blocks.car"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )

    def form() -> Iterator[bytes]:
        yield head.encode()
        yield from body
        yield f"\r\n--{boundary}--\r\n".encode()

    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, form()
