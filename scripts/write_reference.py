"""Write the pages of docs/ that repeat what the code says: the command line, and what is public on chain.

With --check nothing is written: exit code 1 says that a page is not what the code says.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import click

from medshare.cli.root import cli

ROOT = Path(__file__).resolve().parent.parent
COMMAND_LINE = ROOT / "docs" / "command-line.md"
ON_CHAIN = ROOT / "docs" / "public-on-chain.md"
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
    for path, text in ((COMMAND_LINE, command_line()), (ON_CHAIN, on_chain())):
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


if __name__ == "__main__":
    sys.exit(main())
