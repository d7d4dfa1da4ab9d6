"""Attestations

given an accredited assessor
    he attests a record with a score and a method, and again with others; told by its event, kept under his address
    he attests many records under one root, once; a record of it is shown with salt and proof, and no other is
    he withdraws either, once, also when he is not accredited any more; a record can be attested anew, a root cannot
given an accredited custodian
    he anchors the root of his receipts, once; another may anchor the same
given who may not, or what cannot be
    each is refused with its error, and nothing is kept
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from evm import ALWAYS, ASSESSOR_KIND, NEVER, Chain, Contract, Event, Receipt, deploy, refusal

from medshare.hashing import keccak256
from medshare.model.attestation import Assessed, AssessedBatch
from medshare.model.ids import RecordId

pytestmark = pytest.mark.contracts

RECORD, OTHER_RECORD, ROOT = b"\xc1" * 32, b"\xc2" * 32, b"\xd1" * 32
SALT = b"\x5a" * 32
METHOD = 3


@dataclass(frozen=True)
class Attestations:
    """The contract's verbs as actors use them."""

    chain: Chain
    contract: Contract

    def send(self, sender: str, verb: str, *arguments: object, **when: int) -> Receipt:
        return self.chain.send(self.contract.functions[verb](*arguments), sender=sender, **when)

    def ask(self, view: str, *arguments: object) -> object:
        return self.chain.call(self.contract.functions[view](*arguments))


@pytest.fixture
def attestations(chain, contracts, actors) -> Attestations:
    contract = deploy(chain, "Attestations", contracts.consortium.address, sender=actors.deployer)
    return Attestations(chain, contract)


def accredit(chain, contracts, actors, actor, until=ALWAYS):
    chain.send(contracts.consortium.functions.accredit(actor, ASSESSOR_KIND, until), sender=actors.member)


@pytest.fixture
def assessor(chain, contracts, actors):
    accredit(chain, contracts, actors, actors.doctor)
    return actors.doctor


# ------------------------------------------------------------------------------------------------- a record


@pytest.mark.parametrize("score", [0, 1, 99, 100])
def test_attest__by_an_assessor__is_kept_under_his_address_and_told(attestations, actors, assessor, score):
    sent = attestations.send(assessor, "attest", RECORD, METHOD, score)

    values = {"assessor": assessor, "recordId": RECORD, "method": METHOD, "score": score}
    assert sent.events == (Event("QualityAttested", values, attestations.contract.address),)
    assert attestations.ask("getAttestation", assessor, RECORD) == (sent.time, 0, 0, METHOD, score)
    unknown = ("AttestationsUnknown", actors.stranger, RECORD)
    assert refusal(lambda: attestations.ask("getAttestation", actors.stranger, RECORD)) == unknown


def test_attest__again__takes_the_earlier_one_s_place(attestations, assessor):
    attestations.send(assessor, "attest", RECORD, METHOD, 80)
    again = attestations.send(assessor, "attest", RECORD, 0xFFFF, 81)

    assert attestations.ask("getAttestation", assessor, RECORD) == (again.time, 0, 0, 0xFFFF, 81)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((bytes(32), METHOD, 80), ("AttestationsSubjectIsZero",)),
        ((RECORD, 0, 80), ("AttestationsMethodMissing",)),
        ((RECORD, METHOD, 101), ("AttestationsScoreOutOfRange", 101)),
        ((RECORD, METHOD, 255), ("AttestationsScoreOutOfRange", 255)),
    ],
)
def test_attest__what_cannot_be__is_refused(attestations, assessor, arguments, error):
    assert refusal(lambda: attestations.send(assessor, "attest", *arguments)) == error


@pytest.mark.parametrize("caller", ["stranger", "custodian", "researcher", "member", "deployer"])
@pytest.mark.parametrize(("verb", "arguments"), [("attest", (RECORD, METHOD, 80)), ("attestBatch", (ROOT, METHOD, 3))])
def test_attest__not_accredited_as_assessor__is_refused(attestations, actors, assessor, caller, verb, arguments):
    caller = getattr(actors, caller)

    assert refusal(lambda: attestations.send(caller, verb, *arguments)) == ("AttestationsNotAccredited", caller)


