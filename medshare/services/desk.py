"""What a patient has before him when he makes up his mind: his records, opened, and what he has granted so far.

A delegate sits at the same desk: he opens the records as a reader, and knows the terms that he or the patient gave him.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from medshare.envelope import FileKey, Identity, Recipient, unwrap
from medshare.errors import (
    AccessDeniedError,
    EncryptionKeyNotSetError,
    EnvelopeError,
    IntegrityError,
    InvalidInputError,
    RecordErasedError,
    RecordNotActiveError,
    RejectedError,
    StoreError,
    StoreUnavailableError,
)
from medshare.model.consent import Consent, liveness
from medshare.model.decision import Reason
from medshare.model.documents import encode_document
from medshare.model.events import BlockRef
from medshare.model.grant import Grant
from medshare.model.ids import Address, GrantId
from medshare.model.labels import must_be_named
from medshare.model.provision import Effect, Provision
from medshare.model.record import Manifest, RecordEntry, RecordRef, RecordStatus
from medshare.model.request import AcceptedRequest
from medshare.model.subject import Subject
from medshare.model.terms import Excerpt, Terms
from medshare.ports import Actor, BlobStore, Ledger
from medshare.services.auditing import Auditing
from medshare.services.bundles import BAD_BUNDLE, bundle_files
from medshare.services.excerpts import untold
from medshare.services.held_keys import is_held, waits_for_receipt
from medshare.services.opened_terms import OpenedTerms
from medshare.services.record_files import check_key, locate, open_manifest, own_header

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRecord:
    """A record as its patient opens it, up to its manifest."""

    subject: Subject
    manifest: Manifest
    file_key: FileKey


class PatientDesk:
    """A patient's records and grants at one block; what was opened once is kept.

    Args:
        ledger: the contracts.
        store: where records and bundles are.
        auditing: which records and grants there are.
        patient: whose they are.
        holder: who sits at it: the patient, the key that took over, or a delegate.
        block: the block at which the ledger is asked, up to which events have been read.
        opened: what was opened of terms before.
        open_as_reader: how a delegate opens a record; None for who is in control, and has a packet of his own.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: BlobStore,
        auditing: Auditing,
        patient: Address,
        holder: Actor,
        block: BlockRef,
        *,
        opened: OpenedTerms,
        open_as_reader: Callable[[RecordEntry], tuple[FileKey, Manifest]] | None = None,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._auditing = auditing
        self._patient = patient
        self._holder = holder
        self._block = block
        self._opened_terms = opened
        self._open_as_reader = open_as_reader
        self._lineages = auditing.lineages(patient)
        self._custodian_keys: dict[Address, set[bytes]] = {}
        self._opened: dict[RecordRef, OwnRecord] = {}
        self._bundled: dict[GrantId, frozenset[str]] = {}
        self._records: list[RecordEntry] | None = None
        self.waiting: set[GrantId] = set()
        """Grants, of those that ``consents`` returned, whose keys wait for a read receipt."""
        self.passed_over: list[RecordRef] = []
        """Records that ``try_open`` could not open."""

    # -------------------------------------------------------------------------------------------- records

    def records(self) -> list[RecordEntry]:
        """Return the records that custodians state of the patient and have not erased, oldest first."""
        if self._records is None:
            erased = self._auditing.erasures(self._patient)
            self._records = [entry for entry in self._auditing.records(self._patient) if entry.ref not in erased]
        return self._records

    def on_chain(self, entry: RecordEntry) -> Subject:
        """Return what the chain tells of a record."""
        return Subject.on_chain(entry, self._lineages.get(entry.ref, ()))

    def open(self, entry: RecordEntry) -> OwnRecord:
        """Open a record up to its manifest, and check all of it before anybody else relies on it.

        Raises:
            AccessDeniedError: a delegate has no right to read it.
            StoreError, EnvelopeError, IntegrityError: it does not open as it should.
        """
        own = self._opened.get(entry.ref)
        if own is not None:
            return own
        file_key, manifest = (self._open_as_reader or self._open_own)(entry)
        subject = Subject.described(entry, manifest, self._lineages.get(entry.ref, ()))
        own = OwnRecord(subject=subject, manifest=manifest, file_key=file_key)
        self._opened[entry.ref] = own
        return own

    def _open_own(self, entry: RecordEntry) -> tuple[FileKey, Manifest]:
        files = locate(self._store, entry.record_id)
        opened = unwrap(own_header(self._store, files), self._holder.identity)
        if opened.writer.key not in self._keys_of(entry.custodian):
            raise IntegrityError(f"the header of record {entry.record_id.hex()} was not written by its custodian")
        check_key(files, opened.file_key)
        return opened.file_key, open_manifest(self._store, files, opened.file_key, entry)

    def try_open(self, entry: RecordEntry) -> OwnRecord | None:
        """Open a record that nobody named: anybody can state some of a patient, and what is false hides nothing else.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        try:
            return self.open(entry)
        except StoreUnavailableError:
            raise
        except (StoreError, EnvelopeError, IntegrityError, AccessDeniedError):
            _log.warning("record %s does not open for who would release it", entry.record_id.hex())
            self.passed_over.append(entry.ref)
            return None

    def _named(self, record: RecordRef) -> OwnRecord:
        entry = self._ledger.records.record(record.custodian, record.record_id, block=self._block)
        if entry.patient != self._patient:
            whose = "yours" if self._holder.address == self._patient else f"of patient {self._patient}"
            raise InvalidInputError(
                f"record {record.record_id.hex()} is not registered as {whose}",
                hint="grant access to your own records, or those of whom you act for",
            )
        if entry.status is RecordStatus.RETRACTED:
            if (mark := self._auditing.erasure(record)) is not None:
                raise RecordErasedError(
                    record.record_id,
                    mark.place.block.time,
                    hint="leave it out; what takes its key out of what was granted before: "
                    f"medshare record forget {record.record_id.hex()} --as NAME",
                )
            raise RecordNotActiveError(record.custodian, record.record_id, entry.status)
        return self.open(entry)

    def _keys_of(self, custodian: Address) -> set[bytes]:
        if custodian not in self._custodian_keys:
            self._custodian_keys[custodian] = {event.key for event in self._auditing.encryption_keys(custodian)}
        return self._custodian_keys[custodian]

    # -------------------------------------------------------------------------------------------- terms

    def terms(
        self, grantee: Address, provisions: Sequence[Provision], accepted: AcceptedRequest | None = None
    ) -> Terms:
        """Return the terms that say ``provisions``, with the labels of the records they permit by name.

        Args:
            grantee: who shall read.
            provisions: what is permitted and denied.
            accepted: the request that they accept, where they accept one.

        Raises:
            InvalidInputError: nothing is permitted, too much is said, or a named record is not the patient's.
            UnknownRecordError, RecordNotActiveError, RecordErasedError: a named record is not there, retracted, erased.
            StoreError, EnvelopeError, IntegrityError: a named record does not open as it should.
        """
        completed = tuple(each for provision in provisions for each in self._completed(provision))
        salt = _salt(self._holder.identity, grantee, completed, accepted)
        return Terms(patient=self._patient, grantee=grantee, provisions=completed, salt=salt, request=accepted)

    def _completed(self, provision: Provision) -> Iterator[Provision]:
        """Split a permission by the labels of the records it names: they cover later versions of these, no others."""
        provision = _in_order(provision)
        if provision.effect is Effect.DENY or not provision.records:
            yield provision
            return
        by_labels: dict[tuple[str, ...], list[RecordRef]] = {}
        for record in provision.records:
            labels = must_be_named([*provision.labels, *self._named(record).manifest.labels])
            by_labels.setdefault(tuple(sorted(labels)), []).append(record)
        for labels_said, records in sorted(by_labels.items()):
            yield replace(provision, records=tuple(records), labels=labels_said)

    # -------------------------------------------------------------------------------------------- consents

    def foreseen(self, terms: Terms, start: int, end: int) -> Consent:
        """Return the consent that granting ``terms`` from ``start`` until ``end`` would make."""
        stamp = self._ledger.consents.stamp(self._patient, block=self._block)
        grant = Grant(
            grant_id=terms.grant_id(),
            grantee=terms.grantee,
            not_before=start,
            expires_at=end,
            purposes=terms.purposes,
            stamp=stamp,
            epoch=0,
        )
        return Consent(grant=grant, terms=terms, stamp=stamp)

    def consents(
        self, reader: Address, at: int, *, instead_of: GrantId | None = None, ended: bool = False
    ) -> list[Consent]:
        """Return what the patient has granted ``reader``, as far as the terms are there still.

        Args:
            reader: to whom.
            at: Unix seconds.
            instead_of: the grant that is to be replaced; it is left out.
            ended: what has ended at ``at`` as well; it decides nothing, and explains a decision.

        Raises:
            IntegrityError: the terms of a grant that is live at ``at`` cannot be read: nobody knows what it denies.
            StoreUnavailableError, LedgerError: store or chain failed.
        """
        stamp = self._ledger.consents.stamp(self._patient, block=self._block)
        found = []
        for standing in self._auditing.grants(
            patient=self._patient, grantee=reader, at=self._block.time, head=self._block
        ):
            grant = standing.grant
            reason = liveness(grant, stamp=stamp, purpose=grant.purposes, now=at)
            if grant.grant_id == instead_of or (not ended and reason in (Reason.REVOKED, Reason.EXPIRED)):
                continue
            try:
                files = bundle_files(self._store, standing.bundle)
                terms = self._opened_terms.open(self._store, files, standing, self._holder.identity)
            except StoreUnavailableError:
                raise
            except BAD_BUNDLE as error:
                if reason is Reason.PERMITTED:
                    raise IntegrityError(
                        f"the terms of grant {grant.grant_id:#x} cannot be read, and they may deny something",
                        hint="revoke that grant first, or give it again; what the patient has granted this reader, "
                        "only he can read and extend",
                    ) from error
                continue
            escrow = self._ledger.requests.address
            if waits_for_receipt(self._auditing, standing, on_receipt=is_held(files), escrow=escrow):
                self.waiting.add(grant.grant_id)
            # A custodian believes an excerpt of the patient, and of who gave that grant: of nobody else.
            if self._open_as_reader is None or standing.granted_by == self._holder.address:
                self._bundled[grant.grant_id] = frozenset(files)
            found.append(Consent(grant=grant, terms=terms, stamp=stamp))
        return found

    # -------------------------------------------------------------------------------------------- custodians

    def custodians(self, several: Sequence[Terms]) -> tuple[dict[Address, Recipient], list[Address]]:
        """Return who is to be told of ``several``, with their keys, and who has published no key that can be used.

        They are the custodians whom these terms name, and all who have stated a record of the patient.
        """
        named = [custodian for terms in several for _, provision in terms.numbered for custodian in provision.named]
        reachable: dict[Address, Recipient] = {}
        unreachable = []
        for custodian in dict.fromkeys([*named, *(entry.custodian for entry in self.records())]):
            try:
                key = self._ledger.directory.encryption_key(custodian, block=self._block).key
                reachable[custodian] = Recipient(key)
            except (EncryptionKeyNotSetError, InvalidInputError):
                unreachable.append(custodian)
        return reachable, unreachable

    def untold(self, reader: Address, consents: Sequence[Consent], at: int) -> list[Address]:
        """Return the custodians whose records ``consents`` permit by kind, and who do not know what all of them say.

        Who has published no key that can be used is not among them: he cannot be told.

        Args:
            reader: to whom they were granted.
            consents: some that ``consents`` returned.
            at: Unix seconds.
        """
        bundled = self.bundled(consents, at)
        several = [each for each, _ in bundled]
        reachable, _ = self.custodians(several)
        covered = {
            custodian: key
            for custodian, key in reachable.items()
            if custodian != reader and any(_covers_later(each, custodian) for each in several)
        }
        return untold(bundled, self._holder.identity, covered)

    def given_again(self, consents: Sequence[Consent]) -> Consent | None:
        """Return which of ``consents`` is the same grant when it is given again, the one that lasts longest, or None.

        What accepts a request is not, nor what another has given, or the patient under an earlier key; nor what names a
        record that can be named no more.
        """
        for consent in sorted(consents, key=lambda each: -each.grant.expires_at):
            terms = consent.terms
            if isinstance(terms, Excerpt) or terms.request is not None:
                continue
            try:
                again = self.terms(terms.grantee, terms.provisions)
            except (AccessDeniedError, EnvelopeError, IntegrityError, InvalidInputError, RejectedError, StoreError):
                continue
            if again.grant_id() == consent.grant.grant_id:
                return consent
        return None

    def bundled(self, consents: Sequence[Consent], at: int) -> list[tuple[Terms, frozenset[str]]]:
        """Return the terms of those that are in force at ``at`` or will be, and the names of what their bundles hold.

        Args:
            consents: some that the method of this name returned.
            at: Unix seconds.
        """
        held = []
        for consent in consents:
            grant, terms = consent.grant, consent.terms
            reason = liveness(grant, stamp=consent.stamp, purpose=grant.purposes, now=at)
            told_by_us = grant.grant_id in self._bundled
            if reason in (Reason.PERMITTED, Reason.NOT_YET) and told_by_us and not isinstance(terms, Excerpt):
                held.append((terms, self._bundled[grant.grant_id]))
        return held


def _covers_later(terms: Terms, custodian: Address) -> bool:
    """Whether terms permit a custodian's records by kind, or all of them: so what he publishes later may be of them."""
    return any(
        each.effect is Effect.PERMIT and not each.records and each.concerns(custodian) for each in terms.provisions
    )


def _in_order(provision: Provision) -> Provision:
    """Return ``provision`` with its lists in order: what means the same is written the same."""
    return replace(
        provision,
        purposes=tuple(sorted(provision.purposes)),
        records=tuple(sorted(provision.records, key=lambda record: (record.custodian, record.record_id))),
        categories=tuple(sorted(provision.categories)),
        custodians=tuple(sorted(provision.custodians)),
        labels=tuple(sorted(provision.labels)),
        obligations=tuple(sorted(provision.obligations, key=lambda obligation: obligation.duty)),
    )


def _salt(
    identity: Identity, grantee: Address, provisions: Sequence[Provision], accepted: AcceptedRequest | None = None
) -> bytes:
    """Return the terms' salt: secret to all but the patient, and the same for the same consent."""
    said = {
        "grantee": grantee,
        "provisions": [provision.fields() for provision in provisions],
        "request": accepted.fields() if accepted is not None else None,
    }
    return identity.derive_secret("medshare/terms-salt/2", encode_document(said))
