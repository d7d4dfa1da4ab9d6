"""Other Crypt4GH tools, and files of long ago.

given a file of ours
└─ when the reference tool opens it, for one and for many readers: it should find the text
given a file of the reference tool
└─ when we open it: we should find the text
given the reference tool's mistakes
└─ when it is asked for a range far in, or given a cut file: it should be wrong where we are right
given the frozen vectors
└─ when we open them: they should be what they were
"""

import hashlib
import io
import json
import logging
import os
from pathlib import Path

import pytest
from envelope_judge import SEGMENT, judge_opens, judge_seals, public_of, reference, reference_header

from medshare.envelope import (
    FileKey,
    Identity,
    Recipient,
    open_payload,
    open_range,
    payload_length,
    plaintext_length,
    read_header,
    rewrap,
    seal,
    unwrap,
    wrap,
)
from medshare.errors import AuthenticationError, MalformedEnvelopeError, WrongPassphraseError
from medshare.hashing import sha256

pytestmark = pytest.mark.unit

WRITER_SECRET, READER_SECRET, OTHER_SECRET = b"w" * 32, b"r" * 32, b"o" * 32
WRITER, READER, OTHER = (Identity.from_bytes(secret) for secret in (WRITER_SECRET, READER_SECRET, OTHER_SECRET))
KEY = FileKey(b"k" * 32)
SIZES = [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 20 * SEGMENT + 5]
HUNDRED_MB = 100_000_000
VECTORS = Path(__file__).parents[2] / "vectors" / "envelope"
FROZEN = json.loads((VECTORS / "envelope_vectors.json").read_text())


def file_of(text, *recipients):
    return wrap(KEY, writer=WRITER, recipients=recipients) + b"".join(seal([text], KEY))


def open_file(content, identity, writer=None):
    stream = io.BytesIO(content)
    unwrapped = unwrap(read_header(stream), identity, writer=writer)
    payload = stream.read()
    return b"".join(open_payload([payload], unwrapped.file_key, payload_length=len(payload)))


@pytest.mark.parametrize("size", SIZES)
def test_our_file__opened_by_the_reference_tool__is_the_text(size):
    text = os.urandom(size)
    file = file_of(text, READER.recipient)
    assert judge_opens(file, READER_SECRET) == text
    assert judge_opens(file, READER_SECRET, writer_public=WRITER.recipient.key) == text


@pytest.mark.parametrize("size", SIZES)
def test_file_of_the_reference_tool__opened_by_us__is_the_text(size):
    text = os.urandom(size)
    file = judge_seals(text, WRITER_SECRET, READER.recipient.key)
    assert open_file(file, READER, writer=WRITER.recipient) == text
    assert len(file) == 124 + payload_length(size)
    assert plaintext_length(len(file) - 124) == size


def test_many_readers__both_ways__each_finds_the_text():
    secrets = [bytes([number]) * 32 for number in range(1, 21)]
    ours = file_of(b"text", *(Recipient(public_of(secret)) for secret in secrets))
    theirs = judge_seals(b"text", WRITER_SECRET, *(public_of(secret) for secret in secrets))
    for secret in secrets:
        assert judge_opens(ours, secret) == b"text"
        assert open_file(theirs, Identity.from_bytes(secret)) == b"text"


def test_rewrapped_header__before_the_old_payload__opens_in_the_reference_tool():
    file = judge_seals(b"text" * 50_000, WRITER_SECRET, READER.recipient.key)
    stream = io.BytesIO(file)
    header = rewrap(read_header(stream), identity=READER, recipients=[OTHER.recipient], writer=WRITER.recipient)
    assert judge_opens(header + stream.read(), OTHER_SECRET, writer_public=READER.recipient.key) == b"text" * 50_000


def test_header_reencrypted_by_the_reference_tool__keeping_others_packets__unwraps():
    header = wrap(KEY, writer=WRITER, recipients=[READER.recipient, OTHER.recipient])
    packets = reference_header.reencrypt(
        reference_header.parse(io.BytesIO(header)),
        [(0, READER_SECRET, None)],
        [(0, READER_SECRET, WRITER.recipient.key)],
    )
    again = reference_header.serialize(packets)
    assert unwrap(again, WRITER, writer=READER.recipient).file_key == KEY
    assert unwrap(again, OTHER, writer=WRITER.recipient).file_key == KEY


def test_edit_list_of_the_reference_tool__is_refused():
    out = io.BytesIO()
    file = file_of(b"text" * 50_000, READER.recipient)
    reference.rearrange([(0, READER_SECRET, READER.recipient.key)], io.BytesIO(file), out, offset=10, span=20)
    with pytest.raises(MalformedEnvelopeError, match="edit list"):
        unwrap(read_header(io.BytesIO(out.getvalue())), READER)


