"""Purposes are HL7's codes, a tree of 59; on chain one coarse bit each.

given two purposes
├─ a denial of the one reaches itself and all below it
└─ a permission of the one covers itself and all below it, but an emergency only where it is named itself
given a text
└─ it is a code in any case, or refused
"""

from __future__ import annotations

import pytest

from medshare.errors import InvalidInputError
from medshare.model.purpose import Purpose, PurposeOfUse

pytestmark = pytest.mark.unit

TREE = """
HMARKT
HOPERAT
  CAREMGT DONAT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HOUTCOMS HPRGRP HQUALIMP HSYSADMIN MEMADMIN MILCDM
  PATADMIN PATSFTY PERFMSR RECORDMGT SYSDEV TRAIN
HSYSADMIN LABELING METAMGT
SYSDEV HTEST
HPAYMT CLMATTCH COVAUTH COVERAGE REMITADV
COVERAGE ELIGDTRM ELIGVER ENROLLM MILDCRG
HRESCH BIORCH CLINTRCH DSRCH POARCH TRANSRCH
CLINTRCH CLINTRCHNPC CLINTRCHPC PRECLINTRCH
PATRQT FAMRQT PWATRNY SUPNWK
PUBHLTH DISASTER THREAT
TREAT CLINTRL COC ETREAT POPHLTH
ETREAT BTG ERTREAT
"""
TOPS = {"HMARKT", "HOPERAT", "HPAYMT", "HRESCH", "PATRQT", "PUBHLTH", "TREAT"}


def below(code: str) -> set[str]:
    """The code and everything below it, from the text above."""
    words = TREE.replace("\n  ", " ").splitlines()
    found = {code}
    for line in words:
        first, *children = line.split() or [""]
        if first == code:
            for child in children:
                found |= below(child)
    return found


def test_codes__all__are_hl7_s_fifty_nine() -> None:
    assert len(PurposeOfUse) == 59
    assert set(PurposeOfUse) == set(TREE.split())
    assert {each for each in PurposeOfUse if each.parent is None} == TOPS


@pytest.mark.parametrize("one", PurposeOfUse)
def test_spans_and_covers__any_other__follow_the_tree(one: PurposeOfUse) -> None:
    for other in PurposeOfUse:
        assert one.spans(other) == (other in below(one))
        emergency = other in ("ETREAT", "BTG", "ERTREAT")
        assert other.is_emergency == emergency
        assert one.covers(other) == (one is other or (other in below(one) and not emergency))


@pytest.mark.parametrize("purpose", PurposeOfUse)
def test_coarse__each__is_the_bit_of_its_top_and_emergencies_have_their_own(purpose: PurposeOfUse) -> None:
    own = {"ETREAT": Purpose.ETREAT, "ERTREAT": Purpose.ETREAT, "BTG": Purpose.BTG}
    top = next(Purpose[code] for code in TOPS if purpose in below(code))
    assert purpose.coarse == own.get(purpose, top)


@pytest.mark.parametrize("text", ["TREAT", "treat", " Btg "])
def test_parse__code_in_any_case__is_the_purpose(text: str) -> None:
    assert PurposeOfUse.parse(text) == text.strip().upper()


@pytest.mark.parametrize("text", ["", ",", "TREAT,", "TREAT,HRESCH", "1", "parent", "TREATMENT" * 20])
def test_parse__anything_else__is_refused_and_says_what_there_is(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        PurposeOfUse.parse(text)
    assert "TREAT" in caught.value.hint
    assert len(str(caught.value)) < 80


def test_bits__each_purpose__is_one_of_its_own() -> None:
    assert [each.value for each in Purpose] == [1 << place for place in range(9)]
    assert Purpose.ETREAT not in Purpose.TREAT
    assert Purpose.BTG not in Purpose.ETREAT


def test_codes_of_bits__without_a_name__are_left_out() -> None:
    assert (Purpose.TREAT | Purpose(1 << 12)).codes == ("TREAT",)
    assert Purpose(0).codes == ()
