"""EmergencyAccess.end, release, setBar and the token's face

given an episode in force
    its clinician ends it, and whoever is in control of the patient: over from this block on, told by both events
    anybody else, another clinician, a delegate, a reviewer, a custodian does not
    anybody may state that he released keys, while it is in force and not a second longer
given an episode that is over, by time or by its end
    nobody ends it again, nobody releases
given a recovered patient
    the new key ends episodes and sets the bar, the lost one does neither
given a patient
    he bars break-glass and allows it again, each counted and told; nobody does for him; live episodes go on
given the token
    it never moves, nobody is approved, it is locked; balances are what is in force; interfaces are answered
given ether or an unknown call
    the contracts take none
"""

from __future__ import annotations

import pytest
from evm import BUNDLE, NEVER, ZERO_ADDRESS, Event, RefusedError
from people import DAY, REVIEWER, Circle, EpisodeView, deploy, episode_id_of, guardians

pytestmark = pytest.mark.contracts

CIRCLE = Circle(guardians(1), 1)


@pytest.fixture
def doctor(emergencies, actors):
    emergencies.accredit(actors.doctor)
    return actors.doctor


@pytest.fixture
def episode_id(emergencies, actors, doctor):
    """An episode of the doctor's for the patient, an hour long."""
    return emergencies.break_glass(doctor, actors.patient, duration=3600).events[0].values["id"]


@pytest.fixture
def new_key(authority, actors, request):
    """The patient lost his key."""
    authority.name_guardians(actors.patient, actors.patient, CIRCLE.digest(actors.patient), DAY)
    authority.recover(actors.patient, actors.custodian, CIRCLE, sender=actors.stranger)
    return actors.custodian


def assert_refused(act, *args):
    with pytest.raises(RefusedError) as refused:
        act()
    assert refused.value.args == args


# ------------------------------------------------------------------------------------------ ending


@pytest.mark.parametrize("by", ["doctor", "patient"])
def test_end__by_clinician_or_patient__is_over_from_this_block_on(emergencies, actors, doctor, episode_id, by):
    opened = emergencies.episode(episode_id)
    by = getattr(actors, by)

    sent = emergencies.end(by, episode_id)

    address = emergencies.contract.address
    token = {"operator": by, "from": doctor, "to": ZERO_ADDRESS, "id": episode_id, "value": 1}
    assert emergencies.episode(episode_id) == EpisodeView(actors.patient, opened.opened_at, sent.time, opened.reason, 0)
    assert not emergencies.is_live(episode_id)
    assert emergencies.balance(doctor, episode_id) == 0
    assert sent.events == (
        Event("EpisodeEnded", {"id": episode_id, "by": by}, address),
        Event("TransferSingle", token, address),
    )


@pytest.mark.parametrize("caller", ["stranger", "other_patient", "custodian", "researcher", "deployer"])
def test_end__by_anybody_else__is_refused(emergencies, authority, actors, episode_id, caller):
    caller = getattr(actors, caller)
    authority.appoint(actors.patient, actors.custodian)
    emergencies.accredit(actors.researcher, REVIEWER)
    emergencies.accredit(actors.stranger)

    assert_refused(lambda: emergencies.end(caller, episode_id), "EmergencyAccessNotAllowed", caller)

    assert emergencies.is_live(episode_id)


def test_end__patient_of_another_episode__ends_only_his(emergencies, actors, doctor, episode_id):
    other = emergencies.break_glass(doctor, actors.other_patient).events[0].values["id"]

    assert_refused(
        lambda: emergencies.end(actors.other_patient, episode_id), "EmergencyAccessNotAllowed", actors.other_patient
    )
    emergencies.end(actors.other_patient, other)

    assert emergencies.is_live(episode_id)
    assert not emergencies.is_live(other)


