"""A whole study by scripts and commands alone, on the embedded chain and on anvil; see ``whole_study`` for its steps.

given three institutions that founded the consortium, 25 patients with keys and without coins, and a researcher
├─ the study runs from the vote to the delivered data set
├─ days pass: a delivery that nobody confirmed is released in time, and what nobody earned goes back
├─ everybody is paid out: money in = money out, to the wei, and nothing is left in the contract
└─ the grants end: nothing is fetched any more, and it says why
given a home as the demo leaves it
└─ the commands that the README shows to researchers work as they are written
"""

from __future__ import annotations

import functools
import importlib
import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import deploy
import fetch_dataset
import pytest
import request_access
from homes import Home
from nodes import running_anvil
from studies import DAY
from whole_study import HOSPITALS, INSTITUTIONS, OTHERS, Cohort, Place, WholeStudy, new_home, settle

from medshare import connect
from medshare.chain import open_chain
from medshare.cli import main
from medshare.files import private_folder
from medshare.session import make_home
from medshare.settings import Settings

pytestmark = pytest.mark.e2e

DEPLOYER = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # anvil's first account
COHORT = Cohort.of(approving=18, declining=4, asking=3)
PutForward = Callable[[int], None]
"""Lets days pass, counted from when the study began."""


@pytest.fixture(params=["embedded", pytest.param("anvil", marks=pytest.mark.anvil)])
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Place, PutForward]]:
    """A home on a chain that three institutions have founded, with people and records in it; and its clock."""
    path = tmp_path / "home"
    home, actors = new_home(path, (*INSTITUTIONS, *HOSPITALS, *OTHERS, *COHORT.patients), {})
    place = Place(home, capsysbinary, COHORT)
    members = json.dumps([home.addresses[name] for name in INSTITUTIONS])
    profile = f"[networks.{request.param}.deployment]\nmembers = {members}\n"
    if request.param == "embedded":
        (path / "networks.toml").write_text(profile)
        make_home(Settings(home=path))

        def put_forward(days: int) -> None:
            later = functools.partial(open_chain, clock=lambda: time.time() + days * DAY)
            monkeypatch.setattr("medshare.session.open_chain", later)

        settle(place, actors)
        yield place, put_forward
        return
    with running_anvil() as node:
        Settings(home=path, network="anvil").save()
        (path / "networks.toml").write_text(f'[networks.anvil]\nurl = "{node.url}"\n{profile}')
        monkeypatch.setenv("DEPLOYER_KEY", DEPLOYER)
        words = ["--network", "anvil", "--home", str(path), "--key-env", "DEPLOYER_KEY", "--yes"]
        assert deploy.main(words) == 0
        passed = 0

        def put_forward(days: int) -> None:
            nonlocal passed
            with connect(path) as session:
                session.chain.client.request("evm_increaseTime", (days - passed) * DAY)
                session.chain.client.request("evm_mine")
            passed = days

        settle(place, actors)
        yield place, put_forward


def test_study__from_the_vote_to_the_last_wei(place: tuple[Place, PutForward], tmp_path: Path) -> None:
    here, put_forward = place
    study = WholeStudy(here, tmp_path)
    study.govern()
    study.open()
    study.answer()
    study.deliver()
    study.confirm()
    study.fetch()

    # what nobody confirmed is released, what nobody earned goes back
    put_forward(15)
    here.cli.json("request", "release", study.number, "--patient", COHORT.unconfirmed, "--as", "relief")
    put_forward(21)
    assert "have the rest back" in here.run(request_access, *study.asking, "--wait", "--confirm")
    here.cli.json("request", "return-unearned", study.number, "--as", "relief")
    study.pay_out()
    assert here.held() == 0

    # the grants end
    put_forward(60)
    found = here.json(fetch_dataset, *study.fetching, code=3)
    assert {row["state"] for row in found["records"]} == {"expired", "revoked"}
    assert here.json(fetch_dataset, *study.fetching[:-1], tmp_path / "too-late", code=3)["records"] == []
    assert "expired" in here.run(fetch_dataset, *study.fetching, code=3)


# --------------------------------------------------------------------------------------------- the README's door


def commands_of_the_door() -> list[str]:
    """Return what the README tells researchers to type, what is written into files with its lines together."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    door = text[text.index("### Read for research") : text.index("## Where things are")]
    typed = "".join(re.findall(r"```sh\n(.*?)```", door, re.DOTALL))
    return [each for each in re.split(r"(cat > .*?\nEND\n)|\n", typed, flags=re.DOTALL) if each]


def test_readme__research_door__works_as_it_is_written(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The people of this home are called as those of the demo are."""
    private_folder(tmp_path / "here" / "medshare-demo")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("MEDSHARE_HOME", str(home.path))
    monkeypatch.setenv("MEDSHARE_PASSPHRASE_FILE", str(home.passphrase_file))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "y")
    in_time = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + 20 * DAY))
    for command in commands_of_the_door():
        if command.startswith("cat > "):
            first, *lines = command.splitlines()
            Path(first.split()[2]).write_text(re.sub(r"20\d\d-[-0-9T:]+Z", in_time, "\n".join(lines[:-1])))
            continue
        program, *words = shlex.split(command, comments=True)
        if program == "echo":
            Path(words[2]).write_text(words[0])
        elif program == "medshare":
            assert main(words) == 0, command
        else:
            assert program == "python"
            assert importlib.import_module(Path(words[0]).stem).main(words[1:]) == 0, command
    said = capsysbinary.readouterr().out.decode()
    assert "1 records in medshare-demo/dataset may be used" in said
    assert re.search(r"in - out - held +0\n", said)
    assert {path.name for path in Path("medshare-demo/dataset").iterdir()} == {home.observation, "dataset.json"}
    assert [path.name for path in Path().iterdir()] == ["medshare-demo"]
