"""A consortium's network of real nodes: four geth that seal by Clique, three Kubo in a private swarm.

given a network that was generated from a member file and started
├─ blocks are sealed by several validators, the first by whose turn it is; everybody is connected with partners only
├─ contracts are deployed through the library, which pays nothing and waits for more than half of the validators
├─ one validator killed: the others go on, and it catches up when it is back
├─ so many killed that no majority is left: the chain stands still, and goes on when one is back; nothing sent is lost
├─ two have sealed the same block, and no third may seal the next: one gives way, by itself on one machine, elsewhere by
│  its institution's command; nothing sent is lost
├─ a storage node with another swarm key is refused, the same node with the members' key is not
└─ votes follow the seats: who lost his seat seals no longer, who has it again does
given one that a process keeps in the background
├─ started twice it says so; single nodes are stopped and started by other processes
├─ its keeper killed: no node is left; started again it goes on with its chain
└─ stopped from the keyboard: its nodes end with it
given the folders of an institution
└─ its start scripts run its nodes, as generated
"""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from nodes import require

from medshare.chain import LocalSigner, OpenChain, load_network, open_chain
from medshare.chain.networks import FeeMode
from medshare.cli import main
from medshare.errors import ConfigurationError, MedshareError
from medshare.model.governed import RemoveMember, encode_call
from medshare.network.asking import GethNode, StoragePeer
from medshare.network.checking import check_network
from medshare.network.generating import TOKEN_VARIABLE, write_network
from medshare.network.geth import SOCKET
from medshare.network.keys import SWARM_KEY_FILE, StorageSecrets, make_storage, make_swarm_key
from medshare.network.kubo import ENVIRONMENT, kubo_config, kubo_json, with_secrets
from medshare.network.local import LocalNetwork
from medshare.network.local_making import MEMBERS_FILE, make_local
from medshare.network.local_nodes import LocalValidator
from medshare.network.local_state import LocalState
from medshare.network.members import Institution, MemberFile, StorageNode, member_text
from medshare.network.processes import ProcessMark, dying_with_parent
from medshare.network.reconciling import cast_votes, find_difference
from medshare.network.seats import seated_members
from medshare.services.examining import Health
from medshare.settings import NETWORKS_FILE

pytestmark = [pytest.mark.e2e, pytest.mark.kubo, pytest.mark.network]

VALIDATORS, STORAGE = 4, 3
PATIENCE = 120.0


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait for real nodes to come to something."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def network(disk: Path) -> Iterator[LocalNetwork]:
    require("geth", "kubo")
    with LocalNetwork.open(disk / "net", validators=VALIDATORS, storage=STORAGE) as network:
        network.start()
        yield network


@pytest.fixture(scope="module")
def chain(network: LocalNetwork) -> Iterator[OpenChain]:
    with open_chain(network.profile("member-1"), network.home("member-1")) as chain:
        yield chain


@pytest.fixture(scope="module")
def deployed(chain: OpenChain) -> OpenChain:
    """The contracts, deployed by somebody without coins."""
    chain.deploy(LocalSigner.generate())
    return chain


@pytest.fixture
def all_back(network: LocalNetwork) -> Iterator[None]:
    """Have every node run and every validator seal again, however the test ends: the next ones count on it."""
    yield
    for name in network.nodes:
        network.resume(name)
    for node in (network.validator(name) for name in network.nodes if "validator" in name):
        node.asked.seal(node.node.signer, free_gas=network.members.free_gas)


@pytest.fixture
def place(disk: Path) -> Path:
    """A folder with a short path: that of a socket has at most 103 bytes."""
    return Path(tempfile.mkdtemp(dir=disk))


def block(network: LocalNetwork, name: str) -> int:
    return network.validator(name).asked.block_number()


def await_block(network: LocalNetwork, name: str, number: int) -> None:
    """Wait until a validator has a block of this number."""
    eventually(lambda: block(network, name) >= number, f"{name} has block {number}")


