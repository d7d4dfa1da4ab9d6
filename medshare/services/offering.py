"""Offering: what a patient is asked, as he sees it: open calls, and the requests that his key finds to name him.

    for offer in offering.offers(patient=me):
        print(offer.study.title, offer.request.terms.reward)

Each study is opened and compared with the chain. One that is missing or wrong is told with its fault, and hides none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from medshare.errors import MedshareError, NotInvitedError, StoreUnavailableError
from medshare.model.accreditation import AccreditationKind
from medshare.model.events import BlockRef
from medshare.model.ids import Address, RequestId
from medshare.model.policy import Asked, Policy, PolicyDecision
from medshare.model.record import RecordStatus
from medshare.model.request import AccessRequest, Invitation, ReservationStatus
from medshare.model.study import Study
from medshare.ports import Actor, BlobStore, Clock, Ledger
from medshare.services.auditing import Auditing
from medshare.services.bundles import BAD_BUNDLE
from medshare.services.published_keys import published_keys
from medshare.services.request_book import RequestBook
from medshare.services.requesting import Requesting
from medshare.services.studies import open_invitation, open_study

_OPEN_CALL = Invitation()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A request that a patient can accept now, as he sees it."""

    request: AccessRequest
    patient: Address
    accredited_by: Address | None
    """The member that vouches for who asks."""
    study: Study | None
    """None where it cannot be read, or is not what the chain says: then it cannot be accepted."""
    fault: MedshareError | None = None
    """Why there is no study."""
    invitation: Invitation = _OPEN_CALL
    decision: PolicyDecision | None = None
    """What the patient's policy says, where he gave one."""


class Offering:
    """Shows patients what they are asked.

    Args:
        ledger: the contracts.
        store: where studies are.
        clock: the time on the wall.
        auditing: which keys were published, and which records there are.
        book: how requests stand.
        requesting: who vouches for a requester.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: BlobStore,
        clock: Clock,
        auditing: Auditing,
        book: RequestBook,
        requesting: Requesting,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._auditing = auditing
        self._book = book
        self._requesting = requesting

    def offers(
        self, *, patient: Actor, on_behalf_of: Address | None = None, policy: Policy | None = None
    ) -> list[Offer]:
        """Return what a patient is asked and can accept now: open calls, and the requests that name him.

        A study that is missing or wrong hides no other: it is told with its fault.

        Args:
            patient: who looks, with the key that opens invitations.
            on_behalf_of: the patient, where another acts for him.
            policy: what the patient has decided in advance.

        Raises:
            StoreUnavailableError, LedgerError: store or chain failed.
        """
        block = self._auditing.sync()
        subject = on_behalf_of or patient.address
        found = []
        for standing in self._book.requests():
            part = standing.part(subject)
            if part is not None and part.status is not ReservationStatus.NONE:
                continue
            if not standing.request.acceptable(self._now(block)):
                continue
            offer = self._offer(standing.request, patient, subject)
            if offer is not None and offer.accredited_by is not None:
                found.append(self._judged(offer, policy, self._now(block)))
        return found

    def offer(self, request_id: RequestId, *, patient: Actor, on_behalf_of: Address | None = None) -> Offer:
        """Return one request as the patient sees it, whether or not it can be accepted now.

        Raises:
            UnknownRequestError: nobody opened it.
            NotInvitedError: it is for named patients, and this key opens no invitation for him.
            StoreUnavailableError, LedgerError: store or chain failed.
        """
        subject = on_behalf_of or patient.address
        request = self._ledger.requests.request(request_id, block=self._ledger.chain.head())
        offer = self._offer(request, patient, subject)
        if offer is None:
            raise NotInvitedError(request_id, subject)
        return offer

    def _offer(self, request: AccessRequest, patient: Actor, subject: Address) -> Offer | None:
        """Return the request as the patient sees it; None where it names others."""
        accredited_by = self._requesting.accredited_by(request.requester)
        writers = published_keys(self._auditing, request.requester)
        blank = Offer(request=request, patient=subject, accredited_by=accredited_by, study=None)
        try:
            if not request.is_open_call:
                invitation = open_invitation(
                    self._store, request, patient=subject, identity=patient.identity, writers=writers
                )
                if invitation is None:
                    return None
                blank = replace(blank, invitation=invitation)
            study = open_study(self._store, request, reader=patient.identity, writers=writers)
        except StoreUnavailableError:
            raise
        except BAD_BUNDLE as error:
            # Of a directory that is missing nobody knows whom it names.
            return replace(blank, fault=error)
        return replace(blank, study=study)

    @staticmethod
    def _judged(offer: Offer, policy: Policy | None, now: int) -> Offer:
        if policy is None or offer.study is None:
            return offer
        asked = Asked(request=offer.request, study=offer.study, accredited_by=offer.accredited_by, now=now)
        return replace(offer, decision=policy.decide(asked))

    def custodians(self, patient: Address) -> list[Address]:
        """Return the accredited custodians that state an active record of a patient: one of them can deliver.

        Raises:
            LedgerError: the chain failed.
        """
        block = self._auditing.sync()
        stated = (each.custodian for each in self._auditing.records(patient) if each.status is RecordStatus.ACTIVE)
        kind = AccreditationKind.CUSTODIAN
        return [
            each for each in dict.fromkeys(stated) if self._ledger.accreditation.is_accredited(each, kind, block=block)
        ]

    def _now(self, block: BlockRef) -> int:
        return max(block.time, self._clock.now())
