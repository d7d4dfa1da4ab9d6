"""Who may act for a patient, in the pure model: delegates, recovery, signatures, counts at their ends.

given a delegation
├─ it is in force for its verbs and purposes between its dates, until dismissed, resigned or everything is revoked
└─ when a delegate acts, the events say so, and nothing he grants goes beyond him
given guardians
├─ a first circle holds at once, a change after the delay of the one before
└─ enough of them move control after the delay, unless the one in control objects
given a signed message
├─ it does what the direct verb does, once, by a mandate that stands, in time
└─ each thing wrong with it has its own refusal, and changes nothing
given counts at their last
└─ what was begun can be ended, and nothing begun
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from medshare.errors import (
    AuthorityExhaustedError,
    BeyondDelegationError,
    CircleInvalidError,
    ControllerInvalidError,
    DeadlinePassedError,
    DelayOutOfRangeError,
    DelegateInvalidError,
    DelegationPeriodEmptyError,
    DelegationScopeError,
    GuardiansTooFewError,
    InvalidInputError,
    MandateEndedError,
    NoRecoveryError,
    NotAllowedToActError,
    NotRelayableError,
    RecoveryTooEarlyError,
    SignatureInvalidError,
    SignedOutdatedError,
)
from medshare.hashing import keccak256, sha256
from medshare.model.consent import GrantRequest
from medshare.model.delegation import (
    DAY,
    MAX_GUARDIANS,
    NO_CIRCLE,
    Circle,
    Control,
    DelegationRequest,
    Guardianship,
    Verbs,
)
from medshare.model.events import ActedFor, AllAccessRevoked, BlockRef, DelegateDismissed, EventPlace
from medshare.model.ids import ZERO_ADDRESS, address, derive_grant_id
from medshare.model.ledger import LAST_COUNT, LedgerModel
from medshare.model.purpose import Purpose
from medshare.model.typed_data import (
    SignableAppoint,
    SignableDismiss,
    SignableGrant,
    SignableNameGuardians,
    SignableObjectToRecovery,
    SignableRecover,
    SignableRevoke,
    SignableRevokeAll,
    SignableSetEncryptionKey,
)

pytestmark = pytest.mark.unit

PATIENT, SON, DOCTOR, NEW_KEY, STRANGER = PEOPLE = tuple(address("0x" + f"{n:02x}" * 20) for n in range(1, 6))
GUARDIANS = tuple(address("0x" + f"{n:02x}" * 20) for n in (0xA1, 0xA2, 0xA3))
CIRCLE = Circle(guardians=GUARDIANS, threshold=2, salt=sha256(b"salt"))
OTHER_CIRCLE = replace(CIRCLE, salt=sha256(b"another"))
TERMS, BUNDLE = sha256(b"terms"), sha256(b"bundle")
GRANT_ID = derive_grant_id(PATIENT, DOCTOR, TERMS)
NOW, TOMORROW, LATER = 1_000_000, 1_000_000 + DAY, 1_000_000 + 10 * DAY
BOTH = Verbs.GRANT | Verbs.REVOKE


def at(time: int = NOW) -> EventPlace:
    return EventPlace(block=BlockRef(number=1, hash=bytes(32), time=time), log_index=0, tx_hash=bytes(32))


def wanted(**change) -> DelegationRequest:
    usual = {"delegate": SON, "verbs": BOTH, "purposes": Purpose.TREAT, "not_before": 0, "expires_at": LATER}
    return DelegationRequest(**{**usual, **change})


def request(**change) -> GrantRequest:
    usual = {
        "grantee": DOCTOR,
        "terms": TERMS,
        "bundle": BUNDLE,
        "not_before": 0,
        "expires_at": LATER,
        "purposes": Purpose.TREAT,
    }
    return GrantRequest(**{**usual, **change})


@pytest.fixture
def model() -> LedgerModel:
    return LedgerModel()


@pytest.fixture
def with_son(model: LedgerModel) -> LedgerModel:
    model.appoint(PATIENT, PATIENT, wanted(), at())
    return model


@pytest.fixture
def guarded(model: LedgerModel) -> LedgerModel:
    model.name_guardians(PATIENT, PATIENT, CIRCLE.digest(PATIENT), DAY, at())
    return model


@pytest.fixture
def recovered(guarded: LedgerModel) -> LedgerModel:
    guarded.propose_recovery(PATIENT, NEW_KEY, CIRCLE, LATER, (True, None, True), at())
    guarded.complete_recovery(PATIENT, at(TOMORROW))
    return guarded


@contextmanager
def refused(model: LedgerModel, error: type) -> Iterator[None]:
    """The verb is refused with this error, and has changed nothing."""
    before = copy.deepcopy(model)
    with pytest.raises(error):
        yield
    assert model == before


# --------------------------------------------------------------------------------------------- delegates


def test_delegate__acts__is_named_by_the_event_before(with_son: LedgerModel) -> None:
    acted, granted = with_son.grant_for(SON, PATIENT, request(), at())
    assert (acted.patient, acted.actor) == (PATIENT, SON)
    assert (acted.place.log_index, granted.place.log_index) == (0, 1)
    assert granted.grant.patient == PATIENT
    assert with_son.is_live(GRANT_ID, Purpose.TREAT, NOW)
    acted, revoked = with_son.revoke(SON, GRANT_ID, at())
    assert isinstance(acted, ActedFor)
    assert revoked.epoch == 2
    assert not with_son.is_live(GRANT_ID, Purpose.TREAT, NOW)


def test_revoke__by_the_patient_or_who_took_over__says_who(recovered: LedgerModel) -> None:
    assert [type(event).__name__ for event in recovered.revoke(PATIENT, GRANT_ID, at())] == ["AccessRevoked"]
    assert [type(event).__name__ for event in recovered.revoke(NEW_KEY, GRANT_ID, at())] == [
        "ActedFor",
        "AccessRevoked",
    ]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"delegate": ZERO_ADDRESS}, DelegateInvalidError),
        ({"delegate": PATIENT}, DelegateInvalidError),
        ({"verbs": Verbs(0)}, DelegationScopeError),
        ({"verbs": Verbs(4)}, DelegationScopeError),
        ({"verbs": Verbs.REVOKE}, DelegationScopeError),
        ({"purposes": Purpose(0)}, DelegationScopeError),
        ({"expires_at": NOW}, DelegationPeriodEmptyError),
        ({"not_before": LATER}, DelegationPeriodEmptyError),
    ],
    ids=str,
)
def test_appoint__that_could_not_be__is_refused(model: LedgerModel, change: dict, error: type) -> None:
    with refused(model, error):
        model.appoint(PATIENT, PATIENT, wanted(**change), at())


@pytest.mark.parametrize("caller", [SON, DOCTOR, STRANGER])
def test_patients_own_verbs__by_others__are_refused(with_son: LedgerModel, caller: str) -> None:
    digest = CIRCLE.digest(PATIENT)
    for act in (
        lambda: with_son.appoint(caller, PATIENT, wanted(delegate=STRANGER), at()),
        lambda: with_son.revoke_all(caller, PATIENT, at()),
        lambda: with_son.name_guardians(caller, PATIENT, digest, DAY, at()),
        lambda: with_son.object_to_recovery(caller, PATIENT, at()),
    ):
        with refused(with_son, NotAllowedToActError):
            act()


def test_delegate__before_and_after_his_dates__may_nothing(model: LedgerModel) -> None:
    model.appoint(PATIENT, PATIENT, wanted(not_before=NOW + 5, expires_at=NOW + 9), at())
    for time, may in ((NOW + 4, False), (NOW + 5, True), (NOW + 8, True), (NOW + 9, False)):
        assert model.is_delegate(model.delegation(PATIENT, SON), time) == may
    with refused(model, NotAllowedToActError):
        model.revoke(SON, GRANT_ID, at(NOW + 4))
    model.revoke(SON, GRANT_ID, at(NOW + 8))


def test_delegate__grants_beyond_himself__is_refused(with_son: LedgerModel) -> None:
    for change in (
        {"expires_at": LATER + 1},
        {"purposes": Purpose.HRESCH},
        {"purposes": Purpose.TREAT | Purpose.HRESCH},
    ):
        with refused(with_son, BeyondDelegationError):
            with_son.grant_for(SON, PATIENT, request(**change), at())


def test_delegate__of_one_verb__may_not_the_other(model: LedgerModel) -> None:
    model.appoint(PATIENT, PATIENT, wanted(verbs=Verbs.REVOKE, purposes=Purpose(0)), at())
    with refused(model, NotAllowedToActError):
        model.grant_for(SON, PATIENT, request(), at())
    model.revoke(SON, GRANT_ID, at())


@pytest.mark.parametrize("by", [PATIENT, SON])
def test_dismiss__by_either_side__ends_it_and_leaves_what_was_granted(with_son: LedgerModel, by: str) -> None:
    with_son.grant_for(SON, PATIENT, request(), at())
    (event,) = with_son.dismiss(by, PATIENT, SON, at())
    assert (event.epoch, with_son.delegation(PATIENT, SON).verbs) == (2, Verbs(0))
    assert with_son.is_live(GRANT_ID, Purpose.TREAT, NOW)
    with refused(with_son, NotAllowedToActError):
        with_son.revoke(SON, GRANT_ID, at())
    with refused(with_son, NotAllowedToActError):
        with_son.dismiss(STRANGER, PATIENT, SON, at())


def test_revoke_all__ends_delegations_too(with_son: LedgerModel) -> None:
    with_son.revoke_all(PATIENT, PATIENT, at())
    with refused(with_son, NotAllowedToActError):
        with_son.grant_for(SON, PATIENT, request(), at())


# ---------------------------------------------------------------------------------------------- recovery


def test_name_guardians__first_and_changed__holds_at_once_or_after_the_old_delay(guarded: LedgerModel) -> None:
    (event,) = guarded.name_guardians(PATIENT, PATIENT, OTHER_CIRCLE.digest(PATIENT), 2 * DAY, at())
    assert event.begins_at == TOMORROW
    standing = guarded.guardianship(PATIENT)
    assert (standing.circle, standing.next_circle) == (CIRCLE.digest(PATIENT), OTHER_CIRCLE.digest(PATIENT))
    assert standing.at(TOMORROW - 1) == standing
    assert standing.at(TOMORROW) == Guardianship(circle=OTHER_CIRCLE.digest(PATIENT), delay=2 * DAY, changes=2)
    signed = (True, True, None)
    act = lambda circle, time: lambda: guarded.propose_recovery(PATIENT, NEW_KEY, circle, LATER, signed, at(time))  # noqa: E731
    with refused(guarded, CircleInvalidError):
        act(OTHER_CIRCLE, TOMORROW - 1)()
    with refused(guarded, CircleInvalidError):
        act(CIRCLE, TOMORROW)()
    (proposed,) = act(OTHER_CIRCLE, TOMORROW)()
    assert proposed.ready_at == TOMORROW + 2 * DAY


@pytest.mark.parametrize("delay", [0, DAY - 1, 90 * DAY + 1])
def test_name_guardians__delay_out_of_range__is_refused(model: LedgerModel, delay: int) -> None:
    with refused(model, DelayOutOfRangeError):
        model.name_guardians(PATIENT, PATIENT, NO_CIRCLE, delay, at())


def test_recovery__completed__moves_control_and_leaves_the_old_key_single_revocations(recovered: LedgerModel) -> None:
    assert recovered.controller_of(PATIENT) == Control(controller=NEW_KEY, tenure=1)
    with refused(recovered, NotAllowedToActError):
        recovered.grant(PATIENT, request(), at())
    with refused(recovered, NotAllowedToActError):
        recovered.revoke_all(PATIENT, PATIENT, at())
    recovered.grant_for(NEW_KEY, PATIENT, request(), at())
    recovered.revoke(PATIENT, GRANT_ID, at())
    with refused(recovered, DelegateInvalidError):
        recovered.appoint(NEW_KEY, PATIENT, wanted(delegate=NEW_KEY), at())


def test_recovery__objected_to__does_not_happen_and_counts(guarded: LedgerModel) -> None:
    with refused(guarded, NoRecoveryError):
        guarded.object_to_recovery(PATIENT, PATIENT, at())
    guarded.propose_recovery(PATIENT, NEW_KEY, CIRCLE, LATER, (True, True, None), at())
    with refused(guarded, RecoveryTooEarlyError):
        guarded.complete_recovery(PATIENT, at(TOMORROW - 1))
    guarded.object_to_recovery(PATIENT, PATIENT, at())
    with refused(guarded, NoRecoveryError):
        guarded.complete_recovery(PATIENT, at(LATER))
    assert guarded.guardianship(PATIENT).attempt == 1


@pytest.mark.parametrize(
    ("controller", "circle", "signed", "deadline", "error"),
    [
        (ZERO_ADDRESS, CIRCLE, (True, True, None), LATER, ControllerInvalidError),
        (PATIENT, CIRCLE, (True, True, None), LATER, ControllerInvalidError),
        (NEW_KEY, OTHER_CIRCLE, (True, True, None), LATER, CircleInvalidError),
        (NEW_KEY, CIRCLE, (True, True), LATER, CircleInvalidError),
        (NEW_KEY, CIRCLE, (True, None, None), LATER, GuardiansTooFewError),
        (NEW_KEY, CIRCLE, (True, False, True), LATER, SignatureInvalidError),
        (NEW_KEY, CIRCLE, (True, True, None), NOW, DeadlinePassedError),
    ],
)
def test_propose__that_could_not_be__is_refused(
    guarded: LedgerModel, controller: str, circle: Circle, signed: tuple, deadline: int, error: type
) -> None:
    with refused(guarded, error):
        guarded.propose_recovery(PATIENT, controller, circle, deadline, signed, at())


@pytest.mark.parametrize(
    ("guardians", "threshold"),
    [
        (GUARDIANS[::-1], 1),
        ((GUARDIANS[0], GUARDIANS[0]), 1),
        ((ZERO_ADDRESS, *GUARDIANS), 1),
        ((), 0),
        (GUARDIANS, 0),
        (GUARDIANS, 4),
        (tuple(address(f"0x{n:040x}") for n in range(1, MAX_GUARDIANS + 2)), 1),
    ],
)
def test_circle__that_the_contract_would_not_take__cannot_be_made(guardians: tuple, threshold: int) -> None:
    with pytest.raises(InvalidInputError):
        Circle(guardians=guardians, threshold=threshold, salt=bytes(32))


def test_circle__of_guardians_in_any_order__is_one() -> None:
    assert Circle.of(GUARDIANS[::-1], 2, CIRCLE.salt) == CIRCLE
    words = [
        bytes.fromhex(PATIENT[2:]).rjust(32, b"\0"),
        (128).to_bytes(32, "big"),
        (2).to_bytes(32, "big"),
        CIRCLE.salt,
    ]
    words += [(3).to_bytes(32, "big"), *(bytes.fromhex(one[2:]).rjust(32, b"\0") for one in GUARDIANS)]
    assert CIRCLE.digest(PATIENT) == keccak256(b"".join(words))


# ---------------------------------------------------------------------------------------------- signatures


def grant_message(**change) -> SignableGrant:
    usual = {
        "patient": PATIENT,
        "grantee": DOCTOR,
        "terms": TERMS,
        "bundle": BUNDLE,
        "purposes": Purpose.TREAT,
        "not_before": 0,
        "expires_at": LATER,
        "stamp": 0,
        "epoch": 0,
        "deadline": TOMORROW,
    }
    return SignableGrant(**{**usual, **change})


def test_relay__patients_own__does_as_the_direct_verb_and_once(model: LedgerModel) -> None:
    direct = LedgerModel()
    assert model.relay(grant_message(), PATIENT, at()) == direct.grant(PATIENT, request(), at())
    assert model == direct
    with refused(model, SignedOutdatedError):
        model.relay(grant_message(), PATIENT, at())


def test_relay__by_a_delegate__says_so_and_ends_with_his_mandate(with_son: LedgerModel) -> None:
    message = grant_message(mandate=1)
    acted, _ = copy.deepcopy(with_son).relay(message, SON, at())
    assert isinstance(acted, ActedFor)
    with refused(with_son, MandateEndedError):
        with_son.relay(replace(message, mandate=2), SON, at())
    with refused(with_son, BeyondDelegationError):
        with_son.relay(replace(message, expires_at=LATER + 1), SON, at())
    with_son.appoint(PATIENT, PATIENT, wanted(), at())
    with refused(with_son, MandateEndedError):
        with_son.relay(message, SON, at())


def test_relay__after_a_recovery__takes_the_new_key_by_its_tenure(recovered: LedgerModel) -> None:
    with refused(recovered, NotAllowedToActError):
        recovered.relay(grant_message(), PATIENT, at())
    revoke_all = SignableRevokeAll(patient=PATIENT, stamp=0, mandate=1, deadline=TOMORROW)
    with refused(recovered, MandateEndedError):
        recovered.relay(replace(revoke_all, mandate=2), NEW_KEY, at())
    assert recovered.relay(revoke_all, NEW_KEY, at()) == (AllAccessRevoked(place=at(), patient=PATIENT, stamp=1),)


def test_relay__late_or_forged__is_refused(model: LedgerModel) -> None:
    with refused(model, DeadlinePassedError):
        model.relay(grant_message(deadline=NOW), PATIENT, at())
    with refused(model, SignatureInvalidError):
        model.relay(grant_message(), PATIENT, at(), valid=False)
    with refused(model, NotAllowedToActError):
        model.relay(grant_message(mandate=1), STRANGER, at())


@pytest.mark.parametrize(("stamp", "epoch"), [(1, 0), (0, 1)])
def test_relay__counts_that_do_not_stand__is_outdated(model: LedgerModel, stamp: int, epoch: int) -> None:
    with pytest.raises(SignedOutdatedError) as caught:
        model.relay(grant_message(stamp=stamp, epoch=epoch), PATIENT, at())
    assert (caught.value.signed, caught.value.current) == (stamp << 8 | epoch, 0)


def test_relay__revocation__ends_what_is_on_its_way_too(model: LedgerModel) -> None:
    message = SignableRevoke(patient=PATIENT, grant_id=GRANT_ID, last_epoch=3, deadline=TOMORROW)
    model.relay(grant_message(), PATIENT, at())
    (event,) = model.relay(message, PATIENT, at())
    assert event.epoch == model.get_grant(GRANT_ID).epoch == 4
    with refused(model, SignedOutdatedError):
        model.relay(grant_message(epoch=1), PATIENT, at())
    with refused(model, SignedOutdatedError):
        model.relay(message, PATIENT, at())


def test_relay__resignation__needs_no_more_than_being_the_delegate(with_son: LedgerModel) -> None:
    message = SignableDismiss(patient=PATIENT, delegate=SON, last_epoch=1, mandate=1, deadline=TOMORROW)
    with refused(with_son, MandateEndedError):
        with_son.relay(replace(message, mandate=2), SON, at())
    with refused(with_son, NotAllowedToActError):
        with_son.relay(message, STRANGER, at())
    assert with_son.relay(message, SON, at()) == (
        DelegateDismissed(place=at(), patient=PATIENT, delegate=SON, epoch=2),
    )


def test_relay__dismissal_of_the_zero_address__is_nobodys_word(model: LedgerModel) -> None:
    """The contract reads a patient's own authorization as the zero address: his word comes in the direct form."""
    message = SignableDismiss(patient=PATIENT, delegate=ZERO_ADDRESS, last_epoch=0, deadline=TOMORROW)
    with pytest.raises(SignatureInvalidError) as caught:
        model.relay(message, PATIENT, at())
    assert caught.value.signer == ZERO_ADDRESS
    model.dismiss(PATIENT, PATIENT, ZERO_ADDRESS, at())


