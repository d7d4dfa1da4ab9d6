"""A new institution: keys for its nodes, and its part of the member file."""

from __future__ import annotations

from pathlib import Path

from medshare.model.ids import Address
from medshare.network.keys import make_storage, make_validator, secrets_folder
from medshare.network.members import (
    STORAGE_PORTS,
    VALIDATOR_PORTS,
    Consensus,
    Institution,
    StorageNode,
    ValidatorNode,
    account_of,
    check_host,
    check_name,
)


def make_institution(
    folder: Path,
    name: str,
    account: Address,
    *,
    host: str,
    validators: int,
    storage: int,
    consensus: Consensus = Consensus.CLIQUE,
) -> Institution:
    """Make the keys of an institution's nodes; those that are there stay. Return what its partners must know.

    Args:
        folder: the network's, on the institution's own machine.
        name: the institution's.
        account: the one with the seat in Consortium.
        host: where other members reach its nodes; each gets ports of its own there.
        validators: how many.
        storage: how many.
        consensus: with QBFT a node's own key seals.

    Raises:
        ConfigurationError: name or host cannot be one, or the folder cannot be written to.
        StoreFullError: the disk is full.
    """
    check_name(name)
    check_host(host)
    nodes = []
    for number in range(validators):
        node = f"validator-{name}{_suffix(number)}"
        mine = make_validator(secrets_folder(folder, name, node), consensus=consensus)
        port, rpc_port = (each + number for each in VALIDATOR_PORTS)
        nodes.append(
            ValidatorNode(
                name=node,
                signer=account_of(mine.public_node_key) if consensus is Consensus.QBFT else mine.signer,
                node_key=mine.public_node_key,
                host=host,
                port=port,
                rpc_port=rpc_port,
            )
        )
    peers = []
    for number in range(storage):
        node = f"storage-{name}{_suffix(number)}"
        port, api_port, gateway_port = (each + number for each in STORAGE_PORTS)
        peers.append(
            StorageNode(
                name=node,
                peer_id=make_storage(secrets_folder(folder, name, node)).peer_id,
                host=host,
                port=port,
                api_port=api_port,
                gateway_port=gateway_port,
            )
        )
    return Institution(name=name, address=account, validators=tuple(nodes), storage=tuple(peers))


def _suffix(number: int) -> str:
    return f"-{number + 1}" if number else ""
