"""The member file: who the institutions of a network are, and where their nodes answer. TOML, checked field by field.

Everything in it is public to the members. Each of them has the same file; what it generates from it is the same, too.

::

    name = "health"
    chain_id = 4711
    block_period = 5                  # seconds
    swarm_key = "9c1f…"               # SHA-256 of the members' swarm key, in hex

    [[institutions]]
    name = "north"
    address = "0x…"                   # the account with the seat in Consortium

    [[institutions.validators]]
    name = "validator-north"
    signer = "0x…"                    # the account that seals blocks
    node_key = "8a3b…"                # public key of the node, 128 hex digits, as in enode://
    host = "node.north.example"

    [[institutions.storage]]
    name = "storage-north"
    peer_id = "12D3Koo…"
    host = "ipfs.north.example"
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn, Self, TypeAlias

from medshare.errors import ConfigurationError, InvalidInputError
from medshare.hashing import keccak256
from medshare.model.documents import decode_toml
from medshare.model.ids import Address, address

TomlValue: TypeAlias = Any
MAX_FILE_SIZE = 1 << 20
MAX_VALIDATORS = 255
"""As many as there are seats in Consortium."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_NODE_KEY = re.compile(r"[0-9a-f]{128}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PEER_ID = re.compile(r"12D3KooW[1-9A-HJ-NP-Za-km-z]{44}")
_MAX_HOST = 253
_PORTS = (1, 65_535)
VALIDATOR_PORTS = (30_303, 8_545)
"""For other validators, for programs."""
STORAGE_PORTS = (4_001, 5_001, 8_080)
"""For other storage nodes, of the RPC, of the gateway."""
_ETHER = 10**18


class Consensus(StrEnum):
    """How validators agree."""

    CLIQUE = "clique"
    """geth's proof of authority: validators take turns; a block counts when more than half have built on it."""
    QBFT = "qbft"
    """Besu's: a block is final when two thirds have signed it."""


