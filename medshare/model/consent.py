"""Consent: a grant on chain with the terms it was given under, and what all grants decide together.

``decide`` is pure: whoever holds the same grants, terms, stamp and time comes to the same answer, and can replay it.
Its rules are written down in docs/consent.md, with a table of cases that the tests run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from medshare.errors import InvalidInputError
from medshare.model.decision import NEARNESS, Decision, Lost, ProvisionRef, Reason
from medshare.model.emergency import Episode
from medshare.model.grant import MAX_TIME, Grant, GrantRequest
from medshare.model.ids import Address
from medshare.model.matching import mismatch
from medshare.model.provision import MAX_RECORDS, Duty, Effect, Obligation, Provision
from medshare.model.purpose import Purpose, PurposeOfUse
from medshare.model.record import RecordRef, RecordStatus
from medshare.model.subject import Subject
from medshare.model.terms import TERMS_FILE, Excerpt, Terms

__all__ = [
    "MAX_RECORDS",
    "MAX_TIME",
    "TERMS_FILE",
    "Consent",
    "Decision",
    "Duty",
    "Effect",
    "Episode",
    "Excerpt",
    "Grant",
    "GrantRequest",
    "Obligation",
    "Provision",
    "Reason",
    "RecordRef",
    "Subject",
    "Terms",
    "decide",
    "liveness",
]


def liveness(grant: Grant, *, stamp: int, purpose: Purpose, now: int) -> Reason:
    """Return whether ``grant`` is live for all of ``purpose`` at ``now``, as ``ConsentRegistry.isLive`` says it.

    Args:
        grant: the grant.
        stamp: the patient's stamp now.
        purpose: at least one purpose.
        now: Unix seconds; a grant is live from ``not_before`` on and no longer at ``expires_at``.
    """
    if not grant.purposes or grant.stamp != stamp:
        return Reason.REVOKED
    if now < grant.not_before:
        return Reason.NOT_YET
    if now >= grant.expires_at:
        return Reason.EXPIRED
    if purpose & grant.purposes != purpose or not purpose:
        return Reason.PURPOSE_NOT_ON_CHAIN
    return Reason.PERMITTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A grant, the terms it was given under or an excerpt of them, and the patient's stamp."""

    grant: Grant
    terms: Terms | Excerpt
    stamp: int

    def __post_init__(self) -> None:
        if self.terms.grant_id() != self.grant.grant_id:
            raise InvalidInputError("these terms are not the ones the grant was given under")


def decide(
    consents: Sequence[Consent],
    *,
    subject: Subject,
    purpose: PurposeOfUse,
    reader: Address,
    now: int,
    episodes: Sequence[Episode] = (),
    block: int | None = None,
) -> Decision:
    """Decide whether ``reader`` may use ``subject`` for ``purpose`` at ``now``, by the rules of docs/consent.md.

    Where the manifest has not been opened, the answer is what it would be whatever the manifest says, or else
    ``MANIFEST_DECIDES``, which does not permit.

    Args:
        consents: grants with their terms, or excerpts for the record's custodian, and the patient's stamp.
        subject: what is to be read.
        purpose: what for, one purpose.
        reader: who asks.
        now: Unix seconds.
        episodes: emergency episodes.
        block: the block at which grants, stamp and episodes were asked.
    """
    decision = Decision(reason=Reason.NO_GRANT, subject=subject, reader=reader, purpose=purpose, at=now, block=block)
    if reader in (subject.patient, subject.record.custodian):
        return replace(decision, reason=Reason.OWN_RECORD)
    if subject.status is RecordStatus.RETRACTED:
        return replace(decision, reason=Reason.RETRACTED)
    if purpose is PurposeOfUse.BTG:
        return _by_episode(decision, episodes)
    feared = _by_consent(decision, consents, hoping=False)
    if subject.is_described or feared.permitted:
        return feared
    hoped = _by_consent(decision, consents, hoping=True)
    return replace(hoped, reason=Reason.MANIFEST_DECIDES, obligations=()) if hoped.permitted else hoped


