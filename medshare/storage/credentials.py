"""What a node or gateway that asks for credentials is shown. Neither is ever printed; where each came from may be."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from medshare.errors import StoreRefusedError


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """Name and password, as ``API.Authorizations`` of Kubo or a proxy before it asks for."""

    username: str
    password: str = field(repr=False)
    setting: str = ""
    """Where it came from, in words that a refusal may repeat."""

    @property
    def header(self) -> str:
        """The value of ``Authorization``."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class BearerAuth:
    """A bearer token, as ``API.Authorizations`` of Kubo or a proxy before it asks for."""

    token: str = field(repr=False)
    setting: str = ""
    """Where it came from, in words that a refusal may repeat."""

    @property
    def header(self) -> str:
        """The value of ``Authorization``."""
        return f"Bearer {self.token}"


def refused_credentials(who: str, auth: BasicAuth | BearerAuth | None) -> StoreRefusedError:
    """Return the error that says that ``who`` refuses what it was shown, and which setting to look at."""
    if auth is None:
        return StoreRefusedError(
            f"{who} asks for credentials, and none are set", hint="name a variable with them: token in the settings"
        )
    return StoreRefusedError(
        f"{who} refuses these credentials, or does not let them do this",
        hint=f"check {auth.setting}" if auth.setting else None,
    )
