"""Reading through a plain gateway that nobody trusts, here one that lies. Kubo's own is in tests/e2e.

given a gateway
├─ when it answers wrongly, half, without end, late or not at all → the fitting StoreError in bounded time, no byte
├─ when it redirects → to itself it should be followed, to anybody else never
├─ when it asks for credentials → with the right ones it should work; else it says so once, and never which
└─ when something is to be written → it should refuse, and ask nothing
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_gateway import FakeGateway, running_gateway
from nodes import deaf_port

from medshare.content import Block, Cid, Codec
from medshare.errors import (
    BlobMismatchError,
    BlobNotFoundError,
    BlobTooLargeError,
    InvalidInputError,
    ReadOnlyStoreError,
    StoreError,
    StoreRefusedError,
    StoreUnavailableError,
)
from medshare.storage import (
    BasicAuth,
    BearerAuth,
    GatewayBlobStore,
    LocalBlobStore,
    SeveralStores,
    repeating,
)

pytestmark = pytest.mark.integration

ONE = Block.of(Codec.RAW, b"blood group 0, rhesus positive")
TWO = Block.of(Codec.RAW, b"another record altogether, and a longer one")
LATE = {"stall", "drip"}
IN_TIME = 60.0


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGateway]:
    monkeypatch.setattr(repeating, "RETRY_DELAYS", (0.0, 0.0))
    with running_gateway() as fake:
        fake.hold(ONE, TWO)
        yield fake


@pytest.fixture
def store(gateway: FakeGateway, request: pytest.FixtureRequest) -> Iterator[GatewayBlobStore]:
    """Hasty only where an answer stays away: elsewhere a busy machine is not to look like that."""
    late = getattr(request.node, "callspec", None) is not None and request.node.callspec.params.get("fault") in LATE
    with GatewayBlobStore(gateway.url, **({"timeout": 0.3} if late else {})) as store:
        yield store


def test_get__block__is_verified_and_asked_for_raw(gateway: FakeGateway, store: GatewayBlobStore) -> None:
    assert store.get(ONE.cid) == ONE.data
    assert gateway.asked == [("GET", f"/ipfs/{ONE.cid}?format=raw")]
    assert gateway.headers[0]["Accept"] == "application/vnd.ipld.raw"


FAULTS: list[tuple[str, type[StoreError], int]] = [
    ("one bit", BlobMismatchError, 1),
    ("other block", BlobMismatchError, 1),
    ("cut silently", BlobMismatchError, 1),
    ("empty", BlobMismatchError, 1),
    ("endless", BlobTooLargeError, 1),
    ("410", BlobNotFoundError, 1),
    ("html", StoreUnavailableError, 1),
    ("400", StoreUnavailableError, 1),
    ("redirect elsewhere", StoreUnavailableError, 1),
    ("redirect to the CID's own host", StoreUnavailableError, 1),
    ("redirect to nonsense", StoreUnavailableError, 3),
    ("redirect to itself", StoreUnavailableError, 4),
    ("redirect to nowhere", StoreUnavailableError, 4),
    ("cut", StoreUnavailableError, 3),
    ("die", StoreUnavailableError, 3),
    ("stall", StoreUnavailableError, 3),
    ("drip", StoreUnavailableError, 3),
    ("429", StoreUnavailableError, 3),
    ("500", StoreUnavailableError, 3),
    ("504", StoreUnavailableError, 3),
]


@pytest.mark.parametrize(("fault", "error", "attempts"), FAULTS, ids=[fault for fault, *_ in FAULTS])
def test_get__gateway_fails_or_lies__raises_the_fitting_error_in_bounded_time(
    gateway: FakeGateway, store: GatewayBlobStore, fault: str, error: type[StoreError], attempts: int
) -> None:
    gateway.misbehave(fault)
    with running_gateway() as other:
        other.hold(ONE)
        gateway.elsewhere = other.url
        begun = time.monotonic()
        with pytest.raises(error) as caught:
            store.get(ONE.cid)
        assert time.monotonic() - begun < IN_TIME
        assert other.asked == []
    assert len(gateway.asked) == attempts
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("once", ["cut", "die", "500", "429", "redirect to itself"])
def test_get__gateway_fails_once__is_asked_again(gateway: FakeGateway, store: GatewayBlobStore, once: str) -> None:
    gateway.misbehave(once, times=1)
    assert store.get(ONE.cid) == ONE.data
    assert len(gateway.asked) == 2


def test_get__missing__says_which(store: GatewayBlobStore) -> None:
    cid = Cid.of(Codec.RAW, b"never stored")
    with pytest.raises(BlobNotFoundError, match=str(cid)):
        store.get(cid)
    assert not store.has(cid)


def test_has__block__is_asked_for_without_fetching_it(gateway: FakeGateway, store: GatewayBlobStore) -> None:
    assert store.has(ONE.cid)
    assert gateway.asked[-1][0] == "HEAD"
    assert gateway.headers[-1]["Cache-Control"] == "only-if-cached"


def test_get__block_larger_than_asked__is_too_large(store: GatewayBlobStore) -> None:
    with pytest.raises(BlobTooLargeError):
        store.get(ONE.cid, len(ONE.data) - 1)
    assert store.get(ONE.cid, len(ONE.data)) == ONE.data


def test_get__nobody_listens__is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "RETRY_DELAYS", (0.0, 0.0))
    with (
        deaf_port() as port,
        GatewayBlobStore(f"http://127.0.0.1:{port}") as store,
        pytest.raises(StoreUnavailableError),
    ):
        store.get(ONE.cid)


WRITING: dict[str, Callable[[GatewayBlobStore], object]] = {
    "put": lambda store: store.put([ONE]),
    "pin": lambda store: store.pin(ONE.cid),
    "unpin": lambda store: store.unpin(ONE.cid),
    "collect": lambda store: store.collect(),
}


@pytest.mark.parametrize("verb", WRITING)
def test_write__whatever__is_refused_and_asks_nothing(gateway: FakeGateway, store: GatewayBlobStore, verb: str) -> None:
    with pytest.raises(ReadOnlyStoreError):
        WRITING[verb](store)
    assert store.pins() == frozenset()
    assert gateway.asked == []


@pytest.mark.parametrize("auth", [BasicAuth("doctor", "s3cret", "GATEWAY"), BearerAuth("s3cret", "GATEWAY")])
def test_auth__right_and_wrong_credentials__work_and_say_so(gateway: FakeGateway, auth: BasicAuth | BearerAuth) -> None:
    gateway.authorization = auth.header
    with GatewayBlobStore(gateway.url, auth=auth) as store:
        assert store.get(ONE.cid) == ONE.data
    gateway.asked.clear()
    for wrong in (None, BasicAuth("doctor", "s3cre7", "GATEWAY"), BearerAuth("s3cre7", "GATEWAY")):
        with GatewayBlobStore(gateway.url, auth=wrong) as store, pytest.raises(StoreRefusedError) as refused:
            store.get(ONE.cid)
        assert "s3cre7" not in f"{refused.value} {refused.value.hint} {wrong!r}"
        assert ("GATEWAY" in refused.value.hint) == (wrong is not None)
    assert len(gateway.asked) == 3


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "ftp://example.org",
        "http://",
        "http://[",
        "http://h:0",
        "http://h:99999",
        "https://doctor:secret@example.org",
        "http://h?x",
        "http://h#x",
        "/ip4/127.0.0.1/tcp/8080/http",
    ],
)
def test_open__not_an_address__is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="address") as refused:
        GatewayBlobStore(url)
    assert "secret" not in str(refused.value)


def test_several__own_store_lacks_it__the_gateway_helps_and_nothing_is_written_to_it(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    own = LocalBlobStore(tmp_path / "own")
    with GatewayBlobStore(gateway.url) as store:
        both = SeveralStores(own, store)
        assert both.get(ONE.cid) == ONE.data
        assert not both.has(ONE.cid)
        gateway.misbehave("one bit")
        own.put([ONE])
        assert both.get(ONE.cid) == ONE.data
        with pytest.raises(BlobMismatchError):
            both.get(TWO.cid)
