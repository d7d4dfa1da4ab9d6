"""scripts/cases/epcis.py: documents of EPCIS 2.0, written and read.

├─ what is written is read, lots and packages by the URIs of GS1
└─ what lacks what the standard requires is refused, whatever it lacks
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import epcis
import pytest

from medshare.errors import InvalidInputError

pytestmark = pytest.mark.unit

AT = "2026-11-26T06:00:00Z"
PLACE = "urn:epc:id:sgln:0614141.00000.0"
PRODUCT = epcis.Product(company="0614141", item="107346")
LOT = PRODUCT.lot("WF2611A")


def events() -> list[dict[str, Any]]:
    return [
        epcis.object_event("shipping", "in_transit", AT, lots={LOT: 200}, place=PLACE),
        epcis.transaction_event("urn:epcglobal:cbv:bt:0614141000005:1", AT, lots={LOT: 200}),
        epcis.object_event("dispensing", "dispensed", AT, units=[PRODUCT.unit("2017")], place=PLACE),
    ]


def test_document__written__is_read() -> None:
    found = epcis.events_of(epcis.document(events(), AT))
    assert found == events()
    assert epcis.lots_of(found, "in_transit") == {LOT: 200}
    assert epcis.lots_of(found, "recalled") == {}
    assert epcis.lot_number(LOT) == "WF2611A"
    assert found[2]["epcList"] == ["urn:epc:id:sgtin:0614141.107346.2017"]


@pytest.mark.parametrize(
    "uri", ["urn:epc:class:lgtin:0614141.10734.A", "urn:epc:id:sgtin:0614141.107346.1", "WF2611A", f"{LOT} "]
)
def test_lot_number__of_no_lot__is_refused(uri: str) -> None:
    with pytest.raises(InvalidInputError):
        epcis.lot_number(uri)


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another version": lambda whole: whole.update(schemaVersion="1.2"),
    "another type": lambda whole: whole.update(type="EPCISQueryDocument"),
    "no context": lambda whole: whole.pop("@context"),
    "no date": lambda whole: whole.pop("creationDate"),
    "no body": lambda whole: whole.pop("epcisBody"),
    "no list": lambda whole: whole["epcisBody"].update(eventList={}),
    "an event that is none": lambda whole: whole["epcisBody"]["eventList"].append("x"),
    "an event of another kind": lambda whole: whole["epcisBody"]["eventList"][0].update(type="AggregationEvent"),
    "no time": lambda whole: whole["epcisBody"]["eventList"][0].update(eventTime="yesterday"),
    "no offset": lambda whole: whole["epcisBody"]["eventList"][0].update(eventTimeZoneOffset="UTC"),
    "no action": lambda whole: whole["epcisBody"]["eventList"][0].pop("action"),
    "nothing observed": lambda whole: whole["epcisBody"]["eventList"][0].pop("quantityList"),
    "no transaction": lambda whole: whole["epcisBody"]["eventList"][1].pop("bizTransactionList"),
    "no package": lambda whole: whole["epcisBody"]["eventList"][2].update(epcList=["2017"]),
    "packages that are no list": lambda whole: whole["epcisBody"]["eventList"][2].update(epcList="2017"),
    "quantities that are no list": lambda whole: whole["epcisBody"]["eventList"][0].update(quantityList=7),
    "a quantity without a number": lambda whole: whole["epcisBody"]["eventList"][0]["quantityList"][0].pop("quantity"),
    "a quantity of no lot": lambda whole: whole["epcisBody"]["eventList"][0]["quantityList"][0].update(epcClass="A"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_document__lacks_what_is_required__is_refused(what: str) -> None:
    whole = json.loads(epcis.document(events(), AT))
    CHANGES[what](whole)
    with pytest.raises(InvalidInputError):
        epcis.events_of(json.dumps(whole).encode())
