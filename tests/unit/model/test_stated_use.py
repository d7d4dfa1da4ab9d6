"""What a study will do, in DUO's terms, as a receipt states it.

given any intended use
├─ its terms should be read as they were written, each once, in DUO's order
├─ what it is for should be among them, but for the development of methods, of which DUO has no term
├─ what is not said should not be stated
└─ a promise should be a prohibition
given terms that say what they cannot
└─ they should be refused
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_duo import intended_uses

from medshare.errors import InvalidInputError
from medshare.model.documents import Reader
from medshare.model.duo import DuoCode
from medshare.model.intended_use import DuoPurpose, IntendedUse, Organisation
from medshare.model.stated_use import StatedUse, stated_uses

pytestmark = pytest.mark.unit


@given(use=intended_uses())
def test_stated_uses__written_and_read__are_the_same_each_once_in_order(use: IntendedUse) -> None:
    stated = stated_uses(use)
    assert tuple(StatedUse.read(Reader(each.fields(), "use")) for each in stated) == stated
    codes = [each.code for each in stated]
    assert codes == [code for code in DuoCode if code in set(codes)]


@given(use=intended_uses())
def test_stated_uses__purposes__are_those_of_the_use_but_for_methods(use: IntendedUse) -> None:
    said = {each.code for each in stated_uses(use) if each.is_purpose}
    meant = {
        DuoPurpose.GENERAL: DuoCode.GRU,
        DuoPurpose.HEALTH: DuoCode.HMB,
        DuoPurpose.DISEASE: DuoCode.DS,
        DuoPurpose.ANCESTRY: DuoCode.POA,
        DuoPurpose.CARE: DuoCode.CC,
    }
    assert said == {meant[purpose] for purpose in use.purposes if purpose is not DuoPurpose.METHODS}


@given(use=intended_uses())
def test_stated_uses__conditions__are_said_with_all_that_belongs_to_them(use: IntendedUse) -> None:
    stated = {each.code: each.values for each in stated_uses(use)}
    for code, values in (
        (DuoCode.DS, use.diseases),
        (DuoCode.RS, use.research_types),
        (DuoCode.GS, use.countries),
        (DuoCode.US, use.users),
        (DuoCode.PS, use.projects),
        (DuoCode.IS, use.institutions),
    ):
        assert stated.get(code, ()) == values
    assert stated.get(DuoCode.TS) == (None if use.months is None else (str(use.months),))
    assert stated.get(DuoCode.MOR) == (None if use.publishes_on is None else (str(use.publishes_on),))
    assert (DuoCode.NMDS in stated) == (DuoPurpose.METHODS in use.excluded)
    assert (DuoCode.NPOA in stated) == (DuoPurpose.ANCESTRY in use.excluded)
    assert not (DuoCode.PUB in stated and use.will_publish is False)


@pytest.mark.parametrize(
    ("organisation", "commercial", "code"),
    [
        (Organisation.NOT_FOR_PROFIT, False, DuoCode.NPUNCU),
        (Organisation.NOT_FOR_PROFIT, None, DuoCode.NPU),
        (Organisation.COMMERCIAL, False, DuoCode.NCU),
        (None, True, None),
        (None, None, None),
    ],
)
def test_stated_uses__profit_and_commerce__are_one_term(
    organisation: Organisation | None, commercial: bool | None, code: DuoCode | None
) -> None:
    stated = stated_uses(IntendedUse(organisation=organisation, commercial_use=commercial))
    assert [each.code for each in stated] == ([] if code is None else [code])


@given(code=st.sampled_from(DuoCode), values=st.lists(st.text(), max_size=3), more=st.booleans())
def test_stated_use__any_document__is_read_or_refused(code: DuoCode, values: list[str], more: bool) -> None:
    fields = {"code": code.curie, "values": values, **({"and": 1} if more else {})}
    try:
        read = StatedUse.read(Reader(fields, "use"))
    except InvalidInputError:
        return
    assert read.fields() == {"code": code.curie, "values": values}


@pytest.mark.parametrize(
    "fields",
    [
        {"code": "DUO:0000042", "values": ["x"]},
        {"code": "DUO:0000001", "values": []},
        {"code": "DUO:0000022", "values": ["Finland"]},
        {"code": "DUO:0000007", "values": ["sleep"]},
        {"code": "DUO:0000028", "values": ["HUS", "HUS"]},
        {"code": "DUO:0000006", "values": [], "unless": "asked"},
    ],
    ids=lambda fields: fields["code"],
)
def test_stated_use__that_cannot_be__is_refused(fields: dict) -> None:
    with pytest.raises(InvalidInputError):
        StatedUse.read(Reader(fields, "use"))


def test_in_words__of_a_term__has_shorthand_label_and_values() -> None:
    said = StatedUse(code=DuoCode.GS, values=("FI", "SE")).in_words()
    assert said == "GS (geographical restriction) FI, SE"