@pytest.mark.parametrize(("when", "may"), [(-1, True), (0, False), (1, False)])
def test_attest__around_the_end_of_accreditation__no_longer_at_it(attestations, chain, contracts, actors, when, may):
    end = chain.now + 1000
    accredit(chain, contracts, actors, actors.doctor, until=end)

    def attesting():
        return attestations.send(actors.doctor, "attest", RECORD, METHOD, 80, at=end + when)

    if may:
        assert attesting().time == end + when
    else:
        assert refusal(attesting) == ("AttestationsNotAccredited", actors.doctor)


# -------------------------------------------------------------------------------------------------- batches


def assessed(count):
    return [
        Assessed(
            record_id=RecordId(keccak256(bytes([number]))), score=50 + number, salt=keccak256(SALT + bytes([number]))
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_batch__of_records__shows_each_with_salt_and_proof_and_no_other(attestations, actors, assessor, count):
    several = assessed(count)
    batch = AssessedBatch.of(several)
    sent = attestations.send(assessor, "attestBatch", batch.root, METHOD, count)

    values = {"assessor": assessor, "root": batch.root, "method": METHOD, "count": count}
    assert sent.events == (Event("BatchAttested", values, attestations.contract.address),)
    assert attestations.ask("getAttestation", assessor, batch.root) == (sent.time, 0, count, METHOD, 0)
    for one in several:
        shown = (batch.root, one.record_id, one.score, one.salt, list(batch.proof(one)))
        assert attestations.ask("isAttested", assessor, *shown)
        assert not attestations.ask("isAttested", actors.stranger, *shown)
        assert not attestations.ask("isAttested", assessor, shown[0], one.record_id, one.score + 1, *shown[3:])
        assert not attestations.ask("isAttested", assessor, shown[0], OTHER_RECORD, one.score, *shown[3:])
        assert not attestations.ask("isAttested", assessor, *shown[:3], bytes(32), shown[4])
        assert not attestations.ask("isAttested", assessor, *shown[:4], [*shown[4], bytes(32)])


def test_batch__withdrawn__shows_nothing_any_more(attestations, assessor):
    (one,) = assessed(1)
    attestations.send(assessor, "attestBatch", one.leaf, METHOD, 1)
    attestations.send(assessor, "withdraw", one.leaf)

    assert not attestations.ask("isAttested", assessor, one.leaf, one.record_id, one.score, one.salt, [])


def test_is_attested__a_record_attested_alone__is_no_batch(attestations, assessor):
    (one,) = assessed(1)
    attestations.send(assessor, "attest", one.leaf, METHOD, one.score)

    assert not attestations.ask("isAttested", assessor, one.leaf, one.record_id, one.score, one.salt, [])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((bytes(32), METHOD, 3), ("AttestationsSubjectIsZero",)),
        ((ROOT, 0, 3), ("AttestationsMethodMissing",)),
        ((ROOT, METHOD, 0), ("AttestationsCountIsZero",)),
    ],
)
def test_batch__what_cannot_be__is_refused(attestations, assessor, arguments, error):
    assert refusal(lambda: attestations.send(assessor, "attestBatch", *arguments)) == error


def test_batch__a_root_attested_before__is_refused_in_every_form(attestations, chain, contracts, actors, assessor):
    known = ("AttestationsRootKnown", assessor, ROOT)
    attestations.send(assessor, "attestBatch", ROOT, METHOD, 3)
    assert refusal(lambda: attestations.send(assessor, "attestBatch", ROOT, METHOD, 4)) == known
    assert refusal(lambda: attestations.send(assessor, "attest", ROOT, METHOD, 80)) == known
    attestations.send(assessor, "withdraw", ROOT)
    assert refusal(lambda: attestations.send(assessor, "attestBatch", ROOT, METHOD, 3)) == known
    accredit(chain, contracts, actors, actors.patient)
    attestations.send(actors.patient, "attestBatch", ROOT, METHOD, 3)


