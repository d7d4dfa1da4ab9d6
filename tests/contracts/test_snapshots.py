"""What a change of the contracts costs and moves, seen as a diff

given the committed snapshots
    gas and new slots of each verb, and code sizes, are exactly these
    ABIs and storage layouts are exactly these
    no operation exceeds the design's budget, none is below its floor, and no verb takes more than its slot
    what gas is does not depend on how many entries there are
given a figure that moved
    the test shows the lines, and says how to accept them
"""

from __future__ import annotations

import difflib

import floors
import gas
import pytest
from make_tokens import NAMES, encode

pytestmark = pytest.mark.contracts

ROOM = 768
"""Bytes."""
HOW = "if this is meant: python benchmarks/gas.py --snapshot, and commit what it writes"


@pytest.fixture(scope="module")
def costs():
    return gas.measure()


def test_snapshots__measured_anew__are_the_committed_ones(costs):
    differences = []
    for name, expected in gas.snapshots(costs).items():
        path = gas.SNAPSHOTS / name
        committed = path.read_text("utf-8") if path.is_file() else ""
        if committed != expected:
            lines = (committed.splitlines(), expected.splitlines())
            differences += difflib.unified_diff(*lines, f"committed {name}", f"now {name}", lineterm="", n=1)

    assert not differences, "\n".join([*differences, HOW])


def test_snapshots__folders__hold_nothing_else(costs):
    expected = {gas.SNAPSHOTS / name for name in gas.snapshots(costs)} - {gas.SNAPSHOTS / "gas.json"}
    folders = (gas.SNAPSHOTS / "abi", gas.SNAPSHOTS / "storage_layout")

    assert {path for folder in folders for path in folder.iterdir()} == expected


@pytest.mark.parametrize("name", NAMES)
def test_tokens__compiled_anew__are_the_committed_ones(harnesses, name):
    committed = gas.TOKEN.with_name(f"{name}.json").read_text("utf-8")

    assert committed == encode(harnesses[name]), "python tests/vectors/tokens/make_tokens.py, and commit what it writes"


def test_gas__each_operation__keeps_the_designs_budget(costs):
    assert gas.over_budget(costs) == []


def test_gas__each_operation__takes_the_slots_the_design_gives_it(costs):
    taken = {name: cost.new_slots for name, cost in costs.items() if cost.new_slots}

    assert taken == {
        "setEncryptionKey, first": 2,
        "setEncryptionKeySigned, first": 2,
        "register": 1,
        "register, one's own": 1,
        "registerSigned": 1,
        "supersede": 1,
        "anchorBatch": 1,
        "registerFromBatch": 1,
        "grant, first": 1,
        "grantSigned, first": 1,
        "grantFor, by a delegate": 1,
        "grant, one of 100 in a batch": 1,
        "revoke, before grant": 1,
        "revokeAll, first": 1,
        "revokeAllSigned, first": 1,
        "appoint, first": 1,
        "nameGuardians, first": 2,
        "breakGlass, first of a clinician": 2,
        "breakGlass, later": 1,
        "attest, first": 1,
        "attestBatch": 1,
        "anchorReceipts": 1,
        "accredit, first": 1,
        "propose, first": 5,
        "propose, another contract": 4,
        "execute, admit": 2,
        "execute, setTokenAllowed": 1,
        "open, first": 5,
        "open, later": 5,
        "open, in a token": 7,
        "accept, open call": 2,
        "accept, open call, by a delegate": 2,
        "accept, open call, last place": 2,
        "accept, by invitation": 2,
        "confirm, first earnings": 3,
        "confirm, in a token": 3,
        "confirm, later": 1,
        "confirm, part goes back, first earnings": 4,
        "release, later earnings": 1,
        "cancel": 1,
        "withdraw, in a token": 1,
    }


def test_gas__revoking__never_costs_more_than_granting(costs):
    assert costs["revoke"].gas < costs["grant, again"].gas
    assert costs["revoke, before grant"].gas < costs["grant, first"].gas
    assert costs["revokeAll, first"].gas < costs["grant, first"].gas


@pytest.mark.parametrize("name", floors.FLOORS)
def test_floor__hand_written__is_below_the_verb_and_writes_as_many_new_slots(costs, name):
    floor = floors.measure()[name]

    assert 0 < costs[name].gas - floor.gas < floor.gas / 2
    assert floor.new_slots == costs[name].new_slots


def test_floor__each_target__has_one_measured_or_says_that_it_is_estimated():
    assert {name for name, target in gas.TARGETS.items() if target.floor is not None} & set(floors.FLOORS) == set()


def test_gas__after_many_entries__is_what_it_was_after_none(costs):
    [grown] = gas.measure_grown([gas.BATCH]).values()

    assert grown == {name: costs[name] for name in ("grant, first", "register, one's own")}


def test_gas__over_a_budget__is_marked(costs):
    dearer = {**costs, "revoke": gas.Cost(gas=32_701, new_slots=0)}

    assert gas.over_budget({**costs, "revoke": gas.Cost(gas=32_700, new_slots=0)}) == []
    assert gas.over_budget(dearer) == ["revoke"]
    assert "over budget!" in gas.table(dearer)
    assert "over budget!" not in gas.table(costs)


@pytest.mark.parametrize("name", gas.DEPLOYED)
def test_code_sizes__each_contract__fits_with_room_for_a_repair(name):
    """EIP-170 ends at 24,576 bytes, and a repair may need a few more than now. AccessRequests is the largest."""
    assert gas.code_sizes()[name] <= gas.MAX_CODE_SIZE - ROOM
