"""Make the frozen envelopes beside this file: python tests/vectors/envelope/make_envelope_vectors.py

Run it for a new kind of vector only, under a new name. A vector that stands stays as it is: what was written once
must open for ever. Nonces and salts are random, so a second run gives other bytes of the same meaning.
"""

import base64
import io
import json
import logging
import sys
import tempfile
from pathlib import Path

logging.getLogger("crypt4gh").setLevel(logging.CRITICAL + 1)

from crypt4gh import lib  # noqa: E402 - at DEBUG it would log keys: silenced first
from crypt4gh.keys import c4gh, kdf  # noqa: E402

from medshare.envelope import FileKey, Identity, payload_length, read_header, seal, unwrap, wrap  # noqa: E402
from medshare.hashing import sha256  # noqa: E402

HERE = Path(__file__).parent
PASSPHRASE = "a passphrase for vectors"
SECRETS = {name: sha256(f"medshare vectors: {name}".encode()) for name in ("writer", "reader", "second reader")}
TEXTS = {"empty": 0, "one": 1, "thousand": 1_000, "two_segments": 65_537}


def text_of(length: int) -> bytes:
    """Return the text of a vector: the line ``medshare vector`` over and over."""
    return (b"medshare vector\n" * (length // 16 + 1))[:length]


def key_file(kdf_name: str, rounds: int) -> str:
    """Return the inside of a secret key file made by the reference tool's parts, in base64."""
    name = kdf_name.encode()
    c4gh.get_kdf = lambda _: (16, rounds)
    c4gh.derive_key = lambda _, *rest: kdf.derive_key(name, *rest)
    content = c4gh.encode_private_key(SECRETS["reader"], PASSPHRASE.encode(), b"made for tests")
    return base64.b64encode(content.replace(b"\0\x06scrypt", bytes([0, len(name)]) + name, 1)).decode()


def own_key_file(passphrase: str | None) -> str:
    """Return the inside of a secret key file of ours."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        Identity.from_bytes(SECRETS["reader"]).save(path, passphrase, "made for tests")
        return path.read_text().splitlines()[1]


def main() -> None:
    """Write the vectors; refuse if they are there."""
    if (HERE / "envelope_vectors.json").exists():
        sys.exit("the vectors are there already; frozen is frozen")
    identities = {name: Identity.from_bytes(secret) for name, secret in SECRETS.items()}
    readers = [identities[name].recipient for name in ("reader", "second reader")]
    files = []
    for name, length in TEXTS.items():
        file_key = FileKey(sha256(f"medshare vectors: key of {name}".encode()))
        ours = wrap(file_key, writer=identities["writer"], recipients=readers)
        ours += b"".join(seal([text_of(length)], file_key))
        theirs = io.BytesIO()
        keys = [(0, SECRETS["writer"], recipient.key) for recipient in readers]
        lib.encrypt(keys, io.BytesIO(text_of(length)), theirs)
        for maker, content in (("medshare", ours), ("crypt4gh 1.8.6", theirs.getvalue())):
            path = HERE / f"{name}.{maker.split()[0]}.c4gh"
            path.write_bytes(content)
            header = read_header(io.BytesIO(content))
            files.append(
                {
                    "file": path.name,
                    "made_by": maker,
                    "sha256": sha256(content).hex(),
                    "text_length": length,
                    "text_sha256": sha256(text_of(length)).hex(),
                    "header_length": len(header),
                    "payload_length": payload_length(length),
                    "commitment": unwrap(header, identities["reader"]).file_key.commitment.hex(),
                }
            )
    vectors = {
        "about": "public test values; the keys protect nothing",
        "secrets": {name: secret.hex() for name, secret in SECRETS.items()},
        "publics": {name: identity.recipient.key.hex() for name, identity in identities.items()},
        "fingerprints": {name: identity.recipient.fingerprint for name, identity in identities.items()},
        "files": files,
        "passphrase": PASSPHRASE,
        "secret_key_files_of_reader": {
            "scrypt by medshare": own_key_file(PASSPHRASE),
            "none by medshare": own_key_file(None),
            "scrypt by crypt4gh": key_file("scrypt", 0),
            "bcrypt by crypt4gh": key_file("bcrypt", 10),
            "pbkdf2_hmac_sha256 by crypt4gh": key_file("pbkdf2_hmac_sha256", 1_000),
        },
    }
    (HERE / "envelope_vectors.json").write_text(json.dumps(vectors, indent=2) + "\n")


if __name__ == "__main__":
    main()
