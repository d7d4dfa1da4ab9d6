"""Signatures from elsewhere: wallets asked over JSON-RPC, and contracts that say what they have signed.

A wallet far away (a bridge to a browser or a hardware key, Clef, Web3Signer) shows the typed data to its owner. What it
answers is believed only after ``medshare.services.signing`` has compared it with the digest computed here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from web3.types import RPCEndpoint

from medshare.chain.client import ChainClient
from medshare.chain.codec import digest_word, hex_bytes, word
from medshare.chain.deployments import Deployment
from medshare.chain.wire import BoundedHTTPProvider, NodeError, result_of, translated
from medshare.errors import (
    LedgerUnavailableError,
    RejectedError,
    SignerUnavailableError,
    SigningRefusedError,
    TransactionFailedError,
)
from medshare.hashing import keccak256
from medshare.model.eip712 import Domain
from medshare.model.ids import Address
from medshare.model.typed_data import MAX_SIGNATURE_SIZE, SIGNABLES

PATIENCE = 180.0
"""Seconds that a person has to read what he signs."""
_MAX_ANSWER = 64 << 10
_USER_REJECTED = 4001
"""EIP-1193."""
_DENIED = re.compile(r"den(y|ied)|reject|refus|cancel", re.IGNORECASE)
_IS_VALID_SIGNATURE = keccak256(b"isValidSignature(bytes32,bytes)")[:4]


class Dialect(StrEnum):
    """How a wallet wants to be asked; all of them sign the same."""

    STANDARD = "eth_signTypedData_v4"
    """Typed data as text within JSON, as MetaMask has it; most others take it."""
    WEB3SIGNER = "eth_signTypedData"
    """The same under Web3Signer's name."""
    CLEF = "account_signTypedData"
    """Under Clef's name, and typed data as an object."""


def domains_of(deployment: Deployment) -> dict[str, Domain]:
    """Return the domain of each contract of a deployment that takes signed messages, by the contract's name."""
    signed = {kind.contract for kind in SIGNABLES.values()}
    return {
        contract.name: Domain.of(contract.name, deployment.chain_id, contract.address)
        for contract in deployment.contracts
        if contract.name in signed
    }


class RemoteSigner:
    """A wallet that is asked over JSON-RPC.

    Args:
        address: the account that shall sign.
        url: the wallet's address; never logged.
        dialect: how it wants to be asked.
        timeout: seconds until its owner must have answered.
    """

    def __init__(
        self, address: Address, url: str, *, dialect: Dialect = Dialect.STANDARD, timeout: float = PATIENCE
    ) -> None:
        self._address = address
        self._dialect = dialect
        self._provider = BoundedHTTPProvider(url, timeout=timeout, max_answer=_MAX_ANSWER)

    def __repr__(self) -> str:
        return f"RemoteSigner({self._address})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; closing twice is no error."""
        self._provider.close()

    @property
    def address(self) -> Address:
        """The account."""
        return self._address

    def sign_typed_data(self, typed_data: Mapping[str, Any]) -> bytes:
        """Return what the wallet answers: a signature, of what is for the caller to verify.

        Raises:
            SigningRefusedError: its owner, or its rules, said no.
            SignerUnavailableError: it cannot be reached, is locked, or answered something else than a signature.
        """
        data = dict(typed_data) if self._dialect is Dialect.CLEF else json.dumps(typed_data)
        method = str(self._dialect)
        try:
            with translated(method):
                answer = self._provider.make_request(RPCEndpoint(method), [self._address, data])
                signature = hex_bytes(result_of(method, answer))
        except NodeError as error:
            if error.code == _USER_REJECTED or _DENIED.search(error.reason):
                raise SigningRefusedError(f"the wallet of {self._address} did not sign") from None
            raise SignerUnavailableError(f"the wallet of {self._address} could not sign: {error}") from None
        except LedgerUnavailableError as error:
            # Its words, not its cause: that one may hold the wallet's address on the network, and this a key.
            raise SignerUnavailableError(f"the wallet of {self._address} did not sign: {error}") from None
        if not 0 < len(signature) <= MAX_SIGNATURE_SIZE:
            raise SignerUnavailableError(f"the wallet of {self._address} answered no signature")
        return signature


class ChainWallets:
    """Contract wallets on a chain (ERC-1271), as ``ports.ContractWallets``."""

    def __init__(self, client: ChainClient) -> None:
        self._client = client

    def accepts(self, wallet: Address, digest: bytes, signature: bytes) -> bool:
        """Whether the contract at ``wallet`` takes this as its signature now; False where there is no contract.

        Raises:
            LedgerUnavailableError: the chain could not be asked.
        """
        if not self._client.code(wallet):
            return False
        padded = signature.ljust(-(-len(signature) // 32) * 32, b"\0")
        data = _IS_VALID_SIGNATURE + digest_word(digest) + word(64) + word(len(signature)) + padded
        try:
            answer = self._client.call(wallet, data)
        except (RejectedError, TransactionFailedError):
            return False
        return answer == _IS_VALID_SIGNATURE.ljust(32, b"\0")