def test_relay__appointment_and_guardians__count_from_what_stands(guarded: LedgerModel) -> None:
    appoint = SignableAppoint(
        patient=PATIENT,
        delegate=SON,
        verbs=3,
        purposes=Purpose.TREAT,
        not_before=0,
        expires_at=LATER,
        stamp=0,
        epoch=0,
        deadline=TOMORROW,
    )
    for change in ({"stamp": 1}, {"epoch": 1}):
        with refused(guarded, SignedOutdatedError):
            guarded.relay(replace(appoint, **change), PATIENT, at())
    guarded.relay(appoint, PATIENT, at())
    assert guarded.delegation(PATIENT, SON).epoch == 1
    name = SignableNameGuardians(patient=PATIENT, circle=NO_CIRCLE, delay=DAY, changes=1, deadline=TOMORROW)
    with refused(guarded, SignedOutdatedError):
        guarded.relay(replace(name, changes=0), PATIENT, at())
    guarded.relay(name, PATIENT, at())
    assert guarded.guardianship(PATIENT).next_circle == NO_CIRCLE
    assert guarded.guardianship(PATIENT).changes == 2


def test_relay__objection_to_another_attempt__is_not_this_signers(guarded: LedgerModel) -> None:
    guarded.propose_recovery(PATIENT, NEW_KEY, CIRCLE, LATER, (True, True, None), at())
    message = SignableObjectToRecovery(patient=PATIENT, attempt=1, deadline=TOMORROW)
    with refused(guarded, SignatureInvalidError):
        guarded.relay(replace(message, attempt=2), PATIENT, at())
    guarded.relay(message, PATIENT, at())


