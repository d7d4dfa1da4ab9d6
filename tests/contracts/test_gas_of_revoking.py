"""Taking back costs no more than giving, whichever way and whoever sends

given the committed figures
    each way to revoke is measured beside the way to grant, costs no more, and not so little that nothing was measured
given any state a grant can be in, and a direct, signed, delegated or batched call
    revoking in this state costs no more than granting in it
"""

from __future__ import annotations

import json
from dataclasses import replace

import gas
import pytest
from evm import NEVER, grant_id_of
from people import DelegationView
from signed_cases import (
    CONTROLLERS_GRANT,
    CONTROLLERS_REVOKE,
    DELEGATES_GRANT,
    DELEGATES_REVOKE,
    OWN_APPOINT,
    OWN_DISMISS,
    OWN_GRANT,
    OWN_REVOKE,
    OWN_REVOKE_ALL,
    Scene,
)

pytestmark = pytest.mark.contracts

PAIRS = {
    "revoke": "grant, again",
    "revoke, again": "grant, after revoke",
    "revoke, before grant": "grant, first",
    "revokeAll, first": "grant, first",
    "revokeAll, again": "grant, after revokeAll",
    "revokeSigned": "grantSigned, again",
    "revokeAllSigned, first": "grantSigned, first",
    "revoke, by a delegate": "grantFor, by a delegate",
    "dismiss": "appoint, again",
    "revoke, one of 100 in a batch": "grantSigned, again, one of 100 in a batch",
}
"""A revocation, and the grant that begins in the same state; a delegate's, in the one that is measured."""

WAYS = {
    "patient, signed": (OWN_GRANT, OWN_REVOKE, True),
    "patient, direct": (OWN_GRANT, OWN_REVOKE, False),
    "delegate, signed": (DELEGATES_GRANT, DELEGATES_REVOKE, True),
    "delegate, direct": (DELEGATES_GRANT, DELEGATES_REVOKE, False),
    "controller, signed": (CONTROLLERS_GRANT, CONTROLLERS_REVOKE, True),
    "controller, direct": (CONTROLLERS_GRANT, CONTROLLERS_REVOKE, False),
}


@pytest.fixture(scope="module")
def committed():
    """What benchmarks/gas.py wrote; another test compares it with what it measures."""
    return {
        name: cost["gas"] for name, cost in json.loads((gas.SNAPSHOTS / "gas.json").read_text("utf-8"))["gas"].items()
    }


@pytest.fixture
def scene(chain, contracts, actors) -> Scene:
    return Scene(chain, contracts, actors)


@pytest.mark.parametrize("revoking", PAIRS)
def test_gas__committed_figures__revoking_costs_no_more(committed, revoking):
    granting = PAIRS[revoking]

    assert committed[granting] / 4 < committed[revoking] <= committed[granting]


def test_gas__committed_figures__every_way_to_revoke_is_compared(committed):
    measured = {name for name in committed if name.startswith(("revoke", "dismiss"))}

    assert measured == PAIRS.keys()


def cost(scene: Scene, function, sender: str) -> int:
    mark = scene.chain.snapshot()
    used = scene.chain.send(function, sender=sender).gas_used
    scene.chain.revert(mark)
    return used


@pytest.mark.parametrize("state", ["nothing", "granted", "granted twice", "revoked", "expired"])
@pytest.mark.parametrize("way", WAYS)
def test_gas__in_any_state__revoking_costs_no_more(scene, actors, way, state):
    granting, revoking, is_signed = WAYS[way]
    revoking = replace(revoking, prepare=granting.prepare)
    granting.set_up(scene)
    epoch, grant_id = 0, grant_id_of(actors.patient, actors.doctor)
    steps = {"nothing": "", "granted": "g", "granted twice": "gg", "revoked": "gr", "expired": "e"}
    for step in steps[state]:
        epoch += 1
        word = scene.message(granting, epoch=epoch - 1)
        if step == "r":
            word = scene.message(revoking, lastEpoch=epoch - 1)
            scene.relay(scene.signed(revoking, word))
        else:
            word["expiresAt"] = scene.chain.now + 10 if step == "e" else NEVER
            scene.relay(scene.signed(granting, word))
    if state == "expired":
        scene.chain.mine_at(scene.chain.now + 100)

    give, take = scene.message(granting, epoch=epoch), scene.message(revoking, lastEpoch=epoch)
    assert take["grantId"] == grant_id
    if is_signed:
        sender, functions = actors.stranger, [scene.signed(granting, give), scene.signed(revoking, take)]
    else:
        sender = getattr(actors, granting.by)
        functions = [granting.direct(scene, give), revoking.direct(scene, take)]
    alone = [cost(scene, each, sender) for each in functions]
    batched = [cost(scene, scene.contracts.consents.functions.batch([each.data]), sender) for each in functions]

    for given, taken in (alone, batched):
        assert given / 4 < taken <= given


@pytest.mark.parametrize("stamp", [0, 1, 254])
@pytest.mark.parametrize("is_signed", [False, True])
def test_gas__revoking_all__costs_no_more_than_one_grant(scene, actors, stamp, is_signed):
    if stamp:
        scene.authority.store_control(actors.patient, stamp=stamp)
    give, take = scene.message(OWN_GRANT, stamp=stamp), scene.message(OWN_REVOKE_ALL, stamp=stamp)

    if is_signed:
        sender, functions = actors.stranger, [scene.signed(OWN_GRANT, give), scene.signed(OWN_REVOKE_ALL, take)]
    else:
        sender, functions = actors.patient, [OWN_GRANT.direct(scene, give), OWN_REVOKE_ALL.direct(scene, take)]
    given, taken = (cost(scene, each, sender) for each in functions)

    assert given / 4 < taken <= given


@pytest.mark.parametrize("epoch", [0, 1, 253])
@pytest.mark.parametrize("is_signed", [False, True])
def test_gas__dismissing__costs_no_more_than_appointing(scene, actors, epoch, is_signed):
    if epoch:
        view = DelegationView(0, NEVER, 1, 3, 0, epoch)
        scene.authority.store_delegation(actors.patient, actors.other_custodian, view)
    give, take = scene.message(OWN_APPOINT, epoch=epoch), scene.message(OWN_DISMISS, lastEpoch=epoch)

    if is_signed:
        sender, functions = actors.stranger, [scene.signed(OWN_APPOINT, give), scene.signed(OWN_DISMISS, take)]
    else:
        sender, functions = actors.patient, [OWN_APPOINT.direct(scene, give), OWN_DISMISS.direct(scene, take)]
    given, taken = (cost(scene, each, sender) for each in functions)

    assert given / 4 < taken <= given
