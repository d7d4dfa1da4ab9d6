"""Settings: which chain, which store, in which folder. One small TOML file in the folder, overridden by arguments.

::

    network = "embedded"          # or a name from networks.toml

    [store]
    kind = "local"                # or "kubo", or "gateway", which only reads
    address = "/ip4/127.0.0.1/tcp/5001/http"    # of Kubo's RPC; of a gateway "https://gateway.example"
    token = "KUBO_TOKEN"          # name of the environment variable with the bearer token, or the password
    username = "medshare"         # where the node asks for name and password
    gateways = ["https://gateway.example"]      # where blocks are read that neither store nor nodes have

    [replication]
    copies = 2                    # how many of these nodes are to pin each record and bundle

    [replication.nodes.clinic]
    address = "/ip4/10.1.0.5/tcp/5001/http"
    token = "CLINIC_TOKEN"        # as above, and username, too
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from platformdirs import user_data_path

from medshare.errors import ConfigurationError, HomeNotFoundError, InvalidInputError
from medshare.files import private_folder, write_whole
from medshare.model.documents import decode_toml

HOME_VARIABLE = "MEDSHARE_HOME"
SETTINGS_FILE = "medshare.toml"
NETWORKS_FILE = "networks.toml"
DEPLOYMENTS_FOLDER = "deployments"
HOME_MARKS = (SETTINGS_FILE, NETWORKS_FILE, DEPLOYMENTS_FOLDER)
"""What somebody has put into a folder on purpose. A mistyped folder has none of it, and nothing is made there."""
_MAX_SIZE = 1 << 16
_NODE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_RESERVED_NAME = "here"
"""What reports call one's own store."""


class StoreKind(StrEnum):
    """Where blocks are kept."""

    LOCAL = "local"
    KUBO = "kubo"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Which store to use."""

    kind: StoreKind = StoreKind.LOCAL
    address: str | None = None
    """Multiaddr of Kubo's RPC, or URL of a gateway."""
    token: str | None = None
    """Name of the environment variable that holds the bearer token, or the password."""
    username: str | None = None
    """Who one is, where the node asks for name and password."""
    gateways: tuple[str, ...] = ()
    """URLs of gateways to read from where the store does not have a block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """An institution's storage node: a Kubo."""

    name: str
    address: str
    """Multiaddr of its RPC."""
    token: str | None = None
    """Name of the environment variable that holds the bearer token, or the password."""
    username: str | None = None
    """Who one is, where the node asks for name and password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationSettings:
    """At which nodes records and bundles are pinned beside one's own store."""

    copies: int = 0
    """How many of the nodes are to pin each."""
    nodes: tuple[NodeSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides where medshare reads and writes."""

    home: Path
    network: str = "embedded"
    store: StoreSettings = StoreSettings()
    replication: ReplicationSettings = ReplicationSettings()

    @classmethod
    def load(cls, home: Path | None = None) -> Self:
        """Return the settings of the home in a folder, which must be one: see ``HOME_MARKS``.

        Args:
            home: the folder; default: the environment variable MEDSHARE_HOME, else the user's data folder.

        Raises:
            HomeNotFoundError: the folder is missing, or holds nothing that makes it a home.
            ConfigurationError: the file is malformed, or says what it cannot.
        """
        folder = home or default_home()
        if not any((folder / mark).exists() for mark in HOME_MARKS):
            raise HomeNotFoundError(str(folder))
        return cls.begin(folder)

    @classmethod
    def begin(cls, home: Path | None = None) -> Self:
        """Return the settings to make a home with: those in the folder; where no file is, the defaults.

        Raises:
            ConfigurationError: the file is malformed, or says what it cannot.
        """
        folder = home or default_home()
        path = folder / SETTINGS_FILE
        if not path.exists():
            return cls(home=folder)
        try:
            with path.open("rb") as stream:
                table = decode_toml(stream.read(_MAX_SIZE), "the settings file")
        except OSError as error:
            raise ConfigurationError("the settings file cannot be read", hint=f"mend {path}") from error
        except InvalidInputError as error:
            raise ConfigurationError(str(error), hint=f"mend {path}") from error
        store = table.pop("store", {})
        replication = table.pop("replication", {})
        network = table.pop("network", "embedded")
        hint = f"mend {path}"
        if table:
            raise ConfigurationError(
                f"the settings have no key {next(iter(table))!r}, only network, [store] and [replication]", hint=hint
            )
        if not isinstance(network, str):
            raise ConfigurationError("network in the settings is the name of one, in quotes", hint=hint)
        if not isinstance(store, dict):
            raise ConfigurationError("store in the settings is a table: [store]", hint=hint)
        if not isinstance(replication, dict):
            raise ConfigurationError("replication in the settings is a table: [replication]", hint=hint)
        return cls(
            home=folder,
            network=network,
            store=_store(store, hint=hint),
            replication=_replication(replication, hint=hint),
        )

    def save(self) -> None:
        """Write the settings file; what it said before is replaced. Raises ``StoreFullError``."""
        store = self.store
        lines = [f"network = {_toml(self.network)}", "", "[store]", f"kind = {_toml(store.kind.value)}"]
        lines += _texts(address=store.address, token=store.token, username=store.username)
        lines += [f"gateways = [{', '.join(map(_toml, store.gateways))}]"] if store.gateways else []
        if self.replication.nodes:
            lines += ["", "[replication]", f"copies = {self.replication.copies}"]
        for node in self.replication.nodes:
            lines += ["", f"[replication.nodes.{node.name}]"]
            lines += _texts(address=node.address, token=node.token, username=node.username)
        write_whole(private_folder(self.home) / SETTINGS_FILE, "\n".join([*lines, ""]).encode(), replace=True)

    def on(self, network: str | None) -> Self:
        """Return the same settings on another network, if one is named."""
        return self if network is None else replace(self, network=network)

    @property
    def networks_file(self) -> Path | None:
        """The user's own network profiles, if there are any."""
        path = self.home / NETWORKS_FILE
        return path if path.exists() else None


def _toml(text: str) -> str:
    """Return a TOML string: JSON's escapes are TOML's too, and no others are needed."""
    return json.dumps(text).replace("\x7f", "\\u007f")


def default_home() -> Path:
    """Return the folder that MEDSHARE_HOME names, else the user's data folder."""
    return Path(os.environ.get(HOME_VARIABLE) or user_data_path("medshare"))


def _texts(**values: str | None) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]


