"""Consenting: a patient grants access, with the keys to open what he permits, and takes it back.

    granted = consenting.grant(
        patient=me, grantee=doctor, records=[ref], purposes=[PurposeOfUse.TREAT], expires_at=until
    )
    consenting.revoke(granted.grant_id, patient=me)

The steps of a grant, numbered as in the code:

(1) fix the block; check what would be refused on chain anyway;
(2) for each record that a provision permits by name: compare the chain's entry, open its header as the patient, check
    key commitment and manifest; write its labels into the provision, so that a later version with others is not
    covered unasked;
(3) write the terms; ask the Directory for the grantee's key, at that block;
(4) for each record of the patient that the terms could permit: open it the same way, decide with all live grants to
    this reader, and only where the decision permits wrap the file key for the grantee: one packet, whatever the
    record's size;
(5) seal an excerpt of the terms for each custodian whom they name or who has stated a record of the patient, so that
    what he publishes later is covered; and of the patient's other grants to this reader, where they miss one;
(6) put all of it, the slips that are kept of these records, the terms and the receipt, encrypted for grantee and
    patient, into a bundle, store and pin it; slips by which a study judges go to the custodian who delivers, too, of
    his records; where the study has it so, what of it is for the grantee is closed in for the custodian;
(7) grant on chain. ``prepare`` ends before this step, for a grant that is signed and sent by somebody else.

The same patient, grantee and provisions give the same terms, and so the same grant: a grant repeated after a crash, or
with new dates, replaces the earlier one and never stands beside it.

Somebody who may act for the patient grants in the same steps, with ``on_behalf_of``: by what right, ``mandates`` says.
Whether a key is released is in ``releasing``, and when a bundle is given up in ``pinned_bundles``.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields

from medshare.content import Cid
from medshare.envelope import Recipient, wrap
from medshare.errors import (
    ConfigurationError,
    GranteeIsPatientError,
    GranteeIsZeroError,
    InsufficientFundsError,
    InvalidInputError,
    LedgerError,
    PeriodEmptyError,
    PurposesEmptyError,
    RejectedError,
    RelayError,
    SigningError,
    TransactionFailedError,
)
from medshare.model.consent import Consent, decide
from medshare.model.decision import Decision
from medshare.model.events import BlockRef
from medshare.model.grant import MAX_TIME, Grant, GrantRequest
from medshare.model.ids import ZERO_ADDRESS, Address, BundleId, GrantId, TermsDigest, patient_of
from medshare.model.provision import MAX_RECORDS, Effect, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Manifest, RecordEntry, RecordRef, RecordStatus
from medshare.model.request import AcceptedRequest
from medshare.model.study import Study
from medshare.model.terms import TERMS_FILE, Terms
from medshare.ports import Actor, BlobStore, Ledger, Receipt
from medshare.services.auditing import Auditing
from medshare.services.batch_book import BatchBook
from medshare.services.blob_writer import BlobWriter
from medshare.services.bundle_journal import BundleJournal
from medshare.services.bundles import BATCHED_FILE, sealed_shown, sealed_terms
from medshare.services.consent_receipts import RECEIPT_FILE, Consented, ReceiptMaker, made_receipt, sealed_receipt
from medshare.services.desk import PatientDesk
from medshare.services.excerpts import allotted, sealed_excerpts
from medshare.services.held_keys import HELD_FILE, sealed_held
from medshare.services.mandates import Mandates
from medshare.services.opened_terms import OpenedTerms
from medshare.services.pinned_bundles import PinnedBundles
from medshare.services.progress import Progress, silent
from medshare.services.releasing import permitted_purposes, releases
from medshare.services.retrieving import Retrieving
from medshare.services.slips import Slips
from medshare.services.study_slips import StudySlips

_log = logging.getLogger(__name__)

_NOT_GRANTED = (
    RejectedError,
    TransactionFailedError,
    InsufficientFundsError,
    ConfigurationError,
    SigningError,
    RelayError,
)
"""What says for certain that nothing was granted by this transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A grant with its bundle in the store, of which no chain knows yet."""

    patient: Address
    request: GrantRequest
    """What goes on chain."""
    terms: Terms
    bundle: Cid
    released: tuple[RecordRef, ...]
    """The records whose keys are in the bundle."""
    left_out: tuple[RecordRef, ...]
    """Those whose keys would be, had they not been left out on purpose."""
    passed_over: tuple[RecordRef, ...]
    """Records stated of the patient that do not open for him, so that nobody can say what they are."""
    told: tuple[Address, ...]
    """Custodians who apply the grant to what they publish later. Whom the patient meets later, he tells by granting
    again."""
    untold: tuple[Address, ...]
    """Custodians who were to be told, and have published no key that can be used, or are too many for one bundle."""
    receipted: bool
    """Whether a receipt is in the bundle; one that lacks can be made later."""

    @property
    def grant_id(self) -> GrantId:
        """The grant's id."""
        return self.terms.grant_id()


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted(Prepared):
    """A grant that is on chain, with its bundle in the store."""

    grant: Grant
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """A revocation that is on chain."""

    receipt: Receipt
    had_been_granted: bool
    """False where nothing was ever granted: a mistyped id, or a grant that was lost on its way."""
    bundles_left: int
    """Key bundles that the store could not be told to give up; repeat the revocation to try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """What a reader would see of one record, and why."""

    entry: RecordEntry
    manifest: Manifest | None
    """None where the record does not open for its patient."""
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """A reader to whom custodians release nothing, since they do not know all that he was granted."""

    reader: Address
    custodians: tuple[Address, ...]
    again: Consent | None
    """The grant that tells them when it is given again, with the same dates; None where any other must be given."""


class Consenting:
    """Grants and revokes access, as a patient.

    Args:
        ledger: the contracts.
        store: where records are and bundles go.
        auditing: which keys custodians have published, and which bundles grants have had.
        retrieving: opens records for a delegate, as for any reader; None where nobody acts for others.
        journal: which bundles were pinned for grants that may never be made; None where nobody needs to know later.
        slips: what is kept of the quality of records; None where nobody keeps any.
        receipts: makes the receipt of each consent; None where none is wanted.
        batches: what shows records of batches, for readers, too; None where there are none.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: BlobStore,
        auditing: Auditing,
        retrieving: Retrieving | None = None,
        journal: BundleJournal | None = None,
        slips: Slips | None = None,
        receipts: ReceiptMaker | None = None,
        batches: BatchBook | None = None,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._auditing = auditing
        self._mandates = Mandates(ledger=ledger, retrieving=retrieving)
        self._bundles = PinnedBundles(store=store, auditing=auditing, journal=journal)
        self._slips = slips
        self._receipts = receipts
        self._batches = batches
        self._opened_terms = OpenedTerms()

    def grant(
        self,
        *,
        patient: Actor,
        grantee: Address,
        expires_at: int,
        records: Sequence[RecordRef] = (),
        purposes: PurposeOfUse | Collection[PurposeOfUse] = (),
        provisions: Sequence[Provision] = (),
        not_before: int = 0,
        on_behalf_of: Address | None = None,
        progress: Progress = silent,
    ) -> Granted:
        """Grant ``grantee`` what ``provisions`` say, or ``records`` for ``purposes``, until ``expires_at``.

        Args:
            patient: who grants: the patient, or somebody who acts for him.
            grantee: who shall read.
            expires_at: first second in which he may no longer, Unix time.
            records: these records and their later versions, for ``purposes``, where there are no ``provisions``.
            purposes: what for.
            provisions: what is permitted and denied, in place of records and purposes.
            not_before: first second in which he may; 0 or a past time: from now on.
            on_behalf_of: the patient, where another acts for him; the records are this patient's.
            progress: told how far it is.

        Raises:
            NotAllowedToActError: who grants may not act for this patient, or has lost control of his own records.
            BeyondDelegationError: for other purposes or for longer than a delegate is appointed.
            AccessDeniedError: a delegate names a record that he may not read himself.
            InvalidInputError: nothing is permitted, too much is said, one thing twice, a record of somebody else, or
                break-glass; or the grantee's published key is unusable.
            GranteeIsZeroError, GranteeIsPatientError, PeriodEmptyError, PurposesEmptyError: as the contract would.
            EncryptionKeyNotSetError: the grantee has published no encryption key.
            UnknownRecordError, RecordNotActiveError, RecordErasedError: a named record is not there, retracted, erased.
            EnvelopeError, IntegrityError: a named record does not open as it should, or the terms of another live
                grant to this reader, which may deny something, cannot be read.
            StoreError, LedgerError: store or chain failed; repeat, nothing is done twice.
        """
        prepared = self.prepare(
            patient=patient,
            grantee=grantee,
            expires_at=expires_at,
            records=records,
            purposes=purposes,
            provisions=provisions,
            not_before=not_before,
            on_behalf_of=on_behalf_of,
            progress=progress,
        )
        progress("granting", len(prepared.released), len(prepared.released))
        return self.send(prepared, patient=patient)

    def prepare(
        self,
        *,
        patient: Actor,
        grantee: Address,
        expires_at: int,
        records: Sequence[RecordRef] = (),
        purposes: PurposeOfUse | Collection[PurposeOfUse] = (),
        provisions: Sequence[Provision] = (),
        not_before: int = 0,
        on_behalf_of: Address | None = None,
        accepted: AcceptedRequest | None = None,
        study: Study | None = None,
        leaving_out: Collection[RecordRef] = (),
        slips: StudySlips | None = None,
        progress: Progress = silent,
    ) -> Prepared:
        """Do all of a grant but granting it on chain: wrap the keys, and store and pin the bundle.

        So it can be shown, signed and handed to somebody else to send. What is never sent, ``withdraw``. With
        ``accepted`` the grant is bound to a request for access, and ``study`` is the one that its receipt names; of
        records ``leaving_out`` no key goes into the bundle, and ``slips`` are those by which the others were judged.

        Args, Raises: as ``grant``.
        """
        block = self._auditing.sync()  # (1)
        subject = on_behalf_of or patient.address
        _check_request(subject, grantee, not_before, expires_at, block)
        if not provisions:
            provisions = [_about_records(records, purposes)]
        elif records or purposes:
            raise InvalidInputError("say records and purposes, or provisions, not both")
        asked_for = [each for provision in provisions for each in provision.purposes]
        desk = self._desk(patient, subject, asked_for, block)
        terms = desk.terms(grantee, provisions, accepted)  # (2), (3)
        self._mandates.check_terms(patient, terms, expires_at, block)
        reader = Recipient(self._ledger.directory.encryption_key(grantee, block=block).key)
        start = max(not_before, block.time)
        others = desk.consents(grantee, start, instead_of=terms.grant_id())
        foreseen = desk.foreseen(terms, start, expires_at)
        consents = [foreseen, *others]
        candidates = [
            entry
            for entry in desk.records()
            if entry.status is not RecordStatus.RETRACTED
            and releases(consents, desk.on_chain(entry), start, waiting=desk.waiting)
        ]
        releasing = _releasing(accepted, study)
        own_names = frozenset[str]() if releasing is None else frozenset([HELD_FILE])
        bundled = [(terms, own_names), *desk.bundled(others, start)]
        custodians, unreachable = desk.custodians([each for each, _ in bundled])
        told = allotted(bundled, patient.identity, custodians)
        files = {}
        for_reader: dict[str, list[bytes]] = {}
        released = []
        left_out = []
        with BlobWriter(self._store) as writer:
            for done, entry in enumerate(candidates):  # (4)
                progress("wrapping keys", done, len(candidates))
                own = desk.try_open(entry)
                if own is None or not releases(consents, own.subject, start, waiting=desk.waiting):
                    continue
                if entry.ref in leaving_out:
                    left_out.append(entry.ref)
                else:
                    header = wrap(own.file_key, writer=patient.identity, recipients=[reader])
                    for_reader[terms.header_name(entry.record_id)] = [header]
                    released.append(entry.ref)
            _check_fits(len(released))
            closed_in = _closed_in(bundled)
            for name, pieces in sealed_excerpts(told, patient.identity, custodians, on_receipt=closed_in):  # (5)
                files[name] = writer.file(pieces)
            consented = Consented(terms=terms, consent=foreseen, at=block.time, by=patient.address, study=study)
            receipt = None if self._receipts is None else made_receipt(self._receipts, consented, patient)
            owners = self._mandates.keys_of_patient(subject, patient, block)
            sealed_slips = self._slips_of(released, patient, [reader, *owners], slips)
            if sealed_slips is not None:
                for_reader[terms.slips_name] = sealed_slips
            shown = () if self._batches is None else self._batches.showing(released)
            if shown:
                for_reader[BATCHED_FILE] = sealed_shown(shown, patient.identity, [reader, *owners])
            for_reader |= _for_parties(terms, receipt, patient, [reader, *owners])  # (6)
            if slips is not None:
                for_custodian = slips.for_custodian(released, patient.identity, custodians, terms.digest())
                files |= {name: writer.file(pieces) for name, pieces in for_custodian.items()}
            if releasing is not None:
                custodian = Recipient(self._ledger.directory.encryption_key(releasing, block=block).key)
                for_reader = {
                    HELD_FILE: sealed_held(for_reader, patient.identity, custodian),
                    **_for_parties(terms, receipt, patient, owners),
                }
            files |= {name: writer.file(pieces) for name, pieces in for_reader.items()}
            bundle = writer.directory(files)
        self._bundles.pin(terms.grant_id(), bundle)
        self._opened_terms.keep(terms, patient.identity)
        return Prepared(
            patient=subject,
            request=GrantRequest(
                grantee=grantee,
                terms=terms.digest(),
                bundle=BundleId(bundle.digest),
                not_before=not_before,
                expires_at=expires_at,
                purposes=terms.purposes,
            ),
            terms=terms,
            bundle=bundle,
            released=tuple(released),
            left_out=tuple(left_out),
            passed_over=tuple(desk.passed_over),
            told=tuple(told),
            untold=(*unreachable, *(each for each in custodians if each not in told)),
            receipted=receipt is not None,
        )

    def _slips_of(
        self, records: Sequence[RecordRef], patient: Actor, readers: Sequence[Recipient], judged: StudySlips | None
    ) -> list[bytes] | None:
        if judged is not None:
            return judged.for_reader(records, patient.identity, readers)
        if self._slips is None:
            return None
        return self._slips.sealed((each.record_id for each in records), patient.identity, readers)

    def send(self, prepared: Prepared, *, patient: Actor) -> Granted:
        """Grant on chain what was prepared.

        Args:
            prepared: what ``prepare`` returned.
            patient: who prepared it.

        Raises:
            RejectedError: the contract refuses, since something came in between; the bundle is given up.
            SigningError: where another pays for what is signed, and nothing was signed; likewise.
            LedgerError: the chain failed; prepare and send it again, nothing is done twice.
        """
        try:
            receipt = self._send(patient, prepared.patient, prepared.request)  # (7)
        except _NOT_GRANTED:
            self.withdraw(prepared.patient, prepared.grant_id, prepared.request.bundle)
            raise
        except LedgerError as error:
            error.hint = f"it may still be granted: repeat it, or revoke {prepared.grant_id:#x}"
            raise
        _log.debug("granted %x in block %d", prepared.grant_id, receipt.block.number)
        grant = self._ledger.consents.get_grant(prepared.grant_id, block=receipt.block)
        self._bundles.give_up_lost(prepared.patient, prepared.grant_id, prepared.request.bundle)
        known = {field.name: getattr(prepared, field.name) for field in fields(prepared)}
        return Granted(**known, grant=grant, receipt=receipt)

    def withdraw(self, patient: Address, grant_id: GrantId, bundle: BundleId) -> bool:
        """Give up the bundle of a grant that never was granted: no event names it, and nobody else ever would.

        Returns:
            False where it stays: the chain shows it after all, since somebody else has sent the same words, or cannot
            be asked.
        """
        return self._bundles.withdraw(patient, grant_id, bundle)

    def preview(
        self,
        *,
        patient: Actor,
        reader: Address,
        purpose: PurposeOfUse | None = None,
        provisions: Sequence[Provision] | None = None,
        at: int | None = None,
        on_behalf_of: Address | None = None,
    ) -> list[Previewed]:
        """Return what ``reader`` would see of every record of the patient, and why; nothing is granted.

        Args:
            patient: who asks, the patient or somebody who acts for him; he opens each record, to know its category,
                labels and date.
            reader: who would read.
            purpose: what for; default: each purpose that his grants, or ``provisions``, permit.
            provisions: decide as if these were granted, too.
            at: when, Unix seconds; default: the time of the newest block.
            on_behalf_of: the patient, where another acts for him.

        Raises:
            NotAllowedToActError: who asks may not act for this patient.
            InvalidInputError, UnknownRecordError, RecordNotActiveError, RecordErasedError: as ``grant``, of
                ``provisions``.
            IntegrityError: the terms of a live grant to this reader cannot be read.
            StoreUnavailableError, LedgerError: store or chain failed.
        """
        block = self._auditing.sync()
        now = block.time if at is None else at
        asked_for = [purpose] if purpose is not None else []
        desk = self._desk(patient, on_behalf_of or patient.address, asked_for, block)
        consents = desk.consents(reader, now, ended=True)
        if provisions:
            consents.insert(0, desk.foreseen(desk.terms(reader, provisions), now, MAX_TIME))
        purposes = permitted_purposes(consents) or [PurposeOfUse.TREAT] if purpose is None else [purpose]
        previewed = []
        for entry in desk.records():
            own = desk.try_open(entry)
            subject = desk.on_chain(entry) if own is None else own.subject
            manifest = None if own is None else own.manifest
            for each in purposes:
                decision = decide(consents, subject=subject, purpose=each, reader=reader, now=now, block=block.number)
                previewed.append(Previewed(entry=entry, manifest=manifest, decision=decision))
        return previewed

    def untold(self, *, patient: Actor, on_behalf_of: Address | None = None) -> list[Untold]:
        """Return to whom what some custodian publishes is not released, although grants by kind cover it.

        They are custodians whom the patient met later, or who have changed their keys. ``prepare`` tells them, with the
        provisions and dates of ``Untold.again``.

        Args:
            patient: who asks: the patient, or somebody who acts for him.
            on_behalf_of: the patient, where another acts for him; then of what the other has granted.

        Raises:
            NotAllowedToActError: who asks may not act for this patient.
            IntegrityError: the terms of a live grant cannot be read.
            StoreUnavailableError, LedgerError: store or chain failed.
        """
        block = self._auditing.sync()
        subject = on_behalf_of or patient.address
        desk = self._desk(patient, subject, (), block)
        standings = self._auditing.grants(patient=subject, at=block.time, head=block)
        found = []
        for reader in dict.fromkeys(each.grant.grantee for each in standings if each.live):
            consents = desk.consents(reader, block.time)
            custodians = desk.untold(reader, consents, block.time)
            if custodians:
                again = desk.given_again(consents)
                found.append(Untold(reader=reader, custodians=tuple(custodians), again=again))
        return found

    def revoke(self, grant_id: GrantId, *, patient: Actor) -> Revoked:
        """Take a grant back, from the next block on, as the patient or for him. Repeating it is no error.

        What the reader has decrypted stays with him: revoking works forward only. The key bundle is given up, so that
        the store forgets it at its next collection. Where nothing was granted yet, it still is sent: a grant whose
        answer was lost may be on its way, and ends with this. Of a revocation that somebody else sent, ``tidy`` gives
        up the bundles.

        Raises:
            NotAllowedToActError: the grant is another patient's, and nothing lets this one act for him.
            LedgerError: the chain failed; repeat.
        """
        receipt = self._ledger.consents.revoke(patient.signer, grant_id)
        granted, left = self._bundles.give_up(patient_of(grant_id), grant_id)
        return Revoked(receipt=receipt, had_been_granted=granted, bundles_left=left)

    def revoke_all(self, *, patient: Actor, on_behalf_of: Address | None = None) -> Revoked:
        """Take back everything granted so far, future-dated grants and all delegations included.

        Args:
            patient: who is in control.
            on_behalf_of: the patient, where another key took over for his.

        Raises:
            NotAllowedToActError: another is in control; a delegate never may.
            LedgerError: the chain failed; repeat.
        """
        subject = on_behalf_of or patient.address
        receipt = self._ledger.consents.revoke_all(patient.signer, subject)
        granted, left = self._bundles.give_up(subject)
        return Revoked(receipt=receipt, had_been_granted=granted, bundles_left=left)

    def tidy(self, patient: Address) -> int:
        """Give up the bundles of all grants of ``patient`` that the chain shows as revoked, whoever has sent it.

        Returns:
            how many bundles are left that the store could not be told to give up.
        """
        return self._bundles.give_up_revoked(patient)

    def _desk(self, actor: Actor, patient: Address, purposes: Collection[PurposeOfUse], block: BlockRef) -> PatientDesk:
        """Return the patient's desk with ``actor`` at it; raises ``NotAllowedToActError``."""
        return PatientDesk(
            self._ledger,
            self._store,
            self._auditing,
            patient,
            actor,
            block,
            opened=self._opened_terms,
            open_as_reader=self._mandates.opening(actor, patient, purposes, block),
        )

    def _send(self, actor: Actor, patient: Address, request: GrantRequest) -> Receipt:
        if actor.address == patient:
            return self._ledger.consents.grant(actor.signer, request)
        return self._ledger.consents.grant_for(actor.signer, patient, request)


