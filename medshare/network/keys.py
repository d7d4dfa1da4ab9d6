"""The secrets of one institution: made on its own machine, readable by their owner only, and never sent anywhere.

::

    FOLDER/<institution>/secrets/
      <validator>/  keystore/key.json  passphrase  node.key
      <storage>/    identity.key  rpc-token
    FOLDER/swarm.key        the one secret that members share: who has it may connect to their storage nodes

What others must know of them (accounts, public keys, peer ids) goes into the member file.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from medshare.chain import LocalSigner, keystore_address
from medshare.chain.accounts import SCRYPT_WORK
from medshare.errors import ConfigurationError, KeyFileError
from medshare.files import private_folder, write_whole
from medshare.model.ids import Address
from medshare.network.members import Consensus

SWARM_KEY_FILE = "swarm.key"
SECRETS_FOLDER = "secrets"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_SWARM_KEY = re.compile(r"/key/swarm/psk/1\.0\.0/\n/base16/\n[0-9a-f]{64}\n?")
_KEY_SIZE = 32
_MAX_SIZE = 4_096
# Protocol buffers: {1: type 1 (Ed25519), 2: bytes}; a peer id is the identity multihash of the public key's message.
_PUBLIC_HEAD = bytes.fromhex("08011220")
_PRIVATE_HEAD = bytes.fromhex("08011240")
_IDENTITY_HEAD = bytes.fromhex("0024")


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorSecrets:
    """Where the secrets of a validator are."""

    folder: Path

    @property
    def keystore(self) -> Path:
        """The folder with the signer's key, encrypted, as geth keeps it."""
        return self.folder / "keystore"

    @property
    def passphrase(self) -> Path:
        """What opens it: the node must unlock it when it starts, with nobody at the keyboard."""
        return self.folder / "passphrase"

    @property
    def node_key(self) -> Path:
        """The node's own key, which other nodes know it by."""
        return self.folder / "node.key"

    @property
    def signer(self) -> Address:
        """The account that seals; raises ``KeyFileError``."""
        account = keystore_address(self.keystore / "key.json")
        if account is None:
            raise KeyFileError("the keystore names no account")
        return account

    @property
    def public_node_key(self) -> str:
        """128 hex digits; raises ``KeyFileError``."""
        return public_node_key(_read(self.node_key))

    @property
    def exist(self) -> bool:
        """Whether they are on this machine."""
        return self.node_key.exists()


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSecrets:
    """Where the secrets of a storage node are."""

    folder: Path

    @property
    def identity(self) -> Path:
        """The node's key, in libp2p's form and base64."""
        return self.folder / "identity.key"

    @property
    def token(self) -> Path:
        """What its RPC asks for."""
        return self.folder / "rpc-token"

    @property
    def peer_id(self) -> str:
        """What other nodes know it by; raises ``KeyFileError``."""
        return peer_id(self.read_identity())

    @property
    def exist(self) -> bool:
        """Whether they are on this machine."""
        return self.identity.exists()

    def read_identity(self) -> str:
        """Return the node's key, as Kubo's configuration has it; raises ``KeyFileError``."""
        return _read(self.identity)

    def read_token(self) -> str:
        """Return the token; raises ``KeyFileError``."""
        return _read(self.token)


def secrets_folder(folder: Path, institution: str, node: str) -> Path:
    """Return where the secrets of a node are kept."""
    return folder / institution / SECRETS_FOLDER / node


def make_validator(
    folder: Path, *, consensus: Consensus = Consensus.CLIQUE, work: int | None = None
) -> ValidatorSecrets:
    """Make the secrets of a validator in a folder; those that are there stay.

    Args:
        folder: where; see ``secrets_folder``.
        consensus: with QBFT the node's own key seals, and there is no other.
        work: scrypt's n; less than the default is for what is tried on one machine.

    Raises:
        ConfigurationError, StoreFullError: the folder cannot be written to.
    """
    made = ValidatorSecrets(folder=private_folder(folder))
    if made.exist:
        return made
    if consensus is Consensus.CLIQUE and not made.keystore.exists():
        passphrase = secrets.token_urlsafe(_KEY_SIZE)
        write_whole(made.passphrase, passphrase.encode(), replace=True)
        LocalSigner.generate().save_keystore(
            private_folder(made.keystore) / "key.json", passphrase, work=work or SCRYPT_WORK
        )
    # Last: it says that the others are there.
    key = ec.generate_private_key(ec.SECP256K1()).private_numbers().private_value
    write_whole(made.node_key, f"{key:064x}".encode(), replace=False)
    return made


