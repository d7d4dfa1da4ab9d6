"""How a program ends, whatever stops it.

given a program that ``run`` runs
├─ done: 0, or the code that it returns
├─ an error of ours: its code, a line and a hint; as JSON if asked for; with its origin if asked for
├─ stopped from the keyboard, or by click for that reason: 130
├─ nobody answers a question: 1, and it says so
└─ a file that fails: 1 and a hint
"""

from __future__ import annotations

import json
from collections.abc import Callable

import click
import pytest

from medshare.cli.ending import ExitCode, run
from medshare.errors import DeploymentNotFoundError, StoreFullError

pytestmark = pytest.mark.integration


def raising(error: BaseException, cause: BaseException | None = None) -> Callable[[], None]:
    def program() -> None:
        raise error from cause

    return program


@pytest.mark.parametrize(("value", "code"), [(None, 0), ("text", 0), (0, 0), (1, 1), (ExitCode.DENIED, 3)])
def test_run__done__is_0_or_what_it_returns(value: object, code: int) -> None:
    assert run(lambda: value) == code


def test_run__an_error__is_its_code_a_line_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(StoreFullError("no space\x1b"))) == ExitCode.UNAVAILABLE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["error: no space\\x1b", f"hint: {StoreFullError.hint}"]


def test_run__an_error_as_json__is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(DeploymentNotFoundError("clinic")), as_json=True) == ExitCode.NOT_FOUND
    said = json.loads(capsys.readouterr().err)
    assert (said["error"], "clinic" in said["message"], "deploy" in said["hint"]) == (
        "DeploymentNotFoundError",
        True,
        True,
    )


def test_run__an_error_verbosely__shows_where_it_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    run(raising(StoreFullError("full")), verbose=True)
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "program",
    [
        raising(KeyboardInterrupt()),
        raising(click.Abort(), KeyboardInterrupt()),
        lambda: click.prompt("what", prompt_suffix="?"),
    ],
    ids=["plain", "by click", "at a prompt"],
)
def test_run__stopped_from_the_keyboard__is_130(
    program: Callable[[], object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("click.termui.visible_prompt_func", raising_for_prompt(KeyboardInterrupt()))
    assert run(program) == ExitCode.INTERRUPTED == 130
    assert capsys.readouterr().err.strip() == "stopped"


@pytest.mark.parametrize("program", [raising(EOFError()), lambda: click.prompt("what")], ids=["plain", "at a prompt"])
def test_run__nobody_answers__is_1_and_says_so(
    program: Callable[[], object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("click.termui.visible_prompt_func", raising_for_prompt(EOFError()))
    assert run(program) == ExitCode.ERROR
    assert capsys.readouterr().err.strip() == "stopped: no answer was given"


def raising_for_prompt(error: BaseException) -> Callable[[str], str]:
    def ask(_question: str) -> str:
        raise error

    return ask


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), IsADirectoryError(21, "Is a directory")])
def test_run__a_file_fails__is_1_and_a_hint(error: OSError, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(error)) == ExitCode.ERROR
    said = capsys.readouterr().err
    assert "hint: check the files" in said
    assert "Traceback" not in said