# ------------------------------------------------------------------------------------------------ withdrawing


def test_withdraw__what_he_attested__is_stamped_and_told_once(attestations, assessor):
    attested = attestations.send(assessor, "attest", RECORD, METHOD, 80)
    sent = attestations.send(assessor, "withdraw", RECORD)

    values = {"assessor": assessor, "subject": RECORD}
    assert sent.events == (Event("AttestationWithdrawn", values, attestations.contract.address),)
    assert attestations.ask("getAttestation", assessor, RECORD) == (attested.time, sent.time, 0, METHOD, 80)
    again = ("AttestationsWithdrawn", assessor, RECORD)
    assert refusal(lambda: attestations.send(assessor, "withdraw", RECORD)) == again
    anew = attestations.send(assessor, "attest", RECORD, METHOD, 90)
    assert attestations.ask("getAttestation", assessor, RECORD) == (anew.time, 0, 0, METHOD, 90)


def test_withdraw__by_one_no_longer_accredited__is_made(attestations, chain, contracts, actors, assessor):
    attestations.send(assessor, "attest", RECORD, METHOD, 80)
    accredit(chain, contracts, actors, assessor, until=0)

    attestations.send(assessor, "withdraw", RECORD)


def test_withdraw__what_he_did_not_attest__is_unknown(attestations, actors, assessor):
    attestations.send(assessor, "attest", RECORD, METHOD, 80)

    for caller, subject in ((actors.stranger, RECORD), (assessor, OTHER_RECORD)):
        unknown = ("AttestationsUnknown", caller, subject)
        assert refusal(lambda caller=caller, subject=subject: attestations.send(caller, "withdraw", subject)) == unknown


# ------------------------------------------------------------------------------------------------- receipts


def test_anchor__by_custodians__is_kept_under_each_and_told(attestations, actors):
    for custodian, count in ((actors.custodian, 3), (actors.other_custodian, 0xFFFFFFFF)):
        sent = attestations.send(custodian, "anchorReceipts", ROOT, count)

        values = {"custodian": custodian, "root": ROOT, "count": count}
        assert sent.events == (Event("ReceiptsAnchored", values, attestations.contract.address),)
        assert attestations.ask("getAnchor", custodian, ROOT) == (sent.time, count)
        known = ("AttestationsRootKnown", custodian, ROOT)
        assert refusal(lambda one=custodian: attestations.send(one, "anchorReceipts", ROOT, 3)) == known
    assert attestations.ask("getAnchor", actors.stranger, ROOT) == (0, 0)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [((bytes(32), 3), ("AttestationsSubjectIsZero",)), ((ROOT, 0), ("AttestationsCountIsZero",))],
)
def test_anchor__what_cannot_be__is_refused(attestations, actors, arguments, error):
    assert refusal(lambda: attestations.send(actors.custodian, "anchorReceipts", *arguments)) == error


@pytest.mark.parametrize("caller", ["stranger", "patient", "doctor", "deployer"])
def test_anchor__not_accredited_as_custodian__is_refused(attestations, actors, assessor, caller):
    caller = getattr(actors, caller)

    refused = ("AttestationsNotAccredited", caller)
    assert refusal(lambda: attestations.send(caller, "anchorReceipts", ROOT, 3)) == refused


def test_attest__and_anchor__of_the_same_word__do_not_meet(attestations, chain, contracts, actors):
    accredit(chain, contracts, actors, actors.custodian, until=NEVER)
    attestations.send(actors.custodian, "attestBatch", ROOT, METHOD, 2)
    anchored = attestations.send(actors.custodian, "anchorReceipts", ROOT, 3)

    assert attestations.ask("getAttestation", actors.custodian, ROOT)[2] == 2
    assert attestations.ask("getAnchor", actors.custodian, ROOT) == (anchored.time, 3)
