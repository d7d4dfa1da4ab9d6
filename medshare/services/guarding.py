"""Guarding: a patient names people who together can give him a new key, should he lose his.

    named = guarding.name(patient=me, guardians=[sister, friend, notary], threshold=2, delay=7 * DAY)
    file.write_bytes(circle_to_json(named.circle, me.address))          # to each guardian
    ...
    approvals = [guarding.approve(guardian=each, patient=me, controller=new_key, deadline=until) for each in two]
    guarding.propose(circle, approvals, payer=anybody)
    guarding.complete(me, payer=anybody)                                # when the delay has passed

On chain is a salted digest of the circle until the day it is needed. The patient, if his key lives, objects within the
delay; guardians can neither read nor grant. After a recovery the new key signs for the patient, and what was encrypted
for the lost one is encrypted anew by each custodian (``Rotating``): guardians hold no key to any record.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medshare.errors import CircleInvalidError, InvalidInputError
from medshare.hashing import DIGEST_SIZE
from medshare.model.delegation import MAX_GUARDIANS, NO_CIRCLE, Circle, Control, Guardianship
from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.eip712 import Domain
from medshare.model.ids import Address
from medshare.model.typed_data import SignableRecover, SignedMessage
from medshare.ports import Actor, ContractWallets, Ledger, Receipt, TypedDataSigner
from medshare.services.safe import Safe
from medshare.services.signing import sign, verify

CIRCLE_VERSION = 1
MAX_CIRCLE_SIZE = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCircle:
    """A circle that a patient named."""

    circle: Circle | None
    """None where he dismissed his guardians."""
    begins_at: int
    """First second in which it is in force; until then the one before is."""
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """What stands about a patient's guardians at a block."""

    control: Control
    guardianship: Guardianship
    at: int
    """The block's time."""


