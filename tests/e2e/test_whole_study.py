"""A whole study by scripts and commands alone, on the embedded chain and on anvil.

given three institutions that founded the consortium, 25 patients with keys and without coins, and a researcher
├─ each institution accredits its own; together they vote how rewards are divided
├─ the researcher asks, an ethics committee approves, patients answer by their policies: accepted, declined, asked
├─ one revokes before he is delivered and earns nothing; one revokes after it, and keeps what he earned
├─ deliveries are confirmed; one is disputed, and decided by vote; one that nobody confirmed is released in time
├─ everybody is paid out, the rest goes back: money in = money out, to the wei, as the report's table says
└─ the data set holds exactly what is permitted and verifies; revoked or expired, nothing is fetched, and it says why
given a home as the demo leaves it
└─ the commands that the README shows to researchers work as they are written
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import re
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import approve_requests
import deploy
import fetch_dataset
import pytest
import request_access
import study_report
from homes import PASSPHRASE, CommandLine, Home, make_identity
from nodes import running_anvil
from studies import DAY, write_study

from medshare import connect
from medshare.chain import LocalSigner, open_chain
from medshare.cli import main
from medshare.files import private_folder
from medshare.model.ids import Address
from medshare.model.record import Category
from medshare.ports import Actor
from medshare.services.paid import Paying
from medshare.services.publishing import Description
from medshare.session import make_home
from medshare.settings import Settings

pytestmark = pytest.mark.e2e

DEPLOYER = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # anvil's first account
INSTITUTIONS = ("north", "south", "west")
HOSPITALS = ("north_hospital", "south_hospital", "west_hospital")
OTHERS = ("researcher", "committee", "relief")
PATIENTS = tuple(f"p{number:02d}" for number in range(1, 26))
APPROVING, DECLINING, ASKING = PATIENTS[:18], PATIENTS[18:22], PATIENTS[22:]
DISPUTED, UNCONFIRMED, LEAVING, EARLY, BY_HAND = "p01", "p02", "p03", "p18", "p23"
DELIVERED = (*PATIENTS[:17], BY_HAND)
PLACES, REWARD = 25, 1_000_003
PAID = ("--paid-by", "relief", "--yes")


@dataclass
class Place:
    """Where the study happens."""

    home: Home
    put_forward: Callable[[int], None]
    """Lets days pass, from when the study began."""
    captured: pytest.CaptureFixture[bytes]
    records: dict[str, str] = field(default_factory=dict)
    """The laboratory record of each patient."""

    def __post_init__(self) -> None:
        self.cli = CommandLine(self.home, self.captured)

    def run(self, script: Any, *words: object, code: int = 0) -> str:
        """Run a script; return what it prints."""
        self.captured.readouterr()
        found = script.main([*(str(word) for word in words), *self.home.options])
        said = self.captured.readouterr()
        assert found == code, (said.out.decode(), said.err.decode())
        return said.out.decode()

    def json(self, script: Any, *words: object, code: int = 0) -> Any:
        return json.loads(self.run(script, *words, "--json", code=code))

    def vote(self, why: Path, proposer: str, other: str, *words: object) -> None:
        """Have two of the three members decide something."""
        number = self.cli.json("consortium", "propose", *words, "--reason-file", why, "--as", proposer)["proposal"]
        self.cli.json("consortium", "vote", number, "--as", other, "--yes")
        assert self.cli.json("consortium", "execute", number, "--as", "relief")["state"] == "executed"

    def balances(self, accounts: Sequence[Address]) -> list[int]:
        with connect(self.home.path) as session:
            return [session.chain.client.balance(account) for account in accounts]


@pytest.fixture(params=["embedded", pytest.param("anvil", marks=pytest.mark.anvil)])
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    """A home on a chain that three institutions have founded, with people and records in it."""
    path = private_folder(tmp_path / "home")
    (path / "passphrase").write_text(PASSPHRASE)
    (path / "passphrase").chmod(0o600)
    actors = {name: make_identity(path, name) for name in (*INSTITUTIONS, *HOSPITALS, *OTHERS, *PATIENTS)}
    home = Home(path=path, addresses={name: actor.address for name, actor in actors.items()})
    members = json.dumps([actors[name].address for name in INSTITUTIONS])
    profile = f"[networks.{request.param}.deployment]\nmembers = {members}\n"
    if request.param == "embedded":
        (path / "networks.toml").write_text(profile)
        make_home(Settings(home=path))

        def put_forward(days: int) -> None:
            later = functools.partial(open_chain, clock=lambda: time.time() + days * DAY)
            monkeypatch.setattr("medshare.session.open_chain", later)

        yield settled(Place(home, put_forward, capsysbinary), actors)
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

        yield settled(Place(home, put_forward, capsysbinary), actors)


def settled(place: Place, actors: dict[str, Actor]) -> Place:
    """Publish everybody's key, and a laboratory record of each patient; of every fifth a scan, too."""
    paying = Paying(payer=actors["relief"].signer, confirm=lambda _: True, names=lambda _: None)
    with connect(place.home.path) as session:
        for name in (*INSTITUTIONS, *HOSPITALS, *OTHERS):
            session.chain.fund(actors[name].address)
            session.ledger.directory.set_encryption_key(actors[name].signer, actors[name].identity.recipient.key)
    with connect(place.home.path, paying=paying) as session:
        for name in PATIENTS:
            session.ledger.directory.set_encryption_key(actors[name].signer, actors[name].identity.recipient.key)
    for member, hospital in zip(INSTITUTIONS, HOSPITALS, strict=True):
        accredit(place, hospital, "custodian", member)
    with connect(place.home.path) as session:
        for number, name in enumerate(PATIENTS):
            kinds = (Category.LABORATORY, Category.IMAGING) if number % 5 == 0 else (Category.LABORATORY,)
            laboratory, *_ = (
                session.publishing.publish(
                    content_of(name, kind),
                    custodian=actors[HOSPITALS[number % 3]],
                    patient=actors[name].address,
                    description=Description(media_type="application/fhir+json", category=kind),
                )
                for kind in kinds
            )
            place.records[name] = laboratory.record_id.hex()
    return place


