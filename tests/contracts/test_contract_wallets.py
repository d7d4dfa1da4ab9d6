"""Contract wallets that sign (ERC-1271): as patient, custodian, reader, delegate, and as the key that took over

given a wallet that answers as the standard says
    what its owner signed, or what it approves without a signature, is done as for a key
    asked anew each time: an owner who is no longer one signs nothing more; what was granted stays
given a wallet that answers otherwise: no, nothing, short, long, dirty, reverting, writing, eating all gas
    it is refused like a wrong signature, and nothing else in the batch is harmed
    what it can burn has a bound
given too little gas to ask a wallet properly
    the whole reverts without a reason: it is no answer of the wallet's
given a key, or a part of the EVM, that is no wallet
    it is not asked, and needs no gas for that
given two wallets of one owner
    a signature is for the one that is named
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from evm import CUSTODIAN_KIND, OTHER_TERMS, TERMS, FailedError, RefusedError, grant_id_of
from institutions import Institutions
from signed_cases import (
    DELEGATES_GRANT,
    DELEGATES_REVOKE,
    OWN_APPOINT,
    OWN_DISMISS,
    OWN_GRANT,
    OWN_NAME_GUARDIANS,
    OWN_REVOKE,
    OWN_REVOKE_ALL,
    OWN_SET_BAR,
    REGISTER,
    SET_KEY,
    Scene,
)
from signing import key_of, sign, signable

from medshare.model.typed_data import MAX_SIGNATURE_SIZE

pytestmark = pytest.mark.contracts

(
    HONEST,
    YES,
    NO,
    REVERTS,
    REVERTS_WITH_YES,
    PANICS,
    EATS_GAS,
    EMPTY,
    SHORT,
    LONG,
    DIRTY,
    SHIFTED,
    TRUE,
    HUGE,
    REVERTS_HUGE,
    WRITES,
    DEMANDING,
) = range(17)
BAD = {
    "no": NO,
    "reverts": REVERTS,
    "reverts with yes": REVERTS_WITH_YES,
    "panics": PANICS,
    "eats gas": EATS_GAS,
    "empty": EMPTY,
    "short": SHORT,
    "long": LONG,
    "dirty": DIRTY,
    "shifted": SHIFTED,
    "true": TRUE,
    "huge": HUGE,
    "reverts, huge": REVERTS_HUGE,
    "writes": WRITES,
}
MOST_BURNT = 400_000
"""All that a wallet is given: a long answer is not copied at the sender's cost."""

OWN = (SET_KEY, REGISTER, OWN_GRANT, OWN_REVOKE, OWN_REVOKE_ALL, OWN_APPOINT, OWN_DISMISS, OWN_NAME_GUARDIANS)


class Wallets:
    """A scene in which one of the actors is a contract wallet."""

    def __init__(self, scene: Scene, deploy) -> None:
        self.scene = scene
        self.wallet = deploy("Wallet__Mock")
        self.owner = scene.actors.other_patient
        self.set(HONEST)

    @property
    def address(self) -> str:
        return self.wallet.address

    def set(self, manner: int, owner: str | None = None) -> None:
        function = self.wallet.functions.set(owner or self.owner, manner)
        self.scene.chain.send(function, sender=self.scene.actors.deployer)

    def acts(self, function) -> None:
        execute = self.wallet.functions.execute(function.address, function.data)
        self.scene.chain.send(execute, sender=self.scene.actors.deployer)

    def as_(self, who: str) -> Scene:
        """Return the scene with the wallet in this part."""
        return replace(self.scene, actors=replace(self.scene.actors, **{who: self.address}))

    def signature(self, scene: Scene, case, message, *, owner: str | None = None) -> bytes:
        key = key_of(owner or self.owner)
        return sign(key, signable(scene.domain(case.contract), case.struct, message))

    def signed(self, scene: Scene, case, **how):
        message = scene.message(case)
        return scene.form(case, message, self.signature(scene, case, message, **how))


