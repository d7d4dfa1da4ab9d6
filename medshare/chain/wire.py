"""The wire to a node: bounded, patient for a fixed time, and with one kind of failure.

``translated`` is the only place where failures of libraries become ours. What it catches never gets out as a cause:
those messages may hold the node's address, and the address may hold a key.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, TypeAlias

import requests
import urllib3.exceptions
from eth_utils.exceptions import ValidationError
from web3.exceptions import Web3Exception
from web3.providers.rpc import HTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from medshare.errors import LedgerUnavailableError, MedshareError

logger = logging.getLogger(__name__)

JsonValue: TypeAlias = Any
"""What a node answers: nothing is known of it until it is read."""

MAX_ANSWER_SIZE = 64 << 20
_CHUNK = 1 << 16
_MAX_REASON = 200
_OK = 200
_BUSY = 429
_REFUSED, _FAILED = 400, 500


class NodeError(LedgerUnavailableError):
    """The node understood the question and refused it.

    Args:
        code: JSON-RPC's error code.
        reason: the node's words.
        data: what a contract said when it reverted, as the node wrote it.
    """

    def __init__(self, code: int, reason: str, data: object = None) -> None:
        super().__init__(f"the node refused ({code}): {printable(reason)}")
        self.code = code
        self.reason = reason
        self.data = data


class ConnectionLostError(LedgerUnavailableError):
    """The connection failed, before or after the node had the question."""


class BadAnswerError(LedgerUnavailableError):
    """The answer is not what JSON-RPC prescribes."""


def printable(text: str) -> str:
    """Return foreign text short and on one line, so that it can stand in a message or a log."""
    return "".join(character if character.isprintable() else "?" for character in text[:_MAX_REASON])


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn every failure of the wire, and every answer that makes no sense, into ``LedgerUnavailableError``.

    Args:
        what: what was asked, such as ``eth_call``.
    """
    try:
        yield
    except MedshareError:
        raise
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        raise LedgerUnavailableError(f"{what}: the node did not answer in time") from None
    except (
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        urllib3.exceptions.ProtocolError,
    ):
        raise BadAnswerError(f"{what}: the node's answer broke off") from None
    except (requests.ConnectionError, ConnectionError):
        raise ConnectionLostError(
            f"{what}: no connection to the node, or it was lost",
            hint="start the node, or correct its URL in networks.toml; then repeat: nothing is done twice",
        ) from None
    except (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
        sqlite3.Error,
        Web3Exception,
        ValidationError,
    ) as error:
        raise LedgerUnavailableError(f"{what}: {type(error).__name__}") from None
    except (ValueError, OverflowError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise BadAnswerError(f"{what}: the answer makes no sense ({type(error).__name__})") from None


class _HidePaths(logging.Filter):
    """Takes nodes' paths out of urllib3's debug lines: a path may be a key."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, with the paths replaced."""
        if isinstance(record.args, tuple):
            record.args = tuple("/(hidden)" if value in self.paths else value for value in record.args)
        return True


_hide_paths = _HidePaths()
logging.getLogger("urllib3.connectionpool").addFilter(_hide_paths)


class BoundedHTTPProvider(HTTPProvider):
    """web3's HTTP provider with limits: no redirects, no repetition, no answer larger than it may be.

    Repeating is for who knows whether it is safe; a transaction sent twice is not.

    Args:
        url: the node's address; never logged.
        timeout: seconds for one answer, from connecting to its last byte; also the longest silence within it.
        max_answer: bytes of the largest answer that is read.
    """

    def __init__(self, url: str, *, timeout: float, max_answer: int = MAX_ANSWER_SIZE) -> None:
        super().__init__(url, exception_retry_configuration=None)
        self._url = url
        self._timeout = timeout
        self._max_answer = max_answer
        self._local = threading.local()
        self._lines: list[_Line] = []
        path = requests.Request("POST", url).prepare().path_url
        if path != "/":
            _hide_paths.paths.add(path)

    def __repr__(self) -> str:
        return "BoundedHTTPProvider()"

    __str__ = __repr__

    def make_request(self, method: RPCEndpoint, params: JsonValue) -> RPCResponse:
        """Ask one question."""
        answer = self._post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        if not isinstance(answer, dict):
            raise BadAnswerError(f"{method}: the answer is no object")
        return answer  # type: ignore[return-value]  # a mapping from outside: ``result_of`` checks it

    def make_batch_request(self, batch_requests: Sequence[tuple[RPCEndpoint, Any]]) -> list[RPCResponse]:
        """Ask several questions at once; the answers come in the order of the questions."""
        answers = self._post(
            [
                {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
                for number, (method, params) in enumerate(batch_requests)
            ]
        )
        if isinstance(answers, dict):
            result_of("batch", answers)
        if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
            raise BadAnswerError("batch: the answer is no list of objects")
        by_number = {answer.get("id"): answer for answer in answers}
        if set(by_number) != set(range(len(batch_requests))):
            raise BadAnswerError("batch: the answers do not belong to the questions")
        return [by_number[number] for number in range(len(batch_requests))]

    def close(self) -> None:
        """Close the connections of every thread."""
        while self._lines:
            self._lines.pop().session.close()

    def _line(self) -> _Line:
        line: _Line | None = getattr(self._local, "line", None)
        if line is None:
            line = self._local.line = _Line(self._url)
            self._lines.append(line)
        return line

    def _post(self, question: object) -> JsonValue:
        deadline = time.monotonic() + self._timeout
        with closing(self._line().post(json.dumps(question).encode(), self._timeout)) as response:
            if response.status_code == _BUSY:
                raise LedgerUnavailableError("the node asks for fewer requests (HTTP 429)")
            body = bytearray()
            # Not iter_content: it waits for a whole chunk, and a node that drips a byte now and then would hold us.
            while chunk := response.raw.read1(_CHUNK, decode_content=False):
                if time.monotonic() > deadline:
                    raise requests.Timeout
                body += chunk
                if len(body) > self._max_answer:
                    raise BadAnswerError(f"the node's answer is larger than {self._max_answer} bytes")
            try:
                answer = json.loads(body)
            except (ValueError, RecursionError):
                raise BadAnswerError(
                    f"the node answered HTTP {response.status_code} and no JSON", hint=_hint(response.status_code)
                ) from None
            # Some nodes answer a JSON-RPC error with HTTP 4xx: the error says more than the status.
            if response.status_code != _OK and not (isinstance(answer, dict) and "error" in answer):
                raise LedgerUnavailableError(
                    f"the node answered HTTP {response.status_code}", hint=_hint(response.status_code)
                )
            return answer


def _hint(status: int) -> str | None:
    """Return what to do about an HTTP status, where trying again will not do."""
    refused = _REFUSED <= status < _FAILED
    return "correct the node's URL, or the key in it, in networks.toml" if refused else None


class _Line:
    """One thread's connection to one address.

    What requests works out for each request (URL, headers, proxies, certificates) is the same every time: it is worked
    out once, and only the body changes. That halves the time of a question.
    """

    def __init__(self, url: str) -> None:
        self.session = requests.Session()
        self._prepared = self.session.prepare_request(
            # Nothing that unpacks to more than was sent, or to nothing for ever.
            requests.Request("POST", url, headers={"Content-Type": "application/json", "Accept-Encoding": "identity"})
        )
        self._adapter = self.session.get_adapter(url)
        settings = self.session.merge_environment_settings(url, {}, None, None, None)
        self._settings: dict[str, Any] = {name: settings[name] for name in ("proxies", "verify", "cert")}

    def post(self, body: bytes, timeout: float) -> requests.Response:
        """Send ``body`` and return the answer's head; its body is still to be read. Redirects are not followed."""
        self._prepared.body = body
        self._prepared.headers["Content-Length"] = str(len(body))
        return self._adapter.send(self._prepared, stream=True, timeout=timeout, **self._settings)


def result_of(method: str, answer: JsonValue) -> JsonValue:
    """Return what a JSON-RPC answer holds; raises ``NodeError`` or ``BadAnswerError``."""
    if not isinstance(answer, dict):
        raise BadAnswerError(f"{method}: the answer is no object")
    error = answer.get("error")
    if error is not None:
        if not isinstance(error, dict):
            raise NodeError(0, str(error))
        code = error.get("code")
        raise NodeError(code if isinstance(code, int) else 0, str(error.get("message", "")), error.get("data"))
    if "result" not in answer:
        raise BadAnswerError(f"{method}: the answer has neither result nor error")
    return answer["result"]