def content_of(name: str, kind: Category) -> bytes:
    return json.dumps({"resourceType": "Observation", "subject": name, "code": kind.value}).encode()


def accredit(place: Place, who: str, kind: str, member: str) -> None:
    place.cli.json("consortium", "accredit", who, "--kind", kind, "--until", "700d", "--as", member)


def hospital_of(name: str) -> str:
    return HOSPITALS[PATIENTS.index(name) % 3]


def answered(place: Place, policy: Path, names: Sequence[str]) -> list[str]:
    """Answer for these patients by a policy; return what was done."""
    signatories = [word for name in names for word in ("--as", name)]
    rows = place.json(approve_requests, "--policy", policy, *signatories, "--paid-by", "relief")
    return [row["done"].split(":")[0] for row in rows]


def test_study__from_the_vote_to_the_last_wei(place: Place, tmp_path: Path) -> None:
    cli, why = place.cli, tmp_path / "why.txt"
    why.write_text("As we agreed.")

    # institutions govern together, and answer for their own
    accredit(place, "researcher", "researcher", "north")
    accredit(place, "committee", "ethics-committee", "south")
    split = ("split", "--category", "non-profit", "--patient", 60, "--custodian", 25)
    place.vote(why, "north", "south", *split)

    # a study is opened and approved
    folder = private_folder(tmp_path / "studies")
    wanted = {
        "effect": "permit",
        "purposes": ["BIORCH"],
        "categories": ["laboratory"],
        "obligations": [{"duty": "NORELINK"}],
    }
    study = write_study(folder, wanted=wanted, grants=PLACES, reward=REWARD)
    asking = (study, "--as", "researcher", "--yes")
    number = place.json(request_access, *asking)["request"]
    cli.json("request", "approve", number, "--as", "committee")

    # patients answer
    rules = {
        "approve": 'data_use = { permission = "HMB" }\n[[rules]]\nanswer = "approve"\nduo = ["allowed"]\n'
        f'accredited_by = ["{place.home.addresses["north"]}"]\nlabels = []\nreward_at_least = 600000\n',
        "decline": f'[[rules]]\nanswer = "decline"\nreward_below = {10**18}\n',
        "ask": "",
    }
    for name, text in rules.items():
        (tmp_path / name).write_text(f"version = 1\n{text}")
    assert answered(place, tmp_path / "approve", APPROVING) == ["accepted"] * len(APPROVING)
    assert answered(place, tmp_path / "decline", DECLINING) == ["declined"] * len(DECLINING)
    assert answered(place, tmp_path / "ask", ASKING) == ["waits for an answer"] * len(ASKING)
    cli.json("request", "accept", number, "--as", BY_HAND, *PAID)
    assert answered(place, tmp_path / "approve", APPROVING[:2]) == []

    # one revokes before he is delivered: nobody can deliver him
    grants = {row["patient"]: row["grant"] for row in place.json(study_report, number)["participants"]}
    revoke = functools.partial(cli.json, "access", "revoke")
    revoke(grants[place.home.addresses[EARLY]], "--as", EARLY, *PAID)
    deliver = ("request", "deliver", number, "--patient")
    refused = cli("--json", *deliver, EARLY, "--as", hospital_of(EARLY))
    assert (refused.code, refused.error["error"]) == (3, "GrantNotLiveError")

    # delivered, confirmed, disputed, decided
    for name in DELIVERED:
        if name != UNCONFIRMED:
            cli.json(*deliver, name, "--as", hospital_of(name))
    cli.json("request", "dispute", number, "--patient", DISPUTED, "--reason-file", why, "--as", "researcher")
    progress = place.json(request_access, *asking, "--confirm")
    assert (progress["accepted"], progress["paid"], progress["disputed"], progress["to_be_delivered"]) == (19, 16, 1, 2)
    place.vote(why, "west", "north", "decide", number, "--patient", DISPUTED, "--return")
    cli.json(*deliver, UNCONFIRMED, "--as", hospital_of(UNCONFIRMED))

    # the data set is what is permitted, verified, until it is no more
    dataset = tmp_path / "dataset"
    fetching = (number, "--as", "researcher", "--to", dataset)
    assert obtained(place.json(fetch_dataset, *fetching), dataset) == {place.records[name] for name in DELIVERED}
    for name in DELIVERED:
        content = (dataset / place.records[name]).read_bytes()
        assert content == content_of(name, Category.LABORATORY)
    revoke(grants[place.home.addresses[LEAVING]], "--as", LEAVING, *PAID)
    said = place.run(fetch_dataset, *fetching)
    assert f"{dataset / place.records[LEAVING]}: revoked 20" in said
    assert f"{place.home.addresses[LEAVING]}: revoked 20" in said
    staying = {place.records[name] for name in DELIVERED if name != LEAVING}
    assert obtained(place.json(fetch_dataset, *fetching), dataset) == staying
    other = tmp_path / "later"
    assert obtained(place.json(fetch_dataset, *fetching[:-1], other), other) == staying

    # what nobody confirmed is released, what nobody earned goes back
    place.put_forward(15)
    cli.json("request", "release", number, "--patient", UNCONFIRMED, "--as", "relief")
    place.put_forward(21)
    assert "have the rest back" in place.run(request_access, *asking, "--wait", "--confirm")
    cli.json("request", "return-unearned", number, "--as", "relief")

    # everybody withdraws, to where nobody has been before
    paid = [name for name in DELIVERED if name != DISPUTED]
    payees = {name: LocalSigner.generate().address for name in (*paid, *HOSPITALS, "researcher", "consortium")}
    for name in paid:
        cli.json("reward", "withdraw", "--as", name, "--to", payees[name], *PAID)
    for name in (*HOSPITALS, "researcher"):
        cli.json("reward", "withdraw", "--as", name, "--to", payees[name])
    place.vote(why, "south", "west", "withdraw-treasury", "--to", payees["consortium"])
    check_money(place, number, payees, paid)

    # the grants end
    place.put_forward(60)
    found = place.json(fetch_dataset, *fetching, code=3)
    assert {row["state"] for row in found["records"]} == {"expired", "revoked"}
    assert place.json(fetch_dataset, *fetching[:-1], tmp_path / "too-late", code=3)["records"] == []
    assert "expired" in place.run(fetch_dataset, *fetching, code=3)