class Guarding:
    """Names guardians, and recovers a patient's key with them.

    Args:
        ledger: the contracts.
        safe: where the patient's client keeps who the guardians are.
        domain: of the ConsentRegistry, for signatures.
        wallets: guardians may be contract wallets.
    """

    def __init__(self, *, ledger: Ledger, safe: Safe, domain: Domain, wallets: ContractWallets) -> None:
        self._ledger = ledger
        self._safe = safe
        self._domain = domain
        self._wallets = wallets

    # ------------------------------------------------------------------------------------------ naming

    def name(
        self,
        *,
        patient: Actor,
        guardians: Iterable[Address],
        threshold: int,
        delay: int,
        on_behalf_of: Address | None = None,
    ) -> NamedCircle:
        """Name guardians, of whom ``threshold`` together can give a new key; it is kept encrypted for the patient.

        Give each of them ``circle_to_json``: whoever recovers needs it, and the chain does not tell it.

        Args:
            patient: who is in control.
            guardians: up to sixteen others.
            threshold: how many of them must sign.
            delay: seconds in which the patient can object, 1 to 90 days.
            on_behalf_of: the patient, where another key took over for his.

        Raises:
            InvalidInputError: no such circle can be, or the patient would guard himself.
            DelayOutOfRangeError: the delay is shorter than a day or longer than ninety.
            NotAllowedToActError: another is in control; a delegate never names guardians.
            LedgerError, StoreFullError: repeat.
        """
        subject = on_behalf_of or patient.address
        circle = self.draw(patient=patient, guardians=guardians, threshold=threshold, on_behalf_of=on_behalf_of)
        receipt = self._ledger.authority.name_guardians(patient.signer, subject, circle.digest(subject), delay)
        return NamedCircle(circle=circle, begins_at=self._begins_at(subject, receipt), receipt=receipt)

    def draw(
        self, *, patient: Actor, guardians: Iterable[Address], threshold: int, on_behalf_of: Address | None = None
    ) -> Circle:
        """Return a circle with a fresh salt, kept encrypted for the patient; nothing is sent. Raises as ``name``."""
        subject = on_behalf_of or patient.address
        circle = Circle.of(guardians, threshold, secrets.token_bytes(DIGEST_SIZE))
        if {subject, patient.address} & set(circle.guardians):
            raise InvalidInputError("a lost key guards nothing: name others", hint="name people you trust")
        # Kept before it is sent: a circle on chain that nobody knows any more protects nobody.
        self._safe.keep(circle.digest(subject), circle_to_json(circle, subject), patient.identity)
        return circle

    def dismiss(self, *, patient: Actor, on_behalf_of: Address | None = None) -> NamedCircle:
        """Have no guardians any more, after the delay of those there are; raises as ``name``."""
        subject = on_behalf_of or patient.address
        delay = self.standing(subject).guardianship.delay
        receipt = self._ledger.authority.name_guardians(patient.signer, subject, NO_CIRCLE, delay)
        return NamedCircle(circle=None, begins_at=self._begins_at(subject, receipt), receipt=receipt)

    def circle(self, *, patient: Actor, on_behalf_of: Address | None = None) -> Circle | None:
        """Return the circle that the patient named last, or None where there is none, or it is not kept here.

        Raises:
            EnvelopeError, ConfigurationError: it is kept here, and cannot be read.
        """
        subject = on_behalf_of or patient.address
        standing = self.standing(subject).guardianship
        named = standing.circle if standing.next_from == 0 else standing.next_circle
        found = self._safe.find(named, patient.identity)
        return None if found is None else circle_from_json(found)[0]

    # -------------------------------------------------------------------------------------- recovering

    def approve(
        self, *, guardian: TypedDataSigner, patient: Address, controller: Address, deadline: int
    ) -> SignedMessage:
        """Sign, as a guardian, that ``controller`` shall take over for ``patient``. All of them sign the same deadline.

        Raises:
            DeadlinePassedError, DeadlineTooFarError: the deadline cannot be.
            SigningError: no good signature came.
            LedgerUnavailableError: the chain could not be asked.
        """
        block = self._ledger.chain.head()
        attempt = self._ledger.authority.guardianship(patient, block=block).attempt + 1
        message = SignableRecover(patient=patient, controller=controller, attempt=attempt, deadline=deadline)
        return sign(message, self._domain, signer=guardian, now=block.time, wallets=self._wallets)

    def propose(self, circle: Circle, approvals: Sequence[SignedMessage], *, payer: Actor) -> Guarded:
        """Propose the key for which enough guardians signed. Anybody may send it; it makes the circle public.

        Raises:
            WrongDomainError, SignatureInvalidError, DeadlinePassedError: a signature is wrong, foreign or late.
            CircleInvalidError: it is not the circle in force.
            GuardiansTooFewError, ControllerInvalidError, AuthorityExhaustedError: as the contract says.
            InvalidInputError: the approvals are not of one recovery, or of others than the guardians.
        """
        if not approvals:
            raise InvalidInputError("a recovery needs the guardians' signatures")
        now = self._ledger.chain.head().time
        for approval in approvals:
            verify(approval, self._domain, now=now, wallets=self._wallets)
        patient = approvals[0].subject
        if self.standing(patient).guardianship.circle != circle.digest(patient):
            raise CircleInvalidError(patient)
        self._ledger.authority.propose_recovery(payer.signer, circle, approvals)
        return self.standing(patient)

    def object(self, *, patient: Actor, on_behalf_of: Address | None = None) -> Receipt:
        """Object to the recovery that is proposed, as the one in control.

        Raises:
            NoRecoveryError: none is proposed.
            NotAllowedToActError: another is in control; a delegate never objects.
        """
        return self._ledger.authority.object_to_recovery(patient.signer, on_behalf_of or patient.address)

    def complete(self, patient: Address, *, payer: Actor) -> Control:
        """Complete a recovery to which nobody objected in time; anybody may send it. Return who is in control now.

        Raises:
            NoRecoveryError: none is proposed.
            RecoveryTooEarlyError: the patient can still object.
        """
        receipt = self._ledger.authority.complete_recovery(payer.signer, patient)
        return self._ledger.authority.controller_of(patient, block=receipt.block)

    def standing(self, patient: Address) -> Guarded:
        """Return what stands about a patient's guardians now. Raises ``LedgerError``."""
        block = self._ledger.chain.head()
        return Guarded(
            control=self._ledger.authority.controller_of(patient, block=block),
            guardianship=self._ledger.authority.guardianship(patient, block=block).at(block.time),
            at=block.time,
        )

    def _begins_at(self, patient: Address, receipt: Receipt) -> int:
        written = self._ledger.authority.guardianship(patient, block=receipt.block)
        return written.next_from or receipt.block.time


def circle_to_json(circle: Circle, patient: Address) -> bytes:
    """Return the document that a patient gives to his guardians."""
    return encode_document(
        {
            "version": CIRCLE_VERSION,
            "patient": patient,
            "guardians": list(circle.guardians),
            "threshold": circle.threshold,
            "salt": circle.salt.hex(),
        }
    )


def circle_from_json(document: bytes) -> tuple[Circle, Address]:
    """Return circle and patient that ``document`` names; raises ``InvalidInputError``."""
    read = Reader(decode_document(document, MAX_CIRCLE_SIZE), "circle")
    read.version(CIRCLE_VERSION)
    patient = read.address("patient")
    circle = Circle.of(
        read.addresses("guardians", MAX_GUARDIANS), read.integer("threshold", 1, MAX_GUARDIANS), read.digest("salt")
    )
    read.end()
    return circle, patient
