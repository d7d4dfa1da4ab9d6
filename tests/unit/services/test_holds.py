"""Legal holds: placed, read by their custodian only, and over when they are.

given a record of a hospital
├─ when a hold is placed → in force for all versions, until its time or its release; its reason is in no file in clear
├─ when it is placed again → the later one counts
└─ what cannot be: no reason, a time that is past, another's record, releasing what is not held, an erased record
"""

from __future__ import annotations

from pathlib import Path

import pytest
from erasure_town import ErasureTown, new_erasure_town
from world import DAY

from medshare.errors import InvalidInputError, LegalHoldError, RecordErasedError, UnknownRecordError
from medshare.services.holds import LegalHold
from medshare.services.kept_texts import MAX_TEXT
from medshare.services.registering import Published

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

REASON = "CANARY-court-order"


@pytest.fixture
def town(tmp_path: Path) -> ErasureTown:
    return new_erasure_town(tmp_path)


@pytest.fixture
def record(town: ErasureTown) -> Published:
    return town.world.publish()


def place(town: ErasureTown, record: Published, reason: str = REASON, **more) -> LegalHold:
    return town.holds.place(record.record_id, reason, custodian=town.world.hospital, **more)


def held(town: ErasureTown, record: Published) -> bool:
    try:
        town.holds.check(record.entry, custodian=town.world.hospital)
    except LegalHoldError:
        return True
    return False


def test_place__until_a_time__is_in_force_to_the_second(town: ErasureTown, record: Published) -> None:
    until = town.world.clock.now() + DAY
    place(town, record, until=until)
    town.world.clock.time = until - 1
    assert held(town, record)
    town.world.clock.time = until
    assert not held(town, record)


def test_place__any_version__holds_all_of_them(town: ErasureTown, record: Published) -> None:
    second = town.world.publish(b"corrected", supersedes=record.record_id)
    hold = place(town, second)
    assert hold.record_id == record.record_id
    third = town.world.publish(b"again", supersedes=second.record_id)
    assert all(held(town, each) for each in (record, second, third))
    town.holds.release(record.record_id, custodian=town.world.hospital)
    assert not any(held(town, each) for each in (record, second, third))


def test_place__its_reason__is_kept_and_in_no_file_in_clear(town: ErasureTown, record: Published) -> None:
    place(town, record)
    everything = b"".join(path.read_bytes() for path in town.world.folder.rglob("*") if path.is_file())
    assert REASON.encode() not in everything
    assert record.record_id.hex().encode() not in b"".join(
        path.name.encode() for path in (town.world.folder / "safe").iterdir()
    )
    ((hold, in_force),) = town.holds.placed(town.world.hospital)
    assert (hold.reason, in_force) == (REASON, True)
    assert list(town.holds.placed(town.world.stranger)) == []


def test_place__again__the_later_one_counts(town: ErasureTown, record: Published) -> None:
    place(town, record)
    place(town, record, "another order", until=town.world.clock.now() + DAY)
    ((hold, _),) = town.holds.placed(town.world.hospital)
    assert hold.reason == "another order"
    town.world.clock.advance(DAY)
    assert not held(town, record)


def test_release__in_force__says_when_and_keeps_why(town: ErasureTown, record: Published) -> None:
    place(town, record)
    released = town.holds.release(record.record_id, custodian=town.world.hospital)
    assert (released.reason, released.released_at) == (REASON, town.world.chain.head().time)
    ((hold, in_force),) = town.holds.placed(town.world.hospital)
    assert (hold, in_force) == (released, False)


def test_place__what_cannot_be__is_refused(town: ErasureTown, record: Published) -> None:
    for reason in ("", " ", "x" * (MAX_TEXT + 1)):
        with pytest.raises(InvalidInputError, match="a hold has a reason"):
            place(town, record, reason)
    with pytest.raises(InvalidInputError, match="still to come"):
        place(town, record, until=town.world.clock.now())
    with pytest.raises(UnknownRecordError):
        town.holds.place(record.record_id, REASON, custodian=town.world.stranger)
    for _ in range(2):
        with pytest.raises(InvalidInputError, match="no legal hold"):
            town.holds.release(record.record_id, custodian=town.world.hospital)
    town.erase(record)
    with pytest.raises(RecordErasedError):
        place(town, record)
