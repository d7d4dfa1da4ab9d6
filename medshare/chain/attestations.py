"""The contract Attestations, as ``ports.AttestationLedger``."""

from __future__ import annotations

from medshare.chain.client import ChainClient
from medshare.chain.codec import address_word, bounded, digest_word, selector, word, words
from medshare.chain.transactions import TransactionSender
from medshare.errors import InvalidInputError
from medshare.model.attestation import MAX_METHOD, Anchor, Attestation
from medshare.model.events import BlockRef
from medshare.model.ids import Address, RecordId
from medshare.ports import Receipt, Signer

CONTRACT = "Attestations"
_U8, _U16, _U32 = (1 << 8) - 1, (1 << 16) - 1, (1 << 32) - 1


class AttestationsAdapter:
    """Speaks to a deployed Attestations.

    Every method raises ``LedgerUnavailableError`` where the node fails, and writing raises as
    ``TransactionSender.send``.
    """

    def __init__(self, client: ChainClient, sender: TransactionSender, address: Address) -> None:
        self._client = client
        self._sender = sender
        self.address = address

    def attest(self, signer: Signer, record_id: RecordId, method: int, score: int) -> Receipt:
        """Attest the quality of a record, or attest it anew, as an accredited assessor.

        Raises:
            AttestingNotAccreditedError: the signer is no accredited assessor now.
            SubjectIsZeroError, MethodMissingError: an argument is zero.
            ScoreOutOfRangeError: the score is more than the best.
            RootKnownError: it is the root of a batch that the signer attested.
            InvalidInputError: method or score cannot be.
        """
        if not 0 <= score <= _U8:
            raise InvalidInputError("a score is a number of at most 8 bits")
        data = (
            selector(CONTRACT, "attest(bytes32,uint16,uint8)")
            + digest_word(record_id)
            + _method_word(method)
            + word(score)
        )
        return self._sender.send(signer, to=self.address, data=data)

    def attest_batch(self, signer: Signer, root: bytes, method: int, count: int) -> Receipt:
        """Attest the quality of many records under one root, as an accredited assessor.

        Raises:
            AttestingNotAccreditedError: the signer is no accredited assessor now.
            SubjectIsZeroError, MethodMissingError, CountIsZeroError: an argument is zero.
            RootKnownError: the signer has attested this before.
            InvalidInputError: method or count cannot be.
        """
        data = (
            selector(CONTRACT, "attestBatch(bytes32,uint16,uint32)")
            + digest_word(root)
            + _method_word(method)
            + _count_word(count)
        )
        return self._sender.send(signer, to=self.address, data=data)

    def withdraw(self, signer: Signer, subject: bytes) -> Receipt:
        """Withdraw what the signer attested of a record or a root.

        Raises:
            UnknownAttestationError: he has attested no such thing.
            AttestationWithdrawnError: it was withdrawn before.
        """
        data = selector(CONTRACT, "withdraw(bytes32)") + digest_word(subject)
        return self._sender.send(signer, to=self.address, data=data)

    def anchor_receipts(self, signer: Signer, root: bytes, count: int) -> Receipt:
        """Anchor the root of read receipts, as an accredited custodian.

        Raises:
            AttestingNotAccreditedError: the signer is no accredited custodian now.
            SubjectIsZeroError, CountIsZeroError: an argument is zero.
            RootKnownError: the signer has anchored it before.
            InvalidInputError: the count cannot be.
        """
        data = selector(CONTRACT, "anchorReceipts(bytes32,uint32)") + digest_word(root) + _count_word(count)
        return self._sender.send(signer, to=self.address, data=data)

    def attestation(self, assessor: Address, subject: bytes, *, block: BlockRef) -> Attestation:
        """Return what an assessor attested of a record or a root; raises ``UnknownAttestationError``."""
        data = selector(CONTRACT, "getAttestation(address,bytes32)") + address_word(assessor) + digest_word(subject)
        answer = words(self._client.call(self.address, data, block=block), 5)
        attested_at, withdrawn_at, count, method, score = answer
        return Attestation(
            assessor=assessor,
            subject=subject,
            attested_at=bounded(attested_at, _U32),
            withdrawn_at=bounded(withdrawn_at, _U32),
            count=bounded(count, _U32),
            method=bounded(method, _U16),
            score=bounded(score, _U8),
        )

    def anchor(self, custodian: Address, root: bytes, *, block: BlockRef) -> Anchor:
        """Return when a custodian anchored a root, and how many receipts are under it."""
        data = selector(CONTRACT, "getAnchor(address,bytes32)") + address_word(custodian) + digest_word(root)
        anchored_at, count = words(self._client.call(self.address, data, block=block), 2)
        return Anchor(anchored_at=bounded(anchored_at, _U32), count=bounded(count, _U32))


def _method_word(method: int) -> bytes:
    if not 0 <= method <= MAX_METHOD:
        raise InvalidInputError(f"a method is numbered from 1 to {MAX_METHOD}")
    return word(method)


def _count_word(count: int) -> bytes:
    if not 0 <= count <= _U32:
        raise InvalidInputError("a count is a number of at most 32 bits")
    return word(count)
