"""What is secret is asked for, or read from a file; where there is nobody to ask, that is an error and not a wait."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from medshare.errors import ConfigurationError
from medshare.keyring import read_passphrase


def passphrase_of(what: str, file: Path | None, *, new: bool = False) -> str:
    """Return the passphrase of an identity or a file: from ``file``, or from the person at the keyboard.

    Args:
        what: whose passphrase, as it is asked for.
        file: where it is written, if it is.
        new: it is being chosen, so that it is asked for twice.

    Raises:
        ConfigurationError: no file is given, and nobody is at the keyboard.
        KeyFileError: the file is empty, cannot be read, or others can read it.
    """
    if file is not None:
        return read_passphrase(file)
    question = f"New passphrase for {what}" if new else f"Passphrase of {what}"
    return ask_secret(question, instead="name a file that holds it with --passphrase-file", twice=new)


def ask_secret(question: str, *, instead: str, twice: bool = False) -> str:
    """Return what the person at the keyboard types, unseen.

    Args:
        question: what to ask.
        instead: how to give it without being asked; the error's hint.
        twice: ask again, and until both are the same.

    Raises:
        ConfigurationError: nobody is at the keyboard.
    """
    if not sys.stdin.isatty():
        raise ConfigurationError(f"nobody is there to be asked: {question}", hint=instead)
    return str(click.prompt(question, hide_input=True, confirmation_prompt=twice, err=True))