def at_rest(network: LocalNetwork, name: str) -> int:
    """Return at which block a chain has come to stand still."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        seen = block(network, name)
        time.sleep(4 * network.members.block_period)
        if block(network, name) == seen:
            return seen
    raise AssertionError("the chain does not stand still")


def test_network__started__is_sealed_by_several_and_as_the_member_file_says(network: LocalNetwork) -> None:
    eventually(
        lambda: sum(count > 0 for count in network.validator("validator-1").asked.sealers().values()) >= 3,
        "three validators have sealed",
    )
    by_turn = sorted(node.signer.lower() for node in network.members.validators)
    assert network.validator("validator-4").asked.ask("clique_getSigner", "0x1") == by_turn[1]
    findings = check_network(network.members, network.folder, list(network.members.institutions))
    assert [each for each in findings if each.health is not Health.GOOD] == []
    states = {each.name: each for each in network.states()}
    assert {name: each.figures.peers for name, each in states.items() if each.figures} == {
        name: (VALIDATORS if "validator" in name else STORAGE) - 1 for name in network.nodes
    }


def test_contracts__deployed_by_an_account_without_coins__work(network: LocalNetwork, deployed: OpenChain) -> None:
    chain = deployed
    assert (chain.profile.fees, chain.profile.confirmations) == (FeeMode.ZERO, VALIDATORS // 2 + 1)
    last = max(contract.block_number for contract in chain.deployment.contracts)
    assert chain.client.head().number - last >= chain.profile.confirmations - 1
    institutions = network.members.institutions
    assert set(seated_members(chain.ledger.consortium, block=chain.client.head())) == {
        each.address for each in institutions
    }
    poor = LocalSigner.generate()
    receipt = chain.ledger.directory.set_encryption_key(poor, b"\7" * 32)
    assert chain.ledger.directory.encryption_key(poor.address, block=receipt.block).key == b"\7" * 32
    assert len(chain.client.web3.eth.get_block("latest")["proofOfAuthorityData"]) == 32 + 65


@pytest.mark.usefixtures("all_back")
def test_validator__one_killed__others_go_on_and_it_catches_up(network: LocalNetwork) -> None:
    network.kill("validator-4")
    before = block(network, "validator-1")
    eventually(lambda: block(network, "validator-1") >= before + VALIDATORS, "blocks go on without it")
    network.resume("validator-4")
    eventually(lambda: block(network, "validator-4") >= block(network, "validator-1") - 1, "it has caught up")


@pytest.mark.usefixtures("all_back")
def test_validators__majority_killed__chain_waits_and_loses_nothing(network: LocalNetwork, chain: OpenChain) -> None:
    for name in ("validator-3", "validator-4"):
        network.kill(name)
    stopped = at_rest(network, "validator-1")  # each of those left may seal once more
    signer = LocalSigner.generate()
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(chain.sender.send, signer, to=signer.address, value=0, intent="while it stands still")
        time.sleep(3 * network.members.block_period)
        assert block(network, "validator-1") == stopped
        assert not sent.done()
        network.resume("validator-3")
        receipt = sent.result(PATIENCE)
    assert receipt.block.number > stopped
    network.resume("validator-4")
    eventually(lambda: block(network, "validator-4") >= receipt.block.number, "the last one has caught up")


@dataclass(frozen=True, slots=True)
class Rivals:
    """Two validators that have sealed the same block, and the only third one that runs: it sealed the one before."""

    two: tuple[LocalValidator, LocalValidator]
    third: LocalValidator
    dead: LocalValidator
    block: int


def rivalry(network: LocalNetwork, transaction: bytes) -> Rivals:
    """Bring a chain to where it stands still with enough validators: the first rival's block has a transaction."""
    nodes = {name: network.validator(name) for name in network.nodes if "validator" in name}
    by_signer = {node.node.signer: node for node in nodes.values()}
    by_turn = [by_signer[signer] for signer in network.members.first_signers]
    one, two, *others = nodes.values()

    def set_to_work(node: LocalValidator) -> None:
        node.asked.seal(node.node.signer, free_gas=network.members.free_gas)

    for attempt in itertools.count(1):
        # The others seal until each has to wait for somebody else.
        for node in (one, two):
            node.asked.pause()
        number = at_rest(network, one.name) + 1
        heads = {node.asked.head() for node in nodes.values()}
        before = one.asked.head().sealer
        # These two can be rivals as well; and whose turn it is would outweigh the other.
        agreed = len(heads) == 1 and before is not None and by_signer[before] in others
        if agreed and by_turn[number % VALIDATORS] in others:
            break
        for node in (one, two):
            set_to_work(node)
        # Not always as many, or it could be the turn of the same one for ever.
        await_block(network, one.name, number + attempt + 1)
    third = by_signer[before]
    (dead,) = (node for node in others if node != third)
    for node in others:
        network.kill(node.name)
    pairs = ((one, two), (two, one))

    def parted() -> bool:
        # Again: a call may be on its way when its line is cut.
        for node, rival in pairs:
            node.asked.ask("admin_removeTrustedPeer", rival.node.enode)
            node.asked.ask("admin_removePeer", rival.node.enode)
        time.sleep(1)
        return not one.asked.peers() and not two.asked.peers()

    eventually(parted, "they are parted")
    one.asked.resend("0x" + transaction.hex())
    for node in (one, two):
        set_to_work(node)
    eventually(lambda: block(network, one.name) == block(network, two.name) == number, "both have sealed")
    for node, rival in pairs:
        node.asked.ask("admin_addTrustedPeer", rival.node.enode)
        node.asked.ask("admin_addPeer", rival.node.enode)
    eventually(lambda: bool(one.asked.peers()), "they have met again")
    assert one.asked.head().hash != two.asked.head().hash
    return Rivals((one, two), third, dead, number)