def _store(table: dict[str, Any], *, hint: str) -> StoreSettings:
    gateways = table.pop("gateways", [])
    if not isinstance(gateways, list) or not all(isinstance(url, str) for url in gateways):
        raise ConfigurationError("gateways in [store] is a list of URLs, each in quotes", hint=hint)
    _check_texts(table, "store", ("kind", "address", "token", "username"), hint=hint)
    try:
        kind = StoreKind(table.get("kind", StoreKind.LOCAL))
    except ValueError as error:
        raise ConfigurationError(f"kind in [store] is one of {', '.join(StoreKind)}", hint=hint) from error
    if (kind is not StoreKind.LOCAL) != ("address" in table):
        raise ConfigurationError(
            'address in [store] is given for kind = "kubo" or "gateway", and only for these', hint=hint
        )
    return StoreSettings(
        kind=kind,
        address=table.get("address"),
        token=table.get("token"),
        username=table.get("username"),
        gateways=tuple(gateways),
    )


def _replication(table: dict[str, Any], *, hint: str) -> ReplicationSettings:
    for key in table:
        if key not in ("copies", "nodes"):
            raise ConfigurationError(f"[replication] has no key {key!r}, only copies and nodes", hint=hint)
    nodes = table.get("nodes", {})
    if not isinstance(nodes, dict) or not all(isinstance(node, dict) for node in nodes.values()):
        raise ConfigurationError("nodes in [replication] are tables: [replication.nodes.NAME]", hint=hint)
    copies = table.get("copies", 0)
    if isinstance(copies, bool) or not isinstance(copies, int) or not (bool(nodes) <= copies <= len(nodes)):
        raise ConfigurationError(
            f"copies in [replication] is how many of the nodes pin each record: 1 to {len(nodes)}", hint=hint
        )
    return ReplicationSettings(copies=copies, nodes=tuple(_node(name, node, hint=hint) for name, node in nodes.items()))


def _node(name: str, table: dict[str, Any], *, hint: str) -> NodeSettings:
    if not _NODE_NAME.fullmatch(name) or name == _RESERVED_NAME:
        raise ConfigurationError(
            f"a storage node cannot be called {name!r}: small letters, digits, - and _, and not {_RESERVED_NAME!r}",
            hint=hint,
        )
    section = f"replication.nodes.{name}"
    _check_texts(table, section, ("address", "token", "username"), hint=hint)
    if "address" not in table:
        raise ConfigurationError(f"[{section}] needs the address of the node's RPC", hint=hint)
    return NodeSettings(name=name, address=table["address"], token=table.get("token"), username=table.get("username"))


def _check_texts(table: dict[str, Any], section: str, known: tuple[str, ...], *, hint: str) -> None:
    for key, value in table.items():
        if key not in known:
            listed = f"{', '.join(known[:-1])} and {known[-1]}"
            raise ConfigurationError(f"[{section}] has no key {key!r}, only {listed}", hint=hint)
        if not isinstance(value, str):
            raise ConfigurationError(f"{key} in [{section}] is a text, in quotes", hint=hint)
    if "username" in table and "token" not in table:
        raise ConfigurationError(
            f"username in [{section}] needs token: the variable that holds the password", hint=hint
        )
