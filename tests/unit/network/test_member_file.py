"""The member file: read, refused, written.

given a member file
├─ what is written is read back as the same
├─ what it leaves out has its default; confirmations are more than half of the validators, one with QBFT
├─ it finds institutions by name and by signer
└─ enode and multiaddr say names, IPv4 and IPv6 as their readers want them
given one that no network can be
└─ it is refused, and the message names the field
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from member_files import account, member_file

from medshare.errors import ConfigurationError, InvalidInputError
from medshare.network.members import Consensus, Institution, MemberFile, Routing, member_text

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "members",
    [
        member_file(),
        member_file(Consensus.QBFT, block_period=2),
        member_file(
            free_gas=False, funds={account(1): 5 * 10**18}, routing=Routing.DHT, founders=(account(2), account(3))
        ),
    ],
    ids=["clique", "qbft", "with everything"],
)
def test_member_file__written_and_read__is_the_same(members: MemberFile, tmp_path: Path) -> None:
    path = tmp_path / "members.toml"
    path.write_text(member_text(members))
    assert MemberFile.load(path) == members


def test_member_file__says_little__has_defaults() -> None:
    north = member_file().institutions[0]
    node = north.validators[0]
    members = MemberFile.parse(
        f"""
        name = "health"
        chain_id = 4711
        [[institutions]]
        name = "north"
        address = "{north.address}"
        [[institutions.validators]]
        name = "v"
        signer = "{node.signer}"
        node_key = "{node.node_key}"
        host = "node.north.example"
        """.encode()
    )
    assert (members.consensus, members.block_period, members.free_gas) == (Consensus.CLIQUE, 5, True)
    assert (members.confirmations, members.storage, members.swarm_key) == (1, (), None)
    assert members.validators[0].rpc_url == "http://127.0.0.1:8545"


def test_confirmations__by_consensus__more_than_half_or_one() -> None:
    assert member_file().confirmations == 2
    assert member_file(Consensus.QBFT).confirmations == 1


def test_first_signers__founders_named__are_those_in_order() -> None:
    members = member_file()
    assert members.first_signers == tuple(sorted((node.signer for node in members.validators), key=str.lower))
    assert replace(members, founders=(account(9), account(8))).first_signers == tuple(
        sorted((account(8), account(9)), key=str.lower)
    )


def test_institution__by_name_and_signer__is_found() -> None:
    members = member_file()
    south = members.institution("south")
    assert members.owner(south.validators[0].signer) == south
    assert members.owner(account(77)) is None
    with pytest.raises(InvalidInputError, match="east") as refused:
        members.institution("east")
    assert "north, south, west" in refused.value.hint


@pytest.mark.parametrize(
    ("host", "enode", "multiaddr"),
    [
        ("node.example", "@node.example:30303", "/dns/node.example/tcp/4001"),
        ("192.0.2.7", "@192.0.2.7:30303", "/ip4/192.0.2.7/tcp/4001"),
        ("2001:db8::1", "@[2001:db8::1]:30303", "/ip6/2001:db8::1/tcp/4001"),
    ],
)
def test_addresses__of_every_kind_of_host__are_well_formed(host: str, enode: str, multiaddr: str) -> None:
    north = member_file().institutions[0]
    assert replace(north.validators[0], host=host).enode.endswith(enode)
    assert replace(north.storage[0], host=host).swarm_address == multiaddr


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "health"', 'name = "Health Net"', "name must be lower-case"),
        ("chain_id = 4711", "chain_id = 0", "chain_id must be between"),
        ("chain_id = 4711", 'chain_id = "4711"', "chain_id must be a whole number"),
        ("chain_id = 4711", "chain_id = true", "chain_id must be a whole number"),
        ("chain_id = 4711", "", "chain_id must be given"),
        ("block_period = 5", "block_period = 0", "block_period must be between"),
        ("free_gas = true", 'free_gas = "yes"', "free_gas must be true or false"),
        ('consensus = "clique"', 'consensus = "ibft"', "consensus must be one of clique, qbft"),
        ('consensus = "clique"', 'consensus = "qbft"', "signer of validator-north must be 0x"),
        ('routing = "none"', 'routing = "auto"', "routing must be one of none, dht"),
        ('swarm_key = "' + "ab" * 32, 'swarm_key = "' + "AB" * 32, "swarm_key must be a SHA-256"),
        ('swarm_key = "' + "ab" * 32 + '"', "", "swarm_key must be given where there are storage nodes"),
        ('name = "north"', 'name = "south"', "name must be given to one only"),
        ('name = "storage-north"', 'name = "validator-north"', "name must be given to one only"),
        ("192.0.2.1", "192.0.2.2", "host and port must be given to one only"),
        ("node.north.example", "Node_North", r"institutions\[1\].validators\[1\].host must be a host name"),
        ("node.north.example", "1.2.3", "host must be a host name"),
        ("port = 30303", "port = 65536", "port must be between 1 and 65535"),
        ("rpc_port = 8545", "rpc_port = 30303", "host and port must be given to one only"),
        ("node_key = ", 'node_key = "00" #', "node_key must be a node's public key"),
        ("peer_id = ", 'peer_id = "QmZ" #', "peer_id must be an Ed25519 peer id"),
        ("signer = ", 'signer = "0x00" #', r"validators\[1\].signer must be an address"),
        ("signer = ", "signer = 5 #", "signer must be an address"),
        ("[[institutions.storage]]", "[institutions.archive]", "archive must be left out, it is unknown"),
        ("routing = ", "colour = 1\nrouting = ", "colour must be left out, it is unknown"),
        ("routing = ", 'founders = "0x"\nrouting = ', "founders must be a list"),
        ("routing = ", "funds = 5\nrouting = ", "funds must be a table"),
        ("routing = ", f'funds = {{"{account(1)}" = 0}}\nrouting = ', "funds must be each address once"),
        ("routing = ", "[", "not well-formed TOML"),
    ],
)
def test_member_file__says_what_cannot_be__is_refused_by_name(old: str, new: str, says: str) -> None:
    text = member_text(member_file())
    assert old in text
    with pytest.raises(ConfigurationError, match=says):
        MemberFile.parse(text.replace(old, new, 1).encode())


def test_member_file__same_account_or_key_twice__is_refused() -> None:
    members = member_file()
    north, south, west = members.institutions
    for changed, says in (
        (replace(south, address=north.address), "address"),
        (replace(south, validators=(replace(south.validators[0], signer=north.validators[0].signer),)), "signer"),
        (replace(south, validators=(replace(south.validators[0], node_key=north.validators[0].node_key),)), "node_key"),
        (replace(south, storage=(replace(south.storage[0], peer_id=north.storage[0].peer_id),)), "peer_id"),
    ):
        with pytest.raises(ConfigurationError, match=f"{says} must be given to one only"):
            replace(members, institutions=(north, changed, west))


def test_member_file__without_validator__is_refused() -> None:
    bare = Institution(name="north", address=account(1))
    with pytest.raises(ConfigurationError, match="one of them has a validator"):
        replace(member_file(), institutions=(bare,))


def test_member_file__missing_or_too_large__is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        MemberFile.load(tmp_path / "none.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ConfigurationError, match="larger than"):
        MemberFile.load(tmp_path / "large.toml")