class Routing(StrEnum):
    """How storage nodes find who has a block."""

    NONE = "none"
    """They ask all their partners, with whom they are always connected."""
    DHT = "dht"
    """They keep a table among themselves: for so many nodes that not everybody can hold a line to everybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorNode:
    """A node that seals blocks."""

    name: str
    signer: Address
    """The account that seals; with QBFT that of the node's own key."""
    node_key: str
    """The node's public key: 128 hex digits."""
    host: str
    port: int = VALIDATOR_PORTS[0]
    """Where other validators reach it."""
    rpc_port: int = VALIDATOR_PORTS[1]
    """Where its institution's own programs reach it, on loopback only."""

    @property
    def enode(self) -> str:
        """Its address for other validators."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"enode://{self.node_key}@{host}:{self.port}"

    @property
    def rpc_url(self) -> str:
        """Its address for programs on the same machine."""
        return f"http://127.0.0.1:{self.rpc_port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageNode:
    """A Kubo node in the members' private swarm."""

    name: str
    peer_id: str
    host: str
    port: int = STORAGE_PORTS[0]
    """Where other storage nodes reach it."""
    api_port: int = STORAGE_PORTS[1]
    """Where its institution's own programs reach its RPC, on loopback only."""
    gateway_port: int = STORAGE_PORTS[2]
    """Where its plain gateway answers, on loopback only."""

    @property
    def swarm_address(self) -> str:
        """Its multiaddr for other storage nodes."""
        return f"/{_protocol(self.host)}/{self.host}/tcp/{self.port}"

    @property
    def api_address(self) -> str:
        """The multiaddr of its RPC, for programs on the same machine."""
        return f"/ip4/127.0.0.1/tcp/{self.api_port}/http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Institution:
    """A member institution and its nodes."""

    name: str
    address: Address
    """The account that has its seat in Consortium."""
    validators: tuple[ValidatorNode, ...] = ()
    storage: tuple[StorageNode, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFile:
    """A network of institutions, as they all have it written down."""

    name: str
    """The network's, and that of its profile."""
    chain_id: int
    consensus: Consensus = Consensus.CLIQUE
    block_period: int = 5
    """Seconds between two blocks."""
    free_gas: bool = True
    """Whether transactions cost nothing."""
    gas_limit: int = 30_000_000
    swarm_key: str | None = None
    """SHA-256 of the members' swarm key, in hex; None where nobody has a storage node."""
    routing: Routing = Routing.NONE
    founders: tuple[Address, ...] = ()
    """Signers of the first block, where they are no longer those of the institutions below."""
    funds: Mapping[Address, int] = field(default_factory=dict)
    """Wei that accounts have from the beginning."""
    institutions: tuple[Institution, ...] = ()

    def __post_init__(self) -> None:
        self._check_numbers()
        if not self.validators:
            _refuse("institutions", "such that one of them has a validator")
        if len(self.validators) > MAX_VALIDATORS:
            _refuse("institutions", f"such that they have at most {MAX_VALIDATORS} validators")
        if self.storage and self.swarm_key is None:
            _refuse("swarm_key", "given where there are storage nodes")
        if self.consensus is Consensus.QBFT:
            for node in self.validators:
                if node.signer != account_of(node.node_key):
                    _refuse(f"signer of {node.name}", f"{account_of(node.node_key)}, its node key's account (QBFT)")
        nodes = [node.name for node in self.validators] + [node.name for node in self.storage]
        _check_unlike("name", [each.name for each in self.institutions])
        _check_unlike("name", nodes)
        _check_unlike("address", [each.address for each in self.institutions])
        _check_unlike("signer", [each.signer for each in self.validators])
        _check_unlike("node_key", [each.node_key for each in self.validators])
        _check_unlike("peer_id", [each.peer_id for each in self.storage])
        _check_unlike("signer", list(self.founders))
        _check_unlike("host and port", [*self._listening()])

    def _check_numbers(self) -> None:
        for name, low, high in (
            ("chain_id", 1, 2**53 - 1),
            ("block_period", 1, 3_600),
            ("gas_limit", 8_000_000, 2**53 - 1),
        ):
            if not low <= getattr(self, name) <= high:
                _refuse(name, f"between {low} and {high}")

    def _listening(self) -> Iterator[str]:
        for node in self.validators:
            yield from (f"{node.host}:{port}" for port in (node.port, node.rpc_port))
        for peer in self.storage:
            yield from (f"{peer.host}:{port}" for port in (peer.port, peer.api_port, peer.gateway_port))

    @property
    def validators(self) -> tuple[ValidatorNode, ...]:
        """The validators of all institutions."""
        return tuple(node for each in self.institutions for node in each.validators)

    @property
    def storage(self) -> tuple[StorageNode, ...]:
        """The storage nodes of all institutions."""
        return tuple(node for each in self.institutions for node in each.storage)

    @property
    def first_signers(self) -> tuple[Address, ...]:
        """Who may seal the first blocks, in the order of their addresses."""
        signers = self.founders or tuple(node.signer for node in self.validators)
        return tuple(sorted(signers, key=str.lower))

    @property
    def confirmations(self) -> int:
        """Blocks until a transaction counts: with Clique so many that more than half of the validators built on it."""
        return len(self.validators) // 2 + 1 if self.consensus is Consensus.CLIQUE else 1

    def institution(self, name: str) -> Institution:
        """Return an institution by name; raises ``InvalidInputError``."""
        for each in self.institutions:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.institutions)
        raise InvalidInputError(f"the member file has no institution {name!r}", hint=f"it has: {known}")

    def owner(self, signer: Address) -> Institution | None:
        """Return whose validator seals as ``signer``, or None."""
        for each in self.institutions:
            if any(node.signer == signer for node in each.validators):
                return each
        return None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the network that a member file describes.

        Raises:
            ConfigurationError: it is missing, malformed, or says what no network can be.
        """
        try:
            with path.open("rb") as stream:
                text = stream.read(MAX_FILE_SIZE + 1)
        except OSError as error:
            raise ConfigurationError("the member file cannot be read", hint=f"check {path}") from error
        if len(text) > MAX_FILE_SIZE:
            raise ConfigurationError(f"the member file is larger than {MAX_FILE_SIZE} bytes")
        return cls.parse(text)

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Return the network that the text of a member file describes; raises ``ConfigurationError``."""
        try:
            document = decode_toml(text, "the member file")
        except InvalidInputError as error:
            raise ConfigurationError(str(error)) from error
        return cls(**_fields(cls, document, "", _NETWORK))


