"""Delivering: the custodian whom a patient named states that what was granted can be fetched, or that there is nothing.

    for part in delivering.waiting(hospital.address):
        delivering.deliver(part.request.request_id, part.patient, custodian=hospital)

The steps, numbered as in the code:

(1) fix the block; check that the delivery is this custodian's, and still can be;
(2) derive the grant from what the patient accepted, and ask the contract whether it is live, as our own rules do;
(3) fetch and keep the bundle that the patient granted: what the store has not, nobody can be given. Where the study
    or the custodian wants it so, the requester has signed a read receipt before; what the patient closed in for the
    custodian until then is made a bundle of its own, and delivered in the place of the granted one;
(4) open the excerpt of the terms that is for this custodian, and decide which of his records they permit; each must be
    in the store, whole;
(5) leave out what is not as good as the request asks, or was not when the patient accepted, so that its key is not in
    his bundle; of batches count the slips in the bundle that are for this custodian;
(6) state it on chain, with the lowest score of what is left, under an intent that cannot be carried out twice: from now
    on the reward is earned, whatever the patient does.

What is on chain is neither looked at nor stated again: the same command says where it is.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from medshare.content import Cid
from medshare.errors import (
    GrantNotLiveError,
    IntegrityError,
    InvalidInputError,
    RequestDeadlinePassedError,
    RequestNotAccreditedError,
    RequestNotAllowedError,
    ReservationNotError,
    ScoreTooLowError,
)
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import Consent, decide
from medshare.model.events import BlockRef, EventPlace
from medshare.model.ids import Address, BundleId, RequestId
from medshare.model.record import RecordEntry, RecordRef, RecordStatus
from medshare.model.request import ReservationStatus
from medshare.model.slip import Slip
from medshare.model.subject import Subject
from medshare.ports import Actor, BlobStore, Clock, Ledger
from medshare.services.auditing import Auditing, GrantStanding
from medshare.services.bundles import bundle_files
from medshare.services.held_keys import is_held, write_held
from medshare.services.judging import Judging, LeftOut, Moment
from medshare.services.on_chain import OnChain, once
from medshare.services.progress import silent
from medshare.services.receipts import Receipts
from medshare.services.releasing import permitted_purposes
from medshare.services.request_book import Part, RequestBook
from medshare.services.slips import Slips
from medshare.services.standing import StandingConsents
from medshare.services.stored_version import StoredVersion
from medshare.services.study_slips import custodian_slips_name

_log = logging.getLogger(__name__)
_NOTHING = "there is nothing to deliver: no active record of this custodian is permitted by what was accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliverable:
    """What a custodian can deliver."""

    part: Part
    bundle: BundleId
    """The bundle that the patient granted, or the one that was closed in within it."""
    records: tuple[RecordRef, ...]
    """The custodian's records that what was accepted permits, and that are as good as the request asks."""
    left_out: tuple[LeftOut, ...]
    """Those that are permitted, and not as good."""
    score: int
    """The lowest that is attested of the records, 0 to 100; what goes on chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A delivery that is on chain."""

    bundle: BundleId
    """Which bundle the custodian says can be fetched."""
    score: int
    """The lowest that is attested of what was delivered, 0 to 100."""
    on_chain: OnChain
    found: Deliverable | None
    """What was looked at before it was stated; None where it was stated before."""


