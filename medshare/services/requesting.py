"""Requesting: a researcher asks patients for access, holds out a reward, and says whether what was delivered is right.

    opened = requesting.open(study, requester=me)                       # an open call: awaits an ethics committee
    opened = requesting.open(study, requester=me, invitees=[patient])   # named patients: open at once
    requesting.confirm(opened.request_id, patient, requester=me)

The steps of opening, numbered as in the code:

(1) look into the journal, and whether the chain knows the study: one study is one request, whatever happened before;
(2) check what would be refused on chain anyway, and that the requester has what is to be deposited;
(3) store the study, in clear for an open call, sealed for named patients; note its digest and pin it;
(4) note that it is given to the chain: from here on no other document takes its place;
(5) where the reward is in a token, let the escrow take exactly what is deposited;
(6) open the request on chain, under an intent that cannot be carried out twice.

A crash before (4) leaves a study that nobody knows of, and the next attempt begins anew; after it, the next attempt
goes on with the same document. Whatever else is given again says where on chain it is, and sends nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from medshare.content import Cid
from medshare.envelope import Recipient
from medshare.errors import (
    AccessDeniedError,
    BlobNotFoundError,
    ConfigurationError,
    DeliveryGoneError,
    GrantNotLiveError,
    InsufficientFundsError,
    IntegrityError,
    InvalidInputError,
    MedshareError,
    RejectedError,
    RequestCategoryUnknownError,
    RequestDeadlinePassedError,
    RequestNotAccreditedError,
    RequestNotAllowedError,
    RequestTermsInvalidError,
    ReservationNotError,
    ScoreOverstatedError,
    StoreUnavailableError,
    TokenNotAllowedError,
    TransactionFailedError,
)
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import Consent, decide
from medshare.model.documents import decode_document, encode_document
from medshare.model.events import AccessDelivered, BlockRef, EventPlace, RewardPaid
from medshare.model.ids import ZERO_ADDRESS, Address, RequestId
from medshare.model.record import RecordEntry, RecordRef, RecordStatus
from medshare.model.request import NATIVE, AccessRequest, ReservationStatus
from medshare.model.slip import Slip
from medshare.model.study import Study
from medshare.model.subject import Subject
from medshare.model.terms import Terms
from medshare.ports import Actor, BlobStore, Clock, Ledger, Receipt, Signer
from medshare.services.auditing import Auditing, GrantStanding
from medshare.services.bundles import BAD_BUNDLE, bundle_files, open_terms
from medshare.services.held_keys import as_read, is_held
from medshare.services.judging import Judging, Moment
from medshare.services.kept_texts import KeptTexts, SaltedText
from medshare.services.on_chain import OnChain, once
from medshare.services.published_keys import granters_keys, published_keys
from medshare.services.request_book import Part, RequestBook, RequestStanding
from medshare.services.request_journal import Opening, OpeningStage, RequestJournal
from medshare.services.retrieving import Retrieving
from medshare.services.safe import Safe
from medshare.services.slips import Slips
from medshare.services.studies import StoredStudy, open_study, store_for, store_open_call

_log = logging.getLogger(__name__)
_NOT_OPENED = (RejectedError, TransactionFailedError, InsufficientFundsError)
"""What says for certain that nothing was opened by this transaction."""
_BUNDLES_TRIED = 3
"""Bundles that are looked for, where one after another is missing, to see whether their keys are held."""
_UNSETTLED = (ReservationStatus.DELIVERED, ReservationStatus.DISPUTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedStudy:
    """A study that is in the store and on chain."""

    request: AccessRequest
    cid: Cid
    """Of the directory with the study."""
    already: bool
    """Whether it had been opened before, so that nothing was done now."""

    @property
    def request_id(self) -> RequestId:
        """The request's number."""
        return self.request.request_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What a requester found when he looked at a delivery."""

    part: Part
    records: tuple[RecordRef, ...]
    """The custodian's records that open, all of them verified up to their manifests."""
    score: int
    """The lowest that was attested of what was delivered, when it was: what the custodian should have stated. 0 where
    the request asks for no quality."""
    replaced: bool
    """Whether the patient has since put another bundle in the place of the delivered one, as he does when he forgets a
    record that its custodian has erased: what opens is what is in the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """A delivery whose reward is paid."""

    on_chain: OnChain
    found: Inspected | None
    """What the requester found when he looked at it; None where it was paid before."""


class Requesting:
    """Opens requests and settles deliveries, for requesters; approves, for ethics committees.

    Args:
        ledger: the contracts.
        store: where studies and bundles are.
        clock: the time on the wall.
        auditing: which keys were published, and which grants there are.
        book: how requests stand.
        journal: what this client has begun to open.
        safe: where the reasons of disputes are kept.
        retrieving: opens what was delivered.
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
        journal: RequestJournal,
        safe: Safe,
        retrieving: Retrieving,
        judging: Judging,
        slips: Slips,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._auditing = auditing
        self._book = book
        self._journal = journal
        self._texts = KeptTexts(safe)
        self._retrieving = retrieving
        self._judging = judging
        self._slips = slips

    # --------------------------------------------------------------------------------------------- opening

    def open(
        self,
        study: Study,
        *,
        requester: Actor,
        invitees: Sequence[Address] | None = None,
        others: Sequence[Address] = (),
    ) -> OpenedStudy:
        """Open a request for a study, and deposit all its rewards; the same study again is not opened again.

        Args:
            study: what is asked; its requester is who opens it.
            requester: an accredited researcher.
            invitees: who is asked; default: an open call, which awaits the approval of an ethics committee.
            others: of a study for named patients, who else may read it, such as who is to judge a dispute.

        Raises:
            InvalidInputError: the study is another requester's, has more grants than patients are named, or names too
                few or too many.
            RequestNotAccreditedError, RequestCategoryUnknownError, TokenNotAllowedError, RequestTermsInvalidError: as
                the contract would.
            InsufficientFundsError: the requester has not what is to be deposited.
            EncryptionKeyNotSetError: somebody who is asked, or to read it, has published no key.
            ConfigurationError: the requester's identity is not the one he has published.
            StoreError: the store failed; repeat, nothing was lost.
            LedgerError: the chain failed or refused; repeat, nothing is done twice.
        """
        if study.requester != requester.address:
            raise InvalidInputError("the study names another requester: only he can open it")
        if invitees is None and others:
            raise InvalidInputError("everybody reads an open call: name no other readers")
        asked = _each_once(invitees)
        if asked and study.grants > len(asked):
            raise InvalidInputError(
                f"more grants ({study.grants}) than named patients ({len(asked)}): nobody could ever earn the rest",
                hint=f'say "grants": {len(asked)} in the study, or name more patients',
            )
        key = _key(study, requester, asked, others)
        with self._journal.claimed(key):
            opening = self._journal.opening(key)  # (1)
            known = self._on_chain(opening, requester.address)
            if opening is None or known is None:
                self._check(study, requester.address)  # (2)
            if opening is None or opening.stage is OpeningStage.STORED:
                opening = self._stored(key, opening, study, requester, asked, others)
            if known is not None:
                return OpenedStudy(request=known, cid=Cid.of_directory(opening.document), already=True)
            return self._sent(opening, study, requester)

    def opened_before(
        self,
        study: Study,
        *,
        requester: Actor,
        invitees: Sequence[Address] | None = None,
        others: Sequence[Address] = (),
    ) -> OpenedStudy | None:
        """Return what ``open`` has opened for the same words before, from here, or None; nothing is sent.

        Raises:
            LedgerError: the chain failed.
        """
        opening = self._journal.opening(_key(study, requester, _each_once(invitees), others))
        known = self._on_chain(opening, requester.address)
        if opening is None or known is None:
            return None
        return OpenedStudy(request=known, cid=Cid.of_directory(opening.document), already=True)

    def _stored(
        self,
        key: bytes,
        before: Opening | None,
        study: Study,
        requester: Actor,
        invitees: Sequence[Address] | None,
        others: Sequence[Address],
    ) -> Opening:
        """Store the study (3); what was stored before and never sent is given up."""
        if before is not None:
            self._journal.forget_opening(key)
            self._store.unpin(Cid.of_directory(before.document))
        stored = self._store_study(study, requester, invitees, others)
        opening = Opening(key=key, stage=OpeningStage.STORED, document=stored.document, invitees=stored.invitees)
        self._journal.write_opening(opening)
        self._store.pin(stored.cid)
        return opening

    def _store_study(
        self, study: Study, requester: Actor, invitees: Sequence[Address] | None, others: Sequence[Address]
    ) -> StoredStudy:
        if invitees is None:
            return store_open_call(self._store, study)
        block = self._ledger.chain.head()
        published = self._ledger.directory.encryption_key(requester.address, block=block).key
        if published != requester.identity.recipient.key:
            raise ConfigurationError(
                f"the encryption key of {requester.address} in the Directory is not the one used here",
                hint="publish this identity's key, or use the identity that was published",
            )
        return store_for(
            self._store,
            study,
            requester=requester.identity,
            invitees={patient: self._key_of(patient, block) for patient in invitees},
            others=[self._key_of(other, block) for other in dict.fromkeys(others)],
        )

    def _key_of(self, reader: Address, block: BlockRef) -> Recipient:
        """Return the key by which ``reader`` reads: that of who is in control, where his was recovered."""
        controller = self._ledger.authority.controller_of(reader, block=block).controller
        return Recipient(self._ledger.directory.encryption_key(controller, block=block).key)

    def _sent(self, opening: Opening, study: Study, requester: Actor) -> OpenedStudy:
        cid = Cid.of_directory(opening.document)
        try:
            self._store.pin(cid)
        except BlobNotFoundError as error:
            error.hint = "what was stored is gone, and may be opened on chain: say anything in the study differently"
            raise
        self._journal.write_opening(replace(opening, stage=OpeningStage.SENDING))  # (4)
        terms = study.terms(opening.document, opening.invitees)
        if terms.token != NATIVE and terms.budget:
            self._ledger.escrow.allow(requester.signer, terms.token, terms.budget)  # (5)
        try:
            opened = self._ledger.requests.open(requester.signer, terms, intent=f"open/{opening.document.hex()}")  # (6)
        except _NOT_OPENED:
            self._journal.write_opening(replace(opening, stage=OpeningStage.STORED))
            raise
        _log.debug("opened request %d in block %d", opened.request_id, opened.receipt.block.number)
        request = self._ledger.requests.request(opened.request_id, block=opened.receipt.block)
        return OpenedStudy(request=request, cid=cid, already=False)

    def _on_chain(self, opening: Opening | None, requester: Address) -> AccessRequest | None:
        """Return the request that has this document, where the chain knows one of this requester."""
        if opening is None or opening.stage is not OpeningStage.SENDING:
            return None
        for standing in self._book.requests():
            request = standing.request
            if request.terms.document == opening.document and request.requester == requester:
                return request
        return None

    def _check(self, study: Study, requester: Address) -> None:
        """Refuse before any work what would be refused after it (2)."""
        block = self._ledger.chain.head()
        if not self._ledger.accreditation.is_accredited(requester, AccreditationKind.RESEARCHER, block=block):
            raise RequestNotAccreditedError(requester)
        if study.deadline <= self._now(block):
            raise RequestTermsInvalidError
        if self._ledger.escrow.split(study.category, block=block) is None:
            raise RequestCategoryUnknownError(study.category)
        if not self._ledger.escrow.is_token_allowed(study.token, block=block):
            raise TokenNotAllowedError(study.token)
        if self._ledger.escrow.balance(requester, study.token, block=block) < study.reward * study.grants:
            raise InsufficientFundsError(requester)

    # -------------------------------------------------------------------------------------- how it stands

    def requests(self) -> list[RequestStanding]:
        """Return every request as it stands, in the order in which they were opened; raises ``LedgerError``."""
        return self._book.requests()

    def request(self, request_id: RequestId) -> RequestStanding:
        """Return how one request stands; raises ``UnknownRequestError``, ``LedgerError``."""
        return self._book.request(request_id)

    def study(self, request: AccessRequest, *, reader: Actor | None = None) -> Study:
        """Return the study of a request, compared with the chain.

        Args:
            request: as it stands on chain.
            reader: who reads it, where it is for named patients.

        Raises:
            NotARecipientError: it is for named patients, and not for this reader.
            StoreError, EnvelopeError: it is missing, not whole, or does not open.
            IntegrityError: it says something else than the chain, or is somebody else's.
        """
        return open_study(
            self._store,
            request,
            reader=None if reader is None else reader.identity,
            writers=published_keys(self._auditing, request.requester),
        )

    def is_on_receipt(self, standing: RequestStanding) -> bool:
        """Whether what patients granted for a request waits for read receipts; false where no bundle can be read.

        The study says it for all of them, and may be sealed: the first bundle that can be read shows it.

        Raises:
            StoreUnavailableError, LedgerError: store or chain failed.
        """
        waiting = (part for part in standing.parts if part.status is ReservationStatus.RESERVED)
        for part in islice(waiting, _BUNDLES_TRIED):
            granted = self._auditing.grant(part.grant_id(self._ledger.requests.address))
            if granted is None or not granted.live:
                continue
            try:
                return is_held(bundle_files(self._store, granted.bundle))
            except StoreUnavailableError:
                raise
            except BAD_BUNDLE:
                continue
        return False

    def accredited_by(self, requester: Address) -> Address | None:
        """Return the member that vouches for a requester now; None where none does."""
        block = self._ledger.chain.head()
        kind = AccreditationKind.RESEARCHER
        if not self._ledger.accreditation.is_accredited(requester, kind, block=block):
            return None
        seat = self._ledger.accreditation.accreditation(requester, kind, block=block).seat
        member = self._ledger.consortium.member_at(seat, block=block)
        return None if member == ZERO_ADDRESS else member

    # ------------------------------------------------------------------------------- approving, ending

    def approve(self, request_id: RequestId, *, committee: Actor) -> OnChain:
        """Approve a study on open call, as an accredited ethics committee; its document is opened first.

        Raises:
            RequestNotAccreditedError, RequestNotAllowedError, RequestNotOpenError, UnknownRequestError: as the contract
                would; nobody approves his own study.
            RequestDeadlinePassedError: nobody could accept it any more.
            StoreError, IntegrityError: the study is missing, or says something else than the chain: nobody can have
                judged it.
        """

        def approved() -> EventPlace | None:
            event = self._book.request(request_id).approved
            return None if event is None or event.by != committee.address else event.place

        def send() -> Receipt:
            block = self._ledger.chain.head()
            request = self._ledger.requests.request(request_id, block=block)
            if self._now(block) >= request.terms.deadline:
                raise RequestDeadlinePassedError(request_id, request.terms.deadline)
            self.study(request, reader=committee)
            return self._ledger.requests.approve_study(committee.signer, request_id)

        return once(send, place=approved)

    def cancel(self, request_id: RequestId, *, requester: Actor) -> OnChain:
        """End a request for those who have not accepted; what nobody has reserved goes back at once.

        Who has accepted keeps his reservation, and grants stay as they are.

        Raises:
            RequestNotAllowedError, RequestNotOpenError, RequestDeadlinePassedError, UnknownRequestError: as the
                contract would.
        """

        def cancelled() -> EventPlace | None:
            standing = self._book.request(request_id)
            is_own = standing.request.requester == requester.address
            return standing.cancelled.place if is_own and standing.cancelled is not None else None

        return once(lambda: self._ledger.requests.cancel(requester.signer, request_id), place=cancelled)

    def return_unearned(self, request_id: RequestId, *, payer: Signer) -> OnChain:
        """Give back to the requester what was not earned by the deadline; anybody may send.

        Raises:
            RequestTooEarlyError, NothingToReturnError, UnknownRequestError: as the contract would.
        """

        def returned() -> EventPlace | None:
            event = self._book.request(request_id).returned
            return None if event is None else event.place

        return once(lambda: self._ledger.requests.return_unearned(payer, request_id), place=returned)

    # ------------------------------------------------------------------------------- settling deliveries

    def inspect(self, request_id: RequestId, patient: Address, *, requester: Actor) -> Inspected:
        """Look at what was delivered: the terms, and every record of the custodian that they let the requester read.

        Raises:
            RequestNotAllowedError: somebody else's request.
            ReservationNotError: nothing was delivered, or it is settled.
            GrantNotLiveError: the patient has revoked since: it cannot be opened any more, and is earned all the same.
            DeliveryGoneError: all of it was erased by its custodian since, or forgotten by the patient: likewise.
            StoreError, EnvelopeError, IntegrityError: what was delivered is missing, wrong, or nothing.
            LedgerError: the chain failed.
        """
        part = self._part(request_id, patient, _UNSETTLED)
        request = part.request
        if request.requester != requester.address:
            raise RequestNotAllowedError(requester.address)
        delivered = part.delivered
        if delivered is None:
            raise IntegrityError("the chain tells of a delivery without its event")
        grant_id = part.grant_id(self._ledger.requests.address)
        standing = self._auditing.grant(grant_id)
        if standing is None or not standing.live:
            raise GrantNotLiveError(request_id, patient)
        escrow = self._ledger.requests.address
        standing = as_read(self._store, self._auditing, standing, party=requester.address, escrow=escrow)
        replaced = part.bundle != standing.bundle
        if replaced and part.bundle != self._auditing.bundle_before(patient, grant_id, delivered.place):
            raise IntegrityError("the custodian has delivered another bundle than the patient had granted by then")
        terms = open_terms(self._store, standing, requester.identity)
        records: dict[RecordRef, RecordEntry] = {}
        failure: MedshareError | None = None
        for purpose in dict.fromkeys(each for _, provision in terms.numbered for each in provision.purposes):
            for pending in self._retrieving.pending(patient, reader=requester, purpose=purpose).records:
                if pending.entry.custodian != part.reserved.custodian:
                    continue
                try:
                    records[pending.entry.ref] = pending.open().entry
                except AccessDeniedError:
                    continue  # only its manifest could tell that the terms do not permit it, or it came later
                except MedshareError as error:
                    failure = failure or error
        if failure is not None:
            raise failure
        if not records:
            raise self._nothing_opens(part, delivered, standing, terms)
        quality = request.terms.quality
        moments = [Moment.after(part.reserved.place.block), Moment.of_delivery(delivered)]
        slips = [] if quality is None else self._slips_for(standing, terms, requester)
        judged = self._judging.judged(
            (each.ref for each in records.values() if _stood(each, delivered.place.block.time)),
            condition=quality,
            moments=moments,
            slips=slips,
        )
        return Inspected(part=part, records=tuple(records), score=judged.score, replaced=replaced)

    def _nothing_opens(
        self, part: Part, delivered: AccessDelivered, standing: GrantStanding, terms: Terms
    ) -> MedshareError:
        """Return why no record opens of what was delivered: what somebody had a right to do since, or a fault."""
        request_id, patient = part.request.request_id, part.patient
        files, erased = bundle_files(self._store, standing.bundle), self._auditing.erasures(patient)
        for entry in self._auditing.records(patient):
            if entry.ref not in erased or entry.custodian != part.reserved.custodian:
                continue
            given = terms.header_name(entry.record_id) in files
            if not given and entry.registered_at >= part.reserved.place.block.time:
                # Its own header had the packet, if it had one.
                given = self._may_have_been_given(entry, standing, terms, delivered.place.block.time)
            if given and _stood(entry, delivered.place.block.time):
                return DeliveryGoneError(request_id, patient, "its custodian has erased it since")
        if part.bundle != standing.bundle:
            why = "the patient has put another bundle in its place, as when he forgets what was erased"
            return DeliveryGoneError(request_id, patient, why)
        return IntegrityError("no record of this custodian opens with what was delivered")

    def _may_have_been_given(self, entry: RecordEntry, standing: GrantStanding, terms: Terms, at: int) -> bool:
        """Whether the terms permitted an erased record while it stood, or may have: what its manifest said is gone."""
        consents = [Consent(grant=standing.grant, terms=terms, stamp=self._auditing.stamp(entry.patient))]
        lineage = self._auditing.lineages(entry.patient).get(entry.ref, ())
        subject = Subject.on_chain(replace(entry, status=RecordStatus.ACTIVE), lineage)
        # Given again, the same grant begins then.
        now = max(at, standing.grant.not_before)
        decisions = (
            decide(consents, subject=subject, purpose=purpose, reader=terms.grantee, now=now)
            for purpose in dict.fromkeys(each for _, provision in terms.numbered for each in provision.purposes)
        )
        return any(decision.permitted or decision.undecided for decision in decisions)

    def _slips_for(self, standing: GrantStanding, terms: Terms, requester: Actor) -> list[Slip]:
        """Return the slips in what was delivered; of others than the patient's hand none counts."""
        keys = granters_keys(self._auditing, standing)
        return self._slips.in_bundle(standing.bundle, [terms.slips_name], requester.identity, writers=keys)

    def confirm(self, request_id: RequestId, patient: Address, *, requester: Actor) -> Confirmed:
        """Confirm a delivery, after looking at it: the reward is paid. Ends a dispute, too.

        What was paid before is not looked at again.

        Raises:
            MedshareError: as ``inspect``; then nothing is confirmed: dispute it, or wait until it is released.
            ScoreOverstatedError: the custodian has stated a higher score than was attested when he delivered; likewise.
            LedgerError: the chain failed or refused; repeat, nothing is paid twice.
        """
        found: Inspected | None = None

        def paid() -> EventPlace | None:
            is_own = self._book.request(request_id).request.requester == requester.address
            return self._paid(request_id, patient) if is_own else None

        def send() -> Receipt:
            nonlocal found
            found = self.inspect(request_id, patient, requester=requester)
            stated = found.part.reservation.score
            if found.part.request.terms.quality is not None and stated > found.score:
                raise ScoreOverstatedError(stated=stated, attested=found.score)
            return self._ledger.requests.confirm(requester.signer, request_id, patient)

        on_chain = once(send, place=paid)
        return Confirmed(on_chain=on_chain, found=None if on_chain.already else found)

    def dispute(self, request_id: RequestId, patient: Address, reason: str, *, requester: Actor) -> OnChain:
        """Dispute a delivery while the period for it lasts; the consortium decides.

        On chain goes a salted digest of the reason; text and salt are kept here, to be shown to who decides.

        Raises:
            RequestNotAllowedError, ReservationNotError, RequestDeadlinePassedError, UnknownRequestError: as the
                contract would.
        """
        context = request_id.to_bytes(32, "big") + bytes.fromhex(patient[2:])
        kept = self._texts.keep(reason, owner=requester, tag="medshare/dispute-reason/1", context=context)

        def disputed() -> EventPlace | None:
            part = self._book.request(request_id).part(patient)
            event = None if part is None else part.disputed
            return None if event is None or event.reason != kept.digest else event.place

        return once(
            lambda: self._ledger.requests.dispute(requester.signer, request_id, patient, kept.digest), place=disputed
        )

    def reason_of(self, part: Part, *, requester: Actor) -> SaltedText | None:
        """Return why a delivery was disputed, with its salt, where it was written here by ``requester``, or None.

        Whoever is to decide compares the two with the chain.

        Raises:
            EnvelopeError: it is another identity's.
        """
        return None if part.disputed is None else self._texts.find(part.disputed.reason, owner=requester)

    def release(self, request_id: RequestId, patient: Address, *, payer: Signer) -> OnChain:
        """Have a reward paid that nobody disputed, or whose dispute nobody decided, in time; anybody may send.

        Raises:
            RequestTooEarlyError, ReservationNotError, UnknownRequestError: as the contract would.
        """
        return once(
            lambda: self._ledger.requests.release(payer, request_id, patient),
            place=lambda: self._paid(request_id, patient),
        )

    def _paid(self, request_id: RequestId, patient: Address) -> EventPlace | None:
        """Return where a reward was paid, or None where it was not."""
        part = self._book.request(request_id).part(patient)
        return part.settled.place if part is not None and isinstance(part.settled, RewardPaid) else None

    def _part(self, request_id: RequestId, patient: Address, statuses: Sequence[ReservationStatus]) -> Part:
        part = self._book.request(request_id).part(patient)
        if part is None or part.status not in statuses:
            status = ReservationStatus.NONE if part is None else part.status
            raise ReservationNotError(request_id, patient, status)
        return part

    def _now(self, block: BlockRef) -> int:
        return max(block.time, self._clock.now())


def _stood(entry: RecordEntry, at: int) -> bool:
    """Whether a record was active just before ``at``: what came or ended with a delivery is no part of it."""
    return entry.registered_at < at and (not entry.ended_at or entry.ended_at >= at)


def _each_once(invitees: Sequence[Address] | None) -> tuple[Address, ...] | None:
    return None if invitees is None else tuple(dict.fromkeys(invitees))


def _key(study: Study, requester: Actor, invitees: Sequence[Address] | None, others: Sequence[Address]) -> bytes:
    """Return the journal's key for an opening: the same study for the same patients, the same key."""
    asked = None if invitees is None else sorted(invitees)
    said = {"study": decode_document(study.to_json()), "invitees": asked, "others": sorted(set(others))}
    return requester.identity.derive_secret("medshare/opening/1", encode_document(said))
