"""The demo's path and the whole study on a consortium's own network, with nodes that are killed on the way.

given four validators that seal by Clique, three Kubo in a private swarm, contracts that ``deploy.py`` put there, and
homes that name three validators, an institution's Kubo as their store, and its two partners to keep two copies more
├─ the demo's path: a partner is killed between two publications, the validator that ``url`` names between sending and
│  receipt, one's own store in the middle of a large record: everything completes, and is what it is elsewhere
└─ the study from the vote to the last wei, as in ``whole_study``: a partner and the validator that ``url`` names are
   killed while patients answer, the researcher's own store while he fetches: everything completes
   ├─ what is deposited is what is paid out, given back, and still held, to the wei
   └─ a second study ends: its deadline comes in real time, the rest goes back, and its grant is over
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
COHORT = Cohort.of(approving=5, declining=2, asking=1)
RECORDS = 13
DEPOSITS = 20 * REWARD
PATIENCE = 60.0
MOMENT = 20
"""Seconds that a short grant lasts: longer than its transaction takes to count while a validator is missing."""
SOON = 150
"""Seconds until the short study's deadline: longer than one patient needs for his part of it."""
BLOCK = 1 << 20


@dataclass
class Seconds:
    """How long what took."""

    taken: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.taken[what] = time.monotonic() - started

    def __str__(self) -> str:
        return ", ".join(f"{what} {seconds:.0f} s" for what, seconds in self.taken.items())


@dataclass(frozen=True)
class Deployed:
    """A network with the contracts on it."""

    network: LocalNetwork
    home: Path
    """Whose home has the deployment."""
    seconds: Seconds


@pytest.fixture(scope="module")
def deployed(disk: Path) -> Iterator[Deployed]:
    """The network, and the contracts that somebody without coins deployed by the script."""
    require("geth", "kubo")
    seconds = Seconds()
    folder = disk / "net"
    make_local(folder, validators=VALIDATORS, storage=STORAGE)
    members = MemberFile.load(folder / MEMBERS_FILE)
    # Gas is free; what a study deposits must be somebody's from the first block on.
    funded = replace(members, funds={members.institution("member-1").address: ETHER})
    (folder / MEMBERS_FILE).write_text(member_text(funded))
    with LocalNetwork(folder) as network:
        with seconds.timed("start"):
            network.start()
        home = network.home("member-1")
        words = ("--network", members.name, "--home", str(home), "--key-env", "DEPLOYER_KEY", "--yes")
        with seconds.timed("deploying"):
            subprocess.run(
                [sys.executable, str(ROOT / "scripts" / "deploy.py"), *words],
                env={**os.environ, "DEPLOYER_KEY": secrets.token_hex(32)},
                check=True,
                capture_output=True,
            )
        yield Deployed(network, home, seconds)


