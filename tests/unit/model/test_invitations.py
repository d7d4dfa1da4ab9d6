"""Who is asked by name: a salted Merkle tree, as OpenZeppelin verifies it.

given patients with their salts
├─ each has an invitation that the root takes, and nobody else's
├─ decoys change the root, and hide how many there are
└─ an invitation is written and read
given nobody, too many, or somebody who is not asked
└─ it should raise InvalidInputError
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medshare.errors import InvalidInputError
from medshare.hashing import keccak256
from medshare.model.acceptance import read_invitation, write_invitation
from medshare.model.ids import Address, address
from medshare.model.invitations import MAX_INVITEES, InvitationTree, is_invited, leaf_of
from medshare.model.request import NO_INVITEES, Invitation

pytestmark = pytest.mark.unit

words = st.binary(min_size=32, max_size=32)
accounts = st.binary(min_size=20, max_size=20).map(lambda raw: address("0x" + raw.hex()))
invitees = st.dictionaries(accounts, words, min_size=1, max_size=40)
decoys = st.lists(words, max_size=20)
ALICE, BOB = (address("0x" + each * 20) for each in ("a1", "b0"))
SALT = b"\x07" * 32


@given(salts=invitees, decoys=decoys)
def test_invitation__of_everybody_who_is_asked__is_taken_by_the_root(
    salts: dict[Address, bytes], decoys: list[bytes]
) -> None:
    tree = InvitationTree.of(salts, decoys)
    assert tree.root != NO_INVITEES
    for patient in salts:
        invitation = tree.invitation(patient)
        assert is_invited(tree.root, patient, invitation)
        assert len(invitation.proof) <= (len(salts) + len(decoys) - 1).bit_length()
        assert read_invitation(write_invitation(patient, invitation)) == (patient, invitation)


@given(salts=invitees, stranger=accounts, salt=words, decoys=decoys)
def test_invitation__of_somebody_else__is_not_taken(
    salts: dict[Address, bytes], stranger: Address, salt: bytes, decoys: list[bytes]
) -> None:
    tree = InvitationTree.of(salts, decoys)
    if stranger in salts:
        return
    for patient in salts:
        invitation = tree.invitation(patient)
        assert not is_invited(tree.root, stranger, invitation)
        if salt != salts[patient]:
            assert not is_invited(tree.root, patient, Invitation(salt=salt, proof=invitation.proof))
    with pytest.raises(InvalidInputError):
        tree.invitation(stranger)


@given(salts=invitees, decoys=decoys)
def test_tree__its_inner_nodes__stand_for_nobody(salts: dict[Address, bytes], decoys: list[bytes]) -> None:
    tree = InvitationTree.of(salts, decoys)
    leaves = tree.nodes[len(tree.nodes) // 2 :]
    assert {leaf_of(patient, salt) for patient, salt in salts.items()} <= set(leaves)
    for at in range(len(tree.nodes) // 2):
        one, other = sorted(tree.nodes[2 * at + 1 : 2 * at + 3])
        assert tree.nodes[at] == keccak256(one + other)


def test_leaf__known_patient_and_salt__is_hashed_twice() -> None:
    encoded = bytes(12) + bytes.fromhex(ALICE[2:]) + SALT
    assert leaf_of(ALICE, SALT) == keccak256(keccak256(encoded))
    assert InvitationTree.of({ALICE: SALT}).root == leaf_of(ALICE, SALT)
    assert InvitationTree.of({ALICE: SALT}).invitation(ALICE) == Invitation(salt=SALT)


def test_tree__same_patients_with_other_salts_or_decoys__is_another() -> None:
    trees = [
        InvitationTree.of({ALICE: SALT, BOB: SALT}),
        InvitationTree.of({ALICE: SALT, BOB: bytes(32)}),
        InvitationTree.of({ALICE: SALT, BOB: SALT}, [b"\x01" * 32]),
    ]
    assert len({tree.root for tree in trees}) == 3


@pytest.mark.parametrize("count", [0, MAX_INVITEES + 1])
def test_tree__of_nobody_or_too_many__is_refused(count: int) -> None:
    salts = {address("0x" + at.to_bytes(20, "big").hex()): SALT for at in range(count)}
    with pytest.raises(InvalidInputError):
        InvitationTree.of(salts)


@pytest.mark.parametrize(
    "change",
    [
        {"salt": "00"},
        {"proof": ["00" * 31]},
        {"proof": ["00" * 32] * 17},
        {"version": 2},
        {"patient": "0x"},
        {"more": 1},
    ],
    ids=str,
)
def test_read_invitation__that_cannot_be_one__is_refused(change: dict) -> None:
    document = json.loads(write_invitation(ALICE, Invitation(salt=SALT, proof=(SALT,))))
    read_invitation(json.dumps(document).encode())
    with pytest.raises(InvalidInputError):
        read_invitation(json.dumps(document | change).encode())
