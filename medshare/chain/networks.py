"""Network profiles: which chain, by which node, with what patience. From TOML, checked field by field.

A URL may name environment variables as ``${NAME}``; they are put in when a connection is made and shown nowhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn, Self, TypeAlias
from urllib.parse import urlsplit

from medshare.errors import ConfigurationError, InvalidInputError, UnknownNetworkError
from medshare.model.delegation import DAY
from medshare.model.documents import decode_toml
from medshare.model.emergency import SHORTEST_EPISODE, EmergencyLimits
from medshare.model.ids import ZERO_ADDRESS, Address, address
from medshare.model.proposal import LEAST_QUORUM, LONGEST_VOTING, MOST_QUORUM, SHORTEST_VOTING, VotingRules
from medshare.model.request import LONGEST_PERIOD, SHORTEST_PERIOD, WHOLE, Periods, Split

TomlValue: TypeAlias = Any
MAX_FILE_SIZE = 1 << 20
GWEI = 10**9
_MOST_MEMBERS = 255
_MOST_URLS = 8
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class NetworkKind(StrEnum):
    """Where the chain runs."""

    EMBEDDED = "embedded"
    RPC = "rpc"


class FeeMode(StrEnum):
    """How a transaction offers to pay."""

    AUTO = "auto"
    """EIP-1559 where the chain's blocks have a base fee, else a gas price."""
    EIP1559 = "eip1559"
    LEGACY = "legacy"
    ZERO = "zero"
    """Nothing, as on a consortium's chain without fees."""


