"""What a chain did not do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from medshare.errors.base import MedshareError


class LedgerError(MedshareError):
    """The chain did not do its part."""


class LedgerUnavailableError(LedgerError):
    """The node cannot be reached, broke off, or answered nonsense."""

    hint = "try again: what was signed is on file and is sent again as it is, never twice"


class LedgerBusyError(LedgerError):
    """Another process holds what only one may hold: the embedded chain, or an account's next nonce."""

    hint = "wait for the other medshare process to end, then repeat"


class InsufficientFundsError(LedgerError):
    """The account cannot pay for the transaction."""

    def __init__(self, address: str) -> None:
        super().__init__(f"account {address} cannot pay for the transaction", hint=f"send funds to {address}")
        self.address = address


class TransactionFailedError(LedgerError):
    """A transaction was mined and failed, for a reason that no contract error names."""

    def __init__(self, tx_hash: str, reason: str) -> None:
        super().__init__(f"transaction {tx_hash} failed: {reason}")
        self.tx_hash = tx_hash


class RejectedError(LedgerError):
    """A contract refused. One subclass for each contract error, with the error's values as attributes."""

    solidity: ClassVar[str] = ""

    def __init__(self) -> None:
        self.__post_init__()

    def __post_init__(self) -> None:
        super().__init__(self._message())

    def _message(self) -> str:
        return self.__class__.__doc__ or self.solidity


def moment(at: int) -> str:
    """Return a time of the chain, Unix seconds, as people read it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
