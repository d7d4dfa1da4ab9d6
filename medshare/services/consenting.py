"""Consenting: a patient grants access to records, with the keys to open them, and takes it back.

    granted = consenting.grant(
        patient=me, grantee=doctor, records=[ref], purposes=Purpose.TREAT, expires_at=until
    )
    consenting.revoke(granted.grant_id, patient=me)

The steps of a grant, numbered as in the code:

(1) fix the block; check what would be refused on chain anyway;
(2) ask the Directory for the grantee's key, at that block;
(3) for each record: compare the chain's entry, open its header as the patient, check key commitment and manifest, and
    wrap the file key for the grantee: one packet, whatever the record's size;
(4) write the terms, encrypted for grantee and patient; put both into a bundle, store and pin it;
(5) grant on chain.

The same patient, grantee, records and purposes give the same terms, and so the same grant: a grant repeated after a
crash, or with new dates, replaces the earlier one and never stands beside it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from medshare.content import Cid
from medshare.envelope import FileKey, Identity, Recipient, seal, unwrap, wrap
from medshare.errors import (
    ConfigurationError,
    GranteeIsPatientError,
    GranteeIsZeroError,
    InsufficientFundsError,
    IntegrityError,
    InvalidInputError,
    LedgerError,
    NotAllowedToActError,
    PeriodEmptyError,
    PurposesEmptyError,
    RecordNotActiveError,
    RejectedError,
    StoreError,
    TransactionFailedError,
)
from medshare.model.consent import MAX_TIME, TERMS_FILE, Grant, GrantRequest, RecordRef, Terms
from medshare.model.events import BlockRef
from medshare.model.ids import ZERO_ADDRESS, Address, BundleId, GrantId, patient_of
from medshare.model.purpose import Purpose
from medshare.model.record import RecordStatus
from medshare.ports import Actor, BlobStore, Ledger, Receipt
from medshare.services.auditing import Auditing
from medshare.services.blob_writer import BlobWriter
from medshare.services.progress import Progress, silent
from medshare.services.record_files import check_key, locate, open_manifest, own_header

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A grant that is on chain, with its bundle in the store."""

    grant: Grant
    terms: Terms
    bundle: Cid
    receipt: Receipt

    @property
    def grant_id(self) -> GrantId:
        """The grant's id."""
        return self.grant.grant_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """A revocation that is on chain."""

    receipt: Receipt
    had_been_granted: bool
    """False where nothing was ever granted: a mistyped id, or a grant that was lost on its way."""
    bundles_left: int
    """Key bundles that the store could not be told to give up; repeat the revocation to try again."""