@pytest.mark.parametrize(("when", "may"), [(-1, True), (0, False), (1, False)])
def test_end__around_its_end__no_longer_at_it(emergencies, actors, doctor, episode_id, when, may):
    ends_at = emergencies.episode(episode_id).ends_at

    def end():
        return emergencies.end(actors.patient, episode_id, at=ends_at + when)

    if may:
        assert emergencies.episode(end().events[0].values["id"]).ends_at == ends_at - 1
    else:
        assert_refused(end, "EmergencyAccessEpisodeOver", episode_id)
        assert emergencies.episode(episode_id).ends_at == ends_at


def test_end__ended_before__is_refused(emergencies, actors, doctor, episode_id):
    emergencies.end(actors.patient, episode_id)
    before = emergencies.episode(episode_id)

    for by in (doctor, actors.patient):
        assert_refused(lambda by=by: emergencies.end(by, episode_id), "EmergencyAccessEpisodeOver", episode_id)
    assert emergencies.episode(episode_id) == before


def test_end__clinician_no_longer_accredited__can_and_it_stays_over_when_he_is_again(
    emergencies, actors, doctor, episode_id
):
    emergencies.accredit(doctor, until=0)

    emergencies.end(doctor, episode_id)
    emergencies.accredit(doctor)

    assert not emergencies.is_live(episode_id)


def test_end__opened_and_ended_in_one_second__was_never_in_force(emergencies, actors, doctor):
    contract, next_id = emergencies.contract, episode_id_of(doctor, 1)
    calls = [
        contract.functions.breakGlass(actors.patient, 1, bytes(32), 60).data,
        contract.functions.end(next_id).data,
        contract.functions.release(next_id, BUNDLE).data,
    ]

    sent = emergencies.chain.send(contract.functions.batch(calls), sender=doctor)

    names = [event.name for event in sent.events]
    assert names == ["GlassBroken", "TransferSingle", "EpisodeEnded", "TransferSingle", "CallRefused"]
    episode = emergencies.episode(next_id)
    assert episode.opened_at == episode.ends_at == sent.time
    assert not emergencies.is_live(next_id)


# ------------------------------------------------------------------------------------------ releasing


@pytest.mark.parametrize("caller", ["custodian", "stranger", "doctor", "patient"])
def test_release__in_force__anybody_states_it_of_himself(emergencies, actors, episode_id, caller):
    caller = getattr(actors, caller)
    before = emergencies.episode(episode_id)

    sent = emergencies.release(caller, episode_id)

    values = {"id": episode_id, "custodian": caller, "bundle": BUNDLE}
    assert sent.events == (Event("KeysReleased", values, emergencies.contract.address),)
    assert emergencies.episode(episode_id) == before


@pytest.mark.parametrize(("when", "may"), [(-1, True), (0, False), (1, False)])
def test_release__around_its_end__no_longer_at_it(emergencies, actors, episode_id, when, may):
    ends_at = emergencies.episode(episode_id).ends_at

    def release():
        return emergencies.release(actors.custodian, episode_id, at=ends_at + when)

    if may:
        assert [event.name for event in release().events] == ["KeysReleased"]
    else:
        assert_refused(release, "EmergencyAccessEpisodeOver", episode_id)


def test_release__ended_early__is_refused(emergencies, actors, episode_id):
    emergencies.end(actors.patient, episode_id)

    assert_refused(lambda: emergencies.release(actors.custodian, episode_id), "EmergencyAccessEpisodeOver", episode_id)


@pytest.mark.parametrize(("when", "may"), [(-1, True), (0, False)])
def test_release__accreditation_ends__to_the_second(emergencies, actors, episode_id, when, may):
    end = emergencies.chain.now + 1000
    emergencies.accredit(actors.doctor, until=end)

    def release():
        return emergencies.release(actors.custodian, episode_id, at=end + when)

    if may:
        assert [event.name for event in release().events] == ["KeysReleased"]
    else:
        assert_refused(release, "EmergencyAccessEpisodeOver", episode_id)


# ------------------------------------------------------------------------------------------ the bar


def test_set_bar__by_the_patient__counts_and_is_told(emergencies, actors):
    assert emergencies.bar(actors.patient) == (False, 0)

    for count, barred in enumerate([True, True, False, False, True], 1):
        sent = emergencies.set_bar(actors.patient, actors.patient, barred)
        values = {"patient": actors.patient, "barred": barred, "count": count}
        assert sent.events == (Event("BarSet", values, emergencies.contract.address),)
        assert emergencies.bar(actors.patient) == (barred, count)
    assert emergencies.bar(actors.other_patient) == (False, 0)


