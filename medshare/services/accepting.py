"""Accepting: a patient takes part in a request with one signature, which grants and reserves his reward.

    asking = Asking(confirm=ask, names=keyring.name_of)
    accepting.accept(request_id, patient=me, payer=me.signer, asking=asking)

The steps of accepting, numbered as in the code:

(1) fix the block; check what would be refused on chain anyway;
(2) open the study, and for named patients the invitation, and compare both with the chain;
(3) look into the journal: what was signed before and can still be sent is sent as it is, and never signed twice; the
    keys of what no longer can be are given up;
(4) prepare the grant as every other: its terms name request and custodian, so that one signature means this and nothing
    else; where the patient says nothing of his own he permits what the study wants, and no longer than it asks; of
    records that are not as good as it asks, no key is given; the slips by which that was judged are in the bundle;
(5) show in words what is accepted, and what is signed; sign, and note it;
(6) send it, paid by whoever pays: the patient himself, or somebody to whom he gave the signed acceptance.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from medshare.errors import (
    ConfigurationError,
    InsufficientFundsError,
    IntegrityError,
    InvalidInputError,
    LedgerError,
    MedshareError,
    NotARecipientError,
    RejectedError,
    RequestDeadlinePassedError,
    RequestNotAccreditedError,
    RequestNotOpenError,
    RequestUsedUpError,
    ReservedAlreadyError,
    ScoreTooLowError,
    SigningError,
    TransactionFailedError,
)
from medshare.hashing import tagged_sha256
from medshare.model.acceptance import SignedAcceptance
from medshare.model.accreditation import AccreditationKind
from medshare.model.documents import encode_document
from medshare.model.events import BlockRef
from medshare.model.grant import GrantRequest
from medshare.model.ids import Address, GrantId, RequestId, derive_grant_id
from medshare.model.provision import Effect, Provision
from medshare.model.purpose import Purpose
from medshare.model.record import RecordRef, RecordStatus
from medshare.model.request import (
    Acceptance,
    AcceptedRequest,
    AccessRequest,
    RequestStatus,
    Reservation,
    ReservationStatus,
)
from medshare.model.study import Study
from medshare.model.telling import Names
from medshare.model.typed_data import SignableGrant
from medshare.ports import Actor, Ledger, Receipt, Signer
from medshare.services.auditing import Auditing
from medshare.services.consenting import Consenting, Prepared
from medshare.services.judging import Judging, Moment
from medshare.services.offering import Offer, Offering
from medshare.services.progress import Progress, silent
from medshare.services.request_book import RequestBook
from medshare.services.request_journal import RequestJournal, SignedBefore
from medshare.services.request_words import request_lines
from medshare.services.signing import DAY, Confirm, Signing
from medshare.services.slips import Slips
from medshare.services.study_slips import StudySlips

_log = logging.getLogger(__name__)
_NOT_ACCEPTED = (
    RejectedError,
    TransactionFailedError,
    InsufficientFundsError,
    ConfigurationError,
    SigningError,
)
"""What says for certain that nothing was accepted by this transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a patient wants otherwise than he is asked; by default he takes it as it is."""

    custodian: Address | None = None
    """Who shall deliver; None: the only one that can."""
    provisions: tuple[Provision, ...] = ()
    """What is permitted, in place of what the study wants; its duties are added."""
    expires_at: int | None = None
    """First second in which access ends; None: as early as the request lets it."""
    on_behalf_of: Address | None = None
    """The patient, where another acts for him."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a person is shown what he is about to sign."""

    confirm: Confirm
    names: Names
    """The names that the person has given addresses."""
    valid_for: int = DAY
    """Seconds in which the signature can be sent."""


