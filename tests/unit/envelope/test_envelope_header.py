"""Headers.

given a header for some readers
├─ when one of them unwraps it: it should give the file key and the writer
├─ when a stranger unwraps it: it should say that he is no recipient
├─ when another writer is expected: it should refuse
├─ when it is rewrapped: only the new readers should open it, for any size of payload at the same cost
└─ when its bytes change: nothing but EnvelopeError should come out, at a bounded cost
given a header of somebody else
├─ when it gives the reader two file keys: it should refuse
├─ when it holds an edit list: it should refuse, and name it
├─ when it has a version, method or type that we do not speak: it should say which
├─ when it claims absurd numbers: it should refuse before it allocates or calculates
└─ when the writer's key is a point of low order: the packet should count as not ours
"""

import io
import tracemalloc

import pytest
from envelope_judge import header_of, key_content, packet
from hypothesis import given, settings
from hypothesis import strategies as st

from medshare.envelope import (
    PACKET_LENGTH,
    FileKey,
    Identity,
    Recipient,
    read_header,
    rewrap,
    unwrap,
    wrap,
    wrapped_for,
)
from medshare.envelope.header import MAX_HEADER_LENGTH, MAX_PACKET_LENGTH, MAX_PACKETS
from medshare.errors import (
    AuthenticationError,
    EnvelopeError,
    InvalidInputError,
    KeyCommitmentError,
    MalformedEnvelopeError,
    NotARecipientError,
    UnsupportedVersionError,
)
from medshare.hashing import sha256

pytestmark = pytest.mark.unit

WRITER_SECRET, READER_SECRET, STRANGER_SECRET = b"w" * 32, b"r" * 32, b"s" * 32
WRITER, READER, STRANGER = (Identity.from_bytes(secret) for secret in (WRITER_SECRET, READER_SECRET, STRANGER_SECRET))
KEY = FileKey(b"k" * 32)
HEADER = wrap(KEY, writer=WRITER, recipients=[READER.recipient])


def theirs(content, *, writer=WRITER_SECRET, reader=READER):
    return packet(content, writer, reader.recipient.key)


@pytest.fixture
def tried(monkeypatch):
    """The writers of the packets for which a reader's key was used; each costs a curve multiplication, or a look-up."""
    writers = []
    honest = Identity.cipher_from
    monkeypatch.setattr(Identity, "cipher_from", lambda self, writer: writers.append(writer) or honest(self, writer))
    return writers


def start(*, magic=b"crypt4gh", version=1, count=1):
    return magic + version.to_bytes(4, "little") + count.to_bytes(4, "little")


# ------------------------------------------------------------------------------------------------ the way through


@pytest.mark.parametrize("count", [1, 2, 20])
def test_wrap__some_readers__each_of_them_unwraps(count):
    readers = [Identity.generate() for _ in range(count)]
    header = wrap(KEY, writer=WRITER, recipients=[reader.recipient for reader in readers])
    assert len(header) == 16 + count * PACKET_LENGTH
    for reader in readers:
        for writer in (None, WRITER.recipient):
            unwrapped = unwrap(header, reader, writer=writer)
            assert unwrapped.file_key == KEY
            assert unwrapped.writer == WRITER.recipient


@pytest.mark.parametrize(("readers", "packets", "count"), [(1, 4, 4), (3, 4, 4), (4, 4, 4), (5, 4, 5), (2, 0, 2)])
def test_wrap__more_packets_than_readers__nobody_opens_the_others(readers, packets, count):
    identities = [Identity.generate() for _ in range(readers)]
    header = wrap(KEY, writer=WRITER, recipients=[each.recipient for each in identities], packets=packets)
    assert len(header) == 16 + count * PACKET_LENGTH
    assert all(unwrap(header, each, writer=WRITER.recipient).file_key == KEY for each in identities)
    keys = [each.recipient for each in identities]
    assert wrapped_for(header, writer=WRITER, candidates=[*keys, STRANGER.recipient]) == frozenset(keys)
    with pytest.raises(NotARecipientError):
        unwrap(header, STRANGER)


def test_wrap__too_many_packets__is_refused():
    with pytest.raises(InvalidInputError):
        wrap(KEY, writer=WRITER, recipients=[READER.recipient], packets=MAX_PACKETS + 1)


def test_wrap__for_oneself__unwraps():
    header = wrap(KEY, writer=WRITER, recipients=[WRITER.recipient])
    assert unwrap(header, WRITER, writer=WRITER.recipient).file_key == KEY


def test_wrap__reader_named_twice__gets_one_packet():
    assert len(wrap(KEY, writer=WRITER, recipients=[READER.recipient, Recipient(READER.recipient.key)])) == len(HEADER)


