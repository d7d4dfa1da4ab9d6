"""What settings, files or the deployment have wrong."""

from __future__ import annotations

from medshare.errors.base import MedshareError


class ConfigurationError(MedshareError):
    """The settings, files or deployment do not fit what was asked."""


class HomeNotFoundError(ConfigurationError):
    """The folder is no place that medshare works in; only what is asked to make one makes it."""

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"no medshare home in {folder}", hint="check --home and MEDSHARE_HOME, or make a home here: medshare init"
        )
        self.folder = folder


class UnknownNetworkError(ConfigurationError):
    """No network profile has this name."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no network is called {name!r}", hint=f"known networks: {', '.join(known)}")
        self.name = name


class WrongChainError(ConfigurationError):
    """The node answers for another chain than the profile or the deployment names."""

    hint = "check the URL and the chain id in the network profile; nothing was sent"

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"expected chain {expected}, the node is on chain {actual}")
        self.expected = expected
        self.actual = actual


class DeploymentNotFoundError(ConfigurationError):
    """No deployment is on file for this network."""

    def __init__(self, network: str) -> None:
        super().__init__(
            f"no deployment of the contracts is on file for network {network!r}",
            hint=f"deploy them with scripts/deploy.py --network {network}, or copy the deployment file here; "
            "on the embedded chain: medshare init",
        )
        self.network = network


class DeploymentMismatchError(ConfigurationError):
    """The code at a contract's address is not the code this version of medshare speaks to."""

    hint = "ask who deployed for the deployment file, and for the version of medshare it belongs to; or deploy anew"

    def __init__(self, contract: str, address: str, reason: str) -> None:
        super().__init__(f"{contract} at {address}: {reason}")
        self.contract = contract
        self.address = address


class UnknownIdentityError(ConfigurationError):
    """No identity of this name is in the keyring."""

    def __init__(self, name: str, known: tuple[str, ...] = ()) -> None:
        make = f"make it with: medshare identity new {name}"
        super().__init__(
            f"no identity is called {name!r}",
            hint=f"known here: {', '.join(known)}; give one of these or an address, or {make}" if known else make,
        )
        self.name = name


class IdentityExistsError(ConfigurationError):
    """An identity of this name is in the keyring already; keys are never overwritten."""

    def __init__(self, name: str) -> None:
        super().__init__(f"an identity called {name!r} exists already", hint="choose another name")
        self.name = name
