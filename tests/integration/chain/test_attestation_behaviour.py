"""What the port to attestations promises, asked of the double in memory and of the adapters on both chains alike.

AttestationLedger
├── an assessor attests a record, anew, and many under one root; withdraws either; all is read back
├── a custodian anchors the root of receipts; what nobody anchored is read as never
├── each refusal arrives as its exception
└── reads at an earlier block answer for that block; the events rebuild what the reads say
"""

from __future__ import annotations

import pytest
from behaviour_world import Scene

from medshare.chain import LocalSigner
from medshare.errors import (
    AttestationWithdrawnError,
    AttestingNotAccreditedError,
    CountIsZeroError,
    MethodMissingError,
    RootKnownError,
    ScoreOutOfRangeError,
    SubjectIsZeroError,
    UnknownAttestationError,
)
from medshare.hashing import sha256
from medshare.model.accreditation import AccreditationKind
from medshare.model.attestation import Anchor, Attestation
from medshare.model.ids import RecordId
from medshare.model.ledger import LedgerModel
from medshare.ports import AttestationLedger

pytestmark = pytest.mark.integration

RECORD, ROOT, ZERO = RecordId(sha256(b"record")), sha256(b"root"), bytes(32)


@pytest.fixture
def assessor(scene: Scene) -> LocalSigner:
    return scene.accredited(AccreditationKind.ASSESSOR)


@pytest.fixture
def custodian(scene: Scene) -> LocalSigner:
    return scene.accredited(AccreditationKind.CUSTODIAN)


@pytest.fixture
def port(scene: Scene) -> AttestationLedger:
    return scene.ledger.attestations


def read(scene: Scene, assessor: LocalSigner, subject: bytes) -> Attestation:
    return scene.ledger.attestations.attestation(assessor.address, subject, block=scene.ledger.chain.head())


def test_attest__a_record__is_read_back_anew_and_withdrawn(
    scene: Scene, port: AttestationLedger, assessor: LocalSigner
) -> None:
    first = port.attest(assessor, RECORD, 7, 80)
    assert read(scene, assessor, RECORD) == Attestation(
        assessor=assessor.address,
        subject=RECORD,
        attested_at=first.block.time,
        withdrawn_at=0,
        count=0,
        method=7,
        score=80,
    )
    port.attest(assessor, RECORD, 8, 100)
    gone = port.withdraw(assessor, RECORD)
    standing = read(scene, assessor, RECORD)
    assert (standing.method, standing.score, standing.withdrawn_at) == (8, 100, gone.block.time)
    assert not standing.stands
    assert port.attestation(assessor.address, RECORD, block=first.block).stands
    with pytest.raises(AttestationWithdrawnError):
        port.withdraw(assessor, RECORD)


def test_attest_batch__many_records__is_read_back(scene: Scene, port: AttestationLedger, assessor: LocalSigner) -> None:
    sent = port.attest_batch(assessor, ROOT, 1, 1000)
    standing = read(scene, assessor, ROOT)
    assert (standing.count, standing.method, standing.score, standing.attested_at) == (1000, 1, 0, sent.block.time)
    for again in (lambda: port.attest_batch(assessor, ROOT, 1, 1000), lambda: port.attest(assessor, ROOT, 1, 5)):  # type: ignore[arg-type]
        with pytest.raises(RootKnownError):
            again()


def test_anchor__of_receipts__is_read_back(scene: Scene, port: AttestationLedger, custodian: LocalSigner) -> None:
    before = scene.ledger.chain.head()
    sent = port.anchor_receipts(custodian, ROOT, 3)
    anchor = Anchor(anchored_at=sent.block.time, count=3)
    assert port.anchor(custodian.address, ROOT, block=scene.ledger.chain.head()) == anchor
    assert port.anchor(custodian.address, ROOT, block=before) == Anchor()
    with pytest.raises(RootKnownError):
        port.anchor_receipts(custodian, ROOT, 3)


def test_refusals__each__arrives_as_its_exception(
    scene: Scene, port: AttestationLedger, assessor: LocalSigner, custodian: LocalSigner
) -> None:
    stranger = scene.person()
    for act, error in (
        (lambda: port.attest(stranger, RECORD, 1, 1), AttestingNotAccreditedError),
        (lambda: port.attest_batch(custodian, ROOT, 1, 1), AttestingNotAccreditedError),
        (lambda: port.anchor_receipts(assessor, ROOT, 1), AttestingNotAccreditedError),
        (lambda: port.attest(assessor, RecordId(ZERO), 1, 1), SubjectIsZeroError),
        (lambda: port.anchor_receipts(custodian, ZERO, 1), SubjectIsZeroError),
        (lambda: port.attest(assessor, RECORD, 0, 1), MethodMissingError),
        (lambda: port.attest(assessor, RECORD, 1, 101), ScoreOutOfRangeError),
        (lambda: port.attest_batch(assessor, ROOT, 1, 0), CountIsZeroError),
        (lambda: port.anchor_receipts(custodian, ROOT, 0), CountIsZeroError),
        (lambda: port.withdraw(assessor, ROOT), UnknownAttestationError),
        (lambda: read(scene, assessor, ROOT), UnknownAttestationError),
    ):
        with pytest.raises(error):
            act()


def test_events__of_everything__rebuild_what_the_reads_say(
    scene: Scene, port: AttestationLedger, assessor: LocalSigner, custodian: LocalSigner
) -> None:
    port.attest(assessor, RECORD, 1, 55)
    port.attest_batch(assessor, ROOT, 2, 9)
    port.withdraw(assessor, ROOT)
    port.anchor_receipts(custodian, ROOT, 4)
    ledger = scene.ledger
    head = ledger.chain.head()
    replayed = LedgerModel(consortium=ledger.consortium.address, escrow=ledger.requests.address)
    for event in ledger.chain.events(ledger.chain.first_block, head.number):
        replayed.apply(event)
    for subject in (RECORD, ROOT):
        told = replayed.attestation(assessor.address, subject)
        assert told == port.attestation(assessor.address, subject, block=head)
    assert replayed.anchor(custodian.address, ROOT) == port.anchor(custodian.address, ROOT, block=head)
