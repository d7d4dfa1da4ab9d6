"""An account whose key is elsewhere: a pointer to the wallet that signs its messages, and no key.

A wallet is asked for messages only. Transactions are another's: who relays, or pays.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from medshare.chain.signing import Dialect, RemoteSigner
from medshare.errors import ConfigurationError, InvalidInputError, KeyFileError, SigningRefusedError
from medshare.files import write_whole
from medshare.model.ids import Address, address

MAX_POINTER_SIZE = 1 << 14
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_URL = re.compile(r"https?://[^/?#:\s][^\s]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAccount:
    """Asks a wallet over JSON-RPC, anew for each message; what it answers is verified by who asks."""

    address: Address
    url: str
    """Where the wallet is; ``${NAME}`` in it is the environment variable's value. It may hold a key: never logged."""
    dialect: Dialect = Dialect.STANDARD
    """How the wallet wants to be asked."""

    def __post_init__(self) -> None:
        if not _URL.fullmatch(self.url) and not _VARIABLE.match(self.url):
            raise InvalidInputError("a wallet's address begins with http:// or https://, and names a host")

    def __repr__(self) -> str:
        return f"RemoteAccount({self.address})"

    def sign_transaction(self, transaction: Mapping[str, Any]) -> bytes:  # noqa: ARG002 - whatever it is
        """Refuse: a wallet far away signs messages."""
        raise SigningRefusedError(
            f"the key of {self.address} is in a wallet, which signs messages and no transactions",
            hint="say --paid-by NAME, or --sign-to FILE for a relayer",
        )

    def sign_typed_data(self, typed_data: Mapping[str, Any]) -> bytes:
        """Return what the wallet answers; raises as ``RemoteSigner.sign_typed_data``, and ``ConfigurationError``."""
        with RemoteSigner(self.address, self._resolved(), dialect=self.dialect) as wallet:
            return wallet.sign_typed_data(typed_data)

    def save(self, path: Path) -> None:
        """Write the pointer to a new file that only its owner may read; raises ``InvalidInputError`` if it exists."""
        document = {"address": self.address, "url": self.url, "dialect": str(self.dialect)}
        write_whole(path, json.dumps(document, indent=2).encode(), replace=False)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the account in a file; raises ``KeyFileError`` where it is none."""
        try:
            with path.open("rb") as stream:
                document = json.loads(stream.read(MAX_POINTER_SIZE))
            return cls(
                address=address(document["address"]),
                url=str(document["url"]),
                dialect=Dialect(document["dialect"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # Without its cause: the file's text may hold the wallet's own secret.
            raise KeyFileError("the file that points to the wallet is damaged") from None

    def _resolved(self) -> str:
        def value(match: re.Match[str]) -> str:
            found = os.environ.get(match[1])
            if not found:
                raise ConfigurationError(
                    f"the wallet's address needs the environment variable {match[1]}", hint=f"set {match[1]}"
                )
            return found

        return _VARIABLE.sub(value, self.url)
