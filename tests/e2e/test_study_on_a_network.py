"""The demo's path and the whole study on a consortium's own network, with nodes that are killed on the way.

given four validators that seal by Clique, three Kubo in a private swarm, contracts that ``deploy.py`` put there, and
homes that name three validators, an institution's Kubo as their store, and its two partners to keep two copies more
├─ the demo's path: a partner is killed between two publications, the validator that ``url`` names between sending and
│  receipt, one's own store in the middle of a large record: everything completes, and is what it is elsewhere
└─ the study from the vote to the last wei, as in ``whole_study``: a partner and the validator that ``url`` names are
   killed while patients answer, the researcher's own store while he fetches: everything completes
   ├─ what is deposited is what is paid out, given back, and still held, to the wei
   └─ a second study ends: its deadline comes in real time, the rest goes back, and its grants are over
when the nodes are back
└─ they catch up, and a repair has every record and bundle at both partners

A chain of real nodes cannot be put forward, and a delivery can be disputed for an hour at least: that one that nobody
confirms is released after that is left to ``test_whole_study``. Here its reward stays in the contract, and is counted.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import fetch_dataset
import pytest
import request_access
from figures import FIGURES
from heard import Heard, Said, listening
from homes import CommandLine
from nodes import ROOT, require
from studies import write_study
from whole_study import HOSPITALS, INSTITUTIONS, OTHERS, REWARD, Cohort, Place, WholeStudy, new_home, settle

from medshare import connect, demo
from medshare.chain import LocalSigner, deployment_file
from medshare.chain.opening import ETHER
from medshare.demo import IDENTITIES, LARGE_SIZE, example_records
from medshare.files import private_folder
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import MAX_TIME
from medshare.model.ids import address
from medshare.network.asking import account_in
from medshare.network.local import LocalNetwork
from medshare.network.local_making import MEMBERS_FILE, make_local
from medshare.network.members import MemberFile, member_text
from medshare.ports import Actor
from medshare.settings import NETWORKS_FILE, NodeSettings, ReplicationSettings, Settings, StoreKind, StoreSettings
from medshare.storage import KuboBlobStore

pytestmark = [pytest.mark.e2e, pytest.mark.kubo, pytest.mark.network, pytest.mark.timeout(600)]

VALIDATORS, STORAGE = 4, 3
MEMBERS = (*INSTITUTIONS, "east")
COHORT = Cohort.of(approving=5, declining=1, asking=1)
COPIES = 2
PATIENCE = 60.0
MOMENT = 15
"""Seconds that a short grant lasts: longer than its transaction takes to count while a validator is missing."""
SOON = 150
"""Seconds until the short study's deadline: longer than one patient needs for his part of it."""
BLOCK = 1 << 20


@dataclass
class Figures:
    """What is told of a run when it is over."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[what] = time.monotonic() - started

    def text(self) -> str:
        return ", ".join(f"{what} {seconds:.0f} s" for what, seconds in self.seconds.items())


@dataclass(frozen=True)
class Deployed:
    """A network with the contracts on it."""

    network: LocalNetwork
    home: Path
    """Whose home has the deployment."""
    figures: Figures


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The network, and the contracts that somebody without coins deployed by the script."""
    require("geth", "kubo")
    figures = Figures()
    folder = tmp_path_factory.mktemp("net")
    make_local(folder, validators=VALIDATORS, storage=STORAGE)
    members = MemberFile.load(folder / MEMBERS_FILE)
    # Gas is free; what a study deposits must be somebody's from the first block on.
    funded = replace(members, funds={members.institution("member-1").address: ETHER})
    (folder / MEMBERS_FILE).write_text(member_text(funded))
    with LocalNetwork(folder) as network:
        with figures.timed("start"):
            network.start()
        home = network.home("member-1")
        words = ("--network", network.members.name, "--home", str(home), "--key-env", "DEPLOYER_KEY", "--yes")
        with figures.timed("deploy"):
            subprocess.run(
                [sys.executable, str(ROOT / "scripts" / "deploy.py"), *words],
                env={**os.environ, "DEPLOYER_KEY": secrets.token_hex(32)},
                check=True,
                capture_output=True,
            )
        yield Deployed(network, home, figures)


