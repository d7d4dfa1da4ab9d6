"""How the command line starts: without what a command does not need, and stopped at any moment without a traceback.

given a process of its own
├─ what needs no chain imports no chain
└─ stopped from the keyboard, or left by who reads its output: no traceback
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from homes import CommandLine, Home

from medshare.cli import main

pytestmark = pytest.mark.integration

LOADED = """
import json, sys
from medshare.cli import main
code = main(json.loads(sys.argv[1]))
print(json.dumps([code, sorted({name.split(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words",
    [
        ["--version"],
        ["--help"],
        ["record", "publish", "--help"],
        ["access", "grant", "--help"],
        ["identity", "list"],
        ["storage", "pins"],
        ["record", "nonsense"],
    ],
    ids=" ".join,
)
def test_start__of_what_needs_no_chain__imports_none(home: Home, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps([*home.options, *words])], capture_output=True, check=True, timeout=60
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == (2 if "nonsense" in words else 0)
    assert {"click", "medshare"} <= set(modules)
    assert not {"web3", "eth_account", "eth", "eth_tester"} & set(modules)


def test_start__stopped_from_the_keyboard_while_it_is_read__is_130_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Stop:
        def find_spec(self, name: str, *_more: object) -> None:
            if name == "medshare.cli.root":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "medshare.cli.root", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Stop(), *sys.meta_path])
    assert main(["--version"]) == 130
    assert capsys.readouterr().err == "stopped\n"


@pytest.mark.parametrize(
    "words", [["--help"], ["record", "list", "--patient", "patient"], ["--json", "identity", "list"]]
)
def test_output__closed_before_it_is_written__ends_quietly(cli: CommandLine, words: list[str]) -> None:
    program = [sys.executable, "-m", "medshare", *cli.home.options, *words]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(60) == 1
    assert said == b""
