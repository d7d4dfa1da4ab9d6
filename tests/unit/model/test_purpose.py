"""Purposes are HL7's codes, one bit each, and none implies another.

given a text of codes
├─ when all are known, it is their bits, in any case and order
└─ when one is not, or none is there, it is refused
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medshare.errors import InvalidInputError
from medshare.model.purpose import Purpose

pytestmark = pytest.mark.unit

sets = st.sets(st.sampled_from(list(Purpose)), min_size=1)


@given(members=sets)
def test_parse__codes_in_any_order_and_case__is_their_union_and_back(members: set[Purpose]) -> None:
    union = Purpose(sum(members))
    for text in (",".join(each.name for each in members), " , ".join(each.name.lower() for each in members)):
        assert Purpose.parse(text) == union
    assert Purpose.parse(",".join(union.codes)) == union
    assert list(union.codes) == [each.name for each in Purpose if each in members]


@pytest.mark.parametrize("text", ["", ",", "TREAT,", "TREAT;HRESCH", "BTG", "1", "known", "codes", "TREAT " * 2])
def test_parse__anything_else__is_refused_and_says_what_there_is(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Purpose.parse(text)
    assert "ETREAT" in caught.value.hint


def test_bits__each_purpose__is_one_of_its_own_within_what_the_chain_holds() -> None:
    assert [each.value for each in Purpose] == [1 << place for place in range(8)]
    assert Purpose.known() == 0xFF
    assert Purpose.ETREAT not in Purpose.TREAT


def test_codes__bits_without_a_name__are_left_out() -> None:
    assert (Purpose.TREAT | Purpose(1 << 12)).codes == ("TREAT",)
    assert Purpose(0).codes == ()