def account_of(node_key: str) -> Address:
    """Return the account of a node's public key."""
    return address("0x" + keccak256(bytes.fromhex(node_key))[-20:].hex())


def check_name(name: str) -> None:
    """Raise ``ConfigurationError`` where an institution or node cannot have this name."""
    _name(name, "name")


def check_host(host: str) -> None:
    """Raise ``ConfigurationError`` where this is no host."""
    _host(host, "host")


# ------------------------------------------------------------------------------------------------- reading


def _fields(
    kind: type, table: Mapping[str, TomlValue], where: str, readers: Mapping[str, Callable[[TomlValue, str], Any]]
) -> dict[str, Any]:
    """Return the fields of a dataclass from a table; every key is known and read by its own reader."""
    for key in table:
        if key not in readers:
            _refuse(f"{where}{key}", f"left out, it is unknown (known: {', '.join(readers)})")
    for one in fields(kind):
        if one.name in _REQUIRED.get(kind.__name__, ()) and one.name not in table:
            _refuse(f"{where}{one.name}", "given")
    return {key: readers[key](value, f"{where}{key}") for key, value in table.items()}


def _whole(value: TomlValue, where: str) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else _refuse(where, "a whole number")


def _port(value: TomlValue, where: str) -> int:
    low, high = _PORTS
    port = _whole(value, where)
    return port if low <= port <= high else _refuse(where, f"between {low} and {high}")


def _truth(value: TomlValue, where: str) -> bool:
    return value if isinstance(value, bool) else _refuse(where, "true or false")


def _matching(pattern: re.Pattern[str], wanted: str) -> Callable[[TomlValue, str], str]:
    def read(value: TomlValue, where: str) -> str:
        return value if isinstance(value, str) and pattern.fullmatch(value) else _refuse(where, wanted)

    return read