def test_wrap__twice__no_byte_of_the_packet_repeats_but_the_writer():
    again = wrap(KEY, writer=WRITER, recipients=[READER.recipient])
    assert again[:56] == HEADER[:56]
    assert again[56:68] != HEADER[56:68]
    assert again[68:] != HEADER[68:]


@pytest.mark.parametrize("count", [0, MAX_PACKETS + 1])
def test_wrap__no_or_too_many_readers__is_refused(count):
    recipients = [Recipient((2 + number).to_bytes(32, "little")) for number in range(count)]
    with pytest.raises(InvalidInputError):
        wrap(KEY, writer=WRITER, recipients=recipients)


def test_unwrap__stranger__is_no_recipient():
    with pytest.raises(NotARecipientError):
        unwrap(HEADER, STRANGER)
    with pytest.raises(NotARecipientError):
        unwrap(HEADER, WRITER, writer=WRITER.recipient)


def test_unwrap__packet_by_another_writer__is_refused():
    with pytest.raises(AuthenticationError):
        unwrap(HEADER, READER, writer=STRANGER.recipient)


def test_unwrap__packets_by_two_writers__is_refused_when_one_is_expected():
    both = header_of(theirs(key_content(b"k" * 32)), theirs(key_content(b"k" * 32), writer=STRANGER_SECRET))
    assert unwrap(both, READER).writer == WRITER.recipient
    with pytest.raises(AuthenticationError):
        unwrap(both, READER, writer=WRITER.recipient)


def test_unwrap__packet_of_another_writer_for_another_reader__does_not_matter():
    mixed = header_of(
        theirs(key_content(b"x" * 32), writer=STRANGER_SECRET, reader=STRANGER), theirs(key_content(b"k" * 32))
    )
    assert unwrap(mixed, READER, writer=WRITER.recipient).file_key == KEY


def test_unwrap__padded_packet__is_taken():
    assert unwrap(header_of(theirs(key_content(b"k" * 32, padding=bytes(500)))), READER).file_key == KEY


def test_unwrap__same_key_in_two_packets__is_taken():
    assert unwrap(header_of(*[theirs(key_content(b"k" * 32))] * 2), READER).file_key == KEY


# --------------------------------------------------------------------------------------------------------- rewrap


def test_wrapped_for__some_readers__finds_them_and_nobody_else():
    writer, readers, others = Identity.generate(), *([Identity.generate() for _ in range(3)] for _ in range(2))
    header = wrap(FileKey.generate(), writer=writer, recipients=[each.recipient for each in readers])
    asked = [each.recipient for each in (*readers, *others)]
    assert wrapped_for(header, writer=writer, candidates=asked) == {each.recipient for each in readers}
    assert wrapped_for(header, writer=writer, candidates=[]) == frozenset()


def test_wrapped_for__asked_by_somebody_else__finds_nobody():
    writer, reader, other = Identity.generate(), Identity.generate(), Identity.generate()
    header = wrap(FileKey.generate(), writer=writer, recipients=[reader.recipient, writer.recipient])
    assert wrapped_for(header, writer=other, candidates=[reader.recipient, other.recipient]) == frozenset()
    assert wrapped_for(header, writer=writer, candidates=[writer.recipient]) == {writer.recipient}


def test_wrapped_for__not_a_header__is_refused():
    with pytest.raises(MalformedEnvelopeError):
        wrapped_for(b"crypt4gh", writer=Identity.generate(), candidates=[])


def test_rewrap__for_a_new_reader__opens_for_that_reader_only():
    header = rewrap(HEADER, identity=READER, recipients=[STRANGER.recipient], writer=WRITER.recipient)
    unwrapped = unwrap(header, STRANGER, writer=READER.recipient)
    assert unwrapped.file_key == KEY
    assert len(header) == len(HEADER)
    with pytest.raises(NotARecipientError):
        unwrap(header, READER)


def test_rewrap__by_a_stranger__is_refused():
    with pytest.raises(NotARecipientError):
        rewrap(HEADER, identity=STRANGER, recipients=[STRANGER.recipient])


def test_rewrap__header_by_another_writer__is_refused():
    with pytest.raises(AuthenticationError):
        rewrap(HEADER, identity=READER, recipients=[STRANGER.recipient], writer=STRANGER.recipient)


# ----------------------------------------------------------------------------------------------------- the file key


def test_commitment__of_a_key__is_the_tagged_digest():
    assert KEY.commitment == sha256(b"medshare/kc/1" + b"k" * 32)
    KEY.verify_commitment(KEY.commitment)


@pytest.mark.parametrize("commitment", [b"", bytes(32), FileKey(b"x" * 32).commitment, KEY.commitment + b"\0"])
def test_commitment__of_another_key__is_refused(commitment):
    with pytest.raises(KeyCommitmentError):
        KEY.verify_commitment(commitment)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_file_key__wrong_length__is_refused(length):
    with pytest.raises(InvalidInputError):
        FileKey(bytes(length))