_AS_ASKED = Choice()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A request that a patient has accepted: the grant stands, and his reward is reserved."""

    request_id: RequestId
    patient: Address
    reservation: Reservation
    grant_id: GrantId
    receipt: Receipt | None
    """The transaction; None where it was on chain before."""


class Accepting:
    """Accepts requests, as a patient or for him, and sends what patients have signed.

    Args:
        ledger: the contracts.
        book: how requests stand.
        journal: what was signed here before.
        offering: opens the study and the invitation.
        consenting: prepares the grant.
        auditing: which records there are of the patient.
        judging: how good they are by the word of assessors.
        slips: what the patient keeps of batches.
        signing: shows, signs and checks.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        book: RequestBook,
        journal: RequestJournal,
        offering: Offering,
        consenting: Consenting,
        auditing: Auditing,
        judging: Judging,
        slips: Slips,
        signing: Signing,
    ) -> None:
        self._ledger = ledger
        self._book = book
        self._journal = journal
        self._offering = offering
        self._consenting = consenting
        self._auditing = auditing
        self._judging = judging
        self._slips = slips
        self._signing = signing

    # ------------------------------------------------------------------------------------------- accepting

    def accept(
        self,
        request_id: RequestId,
        *,
        patient: Actor,
        payer: Signer,
        asking: Asking,
        choice: Choice = _AS_ASKED,
        progress: Progress = silent,
    ) -> Accepted:
        """Accept a request: grant what it wants, and reserve the reward, in one transaction that ``payer`` pays.

        Args:
            request_id: which request.
            patient: who accepts: the patient, or somebody who may grant for him.
            payer: whose coins pay the transaction.
            asking: how what is signed is shown.
            choice: what of it the patient wants otherwise than asked.
            progress: told how far it is.

        Raises:
            MedshareError: as ``sign`` and ``submit``.
        """
        subject = choice.on_behalf_of or patient.address
        done = self._done_before(request_id, subject)
        if done is not None:
            return done
        signed = self.sign(request_id, patient=patient, asking=asking, choice=choice, progress=progress)
        try:
            accepted = self.submit(signed, payer=payer)
        except _NOT_ACCEPTED:
            self._give_up(signed)
            raise
        except LedgerError as error:
            error.hint = f"it may still be accepted: give the same command again; request {request_id}"
            raise
        self._journal.forget_acceptance(request_id, subject)
        return accepted

    def sign(
        self,
        request_id: RequestId,
        *,
        patient: Actor,
        asking: Asking,
        choice: Choice = _AS_ASKED,
        progress: Progress = silent,
    ) -> SignedAcceptance:
        """Do all of accepting but sending it: somebody else shall send what the patient signs, and pay for it.

        Args:
            request_id: which request.
            patient: who accepts: the patient, or somebody who may grant for him.
            asking: how what is signed is shown.
            choice: what of it the patient wants otherwise than asked.
            progress: told how far it is.

        Raises:
            UnknownRequestError, RequestNotOpenError, RequestDeadlinePassedError, RequestUsedUpError,
                RequestNotAccreditedError, ReservedAlreadyError, NotInvitedError: as the contract would.
            InvalidInputError: no custodian can deliver, or several and none is named; less is permitted than the
                request needs; or something else was signed before, and can still be sent.
            StoreError, EnvelopeError, IntegrityError: the study is missing, not whole, or not what the chain says.
            ScoreTooLowError: nothing that the custodian could deliver is as good as the request asks.
            NotAllowedToActError, BeyondDelegationError: who accepts may not for this patient.
            SigningError: it was not confirmed, or no signature came.
            MedshareError: as ``Consenting.prepare``.
            LedgerError: the chain failed; repeat.
        """
        block = self._ledger.chain.head()  # (1)
        subject = choice.on_behalf_of or patient.address
        request = self._ledger.requests.request(request_id, block=block)
        self._check_acceptable(request, subject, block)
        deliverer = self._custodian(subject, choice.custodian)
        offer = self._offering.offer(request_id, patient=patient, on_behalf_of=choice.on_behalf_of)  # (2)
        if offer.study is None:
            raise offer.fault or NotARecipientError("the study does not open")
        said = _with_duties(choice.provisions, offer.study) if choice.provisions else [offer.study.wanted]
        _check_covers(said, request)
        until = request.access_until if choice.expires_at is None else choice.expires_at
        if until < request.access_until:
            raise InvalidInputError("access must last longer: until the request's own end", hint="leave the date away")
        wants = _digest(deliverer, said, until, patient.address)
        with self._journal.claimed(_key(request_id, subject)):
            before = self._still_good(request_id, subject, wants)  # (3)
            if before is not None:
                return before
            slips = self._study_slips(request, subject, deliverer)
            left_out = self._left_out(request, subject, slips)
            prepared = self._consenting.prepare(
                patient=patient,
                grantee=request.requester,
                provisions=said,
                expires_at=until,
                on_behalf_of=choice.on_behalf_of,
                accepted=AcceptedRequest(
                    contract=self._ledger.requests.address, request_id=request_id, custodian=deliverer
                ),
                study=offer.study,
                leaving_out=left_out,
                slips=slips,
                progress=progress,
            )  # (4)
            self._check_good(prepared, request, deliverer)
            signed = self._signed(offer, offer.study, prepared, patient, asking)
            self._journal.write_acceptance(SignedBefore(said=wants, signed=signed))
            return signed

    def _study_slips(self, request: AccessRequest, patient: Address, custodian: Address) -> StudySlips | None:
        """Return what is kept of batches that hold records of the patient; None where the request asks no quality."""
        quality = request.terms.quality
        if quality is None:
            return None
        standing = self._slips.standing(record.record_id for record in self._records(patient))
        return StudySlips(method=quality.method, custodian=custodian, slips=tuple(standing))

    def _left_out(self, request: AccessRequest, patient: Address, slips: StudySlips | None) -> frozenset[RecordRef]:
        """Return which records of the patient are not as good as the request asks."""
        quality, now = request.terms.quality, Moment.after(self._auditing.sync())
        judged = self._judging.judged(
            self._records(patient), condition=quality, moments=[now], slips=() if slips is None else slips.slips
        )
        return frozenset(each.record for each in judged.left_out)

    def _records(self, patient: Address) -> list[RecordRef]:
        entries = self._auditing.records(patient)
        return [entry.ref for entry in entries if entry.status is not RecordStatus.RETRACTED]

    def _check_good(self, prepared: Prepared, request: AccessRequest, custodian: Address) -> None:
        """Give up what nobody could deliver; raises ``ScoreTooLowError``."""
        poor = sum(record.custodian == custodian for record in prepared.left_out)
        quality = request.terms.quality
        if quality is None or not poor or any(record.custodian == custodian for record in prepared.released):
            return
        self._consenting.withdraw(prepared.patient, prepared.grant_id, prepared.request.bundle)
        error = ScoreTooLowError(records=poor, minimum_score=quality.minimum_score, method=quality.method)
        error.hint = (
            "ask your hospital to have its records attested, or for the slips of those that are attested in a batch; "
            "keep these with: medshare quality take-slip FILE; then accept"
        )
        raise error

    def _signed(
        self, offer: Offer, study: Study, prepared: Prepared, patient: Actor, asking: Asking
    ) -> SignedAcceptance:
        """Show and sign what was prepared (5)."""
        about = request_lines(
            offer.request, study, accredited_by=offer.accredited_by, names=asking.names, now=self._signing.now
        )
        try:
            draft = self._signing.draft(patient.address, valid_for=asking.valid_for)
            signed = self._signing.sign(
                draft.grant(prepared.patient, prepared.request),
                patient.signer,
                confirm=lambda lines: asking.confirm([*about, *lines]),
                names=asking.names,
            )
        except MedshareError:
            self._consenting.withdraw(prepared.patient, prepared.grant_id, prepared.request.bundle)
            raise
        accepted = prepared.terms.request
        if accepted is None:
            raise IntegrityError("what was prepared accepts no request")
        return SignedAcceptance(
            request_id=accepted.request_id,
            acceptance=Acceptance(
                custodian=accepted.custodian,
                content=prepared.terms.content(),
                signed=signed,
                invitation=offer.invitation,
            ),
        )

    def submit(self, signed: SignedAcceptance, *, payer: Signer) -> Accepted:
        """Send what a patient has signed, and pay for it (6); what is on chain already is not sent again.

        Args:
            signed: the patient's word.
            payer: whose coins pay.

        Raises:
            InvalidInputError: it is for another request, custodian or deployment.
            WrongDomainError, DeadlinePassedError, DeadlineTooFarError, SignatureInvalidError: it cannot be sent.
            RejectedError: the contract refuses.
            LedgerError: the chain failed; repeat, nothing is done twice.
        """
        signed.check_bound_to(self._ledger.requests.address)
        said, request_id = signed.acceptance, signed.request_id
        head = self._ledger.chain.head()
        if self._reservation(signed, head) is not None:
            return self._accepted(signed, head, None)
        self._signing.check(said.signed)
        intent = f"accept/{request_id}/{signed.patient}/{said.signed.digest.hex()}"
        try:
            receipt = self._ledger.requests.accept(payer, request_id, said, intent=intent)
        except ReservedAlreadyError:
            head = self._ledger.chain.head()
            if self._reservation(signed, head) is None:
                raise
            return self._accepted(signed, head, None)  # somebody else has just sent the same
        _log.debug("request %d accepted in block %d", request_id, receipt.block.number)
        return self._accepted(signed, receipt.block, receipt)

    def _accepted(self, signed: SignedAcceptance, block: BlockRef, receipt: Receipt | None) -> Accepted:
        granted = signed.granted
        return Accepted(
            request_id=signed.request_id,
            patient=signed.patient,
            reservation=self._ledger.requests.reservation(signed.request_id, signed.patient, block=block),
            grant_id=derive_grant_id(granted.patient, granted.grantee, granted.terms),
            receipt=receipt,
        )

    def _reservation(self, signed: SignedAcceptance, block: BlockRef) -> Reservation | None:
        """Return the reservation that this acceptance has made, or None where it has not."""
        reservation = self._ledger.requests.reservation(signed.request_id, signed.patient, block=block)
        if reservation.status is ReservationStatus.NONE:
            return None
        part = self._book.request(signed.request_id).part(signed.patient)
        if part is None or part.reserved.content != signed.acceptance.content:
            return None
        return reservation if reservation.custodian == signed.acceptance.custodian else None

    def _done_before(self, request_id: RequestId, patient: Address) -> Accepted | None:
        """Return what was signed here before and is on chain by now, where its answer was lost; else None."""
        before = self._journal.acceptance(request_id, patient)
        if before is None or self._reservation(before.signed, self._ledger.chain.head()) is None:
            return None
        accepted = self._accepted(before.signed, self._ledger.chain.head(), None)
        self._journal.forget_acceptance(request_id, patient)
        return accepted

    # -------------------------------------------------------------------------------------------- checking

    def _check_acceptable(self, request: AccessRequest, patient: Address, block: BlockRef) -> None:
        """Refuse before any work what the contract would refuse after it (1)."""
        request_id = request.request_id
        if request.status is not RequestStatus.OPEN:
            raise RequestNotOpenError(request_id, request.status)
        if self._signing.now >= request.terms.deadline:
            raise RequestDeadlinePassedError(request_id, request.terms.deadline)
        reservation = self._ledger.requests.reservation(request_id, patient, block=block)
        if reservation.status is not ReservationStatus.NONE:
            raise ReservedAlreadyError(request_id, patient)
        if not request.places:
            raise RequestUsedUpError(request_id)
        if not self._ledger.accreditation.is_accredited(request.requester, AccreditationKind.RESEARCHER, block=block):
            raise RequestNotAccreditedError(request.requester)

    def _custodian(self, patient: Address, named: Address | None) -> Address:
        possible = self._offering.custodians(patient)
        if named is not None:
            if named not in possible:
                raise InvalidInputError(
                    f"{named} cannot deliver: no accredited custodian with an active record of this patient"
                )
            return named
        if len(possible) != 1:
            raise InvalidInputError(
                f"{len(possible)} custodians can deliver records of this patient",
                hint="name one of them" if possible else "ask your hospital to publish your records first",
            )
        return possible[0]

    def _still_good(self, request_id: RequestId, patient: Address, wants: bytes) -> SignedAcceptance | None:
        """Return what was signed before and can still be sent, if it is the same; give up what cannot be."""
        before = None
        for each in self._journal.acceptances(patient):
            if not self._can_be_sent(each.signed):
                self._give_up(each.signed)
            elif each.signed.request_id == request_id:
                before = each
        if before is None:
            return None
        if before.said != wants:
            granted = before.signed.granted
            grant_id = derive_grant_id(granted.patient, granted.grantee, granted.terms)
            raise InvalidInputError(
                "something else was signed for this request before, and can still be sent",
                hint=f"accept with the same custodian and provisions as then; or end it first, with: "
                f"medshare access revoke {grant_id:#x}",
            )
        return before.signed

    def _can_be_sent(self, signed: SignedAcceptance) -> bool:
        """Whether deadline and counts are such that the contract could take it."""
        granted, now = signed.granted, self._signing.now
        if now >= granted.deadline:
            return False
        draft = self._signing.draft(signed.acceptance.signed.signer)
        try:
            anew = draft.grant(granted.patient, _request_of(granted))
        except RejectedError:
            return False  # the signer may no longer act for the patient
        return (anew.stamp, anew.epoch, anew.mandate) == (granted.stamp, granted.epoch, granted.mandate)

    def _give_up(self, signed: SignedAcceptance) -> None:
        """Forget what was signed and cannot be sent any more, and give up its bundle, unless the chain shows it."""
        granted = signed.granted
        grant_id = derive_grant_id(granted.patient, granted.grantee, granted.terms)
        self._consenting.withdraw(granted.patient, grant_id, granted.bundle)
        self._journal.forget_acceptance(signed.request_id, signed.patient)


