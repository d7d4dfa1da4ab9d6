"""Read receipts: a reader's client signs before a custodian's client releases keys; the custodian keeps them.

    signed = receipts.sign(episode_id, reader=clinician, custodian=hospital)      # the clinician's client
    receipts.keep(signed, custodian=hospital)                                     # the custodian's client
    emergencies.release(episode_id, custodian=hospital_actor, on=receipts)
    batch = receipts.close_batch(hospital)

A receipt can be asked for where keys are released on demand: in emergencies, and where a custodian delivers what was
granted for a request. What any other grant gives its reader is in his hands from then on:
docs/adr/0023-receipts-where-keys-are-released.md.
"""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass

from medshare.errors import IntegrityError, InvalidInputError, ReceiptMissingError, SigningRefusedError
from medshare.hashing import DIGEST_SIZE
from medshare.model.eip712 import Domain
from medshare.model.grant import Grant
from medshare.model.ids import Address, EpisodeId, GrantId, clinician_of
from medshare.model.merkle import nodes_of, proof_of
from medshare.model.purpose import Purpose
from medshare.model.read_receipt import (
    WHATEVER_IT_COVERS,
    ReceiptProof,
    SignableReadReceipt,
    leaf_of,
    receipt_of,
    receipts_domain,
)
from medshare.model.typed_data import SignedMessage
from medshare.ports import Actor, Clock, ContractWallets, Ledger, Receipt, TypedDataSigner
from medshare.services.receipt_journal import KeptReceipt, ReceiptJournal
from medshare.services.signing import sign, verify