def test_file_key__compared__is_equal_by_its_bytes():
    assert FileKey(b"k" * 32) == KEY
    assert hash(FileKey(b"k" * 32)) == hash(KEY)
    assert FileKey(b"x" * 32) != KEY
    assert KEY != b"k" * 32
    assert FileKey.generate() != FileKey.generate()


def test_file_key__let_go__is_overwritten_in_memory():
    key = FileKey(b"k" * 32)
    held, copy = key._key, key.reveal()
    assert bytes(held) == bytes(copy) == b"k" * 32
    del key
    assert bytes(held) == bytes(32)
    assert bytes(copy) == b"k" * 32


def test_wrapped_for__packet_of_the_writer_cut_short__is_nobodys():
    writer, reader = Identity.generate(), Identity.generate()
    whole = wrap(KEY, writer=writer, recipients=[reader.recipient])
    short = whole[:16] + (60).to_bytes(4, "little") + whole[20:76]
    assert wrapped_for(short, writer=writer, candidates=[reader.recipient]) == frozenset()


# -------------------------------------------------------------------------------------------------- hostile headers


def test_unwrap__two_file_keys__is_refused():
    with pytest.raises(MalformedEnvelopeError, match="two different file keys"):
        unwrap(header_of(theirs(key_content(b"k" * 32)), theirs(key_content(b"x" * 32))), READER)


@pytest.mark.parametrize("first", [True, False], ids=["edit list first", "key first"])
def test_unwrap__edit_list__is_refused_by_name(first):
    edits = theirs((1).to_bytes(4, "little") + (2).to_bytes(4, "little") + bytes(16))
    key = theirs(key_content(b"k" * 32))
    with pytest.raises(MalformedEnvelopeError, match="edit list"):
        unwrap(header_of(*([edits, key] if first else [key, edits])), READER)


def test_unwrap__edit_list_for_another_reader__does_not_matter():
    edits = theirs((1).to_bytes(4, "little") + (2).to_bytes(4, "little") + bytes(16), reader=STRANGER)
    assert unwrap(header_of(edits, theirs(key_content(b"k" * 32))), READER).file_key == KEY


@pytest.mark.parametrize("version", [0, 2, 2**32 - 1])
def test_unwrap__unknown_version__is_named(version):
    header = start(version=version) + HEADER[16:]
    with pytest.raises(UnsupportedVersionError) as caught:
        unwrap(header, READER)
    assert caught.value.found == version
    with pytest.raises(UnsupportedVersionError):
        read_header(io.BytesIO(header))


def test_unwrap__unknown_packet_method__is_named_only_if_nothing_opens():
    foreign = (7).to_bytes(4, "little") + bytes(100)
    with pytest.raises(UnsupportedVersionError) as caught:
        unwrap(header_of(foreign), READER)
    assert caught.value.found == 7
    assert unwrap(header_of(foreign, theirs(key_content(b"k" * 32))), READER).file_key == KEY


@pytest.mark.parametrize(("packet_type", "method"), [(2, 0), (0, 1), (0, 2), (2**32 - 1, 0)])
def test_unwrap__unknown_content__is_named(packet_type, method):
    header = header_of(theirs(key_content(b"k" * 32, packet_type=packet_type, method=method)))
    with pytest.raises(UnsupportedVersionError) as caught:
        unwrap(header, READER)
    assert caught.value.found == (packet_type or method)


@pytest.mark.parametrize("length", [0, 1, 3, 4, 7, 8, 39])
def test_unwrap__content_too_short__is_refused(length):
    with pytest.raises(MalformedEnvelopeError, match="too short"):
        unwrap(header_of(theirs(key_content(b"k" * 32)[:length])), READER)


@pytest.mark.parametrize("length", range(4, 64, 7))
def test_unwrap__packet_too_short_to_be_sealed__is_not_ours(length):
    with pytest.raises(NotARecipientError):
        unwrap(header_of(bytes(length)), READER)