class Delivering:
    """Delivers and declines, as a custodian.

    Args:
        ledger: the contracts.
        store: where records and bundles are.
        clock: the time on the wall.
        auditing: which grants and records there are.
        book: how requests stand.
        standing: opens the excerpts that are for a custodian.
        receipts: what readers have signed.
        judging: how good records are by the word of assessors.
        slips: reads those that the patient has put into the bundle.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: BlobStore,
        clock: Clock,
        auditing: Auditing,
        book: RequestBook,
        standing: StandingConsents,
        receipts: Receipts,
        judging: Judging,
        slips: Slips,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._auditing = auditing
        self._book = book
        self._standing = standing
        self._receipts = receipts
        self._judging = judging
        self._slips = slips

    def waiting(self, custodian: Address) -> list[Part]:
        """Return what a custodian is to deliver, and still can, the oldest first; raises ``LedgerError``."""
        now = self._now(self._auditing.sync())
        return [
            part
            for standing in self._book.requests()
            if now < standing.request.terms.deadline
            for part in standing.parts
            if part.status is ReservationStatus.RESERVED and part.reservation.custodian == custodian
        ]

    def check(
        self, request_id: RequestId, patient: Address, *, custodian: Actor, on_receipt: bool = False
    ) -> Deliverable:
        """Return what can be delivered; nothing is stated. The bundle is kept from now on.

        Args:
            request_id: which request.
            patient: whose acceptance.
            custodian: who delivers.
            on_receipt: only where the requester has signed a read receipt, also where the study does not say so.

        Raises:
            ReceiptMissingError: he has signed none that is good, and one is asked for.
            UnknownRequestError, ReservationNotError, RequestNotAllowedError, RequestDeadlinePassedError,
                RequestNotAccreditedError: as the contract would.
            GrantNotLiveError: the patient has revoked, or the grant has ended.
            InvalidInputError: nothing is permitted of what this custodian holds: decline.
            ScoreTooLowError: nothing of what is permitted is as good as the request asks: likewise.
            StoreError: bundle or records are missing, not whole, or false.
            EnvelopeError, IntegrityError: they do not open as they should, or contract and client disagree.
        """
        block = self._auditing.sync()  # (1)
        part = self._own_part(request_id, patient, custodian.address)
        request = part.request
        if self._now(block) >= request.terms.deadline:
            raise RequestDeadlinePassedError(request_id, request.terms.deadline)
        kind = AccreditationKind.CUSTODIAN
        if not self._ledger.accreditation.is_accredited(custodian.address, kind, block=block):
            raise RequestNotAccreditedError(custodian.address)
        standing = self._live_grant(part, block)  # (2)
        bundle = self._bundle(standing, custodian, on_receipt=on_receipt)  # (3)
        records = self._permitted(standing, custodian, block)  # (4)
        if not records:
            raise InvalidInputError(_NOTHING, hint=f"say so: medshare request decline {request_id} --patient {patient}")
        moments = [Moment.after(part.reserved.place.block), Moment.after(block)]
        quality = request.terms.quality
        slips = [] if quality is None else self._slips_for(standing, custodian)  # (5)
        judged = self._judging.judged(records, condition=quality, moments=moments, slips=slips)
        if quality is not None and not judged.good:
            raise ScoreTooLowError(records=len(records), minimum_score=quality.minimum_score, method=quality.method)
        for record in judged.good:
            self._store.pin(Cid.of_directory(record.record_id))
        return Deliverable(part=part, bundle=bundle, records=judged.good, left_out=judged.left_out, score=judged.score)

    def deliver(
        self, request_id: RequestId, patient: Address, *, custodian: Actor, on_receipt: bool = False
    ) -> Delivered:
        """State that what was granted can be fetched, after every check; what was stated before is not stated again.

        Args, as ``check``.

        Raises:
            MedshareError: as ``check``; then nothing is stated.
            LedgerError: the chain failed or refused; repeat, nothing is stated twice.
        """
        before = self._delivered_before(request_id, patient, custodian.address)
        if before is not None:
            return before
        found = self.check(request_id, patient, custodian=custodian, on_receipt=on_receipt)
        content = found.part.reserved.content
        intent = f"deliver/{request_id}/{patient}/{content.hex()}/{found.bundle.hex()}/{found.score}"
        try:
            receipt = self._ledger.requests.deliver(
                custodian.signer, request_id, patient, content, found.bundle, found.score, intent=intent
            )  # (6)
        except ReservationNotError:
            before = self._delivered_before(request_id, patient, custodian.address)
            if before is None:
                raise
            return before  # what was looked at otherwise, and was on its way when an earlier attempt broke off
        _log.debug("request %d delivered in block %d", request_id, receipt.block.number)
        return Delivered(bundle=found.bundle, score=found.score, on_chain=OnChain.now(receipt), found=found)

    def decline(self, request_id: RequestId, patient: Address, *, custodian: Actor) -> OnChain:
        """State that there is nothing to deliver: the reservation is free again, and the grant stays as it was.

        Where the custodian whom the patient named is not accredited any more, anybody may. What was declined before is
        not declined again until the patient has accepted anew.

        Raises:
            UnknownRequestError, ReservationNotError, RequestNotAllowedError, RequestDeadlinePassedError: as the
                contract would.
        """

        def declined() -> EventPlace | None:
            part = self._book.request(request_id).part(patient)
            return None if part is None or part.declined is None else part.declined.place

        return once(lambda: self._ledger.requests.decline(custodian.signer, request_id, patient), place=declined)

    def _delivered_before(self, request_id: RequestId, patient: Address, custodian: Address) -> Delivered | None:
        """Return what this custodian has stated before, as the chain tells it; None where he has not."""
        part = self._book.request(request_id).part(patient)
        if part is None or part.delivered is None or part.reservation.custodian != custodian:
            return None
        event = part.delivered
        return Delivered(bundle=event.bundle, score=event.score, on_chain=OnChain.before(event.place), found=None)

    def _own_part(self, request_id: RequestId, patient: Address, custodian: Address) -> Part:
        part = self._book.request(request_id).part(patient)
        if part is None or part.status is not ReservationStatus.RESERVED:
            raise ReservationNotError(request_id, patient, ReservationStatus.NONE if part is None else part.status)
        if part.reservation.custodian != custodian:
            raise RequestNotAllowedError(custodian)
        return part

    def _live_grant(self, part: Part, block: BlockRef) -> GrantStanding:
        request, grant_id = part.request, part.grant_id(self._ledger.requests.address)
        standing = self._auditing.grant(grant_id)
        is_live = self._ledger.consents.is_live(grant_id, request.terms.purposes, block=block)
        if standing is None or not standing.live or not is_live:
            raise GrantNotLiveError(request.request_id, part.patient)
        return standing

    def _bundle(self, standing: GrantStanding, custodian: Actor, *, on_receipt: bool) -> BundleId:
        """Return what the requester is to fetch, and keep it; raises as ``check``."""
        self._store.pin(Cid.of_directory(standing.bundle))
        files = bundle_files(self._store, standing.bundle)
        if on_receipt or is_held(files):
            self._receipts.require_for_grant(standing.grant, custodian=custodian.address)
        if not is_held(files):
            return standing.bundle
        writer_keys = self._standing.writers(standing)
        bundle = write_held(self._store, files, custodian=custodian, writer_keys=writer_keys)
        self._store.pin(bundle)
        return BundleId(bundle.digest)

    def _slips_for(self, standing: GrantStanding, custodian: Actor) -> list[Slip]:
        """Return the slips of the custodian's records by which patient and requester judge, too."""
        keys = self._standing.writers(standing)
        names = [custodian_slips_name(custodian.identity, key, standing.terms) for key in keys]
        return self._slips.in_bundle(standing.bundle, names, custodian.identity, writers=keys)

    def _permitted(self, standing: GrantStanding, custodian: Actor, block: BlockRef) -> list[RecordRef]:
        """Return which records of this custodian the grant permits, by the excerpt that the patient made for him."""
        excerpt = self._standing.excerpt(custodian, standing)
        if excerpt is None:
            raise IntegrityError(
                "what the patient granted does not speak to this custodian, or to an earlier key of his",
                hint="decline it, so that the patient can accept anew",
            )
        grant = standing.grant
        stamp = self._ledger.consents.stamp(grant.patient, block=block)
        consents = [Consent(grant=grant, terms=excerpt, stamp=stamp)]
        purposes = permitted_purposes(consents)
        found = []
        lineages = self._auditing.lineages(grant.patient)
        for entry in self._active(grant.patient, custodian.address):
            manifest = StoredVersion.open(self._store, entry, custodian.identity, progress=silent).manifest
            subject = Subject.described(entry, manifest, lineages.get(entry.ref, ()))
            decisions = (
                decide(consents, subject=subject, purpose=each, reader=grant.grantee, now=self._now(block))
                for each in purposes
            )
            if any(decision.permitted for decision in decisions):
                found.append(entry.ref)
        return found

    def _active(self, patient: Address, custodian: Address) -> list[RecordEntry]:
        entries = self._auditing.records(patient)
        return [each for each in entries if each.custodian == custodian and each.status is RecordStatus.ACTIVE]

    def _now(self, block: BlockRef) -> int:
        return max(block.time, self._clock.now())
