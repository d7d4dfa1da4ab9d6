"""The documents say what is there.

given README, CHANGELOG and docs/
├─ every relative link leads to a file, and every test file they name exists
├─ every error they name is an error of the library
├─ every medshare command they show is a command, with options it has
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
