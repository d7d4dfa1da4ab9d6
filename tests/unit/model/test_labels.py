"""Labels: an order of confidentiality, a tree of sensitivity, and everything unknown counts as sensitive.

given the labels of a record, and those that a provision says
├─ a permission has to name each sensitive one, or something above it
└─ a denial reaches what it says and what is below it
"""

from __future__ import annotations

import pytest

from medshare.model.labels import all_named, any_carried, is_label, must_be_named

pytestmark = pytest.mark.unit

SENSITIVE = [
    "ETH",
    "GDIS",
    "HIV",
    "MST",
    "SCA",
    "SDV",
    "SEX",
    "SPI",
    "BH",
    "COGN",
    "DVD",
    "EMOTDIS",
    "MH",
    "PSY",
    "PSYTHPN",
    "SUD",
    "ETHUD",
    "OPIOIDUD",
    "STD",
    "TBOO",
    "VIO",
    "SICKLE",
]
ABOVE = {"BH", "MH", "PSY", "PSYTHPN", "SUD"}, {"COGN", "DVD", "EMOTDIS"}, {"ETHUD", "OPIOIDUD"}


def line(label: str) -> set[str]:
    """Itself and what is above it, spelled out."""
    in_spi, in_bh, in_sud = ABOVE
    if label in in_bh:
        return {label, "BH", "SPI"}
    if label in in_sud:
        return {label, "SUD", "SPI"}
    return {label, "SPI"} if label in in_spi else {label}


@pytest.mark.parametrize("label", SENSITIVE)
def test_sensitivity__each__is_named_and_denied_by_itself_and_what_is_above(label: str) -> None:
    for said in SENSITIVE:
        assert all_named([label], [said]) == (said in line(label))
        assert any_carried([label], [said]) == (said in line(label))
    assert not all_named([label], ["V"])
    assert not any_carried([label], ["U", "V"])


@pytest.mark.parametrize("carried", "ULMNRV")
@pytest.mark.parametrize("said", "ULMNRV")
def test_confidentiality__each_pair__is_named_downwards_and_denied_upwards(carried: str, said: str) -> None:
    order = "ULMNRV"
    assert all_named([carried], [said]) == (carried in "ULMN" or order.index(said) >= order.index(carried))
    assert any_carried([carried], [said]) == (order.index(carried) >= order.index(said))


def test_must_be_named__ordinary_confidentiality__need_not() -> None:
    assert must_be_named(["U", "l", "M", "N"]) == frozenset()
    assert must_be_named(["r", "V", "hiv", "42CFRPart2"]) == {"R", "V", "HIV", "42CFRPART2"}


def test_labels__several__must_all_be_named_and_any_is_denied() -> None:
    assert all_named([], [])
    assert all_named(["HIV", "MH", "N"], ["hiv", "spi"])
    assert not all_named(["HIV", "MH"], ["HIV"])
    assert any_carried(["HIV", "MH"], ["STD", "SPI"])
    assert not any_carried([], ["HIV"])
    assert not any_carried(["HIV"], [])


def test_unknown__label__is_named_and_denied_by_itself_only() -> None:
    assert not all_named(["PREGNANT"], ["SPI", "V"])
    assert all_named(["PREGNANT"], ["pregnant"])
    assert any_carried(["PREGNANT"], ["Pregnant"])
    assert not any_carried(["PREGNANT"], ["SPI"])


@pytest.mark.parametrize(
    ("text", "good"), [("HIV", True), ("42CFRPart2", True), ("", False), ("a b", False), ("x" * 41, False)]
)
def test_is_label__codes__are_and_other_texts_are_not(text: str, good: bool) -> None:
    assert is_label(text) == good
