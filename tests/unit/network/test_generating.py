"""From the member file to folders, and drift.

given a member file and the folder of its network
├─ what is written is the same each time, and the same for two members; written again, nothing changes
├─ nodes: partners in geth's and Kubo's configuration are the others; nothing public is left on; scripts are runnable
├─ profiles and settings are read by medshare itself
├─ secrets: only where they are, mode 0600, and never in what is shared
├─ another genesis than the one that is there, another key than the file means: refused
└─ a changed, missing or opened file is drift
"""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from member_files import account, member_file

from medshare.chain import load_network
from medshare.chain.networks import FeeMode
from medshare.errors import ConfigurationError, KeyFileError
from medshare.network.besu import STATIC_NODES_FILE
from medshare.network.generating import TOKEN_VARIABLE, Drift, Trouble, find_drift, write_network
from medshare.network.keys import SWARM_KEY_FILE
from medshare.network.local_making import make_local
from medshare.network.members import Consensus, MemberFile, Routing
from medshare.settings import Settings, StoreKind

pytestmark = pytest.mark.unit


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files__for_two_members__are_the_same_each_time(tmp_path: Path) -> None:
    members = member_file()
    for name in ("mine", "yours"):
        write_network(members, tmp_path / name, members.institutions)
    assert tree(tmp_path / "mine") == tree(tmp_path / "yours")
    assert write_network(members, tmp_path / "mine", members.institutions) == []
    assert set(tree(tmp_path / "mine")) >= {
        "genesis.json",
        "north/networks.toml",
        "north/medshare.toml",
        "north/validator-north/config.toml",
        "north/validator-north/start.sh",
        "north/storage-north/kubo.json",
    }
    assert os.access(tmp_path / "mine/north/storage-north/start.sh", os.X_OK)


def test_files__for_one_institution__are_its_own(tmp_path: Path) -> None:
    members = member_file()
    write_network(members, tmp_path, [members.institution("south")])
    assert {path.partition("/")[0] for path in tree(tmp_path)} == {"genesis.json", "south"}


def test_geth__configuration__knows_the_others_and_listens_to_nobody_else(tmp_path: Path) -> None:
    members = member_file()
    write_network(members, tmp_path, members.institutions)
    config = tomllib.loads((tmp_path / "north/validator-north/config.toml").read_text())
    _, south, west = members.validators
    assert config["Node"]["P2P"]["StaticNodes"] == [south.enode, west.enode]
    assert config["Node"]["P2P"]["NoDiscovery"]
    assert (config["Node"]["HTTPHost"], config["Node"]["HTTPModules"]) == ("127.0.0.1", ["eth", "net", "web3"])
    assert config["Eth"]["Miner"]["GasCeil"] == members.gas_limit
    script = (tmp_path / "north/validator-north/start.sh").read_text()
    assert "miner.setGasPrice(0)" in script
    assert f"--unlock {members.validators[0].signer}" in script
    assert "setGasPrice" not in _script(replace(members, free_gas=False), tmp_path / "paid")


def _script(members: MemberFile, folder: Path) -> str:
    write_network(members, folder, members.institutions)
    return (folder / "north/validator-north/start.sh").read_text()


def test_kubo__configuration__is_private(tmp_path: Path) -> None:
    members = member_file()
    write_network(members, tmp_path, members.institutions)
    config = json.loads((tmp_path / "north/storage-north/kubo.json").read_text())
    assert [each["ID"] for each in config["Peering"]["Peers"]] == [peer.peer_id for peer in members.storage[1:]]
    assert config["Routing"]["Type"] == "none"
    off = [config[name]["Enabled"] for name in ("AutoConf", "AutoTLS", "HTTPRetrieval", "Provide", "Pubsub")]
    assert not any([*off, config["Discovery"]["MDNS"]["Enabled"], config["Swarm"]["RelayClient"]["Enabled"]])
    assert config["Addresses"]["API"] == "/ip4/127.0.0.1/tcp/5001"
    assert (config["Import"]["CidVersion"], config["Import"]["UnixFSChunker"]) == (1, "size-1048576")
    assert "LIBP2P_FORCE_PNET=1" in (tmp_path / "north/storage-north/start.sh").read_text()
    write_network(replace(members, routing=Routing.DHT), tmp_path, members.institutions)
    config = json.loads((tmp_path / "north/storage-north/kubo.json").read_text())
    assert (config["Routing"]["Type"], config["Provide"]["Enabled"]) == ("dht", True)


def test_besu__configuration__is_for_its_own_consensus(tmp_path: Path) -> None:
    members = member_file(Consensus.QBFT)
    write_network(members, tmp_path, members.institutions)
    place = tmp_path / "north/validator-north"
    config = tomllib.loads((place / "config.toml").read_text())
    assert (config["network-id"], config["min-gas-price"], config["rpc-http-host"]) == (4_711, 0, "127.0.0.1")
    assert "QBFT" in config["rpc-http-api"]
    assert json.loads((place / STATIC_NODES_FILE).read_text()) == [node.enode for node in members.validators[1:]]
    assert "--node-private-key-file" in (place / "start.sh").read_text()


def test_home__of_an_institution__is_read_by_medshare(tmp_path: Path) -> None:
    members = member_file()
    write_network(members, tmp_path, members.institutions)
    settings = Settings.load(tmp_path / "north")
    assert (settings.network, settings.store.kind, settings.store.token) == ("health", StoreKind.KUBO, TOKEN_VARIABLE)
    profile = load_network("health", settings.networks_file)
    assert (profile.chain_id, profile.poa, profile.fees, profile.confirmations) == (4_711, True, FeeMode.ZERO, 2)
    assert profile.resolved_url({}) == "http://127.0.0.1:8545"