VALIDITY = 24 * 3600
"""Seconds in which a custodian may release on a receipt."""
CLOCK_AHEAD = 300
"""Seconds by which a reader's clock may be ahead of the custodian's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptBatch:
    """Receipts under one root."""

    root: bytes
    count: int


class Receipts:
    """Signs, checks, keeps and batches read receipts of one deployment.

    Args:
        ledger: the contracts.
        journal: where a custodian keeps what readers have signed.
        consents: the domain of the ConsentRegistry.
        wallets: asked where a signature is no key's.
        clock: the time on the wall.
    """

    def __init__(
        self, *, ledger: Ledger, journal: ReceiptJournal, consents: Domain, wallets: ContractWallets, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._domain = receipts_domain(consents)
        self._wallets = wallets
        self._clock = clock

    def sign(
        self, episode_id: EpisodeId, *, reader: Actor, custodian: Address, validity: int = VALIDITY
    ) -> SignedMessage:
        """Return the receipt of a clinician for what a custodian shall release in an emergency.

        Args:
            episode_id: the clinician's episode.
            reader: the clinician.
            custodian: who shall release.
            validity: seconds in which he may.

        Raises:
            UnknownEpisodeError: there is none.
            InvalidInputError: it is another clinician's.
            SigningRefusedError: the reader's signer signs transactions only, or its owner said no.
            SigningError, LedgerError: the wallet or the chain failed.
        """
        block = self._ledger.chain.head()
        episode = self._ledger.emergencies.episode(episode_id, block=block)
        if clinician_of(episode_id) != reader.address:
            raise InvalidInputError("the episode is another clinician's")
        return self._signed(reader, custodian, episode.patient, episode_id, Purpose.BTG, validity)

    def sign_for_grant(
        self, grant_id: GrantId, *, reader: Actor, custodian: Address, validity: int = VALIDITY
    ) -> SignedMessage:
        """Return the receipt of a requester for what a custodian shall deliver of a grant.

        Args:
            grant_id: the grant with which the patient accepted the request.
            reader: the requester.
            custodian: who shall deliver.
            validity: seconds in which he may.

        Raises:
            UnknownGrantError: there is none.
            InvalidInputError: it is another reader's, or not live.
            SigningRefusedError, SigningError, LedgerError: as ``sign``.
        """
        block = self._ledger.chain.head()
        grant = self._ledger.consents.get_grant(grant_id, block=block)
        if grant.grantee != reader.address:
            raise InvalidInputError("the grant is another reader's")
        if not grant.purposes or not self._ledger.consents.is_live(grant_id, grant.purposes, block=block):
            raise InvalidInputError("the grant is not live: there is nothing to read by it")
        return self._signed(reader, custodian, grant.patient, grant_id, grant.purposes, validity)

    def _signed(
        self, reader: Actor, custodian: Address, patient: Address, right: int, purposes: Purpose, validity: int
    ) -> SignedMessage:
        if not isinstance(reader.signer, TypedDataSigner):
            raise SigningRefusedError(f"{reader.address} signs transactions only")
        now = self._now()
        receipt = SignableReadReceipt(
            reader=reader.address,
            custodian=custodian,
            patient=patient,
            record=WHATEVER_IT_COVERS,
            right=right,
            purposes=purposes,
            signed_at=now,
            salt=secrets.token_bytes(DIGEST_SIZE),
            deadline=now + validity,
        )
        return sign(receipt, self._domain, signer=reader.signer, now=now, wallets=self._wallets)

    def keep(self, signed: SignedMessage, *, custodian: Address) -> bool:
        """Check a receipt and keep it, as the custodian for whom it was signed; return whether it is new.

        Raises:
            InvalidInputError: it is no receipt, for another custodian, or signed at a time that is still to come.
            WrongDomainError: it is for another chain or deployment.
            DeadlinePassedError, DeadlineTooFarError: it is too old, or good for absurdly long.
            SignatureInvalidError: it is not the reader's signature.
            LedgerUnavailableError, ConfigurationError, StoreFullError: chain or journal failed.
        """
        receipt = receipt_of(signed)
        if receipt.custodian != custodian:
            raise InvalidInputError("this receipt is for another custodian")
        if receipt.signed_at > self._now() + CLOCK_AHEAD:
            raise InvalidInputError(
                "this receipt says that it was signed at a time that is still to come",
                hint="the reader's clock is ahead: have him set it, and sign anew",
            )
        verify(signed, self._domain, now=self._now(), wallets=self._wallets)
        return self._journal.keep(signed)

    def require(self, episode_id: EpisodeId, *, custodian: Address) -> SignedMessage:
        """Return a receipt on which a custodian may release keys for an episode now.

        Raises:
            UnknownEpisodeError: there is no such episode.
            ReceiptMissingError: the clinician has signed none for it that is still good.
            ConfigurationError, LedgerError: journal or chain failed.
        """
        block = self._ledger.chain.head()
        patient = self._ledger.emergencies.episode(episode_id, block=block).patient
        return self._good(custodian, clinician_of(episode_id), patient, episode_id, Purpose.BTG)

    def require_for_grant(self, grant: Grant, *, custodian: Address) -> SignedMessage:
        """Return a receipt on which a custodian may deliver what was granted now.

        Raises:
            ReceiptMissingError: the reader has signed none for it that is still good.
            ConfigurationError, LedgerError: journal or chain failed.
        """
        return self._good(custodian, grant.grantee, grant.patient, grant.grant_id, grant.purposes)

    def _good(
        self, custodian: Address, reader: Address, patient: Address, right: int, purposes: Purpose
    ) -> SignedMessage:
        now = self._now()
        for kept in self._journal.all(custodian, right=right):
            receipt = receipt_of(kept.signed)
            said = (receipt.reader, receipt.patient, receipt.purposes)
            if said == (reader, patient, purposes) and now < receipt.deadline:
                return kept.signed
        raise ReceiptMissingError(reader)

    def all(self, custodian: Address) -> list[KeptReceipt]:
        """Return what a custodian keeps, in the order in which it was signed; raises ``ConfigurationError``."""
        return sorted(self._journal.all(custodian), key=lambda kept: receipt_of(kept.signed).signed_at)

    def close_batch(self, custodian: Address) -> ReceiptBatch | None:
        """Put what is in no batch yet into one, whose root says nothing of it; None where there is nothing.

        Raises:
            ConfigurationError, StoreFullError: the journal failed.
        """
        closed = self._journal.close_batch(custodian)
        return None if closed is None else ReceiptBatch(root=closed[0], count=closed[1])

    def anchor(self, batch: ReceiptBatch, *, custodian: Actor) -> Receipt | None:
        """Put the root of a batch on chain, as an accredited custodian; None where it is there already.

        Raises:
            AttestingNotAccreditedError: the custodian is not accredited now.
            LedgerError: the chain failed; repeat.
        """
        attestations = self._ledger.attestations
        if attestations.anchor(custodian.address, batch.root, block=self._ledger.chain.head()).anchored_at:
            return None
        return attestations.anchor_receipts(custodian.signer, batch.root, batch.count)

    def batches(self, custodian: Address) -> tuple[ReceiptBatch, ...]:
        """Return the batches that a custodian has closed; raises ``ConfigurationError``."""
        counts = Counter(kept.batch for kept in self._journal.all(custodian) if kept.batch is not None)
        return tuple(ReceiptBatch(root=root, count=counts[root]) for root in sorted(counts))

    def prove(self, digest: bytes, *, custodian: Address) -> ReceiptProof:
        """Return what shows somebody else that a receipt is in its batch.

        Raises:
            InvalidInputError: no such receipt is kept, or it is in no batch yet.
            ConfigurationError: the journal failed.
        """
        kept = {each.signed.digest: each for each in self._journal.all(custodian)}
        found = kept.get(digest)
        if found is None or found.batch is None:
            raise InvalidInputError(
                "no receipt of this digest is in a batch", hint="close one: medshare receipt batch --as CUSTODIAN"
            )
        nodes = nodes_of(leaf_of(each.signed) for each in kept.values() if each.batch == found.batch)
        return ReceiptProof(signed=found.signed, root=found.batch, proof=proof_of(nodes, leaf_of(found.signed)))

    def check(self, proof: ReceiptProof) -> None:
        """Check a proof, and that its receipt is what its reader signed, however long ago.

        Raises:
            IntegrityError: it is in no batch of that root.
            InvalidInputError: it is no receipt.
            WrongDomainError, DeadlinePassedError, DeadlineTooFarError, SignatureInvalidError: as ``keep``, when it was
                signed.
            LedgerUnavailableError: the chain could not be asked about a contract wallet.
        """
        if not proof.holds:
            raise IntegrityError("the receipt is not in the batch of this root", hint="it was edited, or is another's")
        self.verify(proof.signed)

    def verify(self, signed: SignedMessage) -> None:
        """Check that a receipt is what its reader signed, however long ago.

        Raises:
            InvalidInputError: it is no receipt.
            WrongDomainError, DeadlinePassedError, DeadlineTooFarError, SignatureInvalidError: as ``keep``, when it was
                signed.
            LedgerUnavailableError: the chain could not be asked about a contract wallet.
        """
        verify(signed, self._domain, now=receipt_of(signed).signed_at, wallets=self._wallets)

    def _now(self) -> int:
        return max(self._ledger.chain.head().time, self._clock.now())