def test_relay__key__by_its_version(model: LedgerModel) -> None:
    message = SignableSetEncryptionKey(actor=PATIENT, key=TERMS, version=1, deadline=TOMORROW)
    with refused(model, SignatureInvalidError):
        model.relay(message, STRANGER, at())
    with refused(model, SignedOutdatedError):
        model.relay(replace(message, version=2), PATIENT, at())
    model.relay(message, PATIENT, at())
    assert model.encryption_key(PATIENT).version == 1


def test_relay__guardians_approval__is_no_message_of_its_own(model: LedgerModel) -> None:
    message = SignableRecover(patient=PATIENT, controller=NEW_KEY, attempt=1, deadline=TOMORROW)
    with pytest.raises(NotRelayableError):
        model.relay(message, GUARDIANS[0], at())


# ------------------------------------------------------------------------------------------------ the last


def test_epoch_of_a_delegation__at_its_last__can_be_ended_and_not_begun(with_son: LedgerModel) -> None:
    for epoch in range(2, LAST_COUNT):
        assert with_son.appoint(PATIENT, PATIENT, wanted(), at())[0].delegation.epoch == epoch
    with refused(with_son, AuthorityExhaustedError):
        with_son.appoint(PATIENT, PATIENT, wanted(), at())
    for _ in range(3):
        assert with_son.dismiss(PATIENT, PATIENT, SON, at())[0].epoch == LAST_COUNT
    with refused(with_son, AuthorityExhaustedError):
        with_son.appoint(PATIENT, PATIENT, wanted(), at())
    with_son.appoint(PATIENT, PATIENT, wanted(delegate=STRANGER), at())


