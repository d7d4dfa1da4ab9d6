"""The wire: one kind of failure, whatever breaks.

given any failure of the libraries below
└── it should come out as LedgerUnavailableError, without the library's message and the URL in it
given an answer that is no JSON-RPC
└── it should come out as BadAnswerError or NodeError
"""

from __future__ import annotations

import json
import sqlite3
import traceback

import pytest
import requests
import urllib3.exceptions
from web3.exceptions import BadResponseFormat, Web3Exception

from medshare.chain.wire import BadAnswerError, BoundedHTTPProvider, NodeError, printable, result_of, translated
from medshare.errors import LedgerBusyError, LedgerUnavailableError, MedshareError

pytestmark = pytest.mark.unit

SECRET = "canary-5a1e"


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError(SECRET),
        requests.Timeout(SECRET),
        requests.exceptions.ChunkedEncodingError(SECRET),
        requests.exceptions.InvalidURL(SECRET),
        requests.exceptions.SSLError(SECRET),
        requests.exceptions.JSONDecodeError(SECRET, "doc", 0),
        requests.TooManyRedirects(SECRET),
        urllib3.exceptions.ProtocolError(SECRET),
        urllib3.exceptions.ReadTimeoutError(None, SECRET, SECRET),  # type: ignore[arg-type]  # no pool at hand
        json.JSONDecodeError(SECRET, "doc", 0),
        UnicodeDecodeError("utf-8", b"x", 0, 1, SECRET),
        ConnectionResetError(SECRET),
        TimeoutError(SECRET),
        OSError(SECRET),
        sqlite3.OperationalError(SECRET),
        Web3Exception(SECRET),
        BadResponseFormat(SECRET),
        KeyError(SECRET),
        TypeError(SECRET),
        OverflowError(SECRET),
        RecursionError(SECRET),
    ],
    ids=lambda error: type(error).__name__,
)
def test_translated__any_failure__is_ledger_unavailable_and_says_nothing_secret(error: Exception) -> None:
    with pytest.raises(LedgerUnavailableError) as caught, translated("eth_call"):
        raise error
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert str(caught.value).startswith("eth_call: ")


def test_translated__our_own__passes() -> None:
    with pytest.raises(LedgerBusyError), translated("x"):
        raise LedgerBusyError("busy")


@pytest.mark.parametrize("answer", [None, [], 5, "x", {}, {"id": 1}])
def test_result_of__no_json_rpc__is_a_bad_answer(answer: object) -> None:
    with pytest.raises(BadAnswerError):
        result_of("x", answer)


@pytest.mark.parametrize(
    ("error", "code"),
    [({"code": 3, "message": "m"}, 3), ({"message": "m"}, 0), ("text", 0), ({"code": "x"}, 0), ([], 0)],
)
def test_result_of__error__is_a_node_error(error: object, code: int) -> None:
    with pytest.raises(NodeError) as caught:
        result_of("x", {"error": error})
    assert caught.value.code == code
    assert isinstance(caught.value, MedshareError)


def test_result_of__result__is_returned_even_if_null() -> None:
    assert result_of("x", {"result": None, "error": None}) is None


def test_printable__foreign_text__is_short_and_on_one_line() -> None:
    assert printable("a\nb\x1b[0m" + "c" * 1000) == "a?b?[0m" + "c" * 193


def test_provider__shown__hides_its_url() -> None:
    provider = BoundedHTTPProvider(f"http://127.0.0.1/{SECRET}", timeout=1)
    assert SECRET not in f"{provider} {provider!r}"
