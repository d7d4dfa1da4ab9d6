"""A patient of whom the chain tells everything an accounting can be about, and the accounting of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from study_town import DAY, StudyTown, new_study_town

from medshare.model.accreditation import AccreditationKind
from medshare.model.delegation import DelegationRequest, Verbs
from medshare.model.disclosure import AccountingOfDisclosures
from medshare.model.emergency import EmergencyReason, Verdict
from medshare.model.grant import GrantRequest
from medshare.model.ids import Address, BundleId, TermsDigest
from medshare.model.purpose import Purpose
from medshare.services.accounting import Accounting
from medshare.services.emergencies import Emergencies
from medshare.testing import new_actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was done, and its accounting."""

    patient: Address
    delegate: Address
    clinician: Address
    accounting: AccountingOfDisclosures
    nobody: AccountingOfDisclosures
    """Of an account that the chain does not know."""


def everything_told(folder: Path) -> Told:
    """Publish, supersede, retract, appoint, grant, revoke, break the glass, take part in a study."""
    town = new_study_town(folder)
    world, mary = town.world, town.mary
    delegate, clinician, reviewer = new_actor(), new_actor(), new_actor()
    for actor in (delegate, clinician, reviewer):
        world.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)
    world.chain.accredit(clinician.address, AccreditationKind.CLINICIAN)
    world.chain.accredit(reviewer.address, AccreditationKind.REVIEWER)
    town.requesting.confirm(town.delivered(), mary.address, requester=town.researcher)
    _publish(town)
    now = world.chain.head().time
    appointment = DelegationRequest(
        delegate=delegate.address,
        verbs=Verbs.GRANT | Verbs.REVOKE,
        purposes=Purpose.TREAT,
        not_before=now,
        expires_at=now + 90 * DAY,
    )
    world.ledger.authority.appoint(mary.signer, mary.address, appointment)
    consents = world.ledger.consents
    consents.grant_for(delegate.signer, mary.address, _grant(world.doctor.address, 1, now))
    consents.grant(mary.signer, _grant(world.stranger.address, 2, now))
    consents.grant(mary.signer, _grant(world.stranger.address, 2, now))
    standing = world.auditing.grants(patient=mary.address, grantee=world.stranger.address)
    consents.revoke(mary.signer, standing[0].grant.grant_id)
    emergencies = Emergencies(
        ledger=world.ledger, store=world.store, clock=world.clock, auditing=world.auditing, safe=town.safe
    )
    opened = emergencies.open(
        clinician=clinician,
        patient=mary.address,
        reason=EmergencyReason.THREAT_TO_OTHERS,
        details="CANARY-details",
        duration=3600,
    )
    episode = opened.episode.episode_id
    emergencies.release(episode, custodian=world.hospital)
    emergencies.end(episode, actor=clinician)
    emergencies.review(episode, Verdict.JUSTIFIED, "CANARY-review", reviewer=reviewer)
    world.ledger.authority.dismiss(mary.signer, mary.address, delegate.address)
    world.ledger.emergencies.set_bar(mary.signer, mary.address, barred=True)
    consents.revoke_all(mary.signer, mary.address)
    accounting = Accounting(ledger=world.ledger, auditing=world.auditing)
    return Told(
        patient=mary.address,
        delegate=delegate.address,
        clinician=clinician.address,
        accounting=accounting.of(mary.address),
        nobody=accounting.of(new_actor().address),
    )


def _publish(town: StudyTown) -> None:
    first = town.publish(text=b'{"resourceType":"Observation","id":"CANARY-first"}')
    second = town.publish(text=b'{"resourceType":"Observation","id":"second"}')
    hospital, records = town.world.hospital.signer, town.world.ledger.records
    third = bytes(31) + b"\x03"
    records.supersede(hospital, type(first.record_id)(third), first.record_id)
    records.retract(hospital, second.record_id, bytes(32))


def _grant(grantee: Address, number: int, now: int) -> GrantRequest:
    return GrantRequest(
        grantee=grantee,
        terms=TermsDigest(bytes([number]) * 32),
        bundle=BundleId(bytes([number + 16]) * 32),
        not_before=now,
        expires_at=now + 30 * DAY,
        purposes=Purpose.TREAT,
    )