@pytest.fixture
def wallets(chain, contracts, actors, deploy_harness) -> Wallets:
    return Wallets(Scene(chain, contracts, actors), deploy_harness)


def refusal(scene: Scene, function) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        scene.chain.call(function, sender=scene.actors.stranger)
    return refused.value


def prepared(wallets: Wallets, case) -> Scene:
    """Return the scene in which the wallet is who the case says, after what must be there was done by the wallet."""
    scene = wallets.as_(case.by)
    functions = {
        "revokeSigned": OWN_GRANT.direct,
        "revokeAllSigned": OWN_GRANT.direct,
        "dismissSigned": OWN_APPOINT.direct,
    }
    if case is REGISTER:
        institutions = Institutions(scene.chain, scene.contracts.consortium)
        institutions.accredit(scene.actors.member, wallets.address, CUSTODIAN_KIND)
    if case.verb in functions:
        source = OWN_APPOINT if case.verb == "dismissSigned" else OWN_GRANT
        wallets.acts(functions[case.verb](scene, scene.message(source)))
    return scene


# ------------------------------------------------------------------------------------------------ the honest wallet


@pytest.mark.parametrize("case", OWN, ids=lambda case: case.name)
def test_wallet__its_owner_signed__is_done(wallets, case):
    scene = prepared(wallets, case)

    sent = scene.relay(wallets.signed(scene, case))

    assert sent.events
    assert wallets.address in str(scene.observe(case)) or sent.events[0].values


@pytest.mark.parametrize("case", OWN, ids=lambda case: case.name)
def test_wallet__a_stranger_signed__is_refused(wallets, case):
    scene = prepared(wallets, case)

    refused = refusal(scene, wallets.signed(scene, case, owner=scene.actors.stranger))

    assert refused.args == ("SignedSignatureInvalid", wallets.address)


@pytest.mark.parametrize("case", [DELEGATES_GRANT, DELEGATES_REVOKE], ids=lambda case: case.name)
@pytest.mark.parametrize("manner", [HONEST, NO])
def test_wallet__is_a_delegate__is_asked(wallets, case, manner):
    scene = wallets.as_("researcher")
    case.set_up(scene)
    wallets.set(manner)
    function = wallets.signed(scene, case)

    if manner == NO:
        assert refusal(scene, function).args == ("SignedSignatureInvalid", wallets.address)
    else:
        assert scene.relay(function).events[0].values == {"patient": scene.actors.patient, "actor": wallets.address}


@pytest.mark.parametrize("manner", [HONEST, NO])
def test_wallet__took_over_for_a_patient__is_asked(wallets, manner):
    scene = wallets.as_("researcher")
    scene.authority.store_control(scene.actors.patient, controller=int(wallets.address, 16), tenure=1)
    wallets.set(manner)
    case = replace(OWN_REVOKE_ALL, by="researcher", role="controller", mandate=1)
    function = wallets.signed(scene, case)

    if manner == NO:
        assert refusal(scene, function).args == ("SignedSignatureInvalid", wallets.address)
    else:
        scene.relay(function)
        assert scene.ledger.stamp(scene.actors.patient) == 1


@pytest.mark.parametrize("manner", [HONEST, NO])
def test_wallet__bars_break_glass__is_asked(wallets, emergencies, manner):
    wallets.scene = replace(wallets.scene, emergencies=emergencies)
    scene = wallets.as_("patient")
    wallets.set(manner)
    function = wallets.signed(scene, OWN_SET_BAR)

    if manner == NO:
        assert refusal(scene, function).args == ("SignedSignatureInvalid", wallets.address)
    else:
        scene.relay(function)
        assert emergencies.bar(wallets.address) == (True, 1)


def test_wallet__approves_without_a_signature__is_done(wallets):
    scene = wallets.as_("patient")
    wallets.set(YES)

    scene.relay(scene.form(OWN_GRANT, scene.message(OWN_GRANT), b""))

    assert scene.ledger.is_live(grant_id_of(wallets.address, scene.actors.doctor))


