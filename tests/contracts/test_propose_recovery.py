"""ConsentRegistry.proposeRecovery

given a circle of guardians in force
    every set of signatures that reaches the threshold proposes, no smaller one does, whoever sends
    the proposal is stored with its attempt and its day, and told; guardians are shown, nothing else changes
given a circle that is not the patient's, or is shown otherwise than it was named
    other members, order, threshold or salt, another patient's, none at all: refused
given a circle that cannot work, though the patient named it
    unordered, a guardian twice, threshold 0 or more than there are, more than 16: refused; 16 is the most
given signatures
    of another key, patient, new key, attempt, chain, contract or deadline, a malleated or shortened one: refused
    at the deadline: too late; a second before: in time
    of a guardian who is a contract: the contract is asked, and one that answers wrongly or too much is refused
    used before, objected to or completed: refused; a later proposal takes the place of an earlier one
given the key that shall take over
    zero, the patient's own, the one in control already: refused; anybody else, a guardian too, can be
given the last tenure
    no more recovery is proposed
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain as chained
from itertools import combinations

import pytest
from evm import NEVER, ZERO_ADDRESS, Contract, Event, FailedError, RefusedError, grant_id_of
from people import DAY, NO_CIRCLE, Authority, Circle, guardians

pytestmark = pytest.mark.contracts

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
CIRCLE = Circle(guardians(3), 2)


@pytest.fixture
def new_key(actors):
    return actors.doctor


def name(authority, patient, circle, delay=DAY):
    return authority.name_guardians(patient, patient, circle.digest(patient), delay)


def signed(authority, patient, new_key, circle=CIRCLE, signers=None, *, attempt=1, deadline=NEVER):
    chosen = circle.guardians[: circle.threshold] if signers is None else signers
    return authority.sign(chosen, circle, patient, new_key, attempt=attempt, deadline=deadline)


def refusal(authority, actors, new_key, signatures, *, circle=CIRCLE, deadline=NEVER, **when):
    with pytest.raises(RefusedError) as refused:
        authority.propose(
            actors.patient, new_key, circle, signatures, sender=actors.stranger, deadline=deadline, **when
        )
    return refused.value.args


# ------------------------------------------------------------------------------------------ enough guardians


def test_propose__enough_signed__is_stored_and_told(authority, actors, new_key):
    name(authority, actors.patient, CIRCLE, 3 * DAY)
    before = authority.guardianship(actors.patient)

    sent = authority.propose(
        actors.patient, new_key, CIRCLE, signed(authority, actors.patient, new_key), sender=actors.stranger
    )

    ready_at = sent.time + 3 * DAY
    stands = replace(before, proposed=new_key, ready_at=ready_at, attempt=1)
    values = {"patient": actors.patient, "controller": new_key, "attempt": 1, "readyAt": ready_at}
    assert authority.guardianship(actors.patient) == stands
    assert sent.events == (Event("RecoveryProposed", values, authority.contract.address),)
    assert authority.controller(actors.patient) == (actors.patient, 0)


@pytest.mark.parametrize("sender", ["patient", "doctor", "stranger", "deployer"])
def test_propose__whoever_sends__is_made(authority, actors, new_key, sender):
    name(authority, actors.patient, CIRCLE)
    signatures = signed(authority, actors.patient, new_key)

    authority.propose(actors.patient, new_key, CIRCLE, signatures, sender=getattr(actors, sender))

    assert authority.guardianship(actors.patient).proposed == new_key


@pytest.mark.parametrize("threshold", [1, 2, 3, 4])
def test_propose__every_set_of_guardians__is_made_from_the_threshold_on(authority, actors, new_key, threshold):
    circle = Circle(guardians(4), threshold)
    name(authority, actors.patient, circle)
    everybody = circle.guardians
    subsets = list(chained.from_iterable(combinations(everybody, size) for size in range(5)))
    assert len(subsets) == 16

    for signers in subsets:
        signatures = signed(authority, actors.patient, new_key, circle, signers)
        function = authority.contract.functions.proposeRecovery(
            actors.patient, new_key, circle.fields, NEVER, signatures
        )
        if len(signers) >= threshold:
            assert authority.chain.call(function) == []
        else:
            with pytest.raises(RefusedError) as refused:
                authority.chain.call(function)
            assert refused.value.args == ("AuthorityGuardiansTooFew", len(signers), threshold)


def test_propose__one_signature_too_many_is_wrong__is_refused_and_names_who(authority, actors, new_key):
    name(authority, actors.patient, CIRCLE)
    signatures = signed(authority, actors.patient, new_key, signers=CIRCLE.guardians)
    wrong = bytearray(signatures[2])
    wrong[10] ^= 1

    args = refusal(authority, actors, new_key, [*signatures[:2], bytes(wrong)])

    assert args == ("SignedSignatureInvalid", CIRCLE.guardians[2].address)


@pytest.mark.parametrize("count", [1, 15, 16])
def test_propose__up_to_sixteen_guardians__is_made(authority, actors, new_key, count):
    circle = Circle(guardians(count), count)
    name(authority, actors.patient, circle)

    sent = authority.propose(
        actors.patient, new_key, circle, signed(authority, actors.patient, new_key, circle), sender=actors.stranger
    )

    assert authority.guardianship(actors.patient).proposed == new_key
    assert sent.gas_used < 350_000


def test_propose__seventeen_guardians__is_refused_though_named(authority, actors, new_key):
    circle = Circle(guardians(17), 1)
    name(authority, actors.patient, circle)

    args = refusal(authority, actors, new_key, signed(authority, actors.patient, new_key, circle), circle=circle)

    assert args == ("AuthorityCircleInvalid", actors.patient)


def test_propose__guardian_is_the_patients_other_key_or_the_new_key__counts_as_any(authority, actors):
    circle = Circle(guardians(2), 1)
    name(authority, actors.patient, circle)
    new_key = circle.guardians[0].address

    authority.propose(
        actors.patient, new_key, circle, signed(authority, actors.patient, new_key, circle), sender=actors.stranger
    )

    assert authority.guardianship(actors.patient).proposed == new_key


# ------------------------------------------------------------------------------------------ the wrong circle


def test_propose__nobody_named_guardians__is_refused(authority, actors, new_key):
    empty = Circle((), 0)

    assert refusal(authority, actors, new_key, signed(authority, actors.patient, new_key)) == (
        "AuthorityCircleInvalid",
        actors.patient,
    )
    assert refusal(authority, actors, new_key, [], circle=empty) == ("AuthorityCircleInvalid", actors.patient)


@pytest.mark.parametrize(
    "shown",
    [
        Circle(CIRCLE.guardians, 1),
        Circle(CIRCLE.guardians, 3),
        Circle(CIRCLE.guardians, 2, salt=b"\x5b" + b"\x5a" * 31),
        Circle(CIRCLE.guardians[:2], 2),
        Circle(guardians(4), 2),
        Circle(guardians(3, family="friend"), 2),
        Circle(tuple(reversed(CIRCLE.guardians)), 2),
    ],
    ids=["lower threshold", "higher", "salt", "one fewer", "one more", "others", "order"],
)
def test_propose__shown_otherwise_than_named__is_refused(authority, actors, new_key, shown):
    name(authority, actors.patient, CIRCLE)

    args = refusal(authority, actors, new_key, signed(authority, actors.patient, new_key, shown), circle=shown)

    assert args == ("AuthorityCircleInvalid", actors.patient)


def test_propose__circle_named_by_another_patient__is_refused(authority, actors, new_key):
    name(authority, actors.other_patient, CIRCLE)
    name(authority, actors.patient, Circle(guardians(2, family="friend"), 1))

    args = refusal(authority, actors, new_key, signed(authority, actors.patient, new_key))

    assert args == ("AuthorityCircleInvalid", actors.patient)


@pytest.mark.parametrize(
    "unworkable",
    [
        Circle(CIRCLE.guardians, 0),
        Circle(CIRCLE.guardians, 4),
        Circle(CIRCLE.guardians, 255),
        Circle((), 0),
        Circle((), 1),
        Circle(tuple(reversed(CIRCLE.guardians)), 2),
        Circle((CIRCLE.guardians[0], CIRCLE.guardians[0]), 2),
        Circle((CIRCLE.guardians[0], CIRCLE.guardians[1], CIRCLE.guardians[1]), 2),
        Circle((CIRCLE.guardians[1], CIRCLE.guardians[0], CIRCLE.guardians[2]), 2),
    ],
    ids=["of 0", "of 4", "of 255", "nobody", "nobody of 1", "falling", "twice", "twice at the end", "unordered"],
)
def test_propose__circle_that_cannot_work__is_refused_though_named(authority, actors, new_key, unworkable):
    name(authority, actors.patient, unworkable)
    signatures = signed(authority, actors.patient, new_key, unworkable, unworkable.guardians)

    args = refusal(authority, actors, new_key, signatures, circle=unworkable)

    assert args == ("AuthorityCircleInvalid", actors.patient)


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_propose__not_one_signature_for_each_guardian__is_refused(authority, actors, new_key, count):
    name(authority, actors.patient, CIRCLE)
    signatures = (signed(authority, actors.patient, new_key, signers=CIRCLE.guardians) * 2)[:count]

    assert refusal(authority, actors, new_key, signatures) == ("AuthorityCircleInvalid", actors.patient)


def test_propose__the_zero_address_in_the_circle__never_signs(authority, actors, new_key):
    nobody = type("Nobody", (), {"address": ZERO_ADDRESS})
    circle = Circle((nobody, *CIRCLE.guardians[:1]), 1)
    name(authority, actors.patient, circle)
    [*_, good] = signed(authority, actors.patient, new_key, circle, CIRCLE.guardians[:1])

    for forged in (b"\x00" * 65, b"\x00" * 64 + b"\x1b", b"\x01", good):
        args = refusal(authority, actors, new_key, [forged, good], circle=circle)
        assert args == ("SignedSignatureInvalid", ZERO_ADDRESS)
    authority.propose(actors.patient, new_key, circle, [b"", good], sender=actors.stranger)


# ------------------------------------------------------------------------------------------ the wrong signature


def test_propose__signed_for_something_else__is_refused(authority, actors, new_key, chain):
    name(authority, actors.patient, CIRCLE)
    name(authority, actors.other_patient, CIRCLE)
    first = CIRCLE.guardians[0].address
    cases = {
        "another patient": signed(authority, actors.other_patient, new_key),
        "another key": signed(authority, actors.patient, actors.researcher),
        "the next attempt": signed(authority, actors.patient, new_key, attempt=2),
        "no attempt": signed(authority, actors.patient, new_key, attempt=0),
        "another deadline": signed(authority, actors.patient, new_key, deadline=NEVER - 1),
    }
    elsewhere = Authority(chain, Contract(actors.researcher, authority.contract.abi))
    cases["another contract"] = signed(elsewhere, actors.patient, new_key)

    for signatures in cases.values():
        assert refusal(authority, actors, new_key, signatures) == ("SignedSignatureInvalid", first)
    authority.propose(
        actors.patient, new_key, CIRCLE, signed(authority, actors.patient, new_key), sender=actors.stranger
    )


def test_propose__signed_by_another_guardian_or_a_stranger__is_refused(authority, actors, new_key):
    name(authority, actors.patient, CIRCLE)
    one, two, three = signed(authority, actors.patient, new_key, signers=CIRCLE.guardians)
    friends = Circle(guardians(3, family="friend"), 2)
    foreign = signed(authority, actors.patient, new_key, friends, friends.guardians)

    for signatures in ([two, one, three], [two, b"", three], [one, one, one], [b"", two, two], foreign):
        assert refusal(authority, actors, new_key, signatures)[0] == "SignedSignatureInvalid"


def test_propose__malleated_shortened_or_lengthened__is_refused(authority, actors, new_key):
    name(authority, actors.patient, CIRCLE)
    one, two, _ = signed(authority, actors.patient, new_key)
    r, s, v = one[:32], int.from_bytes(one[32:64], "big"), one[64]
    mirrored = r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([27 + 28 - v])
    compact = r + (s | (v - 27) << 255).to_bytes(32, "big")

    for forged in (mirrored, compact, one[:64], one + b"\x00", one[:64] + bytes([v - 27]), b"\x00" * 65, b"\x00"):
        args = refusal(authority, actors, new_key, [forged, two, b""])
        assert args == ("SignedSignatureInvalid", CIRCLE.guardians[0].address)


@pytest.mark.parametrize(("when", "in_time"), [(-1, True), (0, False), (1, False)])
def test_propose__around_the_deadline__no_longer_at_it(authority, actors, new_key, when, in_time):
    name(authority, actors.patient, CIRCLE)
    deadline = authority.chain.now + 1000
    signatures = signed(authority, actors.patient, new_key, deadline=deadline)
    sending = {"deadline": deadline, "at": deadline + when}

    if in_time:
        authority.propose(actors.patient, new_key, CIRCLE, signatures, sender=actors.stranger, **sending)
        assert authority.guardianship(actors.patient).proposed == new_key
    else:
        args = refusal(authority, actors, new_key, signatures, **sending)
        assert args == ("SignedDeadlinePassed", deadline)


def test_propose__after_all_dates_that_fit__is_too_late_whatever_was_signed(authority, actors, new_key):
    name(authority, actors.patient, CIRCLE)
    last = 2**32 - 1
    signatures = signed(authority, actors.patient, new_key, deadline=last)

    for time in (last, 2**32 + DAY):
        mark = authority.chain.snapshot()
        args = refusal(authority, actors, new_key, signatures, deadline=last, at=time)
        assert args == ("SignedDeadlinePassed", last)
        authority.chain.revert(mark)


# ------------------------------------------------------------------------------------------ guardians with a wallet


MAGIC = "1626ba7e"
WALLETS = {
    # what the wallet's code does, and whether the guardian has signed by it
    "says yes": (f"63{MAGIC}60e01b60005260206000f3", True),
    "says yes in the wrong bytes": (f"63{MAGIC}60005260206000f3", False),
    "says yes and more": (f"63{MAGIC}60e01b60005260406000f3", False),
    "says nothing": ("00", False),
    "reverts with yes": (f"63{MAGIC}60e01b60005260206000fd", False),
    "burns all its gas": ("fe", False),
    "loops": ("5b600056", False),
    "writes": (f"6001600055{'63' + MAGIC}60e01b60005260206000f3", False),
    "answers 400,000 bytes": ("62061a806000f3", False),
}


def deploy_wallet(chain, actors, runtime):
    code = f"60{len(runtime) // 2:02x}80600b6000396000f3{runtime}"
    return chain.transact(None, bytes.fromhex(code), sender=actors.deployer, gas=200_000).created


@pytest.mark.parametrize("kind", WALLETS)
def test_propose__guardian_is_a_contract__counts_if_it_says_yes(authority, actors, new_key, kind):
    runtime, has_signed = WALLETS[kind]
    wallet = deploy_wallet(authority.chain, actors, runtime)
    circle = Circle((type("Wallet", (), {"address": wallet}),), 1)
    name(authority, actors.patient, circle)

    if has_signed:
        authority.propose(actors.patient, new_key, circle, [b"anything"], sender=actors.stranger)
        assert authority.guardianship(actors.patient).proposed == new_key
    else:
        args = refusal(authority, actors, new_key, [b"anything"], circle=circle)
        assert args == ("SignedSignatureInvalid", wallet)


def test_propose__wallet_answers_more_than_was_paid_for__sinks_no_batch_that_passes_otherwise(
    authority, actors, new_key
):
    contract, passed = authority.contract, {}
    wanted = int(actors.doctor, 16) << 96 | NEVER << 32 | 1 << 16
    for kind in ("burns all its gas", "answers 400,000 bytes"):
        wallet = deploy_wallet(authority.chain, actors, WALLETS[kind][0])
        circle = Circle((type("Wallet", (), {"address": wallet}),), 1)
        name(authority, actors.patient, circle, 90 * DAY)
        authority.chain.mine_at(authority.chain.now + 90 * DAY)
        proposing = [actors.patient, new_key, circle.fields, NEVER, [b"anything"]]
        calls = [
            contract.functions.grant(bytes(32), bytes(32), wanted).data,
            contract.functions.proposeRecovery(*proposing).data,
        ]
        for gas in range(550_000, 900_000, 50_000):  # below, the turn of the second circle already makes a difference
            function = contract.functions.batch(calls)
            try:
                passed[kind, gas] = authority.chain.call(function, sender=actors.patient, gas=gas) == [True, False]
            except FailedError:
                passed[kind, gas] = False

    for gas in range(550_000, 900_000, 50_000):
        assert passed["answers 400,000 bytes", gas] or not passed["burns all its gas", gas]
    assert any(passed.values())


# ------------------------------------------------------------------------------------------ used before


def test_propose__the_same_again__is_refused(authority, actors, new_key):
    name(authority, actors.patient, CIRCLE)
    signatures = signed(authority, actors.patient, new_key)
    authority.propose(actors.patient, new_key, CIRCLE, signatures, sender=actors.stranger)
    before = authority.guardianship(actors.patient)

    args = refusal(authority, actors, new_key, signatures)

    assert args == ("SignedSignatureInvalid", CIRCLE.guardians[0].address)
    assert authority.guardianship(actors.patient) == before


def test_propose__the_same_after_an_objection__is_refused_and_new_ones_are_made(authority, actors, new_key):
    name(authority, actors.patient, CIRCLE)
    signatures = signed(authority, actors.patient, new_key)
    authority.propose(actors.patient, new_key, CIRCLE, signatures, sender=actors.stranger)
    authority.object(actors.patient, actors.patient)

    args = refusal(authority, actors, new_key, signatures)

    assert args == ("SignedSignatureInvalid", CIRCLE.guardians[0].address)
    again = signed(authority, actors.patient, new_key, attempt=2)
    authority.propose(actors.patient, new_key, CIRCLE, again, sender=actors.stranger)
    assert authority.guardianship(actors.patient).attempt == 2


def test_propose__the_same_after_it_was_completed_and_control_moved_on__is_refused(authority, actors, new_key):
    name(authority, actors.patient, CIRCLE)
    signatures = signed(authority, actors.patient, new_key)
    sent = authority.propose(actors.patient, new_key, CIRCLE, signatures, sender=actors.stranger)
    authority.complete(actors.stranger, actors.patient, at=sent.time + DAY)
    assert refusal(authority, actors, new_key, signatures) == ("AuthorityControllerInvalid", new_key)
    authority.recover(actors.patient, actors.researcher, CIRCLE, sender=actors.stranger)

    args = refusal(authority, actors, new_key, signatures)

    assert args == ("SignedSignatureInvalid", CIRCLE.guardians[0].address)
    assert authority.controller(actors.patient) == (actors.researcher, 2)


def test_propose__another_while_one_is_pending__takes_its_place_and_waits_anew(authority, actors, new_key):
    name(authority, actors.patient, CIRCLE, 3 * DAY)
    first = authority.propose(
        actors.patient, new_key, CIRCLE, signed(authority, actors.patient, new_key), sender=actors.stranger
    )
    second = signed(authority, actors.patient, actors.researcher, attempt=2)

    sent = authority.propose(
        actors.patient, actors.researcher, CIRCLE, second, sender=actors.stranger, at=first.time + 2 * DAY
    )

    stands = authority.guardianship(actors.patient)
    assert (stands.proposed, stands.ready_at, stands.attempt) == (actors.researcher, sent.time + 3 * DAY, 2)
    with pytest.raises(RefusedError) as refused:
        authority.complete(actors.stranger, actors.patient, at=first.time + 3 * DAY)
    assert refused.value.args == ("AuthorityTooEarly", sent.time + 3 * DAY)


def test_propose__signed_by_a_minority_for_many_attempts__never_adds_up(authority, actors, new_key):
    name(authority, actors.patient, CIRCLE)
    for attempt in (1, 2, 3):
        alone = signed(authority, actors.patient, new_key, signers=CIRCLE.guardians[:1], attempt=attempt)
        expected = "AuthorityGuardiansTooFew" if attempt == 1 else "SignedSignatureInvalid"
        assert refusal(authority, actors, new_key, alone)[0] == expected
    mixed = [
        signed(authority, actors.patient, new_key, signers=[each], attempt=attempt)[index]
        for index, (each, attempt) in enumerate(zip(CIRCLE.guardians, (1, 2, 1), strict=True))
    ]
    assert refusal(authority, actors, new_key, mixed) == ("SignedSignatureInvalid", CIRCLE.guardians[1].address)
    assert authority.guardianship(actors.patient).attempt == 0


# ------------------------------------------------------------------------------------------ the key that takes over


def test_propose__nobody_or_the_patients_own_lost_key__is_refused(authority, actors):
    name(authority, actors.patient, CIRCLE)

    for new_key in (ZERO_ADDRESS, actors.patient):
        args = refusal(authority, actors, new_key, signed(authority, actors.patient, new_key))
        assert args == ("AuthorityControllerInvalid", new_key)


def test_propose__after_a_recovery__neither_the_lost_key_nor_the_one_in_control(authority, actors, new_key):
    name(authority, actors.patient, CIRCLE)
    authority.recover(actors.patient, new_key, CIRCLE, sender=actors.stranger)

    for wanted in (ZERO_ADDRESS, actors.patient, new_key):
        args = refusal(authority, actors, wanted, signed(authority, actors.patient, wanted, attempt=2))
        assert args == ("AuthorityControllerInvalid", wanted)


@pytest.mark.parametrize("tenure", [253, 254])
def test_propose__before_the_last_tenure__is_made_and_can_be_completed(authority, actors, new_key, tenure):
    authority.store_control(actors.patient, controller=int(actors.researcher, 16), tenure=tenure, stamp=7)
    authority.name_guardians(actors.researcher, actors.patient, CIRCLE.digest(actors.patient))

    authority.recover(actors.patient, new_key, CIRCLE, sender=actors.stranger)

    assert authority.controller(actors.patient) == (new_key, tenure + 1)
    assert authority.slots_of(actors.patient, new_key)[0] & 0xFF == 7


def test_propose__at_the_last_tenure__is_refused(authority, actors, new_key):
    authority.store_control(actors.patient, controller=int(actors.researcher, 16), tenure=255)
    authority.name_guardians(actors.researcher, actors.patient, CIRCLE.digest(actors.patient))

    args = refusal(authority, actors, new_key, signed(authority, actors.patient, new_key))

    assert args == ("AuthorityExhausted", actors.patient)


# ------------------------------------------------------------------------------------------ guardians alone


def test_guardians__all_of_them_together__can_neither_grant_nor_read_nor_revoke(authority, ledger, actors):
    members = [actors.doctor, actors.researcher, actors.custodian]
    people = sorted(members, key=lambda each: int(each, 16))
    circle = Circle(tuple(type("Guardian", (), {"address": each}) for each in people), 2)
    name(authority, actors.patient, circle)
    ledger.grant(actors.patient, actors.stranger)
    grant_id = grant_id_of(actors.patient, actors.stranger)

    verbs = (
        lambda member: authority.grant_for(member, actors.patient, member),
        lambda member: ledger.revoke(member, grant_id),
        lambda member: authority.revoke_all(member, actors.patient),
        lambda member: authority.appoint(member, member, patient=actors.patient),
        lambda member: authority.name_guardians(member, actors.patient, NO_CIRCLE),
        lambda member: authority.object(member, actors.patient),
    )
    for member in members:
        for verb in verbs:
            with pytest.raises(RefusedError) as refused:
                verb(member)
            assert refused.value.args == ("AuthorityNotAllowed", actors.patient, member)
        assert not authority.is_delegate(actors.patient, member, 0, 0)
        assert not ledger.is_live(grant_id_of(actors.patient, member))
    assert ledger.is_live(grant_id)


def test_propose__nobody_can_tell_from_the_digest_who_guards(authority, actors):
    guesses = {Circle(CIRCLE.guardians, 2, salt=bytes([number]) * 32).digest(actors.patient) for number in range(50)}

    sent = name(authority, actors.patient, CIRCLE)

    told = repr(sent.events).lower()
    assert not any(each.address[2:].lower() in told for each in CIRCLE.guardians)
    assert authority.guardianship(actors.patient).circle not in guesses