@pytest.fixture
def network(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalNetwork]:
    """The network with all nodes running, before and after."""
    network = deployed.network
    for name in network.nodes:
        if "storage" in name:
            monkeypatch.setenv(variable(name), network.storage(name).token)
    yield network
    for name in network.nodes:
        network.resume(name)


@pytest.fixture
def heard() -> Iterator[Heard]:
    with listening() as heard:
        yield heard


def variable(node: str) -> str:
    """Return the environment variable with the token of a storage node."""
    return f"TOKEN_{node.upper().replace('-', '_')}"


def move_to(deployed: Deployed, home: Path, own: str) -> None:
    """Let a folder be a home on the network: several validators by their URLs, one's own Kubo, copies at the others."""
    network = deployed.network
    nodes = {name: network.storage(name) for name in network.nodes if "storage" in name}
    profile = (deployed.home / NETWORKS_FILE).read_text()
    urls = json.dumps([network.validator(name).address for name in ("validator-2", "validator-3")])
    (home / NETWORKS_FILE).write_text(profile.replace("\nchain_id", f"\nurls = {urls}\nchain_id"))
    name = network.members.name
    private_folder(deployment_file(home, name).parent)
    deployment_file(home, name).write_bytes(deployment_file(deployed.home, name).read_bytes())
    Settings(
        home=home,
        network=name,
        store=StoreSettings(kind=StoreKind.KUBO, address=nodes[own].address, token=variable(own)),
        replication=ReplicationSettings(
            copies=COPIES,
            nodes=tuple(
                NodeSettings(name=name, address=node.address, token=variable(name))
                for name, node in nodes.items()
                if name != own
            ),
        ),
    ).save()


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what}"
        time.sleep(0.1)


def running(network: LocalNetwork) -> dict[str, bool]:
    return {state.name: state.says == "running" for state in network.states()}


def caught_up(network: LocalNetwork, name: str) -> None:
    """Start a validator again, and wait until it has the blocks that another has."""
    network.resume(name)
    reached = network.validator("validator-4").asked.block_number()
    eventually(lambda: network.validator(name).asked.block_number() >= reached, f"{name} has caught up")


def repaired(cli: CommandLine) -> int:
    """Bring every record and bundle to as many copies as the settings want; return how many had to be made."""
    found = cli("--json", "storage", "status")
    assert not found.json["sound"]
    rows = cli.json("storage", "repair")
    assert all(row["done"] for row in rows)
    status = cli.json("storage", "status", "--deep")
    assert status["sound"]
    assert all(len(row["pinned_by"]) == COPIES for row in status["roots"])
    return sum(len(row["pinned_by_now"]) for row in rows)


def blocks_sealed(network: LocalNetwork, first: int, named: str) -> str:
    """Return how many blocks there are since the first, and by how many validators, in words."""
    asked = network.validator("validator-4").asked
    last = asked.block_number()
    sealers = Counter(account_in(asked.ask("clique_getSigner", hex(number))) for number in range(first, last + 1))
    by_it = sealers[network.validator(named).node.signer]
    return f"{last - first + 1} blocks sealed by {len(sealers)} validators, {by_it} by the one that was killed"


def killing_in_the_middle(
    monkeypatch: pytest.MonkeyPatch, number: int, kill: Callable[[], None], *, least: int = 0
) -> None:
    """Let a node be killed once stores have given ``number`` blocks of at least this size from now on."""
    read = KuboBlobStore.get
    seen = 0

    def get(store: KuboBlobStore, *words: Any) -> bytes:
        nonlocal seen
        found = read(store, *words)
        seen += len(found) >= least
        if seen == number:
            monkeypatch.setattr(KuboBlobStore, "get", read)
            kill()
        return found

    monkeypatch.setattr(KuboBlobStore, "get", get)


