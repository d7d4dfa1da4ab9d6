"""A network for one machine: its secrets, and a member file on loopback."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from medshare.chain import LocalSigner
from medshare.errors import InvalidInputError
from medshare.files import private_folder, write_whole
from medshare.network.keys import (
    SECRETS_FOLDER,
    SWARM_KEY_FILE,
    make_storage,
    make_swarm_key,
    make_validator,
    secrets_folder,
)
from medshare.network.members import (
    MAX_VALIDATORS,
    Institution,
    MemberFile,
    StorageNode,
    ValidatorNode,
    member_text,
)

MEMBERS_FILE = "members.toml"
NAME = "local"
CHAIN_ID = 0x6D656473
LOOPBACK = "127.0.0.1"
_FUNDS = 10**24
_WORK = 1 << 12
"""The passphrases lie beside the keys: hard work at opening would only make the start slow."""


def make_local(folder: Path, *, validators: int, storage: int, block_period: int = 1, free_gas: bool = True) -> None:
    """Make the secrets and the member file of a network on loopback; what is there already stays.

    Args:
        folder: the network's.
        validators: how many, each of an institution of its own.
        storage: how many storage nodes, one for each of the first institutions.
        block_period: seconds between two blocks.
        free_gas: whether transactions cost nothing; else the institutions have coins.

    Raises:
        InvalidInputError: nobody can have so many nodes.
        ConfigurationError, StoreFullError: the folder cannot be written to.
    """
    if (folder / MEMBERS_FILE).exists():
        return
    if not 1 <= validators <= MAX_VALIDATORS or not 0 <= storage <= MAX_VALIDATORS:
        raise InvalidInputError(f"a network has 1 to {MAX_VALIDATORS} validators, and at most as many storage nodes")
    private_folder(folder)
    with _free_ports(2 * validators + 3 * storage) as ports:
        institutions = []
        for number in range(1, max(validators, storage) + 1):
            name = f"member-{number}"
            institutions.append(
                Institution(
                    name=name,
                    address=make_account(folder, name).address,
                    validators=(_validator(folder, name, number, ports),) if number <= validators else (),
                    storage=(_storage(folder, name, number, ports),) if number <= storage else (),
                )
            )
    members = MemberFile(
        name=NAME,
        chain_id=CHAIN_ID,
        block_period=block_period,
        free_gas=free_gas,
        swarm_key=make_swarm_key(folder / SWARM_KEY_FILE) if storage else None,
        funds={} if free_gas else {each.address: _FUNDS for each in institutions},
        institutions=tuple(institutions),
    )
    # Last: it says that all the rest is there.
    write_whole(folder / MEMBERS_FILE, member_text(members).encode(), replace=False)


def account_files(folder: Path, institution: str) -> tuple[Path, Path]:
    """Return the keystore of a local institution's account, and the file with its passphrase."""
    place = folder / institution / SECRETS_FOLDER
    return place / "account.json", place / "account.passphrase"


def make_account(folder: Path, institution: str) -> LocalSigner:
    """Return the account of a local institution; made where it is not there yet."""
    keystore, passphrase = account_files(folder, institution)
    if not keystore.exists():
        private_folder(keystore.parent)
        write_whole(passphrase, secrets.token_urlsafe(32).encode(), replace=True)
        LocalSigner.generate().save_keystore(keystore, passphrase.read_text(), work=_WORK)
    return LocalSigner.from_keystore(keystore, passphrase.read_text())


def _validator(folder: Path, institution: str, number: int, ports: Iterator[int]) -> ValidatorNode:
    name = f"validator-{number}"
    mine = make_validator(secrets_folder(folder, institution, name), work=_WORK)
    return ValidatorNode(
        name=name,
        signer=mine.signer,
        node_key=mine.public_node_key,
        host=LOOPBACK,
        port=next(ports),
        rpc_port=next(ports),
    )


def _storage(folder: Path, institution: str, number: int, ports: Iterator[int]) -> StorageNode:
    name = f"storage-{number}"
    mine = make_storage(secrets_folder(folder, institution, name))
    return StorageNode(
        name=name,
        peer_id=mine.peer_id,
        host=LOOPBACK,
        port=next(ports),
        api_port=next(ports),
        gateway_port=next(ports),
    )


@contextmanager
def _free_ports(count: int) -> Iterator[Iterator[int]]:
    """Ports that nobody uses; held until the block ends, so that no two are the same."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in held:
            each.bind((LOOPBACK, 0))
        yield iter([int(each.getsockname()[1]) for each in held])