@pytest.mark.usefixtures("all_back")
@pytest.mark.parametrize("by_command", [False, True], ids=["by itself", "by command"])
def test_chain__two_have_sealed_the_same_block__one_gives_way(
    network: LocalNetwork, chain: OpenChain, told: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, by_command: bool
) -> None:
    if by_command:
        monkeypatch.setattr("medshare.network.local_watch.patience", lambda _: math.inf)
    signed = Account.create().sign_transaction(
        {"to": LocalSigner.generate().address, "value": 0, "gas": 21_000, "gasPrice": 0, "nonce": 0}
        | {"chainId": network.members.chain_id}
    )
    rivals = rivalry(network, signed.raw_transaction)
    network.resume(rivals.third.name)
    if by_command:
        where = (str(network.folder / MEMBERS_FILE), "--in", str(network.folder), "--as")
        await_block(network, rivals.third.name, rivals.block)
        assert at_rest(network, "validator-1") == rivals.block
        (loser,) = (node for node in rivals.two if node.asked.head().hash != rivals.third.asked.head().hash)
        give_way = ("network", "give-way", *where, loser.institution.name)
        (seen,) = told(*give_way, "--dry-run", code=1)
        assert (seen["block"], seen["sealed_by"]) == (rivals.block, loser.institution.name)
        assert (seen["blocks_come"], seen["did"]) == (False, "nothing")
        (done,) = told(*give_way)
        assert (done["blocks_come"], done["did"]) == (True, "it gave way")
        (done,) = told(*give_way)
        assert (done["blocks_come"], done["did"]) == (True, "nothing")
        loser.asked.pause()
        (done,) = told(*give_way)
        assert (done["blocks_come"], done["did"]) == (True, "it seals again")
    eventually(lambda: block(network, "validator-1") > rivals.block + VALIDATORS, "blocks come")
    receipt = chain.client.web3.eth.wait_for_transaction_receipt(signed.hash, timeout=PATIENCE)
    assert receipt["blockNumber"] >= rivals.block
    network.resume(rivals.dead.name)
    eventually(
        lambda: len({network.validator(n).asked.head().hash for n in network.nodes if "val" in n}) == 1, "all agree"
    )