def test_hundred_megabytes__both_ways__is_the_text(tmp_path):
    piece = os.urandom(1_000_000)
    ours, theirs, plain = tmp_path / "ours.c4gh", tmp_path / "theirs.c4gh", tmp_path / "plain"
    expected = hashlib.sha256()
    with plain.open("wb") as stream:
        for _ in range(HUNDRED_MB // len(piece)):
            stream.write(piece)
            expected.update(piece)
    with plain.open("rb") as source, ours.open("wb") as target:
        target.write(wrap(KEY, writer=WRITER, recipients=[READER.recipient]))
        for buffer in seal(iter(lambda: source.read(2**20), b""), KEY):
            target.write(buffer)
    with plain.open("rb") as source, theirs.open("wb") as target:
        reference.encrypt([(0, WRITER_SECRET, READER.recipient.key)], source, target)
    assert ours.stat().st_size == theirs.stat().st_size == 124 + payload_length(HUNDRED_MB)

    class Digest:
        def __init__(self):
            self.state = hashlib.sha256()

        def write(self, content):
            self.state.update(content)

    by_them = Digest()
    with ours.open("rb") as source:
        reference.decrypt([(0, READER_SECRET, None)], source, by_them)
    assert by_them.state.digest() == expected.digest()
    by_us = hashlib.sha256()
    with theirs.open("rb") as source:
        key = unwrap(read_header(source), READER).file_key
        chunks = iter(lambda: source.read(2**20), b"")
        for text in open_payload(chunks, key, payload_length=payload_length(HUNDRED_MB)):
            by_us.update(text)
    assert by_us.digest() == expected.digest()


# ------------------------------------------------------------------------------------- where the judge is wrong


def test_range_from_64_kib_on__reference_tool_is_wrong__we_are_right():
    text = b"".join(number.to_bytes(4, "little") for number in range(60_000))
    file = file_of(text, READER.recipient)
    wrong = io.BytesIO()
    reference.decrypt([(0, READER_SECRET, None)], io.BytesIO(file), wrong, offset=70_000, span=100)
    payload = file[124:]
    right = open_range(
        lambda at, size: payload[at : at + size], KEY, payload_length=len(payload), offset=70_000, length=100
    )
    assert b"".join(right) == text[70_000:70_100]
    assert wrong.getvalue() != text[70_000:70_100], "the reference tool was mended: it can judge ranges now"


def test_file_cut_at_a_segment__reference_tool_takes_it__we_refuse():
    text = os.urandom(3 * SEGMENT)
    file = file_of(text, READER.recipient)
    cut = file[: 124 + 2 * (SEGMENT + 28)]
    assert judge_opens(cut, READER_SECRET) == text[: 2 * SEGMENT]
    with pytest.raises(AuthenticationError):
        list(open_payload([cut[124:]], KEY, payload_length=len(file) - 124))


def test_reference_tool__in_these_tests__logs_nothing():
    for name in ("crypt4gh", "crypt4gh.header", "crypt4gh.lib", "crypt4gh.keys.c4gh"):
        assert not logging.getLogger(name).isEnabledFor(logging.CRITICAL)


# ------------------------------------------------------------------------------------------------ frozen vectors


@pytest.mark.parametrize("vector", FROZEN["files"], ids=lambda vector: vector["file"])
def test_frozen_file__opened__is_what_it_was(vector):
    content = (VECTORS / vector["file"]).read_bytes()
    assert sha256(content).hex() == vector["sha256"]
    for name in ("reader", "second reader"):
        reader = Identity.from_bytes(bytes.fromhex(FROZEN["secrets"][name]))
        stream = io.BytesIO(content)
        header = read_header(stream)
        unwrapped = unwrap(header, reader, writer=Recipient(bytes.fromhex(FROZEN["publics"]["writer"])))
        unwrapped.file_key.verify_commitment(bytes.fromhex(vector["commitment"]))
        pieces = open_payload([stream.read()], unwrapped.file_key, payload_length=vector["payload_length"])
        text = b"".join(pieces)
        assert (len(header), len(text)) == (vector["header_length"], vector["text_length"])
        assert sha256(text).hex() == vector["text_sha256"]


@pytest.mark.parametrize("name", FROZEN["secrets"])
def test_frozen_identity__made_again__has_the_same_public_face(name):
    identity = Identity.from_bytes(bytes.fromhex(FROZEN["secrets"][name]))
    assert identity.recipient.key.hex() == FROZEN["publics"][name]
    assert identity.recipient.fingerprint == FROZEN["fingerprints"][name]


@pytest.mark.parametrize("name", FROZEN["secret_key_files_of_reader"])
def test_frozen_key_file__loaded__is_the_reader(name, tmp_path):
    path = tmp_path / "reader.sec"
    content = FROZEN["secret_key_files_of_reader"][name]
    path.write_text(f"-----BEGIN CRYPT4GH PRIVATE KEY-----\n{content}\n-----END CRYPT4GH PRIVATE KEY-----\n")
    path.chmod(0o600)
    passphrase = None if name.startswith("none") else FROZEN["passphrase"]
    assert Identity.load(path, passphrase).recipient.key.hex() == FROZEN["publics"]["reader"]
    if passphrase:
        with pytest.raises(WrongPassphraseError):
            Identity.load(path, "another passphrase")
