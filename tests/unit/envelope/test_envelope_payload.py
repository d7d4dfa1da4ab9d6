"""Payloads.

given a text of any length in chunks of any size
├─ when it is sealed: it should have the length that the standard gives it
├─ when it is opened: it should be the text, on one thread and on two
└─ when a range is opened: it should be the slice, and only its segments should be read
given a payload that was changed
├─ when a byte is flipped: nothing of its segment should come out
├─ when it is cut, doubled or lengthened, at a segment's end too: it should raise before its last byte
└─ when segments of it changed places: it should open, because Crypt4GH cannot see it (the CID does)
given a payload made for two keys
└─ when it is opened: it should open under both, and the commitment should refuse one
"""

import gc
import threading
import tracemalloc

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from hypothesis import given, settings
from hypothesis import strategies as st

from medshare.envelope import (
    CIPHER_SEGMENT_SIZE,
    MAX_PLAINTEXT_LENGTH,
    SEGMENT_SIZE,
    FileKey,
    open_payload,
    open_range,
    payload_length,
    plaintext_length,
    seal,
    segment_count,
)
from medshare.envelope import payload as payload_module
from medshare.errors import AuthenticationError, InvalidInputError, KeyCommitmentError, MalformedEnvelopeError

pytestmark = pytest.mark.unit

KEY = FileKey(b"k" * 32)
SIZES = [0, 1, 15, SEGMENT_SIZE - 1, SEGMENT_SIZE, SEGMENT_SIZE + 1, 2 * SEGMENT_SIZE, 16 * SEGMENT_SIZE - 1]
SIZES += [16 * SEGMENT_SIZE, 16 * SEGMENT_SIZE + 1, 33 * SEGMENT_SIZE + 7, 48 * SEGMENT_SIZE, 64 * SEGMENT_SIZE + 5]
POOL = b"".join(number.to_bytes(4, "little") for number in range(5 * 2**18))


def text_of(size, start=0):
    return POOL[start : start + size]


def cut(content, *sizes):
    position, number = 0, 0
    while position < len(content):
        size = sizes[number % len(sizes)]
        yield content[position : position + size]
        position, number = position + size, number + 1


def sealed(text, key=KEY):
    return b"".join(seal([text], key))


def opened(payload, key=KEY, *, length=None, threads=2):
    return b"".join(
        open_payload([payload], key, payload_length=len(payload) if length is None else length, threads=threads)
    )


def segments(payload):
    return list(cut(payload, CIPHER_SEGMENT_SIZE))


FOUR = sealed(text_of(3 * SEGMENT_SIZE + 100))
FORTY = sealed(text_of(40 * SEGMENT_SIZE))


# --------------------------------------------------------------------------------------------------------- lengths


@pytest.mark.parametrize(
    ("plain", "count", "payload"),
    [
        (0, 0, 0),
        (1, 1, 29),
        (65_535, 1, 65_563),
        (65_536, 1, 65_564),
        (65_537, 2, 65_593),
        (2**30, 16_384, 1_074_200_576),
    ],
)
def test_lengths__of_a_text__are_those_of_the_standard(plain, count, payload):
    assert segment_count(plain) == count
    assert payload_length(plain) == payload
    assert plaintext_length(payload) == plain


@given(st.integers(0, MAX_PLAINTEXT_LENGTH))
def test_lengths__there_and_back__agree(plain):
    assert plaintext_length(payload_length(plain)) == plain


@given(st.integers(0, 2**30))
def test_plaintext_length__any_payload__is_refused_or_goes_back(payload):
    try:
        plain = plaintext_length(payload)
    except MalformedEnvelopeError:
        assert 0 < payload % CIPHER_SEGMENT_SIZE <= 28
    else:
        assert payload_length(plain) == payload


@pytest.mark.parametrize(
    "payload", [-1, 1, 12, 28, 65_565, 65_592, -65_564, payload_length(MAX_PLAINTEXT_LENGTH) + 29, 2**80]
)
def test_plaintext_length__impossible__is_refused(payload):
    with pytest.raises(MalformedEnvelopeError):
        plaintext_length(payload)
    with pytest.raises(MalformedEnvelopeError):
        open_payload([], KEY, payload_length=payload)
    with pytest.raises(MalformedEnvelopeError):
        open_range(lambda *_: b"", KEY, payload_length=payload, offset=0, length=0)


