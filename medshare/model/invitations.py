"""Invitations: who is asked by name, as a salted Merkle tree of which only the root goes on chain.

Who has not the salt cannot test whether somebody is among those who are asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medshare.errors import InvalidInputError
from medshare.hashing import keccak256
from medshare.model.ids import Address, digest32
from medshare.model.merkle import nodes_of, proof_of, root_of
from medshare.model.request import Invitation

MAX_INVITEES = 1000
"""With a file for each, the directory still is one block, and the header of the document has room for all."""


def leaf_of(patient: Address, salt: bytes) -> bytes:
    """Return a patient's leaf, ``keccak256(bytes.concat(keccak256(abi.encode(patient, salt))))``."""
    return keccak256(keccak256(bytes(12) + bytes.fromhex(patient[2:]) + digest32(salt, "salt")))


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationTree:
    """The tree of those who are asked; nodes as in a heap, the root first."""

    nodes: tuple[bytes, ...]
    salts: Mapping[Address, bytes]

    @classmethod
    def of(cls, salts: Mapping[Address, bytes], decoys: Sequence[bytes] = ()) -> InvitationTree:
        """Return the tree of those whose salts these are.

        Args:
            salts: 32 random bytes for each patient.
            decoys: leaves of nobody, so that the length of a proof does not count those who are asked.

        Raises:
            InvalidInputError: nobody is asked, or too many.
        """
        if not 0 < len(salts) <= MAX_INVITEES:
            raise InvalidInputError(f"a request names from 1 to {MAX_INVITEES} patients, not {len(salts)}")
        leaves = [*(leaf_of(patient, salt) for patient, salt in salts.items()), *decoys]
        return cls(nodes=nodes_of(leaves), salts=dict(salts))

    @property
    def root(self) -> bytes:
        """What goes on chain."""
        return self.nodes[0]

    def invitation(self, patient: Address) -> Invitation:
        """Return what shows that ``patient`` is asked; raises ``InvalidInputError`` where he is not."""
        if patient not in self.salts:
            raise InvalidInputError(f"{patient} is not among those who are asked")
        salt = self.salts[patient]
        return Invitation(salt=salt, proof=proof_of(self.nodes, leaf_of(patient, salt)))


def is_invited(root: bytes, patient: Address, invitation: Invitation) -> bool:
    """Whether ``invitation`` shows that ``patient`` is asked: the contract's own answer."""
    return root_of(leaf_of(patient, invitation.salt), invitation.proof) == root