class Faucet(StrEnum):
    """Who gives coins to a new account on a development network."""

    NONE = "none"
    GENESIS = "genesis"
    """An account that has coins since the first block, and whose key is in the package."""
    ANVIL = "anvil"
    """The node itself, which is an anvil."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentChoices:
    """What whoever deploys chooses, once and for all: the contracts cannot be changed afterwards."""

    members: tuple[Address, ...] = ()
    """The founding members of the consortium; on a development network, none for one that everybody can act as."""
    quorum: int = VotingRules().quorum
    """How many of a hundred members must vote for a proposal."""
    voting_period: int = VotingRules().voting_period
    """Seconds from a proposal to its deadline."""
    patient_share: int = 7_000
    """Ten thousandths of a reward that are the patient's, in the three categories that there are from the beginning."""
    custodian_share: int = 2_000
    """Ten thousandths that are the custodian's; the rest is the consortium's."""
    dispute_period: int = Periods().dispute_period
    """Seconds in which a delivery can be disputed."""
    decision_period: int = Periods().decision_period
    """Seconds in which a dispute must be decided."""
    longest_episode: int = EmergencyLimits().longest_episode
    """Seconds that an emergency episode lasts at most."""
    review_period: int = EmergencyLimits().review_period
    """Seconds from the opening of an episode to the deadline of its review."""
    most_unreviewed: int = EmergencyLimits().most_unreviewed
    """Episodes of one clinician that may wait for review."""

    @property
    def limits(self) -> EmergencyLimits:
        """The three limits together."""
        return EmergencyLimits(
            longest_episode=self.longest_episode,
            review_period=self.review_period,
            most_unreviewed=self.most_unreviewed,
        )

    @property
    def voting_rules(self) -> VotingRules:
        """How members vote."""
        return VotingRules(quorum=self.quorum, voting_period=self.voting_period)

    @property
    def split(self) -> Split:
        """How rewards are divided."""
        return Split(patient=self.patient_share, custodian=self.custodian_share)

    @property
    def periods(self) -> Periods:
        """How long deliveries can be disputed, and disputes wait."""
        return Periods(dispute_period=self.dispute_period, decision_period=self.decision_period)

    @classmethod
    def from_table(cls, network: str, table: Mapping[str, Any]) -> Self:
        """Return the choices that a network's table ``deployment`` makes; raises ``ConfigurationError``."""
        bounds = {
            "quorum": (LEAST_QUORUM, MOST_QUORUM),
            "voting_period": (SHORTEST_VOTING, LONGEST_VOTING),
            "patient_share": (0, WHOLE),
            "custodian_share": (0, WHOLE),
            "dispute_period": (SHORTEST_PERIOD, LONGEST_PERIOD),
            "decision_period": (SHORTEST_PERIOD, LONGEST_PERIOD),
            "longest_episode": (SHORTEST_EPISODE, DAY),
            "review_period": (SHORTEST_EPISODE, 90 * DAY),
            "most_unreviewed": (1, 256),
        }
        for key, value in table.items():
            if key == "members":
                continue
            low, high = bounds.get(key) or _refuse(network, f"deployment.{key}", "left out, it is unknown")
            if type(value) is not int or not low <= value <= high:
                _refuse(network, f"deployment.{key}", f"a whole number between {low} and {high}")
        choices = cls(**{**table, "members": _accounts(network, table.get("members", []))})
        if choices.patient_share + choices.custodian_share > WHOLE:
            _refuse(network, "deployment.custodian_share", f"together with patient_share at most {WHOLE}")
        return choices


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkProfile:
    """A network as its users configure it."""

    name: str
    kind: NetworkKind
    chain_id: int
    url: str | None = field(default=None, repr=False)
    """The node's HTTP address, ``${NAME}`` not yet filled in; None for the embedded chain."""
    urls: tuple[str, ...] = field(default=(), repr=False)
    """Further nodes of the same network: the next is asked where one fails, and a second before anything counts."""
    max_lag: float = 60.0
    """Seconds by which a node's newest block may be older than another node's; one that lags more is not asked."""
    must_agree: bool = False
    """Whether nothing counts while no second node answers; else one is enough then, with a warning."""
    poa: bool = False
    """Whether block headers carry a validator's seal (Clique, QBFT)."""
    confirmations: int = 1
    """How many blocks a transaction's block must be worth before it counts: 1 is the block itself."""
    finalized: bool = False
    """Whether a transaction counts only when the chain says that its block is final (proof of stake, and L2s)."""
    fees: FeeMode = FeeMode.AUTO
    max_fee_gwei: float | None = None
    """Most that is offered for one unit of gas; above it, nothing is sent."""
    priority_fee_gwei: float | None = None
    """Tip for one unit of gas; without it, what the node suggests."""
    timeout: float = 20.0
    """Seconds for one answer of the node."""
    receipt_timeout: float = 180.0
    """Seconds until a transaction must be mined."""
    log_range: int = 10_000
    """Blocks in one question for logs; halved where the node finds it too many."""
    faucet: Faucet = Faucet.NONE
    deployment: DeploymentChoices = DeploymentChoices()
    """What the contracts are deployed with, where they are not deployed yet."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            _refuse(self.name, "the name", "lower-case letters, digits, '.', '_' and '-'")
        if (self.kind is NetworkKind.RPC) != (self.url is not None):
            _refuse(self.name, "url", "given for kind 'rpc', and only for that")
        for name, low, high in (
            ("chain_id", 1, 2**63),
            ("confirmations", 1, 10_000),
            ("max_lag", 1, 86_400),
            ("timeout", 0.1, 600),
            ("receipt_timeout", 0.1, 86_400),
            ("log_range", 1, 1_000_000),
            ("max_fee_gwei", 0, 1e9),
            ("priority_fee_gwei", 0, 1e9),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                _refuse(self.name, name, f"between {low} and {high}")
        if self.url is not None:
            _check_url(self.name, "url", self.url)
        if self.urls and self.url is None:
            _refuse(self.name, "urls", "given beside url, for kind 'rpc'")
        if len({self.url, *self.urls}) != len(self.urls) + 1 or len(self.urls) > _MOST_URLS:
            _refuse(self.name, "urls", f"at most {_MOST_URLS} addresses, each another than url and the others")
        for url in self.urls:
            _check_url(self.name, "urls", url)
        if self.must_agree and not self.urls:
            _refuse(self.name, "must_agree", "false where urls names no second node")
        if self.faucet is Faucet.ANVIL and self.kind is not NetworkKind.RPC:
            _refuse(self.name, "faucet", f"{Faucet.GENESIS} or {Faucet.NONE} for kind {self.kind.value!r}")

    @property
    def has_faucet(self) -> bool:
        """Whether a new account can be given coins: on development networks only."""
        return self.faucet is not Faucet.NONE

    @property
    def endpoint(self) -> str:
        """The first node's scheme, host and port, and nothing that could be secret."""
        return "embedded" if self.url is None else _shown(self.url)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Every node's scheme, host and port, and nothing that could be secret."""
        return (self.endpoint, *map(_shown, self.urls))

    def resolved_url(self, environ: Mapping[str, str] = os.environ) -> str:
        """Return the first node's address with the environment's values in it. Never log what this returns.

        Raises:
            ConfigurationError: there is no URL, or a variable is not set.
        """
        return self.resolved_urls(environ)[0]

    def resolved_urls(self, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
        """Return every node's address, in the order of ``endpoints``; as ``resolved_url``."""
        if self.url is None:
            raise ConfigurationError(f"network {self.name!r} has no URL")

        def value(match: re.Match[str]) -> str:
            found = environ.get(match[1])
            if not found:
                raise ConfigurationError(
                    f"network {self.name!r} needs the environment variable {match[1]}", hint=f"set {match[1]}"
                )
            return found

        return tuple(_VARIABLE.sub(value, url) for url in (self.url, *self.urls))

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, Any]) -> Self:
        """Return the profile that a table of a TOML file describes; raises ``ConfigurationError``."""
        known = {one.name for one in fields(cls)} - {"name"}
        for key in table:
            if key not in known:
                _refuse(name, key, f"left out, it is unknown (known: {', '.join(sorted(known))})")
        for key in ("kind", "chain_id"):
            if key not in table:
                _refuse(name, key, "given")
        return cls(name=name, **{key: _typed(name, key, value) for key, value in table.items()})


