"""Secrets stay secret, and nonces are used once.

given a whole share with canaries for keys, passphrase and text
└─ when everything is logged and every error is printed with its traceback: it should show none of them
given one key
├─ when a hundred thousand segments are sealed with it: no nonce should repeat
├─ when a thousand packets are written for one reader: no nonce should repeat
└─ when the process forks: parent and child should use different nonces, and both should work on
"""

import base64
import io
import itertools
import logging
import os
import subprocess
import sys
import traceback

import pytest
from envelope_judge import header_of, key_content, packet

from medshare.envelope import FileKey, Identity, open_payload, read_header, rewrap, seal, unwrap, wrap
from medshare.errors import MedshareError
from medshare.hashing import sha256

pytestmark = pytest.mark.unit

NONCE = 12


def forms(secret):
    """Return the ways in which a secret could show in a text."""
    yield secret.hex()
    yield secret.hex().upper()
    yield base64.b64encode(secret).decode().rstrip("=")
    yield base64.urlsafe_b64encode(secret).decode().rstrip("=")
    yield repr(secret)[2:-1]
    yield str(list(secret))[1:-1]
    yield str(int.from_bytes(secret, "little"))
    yield str(int.from_bytes(secret, "big"))


def test_whole_share__logged_at_debug_with_every_error__shows_no_secret(tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    secrets = {name: sha256(b"canary " + name.encode()) for name in ("writer", "reader", "stranger", "file key")}
    writer, reader, stranger = (Identity.from_bytes(secrets[name]) for name in ("writer", "reader", "stranger"))
    file_key, text, passphrase = FileKey(secrets["file key"]), b"canary of the plain text" * 5_000, "canary passphrase"
    path = tmp_path / "reader.sec"
    reader.save(path, passphrase, "comment")
    header = wrap(file_key, writer=writer, recipients=[reader.recipient])
    payload = b"".join(seal([text], file_key))
    bad = bytes([payload[0] ^ 1]) + payload[1:]
    two_keys = header_of(
        *(packet(key_content(key), secrets["writer"], reader.recipient.key) for key in (secrets["file key"], bytes(32)))
    )
    shown = [repr(thing) for thing in (writer, reader, file_key, unwrap(header, reader), reader.recipient)]
    assert b"".join(open_payload([payload], file_key, payload_length=len(payload))) == text
    assert rewrap(header, identity=reader, recipients=[stranger.recipient])
    failures = [
        lambda: Identity.load(path, "canary passphrase, wrong"),
        lambda: Identity.load(path, None),
        lambda: reader.save(path, passphrase),
        lambda: reader.save(tmp_path / "missing" / "key", passphrase),
        lambda: reader.save(tmp_path / "key", passphrase + "\ud800"),
        lambda: unwrap(header, stranger),
        lambda: unwrap(header, reader, writer=stranger.recipient),
        lambda: unwrap(two_keys, reader),
        lambda: list(open_payload([bad], file_key, payload_length=len(bad))),
        lambda: list(open_payload([payload[:-1]], file_key, payload_length=len(payload))),
        lambda: FileKey(secrets["file key"] + b"\0"),
        lambda: Identity.from_bytes(secrets["reader"] + b"\0"),
        lambda: file_key.verify_commitment(bytes(32)),
        lambda: read_header(io.BytesIO(text)),
    ]
    for failure in failures:
        with pytest.raises(MedshareError) as caught:
            failure()
        logging.getLogger("test").error("failed", exc_info=caught.value)
        shown += [str(caught.value), caught.value.hint, repr(caught.value)]
        shown += [repr(caught.value.__cause__), repr(caught.value.__context__)]
        # Only what the errors say: the source lines of this test, which a traceback quotes, are no leak.
        shown += list(
            traceback.TracebackException.from_exception(caught.value, lookup_lines=False).format_exception_only()
        )
    everything = "\n".join([*shown, *(record.getMessage() for record in caplog.records), *capfd.readouterr()])
    for secret in secrets.values():
        for form in forms(secret):
            assert form not in everything
    for canary in ("canary of the plain", "canary passphrase"):
        assert canary not in everything


def test_seal__hundred_thousand_segments_under_one_key__no_nonce_repeats():
    file_key, seen = FileKey.generate(), set()
    for _ in range(90_000):
        (buffer,) = seal([b"x"], file_key)
        seen.add(buffer[:NONCE])
    length = 65_564
    for buffer in seal(itertools.repeat(bytes(2**20), 625), file_key):
        seen.update(buffer[at : at + NONCE] for at in range(0, len(buffer), length))
    assert len(seen) == 100_000


def test_wrap__a_thousand_packets_for_one_reader__no_nonce_repeats():
    writer, reader, file_key = Identity.generate(), Identity.generate(), FileKey.generate()
    headers = [wrap(file_key, writer=writer, recipients=[reader.recipient]) for _ in range(1_000)]
    assert len({header[56:68] for header in headers}) == 1_000


FORK = """
import os
from medshare.envelope import FileKey, Identity, seal, wrap

key, writer, reader = FileKey(b"k" * 32), Identity.generate(), Identity.generate().recipient

def nonces():
    buffers = list(seal([bytes(5 * 2**20)], key))
    header = wrap(key, writer=writer, recipients=[reader])
    found = [buffer[at : at + 12].hex() for buffer in buffers for at in range(0, len(buffer), 65564)]
    return [*found, header[56:68].hex()]

print(*nonces(), flush=True)
child = os.fork()
found = nonces()
if child:
    assert os.waitpid(child, 0)[1] == 0  # it has printed: what two print at once may be mixed
print(*found, flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_fork__after_sealing_with_a_helper__all_nonces_differ_and_both_work():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60, check=True)
    nonces = done.stdout.split()
    assert len(nonces) == 3 * 81
    assert len(set(nonces)) == len(nonces)