@pytest.mark.parametrize("plain", [-1, MAX_PLAINTEXT_LENGTH + 1])
def test_payload_length__out_of_bounds__is_refused(plain):
    for function in (payload_length, segment_count):
        with pytest.raises(InvalidInputError):
            function(plain)


# ------------------------------------------------------------------------------------------------- there and back


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", SIZES)
def test_seal__then_open__is_the_text(size, threads):
    text = text_of(size)
    payload = b"".join(seal([text], KEY, threads=threads))
    assert len(payload) == payload_length(size)
    assert opened(payload, threads=threads) == text


@pytest.mark.parametrize(
    "sizes", [(1_000,), (65_536,), (65_564,), (2**20,), (16 * 65_564,), (2**20 + 1, 3), (0, 7, 2**21)]
)
def test_seal__chunks_of_any_size__is_the_same_form(sizes):
    text = text_of(40 * SEGMENT_SIZE + 3)
    buffers = list(seal(cut(text, *sizes), KEY))
    assert all(type(buffer) is bytes for buffer in buffers)
    assert [len(buffer) for buffer in buffers[:-1]] == [16 * CIPHER_SEGMENT_SIZE] * 2
    payload = b"".join(buffers)
    assert len(payload) == payload_length(len(text))
    for threads in (1, 2):
        pieces = open_payload(cut(payload, *sizes), KEY, payload_length=len(payload), threads=threads)
        assert b"".join(pieces) == text


@given(size=st.integers(0, 3 * SEGMENT_SIZE), sizes=st.lists(st.integers(1, 2 * SEGMENT_SIZE), min_size=1, max_size=4))
def test_seal__any_size_in_any_chunks__opens_again(size, sizes):
    payload = b"".join(seal(cut(text_of(size), *sizes), KEY))
    assert len(payload) == payload_length(size)
    assert b"".join(open_payload(cut(payload, *reversed(sizes)), KEY, payload_length=len(payload))) == text_of(size)


def test_seal__caller_fills_his_buffer_again__seals_what_it_was():
    text, buffer = text_of(64 * SEGMENT_SIZE), bytearray(2**20)

    def refill():
        for chunk in cut(text, 2**20):
            buffer[: len(chunk)] = chunk
            yield buffer

    assert opened(b"".join(seal(refill(), KEY))) == text


def test_seal__text_without_end__is_refused(monkeypatch):
    monkeypatch.setattr(payload_module, "MAX_PLAINTEXT_LENGTH", 3 * 2**20)
    with pytest.raises(InvalidInputError):
        list(seal(iter(lambda: bytes(2**20), b""), KEY))


def helpers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("medshare-envelope")]


def test_stream__abandoned__ends_its_helper():
    before = set(helpers())
    stream = seal(iter(lambda: bytes(2**20), b""), KEY)
    next(stream)
    assert len(set(helpers()) - before) == 1
    stream.close()
    assert set(helpers()) <= before
    stream = seal(iter(lambda: bytes(2**20), b""), KEY)
    next(stream)
    assert len(set(helpers()) - before) == 1
    del stream
    gc.collect()
    assert set(helpers()) <= before


def test_stream__short__needs_no_helper(monkeypatch):
    monkeypatch.setattr(payload_module, "ThreadPoolExecutor", None)
    assert opened(sealed(text_of(2**20))) == text_of(2**20)


def test_stream__source_fails__its_error_passes():
    def broken():
        yield bytes(5 * 2**20)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        list(seal(broken(), KEY))


def test_stream__long_text__memory_is_bounded():
    chunk = bytes(2**20)
    tracemalloc.start()
    length = 0
    for buffer in seal((chunk for _ in range(64)), KEY):
        length += len(buffer)
    _, sealing = tracemalloc.get_traced_memory()
    whole = sealed(chunk)
    tracemalloc.reset_peak()
    base, _ = tracemalloc.get_traced_memory()
    for buffer in open_payload((whole for _ in range(64)), KEY, payload_length=length):
        length -= len(buffer)
    _, opening = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert length == 64 * 16 * 28
    assert sealing < 8 * 2**20
    assert opening - base < 8 * 2**20


# ---------------------------------------------------------------------------------------------------------- ranges


