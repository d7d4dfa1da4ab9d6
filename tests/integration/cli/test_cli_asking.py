"""How a secret, or a text that others shall not see, is asked for.

given a passphrase that is needed
├─ a file is named: it is read
├─ none is, and somebody is at the keyboard: it is asked for unseen, a new one twice
└─ none is, and nobody is there: an error that says how to give it, and no wait
given a text
├─ a file, standard input or the keyboard: it is read whole
└─ empty, too long, not UTF-8, not there: refused, and never cut
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from medshare.cli.asking import ask_secret, passphrase_of, read_text
from medshare.errors import ConfigurationError, InvalidInputError
from medshare.services.kept_texts import MAX_TEXT

pytestmark = pytest.mark.integration


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions that somebody at the keyboard was asked."""
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        return "what was typed"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.hidden_prompt_func", answer)
    return questions


def test_passphrase_of__a_file_is_named__reads_it(tmp_path: Path, asked: list[str]) -> None:
    path = tmp_path / "passphrase"
    path.touch(mode=0o600)
    path.write_text("from a file\n")
    assert (passphrase_of("doctor", path), asked) == ("from a file", [])


def test_passphrase_of__no_file__asks_once_or_twice_for_a_new_one(asked: list[str]) -> None:
    assert passphrase_of("doctor", None) == "what was typed"
    assert asked == ["Passphrase of doctor: "]
    assert passphrase_of("doctor", None, new=True) == "what was typed"
    assert len(asked) == 3


def test_ask_secret__nobody_there__says_how_to_give_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(ConfigurationError, match="The key") as caught:
        ask_secret("The key", instead="name a variable")
    assert caught.value.hint == "name a variable"


def test_read_text__from_a_file_standard_input_or_the_keyboard__is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "text"
    longest = "\U0001f3e5" * MAX_TEXT
    file.write_text(longest)
    assert read_text(file, "Why") == longest
    monkeypatch.setattr(sys, "stdin", io.StringIO("piped"))
    assert read_text(Path("-"), "Why") == "piped"
    with pytest.raises(ConfigurationError, match="Why"):
        read_text(None, "Why")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "typed")
    assert read_text(None, "Why") == "typed"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n",
        b"a" * (MAX_TEXT + 1),
        b"a" + "\xe9".encode() * MAX_TEXT,
        "\U0001f3e5".encode() * (MAX_TEXT + 1),
        b"\xff",
    ],
    ids=["empty", "blank", "too long", "too long in Latin", "too long in pictures", "no UTF-8"],
)
def test_read_text__empty_too_long_or_no_text__is_refused_and_not_cut(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "text"
    file.write_bytes(content)
    with pytest.raises(InvalidInputError):
        read_text(file, "Why")
    with pytest.raises(InvalidInputError):
        read_text(tmp_path / "none", "Why")