@dataclass
class Drill:
    """A run on the network, with all that befalls it."""

    deployed: Deployed
    heard: Heard
    seconds: Seconds
    first: int
    """Its first block."""

    named = "validator-1"
    """The validator that is killed: the one that ``url`` names."""
    partner = "storage-3"
    """The partner's storage node that is killed."""

    @property
    def network(self) -> LocalNetwork:
        return self.deployed.network

    def move(self, home: Path, own: str) -> None:
        """Let a folder be a home on the network: validators by their URLs, one's own Kubo, copies at the others."""
        nodes = {name: self.network.storage(name) for name in self.network.nodes if "storage" in name}
        urls = json.dumps([self.network.validator(name).address for name in ("validator-2", "validator-3")])
        profile = (self.deployed.home / NETWORKS_FILE).read_text()
        (home / NETWORKS_FILE).write_text(profile.replace("\nchain_id", f"\nurls = {urls}\nchain_id"))
        name = self.network.members.name
        private_folder(deployment_file(home, name).parent)
        deployment_file(home, name).write_bytes(deployment_file(self.deployed.home, name).read_bytes())
        partners = tuple(
            NodeSettings(name=name, address=node.address, token=variable(name))
            for name, node in nodes.items()
            if name != own
        )
        Settings(
            home=home,
            network=name,
            store=StoreSettings(kind=StoreKind.KUBO, address=nodes[own].address, token=variable(own)),
            replication=ReplicationSettings(copies=len(partners), nodes=partners),
        ).save()

    def kill_at(self, transaction: int, node: str) -> None:
        """Let a node be killed when the ``transaction``-th from now on is sent, and its receipt not there yet."""
        self.heard.at(Said.SENT, transaction, lambda: self.network.kill(node))

    def kill_in_the_middle(self, patched: pytest.MonkeyPatch, blocks: int, node: str, *, least: int = 0) -> None:
        """Let a node be killed when stores have given so many blocks of at least this size from now on."""
        read = KuboBlobStore.get
        seen = 0

        def get(store: KuboBlobStore, *words: Any) -> bytes:
            nonlocal seen
            found = read(store, *words)
            seen += len(found) >= least
            if seen == blocks:
                patched.setattr(KuboBlobStore, "get", read)
                self.network.kill(node)
            return found

        patched.setattr(KuboBlobStore, "get", get)

    def down(self) -> list[str]:
        """Return which nodes do not run."""
        return [state.name for state in self.network.states() if state.says != "running"]

    def mend(self, cli: CommandLine) -> int:
        """Start the nodes that were killed, wait until the validator has caught up, and have a repair; return copies.

        Afterwards everything is kept by as many partners as the settings say.
        """
        assert self.down() == [self.named, self.partner]
        with self.seconds.timed("catching up"):
            self.network.resume(self.named)
            reached = self._block("validator-4")
            deadline = time.monotonic() + PATIENCE
            while self._block(self.named) < reached:
                assert time.monotonic() < deadline, f"it has not caught up within {PATIENCE:.0f} s"
                time.sleep(0.1)
            self.network.resume(self.partner)
        with self.seconds.timed("repair"):
            assert not cli("--json", "storage", "status").json["sound"]
            rows = cli.json("storage", "repair")
        assert all(row["done"] for row in rows)
        status = cli.json("storage", "status", "--deep")
        assert status["sound"]
        assert {len(row["pinned_by"]) for row in status["roots"]} == {STORAGE - 1}
        return sum(len(row["pinned_by_now"]) for row in rows)

    def figures(self, copies: int) -> Iterator[str]:
        """Yield what is told of the run at the end, line by line."""
        asked = self.network.validator("validator-4").asked
        numbers = range(self.first, self._block("validator-4") + 1)
        sealers = Counter(account_in(asked.ask("clique_getSigner", hex(number))) for number in numbers)
        by_it = sealers[self.network.validator(self.named).node.signer]
        yield f"{self.deployed.seconds}, {self.seconds}"
        yield f"{len(numbers)} blocks sealed by {len(sealers)} validators, {by_it} by the one that was killed"
        yield f"{self.heard.counts[Said.SENT]} transactions; {self.heard.retries()}; {copies} copies repaired"

    def _block(self, name: str) -> int:
        return self.network.validator(name).asked.block_number()


@pytest.fixture
def drill(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drill]:
    """The network with all nodes running, before and after."""
    network = deployed.network
    for name in network.nodes:
        if "storage" in name:
            monkeypatch.setenv(variable(name), network.storage(name).token)
    with listening() as heard:
        yield Drill(deployed, heard, Seconds(), network.validator("validator-4").asked.block_number() + 1)
    for name in network.nodes:
        network.resume(name)


def variable(node: str) -> str:
    """Return the environment variable with the token of a storage node."""
    return f"TOKEN_{node.upper().replace('-', '_')}"


def test_demo__nodes_killed_on_the_way__completes(
    drill: Drill,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
    record_property: Callable[[str, object], None],
) -> None:
    own = "storage-1"
    home, actors = new_home(tmp_path / "home", IDENTITIES, {})
    drill.move(home.path, own)

    def say(line: str) -> None:
        if line.startswith("The doctor fetches"):
            drill.kill_in_the_middle(monkeypatch, 9, own, least=BLOCK)
        if line.startswith("A stranger asks"):
            assert drill.down() == [drill.named, own, drill.partner]
            drill.network.resume(own)

    with connect(home.path) as session:

        def publish_key(actor: Actor) -> None:
            session.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)

        with ThreadPoolExecutor(len(actors)) as pool:
            list(pool.map(publish_key, actors.values()))
        member = drill.network.account("member-1")
        session.ledger.accreditation.accredit(member, actors["hospital"].address, AccreditationKind.CUSTODIAN, MAX_TIME)
        drill.kill_at(5, drill.partner)
        drill.kill_at(11, drill.named)
        with drill.seconds.timed("the demo's path"):
            outcome = demo.show(session, actors, tmp_path, say, moment=MOMENT)
    assert outcome.bytes_verified == LARGE_SIZE + sum(len(document) for _, document in example_records())
    assert outcome.refused == {"stranger": "no-grant", "researcher": "expired", "specialist": "revoked"}
    assert (outcome.records, outcome.events, outcome.packet_bytes) == (RECORDS, RECORDS + 4, 124)

    copies = drill.mend(CommandLine(home, capsysbinary))
    assert copies > RECORDS - 5
    assert drill.heard.counts[Said.NODE_CHANGED]
    assert drill.heard.counts[Said.STORE_CHANGED]
    for line in drill.figures(copies):
        record_property(FIGURES, line)


