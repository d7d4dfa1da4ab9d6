"""The contract RecordRegistry, as ``ports.RecordLedger``."""

from __future__ import annotations

from medshare.chain.client import ChainClient
from medshare.chain.codec import address_word, decode_record, digest_word, selector
from medshare.chain.transactions import TransactionSender
from medshare.model.events import BlockRef
from medshare.model.ids import Address, RecordId
from medshare.model.record import RecordEntry
from medshare.ports import Receipt, Signer

CONTRACT = "RecordRegistry"


class RecordRegistryAdapter:
    """Speaks to a deployed RecordRegistry.

    Every method raises ``LedgerUnavailableError`` where the node fails, and writing raises as
    ``TransactionSender.send``.
    """

    def __init__(self, client: ChainClient, sender: TransactionSender, address: Address) -> None:
        self._client = client
        self._sender = sender
        self.address = address

    def record(self, custodian: Address, record_id: RecordId, *, block: BlockRef) -> RecordEntry:
        """Return what ``custodian`` states of a record; raises ``UnknownRecordError``."""
        data = selector(CONTRACT, "getRecord(address,bytes32)") + address_word(custodian) + digest_word(record_id)
        return decode_record(custodian, record_id, self._client.call(self.address, data, block=block))

    def register(self, signer: Signer, record_id: RecordId, patient: Address, *, intent: str | None = None) -> Receipt:
        """Register a first version, as the signer.

        Raises:
            RecordExistsError: the signer has registered it already.
            RecordIdIsZeroError, PatientIsZeroError: an argument is zero.
        """
        data = selector(CONTRACT, "register(bytes32,address)") + digest_word(record_id) + address_word(patient)
        return self._sender.send(signer, to=self.address, data=data, intent=intent)

    def supersede(
        self, signer: Signer, record_id: RecordId, previous_id: RecordId, *, intent: str | None = None
    ) -> Receipt:
        """Put a new version in the place of the signer's record.

        Raises:
            UnknownRecordError: the signer has no record ``previous_id``.
            RecordNotActiveError: it was superseded or retracted before.
            RecordExistsError, RecordIdIsZeroError, VersionsExhaustedError: the new version cannot be.
        """
        data = selector(CONTRACT, "supersede(bytes32,bytes32)") + digest_word(record_id) + digest_word(previous_id)
        return self._sender.send(signer, to=self.address, data=data, intent=intent)

    def retract(self, signer: Signer, record_id: RecordId, reason: bytes) -> Receipt:
        """Withdraw the signer's record; ``reason`` is a salted digest.

        Raises:
            UnknownRecordError: the signer has no such record.
            RecordNotActiveError: it was retracted before.
        """
        data = selector(CONTRACT, "retract(bytes32,bytes32)") + digest_word(record_id) + digest_word(reason)
        return self._sender.send(signer, to=self.address, data=data)
