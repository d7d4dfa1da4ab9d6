"""Running nodes against the member file.

given nodes that answer
├─ all as it should be: every finding is good
├─ another first block, other signers, another storage profile: bad, and it says which
└─ partners missing: a warning with their names; strangers connected: bad
given nodes that do not answer
└─ a warning for each, and how to start it
given nodes whose newest block is old
└─ a warning, and what may help
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from member_files import account, identity, member_file

from medshare.errors import LedgerUnavailableError, StoreUnavailableError
from medshare.files import private_folder, write_whole
from medshare.network import checking
from medshare.network.asking import Head
from medshare.network.generating import write_network
from medshare.network.genesis import genesis_hash
from medshare.network.keys import make_swarm_key, secrets_folder
from medshare.network.kubo import kubo_config
from medshare.network.members import MemberFile
from medshare.network.standstill import patience
from medshare.services.examining import Health

pytestmark = pytest.mark.unit


@dataclass
class Answers:
    """What the nodes of the institution "north" answer."""

    first: bytes
    signers: set[str]
    peers: set[str]
    config: dict[str, Any]
    storage_peers: set[str]
    silent: bool = False
    age: float = 0.0


@pytest.fixture
def north(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[MemberFile, Path, Answers]:
    members = member_file(swarm_key=make_swarm_key(tmp_path / "swarm.key"))
    place = private_folder(secrets_folder(tmp_path, "north", "storage-north"))
    write_whole(place / "identity.key", identity(0x301).encode(), replace=False)
    write_whole(place / "rpc-token", b"token", replace=False)
    write_network(members, tmp_path, members.institutions[:1])
    answers = Answers(
        first=genesis_hash(members),
        signers={node.signer for node in members.validators},
        peers={node.node_key for node in members.validators[1:]},
        config=kubo_config(members, members.storage[0]) | {"Migration": {}},
        storage_peers={peer.peer_id for peer in members.storage[1:]},
    )

    class Geth:
        def __init__(self, path: Path) -> None:
            assert path == tmp_path / "north/validator-north/data/geth.ipc"

        def genesis_hash(self) -> bytes:
            if answers.silent:
                raise LedgerUnavailableError("silent")
            return answers.first

        def signers(self) -> frozenset[str]:
            return frozenset(answers.signers)

        def peers(self) -> frozenset[str]:
            return frozenset(answers.peers)

        def head(self) -> Head:
            return Head(number=7, hash=bytes(32), time=int(time.time() - answers.age), sealer=None)

    class Kubo:
        def __init__(self, address: str, token: str) -> None:
            assert (address, token) == ("/ip4/127.0.0.1/tcp/5001/http", "token")

        def config(self) -> dict[str, Any]:
            if answers.silent:
                raise StoreUnavailableError("silent")
            return answers.config

        def peers(self) -> frozenset[str]:
            return frozenset(answers.storage_peers)

        def close(self) -> None:
            pass

    monkeypatch.setattr(checking, "GethNode", Geth)
    monkeypatch.setattr(checking, "StoragePeer", Kubo)
    return members, tmp_path, answers


def findings(north: tuple[MemberFile, Path, Answers]) -> dict[str, tuple[Health, str]]:
    members, folder, _ = north
    found = checking.check_network(members, folder, [members.institution("north")])
    return {each.check: (each.health, each.says) for each in found}


def test_check__all_as_it_should_be__is_good(north: tuple[MemberFile, Path, Answers]) -> None:
    found = findings(north)
    assert {health for health, _ in found.values()} == {Health.GOOD}
    assert set(found) == {
        "files",
        "chain of validator-north",
        "signers of validator-north",
        "partners of validator-north",
        "blocks of validator-north",
        "profile of storage-north",
        "partners of storage-north",
    }


def test_check__nodes_of_another_network__is_bad(north: tuple[MemberFile, Path, Answers]) -> None:
    members, _, answers = north
    answers.first = bytes(32)
    answers.signers = {members.validators[0].signer, account(99)}
    answers.config["Routing"] = {"Type": "auto"}
    answers.config["AutoConf"] = {}
    found = findings(north)
    assert found["chain of validator-north"][0] is Health.BAD
    says = found["signers of validator-north"][1]
    assert f"too many: {account(99)} (no member)" in says
    assert f"{members.validators[1].signer} (south)" in says
    assert found["profile of storage-north"] == (Health.BAD, "not as the member file says: Routing.Type")


def test_check__partners_missing_or_strangers_there__is_told(north: tuple[MemberFile, Path, Answers]) -> None:
    members, _, answers = north
    answers.peers = {members.validators[2].node_key}
    answers.storage_peers |= {"12D3KooWstranger"}
    found = findings(north)
    assert found["partners of validator-north"] == (Health.WARNING, "1 of 2, not validator-south")
    assert found["partners of storage-north"] == (Health.BAD, "2 of 2, and 1 that no member knows")


def test_check__nodes_that_stand_still__are_warned_of(north: tuple[MemberFile, Path, Answers]) -> None:
    north[2].silent = True
    found = findings(north)
    assert found["validator-north"] == found["storage-north"] == (Health.WARNING, "does not answer")


def test_check__newest_block_is_old__is_warned_of(north: tuple[MemberFile, Path, Answers]) -> None:
    members, folder, answers = north
    answers.age = patience(members) + 60
    found = {each.check: each for each in checking.check_network(members, folder, [members.institution("north")])}
    late = found["blocks of validator-north"]
    assert late.health is Health.WARNING
    assert late.says.startswith("number 7 is the newest, ")
    assert "medshare network give-way" in late.mend
