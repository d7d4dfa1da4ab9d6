"""What is secret, and any text that others shall not see, is asked for or read from a file, never taken from an option.

Where there is nobody to ask, that is an error and not a wait.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from medshare.errors import ConfigurationError, InvalidInputError
from medshare.keyring import read_passphrase
from medshare.services.kept_texts import MAX_TEXT

_LONGEST_CHARACTER = 4
"""Bytes, in UTF-8."""


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


def read_text(path: Path | None, question: str) -> str:
    """Return a text: from a file, from standard input where that is ``-``, or from the person at the keyboard.

    Args:
        path: the file, if one was named.
        question: what to ask.

    Raises:
        ConfigurationError: no file is named, and nobody is at the keyboard.
        InvalidInputError: the file cannot be read or is no text; or the text is empty or too long.
    """
    if path is None:
        if not sys.stdin.isatty():
            raise ConfigurationError(
                f"nobody is there to be asked: {question}", hint="name a file with the text, or - for standard input"
            )
        text = str(click.prompt(question, err=True))
    elif path == Path("-"):
        text = sys.stdin.read(MAX_TEXT + 1)
    else:
        try:
            with path.open("rb") as stream:
                # One byte more than could be right, so that what is too long is refused and not cut.
                text = stream.read(_LONGEST_CHARACTER * MAX_TEXT + 1).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError("the text cannot be read", hint="check the file: it is a text in UTF-8") from error
    if not text.strip() or len(text) > MAX_TEXT:
        raise InvalidInputError(f"a text of 1 to {MAX_TEXT} characters is needed")
    return text
