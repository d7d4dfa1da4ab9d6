"""What the ports promise, asked of the double in memory and of the adapters on both chains alike.

Members, votes, requests and money have files of their own beside this one.

AuthorityLedger
├── delegates should be appointed, act within their scope, and be dismissed or resign
├── a recovery should move control after its delay, unless it is objected to
└── reads at an earlier block should answer for that block
EmergencyLedger
├── an accredited clinician should break the glass; it should end by time, by word, or with his accreditation
└── limits, standing, bar and reviews should be read back
Relay
├── one message should be done by its signed verb, or raise why not, and pay nothing
├── several should be done in one transaction, with an outcome for each
├── a rehearsal should say the same beforehand, and send nothing
└── the same intent should have the same outcomes, and be paid for once
EventSource
└── every change should be there once, in order, and rebuild what the reads say
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from behaviour_world import HOUR, Scene

from medshare.chain import LocalSigner
from medshare.errors import (
    BeyondDelegationError,
    BreakGlassBarredError,
    CircleInvalidError,
    DeadlinePassedError,
    DelegateInvalidError,
    DelegationScopeError,
    EpisodeOpenError,
    EpisodeOverError,
    GuardiansTooFewError,
    InvalidInputError,
    MandateEndedError,
    NoRecoveryError,
    NotAccreditedError,
    NotAllowedToActError,
    NotRelayableError,
    RecoveryTooEarlyError,
    SignatureInvalidError,
    SignedOutdatedError,
    UnknownEpisodeError,
    WrongDomainError,
)
from medshare.hashing import sha256
from medshare.model import events
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import GrantRequest
from medshare.model.delegation import DAY, NO_CIRCLE, Circle, Control, Delegation, DelegationRequest, Verbs
from medshare.model.emergency import Bar, EmergencyLimits, EmergencyReason, EpisodeRequest, Standing, Verdict
from medshare.model.ids import BundleId, GrantId, TermsDigest, derive_episode_id, derive_grant_id
from medshare.model.ledger import LedgerModel
from medshare.model.purpose import Purpose
from medshare.model.typed_data import (
    SignableGrant,
    SignableRecover,
    SignableRegister,
    SignableRevoke,
    SignableRevokeAll,
    SignableSetBar,
    SignedMessage,
)
from medshare.ports import (
    AccreditationLedger,
    AuthorityLedger,
    ConsentLedger,
    ConsortiumLedger,
    EmergencyLedger,
    EscrowLedger,
    Relay,
    RequestLedger,
)

pytestmark = pytest.mark.integration

TERMS, BUNDLE, DETAILS = TermsDigest(sha256(b"terms")), BundleId(sha256(b"bundle")), sha256(b"details")
BOTH = Verbs.GRANT | Verbs.REVOKE


def appointment(scene: Scene, delegate: LocalSigner, **change) -> DelegationRequest:
    usual = {
        "delegate": delegate.address,
        "verbs": BOTH,
        "purposes": Purpose.TREAT,
        "not_before": 0,
        "expires_at": scene.now + 60 * DAY,
    }
    return DelegationRequest(**{**usual, **change})


def request_of(scene: Scene, grantee: LocalSigner, **change) -> GrantRequest:
    usual = {
        "grantee": grantee.address,
        "terms": TERMS,
        "bundle": BUNDLE,
        "not_before": 0,
        "expires_at": scene.now + 30 * DAY,
        "purposes": Purpose.TREAT,
    }
    return GrantRequest(**{**usual, **change})


def id_of(patient: LocalSigner, grantee: LocalSigner) -> GrantId:
    return derive_grant_id(patient.address, grantee.address, TERMS)


def test_ports__all__are_what_is_asked_for(scene: Scene) -> None:
    consents: ConsentLedger = scene.ledger.consents
    authority: AuthorityLedger = scene.ledger.authority
    emergencies: EmergencyLedger = scene.ledger.emergencies
    accreditation: AccreditationLedger = scene.ledger.accreditation
    consortium: ConsortiumLedger = scene.ledger.consortium
    requests: RequestLedger = scene.ledger.requests
    escrow: EscrowLedger = scene.ledger.escrow
    relay: Relay = scene.ledger.relay
    assert all((consents, authority, emergencies, accreditation, consortium, requests, escrow, relay))


# ---------------------------------------------------------------------------------------------- delegates


def test_delegate__appointed__acts_within_his_scope_and_is_read_back(scene: Scene) -> None:
    mary, son, doctor = scene.person(), scene.person(), scene.person()
    authority, consents = scene.ledger.authority, scene.ledger.consents
    before = scene.ledger.chain.head()
    wanted = appointment(scene, son)
    appointed = authority.appoint(mary, mary.address, wanted)

    held = authority.delegation(mary.address, son.address, block=appointed.block)
    assert held == Delegation(
        patient=mary.address,
        delegate=son.address,
        verbs=BOTH,
        purposes=Purpose.TREAT,
        not_before=appointed.block.time,
        expires_at=wanted.expires_at,
        stamp=0,
        epoch=1,
    )
    assert authority.may_act(held, block=appointed.block)
    assert not authority.may_act(replace(held, purposes=Purpose.HRESCH), block=appointed.block)
    assert authority.delegation(mary.address, son.address, block=before).epoch == 0

    consents.grant_for(son, mary.address, request_of(scene, doctor))
    with pytest.raises(BeyondDelegationError) as beyond:
        consents.grant_for(son, mary.address, request_of(scene, doctor, purposes=Purpose.HRESCH))
    assert (beyond.value.patient, beyond.value.delegate) == (mary.address, son.address)
    revoked = consents.revoke(son, id_of(mary, doctor))
    assert not consents.is_live(id_of(mary, doctor), Purpose.TREAT, block=revoked.block)
    assert consents.get_grant(id_of(mary, doctor), block=revoked.block).epoch == 2


@pytest.mark.parametrize("resigns", [False, True], ids=["dismissed", "resigned"])
def test_delegate__dismissed_or_resigned__may_nothing_more(scene: Scene, resigns: bool) -> None:
    mary, son, doctor = scene.person(), scene.person(), scene.person()
    authority = scene.ledger.authority
    authority.appoint(mary, mary.address, appointment(scene, son))
    ended = authority.dismiss(son if resigns else mary, mary.address, son.address)
    assert authority.delegation(mary.address, son.address, block=ended.block).verbs == Verbs(0)
    with pytest.raises(NotAllowedToActError):
        scene.ledger.consents.grant_for(son, mary.address, request_of(scene, doctor))


def test_delegate__all_was_revoked_since__may_nothing_more(scene: Scene) -> None:
    mary, son = scene.person(), scene.person()
    scene.ledger.authority.appoint(mary, mary.address, appointment(scene, son))
    with pytest.raises(NotAllowedToActError):
        scene.ledger.consents.revoke_all(son, mary.address)
    ended = scene.ledger.consents.revoke_all(mary, mary.address)
    held = scene.ledger.authority.delegation(mary.address, son.address, block=ended.block)
    assert not scene.ledger.authority.may_act(replace(held, verbs=Verbs.REVOKE), block=ended.block)


def test_appoint__refusals__are_typed(scene: Scene) -> None:
    mary, son = scene.person(), scene.person()
    authority = scene.ledger.authority
    with pytest.raises(NotAllowedToActError):
        authority.appoint(son, mary.address, appointment(scene, son))
    with pytest.raises(DelegateInvalidError):
        authority.appoint(mary, mary.address, appointment(scene, mary))
    with pytest.raises(DelegationScopeError) as scope:
        authority.appoint(mary, mary.address, appointment(scene, son, purposes=Purpose(0)))
    assert (scope.value.verbs, scope.value.purposes) == (3, 0)


# ----------------------------------------------------------------------------------------------- recovery


@pytest.fixture
def guardians(scene: Scene) -> dict[str, LocalSigner]:
    return {one.address: one for one in (LocalSigner.generate() for _ in range(3))}


@pytest.fixture
def circle(guardians: dict[str, LocalSigner]) -> Circle:
    return Circle.of(guardians, 2, sha256(b"salt"))


def approvals(scene: Scene, guardians, mary, new_key, *, count: int = 2, attempt: int = 1) -> list[SignedMessage]:
    words = {"patient": mary.address, "controller": new_key.address, "attempt": attempt, "deadline": scene.now + HOUR}
    return [scene.sign(one, SignableRecover, **words) for one in list(guardians.values())[:count]]


def test_recovery__of_a_lost_key__moves_control_after_the_delay(scene: Scene, guardians, circle: Circle) -> None:
    mary, new_key, doctor, anybody = (scene.person() for _ in range(4))
    authority, consents = scene.ledger.authority, scene.ledger.consents
    digest = circle.digest(mary.address)
    named = authority.name_guardians(mary, mary.address, digest, DAY)
    assert authority.guardianship(mary.address, block=named.block).circle == digest
    with pytest.raises(NoRecoveryError):
        authority.complete_recovery(anybody, mary.address)

    proposed = authority.propose_recovery(anybody, circle, approvals(scene, guardians, mary, new_key))
    standing = authority.guardianship(mary.address, block=proposed.block)
    assert (standing.proposed, standing.attempt) == (new_key.address, 1)
    assert standing.ready_at == proposed.block.time + DAY
    with pytest.raises(RecoveryTooEarlyError):
        authority.complete_recovery(anybody, mary.address)
    scene.wait(DAY)
    moved = authority.complete_recovery(anybody, mary.address)

    expected = Control(controller=new_key.address, tenure=1)
    assert authority.controller_of(mary.address, block=moved.block) == expected
    assert authority.controller_of(mary.address, block=proposed.block) == Control(controller=mary.address, tenure=0)
    with pytest.raises(NotAllowedToActError):
        consents.grant(mary, request_of(scene, doctor))
    granted = consents.grant_for(new_key, mary.address, request_of(scene, doctor))
    assert consents.is_live(id_of(mary, doctor), Purpose.TREAT, block=granted.block)
    consents.revoke(mary, id_of(mary, doctor))
    assert consents.revoke_all(new_key, mary.address)


def test_recovery__objected_to__does_not_happen(scene: Scene, guardians, circle: Circle) -> None:
    mary, thief = scene.person(), scene.person()
    authority = scene.ledger.authority
    authority.name_guardians(mary, mary.address, circle.digest(mary.address), DAY)
    authority.propose_recovery(thief, circle, approvals(scene, guardians, mary, thief))
    with pytest.raises(NotAllowedToActError):
        authority.object_to_recovery(thief, mary.address)
    objected = authority.object_to_recovery(mary, mary.address)
    assert authority.guardianship(mary.address, block=objected.block).ready_at == 0
    with pytest.raises(NoRecoveryError):
        authority.complete_recovery(thief, mary.address)


def test_propose__that_could_not_be__is_refused_by_its_name(scene: Scene, guardians, circle: Circle) -> None:
    mary, new_key = scene.person(), scene.person()
    authority = scene.ledger.authority
    authority.name_guardians(mary, mary.address, circle.digest(mary.address), DAY)
    propose = authority.propose_recovery
    with pytest.raises(GuardiansTooFewError) as few:
        propose(mary, circle, approvals(scene, guardians, mary, new_key, count=1))
    assert (few.value.signed, few.value.threshold) == (1, 2)
    with pytest.raises(SignatureInvalidError):
        propose(mary, circle, approvals(scene, guardians, mary, new_key, attempt=2))
    with pytest.raises(CircleInvalidError):
        propose(mary, replace(circle, threshold=1), approvals(scene, guardians, mary, new_key))
    good = approvals(scene, guardians, mary, new_key)
    for wrong in ([], [good[0], good[0]], [*good, *approvals(scene, guardians, mary, mary)]):
        with pytest.raises(InvalidInputError):
            propose(mary, circle, wrong)
    stranger = approvals(scene, {"": LocalSigner.generate()}, mary, new_key)
    with pytest.raises(InvalidInputError):
        propose(mary, circle, stranger)


def test_guardians__changed__hold_after_the_old_delay(scene: Scene, circle: Circle) -> None:
    mary = scene.person()
    authority = scene.ledger.authority
    authority.name_guardians(mary, mary.address, circle.digest(mary.address), DAY)
    named = authority.name_guardians(mary, mary.address, NO_CIRCLE, 2 * DAY)
    standing = authority.guardianship(mary.address, block=named.block)
    assert (standing.circle, standing.next_from) == (circle.digest(mary.address), named.block.time + DAY)
    assert standing.at(standing.next_from).circle == NO_CIRCLE


# -------------------------------------------------------------------------------------------- emergencies


@pytest.fixture
def clinician(scene: Scene) -> LocalSigner:
    return scene.accredited(AccreditationKind.CLINICIAN)


@pytest.fixture
def reviewer(scene: Scene) -> LocalSigner:
    return scene.accredited(AccreditationKind.REVIEWER)


def emergency(patient: LocalSigner, **change) -> EpisodeRequest:
    usual = {
        "patient": patient.address,
        "reason": EmergencyReason.THREAT_TO_LIFE,
        "details": DETAILS,
        "duration": 2 * HOUR,
    }
    return EpisodeRequest(**{**usual, **change})


def test_episode__opened__is_live_until_it_is_over_and_read_back(scene: Scene, clinician: LocalSigner) -> None:
    mary, emergencies = scene.person(), scene.ledger.emergencies
    opened = emergencies.break_glass(clinician, emergency(mary))
    assert opened.episode_id == derive_episode_id(clinician.address, 1)
    episode = emergencies.episode(opened.episode_id, block=opened.receipt.block)
    assert (episode.patient, episode.clinician) == (mary.address, clinician.address)
    assert (episode.reason, episode.verdict) == (EmergencyReason.THREAT_TO_LIFE, Verdict.NONE)
    assert (episode.opened_at, episode.ends_at - episode.opened_at) == (opened.receipt.block.time, 2 * HOUR)
    assert emergencies.is_live(opened.episode_id, block=opened.receipt.block)
    assert emergencies.standing(clinician.address, block=opened.receipt.block) == Standing(episodes=1, reviewed=0)
    with pytest.raises(EpisodeOpenError) as still:
        emergencies.break_glass(clinician, emergency(mary))
    assert still.value.episode_id == opened.episode_id
    released = emergencies.release(mary, opened.episode_id, BUNDLE)
    scene.wait(2 * HOUR)
    assert not emergencies.is_live(opened.episode_id, block=scene.ledger.chain.head())
    assert emergencies.is_live(opened.episode_id, block=released.block)
    with pytest.raises(EpisodeOverError):
        emergencies.release(mary, opened.episode_id, BUNDLE)


@pytest.mark.parametrize("by_patient", [False, True])
def test_episode__ended_by_either_side__is_over_at_once(scene: Scene, clinician: LocalSigner, by_patient: bool) -> None:
    mary, emergencies = scene.person(), scene.ledger.emergencies
    opened = emergencies.break_glass(clinician, emergency(mary))
    ended = emergencies.end(mary if by_patient else clinician, opened.episode_id)
    assert not emergencies.is_live(opened.episode_id, block=ended.block)
    assert emergencies.episode(opened.episode_id, block=ended.block).ends_at == ended.block.time


def test_episode__clinician_suspended__is_not_live(scene: Scene, clinician: LocalSigner) -> None:
    mary, emergencies = scene.person(), scene.ledger.emergencies
    opened = emergencies.break_glass(clinician, emergency(mary))
    suspended = scene.ledger.accreditation.accredit(scene.member, clinician.address, AccreditationKind.CLINICIAN, 0)
    assert not emergencies.is_live(opened.episode_id, block=suspended.block)
    with pytest.raises(NotAccreditedError) as refused:
        emergencies.break_glass(clinician, emergency(scene.person()))
    assert refused.value.actor == clinician.address


def test_review__by_a_reviewer__counts(scene: Scene, clinician: LocalSigner, reviewer: LocalSigner) -> None:
    mary, emergencies = scene.person(), scene.ledger.emergencies
    opened = emergencies.break_glass(clinician, emergency(mary))
    with pytest.raises(NotAccreditedError):
        emergencies.review(mary, opened.episode_id, Verdict.JUSTIFIED, DETAILS)
    reviewed = emergencies.review(reviewer, opened.episode_id, Verdict.UNJUSTIFIED, DETAILS)
    assert emergencies.episode(opened.episode_id, block=reviewed.block).verdict is Verdict.UNJUSTIFIED
    assert emergencies.standing(clinician.address, block=reviewed.block) == Standing(episodes=1, reviewed=1)


def test_bar__set__keeps_the_glass_whole(scene: Scene, clinician: LocalSigner) -> None:
    mary, emergencies = scene.person(), scene.ledger.emergencies
    barred = emergencies.set_bar(mary, mary.address, barred=True)
    assert emergencies.bar(mary.address, block=barred.block) == Bar(barred=True, count=1)
    with pytest.raises(BreakGlassBarredError):
        emergencies.break_glass(clinician, emergency(mary))
    allowed = emergencies.set_bar(mary, mary.address, barred=False)
    assert emergencies.bar(mary.address, block=allowed.block) == Bar(barred=False, count=2)
    emergencies.break_glass(clinician, emergency(mary))


def test_limits__of_the_deployment__are_the_usual(scene: Scene) -> None:
    head = scene.ledger.chain.head()
    assert scene.ledger.emergencies.limits(block=head) == EmergencyLimits()
    with pytest.raises(UnknownEpisodeError):
        scene.ledger.emergencies.episode(derive_episode_id(scene.member.address, 7), block=head)


# ------------------------------------------------------------------------------------------------- relay


def grant_of(scene: Scene, patient: LocalSigner, grantee: LocalSigner, **change) -> SignedMessage:
    usual = {
        "patient": patient.address,
        "grantee": grantee.address,
        "terms": TERMS,
        "bundle": BUNDLE,
        "purposes": Purpose.TREAT,
        "not_before": 0,
        "expires_at": scene.now + 30 * DAY,
        "stamp": 0,
        "epoch": 0,
    }
    return scene.sign(change.pop("by", patient), SignableGrant, **{**usual, **change})


def forged(signed: SignedMessage) -> SignedMessage:
    return replace(signed, signature=signed.signature[:5] + bytes([signed.signature[5] ^ 1]) + signed.signature[6:])


def test_relay__one_message__is_done_or_raises_why_not(scene: Scene) -> None:
    payer, mary, doctor, relay = scene.person(), scene.person(), scene.person(), scene.ledger.relay
    signed = grant_of(scene, mary, doctor)
    (outcome,) = relay(payer, [signed])
    assert outcome.done
    assert scene.ledger.consents.is_live(id_of(mary, doctor), Purpose.TREAT, block=outcome.receipt.block)
    with pytest.raises(SignedOutdatedError) as outdated:
        relay(payer, [signed])
    assert (outdated.value.signed, outdated.value.current) == (0, 1)
    with pytest.raises(SignatureInvalidError) as invalid:
        relay(payer, [forged(grant_of(scene, mary, doctor, epoch=1))])
    assert invalid.value.signer == mary.address
    late = grant_of(scene, mary, doctor, epoch=1, deadline=scene.now)
    with pytest.raises(DeadlinePassedError):
        relay(payer, [late])


def test_relay__delegates_word__is_by_his_mandate(scene: Scene) -> None:
    payer, mary, son, doctor = (scene.person() for _ in range(4))
    scene.ledger.authority.appoint(mary, mary.address, appointment(scene, son))
    with pytest.raises(MandateEndedError):
        scene.ledger.relay(payer, [grant_of(scene, mary, doctor, by=son, mandate=2)])
    (outcome,) = scene.ledger.relay(payer, [grant_of(scene, mary, doctor, by=son, mandate=1)])
    told = list(scene.ledger.chain.events(outcome.receipt.block.number, outcome.receipt.block.number))
    assert [type(event) for event in told] == [events.ActedFor, events.AccessGranted]
    assert (told[0].patient, told[0].actor) == (mary.address, son.address)


def test_relay__several__have_an_outcome_each_in_one_transaction(scene: Scene) -> None:
    payer, doctor, relay = scene.person(), scene.person(), scene.ledger.relay
    people = [scene.person() for _ in range(3)]
    first, second, third = (grant_of(scene, one, doctor) for one in people)
    batch = [first, forged(second), third, grant_of(scene, people[1], doctor, epoch=4)]

    rehearsal = relay.rehearse(payer.address, batch)
    assert [type(refusal) for refusal in rehearsal.refusals] == [
        type(None),
        SignatureInvalidError,
        type(None),
        SignedOutdatedError,
    ]
    assert rehearsal.gas > 50_000
    outcomes = relay(payer, batch)

    assert [type(one.refusal) for one in outcomes] == [type(refusal) for refusal in rehearsal.refusals]
    assert len({one.receipt.tx_hash for one in outcomes}) == 1
    assert outcomes[3].refusal.signed == 4
    head = scene.ledger.chain.head()
    live = [scene.ledger.consents.is_live(id_of(one, doctor), Purpose.TREAT, block=head) for one in people]
    assert live == [True, False, True]


def test_relay__several_of_which_none_would_be_done__sends_nothing(scene: Scene) -> None:
    payer, mary, doctor = (scene.person() for _ in range(3))
    before = scene.sent(payer)
    outcomes = scene.ledger.relay(
        payer, [forged(grant_of(scene, mary, doctor)), grant_of(scene, mary, doctor, stamp=1)]
    )
    assert [(one.receipt, type(one.refusal)) for one in outcomes] == [
        (None, SignatureInvalidError),
        (None, SignedOutdatedError),
    ]
    assert scene.sent(payer) == before


def test_relay__two_that_exclude_each_other__the_first_is_done(scene: Scene) -> None:
    payer, mary = scene.person(), scene.person()
    first = scene.sign(mary, SignableRevokeAll, patient=mary.address, stamp=0)
    second = scene.sign(mary, SignableRevokeAll, patient=mary.address, stamp=0, deadline=scene.now + 2 * HOUR)
    refusals = scene.ledger.relay.rehearse(payer.address, [first, second]).refusals
    assert refusals[0] is None
    assert refusals[1] is not None
    outcomes = scene.ledger.relay(payer, [first, second])
    assert outcomes[0].done
    assert isinstance(outcomes[1].refusal, SignedOutdatedError)


@pytest.mark.parametrize("count", [1, 3])
def test_relay__same_intent_again__is_paid_for_once_and_says_the_same(scene: Scene, count: int) -> None:
    payer, doctor = scene.person(), scene.person()
    batch = [grant_of(scene, scene.person(), doctor) for _ in range(count)]
    if count > 1:
        batch[1] = forged(batch[1])
    intent = f"relay of {payer.address}"
    first = scene.ledger.relay(payer, batch, intent=intent)
    before = scene.sent(payer)
    again = scene.ledger.relay(payer, batch, intent=intent)
    assert scene.sent(payer) == before
    assert [(one.receipt, str(one.refusal)) for one in again] == [(one.receipt, str(one.refusal)) for one in first]


def test_relay__what_cannot_be_relayed__is_refused_before_anything(scene: Scene) -> None:
    payer, mary, doctor = (scene.person() for _ in range(3))
    relay, grant = scene.ledger.relay, grant_of(scene, mary, doctor)
    revoke = scene.sign(mary, SignableRevoke, patient=mary.address, grant_id=id_of(mary, doctor), last_epoch=1)
    register = scene.sign(mary, SignableRegister, custodian=mary.address, record_id=DETAILS, patient=mary.address)
    bar = scene.sign(mary, SignableSetBar, patient=mary.address, barred=True, count=0)
    recover = scene.sign(doctor, SignableRecover, patient=mary.address, controller=doctor.address, attempt=1)
    elsewhere = replace(grant, domain=replace(grant.domain, chain_id=5))
    for batch, error in (
        ([], InvalidInputError),
        ([grant, register], InvalidInputError),
        ([revoke, bar], InvalidInputError),
        ([recover], NotRelayableError),
        ([grant, elsewhere], WrongDomainError),
    ):
        with pytest.raises(error):
            relay(payer, batch)
        with pytest.raises(error):
            relay.rehearse(payer.address, batch)


# ------------------------------------------------------------------------------------------------ events


def test_events__of_everything__rebuild_what_the_reads_say(
    scene: Scene, clinician: LocalSigner, reviewer: LocalSigner
) -> None:
    mary, son, doctor, payer = (scene.person() for _ in range(4))
    ledger = scene.ledger
    ledger.authority.appoint(mary, mary.address, appointment(scene, son))
    ledger.consents.grant_for(son, mary.address, request_of(scene, doctor))
    opened = ledger.emergencies.break_glass(clinician, emergency(mary))
    ledger.emergencies.review(reviewer, opened.episode_id, Verdict.JUSTIFIED, DETAILS)
    ledger.relay(payer, [grant_of(scene, payer, doctor), grant_of(scene, doctor, mary)])
    head = ledger.chain.head()
    replayed = LedgerModel(consortium=ledger.consortium.address, escrow=ledger.requests.address)
    told = list(ledger.chain.events(ledger.chain.first_block, head.number))
    for event in told:
        replayed.apply(event)

    places = [(event.place.block.number, event.place.log_index) for event in told]
    assert places == sorted(set(places))
    delegation = ledger.authority.delegation(mary.address, son.address, block=head)
    assert replayed.delegation(mary.address, son.address) == delegation
    for patient, grantee in ((mary, doctor), (payer, doctor), (doctor, mary)):
        grant_id = id_of(patient, grantee)
        assert replayed.get_grant(grant_id) == ledger.consents.get_grant(grant_id, block=head)
    assert replayed.episode(opened.episode_id) == ledger.emergencies.episode(opened.episode_id, block=head)
    assert replayed.standing(clinician.address) == ledger.emergencies.standing(clinician.address, block=head)
    for patient, control in replayed.controls.items():
        assert ledger.authority.controller_of(patient, block=head) == control
    for patient, standing in replayed.guardianships.items():
        assert ledger.authority.guardianship(patient, block=head) == standing