def _check_request(patient: Address, grantee: Address, not_before: int, expires_at: int, block: BlockRef) -> None:
    """Refuse before any work what the contract would refuse after it."""
    if grantee == ZERO_ADDRESS:
        raise GranteeIsZeroError
    if grantee == patient:
        raise GranteeIsPatientError(patient)
    if max(not_before, block.time) >= expires_at or not 0 <= not_before <= MAX_TIME or expires_at > MAX_TIME:
        raise PeriodEmptyError(max(not_before, block.time), expires_at)


def _releasing(accepted: AcceptedRequest | None, study: Study | None) -> Address | None:
    """Return the custodian who releases what is for the reader on a read receipt, or None where it waits for none."""
    return accepted.custodian if accepted is not None and study is not None and study.on_receipt else None


def _closed_in(several: Iterable[tuple[Terms, Collection[str]]]) -> set[TermsDigest]:
    """Return which of a reader's grants have their keys closed in, by the names of what their bundles hold."""
    return {terms.digest() for terms, names in several if HELD_FILE in names}


def _for_parties(
    terms: Terms, receipt: bytes | None, writer: Actor, readers: Sequence[Recipient]
) -> dict[str, list[bytes]]:
    """Return the files of a bundle that its parties open: the terms, and the receipt where there is one."""
    files = {TERMS_FILE: sealed_terms(terms, writer.identity, readers)}
    if receipt is not None:
        files[RECEIPT_FILE] = sealed_receipt(receipt, writer.identity, readers)
    return files


def _about_records(records: Sequence[RecordRef], purposes: PurposeOfUse | Collection[PurposeOfUse]) -> Provision:
    # A purpose is a text, too: to go through its letters would be a mistake.
    said = {purposes} if isinstance(purposes, PurposeOfUse) else {PurposeOfUse(each) for each in purposes}
    if not said:
        raise PurposesEmptyError
    return Provision(effect=Effect.PERMIT, purposes=tuple(said), records=tuple(records))


def _check_fits(count: int) -> None:
    """Refuse more records than one bundle holds the keys of; raises ``InvalidInputError``."""
    if count > MAX_RECORDS:
        raise InvalidInputError(
            f"these provisions permit {count} records, one grant holds the keys of {MAX_RECORDS}",
            hint=f"make several grants: each of up to {MAX_RECORDS} records by name, or by category, custodian or date "
            "where that divides them; of a request, accept less",
        )
