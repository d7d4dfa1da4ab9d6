"""Units and codes are what they say they are, by UCUM's grammar and by check digits.

given a unit
├─ every example of UCUM's own list is one, and what another implementation refuses is none
└─ absurd lengths and parentheses are refused, quickly
given a code of LOINC or SNOMED CT
└─ one wrong digit is found
"""

from __future__ import annotations

import time
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medshare.standards.codes import LOINC, SNOMED, can_be
from medshare.standards.units import is_unit

pytestmark = pytest.mark.unit

SYMBOLS = [
    "mg",
    "L",
    "mm[Hg]",
    "10*3",
    "/",
    ".",
    "(",
    ")",
    "{score}",
    "2",
    "-1",
    "kg",
    "m",
    "Cel",
    "da",
    "[degF]",
    "%",
    "u",
]


def examples() -> list[str]:
    text = resources.files("ucumvert").joinpath("vendor", "ucum_examples.tsv").read_text()
    rows = [line.split("\t") for line in text.splitlines()]
    # Torr is in that list, and not in UCUM.
    return [row[1] for row in rows if row[0].isdigit() and row[1] != "Torr"]


def test_is_unit__each_of_ucums_examples__is_one() -> None:
    assert len(examples()) > 800
    assert [code for code in examples() if not is_unit(code)] == []


@pytest.mark.parametrize(
    "code", ["", "mmHg", "mg/", "µg", "mgg", "beats/min", "Mg/dl ", "(mg", "mg)", "((", "{", "mg..L", "5 mg"]
)
def test_is_unit__what_is_none__is_none(code: str) -> None:
    assert not is_unit(code)


@given(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=6).map("".join))
def test_is_unit__whatever_is_put_together__is_one_where_another_implementation_says_so(code: str) -> None:
    from lark import LarkError
    from ucumvert import get_ucum_parser

    try:
        get_ucum_parser().parse(code)
    except LarkError:
        return
    assert is_unit(code)


def test_is_unit__absurd__is_refused_quickly() -> None:
    begun = time.process_time()
    for code in ("(" * 100_000, "m" * 100_000, "(m)" * 40 + "!", "{" * 128, "10*" * 42, "da" * 64):
        assert not is_unit(code)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("code", ["2339-0", "8480-6", "LA6576-8", "LP7819-8", "55284-4"])
def test_can_be__code_of_loinc__is_one_and_with_a_wrong_check_digit_none(code: str) -> None:
    assert can_be(LOINC, code)
    if code[0] != "L":
        assert not can_be(LOINC, code[:-1] + str((int(code[-1]) + 1) % 10))


@pytest.mark.parametrize("code", ["22298006", "363698007", "900000000000207008", "71388002"])
def test_can_be__code_of_snomed__is_one_and_with_a_wrong_digit_none(code: str) -> None:
    assert can_be(SNOMED, code)
    for place in range(len(code)):
        wrong = code[:place] + str((int(code[place]) + 1) % 10) + code[place + 1 :]
        assert not can_be(SNOMED, wrong)


def test_can_be__expression_of_snomed__is_looked_at_part_by_part() -> None:
    assert can_be(SNOMED, "71388002:363698007=22298006")
    assert not can_be(SNOMED, "71388002:363698007=22298007")
    assert not can_be(SNOMED, "T-15460")


def test_can_be__of_a_system_unknown_here__nothing_is_said() -> None:
    assert can_be("http://example.org", "anything at all")