@pytest.mark.parametrize("caller", ["stranger", "doctor", "custodian", "other_patient", "deployer"])
def test_set_bar__by_anybody_else__is_refused(emergencies, authority, actors, doctor, caller):
    authority.appoint(actors.patient, actors.custodian)
    caller = getattr(actors, caller)

    for barred in (True, False):
        assert_refused(
            lambda barred=barred: emergencies.set_bar(caller, actors.patient, barred),
            "EmergencyAccessNotAllowed",
            caller,
        )
    assert emergencies.bar(actors.patient) == (False, 0)


def test_set_bar__episode_in_force__goes_on_until_he_ends_it_and_none_follows(emergencies, actors, doctor, episode_id):
    emergencies.set_bar(actors.patient, actors.patient, True)

    assert emergencies.is_live(episode_id)
    emergencies.release(actors.custodian, episode_id)
    emergencies.end(actors.patient, episode_id)
    assert_refused(lambda: emergencies.break_glass(doctor, actors.patient), "EmergencyAccessBarred", actors.patient)


# ------------------------------------------------------------------------------------------ a recovered patient


def test_recovered__the_new_key__ends_episodes_and_sets_the_bar_and_the_lost_one_neither(
    emergencies, actors, new_key, doctor, episode_id
):
    patient = actors.patient

    for act in (
        lambda: emergencies.end(patient, episode_id),
        lambda: emergencies.set_bar(patient, patient, True),
    ):
        assert_refused(act, "EmergencyAccessNotAllowed", patient)
    emergencies.set_bar(new_key, patient, True)
    emergencies.end(new_key, episode_id)

    assert not emergencies.is_live(episode_id)
    assert emergencies.bar(patient) == (True, 1)
    assert emergencies.bar(new_key) == (False, 0)


def test_recovered__bar_of_the_lost_key__stays_until_the_new_one_lifts_it(emergencies, authority, actors, doctor):
    patient = actors.patient
    emergencies.set_bar(patient, patient, True)
    authority.name_guardians(patient, patient, CIRCLE.digest(patient), DAY)
    authority.recover(patient, actors.custodian, CIRCLE, sender=actors.stranger)

    assert_refused(lambda: emergencies.break_glass(doctor, patient), "EmergencyAccessBarred", patient)
    emergencies.set_bar(actors.custodian, patient, False)
    emergencies.break_glass(doctor, patient)


# ------------------------------------------------------------------------------------------ the token


@pytest.mark.parametrize("caller", ["doctor", "patient", "stranger"])
@pytest.mark.parametrize("value", [0, 1])
def test_token__anybody_moves_or_approves__is_refused(emergencies, actors, doctor, episode_id, caller, value):
    functions = emergencies.contract.functions

    for function in (
        functions.safeTransferFrom(doctor, actors.researcher, episode_id, value, b""),
        functions.safeBatchTransferFrom(doctor, actors.researcher, [episode_id] * value, [1] * value, b""),
        functions.setApprovalForAll(actors.researcher, bool(value)),
    ):
        assert_refused(
            lambda function=function: emergencies.chain.send(function, sender=getattr(actors, caller)),
            "AccessTokenNotTransferable",
        )
    assert emergencies.balance(doctor, episode_id) == 1
    assert emergencies.balance(actors.researcher, episode_id) == 0


def test_token__balances__are_what_is_in_force_for_its_clinician_alone(emergencies, actors, doctor, episode_id):
    other = emergencies.break_glass(doctor, actors.other_patient).events[0].values["id"]
    holders = [doctor, doctor, actors.patient, ZERO_ADDRESS, actors.stranger, doctor]
    ids = [episode_id, other, episode_id, episode_id, other, episode_id_of(doctor, 3)]
    function = emergencies.contract.functions.balanceOfBatch(holders, ids)

    assert emergencies.chain.call(function) == [1, 1, 0, 0, 0, 0]
    emergencies.end(doctor, other)
    assert emergencies.chain.call(function) == [1, 0, 0, 0, 0, 0]
    assert_refused(
        lambda: emergencies.chain.call(emergencies.contract.functions.balanceOfBatch(holders, ids[:2])),
        "AccessTokenLengthMismatch",
        6,
        2,
    )


