"""Provisions on the command line: said by options or in a file, previewed, given, shown.

given a home with two records of a patient, an observation of 2026-03-04 and an image without a date
├─ preview says of each record what a reader would see, and grants nothing
├─ give: a kind of record, with exceptions by kind, label, record and date; what is published later is covered
├─ a file says it in place of the options, never beside them; what is wrong in it is named by its number
├─ what cannot be said is refused, and nothing is granted
├─ renew: a custodian whom the patient met later, as the inbox says, is told; the grant keeps its terms and dates
└─ show: both parties read the terms, nobody else does
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from homes import OBSERVATION, CommandLine, Home

pytestmark = pytest.mark.integration

FOREVER = ["--until", "30d"]


def give(cli: CommandLine, *words: object) -> dict[str, object]:
    return cli.json("consent", "give", "--as", "patient", "--to", "doctor", *FOREVER, *words)


def preview(cli: CommandLine, *words: object) -> dict[str, str]:
    """Return the reason for each record."""
    rows = cli.json("consent", "preview", "--as", "patient", "--reader", "doctor", *words)
    return {row["record"]: row["reason"] for row in rows}


def test_preview__nothing_granted__says_so_of_each(cli: CommandLine, home: Home) -> None:
    assert preview(cli) == {home.observation: "no-grant", home.scan: "no-grant"}


def test_preview__with_provisions__is_what_would_be_and_grants_nothing(cli: CommandLine, home: Home) -> None:
    assert preview(cli, "--category", "observation") == {home.observation: "permitted", home.scan: "record-not-covered"}
    assert cli.json("access", "list", "--patient", "patient") == []


def test_preview__for_a_purpose__asks_for_it_alone(cli: CommandLine, home: Home) -> None:
    give(cli, "--everything")
    assert set(preview(cli, "--purpose", "HRESCH").values()) == {"purpose-not-granted"}
    assert set(preview(cli, "--purpose", "CLINTRL").values()) == {"permitted"}


@pytest.mark.parametrize(
    ("words", "observation", "scan"),
    [
        (["--everything"], "permitted", "permitted"),
        (["--category", "imaging"], "record-not-covered", "permitted"),
        (["--everything", "--except-category", "imaging"], "permitted", "refused"),
        (["--everything", "--except-record", "{scan}"], "permitted", "refused"),
        (["--record", "{scan}", "--except-category", "imaging"], "record-not-covered", "permitted"),
        (["--everything", "--since", "2026-03-04"], "permitted", "date-not-covered"),
        (["--everything", "--before", "2026-03-04"], "date-not-covered", "date-not-covered"),
        (["--everything", "--custodian", "hospital"], "permitted", "permitted"),
        (["--everything", "--custodian", "clinic"], "record-not-covered", "record-not-covered"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_give__by_options__is_what_was_previewed(
    cli: CommandLine, home: Home, words: list[str], observation: str, scan: str
) -> None:
    said = [word.format(scan=home.scan) for word in words]
    expected = {home.observation: observation, home.scan: scan}
    assert preview(cli, *said) == expected
    granted = give(cli, *said)
    assert granted["released"] == list(expected.values()).count("permitted")
    for record, reason in expected.items():
        answer = cli("--json", "access", "check", record, "--as", "doctor")
        assert (answer.code, answer.json["permitted"]) == ((0, True) if reason == "permitted" else (3, False))


def test_give__a_kind__covers_what_is_published_later_but_not_what_is_labelled(
    cli: CommandLine, home: Home, tmp_path: Path
) -> None:
    granted = give(cli, "--category", "laboratory", "--duty", "NORDSCLCD", "--erase-by", "60d")
    assert (granted["released"], granted["told"]) == (0, [home.addresses["hospital"]])
    codes = {}
    for name, labels in (("plain", []), ("labelled", ["--label", "HIV"])):
        (tmp_path / name).write_text(name)
        published = cli.json(
            *["record", "publish", tmp_path / name, "--as", "hospital", "--patient", "patient"],
            *["--category", "laboratory", *labels],
        )
        codes[name] = cli("access", "check", published[0]["record"], "--as", "doctor").code
    assert codes == {"plain": 0, "labelled": 3}


def test_give__from_a_file__says_what_the_file_says(cli: CommandLine, home: Home, tmp_path: Path) -> None:
    file = tmp_path / "provisions.json"
    said = [
        {"effect": "permit", "purposes": ["TREAT"], "everything": True},
        {"effect": "deny", "purposes": ["TREAT"], "categories": ["imaging"]},
    ]
    file.write_text(json.dumps({"provisions": said}))
    granted = give(cli, "--provisions", file)
    assert granted["provisions"] == ["permit TREAT: everything", "deny TREAT: imaging"]
    assert preview(cli) == {home.observation: "permitted", home.scan: "refused"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "JSON"),
        ("{}", "provisions"),
        ('{"provisions": []}', "holds no provisions"),
        ('{"provisions": [{"effect": "permit", "purposes": ["TREAT"], "everything": true}, {}]}', "provision 2"),
        ('{"provisions": [{"effect": "permit", "purposes": ["BTG"], "everything": true}]}', "break-glass"),
        ('{"provisions": [{"effect": "permit", "purposes": ["TREAT"], "everything": true, "if": 1}]}', "provision 1"),
        ('{"provisions": [{"effect": "permit", "purposes": ["TREAT"], "everything": true}], "x": 1}', "does not know"),
    ],
    ids=["empty", "no list", "none", "second", "break-glass", "unknown field", "unknown beside"],
)
def test_give__file_that_is_wrong__says_where_and_grants_nothing(
    cli: CommandLine, tmp_path: Path, content: str, says: str
) -> None:
    file = tmp_path / "provisions.json"
    file.write_text(content)
    answer = cli("--json", "consent", "give", "--as", "patient", "--to", "doctor", *FOREVER, "--provisions", file)
    assert (answer.code, answer.error["error"]) == (2, "InvalidInputError")
    assert says in answer.error["message"]
    assert cli.json("access", "list", "--patient", "patient") == []


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--category", "imaging", "--everything"],
        ["--everything", "--purpose", "BTG"],
        ["--everything", "--label", "not a code!"],
        ["--everything", "--since", "2026-02-01", "--before", "2026-01-01"],
        ["--except-category", "imaging"],
        ["--everything", "--provisions", "{file}"],
    ],
    ids=" ".join,
)
def test_give__what_cannot_be_said__is_refused_and_nothing_is_granted(
    cli: CommandLine, tmp_path: Path, words: list[str]
) -> None:
    file = tmp_path / "provisions.json"
    file.write_text('{"provisions": [{"effect": "permit", "purposes": ["TREAT"], "everything": true}]}')
    said = [word.format(file=file) for word in words]
    answer = cli("--json", "consent", "give", "--as", "patient", "--to", "doctor", *FOREVER, *said)
    assert (answer.code, answer.error["error"]) == (2, "InvalidInputError")
    assert cli.json("access", "list", "--patient", "patient") == []


def by_the_clinic(cli: CommandLine, tmp_path: Path, number: int) -> dict[str, object]:
    path = tmp_path / f"{number}.json"
    path.write_bytes(OBSERVATION.replace(b'"7"', b'"%d"' % number))
    (row,) = cli.json("record", "publish", path, "--as", "clinic", "--patient", "patient")
    return row


def inbox(cli: CommandLine) -> list[tuple[str, str, str]]:
    rows = cli.json("inbox", "--as", "patient", "--all")
    return [(row["kind"], row["who"], row["answer"]) for row in rows if row["kind"] == "CustodianMet"]


def test_renew__custodian_met_later__is_told_of_what_stands_and_the_inbox_says_how(
    cli: CommandLine, home: Home, tmp_path: Path
) -> None:
    given = give(cli, "--everything")
    before = by_the_clinic(cli, tmp_path, 11)
    assert [each["obstacle"] for each in before["withheld"]] == ["untold"]
    assert inbox(cli) == [("CustodianMet", home.addresses["clinic"], "medshare consent renew --as patient")]
    assert cli.json("consent", "renew", "--as", "patient", "--to", "researcher") == []
    (row,) = cli.json("consent", "renew", "--as", "patient")
    assert (row["grant"], row["expires_at"]) == (given["grant"], given["expires_at"])
    assert (row["grantee"], row["told"]) == (home.addresses["doctor"], [home.addresses["clinic"]])
    assert row["released"] == 3
    assert cli.fetched(before["record"], "doctor")
    assert by_the_clinic(cli, tmp_path, 12)["readers"] == [home.addresses["doctor"]]
    assert inbox(cli) == []
    answer = cli("consent", "renew", "--as", "patient")
    assert answer.text == "every custodian who can be told of the grants has been told; nothing to do\n"
    assert len(cli.json("access", "list", "--patient", "patient")) == 1


def test_renew__to_be_signed_for_another_to_send__is_one_reader_s(cli: CommandLine, tmp_path: Path) -> None:
    give(cli, "--everything")
    by_the_clinic(cli, tmp_path, 11)
    file = tmp_path / "signed.json"
    answer = cli("consent", "renew", "--as", "patient", "--sign-to", file, "--yes")
    assert (answer.code, file.exists()) == (2, False)
    assert "--to" in answer.err
    nothing = cli("consent", "renew", "--as", "patient", "--to", "researcher", "--sign-to", file, "--yes")
    assert (nothing.code, file.exists()) == (0, False)
    assert nothing.text == "every custodian who can be told of the grants to researcher has been told; nothing to do\n"
    cli.json("consent", "renew", "--as", "patient", "--to", "doctor", "--sign-to", file, "--yes")
    assert file.exists()


def test_renew__nothing_can_be_given_again__says_that_any_new_grant_tells(
    cli: CommandLine, home: Home, tmp_path: Path
) -> None:
    file = tmp_path / "provisions.json"
    records = [{"custodian": home.addresses["hospital"], "record_id": home.observation}]
    said = [{"everything": True}, {"records": records}]
    said = [{"effect": "permit", "purposes": ["TREAT"], **each} for each in said]
    file.write_text(json.dumps({"provisions": said}))
    give(cli, "--provisions", file)
    by_the_clinic(cli, tmp_path, 11)
    cli.json("record", "retract", home.observation, "--as", "hospital", "--reason", "false")
    answer = cli("consent", "renew", "--as", "patient")
    assert (answer.code, answer.text) == (0, "")
    assert f"no grant to {home.addresses['doctor']} can be given again as it is" in answer.err
    assert "hint: any new one tells them: medshare" in answer.err
    answer = cli("--json", "consent", "renew", "--as", "patient")
    assert (answer.json, answer.error["warning"].startswith("no grant to")) == ([], True)


def test_show__by_both_parties__is_the_same_and_to_others_closed(cli: CommandLine) -> None:
    granted = give(cli, "--category", "imaging", "--purpose", "TREAT,HRESCH")
    shown = [cli.json("consent", "show", granted["grant"], "--as", name) for name in ("patient", "doctor")]
    assert shown[0] == shown[1]
    assert shown[0]["provisions"] == ["permit HRESCH, TREAT: imaging"]
    assert cli("consent", "show", granted["grant"], "--as", "neighbour").code != 0


def test_show__no_such_grant__is_not_found(cli: CommandLine) -> None:
    answer = cli("--json", "consent", "show", "0x" + "ab" * 32, "--as", "patient")
    assert (answer.code, answer.error["error"]) == (4, "UnknownGrantError")