def test_demo__nodes_killed_on_the_way__completes(
    deployed: Deployed,
    network: LocalNetwork,
    heard: Heard,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
    record_property: Callable[[str, object], None],
) -> None:
    own, partner, named = "storage-1", "storage-3", "validator-1"
    figures = Figures()
    first = network.validator("validator-4").asked.block_number() + 1
    home, actors = new_home(tmp_path / "home", IDENTITIES, {})
    move_to(deployed, home.path, own)

    def say(line: str) -> None:
        if line.startswith("The doctor fetches"):
            assert [name for name, runs in running(network).items() if not runs] == [named, partner]
            killing_in_the_middle(monkeypatch, 9, lambda: network.kill(own), least=BLOCK)
        if line.startswith("A stranger asks"):
            assert not running(network)[own]
            network.resume(own)
            caught_up(network, named)

    with connect(home.path) as session:

        def publish_key(actor: Actor) -> None:
            session.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)

        with ThreadPoolExecutor(len(actors)) as pool:
            list(pool.map(publish_key, actors.values()))
        member = network.account("member-1")
        session.ledger.accreditation.accredit(member, actors["hospital"].address, AccreditationKind.CUSTODIAN, MAX_TIME)
        heard.at(Said.SENT, 5, lambda: network.kill(partner))
        heard.at(Said.SENT, 11, lambda: network.kill(named))
        with figures.timed("the demo's path"):
            outcome = demo.show(session, actors, tmp_path, say, moment=MOMENT)
    assert outcome.bytes_verified == LARGE_SIZE + sum(len(document) for _, document in example_records())
    assert outcome.refused == {"stranger": "no-grant", "researcher": "expired", "specialist": "revoked"}
    assert (outcome.records, outcome.events, outcome.packet_bytes) == (13, 13 + 4, 124)

    network.resume(partner)
    with figures.timed("repair"):
        copies = repaired(CommandLine(home, capsysbinary))
    assert copies >= 13 - 5
    tell(record_property, deployed, network, heard, figures, first=first, named=named, copies=copies)


def test_study__nodes_killed_on_the_way__completes_to_the_last_wei(
    deployed: Deployed,
    network: LocalNetwork,
    heard: Heard,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
    record_property: Callable[[str, object], None],
) -> None:
    own, partner, named = "storage-2", "storage-3", "validator-1"
    figures = Figures()
    first = network.validator("validator-4").asked.block_number() + 1
    signers = {name: network.account(f"member-{number}") for number, name in enumerate(MEMBERS, 1)}
    home, actors = new_home(tmp_path / "home", (*MEMBERS, *HOSPITALS, *OTHERS, *COHORT.patients), signers)
    move_to(deployed, home.path, own)
    place = Place(
        home,
        capsysbinary,
        COHORT,
        members=MEMBERS,
        at_once=len(MEMBERS) + len(HOSPITALS) + len(OTHERS),
        paid=(),
        warnings=r"is pinned by 1 of 2 storage nodes: storage-3: ",
    )
    study = WholeStudy(place, tmp_path)
    with figures.timed("settling"):
        with connect(home.path) as session:
            session.chain.sender.send(signers["north"], to=address(home.addresses["researcher"]), value=100 * REWARD)
        settle(place, actors)
    with figures.timed("the study"):
        study.govern()
        short = ShortStudy(place, private_folder(tmp_path / "short"))
        short.begin()
        study.open()
        heard.at(Said.SENT, 2, lambda: network.kill(partner))
        heard.at(Said.SENT, 3, lambda: network.kill(named))
        study.answer()
        study.deliver()
        assert [name for name, runs in running(network).items() if not runs] == [named, partner]
        caught_up(network, named)
        study.confirm()
        killing_in_the_middle(monkeypatch, 9, lambda: network.kill(own))
        study.fetched()
        assert not running(network)[own]
        network.resume(own)
        study.fetch()

        # An hour must pass until what nobody confirmed is released: here it stays in the contract.
        about = (study.number, "--patient", COHORT.unconfirmed, "--as", "relief")
        refused = place.cli("--json", "request", "release", *about)
        assert refused.error["error"] == "RequestTooEarlyError"
        place.cli.json("request", "cancel", study.number, "--as", "researcher")
        study.pay_out(held=[COHORT.unconfirmed], reserved=[COHORT.early], before=short.earned)
        assert place.held() == 2 * REWARD + short.unearned
        short.end()
        assert place.held() == 2 * REWARD

    network.resume(partner)
    with figures.timed("repair"):
        copies = repaired(place.cli)
    assert copies > 0
    tell(record_property, deployed, network, heard, figures, first=first, named=named, copies=copies)