@given(size=st.integers(0, 5 * SEGMENT_SIZE), data=st.data())
@settings(max_examples=150)
def test_open_range__anywhere__is_the_slice(size, data):
    payload, text = sealed(text_of(size)), text_of(size)
    edge = st.integers(0, size) | st.sampled_from(
        [n for s in range(6) for n in (s * SEGMENT_SIZE - 1, s * SEGMENT_SIZE) if 0 <= n <= size]
    )
    begin, end = sorted((data.draw(edge), data.draw(edge)))
    reads = []

    def read_at(offset, length):
        reads.append((offset, length))
        return payload[offset : offset + length]

    found = b"".join(open_range(read_at, KEY, payload_length=len(payload), offset=begin, length=end - begin))
    assert found == text[begin:end]
    if begin == end:
        assert reads == []
    else:
        assert sum(length for _, length in reads) <= (segment_count(end) - begin // SEGMENT_SIZE) * CIPHER_SEGMENT_SIZE
        assert reads[0][0] == begin // SEGMENT_SIZE * CIPHER_SEGMENT_SIZE


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (0, 40 * SEGMENT_SIZE),
        (5, 17 * SEGMENT_SIZE + 3),
        (65_536, 65_536 * 33),
        (16 * SEGMENT_SIZE - 1, 16 * SEGMENT_SIZE + 1),
    ],
)
def test_open_range__over_several_reads__is_the_slice(begin, end):
    pieces = open_range(
        lambda at, size: FORTY[at : at + size], KEY, payload_length=len(FORTY), offset=begin, length=end - begin
    )
    assert b"".join(pieces) == text_of(40 * SEGMENT_SIZE)[begin:end]


@pytest.mark.parametrize(
    ("offset", "length"), [(-1, 1), (0, -1), (0, 196_709), (196_708, 1), (196_709, 0), (2**60, 1), (-5, 5)]
)
def test_open_range__outside_the_text__is_refused_at_once(offset, length):
    with pytest.raises(InvalidInputError):
        open_range(lambda *_: b"", KEY, payload_length=len(FOUR), offset=offset, length=length)


@pytest.mark.parametrize("change", [lambda found: found[:-1], lambda found: found + b"\0", lambda _: b""])
def test_open_range__wrong_number_of_bytes__is_refused(change):
    pieces = open_range(
        lambda at, size: change(FOUR[at : at + size]), KEY, payload_length=len(FOUR), offset=10, length=70_000
    )
    with pytest.raises(AuthenticationError):
        next(pieces)


def test_open_range__segment_was_changed__only_that_segment_is_refused():
    bad = bytearray(FOUR)
    bad[CIPHER_SEGMENT_SIZE + 500] ^= 1

    def read(offset, length):
        return b"".join(
            open_range(
                lambda at, size: bytes(bad[at : at + size]), KEY, payload_length=len(bad), offset=offset, length=length
            )
        )

    assert read(0, SEGMENT_SIZE) == text_of(SEGMENT_SIZE)
    assert read(2 * SEGMENT_SIZE, 10) == text_of(10, 2 * SEGMENT_SIZE)
    with pytest.raises(AuthenticationError, match="segment 1 "):
        read(SEGMENT_SIZE, 1)


# --------------------------------------------------------------------------------------------------- changed payloads


def released(payload, *, length, key=KEY, threads=2, sizes=(2**20,)):
    """Return what comes out before the stream refuses."""
    pieces = []
    with pytest.raises(AuthenticationError):
        pieces.extend(open_payload(cut(payload, *sizes), key, payload_length=length, threads=threads))
    return b"".join(pieces)


@given(position=st.integers(0, len(FOUR) - 1), bit=st.integers(0, 7), threads=st.integers(1, 2))
def test_open__flipped_bit__is_refused(position, bit, threads):
    bad = bytearray(FOUR)
    bad[position] ^= 1 << bit
    assert released(bytes(bad), length=len(bad), threads=threads) == b""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("segment", [0, 15, 16, 31, 32, 39])
def test_open__flipped_bit_far_in__releases_only_what_is_before(segment, threads):
    bad = bytearray(FORTY)
    bad[segment * CIPHER_SEGMENT_SIZE + 40] ^= 1
    out = released(bytes(bad), length=len(bad), threads=threads)
    assert len(out) <= segment // 16 * 16 * SEGMENT_SIZE
    assert out == text_of(len(out))


def test_open__flipped_bit__names_the_segment():
    bad = bytearray(FORTY)
    bad[33 * CIPHER_SEGMENT_SIZE] ^= 1
    with pytest.raises(AuthenticationError, match="segment 33 "):
        opened(bytes(bad))


def test_open__another_key__is_refused():
    assert released(FOUR, length=len(FOUR), key=FileKey(b"x" * 32)) == b""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("sizes", [(2**20,), (CIPHER_SEGMENT_SIZE,), (16 * CIPHER_SEGMENT_SIZE,)])
