"""What is secret is asked for, or read from a file; where there is nobody to ask, that is an error and not a wait."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from medshare.errors import ConfigurationError
from medshare.keyring import read_passphrase


def passphrase_of(what: str, file: Path | None) -> str:
    """Return the passphrase of something: from ``file``, or from the person at the keyboard.

    Raises:
        ConfigurationError: no file is given, and nobody is at the keyboard.
        KeyFileError: the file is empty, cannot be read, or others can read it.
    """
    if file is not None:
        return read_passphrase(file)
    return ask_secret(f"Passphrase of {what}", instead="name a file that holds it with --passphrase-file")


def ask_secret(question: str, *, instead: str, confirm: bool = False) -> str:
    """Return what the person at the keyboard types, unseen.

    Args:
        question: what to ask.
        instead: how to give it without being asked; the error's hint.
        confirm: ask twice.

    Raises:
        ConfigurationError: nobody is at the keyboard.
    """
    if not sys.stdin.isatty():
        raise ConfigurationError(f"nobody is there to be asked: {question}", hint=instead)
    return str(click.prompt(question, hide_input=True, confirmation_prompt=confirm, err=True))