@pytest.mark.parametrize("point", [bytes(32), (1).to_bytes(32, "little"), b"\xff" * 32])
def test_unwrap__writer_is_a_point_of_low_order_or_not_canonical__is_not_ours(point):
    with pytest.raises(NotARecipientError):
        unwrap(HEADER[:24] + point + HEADER[56:], READER)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"crypt4gh",
        HEADER[:15],
        start(magic=b"CRYPT4GH") + HEADER[16:],
        start(count=0),
        start(count=0) + HEADER[16:],
        start(count=2) + HEADER[16:],
        start(count=1),
        start(count=MAX_PACKETS + 1) + HEADER[16:] * (MAX_PACKETS + 1),
        start(count=1_000_000),
        start(count=2**32 - 1),
        start() + (2**31).to_bytes(4, "little") + bytes(104),
        start() + (2**32 - 1).to_bytes(4, "little") + bytes(104),
        start() + (MAX_PACKET_LENGTH + 1).to_bytes(4, "little") + bytes(MAX_PACKET_LENGTH),
        start() + (7).to_bytes(4, "little") + bytes(104),
        start() + bytes(108),
        start(count=17) + (MAX_PACKET_LENGTH.to_bytes(4, "little") + bytes(MAX_PACKET_LENGTH - 4)) * 17,
        HEADER + b"\0",
        HEADER + HEADER[16:],
        HEADER[:-1],
        HEADER[:16] + b"\x6d" + HEADER[17:],
    ],
    ids=lambda header: f"{len(header)} bytes",
)
def test_unwrap__malformed_or_greedy__is_refused_before_it_is_calculated(header, tried):
    tracemalloc.start()
    try:
        with pytest.raises(MalformedEnvelopeError):
            unwrap(header, READER)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert tried == []
    assert peak < 3 * MAX_HEADER_LENGTH


def test_unwrap__as_many_packets_as_allowed__calculates_once_for_each(tried):
    strangers = [Recipient((2 + number).to_bytes(32, "little")) for number in range(MAX_PACKETS - 1)]
    header = wrap(KEY, writer=WRITER, recipients=[*strangers, READER.recipient])
    assert unwrap(header, READER).file_key == KEY
    assert len(tried) == MAX_PACKETS


def test_unwrap__one_of_many_packets_opens__all_are_tried(tried):
    others = [Identity.generate().recipient for _ in range(4)]
    for position in range(5):
        tried.clear()
        recipients = [*others[:position], READER.recipient, *others[position:]]
        unwrap(wrap(KEY, writer=WRITER, recipients=recipients), READER)
        assert len(tried) == 5


@given(
    readers=st.integers(1, 3),
    changes=st.lists(st.tuples(st.integers(0, 2**16), st.integers(1, 255)), min_size=1, max_size=5),
    cut=st.integers(0, 400),
    tail=st.binary(max_size=20),
)
@settings(max_examples=400)
def test_unwrap__changed_header__only_envelope_errors_come_out(readers, changes, cut, tail):
    recipients = [READER.recipient, STRANGER.recipient, WRITER.recipient][:readers]
    header = bytearray(wrap(KEY, writer=WRITER, recipients=recipients))
    for position, difference in changes:
        header[position % len(header)] ^= difference
    mutant = bytes(header[: len(header) - cut] if cut < 40 else header) + tail
    for read in (
        lambda: unwrap(mutant, READER).file_key,
        lambda: unwrap(read_header(io.BytesIO(mutant)), READER).file_key,
    ):
        try:
            found = read()
        except EnvelopeError:
            continue
        assert found == KEY


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_unwrap__any_bytes_behind_the_start__only_envelope_errors_come_out(rest):
    for header in (rest, start() + rest, start(count=3) + (108).to_bytes(4, "little") + rest):
        with pytest.raises(EnvelopeError):
            unwrap(header, READER)
        with pytest.raises(EnvelopeError):
            unwrap(read_header(io.BytesIO(header)), READER)


# ----------------------------------------------------------------------------------------------------- read_header


class OneByteAtATime(io.BytesIO):
    def read(self, size=-1):
        return super().read(min(size, 1))


@pytest.mark.parametrize("kind", [io.BytesIO, OneByteAtATime])
def test_read_header__whole_file__takes_exactly_the_header(kind):
    stream = kind(HEADER + b"payload")
    assert read_header(stream) == HEADER
    assert io.BytesIO.read(stream) == b"payload"


@pytest.mark.parametrize("length", [0, 15, 16, 19, 20, 21, len(HEADER) - 1])
def test_read_header__file_ends_inside__is_refused(length):
    with pytest.raises(MalformedEnvelopeError):
        read_header(io.BytesIO(HEADER[:length]))


class Endless:
    """A stream that would give any number of bytes, and counts how many were asked for."""

    def __init__(self, beginning):
        self.beginning, self.given = io.BytesIO(beginning), 0

    def read(self, size):
        self.given += size
        assert size <= MAX_PACKET_LENGTH
        return self.beginning.read(size) or bytes(size)


@pytest.mark.parametrize(
    "beginning",
    [
        start(count=2**32 - 1),
        start(count=MAX_PACKETS),
        start() + (2**31).to_bytes(4, "little"),
        start(count=MAX_PACKETS) + (MAX_PACKET_LENGTH.to_bytes(4, "little") + bytes(MAX_PACKET_LENGTH - 4)) * 20,
    ],
)
def test_read_header__claims_absurd_numbers__is_refused_before_it_is_read(beginning):
    stream = Endless(beginning)
    with pytest.raises(MalformedEnvelopeError):
        read_header(stream)
    assert stream.given <= MAX_HEADER_LENGTH + MAX_PACKET_LENGTH
