"""Deploying, and knowing what was deployed.

given a chain without our contracts
├── who shall govern should be named on a real network, known on a development one, and never be the deployer
├── a dry run should say what it takes and change nothing
└── deploying should make each contract once, write the file, and check the code
given a deployment that breaks off anywhere
└── running it again should go on and deploy nothing twice
given a deployment on file
├── another should be refused, unless the one to be replaced is named
├── that who deployed has no right should be proved, from the contracts and from all they told
└── a file that is not true should be noticed: no code, other code, other chain, other version, other facts
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chain_world import World
from eth_abi import decode

from medshare.chain import (
    Deployment,
    LocalSigner,
    NetworkProfile,
    OpenChain,
    check_deployment,
    load_network,
    open_chain,
    plan_deployment,
    verify_deployment,
)
from medshare.chain.artifacts import CONTRACTS, load_artifact
from medshare.chain.constructors import founding_members
from medshare.chain.development import member_signer
from medshare.chain.networks import DeploymentChoices, Faucet
from medshare.chain.opening import genesis_signer
from medshare.chain.signing import domains_of
from medshare.errors import (
    ConfigurationError,
    DeploymentMismatchError,
    DeploymentNotFoundError,
    InvalidInputError,
    WrongChainError,
)
from medshare.hashing import keccak256
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import MAX_TIME
from medshare.model.delegation import Circle
from medshare.model.eip712 import Domain
from medshare.model.emergency import EmergencyLimits
from medshare.model.governed import AdmitMember, GovernedCall, RemoveMember, encode_call
from medshare.model.ids import ZERO_ADDRESS
from medshare.model.proposal import VotingRules
from medshare.model.purpose import Purpose
from medshare.model.request import DAY, Periods, RequestTerms, Split
from medshare.model.typed_data import SignableRecover, SignedMessage, to_typed_data

pytestmark = pytest.mark.integration


@pytest.fixture
def bare(tmp_path: Path) -> Any:
    with open_chain(load_network("embedded"), tmp_path) as chain:
        yield chain


def _nonce(chain: OpenChain) -> int:
    return chain.client.nonce(genesis_signer().address, pending=True)


def test_deploy__both_chains__every_fact_is_true(world: World) -> None:
    deployment = world.chain.deployment
    assert [contract.name for contract in deployment.contracts] == list(CONTRACTS)
    assert len(verify_deployment(world.chain.client, deployment)) == len(CONTRACTS) + 4
    for contract in deployment.contracts:
        artifact = load_artifact(contract.name)
        bare, _ = artifact.dissected(world.chain.client.code(contract.address))
        assert contract.runtime_hash == keccak256(bare) == artifact.runtime_hash
        assert contract.compiler_settings == artifact.settings
    assert Deployment.load(world.chain.deployment_file, deployment.network) == deployment


def test_deploy__nothing_chosen__the_member_is_the_development_one_and_the_rest_is_the_usual(
    embedded: OpenChain,
) -> None:
    deployment = embedded.deployment
    consortium, registry, consents, emergency, requests, attestations = map(deployment.contract, CONTRACTS)
    assert decode(["address[]", "uint8", "uint32"], consortium.constructor_arguments) == (
        (member_signer().address.lower(),),
        51,
        7 * DAY,
    )
    assert decode(["address"], registry.constructor_arguments) == (consortium.address.lower(),)
    assert consents.constructor_arguments == b""
    assert decode(["address"], attestations.constructor_arguments) == (consortium.address.lower(),)
    assert decode(["address", "address", "uint32", "uint32", "uint32"], emergency.constructor_arguments) == (
        consents.address.lower(),
        consortium.address.lower(),
        4 * 3600,
        72 * 3600,
        16,
    )
    kinds = ["address", "address", "(uint16,uint16,bool)", "uint32", "uint32"]
    assert decode(kinds, requests.constructor_arguments) == (
        consortium.address.lower(),
        consents.address.lower(),
        (7_000, 2_000, True),
        14 * DAY,
        30 * DAY,
    )


MEMBERS = tuple(LocalSigner.generate().address for _ in range(3))


def chosen(tmp_path: Path, **choices: str) -> NetworkProfile:
    """Return the embedded network with choices of its own."""
    networks = tmp_path / "networks.toml"
    lines = [f"{key} = {value}" for key, value in choices.items()]
    networks.write_text("\n".join(["[networks.embedded.deployment]", *lines]))
    return load_network("embedded", networks)


def test_deploy__chosen_in_the_profile__is_what_the_contracts_answer(tmp_path: Path) -> None:
    profile = chosen(
        tmp_path,
        members=str(list(MEMBERS)),
        quorum="67",
        voting_period="3600",
        patient_share="5000",
        custodian_share="4000",
        dispute_period="7200",
        longest_episode="60",
        most_unreviewed="3",
    )
    with open_chain(profile, tmp_path) as chain:
        chain.ensure_deployed()
        ledger, head = chain.ledger, chain.ledger.chain.head()
        assert tuple(ledger.consortium.member_at(seat, block=head) for seat in (1, 2, 3)) == MEMBERS
        assert ledger.consortium.voting_rules(block=head) == VotingRules(quorum=67, voting_period=3600)
        assert ledger.escrow.split(2, block=head) == Split(patient=5_000, custodian=4_000)
        assert ledger.escrow.periods(block=head) == Periods(dispute_period=7200, decision_period=30 * DAY)
        assert ledger.emergencies.limits(block=head) == EmergencyLimits(longest_episode=60, most_unreviewed=3)
        with pytest.raises(ConfigurationError, match="institutions of their own"):
            chain.development_member()


def test_development_member__has_coins_and_accredits(embedded: OpenChain) -> None:
    member, hospital = embedded.development_member(), LocalSigner.generate()
    assert embedded.client.balance(member.address) > 0
    embedded.ledger.accreditation.accredit(member, hospital.address, AccreditationKind.CUSTODIAN, MAX_TIME)
    assert member.address != genesis_signer().address


def test_deploy__the_deployer_is_a_founding_member__is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    profile = chosen(tmp_path, members=str([MEMBERS[0], str(genesis_signer().address)]))
    with open_chain(profile, tmp_path) as chain:
        for act in (chain.ensure_deployed, lambda: plan_deployment(chain.client, genesis_signer().address)):
            with pytest.raises(ConfigurationError, match="founding member"):
                act()
        assert _nonce(chain) == 0


@pytest.mark.parametrize(
    ("members", "said"), [((), "names no founding members"), ((member_signer().address,), "whose key everybody has")]
)
def test_deploy__a_real_network_without_members_of_its_own__is_refused(members: tuple, said: str) -> None:
    profile = replace(load_network("anvil"), faucet=Faucet.NONE, deployment=DeploymentChoices(members=members))
    with pytest.raises(ConfigurationError, match=said):
        founding_members(profile, MEMBERS[0])
    institutions = DeploymentChoices(members=MEMBERS)
    assert founding_members(replace(profile, deployment=institutions), ZERO_ADDRESS) == MEMBERS


@pytest.mark.parametrize("name", ["Consortium", "RecordRegistry", "EmergencyAccess", "AccessRequests", "Attestations"])
def test_verify__other_constructor_arguments_than_the_file_says__is_noticed(embedded: OpenChain, name: str) -> None:
    deployment = embedded.deployment
    for place in range(0, len(deployment.contract(name).constructor_arguments), 32):
        contracts = tuple(
            replace(each, constructor_arguments=_flipped(each.constructor_arguments, place + 31))
            if each.name == name
            else each
            for each in deployment.contracts
        )
        with pytest.raises(DeploymentMismatchError, match="constructor arguments"):
            verify_deployment(embedded.client, replace(deployment, contracts=contracts))


@pytest.mark.parametrize(("name", "place"), [("Consortium", 4), ("RecordRegistry", 0), ("EmergencyAccess", 3)])
def test_check__arguments_that_lie_in_code_or_seats__are_compared_each_time(
    embedded: OpenChain, name: str, place: int
) -> None:
    deployment = embedded.deployment
    lie = _flipped(deployment.contract(name).constructor_arguments, place * 32 + 31)
    contracts = tuple(
        replace(each, constructor_arguments=lie) if each.name == name else each for each in deployment.contracts
    )
    with pytest.raises(DeploymentMismatchError, match="constructor arguments"):
        check_deployment(embedded.client, replace(deployment, contracts=contracts))


def test_check__arguments_of_a_consortium_that_are_none__is_noticed(embedded: OpenChain) -> None:
    with pytest.raises(DeploymentMismatchError, match="constructor arguments"):
        check_deployment(embedded.client, _changed(embedded.deployment, constructor_arguments=b"\1"))


@pytest.mark.parametrize("name", ["RecordRegistry", "EmergencyAccess", "AccessRequests", "Attestations"])
def test_verify__asks_contracts_of_another_deployment__is_noticed(embedded: OpenChain, name: str) -> None:
    first = embedded.deployment
    second = embedded.deploy(genesis_signer(), replacing=first.deployment_id)
    mixed = tuple(first.contract(name) if one.name == name else one for one in second.contracts)
    with pytest.raises(DeploymentMismatchError, match="another deployment"):
        check_deployment(embedded.client, replace(second, contracts=mixed))


def test_verify__consortium_of_another_deployment__is_told_apart_by_its_domain(embedded: OpenChain) -> None:
    first = embedded.deployment
    artifact = load_artifact("Consortium")
    found = artifact.dissected(embedded.client.code(first.contract("Consortium").address))
    domain = Domain.of("Consortium", embedded.client.chain_id, first.contract("Consortium").address)
    assert found is not None
    assert sorted(found[1]) == sorted([embedded.client.chain_id.to_bytes(32, "big"), domain.separator])


# ---------------------------------------------------------------------------------- the deployer's rights


def test_verify__the_deployer__is_proved_to_have_no_right_line_by_line(embedded: OpenChain) -> None:
    deployer = genesis_signer().address
    lines = verify_deployment(embedded.client, embedded.deployment)[len(CONTRACTS) :]
    assert [line.removeprefix(f"deployer {deployer}: ") for line in lines] == [
        "no member of the consortium, and never was",
        "accredited for nothing, and never was",
        "in control of no other account, and never was",
        "no credit, and never had any",
    ]


def _seated(chain: OpenChain) -> None:
    _decided(chain, AdmitMember(member=genesis_signer().address))


def _seated_once(chain: OpenChain) -> None:
    _seated(chain)
    call = RemoveMember(member=genesis_signer().address)
    ledger, member = chain.ledger, chain.development_member()
    number = ledger.consortium.propose(member, call, bytes(32)).proposal_id
    ledger.consortium.vote(genesis_signer(), number)
    ledger.consortium.execute(member, number, encode_call(call))


def _accredited(chain: OpenChain) -> None:
    member, deployer = chain.development_member(), genesis_signer().address
    chain.ledger.accreditation.accredit(member, deployer, AccreditationKind.REVIEWER, MAX_TIME)


def _accredited_once(chain: OpenChain) -> None:
    _accredited(chain)
    member, deployer = chain.development_member(), genesis_signer().address
    chain.ledger.accreditation.accredit(member, deployer, AccreditationKind.REVIEWER, 0)


def _credited(chain: OpenChain) -> None:
    """He asked for something, and cancelled it: the deposit is his to withdraw. No right over others, but told."""
    _accredited(chain)
    ledger, deployer, head = chain.ledger, genesis_signer(), chain.ledger.chain.head()
    terms = RequestTerms(
        purposes=Purpose.HRESCH,
        category=1,
        grants=1,
        deadline=head.time + DAY,
        access_days=0,
        reward=1,
        document=b"\1" * 32,
    )
    member = chain.development_member()
    ledger.accreditation.accredit(member, deployer.address, AccreditationKind.RESEARCHER, MAX_TIME)
    ledger.requests.cancel(deployer, ledger.requests.open(deployer, terms).request_id)


def _in_control(chain: OpenChain) -> None:
    """A patient's guardians gave him the patient's control."""
    patient, guardian, deployer = LocalSigner.generate(), LocalSigner.generate(), genesis_signer()
    chain.fund(patient.address)
    circle = Circle.of([guardian.address], 1, bytes(32))
    authority = chain.ledger.authority
    authority.name_guardians(patient, patient.address, circle.digest(patient.address), DAY)
    now = chain.ledger.chain.head().time
    message = SignableRecover(patient=patient.address, controller=deployer.address, attempt=1, deadline=now + DAY)
    domain = domains_of(chain.deployment)["ConsentRegistry"]
    signature = guardian.sign_typed_data(to_typed_data(message, domain))
    approval = SignedMessage(message=message, domain=domain, signer=guardian.address, signature=signature)
    authority.propose_recovery(patient, circle, [approval])
    chain.node.warp(DAY)
    authority.complete_recovery(patient, patient.address)


def _decided(chain: OpenChain, call: GovernedCall) -> None:
    member, consortium = chain.development_member(), chain.ledger.consortium
    number = consortium.propose(member, call, bytes(32)).proposal_id
    consortium.execute(member, number, encode_call(call))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (_seated, "no member"),
        (_seated_once, "no member"),
        (_accredited, "accredited for nothing"),
        (_accredited_once, "accredited for nothing"),
        (_credited, "accredited for nothing"),
        (_in_control, "in control of no other"),
    ],
)
def test_verify__the_deployer_has_or_had_a_right__is_noticed(
    embedded: OpenChain, given: Callable[[OpenChain], None], said: str
) -> None:
    given(embedded)
    with pytest.raises(DeploymentMismatchError, match=f"untrue of the deployer.*{said}"):
        verify_deployment(embedded.client, embedded.deployment)
    check_deployment(embedded.client, embedded.deployment)


def test_dissected__one_word_of_an_immutable_differs__is_none() -> None:
    artifact = load_artifact("EmergencyAccess")
    (places, *_) = [places for places in artifact.immutables if len(places) > 1]
    assert artifact.dissected(artifact.runtime_code) is not None
    assert artifact.dissected(_flipped(artifact.runtime_code, places[1])) is None
    assert artifact.dissected(artifact.runtime_code[:-1]) is None


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_plan__dry_run__changes_nothing_and_is_about_right(bare: OpenChain) -> None:
    plan = plan_deployment(bare.client, genesis_signer().address)
    assert _nonce(bare) == 0
    with pytest.raises(DeploymentNotFoundError):
        _ = bare.deployment
    deployment = bare.deploy(genesis_signer())
    planned = {one.name: one.constructor_arguments for one in plan.contracts}
    assert planned == {one.name: one.constructor_arguments for one in deployment.contracts}
    used = sum(contract.gas_used for contract in deployment.contracts)
    assert used <= plan.gas <= used * 1.01
    assert plan.cost == plan.gas * plan.price > 0


def test_ensure_deployed__twice_and_reopened__deploys_once(tmp_path: Path) -> None:
    with open_chain(load_network("embedded"), tmp_path) as chain:
        first = chain.ensure_deployed()
        assert chain.ensure_deployed() == first
        assert _nonce(chain) == len(CONTRACTS)
    with open_chain(load_network("embedded"), tmp_path) as chain:
        assert chain.ensure_deployed() == first
        assert _nonce(chain) == len(CONTRACTS)


@pytest.mark.anvil
def test_ensure_deployed__on_a_shared_chain__deploys_nothing(anvil: Any, tmp_path: Path) -> None:
    with (
        open_chain(replace(load_network("anvil"), url=anvil.url), tmp_path) as chain,
        pytest.raises(DeploymentNotFoundError),
    ):
        chain.ensure_deployed()


@pytest.mark.parametrize("step", range(len(CONTRACTS)))
@pytest.mark.parametrize("moment", ["before", "after"])
def test_deploy__breaks_off__goes_on_and_deploys_nothing_twice(
    bare: OpenChain, monkeypatch: pytest.MonkeyPatch, step: int, moment: str
) -> None:
    send, sent = bare.client.send_raw, []

    def break_off(raw: bytes) -> None:
        if len(sent) == step:
            if moment == "after":
                send(raw)
            raise KeyboardInterrupt
        sent.append(raw)
        send(raw)

    monkeypatch.setattr(bare.client, "send_raw", break_off)
    with pytest.raises(KeyboardInterrupt):
        bare.deploy(genesis_signer())
    assert not bare.deployment_file.exists()
    monkeypatch.undo()
    deployment = bare.deploy(genesis_signer())
    assert _nonce(bare) == len(CONTRACTS)
    verify_deployment(bare.client, deployment)


def test_deploy__breaks_off_before_the_file__is_the_same_deployment(
    bare: OpenChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Deployment, "save", fail)
    with pytest.raises(KeyboardInterrupt):
        bare.deploy(genesis_signer())
    monkeypatch.undo()
    bare.deploy(genesis_signer())
    assert _nonce(bare) == len(CONTRACTS)


def test_deploy__one_is_on_file__is_refused_unless_named(embedded: OpenChain) -> None:
    first = embedded.deployment
    for replacing in (None, "000000000000"):
        with pytest.raises(ConfigurationError, match=first.deployment_id):
            embedded.deploy(genesis_signer(), replacing=replacing)
    assert _nonce(embedded) == len(CONTRACTS)
    second = embedded.deploy(genesis_signer(), replacing=first.deployment_id)
    assert second.deployment_id != first.deployment_id
    assert embedded.deployment == second
    assert _nonce(embedded) == 2 * len(CONTRACTS)
    with pytest.raises(ConfigurationError):
        first.save(embedded.deployment_file)


# ------------------------------------------------------------------------------------- what has changed since


def _of_another_version(chain: OpenChain, *names: str) -> Deployment:
    """Let the file say that contracts were made of other code, as after an update of medshare."""
    contracts = tuple(
        replace(one, creation_hash=b"\1" * 32, runtime_hash=b"\2" * 32) if one.name in names else one
        for one in chain.deployment.contracts
    )
    changed = replace(chain.deployment, contracts=contracts)
    chain.deployment_file.write_bytes(changed.to_json())
    return changed


@pytest.mark.parametrize(
    ("changed", "anew"),
    [
        ((), ()),
        (("AccessRequests",), ("AccessRequests",)),
        (("RecordRegistry",), ("RecordRegistry",)),
        (("ConsentRegistry",), ("ConsentRegistry", "EmergencyAccess", "AccessRequests")),
        (("Consortium",), ("Consortium", "RecordRegistry", "EmergencyAccess", "AccessRequests", "Attestations")),
    ],
)
def test_update__some_contracts_changed__they_and_who_asks_them_are_made_anew_and_the_rest_stays(
    embedded: OpenChain, changed: tuple[str, ...], anew: tuple[str, ...]
) -> None:
    first = _of_another_version(embedded, *changed)
    plan = plan_deployment(embedded.client, genesis_signer().address, replacing=first, keeping=True)
    assert tuple(one.name for one in plan.contracts if one.kept is None) == anew
    assert (plan.changes_nothing, plan.gas == 0) == (not anew, not anew)
    second = embedded.deploy(genesis_signer(), replacing=first.deployment_id, keeping=True)
    assert _nonce(embedded) == len(CONTRACTS) + len(anew)
    for before, now, planned in zip(first.contracts, second.contracts, plan.contracts, strict=True):
        assert (now == before) == (now.name not in anew)
        assert now.version == planned.version == 1 + (now.name in anew)
        assert now.constructor_arguments == planned.constructor_arguments
    assert second.earlier == tuple(one for one in first.contracts if one.name in anew)
    assert Deployment.load(embedded.deployment_file, "embedded") == second
    verify_deployment(embedded.client, second)


def test_update__what_was_in_contracts_that_stay__is_still_there(embedded: OpenChain) -> None:
    embedded.ledger.directory.set_encryption_key(genesis_signer(), b"\5" * 32)
    first = _of_another_version(embedded, "AccessRequests")
    embedded.deploy(genesis_signer(), replacing=first.deployment_id, keeping=True)
    ledger = embedded.ledger
    assert ledger.directory.encryption_key(genesis_signer().address, block=ledger.chain.head()).key == b"\5" * 32


def test_update__code_on_chain_is_not_what_the_file_says__nothing_is_sent(embedded: OpenChain) -> None:
    first = embedded.deployment
    lie = replace(first.contracts[1], address=first.contracts[0].address)
    lying = replace(first, contracts=(first.contracts[0], lie, *first.contracts[2:]))
    embedded.deployment_file.write_bytes(lying.to_json())
    for act in (
        lambda: plan_deployment(embedded.client, ZERO_ADDRESS, replacing=lying, keeping=True),
        lambda: embedded.deploy(genesis_signer(), replacing=lying.deployment_id, keeping=True),
    ):
        with pytest.raises(DeploymentMismatchError):
            act()
    assert _nonce(embedded) == len(CONTRACTS)
    assert embedded.deployment_file.read_bytes() == lying.to_json()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_update__breaks_off__goes_on_and_deploys_nothing_twice(
    embedded: OpenChain, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    first = _of_another_version(embedded, "ConsentRegistry")
    send, sent = embedded.client.send_raw, []

    def break_off(raw: bytes) -> None:
        if len(sent) == 1:
            if moment == "after":
                send(raw)
            raise KeyboardInterrupt
        sent.append(raw)
        send(raw)

    monkeypatch.setattr(embedded.client, "send_raw", break_off)
    with pytest.raises(KeyboardInterrupt):
        embedded.deploy(genesis_signer(), replacing=first.deployment_id, keeping=True)
    assert embedded.deployment_file.read_bytes() == first.to_json()
    monkeypatch.undo()
    embedded.deploy(genesis_signer(), replacing=first.deployment_id, keeping=True)
    assert _nonce(embedded) == len(CONTRACTS) + 3


def test_replace__twice__keeps_all_that_gave_way_in_the_file(embedded: OpenChain) -> None:
    first = embedded.deployment
    second = embedded.deploy(genesis_signer(), replacing=first.deployment_id)
    third = embedded.deploy(genesis_signer(), replacing=second.deployment_id)
    assert third.earlier == first.contracts + second.contracts
    assert {one.version for one in third.contracts} == {3}
    assert Deployment.load(embedded.deployment_file, "embedded") == third


def test_load__file_from_before_there_were_versions__is_read(embedded: OpenChain) -> None:
    document = json.loads(embedded.deployment_file.read_text())
    del document["earlier"]
    for contract in document["contracts"]:
        del contract["version"]
    embedded.deployment_file.write_text(json.dumps(document))
    assert Deployment.load(embedded.deployment_file, "embedded") == embedded.deployment


def _changed(deployment: Deployment, **changes: Any) -> Deployment:
    first, *others = deployment.contracts
    return replace(deployment, contracts=(replace(first, **changes), *others))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: _changed(d, address="0x" + "11" * 20), "no code"),
        (lambda d: _changed(d, address=d.contracts[1].address), "another"),
        (lambda d: _changed(d, runtime_hash=bytes(32)), "another version"),
        (lambda d: _changed(d, deployer="0x" + "11" * 20), "deployer"),
        (lambda d: _changed(d, block_number=0), "block"),
        (lambda d: _changed(d, gas_used=1), "gas"),
        (lambda d: _changed(d, tx_hash=bytes(32)), "not on this chain"),
        (lambda d: _changed(d, tx_hash=d.contracts[1].tx_hash), "address"),
    ],
)
def test_verify__file_that_is_not_true__is_noticed(
    embedded: OpenChain, change: Callable[[Deployment], Deployment], said: str
) -> None:
    with pytest.raises(DeploymentMismatchError, match=said):
        verify_deployment(embedded.client, change(embedded.deployment))


def test_check__deployment_of_another_chain__is_refused(embedded: OpenChain) -> None:
    with pytest.raises(WrongChainError):
        check_deployment(embedded.client, replace(embedded.deployment, chain_id=1))


def test_check__contract_missing_from_the_file__is_refused(embedded: OpenChain) -> None:
    with pytest.raises(ConfigurationError, match="no contract"):
        check_deployment(embedded.client, replace(embedded.deployment, contracts=embedded.deployment.contracts[:1]))


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.pop("contracts"),
        lambda d: d.update(version=2),
        lambda d: d.update(earlier=5),
        lambda d: d["contracts"][0].update(version=0),
        lambda d: d.update(contracts=[]),
        lambda d: d.update(contracts=d["contracts"] * 2),
        lambda d: d["contracts"][0].update(address="0x12"),
        lambda d: d["contracts"][0].update(compiler_settings=5),
        lambda d: d["contracts"][0].update(constructor_arguments="0xz"),
        lambda d: d.update(network="elsewhere"),
    ],
)
def test_load__damaged_file__is_refused(embedded: OpenChain, damage: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(embedded.deployment_file.read_text())
    damage(document)
    embedded.deployment_file.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError):
        Deployment.load(embedded.deployment_file, "embedded")


def test_json__there_and_back__is_the_same(embedded: OpenChain) -> None:
    assert Deployment.from_json(embedded.deployment.to_json()) == embedded.deployment
    with pytest.raises(InvalidInputError):
        Deployment.from_json(b"[]")
