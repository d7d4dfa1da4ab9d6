"""The documents say what is there.

given README, CHANGELOG and docs/
├─ every relative link leads to a file, and every test file and test they name exists
├─ every row about a fault names a test, in the file where it is
├─ every error they name is an error of the library
├─ every medshare command they show is a command, with options it has
├─ the study and the policy that they show are ones
├─ the glossary explains each word once
└─ the pages written from the code are what the code says
"""

from __future__ import annotations

import re
import shlex
import sys
from collections import Counter
from pathlib import Path

import click
import pytest

from medshare import errors
from medshare.cli.root import cli
from medshare.model.documents import decode_document, encode_document
from medshare.model.duo_matching import DuoOutcome, match
from medshare.model.ids import address
from medshare.model.policy import Policy
from medshare.model.study import Study

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links__relative__lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_test_files__named__exist(page: Path) -> None:
    named = re.findall(r"`(tests/[\w/.]+|test_\w+\.py)`", page.read_text())
    missing = [name for name in named if not ((ROOT / name).exists() or list(ROOT.glob(f"tests/**/{name}")))]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tests__named__exist(page: Path) -> None:
    named = set(re.findall(r"`(test_\w+__\w+)`", page.read_text()))
    if named:
        written = "".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
        assert {name for name in named if f"def {name}(" not in written} == set()


def faults() -> list[str]:
    lines = (ROOT / "docs" / "faults.md").read_text().splitlines()
    return [line for line in lines if line.startswith("| ") and not line.startswith(("| fault |", "| --- |"))]


def test_faults__are_found_at_all() -> None:
    assert len(faults()) > 30


@pytest.mark.parametrize("row", faults(), ids=lambda row: row.split("|")[1].strip()[:60])
def test_faults__each_row__names_a_test_in_the_file_where_it_is(row: str) -> None:
    cells = row.strip("| ").split(" | ")
    named = re.findall(r"`(test_\w+\.py)`(?:: ((?:`test_\w+`(?:, )?)+))?", cells[-1])
    assert named
    for file, tests in named:
        (path,) = ROOT.glob(f"tests/**/{file}")
        written = path.read_text()
        assert [test for test in re.findall(r"`(\w+)`", tests) if f"def {test}(" not in written] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_errors__named__exist(page: Path) -> None:
    named = set(re.findall(r"`(\w+Error)`", page.read_text()))
    assert {name for name in named if not hasattr(errors, name)} == set()


def commands_shown() -> list[str]:
    shown = []
    for page in PAGES:
        if page.name == "command-line.md":
            continue
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
            shown += [line.split("#")[0].strip() for line in block.splitlines() if line.startswith("medshare ")]
    return sorted(set(shown))


def test_commands_shown__are_found_at_all() -> None:
    assert len(commands_shown()) >= 5


@pytest.mark.parametrize("line", commands_shown())
def test_commands_shown__parse(line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = cli
    context = click.Context(cli, info_name="medshare", **cli.context_settings)
    while isinstance(command, click.Group):
        rest = command.parse_args(context, words)
        name, found, words = command.resolve_command(context, [*context._protected_args, *context.args] or rest)
        assert found is not None, f"{line}: no command {name}"
        command, context = found, click.Context(found, info_name=name, parent=context)
    known = {option for param in command.params for option in [*param.opts, *param.secondary_opts]}
    assert {word for word in words if word.startswith("--")} <= known


def shown_in_requests(language: str) -> bytes:
    (block,) = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / "requests.md").read_text(), re.DOTALL)
    return str(block).encode()


def test_requests_page__its_study_and_policy__are_a_study_and_a_policy() -> None:
    requester = address("0x" + "4e" * 20)
    study = Study.from_json(encode_document({"requester": requester, **decode_document(shown_in_requests("json"))}))
    policy = Policy.from_toml(shown_in_requests("toml"))
    found = match(policy.data_use, study.intended_use, ancestry=policy.ancestry, now=study.deadline)
    assert found.outcome is DuoOutcome.ALLOWED
    assert len(policy.rules) == 2


def test_glossary__each_word__is_explained_once() -> None:
    rows = [line.split("|")[1] for line in (ROOT / "docs/glossary.md").read_text().splitlines() if line[:3] == "| *"]
    words = [word for row in rows for word in re.findall(r"\*\*(.+?)\*\*", row)]
    assert len(words) > 50
    assert [word for word, times in Counter(words).items() if times > 1] == []


def test_reference_pages__are_what_the_code_says() -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import write_reference
    finally:
        sys.path.pop(0)
    assert write_reference.main(["--check"]) == 0