@pytest.mark.parametrize(
    "bad",
    [
        FORTY[: 32 * CIPHER_SEGMENT_SIZE],
        FORTY[: 39 * CIPHER_SEGMENT_SIZE],
        FORTY[:-1],
        FORTY[:CIPHER_SEGMENT_SIZE],
        b"",
        FORTY + b"\0",
        FORTY + FORTY,
        FORTY + FORTY[-CIPHER_SEGMENT_SIZE:],
        FORTY + sealed(b"one more"),
    ],
    ids=[
        "cut at a block",
        "cut at a segment",
        "cut in a segment",
        "one left",
        "none left",
        "byte",
        "doubled",
        "last doubled",
        "appended",
    ],
)
def test_open__wrong_length__raises_before_the_last_byte(bad, sizes, threads):
    out = released(bad, length=len(FORTY), threads=threads, sizes=sizes)
    assert (
        len(out) < min(plaintext_length(len(bad) // CIPHER_SEGMENT_SIZE * CIPHER_SEGMENT_SIZE), 40 * SEGMENT_SIZE)
        or out == b""
    )
    assert out == text_of(len(out))


def test_open__wrong_length_is_named__is_refused_although_all_segments_are_authentic():
    parts = segments(FOUR)
    assert released(b"".join(parts[:2]), length=len(FOUR)) == b""
    assert released(b"".join([*parts[:3], parts[2]]), length=len(FOUR)) == b""
    assert released(FOUR, length=len(FOUR) - 1) == b""
    assert released(FOUR, length=3 * CIPHER_SEGMENT_SIZE) == b""
    assert released(b"x", length=0) == b""


def test_open__short_segment_inside__is_refused():
    inside = sealed(text_of(100)) + sealed(text_of(SEGMENT_SIZE))
    assert released(inside, length=len(inside)) == b""


def test_open__segments_changed_places__opens_because_crypt4gh_cannot_see_it():
    one, two, three, four = segments(FOUR)
    text = text_of(3 * SEGMENT_SIZE)
    swapped = (
        text[SEGMENT_SIZE : 2 * SEGMENT_SIZE] + text[:SEGMENT_SIZE] + text_of(SEGMENT_SIZE + 100, 2 * SEGMENT_SIZE)
    )
    assert opened(two + one + three + four) == swapped
    assert opened(one + one + three + four)[SEGMENT_SIZE : 2 * SEGMENT_SIZE] == text[:SEGMENT_SIZE]


# ------------------------------------------------------------------------------------------------------- salamander


def poly1305_key(key, nonce):
    stream = Cipher(algorithms.ChaCha20(key, bytes(4) + nonce), None).encryptor().update(bytes(32))
    r = int.from_bytes(stream[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    return r, int.from_bytes(stream[16:], "little")


def salamander(one, other):
    """Return one segment that is authentic under two keys: two linear equations over 2^130 - 5 in two free blocks."""
    p, top = 2**130 - 5, 2**128
    lengths = (0).to_bytes(8, "little") + (32).to_bytes(8, "little")
    last = int.from_bytes(lengths, "little") + top
    for number in range(10_000):
        nonce = number.to_bytes(12, "little")
        (r1, s1), (r2, s2) = poly1305_key(one, nonce), poly1305_key(other, nonce)
        tag = number
        h1, h2 = (tag - s1) % top - last * r1, (tag - s2) % top - last * r2
        # x r^3 + y r^2 = h for both
        determinant = (pow(r1, 3, p) * pow(r2, 2, p) - pow(r2, 3, p) * pow(r1, 2, p)) % p
        inverse = pow(determinant, -1, p)
        x = (h1 * pow(r2, 2, p) - h2 * pow(r1, 2, p)) * inverse % p
        y = (pow(r1, 3, p) * h2 - pow(r2, 3, p) * h1) * inverse % p
        if top <= x < 2 * top and top <= y < 2 * top:
            blocks = (x - top).to_bytes(16, "little") + (y - top).to_bytes(16, "little")
            return nonce + blocks + tag.to_bytes(16, "little")
    raise AssertionError


def test_salamander__one_payload_two_keys__only_the_commitment_tells():
    one, other = FileKey(b"1" * 32), FileKey(b"2" * 32)
    payload = salamander(b"1" * 32, b"2" * 32)
    assert opened(payload, one) != opened(payload, other)
    one.verify_commitment(one.commitment)
    with pytest.raises(KeyCommitmentError):
        other.verify_commitment(one.commitment)