def obtained(document: dict[str, Any], folder: Path) -> set[str]:
    """Return which records a data set says may be used; each is there, and has the digest that it says."""
    usable = {row["record"]: row for row in document["records"] if row["state"] == "granted"}
    for record, row in usable.items():
        assert hashlib.sha256((folder / record).read_bytes()).hexdigest() == row["sha256"]
    assert document["refused"] == []
    return set(usable)


def check_money(place: Place, number: int, payees: dict[str, Address], paid: Sequence[str]) -> None:
    """Compare the report, its table, and what arrived: nothing is lost, and nothing is left."""
    to_custodian, to_consortium = REWARD * 25 // 100, REWARD * 15 // 100
    to_patient = REWARD - to_custodian - to_consortium
    assert to_patient > REWARD * 60 // 100  # rounding is the patient's gain
    arrived = dict(zip(payees, place.balances(list(payees.values())), strict=True))
    assert {arrived[name] for name in paid} == {to_patient}
    for hospital in HOSPITALS:
        assert arrived[hospital] == to_custodian * sum(hospital_of(name) == hospital for name in paid)
    assert arrived["consortium"] == to_consortium * len(paid)
    assert arrived["researcher"] == REWARD * (PLACES - len(paid))
    assert sum(arrived.values()) == REWARD * PLACES
    with connect(place.home.path) as session:
        assert session.chain.client.balance(session.ledger.requests.address) == 0

    money = place.json(study_report, number)["money"]
    assert money == {
        "deposited": REWARD * PLACES,
        "to_patients": sum(arrived[name] for name in paid),
        "to_custodians": sum(arrived[name] for name in HOSPITALS),
        "to_consortium": arrived["consortium"],
        "spent": REWARD * len(paid),
        "refunded": arrived["researcher"],
        "held_for_deliveries": 0,
        "reserved": 0,
        "free": 0,
    }
    table = place.run(study_report, number)
    print(table)
    shown = {
        line.split("  ")[0] if line.startswith("in -") else line: int(line.split()[-1].replace(",", ""))
        for line in (line.strip() for line in table.splitlines())
        if re.match(r"(in|out|spent|refunded|held|reserved|free)\b.* [\d,]+$", line)
    }
    assert shown["in - out - held"] == 0
    assert sum(shown.values()) == 2 * REWARD * PLACES  # once in, once out


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
    monkeypatch.chdir(private_folder(tmp_path / "here"))
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
    assert "1 records in dataset may be used" in said
    assert re.search(r"in - out - held +0\n", said)
    assert {path.name for path in Path("dataset").iterdir()} == {home.observation, "dataset.json"}