def _host(value: TomlValue, where: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_HOST:
        return _refuse(where, "text")
    try:
        return str(ip_address(value))
    except ValueError:
        # What ends in a number would be taken for an address by some programs.
        named = _HOST.fullmatch(value) and not value.rpartition(".")[2].isdigit()
        return value if named else _refuse(where, "a host name in lower case or an IP address")


def _account(value: TomlValue, where: str) -> Address:
    try:
        return address(value)
    except (InvalidInputError, TypeError):
        _refuse(where, "an address: 0x and 40 hex digits, the checksum right")


def _accounts(value: TomlValue, where: str) -> tuple[Address, ...]:
    if not isinstance(value, list):
        _refuse(where, "a list of addresses")
    return tuple(_account(each, where) for each in value)


def _funds(value: TomlValue, where: str) -> dict[Address, int]:
    if not isinstance(value, dict):
        _refuse(where, "a table: address = ether")
    funds = {_account(key, where): _whole(ether, f"{where}.{key}") for key, ether in value.items()}
    if len(funds) != len(value) or not all(0 < ether <= 10**9 for ether in funds.values()):
        _refuse(where, "each address once, with 1 to 10^9 ether")
    return {account: ether * _ETHER for account, ether in funds.items()}


def _choice(kind: type[StrEnum]) -> Callable[[TomlValue, str], StrEnum]:
    def read(value: TomlValue, where: str) -> StrEnum:
        return kind(str(value)) if value in list(kind) else _refuse(where, f"one of {', '.join(kind)}")

    return read


def _tables(kind: type, readers: Mapping[str, Callable[[TomlValue, str], Any]]) -> Callable[[TomlValue, str], Any]:
    def read(value: TomlValue, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            _refuse(where, f"written as [[{where}]]")
        return tuple(
            kind(**_fields(kind, table, f"{where}[{number}].", readers)) for number, table in enumerate(value, start=1)
        )

    return read


_name = _matching(_NAME, "lower-case letters, digits and '-', at most 40")
_REQUIRED = {
    "MemberFile": ("name", "chain_id", "institutions"),
    "Institution": ("name", "address"),
    "ValidatorNode": ("name", "signer", "node_key", "host"),
    "StorageNode": ("name", "peer_id", "host"),
}
_VALIDATOR: Mapping[str, Callable[[TomlValue, str], Any]] = {
    "name": _name,
    "signer": _account,
    "node_key": _matching(_NODE_KEY, "a node's public key: 128 hex digits in lower case"),
    "host": _host,
    "port": _port,
    "rpc_port": _port,
}
_STORAGE: Mapping[str, Callable[[TomlValue, str], Any]] = {
    "name": _name,
    "peer_id": _matching(_PEER_ID, "an Ed25519 peer id, which begins with 12D3KooW"),
    "host": _host,
    "port": _port,
    "api_port": _port,
    "gateway_port": _port,
}
_INSTITUTION: Mapping[str, Callable[[TomlValue, str], Any]] = {
    "name": _name,
    "address": _account,
    "validators": _tables(ValidatorNode, _VALIDATOR),
    "storage": _tables(StorageNode, _STORAGE),
}
_NETWORK: Mapping[str, Callable[[TomlValue, str], Any]] = {
    "name": _name,
    "chain_id": _whole,
    "consensus": _choice(Consensus),
    "block_period": _whole,
    "free_gas": _truth,
    "gas_limit": _whole,
    "swarm_key": _matching(_DIGEST, "a SHA-256 in hex: 64 digits in lower case"),
    "routing": _choice(Routing),
    "founders": _accounts,
    "funds": _funds,
    "institutions": _tables(Institution, _INSTITUTION),
}


def _protocol(host: str) -> str:
    try:
        return f"ip{ip_address(host).version}"
    except ValueError:
        return "dns"


def _check_unlike(what: str, values: list[str]) -> None:
    seen = set()
    for value in values:
        if value in seen:
            _refuse(what, f"given to one only: {value} is there twice")
        seen.add(value)


def _refuse(key: str, wanted: str) -> NoReturn:
    raise ConfigurationError(f"member file: {key} must be {wanted}")


# ------------------------------------------------------------------------------------------------- writing


def member_text(members: MemberFile) -> str:
    """Return a member file that says what ``members`` says."""
    lines = [
        f"name = {_toml(members.name)}",
        f"chain_id = {members.chain_id}",
        f"consensus = {_toml(members.consensus.value)}",
        f"block_period = {members.block_period}",
        f"free_gas = {_toml(members.free_gas)}",
        f"gas_limit = {members.gas_limit}",
        f"routing = {_toml(members.routing.value)}",
    ]
    lines += [] if members.swarm_key is None else [f"swarm_key = {_toml(members.swarm_key)}"]
    lines += [f"founders = {_toml(list(members.founders))}"] if members.founders else []
    if members.funds:
        lines += ["", "[funds]", *(f'"{account}" = {wei // _ETHER}' for account, wei in members.funds.items())]
    for each in members.institutions:
        lines += ["", institution_text(each)]
    return "\n".join([*lines, ""])


def institution_text(institution: Institution) -> str:
    """Return the part of a member file that is about one institution."""
    lines = ["[[institutions]]", f"name = {_toml(institution.name)}", f"address = {_toml(institution.address)}"]
    nodes: list[tuple[str, ValidatorNode | StorageNode]] = [("validators", node) for node in institution.validators]
    for kind, node in nodes + [("storage", peer) for peer in institution.storage]:
        lines += ["", f"[[institutions.{kind}]]"]
        lines += [f"{one.name} = {_toml(getattr(node, one.name))}" for one in fields(node)]
    return "\n".join(lines)


def _toml(value: object) -> str:
    """Return a TOML value: JSON's strings, numbers, lists and truth values are TOML's, too."""
    return json.dumps(value)
