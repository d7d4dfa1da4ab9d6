"""A member file of three institutions, with keys that are numbers: nothing in it is secret or real."""

from __future__ import annotations

from dataclasses import replace

from medshare.chain import LocalSigner
from medshare.model.ids import Address
from medshare.network.keys import peer_id, public_node_key
from medshare.network.members import Consensus, Institution, MemberFile, StorageNode, ValidatorNode, account_of

NAMES = ("north", "south", "west")


def account(number: int) -> Address:
    """Return the account of a small key."""
    return LocalSigner.from_key(number.to_bytes(32)).address


def identity(number: int) -> str:
    """Return the key of a storage node, in libp2p's form and base64."""
    import base64

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32))
    both = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    return base64.b64encode(bytes.fromhex("08011240") + both).decode()


def member_file(consensus: Consensus = Consensus.CLIQUE, **choices: object) -> MemberFile:
    """Return the member file; ``choices`` replace what it says of the network."""
    institutions = []
    for number, name in enumerate(NAMES, start=1):
        node_key = public_node_key(f"{0x100 + number:064x}")
        signer = account_of(node_key) if consensus is Consensus.QBFT else account(0x200 + number)
        node = ValidatorNode(name=f"validator-{name}", signer=signer, node_key=node_key, host=f"node.{name}.example")
        peer = StorageNode(name=f"storage-{name}", peer_id=peer_id(identity(0x300 + number)), host=f"192.0.2.{number}")
        institutions.append(
            Institution(name=name, address=account(0x400 + number), validators=(node,), storage=(peer,))
        )
    members = MemberFile(
        name="health",
        chain_id=4_711,
        consensus=consensus,
        swarm_key="ab" * 32,
        institutions=tuple(institutions),
    )
    return replace(members, **choices)  # type: ignore[arg-type]
