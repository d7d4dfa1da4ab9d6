"""From the member file to the folders of the institutions, and whether they still say the same.

What is written is a function of the member file, byte for byte; only what holds an institution's secrets is made where
those are, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from medshare.errors import ConfigurationError
from medshare.files import PRIVATE_FILE, private_folder, write_whole
from medshare.network.besu import STATIC_NODES_FILE, besu_config, besu_script, static_nodes
from medshare.network.genesis import genesis_document
from medshare.network.geth import geth_config, geth_script
from medshare.network.keys import (
    SWARM_KEY_FILE,
    StorageSecrets,
    ValidatorSecrets,
    read_swarm_key,
    secrets_folder,
)
from medshare.network.kubo import CONFIG_FILE, kubo_config, kubo_json, kubo_script, with_secrets
from medshare.network.members import Consensus, Institution, MemberFile
from medshare.network.places import GENESIS_FILE, START_SCRIPT
from medshare.settings import NETWORKS_FILE, SETTINGS_FILE

TOKEN_VARIABLE = "MEDSHARE_STORAGE_TOKEN"  # noqa: S105 - the variable's name, not the token
_READABLE, _RUNNABLE = 0o644, 0o755


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedFile:
    """A file as it shall be."""

    path: str
    """Below the network's folder."""
    text: str
    mode: int = _READABLE


class Trouble(StrEnum):
    """What is wrong with a file."""

    MISSING = "missing"
    DIFFERENT = "different"
    OPEN = "readable by others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A file that is not what the member file says."""

    path: str
    trouble: Trouble


def shared_files(members: MemberFile) -> list[GeneratedFile]:
    """Return the files that every member has."""
    return [GeneratedFile(path=GENESIS_FILE, text=json.dumps(genesis_document(members), indent=2) + "\n")]


def institution_files(members: MemberFile, institution: Institution) -> list[GeneratedFile]:
    """Return the files of one institution that hold no secret."""
    files = [
        GeneratedFile(path=NETWORKS_FILE, text=network_profile(members, institution)),
        GeneratedFile(path=SETTINGS_FILE, text=settings_text(members, institution)),
    ]
    for node in institution.validators:
        if members.consensus is Consensus.CLIQUE:
            config, script = geth_config(members, node), geth_script(members, node)
        else:
            config, script = besu_config(members, node), besu_script(members, node)
            files.append(GeneratedFile(path=f"{node.name}/{STATIC_NODES_FILE}", text=static_nodes(members, node)))
        files += [
            GeneratedFile(path=f"{node.name}/config.toml", text=config),
            GeneratedFile(path=f"{node.name}/{START_SCRIPT}", text=script, mode=_RUNNABLE),
        ]
    for peer in institution.storage:
        files += [
            GeneratedFile(path=f"{peer.name}/kubo.json", text=kubo_json(kubo_config(members, peer))),
            GeneratedFile(path=f"{peer.name}/{START_SCRIPT}", text=kubo_script(members, peer), mode=_RUNNABLE),
        ]
    return [GeneratedFile(path=f"{institution.name}/{one.path}", text=one.text, mode=one.mode) for one in files]


def private_files(members: MemberFile, institution: Institution, folder: Path) -> list[GeneratedFile]:
    """Return the files of one institution that hold a secret, from the secrets that are in the network's folder.

    Raises:
        ConfigurationError: a secret is another one than the member file means, or the swarm key is missing.
        KeyFileError: one cannot be read.
    """
    files = []
    for node in institution.validators:
        mine = ValidatorSecrets(folder=secrets_folder(folder, institution.name, node.name))
        if mine.exist:
            _compare(f"the node key of {node.name}", mine.public_node_key, node.node_key)
            if members.consensus is Consensus.CLIQUE:
                _compare(f"the signer of {node.name}", mine.signer, node.signer)
    for peer in institution.storage:
        own = StorageSecrets(folder=secrets_folder(folder, institution.name, peer.name))
        if own.exist:
            _compare(f"the peer id of {peer.name}", own.peer_id, peer.peer_id)
            read_swarm_key(folder / SWARM_KEY_FILE, members.swarm_key or "")
            whole = with_secrets(kubo_config(members, peer), identity=own.read_identity(), token=own.read_token())
            path = (own.folder / CONFIG_FILE).relative_to(folder).as_posix()
            files.append(GeneratedFile(path=path, text=kubo_json(whole), mode=PRIVATE_FILE))
    return files


