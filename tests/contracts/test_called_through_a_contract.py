"""Who calls counts, and never who pays: a contract that is called by somebody who may act

given a contract that passes on what it is told
    when the one in control, or a delegate, calls it: the contract may not act for the patient, and nothing changes
    when it is itself the one in control, or a delegate: it may, whoever calls it
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from evm import RefusedError
from signed_cases import CASES, Scene

pytestmark = pytest.mark.contracts

FOR_A_PATIENT = [
    case
    for case in CASES
    if case.contract not in ("Consortium", "RecordRegistry") and (case.struct, case.role) != ("Grant", "patient")
]
"""A patient's own grant names no patient: it is the caller's, as another test shows."""

FOR_ANOTHER = [case for case in FOR_A_PATIENT if case.role != "patient"]
"""A contract as patient is in test_contract_wallets.py."""


@pytest.fixture(params=FOR_A_PATIENT, ids=lambda case: case.name)
def case(request):
    return request.param


@pytest.fixture
def scene(request, chain, contracts, actors, case) -> Scene:
    needed = case.contract == "EmergencyAccess"
    return Scene(chain, contracts, actors, request.getfixturevalue("emergencies") if needed else None)


@pytest.fixture
def through(deploy_harness, scene, case):
    return deploy_harness("Wallet__Mock")


def passing_on(wallet, function):
    return wallet.functions.execute(function.address, function.data)


def test_called_through__by_who_may__is_the_contracts_call_and_refused(scene, case, through):
    case.set_up(scene)
    function = passing_on(through, case.direct(scene, scene.message(case)))

    with pytest.raises(RefusedError) as refused:
        scene.chain.send(function, sender=getattr(scene.actors, case.by))

    assert refused.value.name in ("AuthorityNotAllowed", "EmergencyAccessNotAllowed", "EscrowNotAllowed")
    assert refused.value.values[-1] == through.address


@pytest.mark.parametrize("case", FOR_ANOTHER, ids=lambda case: case.name, indirect=True)
def test_called_through__the_contract_may_itself__is_done_whoever_calls(scene, case, through):
    scene = replace(scene, actors=replace(scene.actors, **{case.by: through.address}))
    case.set_up(scene)

    sent = scene.relay(passing_on(through, case.direct(scene, scene.message(case))))

    assert sent.events
