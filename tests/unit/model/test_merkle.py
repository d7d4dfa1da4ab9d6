"""Merkle trees: every leaf has a proof, nothing else has, and the order in which leaves are given does not matter.

given any leaves
├─ the proof of each leads to the root, and is as short as the tree is high
├─ a proof leads nowhere from another leaf, or with one bit changed
├─ leaves in another order are the same tree
└─ a leaf that is not there has no proof, and neither has an inner node
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medshare.model.merkle import nodes_of, proof_of, root_of

pytestmark = pytest.mark.unit

words = st.binary(min_size=32, max_size=32)
leaves = st.lists(words, min_size=1, max_size=40, unique=True)


@given(leaves=leaves)
def test_proof__of_each_leaf__leads_to_the_root(leaves: list[bytes]) -> None:
    nodes = nodes_of(leaves)
    assert len(nodes) == 2 * len(leaves) - 1
    for leaf in leaves:
        proof = proof_of(nodes, leaf)
        assert root_of(leaf, proof) == nodes[0]
        assert len(proof) <= (len(leaves) - 1).bit_length()


@given(leaves=leaves, other=words, bit=st.integers(0, 255), at=st.integers(0, 5))
def test_proof__of_something_else_or_changed__leads_elsewhere(
    leaves: list[bytes], other: bytes, bit: int, at: int
) -> None:
    nodes = nodes_of(leaves)
    proof = list(proof_of(nodes, leaves[0]))
    if other != leaves[0]:
        assert root_of(other, proof) != nodes[0]
    if proof:
        changed = int.from_bytes(proof[at % len(proof)], "big") ^ (1 << bit)
        proof[at % len(proof)] = changed.to_bytes(32, "big")
        assert root_of(leaves[0], proof) != nodes[0]


@given(leaves=leaves, seed=st.integers())
def test_tree__leaves_in_another_order__is_the_same(leaves: list[bytes], seed: int) -> None:
    shuffled = list(leaves)
    random.Random(seed).shuffle(shuffled)
    assert nodes_of(shuffled) == nodes_of(leaves)


@given(leaves=leaves, other=words)
def test_proof__of_no_leaf__is_none(leaves: list[bytes], other: bytes) -> None:
    nodes = nodes_of(leaves)
    inner = nodes[: len(nodes) // 2]
    for wanted in (other, *inner):
        if wanted not in leaves:
            with pytest.raises(ValueError, match="not in"):
                proof_of(nodes, wanted)
