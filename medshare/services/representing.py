"""Representing: a patient lets somebody act for him, for some verbs and purposes, until a date; and ends it.

    appointed = representing.appoint(
        patient=child, delegate=mother, verbs=Verbs.GRANT | Verbs.REVOKE, purposes=[PurposeOfUse.TREAT],
        expires_at=majority, access=[everything_for(PurposeOfUse.PATRQT)],
    )
    consenting.grant(patient=mother_actor, on_behalf_of=child.address, grantee=doctor, ...)

To be appointed opens nothing: who shall release keys must be able to read, so that a delegate also gets a grant of the
ordinary kind, with ``access``. What he can never do: revoke everything, appoint another, name guardians, object to a
recovery, or grant for other purposes or for longer than he is appointed. The contract refuses it, whatever his client.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from medshare.errors import DelegationPeriodEmptyError
from medshare.model.delegation import Delegation, DelegationRequest, Verbs
from medshare.model.grant import MAX_TIME
from medshare.model.ids import Address
from medshare.model.provision import Effect, Provision
from medshare.model.purpose import Purpose, PurposeOfUse
from medshare.ports import Actor, Ledger, Receipt
from medshare.services.auditing import Auditing
from medshare.services.consenting import Consenting, Granted
from medshare.services.progress import Progress, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointed:
    """A delegate who is appointed."""

    delegation: Delegation
    receipt: Receipt
    access: Granted | None
    """The grant by which he reads, where it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Represented:
    """A delegation as it stands now."""

    delegation: Delegation
    in_force: bool


class Representing:
    """Appoints and dismisses delegates.

    Args:
        ledger: the contracts.
        auditing: which delegations there are.
        consenting: gives a delegate the grant by which he reads.
    """

    def __init__(self, *, ledger: Ledger, auditing: Auditing, consenting: Consenting) -> None:
        self._ledger = ledger
        self._auditing = auditing
        self._consenting = consenting

    def appoint(
        self,
        *,
        patient: Actor,
        delegate: Address,
        verbs: Verbs,
        purposes: Collection[PurposeOfUse] = (),
        expires_at: int,
        not_before: int = 0,
        access: Sequence[Provision] = (),
        on_behalf_of: Address | None = None,
        progress: Progress = silent,
    ) -> Appointed:
        """Let ``delegate`` act for the patient, or change what he may do.

        Args:
            patient: who is in control.
            delegate: who shall act.
            verbs: what he may do.
            purposes: for which he may grant; none where he may only revoke.
            expires_at: first second in which he no longer may, such as the child's majority.
            not_before: first second in which he may; 0 or a past time: from now on.
            access: what he himself may read, for as long; without it he can release nothing.
            on_behalf_of: the patient, where another key took over for his.
            progress: told how far the grant is.

        Raises:
            NotAllowedToActError: another is in control of the patient; a delegate never appoints.
            DelegateInvalidError, DelegationScopeError, DelegationPeriodEmptyError: the appointment cannot be.
            AuthorityExhaustedError: there can be no more appointments of this delegate.
            MedshareError: as ``Consenting.grant``, of ``access``: then he is appointed, and reads nothing; repeat.
        """
        request = delegation_request(delegate, verbs, purposes, not_before=not_before, expires_at=expires_at)
        subject = on_behalf_of or patient.address
        receipt = self._ledger.authority.appoint(patient.signer, subject, request)
        granted = None
        if access:
            granted = self._consenting.grant(
                patient=patient,
                grantee=delegate,
                provisions=access,
                not_before=not_before,
                expires_at=expires_at,
                on_behalf_of=on_behalf_of,
                progress=progress,
            )
        delegation = self._ledger.authority.delegation(subject, delegate, block=receipt.block)
        return Appointed(delegation=delegation, receipt=receipt, access=granted)

    def dismiss(self, delegate: Address, *, actor: Actor, patient: Address) -> Receipt:
        """End a delegation, as the one in control, or as the delegate himself. Repeating it is no error.

        What he granted stays: revoke it, or revoke everything. So does what lets him read.

        Raises:
            NotAllowedToActError: neither of the two.
            LedgerError: the chain failed; repeat.
        """
        return self._ledger.authority.dismiss(actor.signer, patient, delegate)

    def delegations(self, *, patient: Address | None = None, delegate: Address | None = None) -> list[Represented]:
        """Return who acts or acted for a patient, or for whom a delegate acts or acted. Raises ``LedgerError``."""
        now = self._auditing.sync().time
        return [
            Represented(
                delegation=each,
                in_force=each.permits(each.verbs, stamp=self._auditing.stamp(each.patient), now=now),
            )
            for each in self._auditing.delegations(patient=patient, delegate=delegate)
        ]


def delegation_request(
    delegate: Address, verbs: Verbs, purposes: Collection[PurposeOfUse], *, not_before: int, expires_at: int
) -> DelegationRequest:
    """Return what goes on chain to appoint ``delegate``; raises ``DelegationPeriodEmptyError``."""
    if not 0 <= not_before <= MAX_TIME or not 0 < expires_at <= MAX_TIME:
        raise DelegationPeriodEmptyError(not_before, expires_at)
    bits = Purpose(0)
    for purpose in purposes:
        bits |= purpose.coarse
    return DelegationRequest(
        delegate=delegate, verbs=verbs, purposes=bits, not_before=not_before, expires_at=expires_at
    )


def everything_for(*purposes: PurposeOfUse, labels: Sequence[str] = ()) -> Provision:
    """Return the permission to read everything, now and later; sensitive records only with their labels named."""
    return Provision(effect=Effect.PERMIT, purposes=purposes, everything=True, labels=tuple(labels))