class ShortStudy:
    """A study for two whom it names, one of whom takes part; its deadline comes soon, and with it the grants end."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.folder = folder
        self.patient, self.silent = COHORT.approving[3], "relief"

    @property
    def earned(self) -> dict[str, int]:
        """What the others have earned by it."""
        custodian, consortium = REWARD * 25 // 100, REWARD * 15 // 100
        return {
            self.patient: REWARD - custodian - consortium,
            COHORT.hospital(self.patient): custodian,
            "consortium": consortium,
        }

    @property
    def unearned(self) -> int:
        return REWARD

    def begin(self) -> None:
        """One patient accepts, is delivered and paid."""
        self.deadline = int(time.time()) + SOON
        study = write_study(
            private_folder(self.folder / "studies"),
            wanted={"effect": "permit", "purposes": ["BIORCH"], "categories": ["laboratory"]},
            deadline=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.deadline)),
            access_days=0,
            reward=REWARD,
        )
        named = ("--patient", self.patient, "--patient", self.silent)
        self.asking = (study, *named, "--as", "researcher", "--yes")
        self.number = self.place.json(request_access, *self.asking)["request"]
        self.fetching = (self.number, "--as", "researcher", "--to", self.folder / "dataset")
        self.place.cli.json("request", "accept", self.number, "--as", self.patient, "--yes")
        about = (self.number, "--patient", self.patient)
        self.place.cli.json("request", "deliver", *about, "--as", COHORT.hospital(self.patient))
        assert self.place.json(request_access, *self.asking, "--confirm")["paid"] == 1
        found = self.place.json(fetch_dataset, *self.fetching)
        assert [row["record"] for row in found["records"]] == [self.place.records[self.patient]]

    def end(self) -> None:
        """The deadline comes: what is left goes back, and the grant is over."""
        said = self.place.run(request_access, *self.asking, "--wait", "--every", 1)
        assert time.time() >= self.deadline
        assert "have the rest back" in said
        self.place.cli.json("request", "return-unearned", self.number, "--as", "relief")
        payee = LocalSigner.generate().address
        self.place.cli.json("reward", "withdraw", "--as", "researcher", "--to", payee)
        assert self.place.balances([payee]) == [self.unearned]
        found = self.place.json(fetch_dataset, *self.fetching, code=3)
        assert [row["state"] for row in found["records"]] == ["expired"]


def tell(
    record_property: Callable[[str, object], None],
    deployed: Deployed,
    network: LocalNetwork,
    heard: Heard,
    figures: Figures,
    *,
    first: int,
    named: str,
    copies: int,
) -> None:
    """Have the figures of a run told at the end; there must be some."""
    assert heard.counts[Said.NODE_CHANGED]
    assert heard.counts[Said.STORE_CHANGED]
    for line in (
        f"{deployed.figures.text()}; {figures.text()}",
        f"{blocks_sealed(network, first, named)}; {heard.counts[Said.SENT]} transactions sent",
        f"retries: {heard.retries()}; {copies} copies made by the repair",
    ):
        record_property(FIGURES, line)