def test_wallet__named_as_signer_of_its_own__is_done(wallets):
    scene = wallets.as_("patient")
    message = scene.message(OWN_GRANT)
    signature = wallets.signature(scene, OWN_GRANT, message)
    case = replace(OWN_GRANT, role="itself")

    sent = scene.relay(scene.form(case, message, signature))

    assert sent.events[0].values == {"patient": wallets.address, "actor": wallets.address}
    assert scene.ledger.is_live(grant_id_of(wallets.address, scene.actors.doctor))


# -------------------------------------------------------------------------------------------------- asked each time


def test_wallet__flips_its_answer__counts_as_it_stands(wallets):
    scene = wallets.as_("patient")
    function = wallets.signed(scene, OWN_GRANT)

    wallets.set(NO)
    assert refusal(scene, function).args == ("SignedSignatureInvalid", wallets.address)
    wallets.set(HONEST)
    scene.relay(function)

    wallets.set(NO)
    grant_id = grant_id_of(wallets.address, scene.actors.doctor)
    assert scene.ledger.is_live(grant_id), "what was granted needs no further yes"
    wallets.acts(scene.contracts.consents.functions.revoke(grant_id))
    assert not scene.ledger.is_live(grant_id)


def test_wallet__has_another_owner_now__refuses_what_the_first_signed(wallets):
    scene = wallets.as_("patient")
    function = wallets.signed(scene, OWN_GRANT)

    wallets.set(HONEST, owner=scene.actors.other_custodian)

    assert refusal(scene, function).args == ("SignedSignatureInvalid", wallets.address)
    scene.relay(wallets.signed(scene, OWN_GRANT, owner=scene.actors.other_custodian))


def test_wallet__signed_twice__is_refused_the_second_time(wallets):
    scene = wallets.as_("patient")
    function = wallets.signed(scene, OWN_GRANT)
    wallets.set(YES)
    scene.relay(function)

    assert refusal(scene, function).args == ("SignedOutdated", 0, 1)


def test_wallet__two_of_one_owner__each_signs_for_itself(wallets, deploy_harness):
    scene, other = wallets.as_("patient"), Wallets(wallets.scene, deploy_harness)
    others = other.as_("patient")
    signature = wallets.signature(scene, OWN_GRANT, scene.message(OWN_GRANT))

    refused = refusal(others, others.form(OWN_GRANT, others.message(OWN_GRANT), signature))

    assert refused.args == ("SignedSignatureInvalid", other.address)


def test_wallet__has_no_code_yet__is_refused(wallets):
    scene = wallets.as_("patient")
    nowhere = "0x00000000000000000000000000000000000000f1"
    scene = replace(scene, actors=replace(scene.actors, patient=nowhere))

    refused = refusal(scene, wallets.signed(scene, OWN_GRANT))

    assert refused.args == ("SignedSignatureInvalid", nowhere)


@pytest.mark.parametrize("number", range(1, 10))
def test_wallet__is_a_part_of_the_evm__is_refused(wallets, number):
    precompile = f"0x{number:040x}"
    scene = replace(wallets.scene, actors=replace(wallets.scene.actors, patient=precompile))

    refused = refusal(scene, wallets.signed(scene, OWN_GRANT))

    assert refused.args == ("SignedSignatureInvalid", precompile)


def test_key__signed_something_else_and_gas_is_scarce__is_refused_by_name(wallets):
    """Only a wallet needs the gas to be asked with: what a key has not signed costs a batch little."""
    scene, consents = wallets.scene, wallets.scene.contracts.consents
    forged = scene.signed(OWN_GRANT, by=scene.actors.stranger)
    function = consents.functions.batch([forged.data] * 5)

    mined = scene.chain.attempt(function, sender=scene.actors.stranger, gas=200_000)

    assert mined.is_done
    assert len(mined.logs) == 5


# ------------------------------------------------------------------------------------------------- the bad wallet