def load_networks(path: Path | None = None) -> dict[str, NetworkProfile]:
    """Return every known network by name: the built-in ones, overlaid by the file at ``path``.

    Raises:
        ConfigurationError: the file is missing, malformed, or says what no profile can be.
    """
    builtin = resources.files("medshare").joinpath("_data", "networks.toml").read_bytes()
    tables = _tables(builtin, "the built-in networks")
    if path is not None:
        for name, table in _tables(_read(path), "the networks file").items():
            tables[name] = tables.get(name, {}) | table
    return {name: NetworkProfile.from_table(name, table) for name, table in tables.items()}


def load_network(name: str, path: Path | None = None) -> NetworkProfile:
    """Return one network; raises ``UnknownNetworkError`` besides what ``load_networks`` raises."""
    networks = load_networks(path)
    if name not in networks:
        raise UnknownNetworkError(name, tuple(sorted(networks)))
    return networks[name]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        raise ConfigurationError("the networks file cannot be read", hint=f"check {path}") from error
    if len(text) > MAX_FILE_SIZE:
        raise ConfigurationError(f"the networks file is larger than {MAX_FILE_SIZE} bytes")
    return text


def _tables(text: bytes, what: str) -> dict[str, dict[str, Any]]:
    try:
        document = decode_toml(text, what)
    except InvalidInputError as error:
        raise ConfigurationError(str(error)) from error
    tables = document.pop("networks", {})
    if document:
        raise ConfigurationError(f"{what}: unknown table {next(iter(document))!r}", hint="write [networks.NAME]")
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigurationError(f"{what}: each network is a table", hint="write [networks.NAME]")
    return tables


def _typed(network: str, key: str, value: TomlValue) -> TomlValue:
    choice = {"kind": NetworkKind, "fees": FeeMode, "faucet": Faucet}.get(key)
    if choice is not None:
        if value not in list(choice):
            _refuse(network, key, f"one of {', '.join(choice)}")
        return choice(str(value))
    if key == "url":
        return value if isinstance(value, str) else _refuse(network, key, "text")
    if key == "deployment":
        table = value if isinstance(value, dict) else _refuse(network, key, "a table")
        return DeploymentChoices.from_table(network, table)
    if key == "urls":
        if not isinstance(value, list) or not all(isinstance(url, str) for url in value):
            _refuse(network, key, "a list of texts")
        return tuple(value)
    if key in ("poa", "finalized", "must_agree"):
        return value if isinstance(value, bool) else _refuse(network, key, "true or false")
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(network, key, "a number")
    if key in ("chain_id", "confirmations", "log_range") and not isinstance(value, int):
        _refuse(network, key, "a whole number")
    return value


def _accounts(network: str, values: TomlValue) -> tuple[Address, ...]:
    wanted = f"a list of at most {_MOST_MEMBERS} different addresses"
    if not isinstance(values, list) or len(values) > _MOST_MEMBERS:
        _refuse(network, "deployment.members", wanted)
    try:
        accounts = tuple(address(value) for value in values)
    except (InvalidInputError, TypeError):
        _refuse(network, "deployment.members", wanted)
    if len(set(accounts)) != len(accounts) or ZERO_ADDRESS in accounts:
        _refuse(network, "deployment.members", wanted)
    return accounts


def _check_url(network: str, key: str, url: str) -> None:
    if not re.match(r"https?://", url) and not _VARIABLE.match(url):
        _refuse(network, key, "an address that begins with http:// or https://")
    if re.fullmatch(r"https?://([/?#:].*)?", url):
        _refuse(network, key, "an address with a host, such as http://127.0.0.1:8545")


def _shown(url: str) -> str:
    """Return an address's scheme, host and port: a path, a query or a user may be secret."""
    if variable := _VARIABLE.match(url):
        return f"from {variable[0]}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "(hidden)"
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _refuse(network: str, key: str, wanted: str) -> NoReturn:
    raise ConfigurationError(f"network {network[:64]!r}: {key} must be {wanted}")
