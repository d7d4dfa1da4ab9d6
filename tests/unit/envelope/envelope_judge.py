"""The reference Crypt4GH tool as a judge, its tongue tied: at DEBUG it would log session and secret keys."""

import io
import logging

logging.getLogger("crypt4gh").setLevel(logging.CRITICAL + 1)

from crypt4gh import header as reference_header  # noqa: E402 - the logger is silenced first
from crypt4gh import lib as reference  # noqa: E402
from crypt4gh import sodium  # noqa: E402

SEGMENT = 65_536
CIPHER_SEGMENT = 65_564


def public_of(secret):
    return sodium.derive_pk(secret)


def judge_seals(text, writer_secret, *reader_publics):
    """Return the whole .c4gh file that the reference tool makes."""
    out = io.BytesIO()
    reference.encrypt([(0, writer_secret, public) for public in reader_publics], io.BytesIO(text), out)
    return out.getvalue()


def judge_opens(file, reader_secret, writer_public=None):
    """Return the text that the reference tool finds in a whole .c4gh file."""
    out = io.BytesIO()
    reference.decrypt([(0, reader_secret, None)], io.BytesIO(file), out, sender_pubkey=writer_public)
    return out.getvalue()


def packet(content, writer_secret, reader_public):
    """Return a header packet with any content, sealed as the reference tool does, without its length field."""
    return bytes(4) + reference_header.encrypt_X25519_Chacha20_Poly1305(content, writer_secret, reader_public)


def header_of(*packets):
    return bytes(reference_header.serialize(packets))


def key_content(key, *, packet_type=0, method=0, padding=b""):
    return packet_type.to_bytes(4, "little") + method.to_bytes(4, "little") + key + padding