class Consenting:
    """Grants and revokes access, as a patient.

    Args:
        ledger: the contracts.
        store: where records are and bundles go.
        auditing: which keys custodians have published, and which bundles grants have had.
    """

    def __init__(self, *, ledger: Ledger, store: BlobStore, auditing: Auditing) -> None:
        self._ledger = ledger
        self._store = store
        self._auditing = auditing

    def grant(
        self,
        *,
        patient: Actor,
        grantee: Address,
        records: Sequence[RecordRef],
        purposes: Purpose,
        expires_at: int,
        not_before: int = 0,
        progress: Progress = silent,
    ) -> Granted:
        """Grant ``grantee`` access to ``records`` for ``purposes`` until ``expires_at``.

        Args:
            patient: who grants; the records are his.
            grantee: who shall read.
            records: which records, at most ``MAX_RECORDS``.
            purposes: what for.
            expires_at: first second in which he may no longer, Unix time.
            not_before: first second in which he may; 0 or a past time: from now on.
            progress: told how far it is.

        Raises:
            InvalidInputError: no records, too many, one twice, or one of somebody else; a purpose that HL7 does not
                have here; or the grantee's published key is unusable.
            GranteeIsZeroError, GranteeIsPatientError, PeriodEmptyError, PurposesEmptyError: as the contract would.
            EncryptionKeyNotSetError: the grantee has published no encryption key.
            UnknownRecordError, RecordNotActiveError: a record is not there, or retracted.
            EnvelopeError, IntegrityError: a record does not open as it should.
            StoreError, LedgerError: store or chain failed; repeat, nothing is done twice.
        """
        block = self._ledger.chain.head()  # (1)
        _check_request(patient.address, grantee, purposes, not_before, expires_at, block)
        terms = Terms(
            patient=patient.address,
            grantee=grantee,
            purposes=purposes,
            records=tuple(sorted(records, key=lambda record: (record.custodian, record.record_id))),
            salt=_salt(patient.identity, grantee, records, purposes),
        )
        reader = Recipient(self._ledger.directory.encryption_key(grantee, block=block).key)  # (2)
        keys = {
            custodian: {event.key for event in self._auditing.encryption_keys(custodian)}
            for custodian in {record.custodian for record in terms.records}
        }
        files = {}
        with BlobWriter(self._store) as writer:
            for done, record in enumerate(terms.records):  # (3)
                progress("wrapping keys", done, len(terms.records))
                file_key = self._own_file_key(record, patient, block, keys[record.custodian])
                header = wrap(file_key, writer=patient.identity, recipients=[reader])
                files[terms.header_name(record.record_id)] = writer.file([header])
            files[TERMS_FILE] = writer.file(_sealed_terms(terms, patient.identity, reader))  # (4)
            bundle = writer.directory(files)
        self._store.pin(bundle)
        progress("granting", len(terms.records), len(terms.records))
        request = GrantRequest(
            grantee=grantee,
            terms=terms.digest(),
            bundle=BundleId(bundle.digest),
            not_before=not_before,
            expires_at=expires_at,
            purposes=purposes,
        )
        try:
            receipt = self._ledger.consents.grant(patient.signer, request)  # (5)
        except (RejectedError, TransactionFailedError, InsufficientFundsError, ConfigurationError):
            # It never was granted, and no event names the bundle: nobody would ever give it up.
            self._give_up([request.bundle])
            raise
        except LedgerError as error:
            error.hint = f"it may still be granted: repeat it, or revoke {terms.grant_id():#x}"
            raise
        _log.debug("granted %x in block %d", terms.grant_id(), receipt.block.number)
        grant = self._ledger.consents.get_grant(terms.grant_id(), block=receipt.block)
        return Granted(grant=grant, terms=terms, bundle=bundle, receipt=receipt)

    def revoke(self, grant_id: GrantId, *, patient: Actor) -> Revoked:
        """Take a grant back, from the next block on. Repeating it is no error.

        What the reader has decrypted stays with him: revoking works forward only. The key bundle is given up, so that
        the store forgets it at its next collection. Where nothing was granted yet, it still is sent: a grant whose
        answer was lost may be on its way, and ends with this.

        Raises:
            NotAllowedToActError: the grant is another patient's.
            LedgerError: the chain failed; repeat.
        """
        if patient_of(grant_id) != patient.address:
            raise NotAllowedToActError(patient_of(grant_id), patient.address)
        receipt = self._ledger.consents.revoke(patient.signer, grant_id)
        return self._revoked(receipt, self._auditing.bundles(patient.address, grant_id))

    def revoke_all(self, *, patient: Actor) -> Revoked:
        """Take back everything granted so far, future-dated grants included. Raises ``LedgerError``."""
        receipt = self._ledger.consents.revoke_all(patient.signer, patient.address)
        return self._revoked(receipt, self._auditing.bundles(patient.address))

    def _revoked(self, receipt: Receipt, bundles: Sequence[BundleId]) -> Revoked:
        return Revoked(receipt=receipt, had_been_granted=bool(bundles), bundles_left=self._give_up(bundles))

    def _give_up(self, bundles: Sequence[BundleId]) -> int:
        """Unpin bundles; return how many are left. What the chain said must not be hidden by a store that fails."""
        left = 0
        for bundle in bundles:
            try:
                self._store.unpin(Cid.of_directory(bundle))
            except StoreError:
                _log.warning("the store did not give up bundle %s", bundle.hex())
                left += 1
        return left

    def _own_file_key(self, record: RecordRef, patient: Actor, block: BlockRef, custodian_keys: set[bytes]) -> FileKey:
        """Open a record's header as its patient, and check it before anybody else relies on it."""
        entry = self._ledger.records.record(record.custodian, record.record_id, block=block)
        if entry.patient != patient.address:
            raise InvalidInputError(
                f"record {record.record_id.hex()} is not registered as yours", hint="grant access to your own records"
            )
        if entry.status is RecordStatus.RETRACTED:
            raise RecordNotActiveError(record.custodian, record.record_id, entry.status)
        files = locate(self._store, record.record_id)
        opened = unwrap(own_header(self._store, files), patient.identity)
        if opened.writer.key not in custodian_keys:
            raise IntegrityError(f"the header of record {record.record_id.hex()} was not written by its custodian")
        check_key(files, opened.file_key)
        open_manifest(self._store, files, opened.file_key, entry)
        return opened.file_key


def _check_request(
    patient: Address, grantee: Address, purposes: Purpose, not_before: int, expires_at: int, block: BlockRef
) -> None:
    """Refuse before any work what the contract would refuse after it."""
    if grantee == ZERO_ADDRESS:
        raise GranteeIsZeroError
    if grantee == patient:
        raise GranteeIsPatientError(patient)
    if not purposes:
        raise PurposesEmptyError
    if int(purposes) & ~int(Purpose.known()):
        raise InvalidInputError(
            "a purpose without a name cannot be granted", hint=f"one of {', '.join(Purpose.__members__)}"
        )
    if max(not_before, block.time) >= expires_at or not 0 <= not_before <= MAX_TIME or expires_at > MAX_TIME:
        raise PeriodEmptyError(max(not_before, block.time), expires_at)


def _salt(identity: Identity, grantee: Address, records: Sequence[RecordRef], purposes: Purpose) -> bytes:
    """Return the terms' salt: secret to all but the patient, and the same for the same consent."""
    said = sorted(record.custodian.encode() + record.record_id for record in records)
    context = b"".join([grantee.encode(), int(purposes).to_bytes(2, "big"), *said])
    return identity.derive_secret("medshare/terms-salt/1", context)


def _sealed_terms(terms: Terms, writer: Identity, reader: Recipient) -> list[bytes]:
    file_key = FileKey.generate()
    header = wrap(file_key, writer=writer, recipients=[reader, writer.recipient])
    return [header, *seal([terms.to_json()], file_key)]