def make_storage(folder: Path) -> StorageSecrets:
    """Make the secrets of a storage node in a folder; those that are there stay.

    Raises:
        ConfigurationError, StoreFullError: the folder cannot be written to.
    """
    made = StorageSecrets(folder=private_folder(folder))
    if made.exist:
        return made
    write_whole(made.token, secrets.token_urlsafe(_KEY_SIZE).encode(), replace=True)
    key = ed25519.Ed25519PrivateKey.generate()
    both = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    write_whole(made.identity, base64.b64encode(_PRIVATE_HEAD + both), replace=False)
    return made


def make_swarm_key(path: Path) -> str:
    """Make a swarm key in a new file; return its digest for the member file.

    Raises:
        InvalidInputError: there is a file already: another key would part its nodes from the others.
        StoreFullError: the disk is full.
    """
    text = f"/key/swarm/psk/1.0.0/\n/base16/\n{secrets.token_hex(_KEY_SIZE)}\n"
    write_whole(path, text.encode(), replace=False)
    return swarm_key_digest(text)


def read_swarm_key(path: Path, digest: str) -> str:
    """Return the text of a swarm key file, which must be the one that the member file means.

    Raises:
        ConfigurationError: it is missing, malformed, or another key.
    """
    try:
        text = _read(path) + "\n"
    except KeyFileError as error:
        raise ConfigurationError(
            "the members' swarm key cannot be read", hint=f"get it from another member, into {path} with mode 0600"
        ) from error
    if not _SWARM_KEY.fullmatch(text):
        raise ConfigurationError("the swarm key is not of the form /key/swarm/psk/1.0.0/", hint=f"replace {path}")
    if swarm_key_digest(text) != digest:
        raise ConfigurationError(
            "the swarm key is another one than the member file means", hint="ask a member for the right one"
        )
    return text


def swarm_key_digest(text: str) -> str:
    """Return what the member file says of a swarm key: it tells one from another, and nothing about it."""
    return hashlib.sha256(bytes.fromhex(text.split()[-1])).hexdigest()


def public_node_key(private: str) -> str:
    """Return the public key of a geth or Besu node, 128 hex digits; raises ``KeyFileError``."""
    try:
        numbers = ec.derive_private_key(int(private, 16), ec.SECP256K1()).public_key().public_numbers()
    except ValueError:
        raise KeyFileError("the node's key is not 64 hex digits of a key") from None
    return f"{numbers.x:064x}{numbers.y:064x}"


def peer_id(identity: str) -> str:
    """Return the peer id of a libp2p key in base64; raises ``KeyFileError``."""
    try:
        key = base64.b64decode(identity, validate=True)
    except ValueError:
        raise KeyFileError("the storage node's key is not base64") from None
    if not key.startswith(_PRIVATE_HEAD) or len(key) != len(_PRIVATE_HEAD) + 2 * _KEY_SIZE:
        raise KeyFileError("the storage node's key is not an Ed25519 key of libp2p")
    private = ed25519.Ed25519PrivateKey.from_private_bytes(key[len(_PRIVATE_HEAD) : -_KEY_SIZE])
    return _base58(_IDENTITY_HEAD + _PUBLIC_HEAD + private.public_key().public_bytes_raw())


def _base58(data: bytes) -> str:
    number, digits = int.from_bytes(data), ""
    while number:
        number, digit = divmod(number, len(_BASE58))
        digits = _BASE58[digit] + digits
    return _BASE58[0] * (len(data) - len(data.lstrip(b"\0"))) + digits


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_mode & 0o077:
                raise KeyFileError("a key file can be read by others", hint=f"chmod 600 {path}")
            return stream.read(_MAX_SIZE).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError("a key file cannot be read", hint=f"check that {path} is there and yours") from error
