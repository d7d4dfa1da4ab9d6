"""What is done about a request is done once, wherever it is killed, when the command is given again.

given a home in which a patient has accepted a study, and a command in a process of its own
when the process is killed, at points spread over the steps that leave something on a disk, in the deep profile at each
of them, and the command is given again
├─ `request deliver` → delivered once, and what was delivered is read and confirmed
├─ `request decline` → declined once, and the patient can accept anew
├─ `request confirm` → paid once
├─ `request dispute` → disputed once
└─ `request cancel` → what nobody has reserved goes back once
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from homes import OBSERVATION, CommandLine, Home
from killing import Sweep
from studies import REWARD, write_study
from zygote import Zygote, running_zygote

from medshare.model.accreditation import AccreditationKind

pytestmark = [pytest.mark.e2e, pytest.mark.deep, pytest.mark.timeout(7_200)]

WHOSE = ("--patient", "patient")
DELIVER = ("deliver", *WHOSE, "--as", "hospital")


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with running_zygote(tmp_path_factory.mktemp("zygote")) as running:
        yield running


@pytest.fixture
def number(cli: CommandLine, tmp_path: Path) -> str:
    """A request that the patient has accepted."""
    cli.accredit("researcher", AccreditationKind.RESEARCHER)
    cli.accredit("clinic", AccreditationKind.ETHICS_COMMITTEE)
    opened = str(cli.json("request", "open", write_study(tmp_path), "--as", "researcher")["request"])
    cli.json("request", "approve", opened, "--as", "clinic")
    cli.json("request", "accept", opened, "--as", "patient", "--yes")
    return opened


def repeated(
    cli: CommandLine, zygote: Zygote, folder: Path, number: str, words: Sequence[str], event: str, *, few: int
) -> Iterator[Home]:
    """Yield homes in which a command was killed and given again: it is on chain once."""
    verb, *more = words
    command = ("request", verb, number, *more)
    sweep = Sweep(zygote=zygote, folder=folder, few=few)
    for killed in sweep.over(cli.home, lambda home: [*home.options, "--json", *command]):
        done = cli.json(*command, home=killed)
        assert done["request"] == int(number)
        assert cli.json(*command, home=killed)["already"]
        assert cli.json("audit", "verify", home=killed)["differences"] == []
        told = [row["event"] for row in cli.json("audit", "trail", *WHOSE, home=killed)]
        if event:
            assert told.count(event) == 1
        yield killed


def test_deliver__killed_anywhere_and_repeated__is_delivered_once(
    cli: CommandLine, zygote: Zygote, tmp_path: Path, number: str
) -> None:
    for killed in repeated(cli, zygote, tmp_path, number, DELIVER, "AccessDelivered", few=16):
        read = cli.fetched(cli.home.observation, "researcher", "--purpose", "BIORCH", home=killed)
        assert read == OBSERVATION
        cli.json("request", "confirm", number, *WHOSE, "--as", "researcher", home=killed)


def test_decline__killed_anywhere_and_repeated__is_declined_once(
    cli: CommandLine, zygote: Zygote, tmp_path: Path, number: str
) -> None:
    words = ("decline", *WHOSE, "--as", "hospital")
    for killed in repeated(cli, zygote, tmp_path, number, words, "DeliveryDeclined", few=12):
        cli.json("request", "accept", number, "--as", "patient", "--yes", home=killed)


def test_confirm__killed_anywhere_and_repeated__is_paid_once(
    cli: CommandLine, zygote: Zygote, tmp_path: Path, number: str
) -> None:
    cli.json("request", DELIVER[0], number, *DELIVER[1:])
    words = ("confirm", *WHOSE, "--as", "researcher")
    for killed in repeated(cli, zygote, tmp_path, number, words, "RewardPaid", few=12):
        (credit,) = cli.json("reward", "show", "--account", "patient", home=killed)
        assert credit["can_withdraw"] == 700_001


def test_dispute__killed_anywhere_and_repeated__is_disputed_once(
    cli: CommandLine, zygote: Zygote, tmp_path: Path, number: str
) -> None:
    cli.json("request", DELIVER[0], number, *DELIVER[1:])
    reason = tmp_path / "why.txt"
    reason.write_text("the values are empty")
    words = ("dispute", *WHOSE, "--reason-file", str(reason), "--as", "researcher")
    for killed in repeated(cli, zygote, tmp_path, number, words, "DeliveryDisputed", few=12):
        (part,) = cli.json("request", "show", number, home=killed)["parts"]
        assert part["state"] == "disputed"


def test_cancel__killed_anywhere_and_repeated__gives_back_once(
    cli: CommandLine, zygote: Zygote, tmp_path: Path, number: str
) -> None:
    for killed in repeated(cli, zygote, tmp_path, number, ("cancel", "--as", "researcher"), "", few=12):
        assert cli.json("reward", "account", number, home=killed)["returned"] == REWARD