@pytest.mark.parametrize(
    ("interface_id", "answer"),
    [
        ("01ffc9a7", True),  # ERC-165
        ("d9b67a26", True),  # ERC-1155
        ("b45a3c0e", True),  # ERC-5192
        ("ffffffff", False),
        ("00000000", False),
        ("80ac58cd", False),  # ERC-721
        ("8c65f84d", False),  # ERC-5643: an episode cannot be renewed
    ],
)
def test_supports_interface__of_an_episode__answers_as_it_is(emergencies, interface_id, answer):
    function = emergencies.contract.functions.supportsInterface(bytes.fromhex(interface_id))

    assert emergencies.chain.call(function) is answer


def test_locked_and_approved__any_episode__are_true_and_false(emergencies, actors, doctor, episode_id):
    functions = emergencies.contract.functions

    for each in (episode_id, 0, episode_id_of(actors.stranger, 7)):
        assert emergencies.chain.call(functions.locked(each)) is True
    assert emergencies.chain.call(functions.isApprovedForAll(doctor, actors.patient)) is False


def test_receive__ether_or_unknown_call__is_refused_by_both(emergencies, actors):
    chain = emergencies.chain

    for contract in (emergencies.contract, emergencies.accreditation):
        for data, value in ((b"", 1), (b"\xde\xad\xbe\xef", 0), (b"", 0)):
            assert not chain.transact(contract.address, data, sender=actors.stranger, value=value).is_done
        assert chain.balance(contract.address) == 0


def test_limits__of_the_deployment__are_seen(emergencies, chain, contracts, actors):
    accreditation = emergencies.accreditation.address
    other = deploy(
        chain, "EmergencyAccess", contracts.consents.address, accreditation, 7200, DAY, 5, sender=actors.deployer
    )

    limits = [getattr(other.functions, name)() for name in ("longestEpisode", "reviewPeriod", "mostUnreviewed")]
    assert [chain.call(each) for each in limits] == [7200, DAY, 5]


def test_events__replayed__rebuild_episodes_standings_and_bars(emergencies, actors, doctor):
    emergencies.accredit(actors.researcher, REVIEWER, NEVER)
    ids = [episode_id_of(doctor, number) for number in (1, 2, 3)]
    sent = [
        emergencies.break_glass(doctor, actors.patient),
        emergencies.break_glass(doctor, actors.other_patient, reason=3, duration=60),
        emergencies.end(actors.patient, ids[0]),
        emergencies.review(actors.researcher, ids[1], 2),
        emergencies.break_glass(doctor, actors.stranger, reason=4),
        emergencies.review(actors.researcher, ids[0], 1),
        emergencies.set_bar(actors.stranger, actors.stranger, True),
    ]

    episodes, bars = {}, {}
    for receipt in sent:
        for event in receipt.events:
            values = event.values
            match event.name:
                case "GlassBroken":
                    episodes[values["id"]] = [values["patient"], receipt.time, values["endsAt"], values["reason"], 0]
                case "EpisodeEnded":
                    episodes[values["id"]][2] = receipt.time
                case "EpisodeReviewed":
                    episodes[values["id"]][4] = values["verdict"]
                case "BarSet":
                    bars[values["patient"]] = values["barred"], values["count"]

    assert {each: emergencies.episode(each) for each in ids} == {
        each: EpisodeView(*fields) for each, fields in episodes.items()
    }
    reviewed = next(number for number, each in enumerate(ids) if episodes[each][4] == 0)
    assert emergencies.standing(doctor) == (len(episodes), reviewed) == (3, 2)
    assert {patient: emergencies.bar(patient) for patient in bars} == bars
