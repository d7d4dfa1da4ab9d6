"""Settings: which chain, which store, in which folder. One small TOML file in the folder, overridden by arguments.

::

    network = "embedded"          # or a name from networks.toml

    [store]
    kind = "local"                # or "kubo"
    address = "/ip4/127.0.0.1/tcp/5001/http"    # of Kubo's RPC
    token = "KUBO_TOKEN"          # name of the environment variable with Kubo's bearer token
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from platformdirs import user_data_path

from medshare.errors import ConfigurationError, HomeNotFoundError
from medshare.files import private_folder, write_whole

HOME_VARIABLE = "MEDSHARE_HOME"
SETTINGS_FILE = "medshare.toml"
NETWORKS_FILE = "networks.toml"
DEPLOYMENTS_FOLDER = "deployments"
HOME_MARKS = (SETTINGS_FILE, NETWORKS_FILE, DEPLOYMENTS_FOLDER)
"""What somebody has put into a folder on purpose. A mistyped folder has none of it, and nothing is made there."""
_MAX_SIZE = 1 << 16
_PLACE = re.compile(r"\(at [^()]*\)\Z")  # the rest of the message may quote a value


class StoreKind(StrEnum):
    """Where blocks are kept."""

    LOCAL = "local"
    KUBO = "kubo"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Which store to use."""

    kind: StoreKind = StoreKind.LOCAL
    address: str | None = None
    """Multiaddr of Kubo's RPC."""
    token: str | None = None
    """Name of the environment variable that holds Kubo's bearer token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides where medshare reads and writes."""

    home: Path
    network: str = "embedded"
    store: StoreSettings = StoreSettings()

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
                table = tomllib.loads(stream.read(_MAX_SIZE).decode())
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError("the settings file cannot be read", hint=f"mend {path}") from error
        except tomllib.TOMLDecodeError as error:
            where = _PLACE.search(str(error))
            raise ConfigurationError(
                f"the settings file is not well-formed TOML{f' {where[0]}' if where else ''}", hint=f"mend {path}"
            ) from error
        store = table.pop("store", {})
        network = table.pop("network", "embedded")
        if table:
            raise ConfigurationError(
                f"the settings have no key {next(iter(table))!r}, only network and [store]", hint=f"mend {path}"
            )
        if not isinstance(network, str):
            raise ConfigurationError("network in the settings is the name of one, in quotes", hint=f"mend {path}")
        if not isinstance(store, dict):
            raise ConfigurationError("store in the settings is a table: [store]", hint=f"mend {path}")
        return cls(home=folder, network=network, store=_store(store, hint=f"mend {path}"))

    def save(self) -> None:
        """Write the settings file; what it said before is replaced. Raises ``StoreFullError``."""
        lines = [f"network = {_toml(self.network)}", "", "[store]", f"kind = {_toml(self.store.kind.value)}"]
        lines += [f"address = {_toml(self.store.address)}"] if self.store.address else []
        lines += [f"token = {_toml(self.store.token)}"] if self.store.token else []
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


def _store(table: dict[str, Any], *, hint: str) -> StoreSettings:
    for key, value in table.items():
        if key not in ("kind", "address", "token"):
            raise ConfigurationError(f"[store] has no key {key!r}, only kind, address and token", hint=hint)
        if not isinstance(value, str):
            raise ConfigurationError(f"{key} in [store] is a text, in quotes", hint=hint)
    try:
        kind = StoreKind(table.get("kind", StoreKind.LOCAL))
    except ValueError as error:
        raise ConfigurationError(f"kind in [store] is one of {', '.join(StoreKind)}", hint=hint) from error
    if (kind is StoreKind.KUBO) != ("address" in table):
        raise ConfigurationError('address in [store] is given for kind = "kubo", and only for that', hint=hint)
    return StoreSettings(kind=kind, address=table.get("address"), token=table.get("token"))
