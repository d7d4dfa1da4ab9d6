"""A model whose consortium is founded and whose requests are set up, as after a deployment."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from medshare.model.accreditation import AccreditationKind
from medshare.model.events import BlockRef, EventPlace
from medshare.model.ids import Address, address
from medshare.model.ledger import LedgerModel
from medshare.model.proposal import VotingRules
from medshare.model.request import DAY, Periods, Split

MEMBER, SECOND_MEMBER, THIRD_MEMBER = MEMBERS = tuple(address("0x" + f"{n:02x}" * 20) for n in (0xB1, 0xB2, 0xB3))
CONSORTIUM, ESCROW = (address("0x" + f"{n:02x}" * 20) for n in (0xC0, 0xE5))
RULES = VotingRules(quorum=51, voting_period=7 * DAY)
SPLIT = Split(patient=7_000, custodian=2_000)
PERIODS = Periods(dispute_period=14 * DAY, decision_period=30 * DAY)
BEGIN = 500
"""When it was deployed."""
NEVER = 1 << 39
"""Until when who is accredited for ever is."""


def place_at(time: int, number: int = 1) -> EventPlace:
    block = BlockRef(number=number, hash=number.to_bytes(32, "big"), time=time)
    return EventPlace(block=block, log_index=0, tx_hash=bytes(32))


def founded(*custodians: Address, founders: tuple[Address, ...] = (MEMBER,), **more: object) -> LedgerModel:
    """Return a model with founding members, the first of which has accredited these custodians."""
    model = LedgerModel(consortium=CONSORTIUM, escrow=ESCROW, **more)
    model.found(founders, RULES, place_at(BEGIN))
    model.set_up(SPLIT, PERIODS, place_at(BEGIN))
    for custodian in custodians:
        model.accredit(founders[0], custodian, AccreditationKind.CUSTODIAN, NEVER, place_at(BEGIN))
    return model


@contextmanager
def refused(model: LedgerModel, error: type) -> Iterator[pytest.ExceptionInfo]:
    """The verb is refused with this error, and has changed nothing."""
    before = copy.deepcopy(model)
    with pytest.raises(error) as caught:
        yield caught
    assert model == before
