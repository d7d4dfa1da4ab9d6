"""A patient who never had a coin does every verb of hers, on the embedded chain and on anvil.

given a patient with keys and an empty account, and a relative who pays
├─ she publishes her key and a record, grants and revokes, lets somebody act for her, names guardians, objects to a
│  recovery, bars break-glass and ends an episode: each signed by her, and her account stays empty
├─ without the relative: each is refused for want of coins
└─ her account is a contract wallet: she grants and revokes all the same, and a file sent twice is done once
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import compile_contracts
import deploy
import pytest
from eth_abi.abi import encode
from homes import OBSERVATION, PASSPHRASE, CommandLine, Home, accredit, make_identity
from nodes import require, running_anvil
from wallet_bridge import bridged

from medshare import connect
from medshare.chain import LocalSigner
from medshare.errors import InsufficientFundsError
from medshare.hashing import keccak256
from medshare.model.accreditation import AccreditationKind
from medshare.model.delegation import Circle, DelegationRequest, Verbs
from medshare.model.describing import Line
from medshare.model.emergency import EmergencyReason, EpisodeRequest
from medshare.model.ids import Address
from medshare.model.purpose import Purpose, PurposeOfUse
from medshare.ports import Actor
from medshare.services.description import Description
from medshare.services.paid import Paying
from medshare.session import Session
from medshare.settings import Settings

pytestmark = pytest.mark.e2e

DEPLOYER = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # anvil's first account
DAY = 86_400
PATIENT, RELATIVE, DOCTOR = "pauper", "neighbour", "doctor"


@pytest.fixture(params=["embedded", pytest.param("anvil", marks=pytest.mark.anvil)])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home with contracts deployed by the deployer's key, people with coins, and a pauper."""
    monkeypatch.setenv("DEPLOYER_KEY", DEPLOYER)
    if request.param == "embedded":
        home = request.getfixturevalue("people")
        make_identity(home.path, PATIENT)
        yield home
        return
    path = tmp_path / "home"
    with running_anvil() as node:
        Settings(home=path, network="anvil").save()
        (path / "networks.toml").write_text(f'[networks.anvil]\nurl = "{node.url}"\n')
        (path / "passphrase").write_text(PASSPHRASE)
        (path / "passphrase").chmod(0o600)
        actors = {name: make_identity(path, name) for name in (PATIENT, RELATIVE, DOCTOR, "hospital")}
        words = ["--network", "anvil", "--networks", str(path / "networks.toml"), "--home", str(path)]
        assert deploy.main([*words, "--key-env", "DEPLOYER_KEY", "--yes"]) == 0
        with connect(path) as session:
            for name in (RELATIVE, DOCTOR, "hospital"):
                session.chain.fund(actors[name].address)
                publish_key(session, actors[name])
            accredit(session, actors["hospital"].address, AccreditationKind.CUSTODIAN)
        yield Home(path=path, addresses={name: actor.address for name, actor in actors.items()})


def publish_key(session: Session, actor: Actor) -> None:
    session.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)


def unlocked(home: Home, name: str) -> Actor:
    with connect(home.path) as session:
        return session.keyring.open(name, lambda _: PASSPHRASE)


@contextmanager
def signing_session(home: Home, payer: str, told: list[Sequence[Line]]) -> Iterator[Session]:
    def confirm(lines: Sequence[Line]) -> bool:
        told.append(lines)
        return True

    paying = Paying(payer=unlocked(home, payer).signer, confirm=confirm, names=lambda _: None)
    with connect(home.path, paying=paying) as session:
        yield session


