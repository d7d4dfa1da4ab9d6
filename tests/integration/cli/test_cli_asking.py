"""How a secret is asked for.

given a passphrase that is needed
├─ a file is named: it is read
├─ none is, and somebody is at the keyboard: it is asked for unseen, a new one twice
└─ none is, and nobody is there: an error that says how to give it, and no wait
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from medshare.cli.asking import ask_secret, passphrase_of
from medshare.errors import ConfigurationError

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