def test_stamp__at_its_last__no_delegate_can_be_appointed(model: LedgerModel) -> None:
    model.stamps[PATIENT] = LAST_COUNT
    with refused(model, AuthorityExhaustedError):
        model.appoint(PATIENT, PATIENT, wanted(), at())


def test_tenure__at_its_last__no_recovery_can_be_proposed(guarded: LedgerModel) -> None:
    guarded.controls[PATIENT] = Control(controller=STRANGER, tenure=LAST_COUNT)
    act = lambda: guarded.propose_recovery(PATIENT, NEW_KEY, CIRCLE, LATER, (True, True, None), at())  # noqa: E731
    with refused(guarded, AuthorityExhaustedError):
        act()
    guarded.controls[PATIENT] = Control(controller=STRANGER, tenure=LAST_COUNT - 1)
    act()
    assert guarded.complete_recovery(PATIENT, at(TOMORROW))[0].tenure == LAST_COUNT


def test_signed_revocation__of_the_last_epoch__is_never_refused(model: LedgerModel) -> None:
    message = SignableRevoke(patient=PATIENT, grant_id=GRANT_ID, last_epoch=LAST_COUNT, deadline=TOMORROW)
    for _ in range(2):
        assert model.relay(message, PATIENT, at())[0].epoch == LAST_COUNT
