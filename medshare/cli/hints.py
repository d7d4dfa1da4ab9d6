"""Commands that a message recommends, spelled so that they reach the same home and network when they are copied."""

from __future__ import annotations

import re
import shlex

_NOUNS = (
    "init|doctor|identity|record|consent|access|delegate|guardian|emergency|receipt|quality|consortium|inbox|relay|signed|audit"
    "|storage|network"
)
_COMMAND = re.compile(rf"\bmedshare (?=(?:{_NOUNS})\b)")


def respelled(text: str, *, home: str | None, network: str | None) -> str:
    """Return ``text`` with the options put into each ``medshare`` command in it.

    Args:
        text: a message for a person.
        home: what ``--home`` said, if it was given.
        network: what ``--network`` said, if it was given.
    """
    options = [f"--home {shlex.quote(home)}"] if home else []
    options += [f"--network {shlex.quote(network)}"] if network else []
    said = " ".join(["medshare", *options]) + " "
    return _COMMAND.sub(lambda _: said, text)
