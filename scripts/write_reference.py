"""Write the pages of docs/ that repeat what is said elsewhere: commands, what is public, cases, permissions, costs.

With --check nothing is written: exit code 1 says that a page is not what the code says.
"""

from __future__ import annotations

import argparse
import json
import re
import runpy
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from medshare.cli.root import cli

ROOT = Path(__file__).resolve().parent.parent
COMMAND_LINE = ROOT / "docs" / "command-line.md"
ON_CHAIN = ROOT / "docs" / "public-on-chain.md"
CONSENT_TABLE = ROOT / "docs" / "consent-table.md"
DUO_TABLE = ROOT / "docs" / "duo-table.md"
CASES = ROOT / "tests" / "unit" / "model" / "consent_table.py"
DUO_CASES = ROOT / "tests" / "unit" / "model" / "duo_table.py"
PERMISSIONS = ROOT / "docs" / "permissions.md"
PERMISSION_TABLE = ROOT / "tests" / "contracts" / "permission_table.py"
COSTS_OF_CASES = ROOT / "docs" / "cases" / "costs.md"
COST_TABLE = ROOT / "scripts" / "cases" / "costs.py"
GAS = ROOT / "tests" / "snapshots" / "gas.json"
INTERFACES = ROOT / "contracts" / "interfaces"
WIDTH = 100

_ITEM = re.compile(r"((?:    ///[^\n]*\n)+)    (function|event|error) (\w+)", re.MULTILINE)
_TAG = re.compile(r"@(\S+) (.*?)(?=\n@|\Z)", re.DOTALL)


def main(arguments: list[str] | None = None) -> int:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    stale = []
    pages = (
        (COMMAND_LINE, command_line()),
        (ON_CHAIN, on_chain()),
        (CONSENT_TABLE, consent_table()),
        (DUO_TABLE, duo_table()),
        (PERMISSIONS, permissions()),
        (COSTS_OF_CASES, costs_of_cases()),
    )
    for path, text in pages:
        if options.check:
            if not path.exists() or path.read_text() != text:
                stale.append(path)
        else:
            path.write_text(text)
    for path in stale:
        print(f"{path.relative_to(ROOT)} is not what the code says; run: make snapshot", file=sys.stderr)
    return 1 if stale else 0


def command_line() -> str:
    """Return the page with the help of every command."""
    parts = [
        "# Command line\n",
        "Written by `scripts/write_reference.py` from the program itself.\n",
        *_help(cli, "medshare", None),
    ]
    return "\n".join(parts)


