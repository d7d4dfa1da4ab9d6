"""What assessors attest of the quality of records, and which roots of read receipts custodians have anchored."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.errors import InvalidInputError
from medshare.hashing import keccak256
from medshare.model.ids import Address, RecordId, digest32
from medshare.model.merkle import nodes_of, proof_of

BEST_SCORE = 100
MAX_METHOD = (1 << 16) - 1
FIRST_OWN_METHOD = 100
"""Methods below are medshare's, by the number of their version; those from here on are each assessor's own."""
MAX_BATCH = 100_000
"""Records under one root: enough for a hospital's day, and a tree that fits into memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """An assessor's word on chain (``IAttestations.Attestation``, and whose it is), of a record or of a batch."""

    assessor: Address
    subject: bytes
    """The record's id, or the batch's root."""
    attested_at: int
    """Unix seconds."""
    withdrawn_at: int
    """0 while it stands."""
    count: int
    """How many records a batch holds; 0 for a single record."""
    method: int
    """By which method: below ``FIRST_OWN_METHOD`` one of medshare's, else one of the assessor's own."""
    score: int
    """0 to 100, of a single record."""

    @property
    def stands(self) -> bool:
        """Whether it was not withdrawn. It also asks that its assessor is accredited: the consortium says so."""
        return self.withdrawn_at == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The root of a custodian's read receipts (``IAttestations.Anchor``)."""

    anchored_at: int = 0
    """Unix seconds, 0 where it was never anchored."""
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """What an assessor found of one record of a batch."""

    record_id: RecordId
    score: int
    salt: bytes
    """32 random bytes: scores are few, and nobody shall try them."""

    def __post_init__(self) -> None:
        check_score(self.score)
        digest32(self.salt, "salt")

    @property
    def leaf(self) -> bytes:
        """Its leaf, ``keccak256(bytes.concat(keccak256(abi.encode(recordId, score, salt))))``."""
        return keccak256(keccak256(self.record_id + self.score.to_bytes(32, "big") + self.salt))


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessedBatch:
    """The tree of what an assessor found of many records."""

    nodes: tuple[bytes, ...]

    @classmethod
    def of(cls, assessed: list[Assessed]) -> AssessedBatch:
        """Return the tree; raises ``InvalidInputError`` for none, too many, or a record twice."""
        if not 0 < len(assessed) <= MAX_BATCH:
            raise InvalidInputError(f"a batch holds from 1 to {MAX_BATCH} records, not {len(assessed)}")
        if len({one.record_id for one in assessed}) != len(assessed):
            raise InvalidInputError("a record is twice in one batch")
        return cls(nodes=nodes_of(one.leaf for one in assessed))

    @property
    def root(self) -> bytes:
        """What goes on chain."""
        return self.nodes[0]

    def proof(self, one: Assessed) -> tuple[bytes, ...]:
        """Return the siblings from a record's leaf up to the root; raises ``InvalidInputError`` where it has none."""
        try:
            return proof_of(self.nodes, one.leaf)
        except ValueError as error:
            raise InvalidInputError("the batch does not hold this record with this score") from error


def check_score(score: int) -> None:
    """Refuse what is no score; raises ``InvalidInputError``."""
    if not 0 <= score <= BEST_SCORE:
        raise InvalidInputError(f"a score lies between 0 and {BEST_SCORE}, not at {score}")