def _by_episode(decision: Decision, episodes: Sequence[Episode]) -> Decision:
    """Decide on break-glass (R9)."""
    for episode in sorted(episodes, key=lambda each: each.episode_id):
        parties = (episode.patient, episode.clinician)
        if parties == (decision.subject.patient, decision.reader) and episode.in_force(decision.at):
            return replace(decision, reason=Reason.EMERGENCY, episode_id=episode.episode_id)
    return replace(decision, reason=Reason.NO_EPISODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weighed:
    """A provision, and why it does not speak of what is asked, if it does not."""

    grant: Grant
    number: int
    provision: Provision
    reason: Reason | None

    @property
    def ref(self) -> ProvisionRef:
        return ProvisionRef(grant_id=self.grant.grant_id, number=self.number)

    def lost(self, reason: Reason) -> Lost:
        return Lost(grant_id=self.grant.grant_id, number=self.number, reason=reason)


_Pool: TypeAlias = list[_Weighed]


def _by_consent(decision: Decision, consents: Sequence[Consent], *, hoping: bool) -> Decision:
    """Decide by the provisions of all live grants, pooled (R1 to R8)."""
    patient, custodian = decision.subject.patient, decision.subject.record.custodian
    pool: _Pool = []
    lost = []
    nearest: tuple[Reason, Grant | None] = (Reason.NO_GRANT, None)
    # Whatever order they come in, the answer is the same, and names the grant that lasts longest.
    for consent in sorted(consents, key=lambda each: (-each.grant.expires_at, each.grant.grant_id)):
        grant = consent.grant
        if (grant.patient, grant.grantee) != (patient, decision.reader):  # R1
            lost.append(Lost(grant_id=grant.grant_id, number=None, reason=Reason.NO_GRANT))
            continue
        nearest = _nearer(nearest, (Reason.RECORD_NOT_COVERED, grant))
        for number, provision in consent.terms.numbered:
            if provision.concerns(custodian):
                reason = _weigh(consent, provision, decision, hoping=hoping)
                pool.append(_Weighed(grant=grant, number=number, provision=provision, reason=reason))
                if provision.effect is Effect.PERMIT and reason is not None:
                    nearest = _nearer(nearest, (reason, grant))
    deciding = _prevailing(pool)
    decided_by = tuple(each.ref for each in deciding)
    lost += [each.lost(each.reason or Reason.OUTRANKED) for each in pool if each.ref not in decided_by]
    decision = replace(decision, lost=tuple(lost))
    if not deciding:
        return replace(decision, reason=nearest[0], grant=nearest[1])
    decision = replace(decision, grant=deciding[0].grant, decided_by=decided_by)
    if deciding[0].provision.effect is Effect.DENY:
        return replace(decision, reason=Reason.REFUSED)
    obligations = _united(each.provision.obligations for each in deciding)
    return replace(decision, reason=Reason.PERMITTED, obligations=obligations)


def _weigh(consent: Consent, provision: Provision, decision: Decision, *, hoping: bool) -> Reason | None:
    """Return why a provision does not count, or None where it does."""
    reason = mismatch(provision, decision.subject, decision.purpose, hoping=hoping)  # R4 to R7
    if reason is not None and reason is not Reason.MANIFEST_DECIDES:
        return reason
    # A denial reaches further than the bits on chain: they are those of what its grant permits.
    permit = provision.effect is Effect.PERMIT
    bits = decision.purpose.coarse if permit else consent.grant.purposes
    live = liveness(consent.grant, stamp=consent.stamp, purpose=bits, now=decision.at)  # R2
    if live is not Reason.PERMITTED:
        return live
    if provision.erase_by is not None and decision.at >= provision.erase_by:  # R8
        return Reason.ERASURE_DUE
    return reason


def _prevailing(pool: _Pool) -> _Pool:
    """Return the provisions that decide: about this very record before others, denials before permissions (R3)."""
    for specific in (True, False):
        for effect in (Effect.DENY, Effect.PERMIT):
            found = [
                each
                for each in pool
                if each.reason is None and bool(each.provision.records) is specific and each.provision.effect is effect
            ]
            if found:
                return found
    return []


def _nearer(one: tuple[Reason, Grant | None], other: tuple[Reason, Grant | None]) -> tuple[Reason, Grant | None]:
    return other if NEARNESS.index(other[0]) > NEARNESS.index(one[0]) else one


def _united(several: Iterable[tuple[Obligation, ...]]) -> tuple[Obligation, ...]:
    """Return the obligations of all permissions that decide; of several dates of erasure the first counts (R8)."""
    by_duty: dict[Duty, Obligation] = {}
    for obligation in (each for obligations in several for each in obligations):
        known = by_duty.get(obligation.duty)
        if known is None or (obligation.by or 0) < (known.by or 0):
            by_duty[obligation.duty] = obligation
    return tuple(by_duty[duty] for duty in sorted(by_duty))
