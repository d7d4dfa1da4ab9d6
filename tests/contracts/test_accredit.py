"""SoleAccreditor

given the accreditor named at deployment
    he accredits as clinician or reviewer until a date, changes it, and suspends with 0; told by its event
    nobody else does: not the accredited, not a stranger, not who deployed
    nobody is accredited as nothing, and nobody is nobody
given a date
    the actor is accredited until the second before, and one kind is not the other
given no accreditor
    the contract is not deployed
"""

from __future__ import annotations

import pytest
from eth_tester.exceptions import TransactionFailed
from evm import NEVER, ZERO_ADDRESS, Event, RefusedError
from people import CLINICIAN, REVIEWER, deploy, deploy_emergencies
from web3.exceptions import ContractLogicError

pytestmark = pytest.mark.contracts


def assert_refused(act, *args):
    with pytest.raises(RefusedError) as refused:
        act()
    assert refused.value.args == args


@pytest.mark.parametrize("kind", [CLINICIAN, REVIEWER])
def test_accredit__by_the_accreditor__is_told_and_of_one_kind(emergencies, actors, kind):
    sent = emergencies.accredit(actors.doctor, kind, NEVER)

    values = {"actor": actors.doctor, "kind": kind, "validUntil": NEVER}
    assert sent.events == (Event("Accredited", values, emergencies.accreditation.address),)
    assert {each: emergencies.is_accredited(actors.doctor, each) for each in (0, CLINICIAN, REVIEWER)} == {
        0: False,
        CLINICIAN: kind == CLINICIAN,
        REVIEWER: kind == REVIEWER,
    }
    assert emergencies.valid_until(actors.doctor, kind) == NEVER
    assert not emergencies.is_accredited(actors.stranger, kind)


@pytest.mark.parametrize(("when", "is_still"), [(-1, True), (0, False), (1, False)])
def test_is_accredited__around_its_end__no_longer_at_it(emergencies, actors, when, is_still):
    end = emergencies.chain.now + 1000
    emergencies.accredit(actors.doctor, until=end)

    emergencies.chain.mine_at(end + when)

    assert emergencies.is_accredited(actors.doctor) is is_still


def test_accredit__again__replaces_the_date(emergencies, actors):
    emergencies.accredit(actors.doctor, until=NEVER)
    sooner = emergencies.chain.now + 1000

    emergencies.accredit(actors.doctor, until=sooner)

    assert emergencies.valid_until(actors.doctor) == sooner


@pytest.mark.parametrize("until", ["never", "past", "now"])
def test_accredit__no_date_or_a_past_one__suspends_from_this_block_on(emergencies, actors, until):
    emergencies.accredit(actors.doctor, until=NEVER)
    emergencies.accredit(actors.doctor, REVIEWER, until=NEVER)
    now = emergencies.chain.now + 5

    emergencies.accredit(actors.doctor, until={"never": 0, "past": 1, "now": now}[until], at=now)

    assert not emergencies.is_accredited(actors.doctor)
    assert emergencies.is_accredited(actors.doctor, REVIEWER)


def test_accredit__latest_date_there_is__is_kept(emergencies, actors):
    emergencies.accredit(actors.doctor, until=2**40 - 1)

    emergencies.chain.mine_at(2**32 + 1)

    assert emergencies.is_accredited(actors.doctor)


def test_accredit__by_anybody_else__is_refused(emergencies, actors, ledger):
    emergencies.accredit(actors.doctor)
    emergencies.accredit(actors.researcher, REVIEWER)

    for caller in (actors.doctor, actors.researcher, actors.patient, actors.stranger):
        for until in (0, NEVER):
            assert_refused(
                lambda caller=caller, until=until: emergencies.accredit(actors.doctor, until=until, sender=caller),
                "SoleAccreditorNotAllowed",
                caller,
            )
    assert emergencies.is_accredited(actors.doctor)


def test_accredit__deployed_by_another__only_who_was_named(chain, contracts, actors):
    accreditation = deploy(chain, "SoleAccreditor", actors.custodian, sender=actors.deployer)
    function = accreditation.functions.accredit(actors.doctor, CLINICIAN, NEVER)

    assert chain.call(accreditation.functions.accreditor()) == actors.custodian
    assert_refused(lambda: chain.send(function, sender=actors.deployer), "SoleAccreditorNotAllowed", actors.deployer)
    chain.send(function, sender=actors.custodian)
    assert chain.call(accreditation.functions.isAccredited(actors.doctor, CLINICIAN))


def test_accredit__as_nothing_or_nobody__is_refused(emergencies, actors):
    assert_refused(lambda: emergencies.accredit(actors.doctor, 0), "SoleAccreditorInvalid", actors.doctor, 0)
    for kind in (0, CLINICIAN, REVIEWER):
        assert_refused(
            lambda kind=kind: emergencies.accredit(ZERO_ADDRESS, kind), "SoleAccreditorInvalid", ZERO_ADDRESS, kind
        )


def test_accredit__a_kind_there_is_not__is_refused(emergencies, actors):
    data = emergencies.accreditation.encode_abi("accredit", [actors.doctor, CLINICIAN, NEVER])
    forged = data[:10] + data[10:74] + f"{3:064x}" + data[138:]

    with pytest.raises((TransactionFailed, ContractLogicError)):
        emergencies.chain.w3.eth.call(
            {"from": emergencies.accreditor, "to": emergencies.accreditation.address, "data": forged}
        )


def test_deploy__without_an_accreditor__is_refused(chain, contracts, actors):
    with pytest.raises((AssertionError, TransactionFailed, ContractLogicError)):
        deploy(chain, "SoleAccreditor", ZERO_ADDRESS, sender=actors.deployer)


def test_accreditor__can_do_nothing_but_accredit(emergencies, authority, ledger, actors):
    accreditor = emergencies.accreditor

    for act, error in (
        (lambda: authority.revoke_all(accreditor, actors.patient), "AuthorityNotAllowed"),
        (lambda: authority.grant_for(accreditor, actors.patient, accreditor), "AuthorityNotAllowed"),
        (lambda: emergencies.break_glass(accreditor, actors.patient), "EmergencyAccessNotAccredited"),
        (lambda: emergencies.set_bar(accreditor, actors.patient, True), "EmergencyAccessNotAllowed"),
    ):
        with pytest.raises(RefusedError) as refused:
            act()
        assert refused.value.name == error


def test_accredit__two_accreditors__know_nothing_of_each_other(emergencies, contracts, chain, actors):
    others = deploy_emergencies(chain, contracts.consents, accreditor=actors.custodian)
    emergencies.accredit(actors.doctor)

    assert not others.is_accredited(actors.doctor)
    assert_refused(
        lambda: others.break_glass(actors.doctor, actors.patient), "EmergencyAccessNotAccredited", actors.doctor
    )
