"""Sealing a file into a file.

given a file of any length
├─ when it is sealed: the new file should be header and payload, private, and open again
├─ when something is at the target: it should stay as it is
├─ when the file shrinks or grows meanwhile: it should refuse and leave nothing
└─ when the disk fills up: it should say so and leave nothing
"""

import errno
import os
import stat

import pytest
from envelope_judge import judge_opens

from medshare.envelope import (
    CIPHER_SEGMENT_SIZE,
    SEGMENT_SIZE,
    FileKey,
    Identity,
    open_payload,
    payload_length,
    seal_file,
    wrap,
)
from medshare.errors import InvalidInputError, StoreFullError

pytestmark = pytest.mark.unit

KEY = FileKey(b"k" * 32)
READER_SECRET = b"r" * 32
HEADER = wrap(KEY, writer=Identity.generate(), recipients=[Identity.from_bytes(READER_SECRET).recipient])
BLOCK = 16 * SEGMENT_SIZE


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(os.urandom(5 * BLOCK + 70_000))
    return path


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    "size", [0, 1, SEGMENT_SIZE, SEGMENT_SIZE + 1, BLOCK - 1, BLOCK, BLOCK + 1, 4 * BLOCK, 5 * BLOCK + 9]
)
def test_seal_file__any_length__is_header_and_payload(tmp_path, source, size, threads):
    text = source.read_bytes()[:size]
    source.write_bytes(text)
    target = tmp_path / "text.c4gh"
    assert seal_file(source, target, KEY, header=HEADER, threads=threads) == payload_length(size)
    sealed = target.read_bytes()
    assert sealed.startswith(HEADER)
    payload = sealed[len(HEADER) :]
    assert b"".join(open_payload([payload], KEY, payload_length=payload_length(size))) == text
    assert judge_opens(sealed, READER_SECRET) == text
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    nonces = {payload[at : at + 12] for at in range(0, len(payload), CIPHER_SEGMENT_SIZE)}
    assert len(nonces) == -(-size // SEGMENT_SIZE)


def test_seal_file__target_is_there__stays_as_it_is(tmp_path, source):
    target = tmp_path / "text.c4gh"
    target.write_bytes(b"something")
    with pytest.raises(InvalidInputError):
        seal_file(source, target, KEY)
    assert target.read_bytes() == b"something"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text", "text.c4gh"]


@pytest.mark.parametrize("size", [0, BLOCK, 9 * BLOCK])
def test_seal_file__source_changes_meanwhile__leaves_nothing(tmp_path, source, monkeypatch, size):
    honest = os.pwrite

    def pwrite(*arguments):
        os.truncate(source, size)
        return honest(*arguments)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(InvalidInputError, match="changed"):
        seal_file(source, tmp_path / "text.c4gh", KEY)
    assert list(tmp_path.iterdir()) == [source]


def test_seal_file__no_thread__is_refused(tmp_path, source):
    with pytest.raises(InvalidInputError):
        seal_file(source, tmp_path / "text.c4gh", KEY, threads=0)


def test_seal_file__disk_is_full__leaves_nothing(tmp_path, source, monkeypatch):
    def pwrite(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(StoreFullError):
        seal_file(source, tmp_path / "text.c4gh", KEY)
    assert list(tmp_path.iterdir()) == [source]


def test_seal_file__system_reads_and_writes_in_small_pieces__is_the_same(tmp_path, source, monkeypatch):
    preadv, pwrite = os.preadv, os.pwrite
    monkeypatch.setattr(os, "preadv", lambda file, places, at: preadv(file, [places[0][:10_000]], at))
    monkeypatch.setattr(os, "pwrite", lambda file, content, at: pwrite(file, content[:9_999], at))
    length = seal_file(source, tmp_path / "text.c4gh", KEY)
    sealed = (tmp_path / "text.c4gh").read_bytes()
    assert b"".join(open_payload([sealed], KEY, payload_length=length)) == source.read_bytes()
