"""EPCIS 2.0 of GS1, in JSON: the events of a supply chain that the recall is about, written and read.

What is read is checked for what the standard requires of a document, of every event, and of the two kinds that are used
here: objects that are observed (shipping, receiving, dispensing) and transactions that join them to a delivery.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from medshare.errors import InvalidInputError
from medshare.model.documents import decode_document

MEDIA_TYPE = "application/ld+json"
CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
_MAX_SIZE = 1 << 20
_ACTIONS = ("ADD", "OBSERVE", "DELETE")
_OFFSET = re.compile(r"[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00)")
_LOT = re.compile(r"urn:epc:class:lgtin:(\d{6,12})\.(\d{1,7})\.([!-~]{1,20})")
_UNIT = re.compile(r"urn:epc:id:sgtin:\d{6,12}\.\d{1,7}\.[!-~]{1,20}")
_GTIN_DIGITS = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A trade item: the company's prefix and the item's reference, indicator first, thirteen digits together."""

    company: str
    item: str

    def lot(self, number: str) -> str:
        """Return the URI of a lot of it (LGTIN)."""
        return f"urn:epc:class:lgtin:{self.company}.{self.item}.{number}"

    def unit(self, serial: str) -> str:
        """Return the URI of one package of it (SGTIN)."""
        return f"urn:epc:id:sgtin:{self.company}.{self.item}.{serial}"


def object_event(
    step: str, disposition: str, at: str, *, lots: dict[str, int] | None = None, units: Sequence[str] = (), place: str
) -> dict[str, Any]:
    """Return the event that something was observed at a step of the trade, in a state, at a time and a place."""
    return {
        "type": "ObjectEvent",
        "eventTime": at,
        "eventTimeZoneOffset": "+00:00",
        "action": "OBSERVE",
        "bizStep": step,
        "disposition": disposition,
        **({"epcList": list(units)} if units else {}),
        **({"quantityList": _quantities(lots)} if lots else {}),
        "readPoint": {"id": place},
    }


def transaction_event(advice: str, at: str, *, lots: dict[str, int]) -> dict[str, Any]:
    """Return the event that lots are joined to a despatch advice."""
    return {
        "type": "TransactionEvent",
        "eventTime": at,
        "eventTimeZoneOffset": "+00:00",
        "action": "ADD",
        "bizTransactionList": [{"type": "desadv", "bizTransaction": advice}],
        "epcList": [],
        "quantityList": _quantities(lots),
        "bizStep": "shipping",
        "disposition": "in_transit",
    }


def document(events: Sequence[dict[str, Any]], at: str) -> bytes:
    """Return an EPCIS document of these events, as JSON."""
    whole = {
        "@context": [CONTEXT],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": at,
        "epcisBody": {"eventList": list(events)},
    }
    return json.dumps(whole, separators=(",", ":")).encode()


def events_of(content: bytes) -> list[dict[str, Any]]:
    """Return the events of an EPCIS document.

    Raises:
        InvalidInputError: it is none of version 2.0, or an event lacks what the standard requires of it.
    """
    whole = decode_document(content, _MAX_SIZE)
    body = whole.get("epcisBody")
    events = body.get("eventList") if isinstance(body, dict) else None
    known = whole.get("type") == "EPCISDocument" and whole.get("schemaVersion") == "2.0" and "@context" in whole
    if not known or not isinstance(events, list) or not all(isinstance(each, dict) for each in events):
        raise InvalidInputError("it is no EPCIS document of version 2.0")
    _check_time(whole.get("creationDate"))
    for event in events:
        _check(event)
    return events


def lots_of(events: Sequence[dict[str, Any]], disposition: str) -> dict[str, int]:
    """Return how much of which lots was observed in a state; transactions only say to what it belonged."""
    found: dict[str, int] = {}
    for event in events:
        if event["type"] == "ObjectEvent" and event.get("disposition") == disposition:
            for each in event.get("quantityList", ()):
                found[each["epcClass"]] = found.get(each["epcClass"], 0) + int(each["quantity"])
    return found


def lot_number(uri: str) -> str:
    """Return the number of a lot by its URI; raises ``InvalidInputError``."""
    matched = _LOT.fullmatch(uri)
    if matched is None or len(matched[1]) + len(matched[2]) != _GTIN_DIGITS:
        raise InvalidInputError("it is no LGTIN: the URI of a lot of a trade item")
    return matched[3]


def _quantities(lots: dict[str, int]) -> list[dict[str, Any]]:
    return [{"epcClass": lot, "quantity": quantity} for lot, quantity in lots.items()]


def _check(event: dict[str, Any]) -> None:
    _check_time(event.get("eventTime"))
    if not _OFFSET.fullmatch(str(event.get("eventTimeZoneOffset"))) or event.get("action") not in _ACTIONS:
        raise InvalidInputError("an EPCIS event has an action, and the offset of its time")
    units, quantities = event.get("epcList", []), event.get("quantityList", [])
    if not isinstance(units, list) or not all(_UNIT.fullmatch(str(each)) for each in units):
        raise InvalidInputError("the objects of an EPCIS event are SGTINs")
    for each in quantities if isinstance(quantities, list) else (quantities,):
        if not isinstance(each, dict) or not isinstance(each.get("quantity"), int | float):
            raise InvalidInputError("a quantity in an EPCIS event has a class and a number")
        lot_number(str(each.get("epcClass")))
    match event.get("type"):
        case "ObjectEvent" if units or quantities:
            pass
        case "TransactionEvent" if event.get("bizTransactionList"):
            pass
        case _:
            raise InvalidInputError("it is an EPCIS event of another kind, or lacks what its kind requires")


def _check_time(text: object) -> None:
    try:
        datetime.fromisoformat(str(text))
    except ValueError:
        raise InvalidInputError("a time in an EPCIS document is written as ISO 8601 has it") from None
