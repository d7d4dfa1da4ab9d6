"""The contract RecordRegistry, as ``ports.RecordLedger``."""

from __future__ import annotations

from collections.abc import Sequence

from medshare.chain.client import ChainClient
from medshare.chain.codec import WORD, address_word, bounded, decode_record, digest_word, selector, word, words
from medshare.chain.several_calls import SeveralCalls
from medshare.chain.transactions import TransactionSender
from medshare.errors import InvalidInputError, RejectedError
from medshare.model.events import BlockRef
from medshare.model.ids import Address, CatalogueId, RecordId
from medshare.model.record import RecordEntry
from medshare.model.record_acts import Enter, RecordAct, Retract, Supersede
from medshare.model.record_batch import AnchoredBatch, Inclusion
from medshare.ports import CallOutcome, Receipt, Signer

CONTRACT = "RecordRegistry"
_U32 = (1 << 32) - 1
_INCLUSION = "(address,bytes32,bytes32,address,bytes32,bytes32[])"


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
        data = _encode(Supersede(record_id=record_id, previous_id=previous_id))
        return self._sender.send(signer, to=self.address, data=data, intent=intent)

    def retract(self, signer: Signer, record_id: RecordId, reason: bytes) -> Receipt:
        """Withdraw the signer's record; ``reason`` is a salted digest.

        Raises:
            UnknownRecordError: the signer has no such record.
            RecordNotActiveError: it was retracted before.
        """
        data = _encode(Retract(record_id=record_id, reason=reason))
        return self._sender.send(signer, to=self.address, data=data)

    def anchor_batch(
        self, signer: Signer, root: bytes, catalogue: CatalogueId, count: int, *, intent: str | None = None
    ) -> Receipt:
        """State very many records by their root, as an accredited custodian.

        Raises:
            CustodianNotAccreditedError: the signer is no accredited custodian now.
            RootIsZeroError, BatchCountOutOfRangeError: an argument cannot be.
            BatchExistsError: the signer has anchored it before.
            InvalidInputError: the count cannot be.
        """
        if not 0 <= count <= _U32:
            raise InvalidInputError("a count is a number of at most 32 bits")
        arguments = digest_word(root) + digest_word(catalogue) + word(count)
        data = selector(CONTRACT, "anchorBatch(bytes32,bytes32,uint32)") + arguments
        return self._sender.send(signer, to=self.address, data=data, intent=intent)

    def register_from_batch(self, payer: Signer, inclusion: Inclusion, *, intent: str | None = None) -> Receipt:
        """Give a record of a batch an entry of its own; anybody who can show it may send.

        Raises:
            UnknownBatchError: its custodian has anchored no such batch.
            NotInBatchError: the proof does not show it.
            RecordExistsError: it has an entry already.
            RecordIdIsZeroError, PatientIsZeroError: the batch states what cannot be.
        """
        return self._sender.send(payer, to=self.address, data=_encode(Enter(inclusion=inclusion)), intent=intent)

    def do_all(
        self, signer: Signer, acts: Sequence[RecordAct], *, intent: str | None = None
    ) -> tuple[CallOutcome, ...]:
        """Do several things with the signer's records in one transaction, in this order; return what became of each.

        Each that is refused is undone, with the error that the verb by itself raises, and the rest goes on; where every
        one would be, nothing is sent.
        """
        several = SeveralCalls(self._client, self._sender, CONTRACT, self.address)
        try:
            return several.send(signer, [_encode(act) for act in acts], intent=intent)
        except RejectedError as refusal:
            return (CallOutcome(receipt=None, refusal=refusal),)

    def batch(self, custodian: Address, root: bytes, *, block: BlockRef) -> AnchoredBatch:
        """Return a batch that ``custodian`` anchored; raises ``UnknownBatchError``."""
        data = selector(CONTRACT, "getBatch(address,bytes32)") + address_word(custodian) + digest_word(root)
        anchored_at, count = words(self._client.call(self.address, data, block=block), 2)
        return AnchoredBatch(
            custodian=custodian, root=root, anchored_at=bounded(anchored_at, _U32), count=bounded(count, _U32)
        )

    def included(self, inclusion: Inclusion, *, block: BlockRef) -> RecordEntry:
        """Return what is stated of a record by a batch; raises ``UnknownBatchError``, ``NotInBatchError``."""
        data = selector(CONTRACT, f"proveInclusion{_INCLUSION}") + _encode_inclusion(inclusion)
        answer = self._client.call(self.address, data, block=block)
        return decode_record(inclusion.custodian, inclusion.record.record_id, answer)


def _encode(act: RecordAct) -> bytes:
    """Return the call that does it."""
    match act:
        case Enter(inclusion=inclusion):
            return selector(CONTRACT, f"registerFromBatch{_INCLUSION}") + _encode_inclusion(inclusion)
        case Supersede(record_id=record_id, previous_id=previous_id):
            return selector(CONTRACT, "supersede(bytes32,bytes32)") + digest_word(record_id) + digest_word(previous_id)
        case Retract(record_id=record_id, reason=reason):
            return selector(CONTRACT, "retract(bytes32,bytes32)") + digest_word(record_id) + digest_word(reason)


def _encode_inclusion(inclusion: Inclusion) -> bytes:
    record = inclusion.record
    head = (
        address_word(inclusion.custodian),
        digest_word(inclusion.root),
        digest_word(record.record_id),
        address_word(record.patient),
        digest_word(record.salt),
    )
    start = word((len(head) + 1) * WORD)
    return b"".join((*head, start, word(len(inclusion.proof)), *map(digest_word, inclusion.proof)))