def _help(command: click.Command, name: str, parent: click.Context | None) -> list[str]:
    # A command's settings, such as the names of its help option, come down from its parents.
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=WIDTH,
        **(command.context_settings if parent is None else {}),
    )
    parts = [f"## `{context.command_path}`\n", f"```text\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for child in sorted(command.commands):
            parts += _help(command.commands[child], child, context)
    return parts


def on_chain() -> str:
    """Return the page with what each function, event and error makes public."""
    parts = [
        "# What is public on chain\n",
        "Everything a contract is told or tells is public for ever. This is what each part of it says, as the",
        "`@custom:privacy` lines of the interfaces have it; written by `scripts/write_reference.py`.\n",
    ]
    for path in sorted(INTERFACES.glob("*.sol")):
        parts += [
            f"## {path.stem.removeprefix('I')}\n",
            "| kind | name | what it is | what it makes public |",
            "| --- | --- | --- | --- |",
        ]
        for comment, kind, name in _ITEM.findall(path.read_text()):
            lines = "\n".join(line.strip().removeprefix("///").strip() for line in comment.splitlines())
            tags = {tag: " ".join(text.split()) for tag, text in _TAG.findall(lines)}
            parts.append(f"| {kind} | `{name}` | {tags['notice']} | {tags['custom:privacy']} |")
        parts.append("")
    return "\n".join(parts)


def consent_table() -> str:
    """Return the page with the cases that the tests of ``decide`` run."""
    table = runpy.run_path(str(CASES))
    parts = [
        "# Consent: the cases\n",
        "Every case that the rules of [consent.md](consent.md) were written for. The tests run these rows; written by",
        "`scripts/write_reference.py` from `tests/unit/model/consent_table.py`. Unless a row says otherwise the doctor",
        "asks for treatment on 2026-03-01 at 12:00 (UTC), the grants are to him and run from 2026-01-01 to 2026-07-01,",
        "and the record is the hospital's, of category laboratory, without labels, of 2026-02-10.\n",
        "| case | situation | what the patient has said | asked | decided | rules |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for case in table["CASES"]:
        said = "<br>".join(_said(given, number, len(case.given)) for number, given in enumerate(case.given))
        for name, words in table["NAMES"].items():
            said = said.replace(f"record {name}", words).replace(name, words)
        verdict = f"**{case.outcome}**" + "".join(f"<br>{each.in_words()}" for each in case.obligations)
        cells = (
            f"`{case.name}`",
            case.situation,
            said or "nothing",
            _asked(case, table),
            verdict,
            ", ".join(case.rules),
        )
        parts.append(f"| {' | '.join(cells)} |")
    return "\n".join([*parts, ""])


def costs_of_cases() -> str:
    """Return the page with what the cases cost, by the figures of the snapshot."""
    figures = json.loads(GAS.read_text("utf-8"))["gas"]
    parts = [
        "# What the cases cost\n",
        "How often who does what on chain in each case, and what it costs by the first figure that fits: a second time",
        "is often cheaper. Reading costs nothing. Written by `scripts/write_reference.py` from",
        "`scripts/cases/costs.py`, with which the tests compare what the cases do, and `tests/snapshots/gas.json`.",
        "Accounts, keys and accreditations, which are there once for all, are not counted. On a consortium's own",
        "network gas can be free; the count of new slots is the figure that lasts:",
        "[performance.md](../performance.md).\n",
    ]
    for name, costs in runpy.run_path(str(COST_TABLE))["COSTS"].items():
        parts += [
            f"## [{name}]({name}.md)\n",
            "| what | times | gas each | new slots each | gas |",
            "| --- | ---: | ---: | ---: | ---: |",
        ]
        total = 0
        for cost in costs:
            each = figures[cost.gas]
            total += cost.times * each["gas"]
            cells = (cost.words, cost.times, f"{each['gas']:,}", each["newSlots"], f"{cost.times * each['gas']:,}")
            parts.append(f"| {' | '.join(map(str, cells))} |")
        parts += [f"| together | | | | {total:,} |", ""]
    return "\n".join(parts)


def permissions() -> str:
    """Return the page that says who may call what, as the tests of the contracts run it."""
    table = runpy.run_path(str(PERMISSION_TABLE))
    parts = [
        "# Who may call what\n",
        "Every function of the contracts that changes something. The tests run each row by each of the roles below;",
        "written by `scripts/write_reference.py` from `tests/contracts/permission_table.py`. Where a row says *signs*,",
        "anybody sends it with the signature of who may. There is no owner, and who deployed may nothing.\n",
        "| role | who that is |",
        "| --- | --- |",
        *(f"| {role} | {words} |" for role, words in table["ROLES"].items()),
        "",
    ]
    for contract in table["CONTRACTS"]:
        parts += [
            f"## {contract}\n",
            "| function | when | who may | everybody else |",
            "| --- | --- | --- | --- |",
            *(_permission(row, table) for row in table["ROWS"] if row.contract == contract),
            "",
        ]
    return "\n".join(parts)


def _permission(row: Any, table: dict[str, Any]) -> str:  # noqa: ANN401 - a row of the tests' data
    """Return a row: the roles that may, and what the others are told."""
    roles, may = list(table["ROLES"]), list(row.may)
    left = [role for role in roles if role not in may]
    if not left:
        who = "everybody"
    elif not may:
        who = "nobody"
    elif len(left) < len(may):
        who = f"everybody but: {', '.join(left)}"
    else:
        who = ", ".join(may)
    refused = "<br>".join([f"`{row.refused}`", *(f"{role}: `{error}`" for role, error in row.others.items())])
    signs = " (signs)" if row.signed else ""
    return f"| `{row.function}` | {row.when} | {who}{signs} | {refused if left else ''} |"


def _said(given: Any, number: int, count: int) -> str:  # noqa: ANN401 - a row of the tests' data
    provisions = "<br>".join(provision.in_words() for provision in given.provisions)
    standing = f" ({given.standing})" if given.standing else ""
    return f"grant {number + 1}{standing}: {provisions}" if count > 1 or standing else provisions


def _asked(case: Any, table: dict[str, Any]) -> str:  # noqa: ANN401 - a row of the tests' data
    """Return what is asked, as far as it is not the usual."""
    usual, about = table["subject"](), case.subject
    people = {table[name]: name.lower() for name in ("PATIENT", "STRANGER", "HOSPITAL")}
    parts = []
    if case.reader in people:
        parts.append(f"by the {people[case.reader]}")
    if case.purpose != "TREAT":
        parts.append(f"for {case.purpose}")
    if case.now != table["NOW"]:
        parts.append(f"at {_moment(case.now)}")
    if about.status != usual.status:
        parts.append(about.status.name.lower())
    if about.lineage:
        parts.append("supersedes " + ", then ".join(_named(each, table) for each in about.lineage))
    if about.labels:
        parts.append(f"labelled {', '.join(about.labels)}")
    if about.category is None:
        parts.append("manifest not opened")
    elif about.clinical_date != usual.clinical_date:
        parts.append(f"of {about.clinical_date}" if about.clinical_date else "without a date")
    parts += [_episode(each, table) for each in case.episodes]
    return "; ".join(parts) or "as usual"


def _episode(episode: Any, table: dict[str, Any]) -> str:  # noqa: ANN401 - a row of the tests' data
    parts = [f"episode {_moment(episode.opened_at)} to {_moment(episode.ends_at)}"]
    if episode.patient != table["PATIENT"]:
        parts.append("for another patient")
    if episode.clinician != table["DOCTOR"]:
        parts.append("of a stranger")
    return ", ".join(parts)


def _named(record_id: bytes, table: dict[str, Any]) -> str:
    return str(table["NAMES"][f"{record_id.hex()[:8]}…"])


def duo_table() -> str:
    """Return the page with the cases that the tests of DUO matching run."""
    table = runpy.run_path(str(DUO_CASES))
    parts = [
        "# DUO matching: the cases\n",
        "Every case that the rules of [duo.md](duo.md) were written for. The tests run these rows; written by",
        f"`scripts/write_reference.py` from `tests/unit/model/duo_table.py`. It is {_moment(table['NOW'])} (UTC).",
        "What a request does not list, its requester has not said.\n",
        "| case | situation | the data are for | the request | outcome | decided by |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for case in table["CASES"]:
        cells = (
            f"`{case.name}`",
            case.situation,
            _with_names(case.data_use.in_words(), table),
            _with_names(_requested(case.use), table),
            f"**{case.outcome}**",
            case.code.shorthand,
        )
        parts.append(f"| {' | '.join(cells)} |")
    parts += [
        "\n## The diseases of these cases\n",
        "A few of MONDO's, with some of what lies between them left out.\n",
        "| disease | | right above it |",
        "| --- | --- | --- |",
    ]
    for disease, name in table["NAMES"].items():
        above = table["PARENTS"].get(disease)
        said = "unknown" if above is None else ", ".join(table["NAMES"][each] for each in above) or "nothing"
        parts.append(f"| {disease} | {name} | {said} |")
    return "\n".join([*parts, ""])


def _requested(use: Any) -> str:  # noqa: ANN401 - a row of the tests' data
    """Return the answers of a request, one on a line."""
    lines = []
    for name, answer in use.fields().items():
        said = ", ".join(answer) if isinstance(answer, list) else {True: "yes", False: "no"}.get(answer, answer)
        lines.append(f"{name.replace('_', ' ')}: {said}")
    return "<br>".join(lines) or "nothing"


def _with_names(text: str, table: dict[str, Any]) -> str:
    for disease, name in table["NAMES"].items():
        text = text.replace(disease, name)
    return text


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


if __name__ == "__main__":
    sys.exit(main())
