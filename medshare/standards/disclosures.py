"""An accounting of disclosures as the law lists it: a CSV table to compare with the chain, and a page to print.

The columns are those of 45 CFR 164.528(b)(2) (date, recipient, what, purpose) and of Article 9 of the European Health
Data Space Regulation (who, when, which data), and after them where the chain tells it. Names are the exporter's word:
the chain knows none.
"""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from medshare.errors import InvalidInputError
from medshare.model.describing_access import (
    LIMITS,
    day_and_time,
    in_summary,
    purposes_in_words,
    what,
    when,
    who_could_read,
)
from medshare.model.disclosure import AccountingOfDisclosures, Disclosure, Manner, Scope, in_series
from medshare.model.emergency import EmergencyReason
from medshare.model.ids import Address
from medshare.model.telling import Names, who
from medshare.standards.comparing import Discrepancy, Entry, compare

MAX_TABLE_SIZE = 64 << 20
COLUMNS = (
    "date",
    "manner",
    "recipient",
    "recipient_name",
    "what",
    "purpose_codes",
    "purpose",
    "could_read_from",
    "could_read_until",
    "ended",
    "given_by",
    "given_by_name",
    "given_by_capacity",
    "by_right",
    "emergency_reason",
    "emergency_review",
    "hipaa_exempt_as",
    "reference",
    "transaction",
    "log_index",
    "block",
    "event_digest",
)
_NAMES = {"recipient_name": "recipient", "given_by_name": "given_by"}
"""The columns that the chain cannot confirm, and whom they name."""
_LAST = "end of the accounting"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_STYLE = (
    "body{font:11pt/1.4 sans-serif;max-width:50em;margin:2em auto;padding:0 1em}"
    "li{margin:.6em 0;break-inside:avoid;overflow-wrap:anywhere}.emergency{border-left:4px solid;padding-left:.6em}"
    "small{display:block}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NameSaid:
    """A name in a table that is not the one known here."""

    account: str
    said: str
    known: str | None
    """The name it has here, or None."""


def table(accounting: AccountingOfDisclosures, names: Names) -> bytes:
    """Return the disclosures as CSV (RFC 4180, UTF-8), one in a row, and a last row that says what is covered.

    No cell begins with a character by which a spreadsheet takes it for a formula.
    """
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS)
    writer.writeheader()
    for row in (*(_row(each, names) for each in accounting.disclosures), _last_row(accounting)):
        writer.writerow({column: _inert(value) for column, value in row.items()})
    return stream.getvalue().encode()


