"""The keys in the contract Consortium, as ``ports.DirectoryLedger``."""

from __future__ import annotations

from medshare.chain.client import ChainClient
from medshare.chain.codec import address_word, decode_encryption_key, digest_word, selector
from medshare.chain.transactions import TransactionSender
from medshare.model.events import BlockRef
from medshare.model.ids import Address
from medshare.model.ledger import EncryptionKey
from medshare.ports import Receipt, Signer

CONTRACT = "Consortium"


class DirectoryAdapter:
    """Speaks to a deployed Consortium about encryption keys.

    Every method raises ``LedgerUnavailableError`` where the node fails, and writing raises as
    ``TransactionSender.send``.
    """

    def __init__(self, client: ChainClient, sender: TransactionSender, address: Address) -> None:
        self._client = client
        self._sender = sender
        self.address = address

    def encryption_key(self, actor: Address, *, block: BlockRef) -> EncryptionKey:
        """Return an actor's key; raises ``EncryptionKeyNotSetError``."""
        data = selector(CONTRACT, "getEncryptionKey(address)") + address_word(actor)
        return decode_encryption_key(self._client.call(self.address, data, block=block))

    def set_encryption_key(self, signer: Signer, key: bytes) -> Receipt:
        """Publish or rotate the signer's key.

        Raises:
            EncryptionKeyUnchangedError: it is this one already.
            EncryptionKeyIsZeroError: the key is zero.
            InvalidInputError: it has not 32 bytes.
        """
        data = selector(CONTRACT, "setEncryptionKey(bytes32)") + digest_word(key)
        return self._sender.send(signer, to=self.address, data=data)
