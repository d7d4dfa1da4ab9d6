"""Slips: what an assessor hands out of a batch.

given a batch of several records
├─ each slip leads to the root that the batch has, by its own record, score and salt only
├─ a document of slips is read back as it was written, by nobody else's rules
└─ what cannot be a slip, or is too much, is refused
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from medshare.errors import InvalidInputError
from medshare.hashing import keccak256
from medshare.model.attestation import MAX_BATCH, Assessed, AssessedBatch
from medshare.model.ids import Address, RecordId
from medshare.model.slip import MAX_SLIPS, MAX_SLIPS_SIZE, Slip, slips_from_json, slips_of, slips_to_json

pytestmark = pytest.mark.unit

ASSESSOR = Address("0x00000000000000000000000000000000000000AA")


def assessed(count: int) -> list[Assessed]:
    return [
        Assessed(record_id=RecordId(keccak256(b"%d" % each)), score=each % 101, salt=keccak256(b"salt %d" % each))
        for each in range(count)
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 100])
def test_slips__of_a_batch__lead_to_its_root_each_alone(count: int) -> None:
    several = assessed(count)
    batch, slips = AssessedBatch.of(several), slips_of(several, assessor=ASSESSOR, method=100)
    assert [slip.assessed for slip in slips] == several
    for slip in slips:
        assert slip.root == batch.root
        assert slip.proof == batch.proof(slip.assessed)
        assert slip.holds
        assert not replace(slip, assessed=replace(slip.assessed, score=(slip.assessed.score + 1) % 101)).holds
        assert not replace(slip, assessed=replace(slip.assessed, salt=bytes(32))).holds
        assert not replace(slip, assessed=replace(slip.assessed, record_id=RecordId(bytes(32)))).holds
        assert not replace(slip, root=bytes(32)).holds


def test_slips__written__are_read_back() -> None:
    slips = slips_of(assessed(5), assessor=ASSESSOR, method=1)
    assert slips_from_json(slips_to_json(slips)) == slips
    assert slips_from_json(slips_to_json([])) == ()


def test_slips__as_many_and_as_deep_as_there_may_be__fit_into_a_document() -> None:
    (slip,) = slips_of(assessed(1), assessor=ASSESSOR, method=65_535)
    deepest = replace(slip, proof=(b"\xff" * 32,) * (MAX_BATCH - 1).bit_length())
    document = slips_to_json([deepest] * MAX_SLIPS)
    assert len(document) <= MAX_SLIPS_SIZE
    assert len(slips_from_json(document)) == MAX_SLIPS
    with pytest.raises(InvalidInputError):
        slips_to_json([slip] * (MAX_SLIPS + 1))


def document(**changed: object) -> bytes:
    (slip,) = slips_of(assessed(1), assessor=ASSESSOR, method=1)
    fields = {**slip.fields(), **changed}
    return json.dumps({"version": 1, "slips": [{key: value for key, value in fields.items() if value != "-"}]}).encode()


@pytest.mark.parametrize(
    "changed",
    [
        {"score": 101},
        {"score": -1},
        {"method": 0},
        {"method": 65_536},
        {"salt": "00"},
        {"root": "-"},
        {"assessor": "somebody"},
        {"proof": ["00" * 32] * 33},
        {"note": "more"},
    ],
    ids=str,
)
def test_slip__that_cannot_be__is_refused(changed: dict[str, object]) -> None:
    assert isinstance(slips_from_json(document())[0], Slip)
    with pytest.raises(InvalidInputError):
        slips_from_json(document(**changed))


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"version":2,"slips":[]}', b'{"version":1,"slips":[],"more":1}'])
def test_slips__of_another_kind__are_refused(text: bytes) -> None:
    with pytest.raises(InvalidInputError):
        slips_from_json(text)
