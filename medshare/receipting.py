"""Receipts of consents (ISO/IEC TS 27560): one is made with each consent, and found again by both its parties.

    made = session.receipting.of(granted.grant_id, party=me)
    made.state, made.pii_controller.party["party_name"]

What lies in a consent's bundle says when the consent was given, signed or sent. What is returned here is derived of it
anew, with what the chain tells since: when it was granted, whether it was withdrawn. Each party keeps its own copy,
locked by its key, so that a receipt is there still when the bundle is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from medshare.errors import IntegrityError, InvalidInputError, MedshareError, UnknownGrantError
from medshare.errors.ledger import moment
from medshare.files import private_folder, write_whole
from medshare.hashing import tagged_sha256
from medshare.model.grant import Grant
from medshare.model.ids import Address, GrantId
from medshare.model.stated_use import StatedStudy
from medshare.model.terms import Terms
from medshare.ports import Actor, BlobStore, Ledger
from medshare.services.auditing import Auditing, GrantStanding
from medshare.services.bundles import BAD_BUNDLE, open_terms
from medshare.services.consent_receipts import Consented, open_receipt
from medshare.services.held_keys import as_read
from medshare.services.published_keys import published_keys
from medshare.services.safe import Safe
from medshare.services.studies import open_study
from medshare.standards.given import GivenConsent, did
from medshare.standards.receipt_27560 import ConsentState, PiiController, Receipt
from medshare.standards.receipt_27560.pii_controller import MAX_PROFILE_SIZE

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptConsent:
    """A consent of a party, and its receipt."""

    standing: GrantStanding
    receipt: Receipt | None
    """None where there is none, or it cannot be read."""
    error: MedshareError | None = None
    """Why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A receipt that agrees with the chain."""

    standing: GrantStanding
    study_compared: bool
    """Whether the study that it states was opened and compared; false also where it states none."""


class ControllerProfiles:
    """What PII controllers say of themselves, as they have handed it over: by account, in a folder.

    Args:
        folder: where the profiles are; made when the first is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, account: Address, document: bytes) -> PiiController:
        """Keep a profile, in the place of an earlier one.

        Raises:
            InvalidInputError: it is none, or lacks what is mandatory.
            StoreFullError, ConfigurationError: it cannot be written.
        """
        profile = PiiController.from_json(document)
        write_whole(private_folder(self._folder) / f"{account}.json", document, replace=True)
        return profile

    def of(self, account: Address) -> PiiController | None:
        """Return the profile of an account, or None where none is kept; raises ``InvalidInputError``."""
        try:
            with (self._folder / f"{account}.json").open("rb") as stream:
                return PiiController.from_json(stream.read(MAX_PROFILE_SIZE + 1))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InvalidInputError("the PII controller's profile cannot be read", hint="keep it anew") from error