def test_study__nodes_killed_on_the_way__completes_to_the_last_wei(
    drill: Drill,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
    record_property: Callable[[str, object], None],
) -> None:
    own = "storage-2"
    signers = {name: drill.network.account(f"member-{number}") for number, name in enumerate(MEMBERS, 1)}
    home, actors = new_home(tmp_path / "home", (*MEMBERS, *HOSPITALS, *OTHERS, *COHORT.patients), signers)
    drill.move(home.path, own)
    place = Place(
        home,
        capsysbinary,
        COHORT,
        members=MEMBERS,
        at_once=len(actors),
        paid=(),
        warnings=f"is pinned by 1 of 2 storage nodes: {drill.partner}: ",
    )
    study = WholeStudy(place, tmp_path)
    with drill.seconds.timed("settling"):
        with connect(home.path) as session:
            session.chain.sender.send(signers["north"], to=actors["researcher"].address, value=DEPOSITS)
        settle(place, actors)
    with drill.seconds.timed("the study"):
        study.govern()
        short = ShortStudy(place, private_folder(tmp_path / "short"))
        short.begin()
        study.open()
        drill.kill_at(2, drill.partner)
        drill.kill_at(3, drill.named)
        study.answer()
        study.deliver()
        study.confirm()
        drill.kill_in_the_middle(monkeypatch, 9, own)
        study.fetched()
        assert drill.down() == [drill.named, own, drill.partner]
        drill.network.resume(own)
        study.fetch()

        # It is released an hour after it was delivered, and stays in the contract until then.
        about = (study.number, "--patient", COHORT.unconfirmed, "--as", "relief")
        assert place.cli("--json", "request", "release", *about).error["error"] == "RequestTooEarlyError"
        place.cli.json("request", "cancel", study.number, "--as", "researcher")
        study.pay_out(held=[COHORT.unconfirmed], reserved=[COHORT.early])
        assert place.held() == 2 * REWARD + short.deposited
        short.end()
        assert place.held() == 2 * REWARD + short.deposited - REWARD

    copies = drill.mend(place.cli)
    assert copies > 0
    assert drill.heard.counts[Said.NODE_CHANGED]
    assert drill.heard.counts[Said.STORE_CHANGED]
    for line in drill.figures(copies):
        record_property(FIGURES, line)
    record_property(
        FIGURES, "left to the embedded chain and to anvil: the release of what nobody disputed in its period"
    )


class ShortStudy:
    """A study for two whom it names, one of whom takes part; its deadline comes soon, and with it the grants end."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.folder = folder
        self.patient, self.silent = COHORT.approving[3], "relief"

    @property
    def deposited(self) -> int:
        return 2 * REWARD

    def begin(self) -> None:
        """One patient accepts, and is delivered."""
        self.deadline = int(time.time()) + SOON
        study = write_study(
            private_folder(self.folder / "studies"),
            wanted={"effect": "permit", "purposes": ["BIORCH"], "categories": ["laboratory"]},
            deadline=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.deadline)),
            access_days=0,
            grants=2,
            reward=REWARD,
        )
        named = ("--patient", self.patient, "--patient", self.silent)
        self.asking = (study, *named, "--as", "researcher", "--yes")
        self.number = self.place.json(request_access, *self.asking)["request"]
        self.fetching = (self.number, "--as", "researcher", "--to", self.folder / "dataset")
        self.place.cli.json("request", "accept", self.number, "--as", self.patient, "--yes")
        about = (self.number, "--patient", self.patient)
        self.place.cli.json("request", "deliver", *about, "--as", COHORT.hospital(self.patient))
        found = self.place.json(fetch_dataset, *self.fetching)
        assert [row["record"] for row in found["records"]] == [self.place.records[self.patient]]

    def end(self) -> None:
        """The deadline comes: what is left goes back, and the grant is over."""
        time.sleep(max(0, self.deadline + 2 - time.time()))
        self.place.cli.json("request", "return-unearned", self.number, "--as", "relief")
        payee = LocalSigner.generate().address
        self.place.cli.json("reward", "withdraw", "--as", "researcher", "--to", payee)
        assert self.place.balances([payee]) == [REWARD]
        found = self.place.json(fetch_dataset, *self.fetching, code=3)
        assert [row["state"] for row in found["records"]] == ["expired"]
