"""Merkle trees of which only the root goes on chain.

Leaves are hashed twice by who makes them, and pairs are sorted, as OpenZeppelin's ``MerkleProof`` verifies them and its
``StandardMerkleTree`` arranges them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from medshare.hashing import keccak256


def nodes_of(leaves: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the tree of these leaves, one at least; nodes as in a heap, the root first."""
    ordered = sorted(leaves)
    nodes = [b""] * (len(ordered) - 1) + ordered[::-1]
    for at in reversed(range(len(ordered) - 1)):
        nodes[at] = _parent(nodes[2 * at + 1], nodes[2 * at + 2])
    return tuple(nodes)


def proof_of(nodes: Sequence[bytes], leaf: bytes) -> tuple[bytes, ...]:
    """Return the siblings from ``leaf`` up to the root; raises ``ValueError`` where the tree has no such leaf."""
    return proof_at(nodes, nodes.index(leaf, len(nodes) // 2))


def proofs_of(nodes: Sequence[bytes]) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
    """Yield each leaf of a tree with the siblings from it up to the root."""
    for at in range(len(nodes) // 2, len(nodes)):
        yield nodes[at], proof_at(nodes, at)


def proof_at(nodes: Sequence[bytes], at: int) -> tuple[bytes, ...]:
    """Return the siblings from the node at this place up to the root."""
    proof = []
    while at > 0:
        proof.append(nodes[at + 1 if at % 2 else at - 1])
        at = (at - 1) // 2
    return tuple(proof)


def root_of(leaf: bytes, proof: Iterable[bytes]) -> bytes:
    """Return the root to which ``proof`` leads from ``leaf``: the contract's own answer."""
    node = leaf
    for sibling in proof:
        node = _parent(node, sibling)
    return node


def _parent(one: bytes, other: bytes) -> bytes:
    return keccak256(min(one, other) + max(one, other))