def test_home__without_nodes__asks_for_anothers_by_variable(tmp_path: Path) -> None:
    members = member_file()
    small = replace(members.institutions[2], validators=(), storage=())
    members = replace(members, institutions=(*members.institutions[:2], small))
    write_network(members, tmp_path, members.institutions)
    settings = Settings.load(tmp_path / "west")
    assert settings.store.kind is StoreKind.LOCAL
    assert load_network("health", settings.networks_file).resolved_url({"MEDSHARE_NODE_URL": "http://x"}) == "http://x"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[MemberFile, Path]:
    """A network whose secrets are all here."""
    monkeypatch.setattr("medshare.network.local_making._free_ports", _numbered)
    make_local(tmp_path, validators=2, storage=2)
    members = MemberFile.load(tmp_path / "members.toml")
    write_network(members, tmp_path, members.institutions)
    return members, tmp_path


def _numbered(count: int):
    from contextlib import nullcontext

    return nullcontext(iter(range(20_000, 20_000 + count)))


def test_secrets__of_an_institution__are_its_own_and_closed(own: tuple[MemberFile, Path]) -> None:
    members, folder = own
    config = folder / "member-1/secrets/storage-1/kubo-config.json"
    whole = json.loads(config.read_text())
    token = (folder / "member-1/secrets/storage-1/rpc-token").read_text()
    assert whole["API"]["Authorizations"]["medshare"]["AuthSecret"] == f"bearer:{token}"
    assert whole["Identity"]["PeerID"] == members.storage[0].peer_id
    secrets = [path for path in folder.rglob("*") if "secrets" in path.parts or path.name == SWARM_KEY_FILE]
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600, 0o700}
    keys = [token, whole["Identity"]["PrivKey"], (folder / "member-1/secrets/validator-1/node.key").read_text()]
    keys += [(folder / "member-1/secrets/validator-1/passphrase").read_text()]
    keys += [(folder / SWARM_KEY_FILE).read_text().split()[-1]]
    for path, text in tree(folder).items():
        if "secrets" not in path and path != SWARM_KEY_FILE:
            assert not [key for key in keys if key.encode() in text], path


def test_secrets__made_again__stay(own: tuple[MemberFile, Path]) -> None:
    members, folder = own
    before = tree(folder)
    make_local(folder, validators=2, storage=2)
    write_network(members, folder, members.institutions)
    assert tree(folder) == before


def test_drift__files_changed_missing_or_opened__is_found_and_mended(own: tuple[MemberFile, Path]) -> None:
    members, folder = own
    assert find_drift(members, folder, members.institutions) == []
    (folder / "member-1/validator-1/config.toml").write_text("[Eth]\n")
    (folder / "member-2/storage-2/start.sh").unlink()
    (folder / "member-1/secrets/storage-1/kubo-config.json").chmod(0o644)
    assert find_drift(members, folder, members.institutions) == [
        Drift(path="member-1/validator-1/config.toml", trouble=Trouble.DIFFERENT),
        Drift(path="member-1/secrets/storage-1/kubo-config.json", trouble=Trouble.OPEN),
        Drift(path="member-2/storage-2/start.sh", trouble=Trouble.MISSING),
    ]
    assert len(write_network(members, folder, members.institutions)) == 3
    assert find_drift(members, folder, members.institutions) == []


def test_genesis__another_than_the_one_there__is_refused_and_nothing_written(own: tuple[MemberFile, Path]) -> None:
    members, folder = own
    before = tree(folder)
    with pytest.raises(ConfigurationError, match="another first block") as refused:
        write_network(replace(members, block_period=9), folder, members.institutions)
    assert "founders" in refused.value.hint
    assert tree(folder) == before


def test_genesis__validator_added_with_founders_named__is_the_same(own: tuple[MemberFile, Path]) -> None:
    members, folder = own
    joining = replace(
        member_file().institutions[0], storage=(), validators=(replace(member_file().validators[0], signer=account(5)),)
    )
    grown = replace(members, founders=members.first_signers, institutions=(*members.institutions, joining))
    changed = write_network(grown, folder, members.institutions)
    assert "genesis.json" not in changed
    assert "member-1/validator-1/config.toml" in changed


def test_keys__others_than_the_member_file_means__are_refused(own: tuple[MemberFile, Path]) -> None:
    members, folder = own
    first, second = members.institutions
    first_key, second_key = (each.validators[0].node_key for each in (first, second))
    swapped = replace(
        members,
        institutions=(
            replace(first, validators=(replace(first.validators[0], node_key=second_key),)),
            replace(second, validators=(replace(second.validators[0], node_key=first_key),)),
        ),
    )
    with pytest.raises(ConfigurationError, match="the node key of validator-1 is"):
        find_drift(swapped, folder, swapped.institutions)
    with pytest.raises(ConfigurationError, match="swarm key is another one"):
        find_drift(replace(members, swarm_key="cd" * 32), folder, members.institutions)
    (folder / SWARM_KEY_FILE).write_text("/key/swarm/psk/1.0.0/\n/base16/\nzz\n")
    with pytest.raises(ConfigurationError, match="not of the form"):
        find_drift(members, folder, members.institutions)
    (folder / SWARM_KEY_FILE).unlink()
    with pytest.raises(ConfigurationError, match="swarm key cannot be read"):
        find_drift(members, folder, members.institutions)


def test_keys__that_others_may_read__are_refused(own: tuple[MemberFile, Path]) -> None:
    members, folder = own
    (folder / "member-1/secrets/validator-1/node.key").chmod(0o640)
    with pytest.raises(KeyFileError, match="read by others"):
        find_drift(members, folder, members.institutions)