def test_patient_without_coins__every_verb__is_signed_and_another_pays(place: Home) -> None:
    pauper, doctor = unlocked(place, PATIENT), unlocked(place, DOCTOR)
    guardians = sorted((LocalSigner.generate() for _ in range(2)), key=lambda one: int(one.address, 16))
    circle = Circle.of([one.address for one in guardians], 2, salt=b"\x07" * 32)
    told: list[Sequence[Line]] = []
    with signing_session(place, RELATIVE, told) as session:
        ledger, me = session.ledger, pauper.address
        publish_key(session, pauper)
        record = session.publishing.publish(
            OBSERVATION, custodian=pauper, patient=me, description=Description(media_type="application/fhir+json")
        )
        expires_at = session.signing.now + DAY
        granted = session.consenting.grant(
            patient=pauper,
            grantee=doctor.address,
            records=[record.entry.ref],
            purposes=PurposeOfUse.TREAT,
            expires_at=expires_at,
        )
        opened = session.retrieving.open(record.entry.ref, reader=doctor, purpose=PurposeOfUse.TREAT)
        assert opened.manifest.patient == me
        assert session.consenting.revoke(granted.grant_id, patient=pauper).had_been_granted

        request = DelegationRequest(
            delegate=doctor.address,
            verbs=Verbs.GRANT | Verbs.REVOKE,
            purposes=Purpose.TREAT,
            not_before=0,
            expires_at=expires_at,
        )
        receipt = ledger.authority.appoint(pauper.signer, me, request)
        held = ledger.authority.delegation(me, doctor.address, block=receipt.block)
        assert ledger.authority.may_act(held, block=receipt.block)
        receipt = ledger.authority.dismiss(pauper.signer, me, doctor.address)
        assert not ledger.authority.may_act(held, block=receipt.block)

        ledger.authority.name_guardians(pauper.signer, me, circle.digest(me), DAY)
        new_key = LocalSigner.from_key(b"\x09" * 32).address
        recovery = session.signing.draft(guardians[0].address).recover(me, new_key)
        approvals = [
            session.signing.sign(recovery, one, confirm=lambda _: True, names=lambda _: None) for one in guardians
        ]
        receipt = ledger.authority.propose_recovery(doctor.signer, circle, approvals)
        assert ledger.authority.guardianship(me, block=receipt.block).ready_at
        receipt = ledger.authority.object_to_recovery(pauper.signer, me)
        assert not ledger.authority.guardianship(me, block=receipt.block).ready_at

        until = session.signing.now + DAY
        member = session.chain.development_member()
        ledger.accreditation.accredit(member, doctor.address, AccreditationKind.CLINICIAN, until)
        broken = ledger.emergencies.break_glass(
            doctor.signer,
            EpisodeRequest(
                patient=me, reason=EmergencyReason.UNCONSCIOUS, details=keccak256(b"an accident"), duration=3_600
            ),
        )
        assert ledger.emergencies.is_live(broken.episode_id, block=broken.receipt.block)
        receipt = ledger.emergencies.end(pauper.signer, broken.episode_id)
        assert not ledger.emergencies.is_live(broken.episode_id, block=receipt.block)
        receipt = ledger.emergencies.set_bar(pauper.signer, me, barred=True)
        assert ledger.emergencies.bar(me, block=receipt.block).barred

        session.consenting.revoke_all(patient=pauper)
        assert ledger.consents.stamp(me, block=ledger.chain.head()) == 1
        assert session.chain.client.balance(me) == 0
        assert session.chain.client.nonce(me, pending=True) == 0
    signed = [text for lines in told for label, text in lines if label == "you sign"]
    assert len(signed) == 11


def test_patient_without_coins__and_nobody_who_pays__is_refused(place: Home) -> None:
    pauper = unlocked(place, PATIENT)
    with connect(place.path) as session, pytest.raises(InsufficientFundsError):
        session.consenting.revoke_all(patient=pauper)


def wallet_of(home: Home, owner: Address) -> Address:
    """Deploy a contract wallet; return its address."""
    name = "tests/contracts/solidity/Wallet__Mock.sol"
    source = Path(__file__).parents[2] / name
    sources = compile_contracts.read_sources({name: source.read_text("utf-8")})
    compiled = compile_contracts.compile_sources(sources, require("solc"))["contracts"][name]["Wallet__Mock"]
    honest = 0
    payer = unlocked(home, RELATIVE).signer
    with connect(home.path) as session:
        deployed = session.chain.sender.deploy(payer, bytes.fromhex(compiled["evm"]["bytecode"]["object"]))
        data = keccak256(b"set(address,uint8)")[:4] + encode(["address", "uint8"], [owner, honest])
        session.chain.sender.send(payer, to=deployed.address, data=data)
        return deployed.address


def test_patient_with_a_contract_wallet__grant_and_revoke__are_relayed(
    place: Home, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    owner = LocalSigner.generate()
    wallet = wallet_of(place, owner.address)
    cli = CommandLine(place, capsysbinary)
    paid = ["--paid-by", RELATIVE, "--yes"]
    with bridged(owner) as url:
        cli.json("identity", "new", "vault", "--signer-url", url, "--address", wallet)
        cli.json("identity", "publish", "vault", *paid)
        (tmp_path / "observation").write_bytes(OBSERVATION)
        words = ["--as", "hospital", "--patient", "vault"]
        (row,) = cli.json("record", "publish", tmp_path / "observation", *words)
        file = tmp_path / "grant.json"
        to_doctor = ["--as", "vault", "--to", DOCTOR, "--until", "1d"]
        said = cli.json("access", "grant", row["record"], *to_doctor, "--sign-to", file, "--yes")
        assert cli.json("signed", "show", file)["sendable"]
        assert cli.json("relay", "send", file, "--as", RELATIVE)[0]["state"] == "done"
        assert cli.fetched(row["record"], DOCTOR) == OBSERVATION
        answer = cli("--json", "relay", "send", file, "--as", DOCTOR)
        assert (answer.code, answer.json[0]["state"], answer.error["error"]) == (1, "refused", "SignedOutdatedError")
        cli.json("access", "revoke", said["grant"], "--as", "vault", *paid)
    assert cli("record", "fetch", row["record"], "--as", DOCTOR).code == 3
