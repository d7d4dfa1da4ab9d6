"""Slips: what an assessor hands out of a batch, each of one record. Nobody signs them: the batch's root is on chain.

Who has a slip can show it to whom he likes, and the other compares it with the chain. Of the rest of the batch it says
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from medshare.errors import InvalidInputError
from medshare.model.attestation import BEST_SCORE, MAX_METHOD, Assessed, AssessedBatch
from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.ids import Address, RecordId
from medshare.model.merkle import proofs_of, root_of

SLIPS_VERSION = 1
MAX_SLIPS = 1_000
"""In one document: as many as one grant names records."""
MAX_SLIPS_SIZE = 4 << 20
_MAX_PROOF = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """One record's place in a batch."""

    assessor: Address
    root: bytes
    """The batch's, as it is on chain under the assessor."""
    method: int
    """By which the whole batch was assessed."""
    assessed: Assessed
    proof: tuple[bytes, ...]
    """The siblings from the record's leaf up to the root."""

    @property
    def record_id(self) -> RecordId:
        """Of which record it is."""
        return self.assessed.record_id

    @property
    def holds(self) -> bool:
        """Whether the record is in the batch with this score. Whether the batch is on chain, the chain says."""
        return root_of(self.assessed.leaf, self.proof) == self.root

    def fields(self) -> dict[str, Any]:
        """Return the document's fields."""
        return {
            "assessor": self.assessor,
            "root": self.root.hex(),
            "method": self.method,
            "record": self.record_id.hex(),
            "score": self.assessed.score,
            "salt": self.assessed.salt.hex(),
            "proof": [each.hex() for each in self.proof],
        }

    @classmethod
    def read(cls, read: Reader) -> Self:
        """Return the slip that a document's fields are; raises ``InvalidInputError``."""
        slip = cls(
            assessor=read.address("assessor"),
            root=read.digest("root"),
            method=read.integer("method", 1, MAX_METHOD),
            assessed=Assessed(
                record_id=RecordId(read.digest("record")),
                score=read.integer("score", 0, BEST_SCORE),
                salt=read.digest("salt"),
            ),
            proof=read.digests("proof", _MAX_PROOF),
        )
        read.end()
        return slip


def slips_of(assessed: Sequence[Assessed], *, assessor: Address, method: int) -> tuple[Slip, ...]:
    """Return the slips of a whole batch, in the order of ``assessed``; raises ``InvalidInputError`` as a batch does."""
    batch = AssessedBatch.of(list(assessed))
    proofs = dict(proofs_of(batch.nodes))
    return tuple(
        Slip(assessor=assessor, root=batch.root, method=method, assessed=each, proof=proofs[each.leaf])
        for each in assessed
    )


def slips_to_json(slips: Sequence[Slip]) -> bytes:
    """Return the document that ``slips_from_json`` reads; raises ``InvalidInputError`` for too many."""
    if len(slips) > MAX_SLIPS:
        raise InvalidInputError(f"one document holds {MAX_SLIPS} slips, not {len(slips)}")
    return encode_document({"version": SLIPS_VERSION, "slips": [each.fields() for each in slips]})


def slips_from_json(document: bytes) -> tuple[Slip, ...]:
    """Return the slips that ``document`` holds; raises ``InvalidInputError``. Nothing is verified here."""
    read = Reader(decode_document(document, MAX_SLIPS_SIZE), "slips")
    read.version(SLIPS_VERSION)
    found = tuple(Slip.read(each) for each in read.objects("slips", MAX_SLIPS))
    read.end()
    return found