@contextmanager
def stranger(network: LocalNetwork, place: Path, swarm_key: bytes) -> Iterator[StoragePeer]:
    """A storage node that knows the members' addresses."""
    mine = StorageSecrets(folder=make_storage(place / "secrets").folder)
    node = StorageNode(
        name="storage-stranger",
        peer_id=mine.peer_id,
        host="127.0.0.1",
        port=_free_port(),
        api_port=_free_port(),
        gateway_port=_free_port(),
    )
    house = Institution(name="stranger", address=LocalSigner.generate().address, storage=(node,))
    members = replace(network.members, institutions=(*network.members.institutions, house))
    config = with_secrets(kubo_config(members, node), identity=mine.read_identity(), token=mine.read_token())
    (place / "config.json").write_text(kubo_json(config))
    environment = {**os.environ, "IPFS_PATH": str(place / "repo"), "HOME": str(place), **ENVIRONMENT}
    binary = str(require("kubo"))
    subprocess.run(
        [binary, "init", "--empty-repo", str(place / "config.json")], env=environment, check=True, capture_output=True
    )
    (place / "repo" / SWARM_KEY_FILE).write_bytes(swarm_key)
    process = subprocess.Popen(
        [binary, "daemon"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=dying_with_parent(),
    )
    peer = StoragePeer(node.api_address, mine.read_token())
    try:
        eventually(lambda: _answers(peer), "the stranger's node answers")
        yield peer
    finally:
        peer.close()
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def _answers(peer: StoragePeer) -> bool:
    try:
        peer.peers()
    except MedshareError:
        return False
    return True


def test_storage__another_swarm_key__is_refused(network: LocalNetwork, tmp_path: Path) -> None:
    members = {peer.peer_id for peer in network.members.storage}
    for folder in ("right", "wrong"):
        (tmp_path / folder).mkdir()
    make_swarm_key(tmp_path / "other.key")
    with ExitStack() as stack:
        wrong = stack.enter_context(stranger(network, tmp_path / "wrong", (tmp_path / "other.key").read_bytes()))
        right = stack.enter_context(
            stranger(network, tmp_path / "right", (network.folder / SWARM_KEY_FILE).read_bytes())
        )
        eventually(lambda: members <= right.peers(), "who has the key is connected")
        assert wrong.peers() == frozenset()
        with network.storage("storage-1").asked() as asked:
            found = check_network(network.members, network.folder, [network.members.institution("member-1")])
            assert len(asked.peers() - members) == 1
    partners = next(each for each in found if each.check == "partners of storage-1")
    assert (partners.health, partners.says) == (Health.BAD, "2 of 2, and 1 that no member knows")


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """The command line, in this process: what it prints as JSON."""

    def run(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        ended = main([*words, "--json"])
        said = capsys.readouterr()
        assert ended == code, said.err
        return json.loads(said.out or said.err)

    return run


def test_reconcile__seat_lost_and_regained__signers_follow(
    network: LocalNetwork, deployed: OpenChain, told: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, network.storage("storage-1").token)
    expelled = network.validator("validator-2")
    loyal = ("member-1", "member-3", "member-4")
    call = RemoveMember(member=expelled.institution.address)
    consortium = deployed.ledger.consortium
    opened = consortium.propose(network.account("member-1"), call, bytes(32))
    with ThreadPoolExecutor(2) as pool:
        for vote in [pool.submit(consortium.vote, network.account(name), opened.proposal_id) for name in loyal[1:]]:
            vote.result(PATIENCE)
    consortium.execute(LocalSigner.generate(), opened.proposal_id, encode_call(call))

    home = ("--home", str(network.home("member-1")))
    where = (str(network.folder / MEMBERS_FILE), "--in", str(network.folder))
    reconcile = (*home, "network", "reconcile", *where, "--as")
    owed = told(*reconcile, "member-1", "--dry-run")
    assert [(row["of"], row["seals"], row["vote"]) for row in owed] == [("member-2", False, "owed")]
    for name in loyal:
        assert [row["vote"] for row in told(*reconcile, name)] == ["cast"]
    asked = {name: network.validator(name).asked for name in network.nodes if "validator" in name}
    eventually(lambda: expelled.node.signer not in asked["validator-1"].signers(), "it may not seal any more")

    everybody = [each.address for each in network.members.institutions]
    for node in asked.values():
        cast_votes(node, find_difference(network.members, everybody, node.votes()))
    eventually(lambda: expelled.node.signer in asked["validator-1"].signers(), "it may seal again")
    for node in asked.values():
        cast_votes(node, find_difference(network.members, everybody, node.votes()))
        assert node.votes().proposals == {}


def test_local_network__kept_in_the_background__leaves_no_orphan_and_goes_on(
    place: Path, told: Callable[..., Any]
) -> None:
    require("geth", "kubo")
    folder = ("--in", str(place))
    state = LocalState(folder=place / "state")
    try:
        rows = told("network", "up", "--local", "1", "--detach", *folder)
        assert [row["state"] for row in rows] == ["running"] * 2
        assert "running already" in told("network", "up", "--detach", *folder, code=1)["message"]
        with pytest.raises(ConfigurationError, match="running already"):
            LocalNetwork(place).start()

        told("network", "stop", "storage-1", *folder)
        assert [row["state"] for row in told("network", "status", *folder)] == ["running", "stopped"]
        told("network", "start", "storage-1", *folder)
        told("network", "stop", "validator-1", "--kill", *folder)
        assert [row["state"] for row in told("network", "status", *folder)] == ["killed", "running"]
        told("network", "start", "validator-1", *folder)
        assert [row["state"] for row in told("network", "status", *folder)] == ["running"] * 2

        keeper, nodes = state.keeper(), state.nodes()
        reached = LocalNetwork(place).validator("validator-1").asked.block_number()
        assert keeper is not None
        assert keeper.send(signal.SIGKILL)
        assert all(mark.ended_within(10) for mark in [keeper, *nodes.values()])
        assert [row["state"] for row in told("network", "status", *folder)] == ["stopped"] * 2

        assert told("network", "up", "--detach", *folder)[0]["block"] >= reached
        nodes = state.nodes()
        assert told("network", "down", *folder)["was_running"]
        assert not any(mark.is_running for mark in nodes.values())
        assert not told("network", "down", *folder)["was_running"]
    finally:
        LocalNetwork(place).end()


def test_local_network__stopped_from_the_keyboard__ends_its_nodes(place: Path) -> None:
    require("geth", "kubo")
    state = LocalState(folder=place / "state")
    make_local(place, validators=1, storage=0)
    keeper = subprocess.Popen(
        [sys.executable, "-m", "medshare", "network", "up", "--in", str(place)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=dying_with_parent(),
    )
    with keeper:
        eventually(lambda: state.ready, "it is ready")
        nodes = state.nodes()
        keeper.send_signal(signal.SIGINT)
        assert keeper.wait(PATIENCE) == 0
        assert "validator-1" in (keeper.stdout.read() if keeper.stdout else "")
    assert list(nodes) == ["validator-1"]
    assert not any(mark.is_running for mark in nodes.values())
    assert state.keeper() is None


def test_start_scripts__of_one_institution__run_its_nodes(place: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "MEDSHARE_GETH": str(require("geth")), "MEDSHARE_IPFS": str(require("kubo"))}
    make_local(place, validators=1, storage=1)
    members = MemberFile.load(place / "members.toml")
    assert MemberFile.parse(member_text(members).encode()) == members
    write_network(members, place, members.institutions)
    house = place / "member-1"
    running = [
        subprocess.Popen(
            [str(house / name / "start.sh")],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=dying_with_parent(),
        )
        for name in ("validator-1", "storage-1")
    ]
    children: list[ProcessMark] = []
    try:
        geth = GethNode(house / "validator-1" / "data" / SOCKET)
        eventually(lambda: (house / "validator-1" / "data" / SOCKET).exists(), "geth has its socket")
        eventually(lambda: geth.block_number() > 1, "it seals")
        children = [
            mark
            for pid in Path(f"/proc/{running[0].pid}/task/{running[0].pid}/children").read_text().split()
            if (mark := ProcessMark.of(int(pid))) is not None
        ]
        mine = StorageSecrets(folder=house / "secrets" / "storage-1")
        peer = StoragePeer(members.storage[0].api_address, mine.read_token())
        eventually(lambda: _answers(peer), "the storage node answers")
        peer.close()
        with pytest.raises(MedshareError, match=r"credentials|403|[Dd]enied"):
            StoragePeer(members.storage[0].api_address, "another token").peers()
        with open_chain(
            replace(load_network(members.name, house / NETWORKS_FILE), confirmations=1), tmp_path / "home"
        ) as chain:
            signer = LocalSigner.generate()
            eventually(lambda: geth.ask("eth_gasPrice") is not None, "it says a price")
            assert chain.sender.send(signer, to=signer.address, value=0).gas_used == 21_000
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
    assert all(mark.ended_within(10) for mark in children)
