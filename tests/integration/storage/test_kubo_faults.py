"""The Kubo adapter before a node that fails or lies.

given a node that answers wrongly, half, late, too much, or not at all
├─ when a block is read → it should raise the fitting StoreError in bounded time, and never give wrong bytes
├─ when blocks are sent → it should raise unless the node confirms every one; repeating should complete it
└─ when something small is asked → it should raise a StoreError
given a node that asks for credentials
└─ when they are right → it should work; otherwise it should say so, at once
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator

import pytest
from fake_kubo import STALL_SECONDS, FakeKubo, put_directly, running_fake
from nodes import deaf_port

from medshare.content import MAX_BLOCK_SIZE, Block, Cid, Codec, build_directory, build_file, read_file
from medshare.errors import (
    BlobMismatchError,
    BlobNotFoundError,
    BlobTooLargeError,
    InvalidInputError,
    MedshareError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from medshare.storage import BasicAuth, BearerAuth, KuboBlobStore, repeating

pytestmark = pytest.mark.integration

ONE = Block.of(Codec.RAW, b"blood group 0, rhesus positive")
TWO = Block.of(Codec.RAW, b"another record altogether, and a longer one")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubo]:
    monkeypatch.setattr(repeating, "RETRY_DELAYS", (0.0, 0.0))
    with running_fake() as kubo:
        put_directly(kubo, ONE, TWO)
        yield kubo


LATE = {"stall", "drip"}
IN_TIME = STALL_SECONDS / 2


@pytest.fixture
def store(fake: FakeKubo, request: pytest.FixtureRequest) -> Iterator[KuboBlobStore]:
    """An adapter that is hasty only where an answer stays away: elsewhere a busy machine is not to look like that."""
    late = getattr(request.node, "callspec", None) is not None and request.node.callspec.params.get("fault") in LATE
    times = {"timeout": 0.3, "slow_timeout": 0.6} if late else {}
    with KuboBlobStore(fake.address, **times) as store:
        yield store


@pytest.fixture
def patient_store(fake: FakeKubo) -> Iterator[KuboBlobStore]:
    """An adapter that waits as long as it does by default."""
    with KuboBlobStore(fake.address) as store:
        yield store


FAULTS: list[tuple[str, type[StoreError], int]] = [
    ("other block", BlobMismatchError, 1),
    ("one bit", BlobMismatchError, 1),
    ("cut silently", BlobMismatchError, 1),
    ("html", BlobMismatchError, 1),
    ("nothing", BlobMismatchError, 1),
    ("deadline", BlobNotFoundError, 1),
    ("endless", BlobTooLargeError, 1),
    ("redirect", StoreUnavailableError, 1),
    ("404", StoreUnavailableError, 1),
    ("cut", StoreUnavailableError, 3),
    ("cut chunked", StoreUnavailableError, 3),
    ("die", StoreUnavailableError, 3),
    ("stall", StoreUnavailableError, 3),
    ("drip", StoreUnavailableError, 3),
    ("500", StoreUnavailableError, 3),
    ("html 500", StoreUnavailableError, 3),
    ("full", StoreFullError, 1),
]


def asked(fake: FakeKubo, command: str, at_least: int) -> int:
    """Return how often the node was asked, once it has read what was sent to it: a client may have hung up before."""
    deadline = time.monotonic() + 60
    while fake.count(command) < at_least and time.monotonic() < deadline:
        time.sleep(0.01)
    return fake.count(command)


@pytest.mark.parametrize(("fault", "error", "attempts"), FAULTS, ids=[fault for fault, *_ in FAULTS])
def test_get__node_fails_or_lies__raises_the_fitting_error_in_bounded_time(
    fake: FakeKubo, store: KuboBlobStore, fault: str, error: type[StoreError], attempts: int
) -> None:
    fake.misbehave("block/get", fault)
    begun = time.monotonic()
    with pytest.raises(error) as caught:
        store.get(ONE.cid)
    assert time.monotonic() - begun < IN_TIME
    assert type(caught.value) is error or issubclass(type(caught.value), StoreUnavailableError)
    assert asked(fake, "block/get", attempts) == attempts
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("once", ["cut", "die", "500", "html 500", "stall"])
def test_get__node_fails_once__is_asked_again(fake: FakeKubo, once: str) -> None:
    fake.misbehave("block/get", once, times=1)
    with KuboBlobStore(fake.address, timeout=3) as store:  # of which an honest answer takes a thousandth
        assert store.get(ONE.cid) == ONE.data
    assert fake.count("block/get") == 2


def test_get__any_question__gives_the_node_less_time_than_we_wait(fake: FakeKubo) -> None:
    with KuboBlobStore(fake.address, timeout=30) as store:
        store.get(ONE.cid)
    assert fake.asked[-1][1]["timeout"] == "27000ms"


def test_get__block_larger_than_asked__is_too_large(fake: FakeKubo, store: KuboBlobStore) -> None:
    with pytest.raises(BlobTooLargeError):
        store.get(ONE.cid, len(ONE.data) - 1)
    assert store.get(ONE.cid, len(ONE.data)) == ONE.data


def test_read_file__one_chunk_swapped__gives_nothing_of_it(fake: FakeKubo, store: KuboBlobStore) -> None:
    link = build_file([bytes(2**20), b"\1" * 2**20], lambda block: put_directly(fake, block))
    first, second = (cid for cid, data in fake.blocks.items() if len(data) == 2**20)
    fake.blocks[second] = fake.blocks[first]
    pieces = read_file(store.get, link.cid, max_size=2**21)
    assert next(pieces) == bytes(2**20)
    with pytest.raises(BlobMismatchError):
        next(pieces)


# ---------------------------------------------------------------------------------------------- writing


SENDING: list[tuple[str, type[StoreError]]] = [
    ("die", StoreUnavailableError),
    ("stall", StoreUnavailableError),
    ("drip", StoreUnavailableError),
    ("endless", BlobTooLargeError),
    ("500", StoreUnavailableError),
    ("html", StoreUnavailableError),
    ("html 500", StoreUnavailableError),
    ("redirect", StoreUnavailableError),
    ("cut", StoreUnavailableError),
    ("cut silently", StoreUnavailableError),
    ("nothing", StoreUnavailableError),
    ("one block less", StoreUnavailableError),
    ("pin error", StoreUnavailableError),
    ("late error", StoreUnavailableError),
    ("deep JSON", StoreUnavailableError),
    ("number", StoreUnavailableError),
    ("full", StoreFullError),
]


@pytest.mark.parametrize(("fault", "error"), SENDING, ids=[fault for fault, _ in SENDING])
def test_put__node_does_not_confirm__raises_and_repeating_completes(
    fake: FakeKubo, store: KuboBlobStore, patient_store: KuboBlobStore, fault: str, error: type[StoreError]
) -> None:
    blocks = [Block.of(Codec.RAW, bytes([i]) * 1000) for i in range(20)]
    fake.misbehave("dag/import", fault)
    begun = time.monotonic()
    with pytest.raises(error):
        store.put(blocks)
    assert time.monotonic() - begun < IN_TIME
    fake.faults.clear()
    again = patient_store if fault in LATE else store
    again.put(blocks)
    assert all(again.get(block.cid) == block.data for block in blocks)


def test_put__node_fails_once__is_sent_again(fake: FakeKubo, store: KuboBlobStore) -> None:
    fake.misbehave("dag/import", "cut", times=1)
    block = Block.of(Codec.RAW, b"new")
    store.put([block])
    assert fake.count("dag/import") == 2
    assert fake.blocks[block.cid] == b"new"


def test_put__blocks__are_not_pinned_and_counted(fake: FakeKubo, store: KuboBlobStore) -> None:
    store.put([Block.of(Codec.RAW, b"new")])
    options = fake.asked[-1][1]
    assert (options["pin-roots"], options["stats"]) == ("false", "true")


def test_put__many_blocks__goes_in_several_archives(fake: FakeKubo) -> None:
    with KuboBlobStore(fake.address) as store:
        store.put(Block.of(Codec.RAW, bytes([i]) * 2**20) for i in range(18))
    assert fake.count("dag/import") == 2
    assert len(fake.blocks) == 20


def test_put__block_larger_than_any_may_be__is_not_sent(fake: FakeKubo, store: KuboBlobStore) -> None:
    with pytest.raises(BlobTooLargeError):
        store.put([Block.of(Codec.RAW, bytes(MAX_BLOCK_SIZE + 1))])
    assert fake.count("dag/import") == 0


def test_put__no_blocks__asks_nothing(fake: FakeKubo, store: KuboBlobStore) -> None:
    store.put([])
    assert fake.asked == []


# ---------------------------------------------------------------------------------------- small questions

ROOT = build_directory({"a": build_file([b"a"], lambda _block: None)}, lambda _block: None).cid
QUESTIONS: dict[str, tuple[str, Callable[[KuboBlobStore], object]]] = {
    "has": ("block/stat", lambda store: store.has(ONE.cid)),
    "pin": ("pin/add", lambda store: store.pin(ONE.cid)),
    "unpin": ("pin/rm", lambda store: store.unpin(ONE.cid)),
    "pins": ("pin/ls", lambda store: store.pins()),
    "collect": ("repo/gc", lambda store: store.collect()),
    "collect, before": ("repo/stat", lambda store: store.collect()),
    "remove": ("block/rm", lambda store: store.remove([Cid.of(Codec.RAW, b"unpinned")])),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("fault", ["die", "stall", "500", "html", "html 500", "cut", "endless", "redirect", "number"])
def test_question__node_fails__raises_an_error_of_the_store(
    fake: FakeKubo, store: KuboBlobStore, question: str, fault: str
) -> None:
    command, ask = QUESTIONS[question]
    fake.pins[str(ONE.cid)] = "recursive"
    fake.misbehave(command, fault)
    if (question, fault) == ("unpin", "cut"):  # done, only the answer is lost: asked again, the node has no such pin
        ask(store)
        assert fake.pins == {}
        return
    begun = time.monotonic()
    with pytest.raises(StoreError):
        ask(store)
    assert time.monotonic() - begun < IN_TIME


@pytest.mark.parametrize("question", ["pin", "unpin", "pins", "collect, before"])
@pytest.mark.parametrize("fault", ["nothing", "cut silently"])
def test_question__answer_cut_without_a_trace__raises_an_error_of_the_store(
    fake: FakeKubo, store: KuboBlobStore, question: str, fault: str
) -> None:
    command, ask = QUESTIONS[question]
    fake.pins[str(ONE.cid)] = "recursive"
    fake.misbehave(command, fault)
    with pytest.raises(StoreError):
        ask(store)


@pytest.mark.parametrize("question", ["has", "pin", "unpin"])
def test_question__answer_about_another_cid__is_a_mismatch(fake: FakeKubo, store: KuboBlobStore, question: str) -> None:
    command, ask = QUESTIONS[question]
    fake.pins[str(ONE.cid)] = "recursive"
    fake.misbehave(command, "other CID")
    with pytest.raises(BlobMismatchError):
        ask(store)


def test_pin__a_block_is_missing__names_it(store: KuboBlobStore) -> None:
    with pytest.raises(BlobNotFoundError, match=str(ROOT)):
        store.pin(ROOT)


def test_collect__node_stops_half_way__raises(fake: FakeKubo, store: KuboBlobStore) -> None:
    fake.misbehave("repo/gc", "gc error")
    with pytest.raises(StoreUnavailableError, match="could not remove"):
        store.collect()


def test_remove__node_could_not__raises(fake: FakeKubo, store: KuboBlobStore) -> None:
    fake.misbehave("block/rm", "rm error")
    with pytest.raises(StoreUnavailableError, match="could not remove"):
        store.remove([ONE.cid])


def test_remove__many_blocks__are_named_in_several_questions(fake: FakeKubo, store: KuboBlobStore) -> None:
    blocks = [Block.of(Codec.RAW, bytes([i // 256, i % 256])) for i in range(300)]
    store.put(blocks)
    store.remove(block.cid for block in blocks)
    assert fake.count("block/rm") == 2
    assert not any(block.cid in fake.blocks for block in blocks)


def test_pins__pins_of_others__are_left_out(fake: FakeKubo, store: KuboBlobStore) -> None:
    fake.pins |= {"QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n": "recursive", str(ONE.cid): "recursive"}
    assert store.pins() == {ONE.cid}


# ------------------------------------------------------------------------------- addresses and credentials


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (BasicAuth("medshare", "s3cret"), "Basic " + base64.b64encode(b"medshare:s3cret").decode()),
        (BearerAuth("s3cret"), "Bearer s3cret"),
    ],
)
def test_auth__right_and_wrong_credentials__work_and_say_so(
    fake: FakeKubo, auth: BasicAuth | BearerAuth, header: str
) -> None:
    assert "s3cret" not in repr(auth)
    fake.authorization = header
    with KuboBlobStore(fake.address, auth=auth) as store:
        store.put([Block.of(Codec.RAW, b"new")])
        assert store.get(ONE.cid) == ONE.data
    for wrong in (None, BasicAuth("medshare", "wrong"), BearerAuth("wrong")):
        fake.asked.clear()
        with KuboBlobStore(fake.address, auth=wrong) as store:
            with pytest.raises(StoreUnavailableError, match="credentials"):
                store.get(ONE.cid)
            with pytest.raises(StoreUnavailableError, match="credentials"):
                store.put([Block.of(Codec.RAW, bytes(2**20))])
        assert len(fake.asked) == 2


def test_get__redirected__does_not_take_the_credentials_elsewhere(fake: FakeKubo) -> None:
    fake.misbehave("block/get", "redirect")
    with (
        KuboBlobStore(fake.address, auth=BearerAuth("s3cret")) as store,
        pytest.raises(StoreUnavailableError, match="302"),
    ):
        store.get(ONE.cid)
    assert len(fake.asked) == 1


@pytest.mark.parametrize("address", ["", "nonsense", "http://127.0.0.1:5001", "/ip4/127.0.0.1/udp/5001", "/foo/bar"])
def test_open__not_an_address__is_refused(address: str) -> None:
    with pytest.raises(InvalidInputError, match="address"):
        KuboBlobStore(address)


def test_get__nobody_listens__is_unavailable() -> None:
    with (
        deaf_port() as port,
        KuboBlobStore(f"/ip4/127.0.0.1/tcp/{port}/http") as store,
        pytest.raises(StoreUnavailableError),
    ):
        store.get(ONE.cid)


def test_any__error_of_the_node__is_ours(fake: FakeKubo, store: KuboBlobStore) -> None:
    fake.misbehave("block/get", "deep JSON")
    with pytest.raises(MedshareError):
        store.get(Cid(Codec.RAW, bytes(32)))