def decode(document: bytes) -> list[dict[str, str]]:
    """Return the rows of a table that ``table`` wrote, or somebody has edited since; raises ``InvalidInputError``."""
    if len(document) > MAX_TABLE_SIZE:
        raise InvalidInputError(f"the table has {len(document)} bytes, at most {MAX_TABLE_SIZE} are read")
    try:
        read = list(csv.reader(io.StringIO(document.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeError, csv.Error) as error:
        raise InvalidInputError("the document is no CSV table in UTF-8") from error
    if not read or tuple(read[0]) != COLUMNS:
        raise InvalidInputError(
            "the document is no table of disclosures: its columns are others",
            hint="compare what medshare audit export wrote, not what a spreadsheet made of it",
        )
    if any(len(cells) != len(COLUMNS) for cells in read[1:]):
        raise InvalidInputError("a row of the table has more or fewer cells than it has columns")
    return [dict(zip(COLUMNS, cells, strict=True)) for cells in read[1:]]


def scope_of(rows: Sequence[Mapping[str, str]]) -> Scope:
    """Return what a table says that it covers, in its last row; raises ``InvalidInputError``."""
    last = rows[-1] if rows else {}
    return Scope.parse(last["reference"] if last.get("manner") == _LAST else "")


def discrepancies(rows: Sequence[Mapping[str, str]], accounting: AccountingOfDisclosures) -> tuple[Discrepancy, ...]:
    """Return where a table differs from that of ``accounting``, made anew from its scope; names are passed over."""
    expected = [*(_row(each, _nameless) for each in accounting.disclosures), _last_row(accounting)]
    safe = [{column: _inert(value) for column, value in row.items()} for row in expected]
    about = {_key(row): f"{row['manner']} of {row['date']}, to {row['recipient']}" for row in safe[:-1]}
    about[_key(safe[-1])] = "the last row"
    return compare(_entries(rows, about), _entries(safe, about))


def names_said(rows: Sequence[Mapping[str, str]], names: Names) -> tuple[NameSaid, ...]:
    """Return the names in a table that are not those known here, each once."""
    said = dict.fromkeys((row[whom], row[column]) for row in rows for column, whom in _NAMES.items() if row[column])
    found = []
    for account, name in said:
        known = names(Address(account))
        if known is None or _inert(known) != name:
            found.append(NameSaid(account=account, said=name, known=known))
    return tuple(found)


def page(accounting: AccountingOfDisclosures, names: Names) -> bytes:
    """Return the disclosures as a page to print (HTML, nothing in it is loaded from anywhere)."""
    patient, now = who(accounting.scope.patient, names), accounting.block.time
    emergencies = [each for each in accounting.disclosures if each.manner.is_emergency]
    others = [each for each in accounting.disclosures if not each.manner.is_emergency]
    since = f"since {day_and_time(accounting.scope.since)}, " if accounting.scope.since else ""
    block = f"block {accounting.block.number}, 0x{accounting.block.hash.hex()}"
    title = f"Who could read the records of {patient}"
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f"<p>As the chain tells it, {since}up to {day_and_time(now)}: {block}.</p>",
        "<p>Accounting of disclosures, 45 CFR 164.528; EHDS Article 9.</p>",
        *_section("Emergencies", [_item(each, names, now, "emergency") for each in emergencies]),
        *_section("Granted and delivered", [_item(each, names, now, "") for each in others]),
        *_section(
            "In summary",
            [f"<li>{html.escape(in_summary(each, names))}</li>" for each in in_series(accounting.disclosures)],
        ),
        *_section("What this cannot tell", [f"<li>{html.escape(each)}</li>" for each in LIMITS]),
    ]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    body = "\n".join(parts)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'.encode()


def _section(title: str, items: list[str]) -> list[str]:
    return [f"<h2>{title}</h2>", "<ul>", *(items or ["<li>none</li>"]), "</ul>"]


def _item(one: Disclosure, names: Names, now: int, kind: str) -> str:
    marked = f' class="{kind}"' if kind else ""
    told = f"{day_and_time(one.place.block.time)}; transaction 0x{one.place.tx_hash.hex()}"
    held = when(one, now)
    said = html.escape(f"{who_could_read(one, names)}. {held[0].upper()}{held[1:]}.")
    small = [f"Which data: {what(one)}.", f"Told on {told}."]
    return f"<li{marked}>{said}" + "".join(f"<small>{html.escape(line)}</small>" for line in small) + "</li>"


def _row(one: Disclosure, names: Names) -> dict[str, str]:
    kind, reference = one.reference
    return {
        "date": _moment(one.place.block.time),
        "manner": one.manner.value,
        "recipient": one.recipient,
        "recipient_name": names(one.recipient) or "",
        "what": what(one),
        "purpose_codes": " ".join(one.purposes.codes),
        "purpose": purposes_in_words(one.purposes),
        "could_read_from": _moment(one.begins_at),
        "could_read_until": _moment(one.until),
        "ended": "" if one.ending is None else one.ending.value,
        "given_by": one.given_by,
        "given_by_name": names(one.given_by) or "",
        "given_by_capacity": one.capacity.value,
        "by_right": "yes" if one.by_right else "no",
        "emergency_reason": "" if one.reason is None else one.reason.name,
        "emergency_review": one.verdict.name if one.manner.is_emergency else "",
        "hipaa_exempt_as": _exemption(one),
        "reference": f"{kind} {reference}",
        "transaction": "0x" + one.place.tx_hash.hex(),
        "log_index": str(one.place.log_index),
        "block": str(one.place.block.number),
        "event_digest": one.digest.hex(),
    }


def _last_row(accounting: AccountingOfDisclosures) -> dict[str, str]:
    return {
        **dict.fromkeys(COLUMNS, ""),
        "date": _moment(accounting.block.time),
        "manner": _LAST,
        "what": f"{len(accounting.disclosures)} disclosures, {len(accounting.events)} events",
        "reference": accounting.scope.text,
        "block": str(accounting.block.number),
    }


def _exemption(one: Disclosure) -> str:
    """Return why 45 CFR 164.528(a)(1) would leave it out of the list; here it is in it all the same."""
    if one.manner in (Manner.GRANT, Manner.DELIVERY):
        return "authorization" if one.by_right else ""
    return "" if one.reason is EmergencyReason.THREAT_TO_OTHERS else "treatment"


def _entries(rows: Sequence[Mapping[str, str]], about: Mapping[str, str]) -> list[Entry]:
    entries = []
    for row in rows:
        fields = {column: value for column, value in row.items() if column not in _NAMES}
        key = _key(row)
        entries.append(Entry(key=key, about=about.get(key, "nothing that the chain tells"), fields=fields))
    return entries


def _key(row: Mapping[str, str]) -> str:
    return _LAST if row["manner"] == _LAST else f"{row['transaction']}/{row['log_index']}"


def _inert(value: str) -> str:
    """Return a cell's value so that no spreadsheet takes it for a formula."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def _nameless(_account: Address) -> None:
    return None


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