def network_profile(members: MemberFile, institution: Institution) -> str:
    """Return ``networks.toml`` of an institution: its own node, or where it has none, a place to put another's URL."""
    url = institution.validators[0].rpc_url if institution.validators else "${MEDSHARE_NODE_URL}"
    return "\n".join(
        [
            f"[networks.{members.name}]",
            'kind = "rpc"',
            f"url = {json.dumps(url)}",
            f"chain_id = {members.chain_id}",
            "poa = true",
            f"fees = {json.dumps('zero' if members.free_gas else 'auto')}",
            f"confirmations = {members.confirmations}",
            "",
            # Who deploys the contracts with this profile founds the consortium with these members.
            f"[networks.{members.name}.deployment]",
            "members = [",
            *(f"  {json.dumps(each.address)}," for each in members.institutions),
            "]",
            "",
        ]
    )


def settings_text(members: MemberFile, institution: Institution) -> str:
    """Return ``medshare.toml`` of an institution."""
    lines = [f"network = {json.dumps(members.name)}", ""]
    if institution.storage:
        lines += [
            "[store]",
            'kind = "kubo"',
            f"address = {json.dumps(institution.storage[0].api_address)}",
            f"token = {json.dumps(TOKEN_VARIABLE)}",
            "",
        ]
    return "\n".join(lines)


def write_network(members: MemberFile, folder: Path, institutions: Iterable[Institution]) -> list[str]:
    """Write what the member file says of some institutions; return the paths of the files that changed.

    Raises:
        ConfigurationError: another first block is there, whose chain the nodes have; or as ``private_files``.
        KeyFileError: a secret cannot be read.
        StoreFullError: the disk is full.
    """
    chosen = list(institutions)
    genesis, *_ = shared_files(members)
    _check_genesis(folder / GENESIS_FILE, genesis.text)
    files = [genesis]
    for each in chosen:
        files += [*institution_files(members, each), *private_files(members, each, folder)]
    changed = []
    for file in files:
        path = folder / file.path
        if _trouble(path, file) is not None:
            private_folder(path.parent)
            write_whole(path, file.text.encode(), replace=True, mode=file.mode)
            path.chmod(file.mode)
            changed.append(file.path)
    return changed


def find_drift(members: MemberFile, folder: Path, institutions: Iterable[Institution]) -> list[Drift]:
    """Return which files of some institutions are not what the member file says; raises as ``write_network``."""
    files = shared_files(members)
    for each in institutions:
        files += [*institution_files(members, each), *private_files(members, each, folder)]
    return [
        Drift(path=file.path, trouble=trouble)
        for file in files
        if (trouble := _trouble(folder / file.path, file)) is not None
    ]


def _trouble(path: Path, file: GeneratedFile) -> Trouble | None:
    try:
        there = path.read_bytes()
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Trouble.MISSING
    if there != file.text.encode():
        return Trouble.DIFFERENT
    if file.mode == PRIVATE_FILE and mode & 0o077:
        return Trouble.OPEN
    return None


def _check_genesis(path: Path, text: str) -> None:
    if path.exists() and path.read_text() != text:
        raise ConfigurationError(
            "the member file describes another first block than the one in the folder, and so another chain",
            hint="name the signers of the first block in 'founders', and leave name, chain_id, consensus, free_gas, "
            f"block_period, gas_limit and funds as they were; for a new chain remove {path} and the nodes' data",
        )


def _compare(what: str, here: str, in_file: str) -> None:
    if here != in_file:
        raise ConfigurationError(
            f"{what} is {here} here, and {in_file} in the member file", hint="correct the one that is wrong"
        )