def _key(request_id: RequestId, patient: Address) -> bytes:
    return tagged_sha256("medshare/acceptance/1", bytes.fromhex(patient[2:]), request_id.to_bytes(32, "big"))


def _request_of(granted: SignableGrant) -> GrantRequest:
    return GrantRequest(
        grantee=granted.grantee,
        terms=granted.terms,
        bundle=granted.bundle,
        not_before=granted.not_before,
        expires_at=granted.expires_at,
        purposes=granted.purposes,
    )


def _with_duties(provisions: Sequence[Provision], study: Study) -> list[Provision]:
    """Return ``provisions`` with the duties that the requester has taken upon himself."""
    completed = []
    for provision in provisions:
        said = {each.duty for each in provision.obligations}
        added = tuple(each for each in study.wanted.obligations if each.duty not in said)
        permits = provision.effect is Effect.PERMIT
        completed.append(replace(provision, obligations=(*provision.obligations, *added)) if permits else provision)
    return completed


def _check_covers(provisions: Sequence[Provision], request: AccessRequest) -> None:
    """Refuse what would grant fewer purposes than the request needs; raises ``InvalidInputError``."""
    permitted = (each for each in provisions if each.effect is Effect.PERMIT)
    bits = Purpose(0)
    for purpose in (each for provision in permitted for each in provision.purposes):
        bits |= purpose.coarse
    wanted = request.terms.purposes
    if bits & wanted != wanted:
        raise InvalidInputError(f"the request needs {', '.join(wanted.codes)}, and this permits less")


def _digest(custodian: Address, provisions: Sequence[Provision], until: int, signer: Address) -> bytes:
    said = {
        "custodian": custodian,
        "provisions": [provision.fields() for provision in provisions],
        "until": until,
        "signer": signer,
    }
    return tagged_sha256("medshare/accepting/1", encode_document(said))
