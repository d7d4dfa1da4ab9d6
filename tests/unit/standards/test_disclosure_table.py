"""The accounting of disclosures: the law's columns, a table that the chain can confirm, a page that anybody can read.

given a patient of whom the chain tells records, grants, a delegate, an emergency and a study
├─ the table has date, recipient, what and purpose of each disclosure, emergencies first, and where the chain tells it
├─ it says what HIPAA would leave out, and leaves nothing out
├─ no cell is a formula for a spreadsheet
├─ unchanged it has no discrepancy, with whatever names
├─ one row left out, added, doubled or edited in any one cell is named; the last row too
├─ names that are not those known here are told apart from all this
├─ what is no such table is refused
└─ the page says all of it in words, whatever characters a name has
"""

from __future__ import annotations

import csv
import html
import io
from html.parser import HTMLParser

import pytest
from accounts import Told, everything_told
from hypothesis import given
from hypothesis import strategies as st

from medshare.errors import InvalidInputError
from medshare.model.describing_access import LIMITS
from medshare.model.disclosure import Manner
from medshare.standards.comparing import Finding
from medshare.standards.disclosures import COLUMNS, decode, discrepancies, names_said, page, scope_of, table

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return everything_told(tmp_path_factory.mktemp("told"))


def nobody(_account: str) -> None:
    return None


def rows_of(told: Told) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table(told.accounting, nobody).decode(), newline="")))


def written(rows: list[dict[str, str]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


# ----------------------------------------------------------------------------------------------- what it says


def test_table__of_everything__has_a_row_for_each_disclosure_and_a_last_one(told: Told) -> None:
    *rows, last = rows_of(told)
    assert len(rows) == len(told.accounting.disclosures)
    for row, one in zip(rows, told.accounting.disclosures, strict=True):
        assert (row["recipient"], row["given_by"], row["manner"]) == (one.recipient, one.given_by, one.manner.value)
        assert row["transaction"] == "0x" + one.place.tx_hash.hex()
        assert row["event_digest"] == one.digest.hex()
        assert all(row[column] for column in ("date", "what", "purpose", "purpose_codes", "could_read_from"))
        assert row["date"].endswith("Z")
    manners = [row["manner"] for row in rows]
    assert manners[:2] == ["emergency", "emergency keys"]
    assert set(manners[2:]) == {"grant", "delivery"}
    assert last["reference"] == told.accounting.scope.text
    assert last["what"] == f"{len(rows)} disclosures, {len(told.accounting.events)} events"


def test_table__of_everything__says_by_whose_word_and_how_it_ended(told: Told) -> None:
    *rows, _ = rows_of(told)
    delegated = [row for row in rows if row["given_by_capacity"] == "delegate"]
    assert [row["given_by"] for row in delegated] == [told.delegate]
    assert {row["ended"] for row in rows} == {"revoked", "granted anew", "episode ended"}
    assert {row["by_right"] for row in rows} == {"yes"}


def test_table__what_hipaa_would_leave_out__is_there_and_marked(told: Told) -> None:
    *rows, _ = rows_of(told)
    assert {(row["manner"], row["hipaa_exempt_as"]) for row in rows} == {
        ("emergency", ""),
        ("emergency keys", ""),
        ("grant", "authorization"),
        ("delivery", "authorization"),
    }


@given(name=st.text(st.characters(codec="utf-8"), max_size=20).map(lambda text: text.replace("\x00", "")))
@pytest.mark.parametrize("first", ["", *FORMULAS])
def test_table__whatever_somebody_is_called__no_cell_is_a_formula(told: Told, first: str, name: str) -> None:
    document = table(told.accounting, lambda _: first + name)
    rows = decode(document)
    assert not [cell for row in rows for cell in row.values() if cell.startswith(FORMULAS)]
    assert discrepancies(rows, told.accounting) == ()
    assert names_said(rows, lambda _: first + name) == ()


def test_table__of_nobody__says_what_it_covers(told: Told) -> None:
    rows = decode(table(told.nobody, nobody))
    assert scope_of(rows) == told.nobody.scope
    assert discrepancies(rows, told.nobody) == ()


# ---------------------------------------------------------------------------------------------- comparing


def test_discrepancies__what_was_exported__finds_nothing(told: Told) -> None:
    rows = decode(table(told.accounting, nobody))
    assert scope_of(rows) == told.accounting.scope
    assert discrepancies(rows, told.accounting) == ()
    assert discrepancies(decode(b"\xef\xbb\xbf" + table(told.accounting, nobody)), told.accounting) == ()


def test_discrepancies__any_row_left_out__is_named(told: Told) -> None:
    *rows, last = rows_of(told)
    for number, row in enumerate(rows):
        (found,) = discrepancies(decode(written([*rows[:number], *rows[number + 1 :], last])), told.accounting)
        assert (found.finding, found.entry) == (Finding.OMITTED, f"{row['transaction']}/{row['log_index']}")
        assert row["recipient"] in found.about


def test_discrepancies__a_row_added_or_doubled__is_named(told: Told) -> None:
    *rows, last = rows_of(told)
    invented = {**rows[0], "log_index": "999"}
    (added,) = discrepancies(decode(written([*rows, invented, last])), told.accounting)
    assert (added.finding, added.about) == (Finding.ADDED, "nothing that the chain tells")
    (doubled,) = discrepancies(decode(written([*rows, rows[2], last])), told.accounting)
    assert doubled.finding is Finding.ADDED


def test_discrepancies__any_cell_edited__is_named(told: Told) -> None:
    whole = rows_of(told)
    places = {"transaction", "log_index"}
    for number, row in enumerate(whole):
        for column in COLUMNS:
            if column.endswith("_name"):
                continue
            rows = [dict(each) for each in whole]
            rows[number][column] = row[column][:-1] + ("0" if row[column][-1:] != "0" else "1")
            is_last = number == len(whole) - 1
            if is_last and column == "manner":
                with pytest.raises(InvalidInputError):
                    scope_of(decode(written(rows)))
                continue
            found = discrepancies(decode(written(rows)), told.accounting)
            if column in places and not is_last:
                assert [each.finding for each in found] == [Finding.OMITTED, Finding.ADDED]
            else:
                assert [(each.finding, each.fields) for each in found] == [(Finding.EDITED, (column,))]


def test_names__not_those_known_here__are_told_apart(told: Told) -> None:
    known = {told.delegate: "mother", told.clinician: "doctor"}
    rows = decode(table(told.accounting, known.get))
    assert discrepancies(rows, told.accounting) == ()
    assert names_said(rows, known.get) == ()
    unknown = names_said(rows, {told.delegate: "mum"}.get)
    assert {(each.account, each.said, each.known) for each in unknown} == {
        (told.delegate, "mother", "mum"),
        (told.clinician, "doctor", None),
    }


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"date,manner\r\n",
        ",".join(COLUMNS[::-1]).encode(),
        (",".join(COLUMNS) + "\r\n1,2\r\n").encode(),
        (",".join(COLUMNS) + "\r\n" + "," * len(COLUMNS) + "\r\n").encode(),
        (",".join(COLUMNS) + '\r\n"').encode(),
        b"\xff\xfe",
    ],
)
def test_decode__no_such_table__is_refused(document: bytes) -> None:
    with pytest.raises(InvalidInputError):
        decode(document)