class Receipting:
    """Makes, keeps, finds and verifies receipts of consents.

    Args:
        ledger: the contracts.
        store: where bundles and studies are; not trusted.
        auditing: which grants there are.
        safe: where each party's copies are.
        profiles: what PII controllers say of themselves.
        chain_id: of the deployment.
        registry: the contract that holds grants.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: BlobStore,
        auditing: Auditing,
        safe: Safe,
        profiles: ControllerProfiles,
        chain_id: int,
        registry: Address,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._auditing = auditing
        self._safe = safe
        self._profiles = profiles
        self._chain_id = chain_id
        self._registry = registry

    # ------------------------------------------------------------------------------------- with the consent

    def make(self, consented: Consented, *, party: Actor) -> bytes:
        """Return the receipt of a consent that is about to be given, and keep it for who gives it.

        Raises:
            InvalidInputError: a profile that is kept is none; or the receipt is too large.
            StoreFullError, ConfigurationError: it cannot be kept.
            LedgerError: the chain could not be asked about the request.
        """
        terms, study = consented.terms, None
        if consented.study is not None and terms.request is not None:
            request = self._ledger.requests.request(terms.request.request_id, block=self._ledger.chain.head())
            study = StatedStudy.of(consented.study, request.terms.document)
        given = GivenConsent(
            terms=terms,
            grant=consented.consent.grant,
            given_at=consented.at,
            given_by=consented.by,
            revoked_at=None,
            as_of=consented.at,
            chain_id=self._chain_id,
            registry=self._registry,
            bundle=None,
            study=study,
        )
        document = Receipt.of(given, self._controller(terms, study)).to_json()
        self._safe.keep(_name(given.grant.grant_id, party), document, party.identity)
        return document

    # ------------------------------------------------------------------------------------------------ later

    def of(self, grant_id: GrantId, *, party: Actor, controller: PiiController | None = None) -> Receipt:
        """Return the receipt of a consent as it stands now, as one of its parties.

        Args:
            grant_id: the consent.
            party: who asks: the patient, the reader, or who gave it for the patient.
            controller: what the PII controller says of itself; default: what the receipt says that was made with the
                consent, or the profile that is kept.

        Raises:
            UnknownGrantError: nobody granted it.
            IntegrityError: what the bundle holds is not of this consent.
            StoreError, EnvelopeError: neither receipt nor terms are there still, or they are not for this party.
            LedgerError: the chain failed.
        """
        standing = self._standing(grant_id)
        first = self._first(standing, party)
        terms = self._terms(standing, party) if first is None else first.terms
        stated = None if first is None else first.study
        study = self._study(terms, party) or self._as_on_chain(terms, stated)
        if controller is None and first is not None and not first.pii_controller.not_stated:
            controller = first.pii_controller
        return Receipt.of(self.given(standing, terms, study=study), controller or self._controller(terms, study))

    def keep(self, grant: Grant | None, *, party: Actor) -> bool:
        """Keep a reader's own copy of the receipt of the consent by which he has just read; return whether he has one.

        That it cannot be kept is no reason not to read, and is no error.

        Args:
            grant: by which he read; None where he needed none.
            party: the reader.
        """
        if grant is None or grant.grantee != party.address:
            return False
        try:
            if self._safe.find(_name(grant.grant_id, party), party.identity) is not None:
                return True
            return self._first(self._standing(grant.grant_id), party) is not None
        except MedshareError as error:
            _log.warning("the receipt of %x is not kept: %s", grant.grant_id, error)
            return False

    def all(self, party: Actor) -> list[KeptConsent]:
        """Return the consents that a party has given, for himself or others, or was given, with their receipts.

        What is found in a bundle is kept from then on.

        Raises:
            LedgerError: the chain failed.
        """
        found = []
        for standing in self._consents_of(party.address):
            try:
                receipt = self.of(standing.grant.grant_id, party=party)
            except BAD_BUNDLE as error:
                found.append(KeptConsent(standing=standing, receipt=None, error=error))
            else:
                found.append(KeptConsent(standing=standing, receipt=receipt))
        return found

    def verify(self, receipt: Receipt, *, party: Actor | None = None) -> Verified:
        """Compare a receipt with the chain, and with the study that it states where that can be opened.

        Args:
            receipt: from whomever.
            party: who opens a study for named patients.

        Raises:
            InvalidInputError: it is of another chain or contract, or names no controller.
            UnknownGrantError: nobody granted it.
            IntegrityError: it was altered, or the consent has been withdrawn or given anew since.
            LedgerError: the chain failed.
        """
        if (receipt.chain_id, receipt.registry) != (self._chain_id, self._registry):
            raise InvalidInputError(
                "the receipt is of a grant on another chain, or in another contract", hint="name it with --network"
            )
        now = self._standing(receipt.grant_id)
        if receipt.state is ConsentState.GIVEN and now.revoked_at is not None:
            raise IntegrityError(f"the receipt says given, and the consent was withdrawn at {moment(now.revoked_at)}")
        if now.granted_at > receipt.created_at:
            raise IntegrityError(f"the consent was given anew at {moment(now.granted_at)}, after the receipt was made")
        if now.terms != receipt.terms.digest():
            raise IntegrityError("the terms in the receipt are not those on chain")
        opened = self._study(receipt.terms, party)
        study = opened or self._as_on_chain(receipt.terms, receipt.study)
        receipt.check_against(self.given(now, receipt.terms, study=study))
        return Verified(standing=now, study_compared=opened is not None)

    def given(
        self,
        standing: GrantStanding,
        terms: Terms,
        *,
        organization: Address | None = None,
        study: StatedStudy | None = None,
    ) -> GivenConsent:
        """Return a consent as the chain tells it now, for a standard's document; raises ``LedgerUnavailableError``."""
        return GivenConsent(
            terms=terms,
            grant=standing.grant,
            given_at=standing.granted_at,
            given_by=standing.granted_by,
            revoked_at=standing.revoked_at,
            as_of=self._ledger.chain.head().time,
            chain_id=self._chain_id,
            registry=self._registry,
            bundle=standing.bundle,
            organization=organization,
            study=study,
        )

    # -------------------------------------------------------------------------------------------- internals

    def _standing(self, grant_id: GrantId) -> GrantStanding:
        standing = self._auditing.grant(grant_id)
        if standing is None:
            raise UnknownGrantError(grant_id)
        return standing

    def _consents_of(self, account: Address) -> Iterator[GrantStanding]:
        seen = set()
        patients = [account, *self._auditing.controlled_by(account)]
        given_for = [each.patient for each in self._auditing.delegations(delegate=account)]
        for standing in (
            *(each for patient in patients for each in self._auditing.grants(patient=patient)),
            *self._auditing.grants(grantee=account),
            *(
                each
                for patient in dict.fromkeys(given_for)
                for each in self._auditing.grants(patient=patient)
                if each.granted_by == account
            ),
        ):
            if standing.grant.grant_id not in seen:
                seen.add(standing.grant.grant_id)
                yield standing

    def _first(self, standing: GrantStanding, party: Actor) -> Receipt | None:
        """Return the receipt that was made with a consent, from its bundle or the party's own copy; else None."""
        name = _name(standing.grant.grant_id, party)
        kept = None
        try:
            kept = self._safe.find(name, party.identity)
            document = open_receipt(self._store, self._as_read(standing, party).bundle, party.identity)
        except BAD_BUNDLE:
            return None if kept is None else self._read(kept, standing)
        receipt = self._read(document, standing)
        own = receipt.to_json()
        if own != kept:
            self._safe.keep(name, own, party.identity)
        return receipt

    def _terms(self, standing: GrantStanding, party: Actor) -> Terms:
        return open_terms(self._store, self._as_read(standing, party), party.identity)

    def _as_read(self, standing: GrantStanding, party: Actor) -> GrantStanding:
        escrow = self._ledger.requests.address
        return as_read(self._store, self._auditing, standing, party=party.address, escrow=escrow)

    def _read(self, document: bytes, standing: GrantStanding) -> Receipt:
        try:
            receipt = Receipt.from_json(document)
        except InvalidInputError as error:
            raise IntegrityError("the receipt that was made with the consent is malformed") from error
        of = (receipt.chain_id, receipt.registry, receipt.grant_id)
        if of != (self._chain_id, self._registry, standing.grant.grant_id):
            raise IntegrityError("the receipt that was made with the consent is of another one")
        return receipt

    def _study(self, terms: Terms, party: Actor | None) -> StatedStudy | None:
        """Return the study of the request that a consent accepts, opened and compared with the chain; else None."""
        if terms.request is None or terms.request.contract != self._ledger.requests.address:
            return None
        request = self._ledger.requests.request(terms.request.request_id, block=self._ledger.chain.head())
        writers = published_keys(self._auditing, request.requester)
        reader = None if party is None else party.identity
        try:
            study = open_study(self._store, request, reader=reader, writers=writers)
        except BAD_BUNDLE:
            return None
        return StatedStudy.of(study, request.terms.document)

    def _as_on_chain(self, terms: Terms, stated: StatedStudy | None) -> StatedStudy | None:
        """Return what a receipt states of a study that nobody here can open, with the document that the chain names."""
        if stated is None or terms.request is None:
            return None
        request = self._ledger.requests.request(terms.request.request_id, block=self._ledger.chain.head())
        return replace(stated, document=request.terms.document)

    def _controller(self, terms: Terms, study: StatedStudy | None) -> PiiController:
        """Return who answers for what the reader does with the data: his profile, or that none is known."""
        profile = self._profiles.of(terms.grantee)
        if profile is not None:
            return profile
        account = did(terms.grantee, self._chain_id)
        if study is None:
            return PiiController.silent(account)
        return PiiController.silent(account, name=study.institution, contact=study.contact)


def _name(grant_id: GrantId, party: Actor) -> bytes:
    return tagged_sha256("medshare/kept-receipt/1", bytes.fromhex(party.address[2:]), grant_id.to_bytes(32, "big"))