@pytest.mark.parametrize("manner", BAD.values(), ids=BAD.keys())
def test_wallet__answers_otherwise__is_refused(wallets, manner):
    scene = wallets.as_("patient")
    function = wallets.signed(scene, OWN_GRANT)
    wallets.set(manner)

    assert refusal(scene, function).args == ("SignedSignatureInvalid", wallets.address)


@pytest.mark.parametrize("manner", BAD.values(), ids=BAD.keys())
def test_wallet__answers_otherwise_in_a_batch__harms_nothing_else(wallets, manner):
    scene, consents = wallets.as_("patient"), wallets.scene.contracts.consents
    bad = wallets.signed(scene, OWN_GRANT)
    wallets.set(manner)
    before, after = (
        wallets.scene.signed(OWN_GRANT, wallets.scene.message(OWN_GRANT, terms=terms)) for terms in (TERMS, OTHER_TERMS)
    )
    calls = [function.data for function in (before, bad, after)]

    sent = scene.relay(consents.functions.batch(calls))

    [refused] = [event.values for event in sent.events if event.name == "CallRefused"]
    assert refused["index"] == 1
    assert refused["reason"][4:] == bytes(12) + bytes.fromhex(wallets.address[2:])
    for terms in (TERMS, OTHER_TERMS):
        assert wallets.scene.ledger.is_live(grant_id_of(wallets.scene.actors.patient, scene.actors.doctor, terms))


@pytest.mark.parametrize("manner", [EATS_GAS, WRITES, HUGE, REVERTS_HUGE])
def test_wallet__burns_what_it_can__has_a_bound(wallets, manner):
    scene, consents = wallets.as_("patient"), wallets.scene.contracts.consents
    calls = [wallets.signed(scene, OWN_GRANT).data]
    wallets.set(NO)
    honest = scene.relay(consents.functions.batch(calls)).gas_used
    wallets.set(manner)

    burnt = scene.relay(consents.functions.batch(calls)).gas_used

    assert 300_000 < burnt - honest < MOST_BURNT


def test_wallet__wants_all_the_gas_it_is_promised__is_asked_properly_or_not_at_all(wallets):
    scene = wallets.as_("patient")
    function = scene.form(OWN_GRANT, scene.message(OWN_GRANT), bytes(MAX_SIGNATURE_SIZE))
    wallets.set(DEMANDING)

    def outcome(gas: int) -> str:
        try:
            scene.chain.call(function, sender=scene.actors.stranger, gas=gas)
        except FailedError:
            return "no answer"
        except RefusedError as error:
            return "refused" if wallets.address in error.values else "no answer"
        return "done"

    too_little, enough = 300_000, 700_000
    assert (outcome(too_little), outcome(enough)) == ("no answer", "done")
    while enough - too_little > 200:
        middle = (too_little + enough) // 2
        if outcome(middle) == "done":
            enough = middle
        else:
            too_little = middle

    # What is left after the wallet's answer must pay for the grant: the wallet is asked from 30,000 earlier on.
    near = {gas: outcome(gas) for gas in range(enough - 50_000, enough + 1_000, 250)}
    assert near == {gas: "done" if gas >= enough else "no answer" for gas in near}


def test_wallet__too_little_gas_in_a_batch__reverts_the_whole(wallets):
    scene, consents = wallets.as_("patient"), wallets.scene.contracts.consents
    own = wallets.scene.signed(OWN_GRANT).data
    function = consents.functions.batch([own, wallets.signed(scene, OWN_GRANT).data])
    before = scene.chain.nonce(scene.actors.stranger)

    mined = scene.chain.attempt(function, sender=scene.actors.stranger, gas=420_000)

    assert (mined.is_done, mined.logs) == (False, ())
    assert scene.chain.nonce(scene.actors.stranger) == before + 1
    assert not wallets.scene.ledger.is_live(grant_id_of(wallets.scene.actors.patient, scene.actors.doctor))
    scene.relay(function)
    assert wallets.scene.ledger.is_live(grant_id_of(wallets.scene.actors.patient, scene.actors.doctor))
    assert scene.ledger.get_grant(grant_id_of(wallets.address, scene.actors.doctor)).epoch == 1