@pytest.mark.parametrize("keep", [0, 1])
def test_scope__of_a_table_whose_end_is_missing__is_refused(told: Told, keep: int) -> None:
    with pytest.raises(InvalidInputError):
        scope_of(decode(written(rows_of(told)[:keep])))


# ------------------------------------------------------------------------------------------------- the page


class Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.said: list[str] = []

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def test_page__of_everything__says_it_in_words(told: Told) -> None:
    read = Words()
    read.feed(page(told.accounting, {told.delegate: "mother", told.clinician: "doctor"}.get).decode())
    text = " ".join(read.said)
    assert f"doctor ({told.clinician}) broke the glass: a threat to others; reviewed: justified" in text
    assert f"granted for the patient by the delegate mother ({told.delegate})" in text
    assert "then it was revoked" in text
    assert "then it was granted anew" in text
    assert text.index("broke the glass") < text.index("granted by the patient")
    assert all(limit in text for limit in LIMITS)
    assert read.tags <= {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "ul", "li", "small"}
    for one in told.accounting.disclosures:
        assert one.place.tx_hash.hex() in text
        assert one.manner is Manner.EMERGENCY or one.content.hex() in text


def test_page__whatever_somebody_is_called__is_text(told: Told) -> None:
    name = "<script>alert('x')</script>&\""
    document = page(told.accounting, lambda _: name).decode()
    assert "<script" not in document
    assert html.escape(name) in document


def test_page__of_nobody__says_none(told: Told) -> None:
    assert page(told.nobody, nobody).decode().count("<li>none</li>") == 3
