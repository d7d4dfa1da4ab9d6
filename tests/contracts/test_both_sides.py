"""What chain and library both compute, asked from both

given patient, grantee and terms
    GrantIds and medshare.model.ids derive one id, and read the patient back
given the purposes
    the library Purposes and medshare.model.purpose have the same codes and bits
given any word
    each accessor of Grant reads its bits, each change touches its own bits only
given a contract as patient, and many changes in one transaction
    each is seen at once
given a contract that acts while a patient calls it
    the patient's grants are his own: the caller counts, not who pays
"""

from __future__ import annotations

import random

import pytest
from eth_utils import to_checksum_address
from evm import BUNDLE, NEVER, TERMS, TREAT, GrantView, RefusedError, grant_id_of, pack_grant

from medshare.model.ids import derive_grant_id, patient_of
from medshare.model.purpose import Purpose

pytestmark = pytest.mark.contracts

SEED = 20
ADDRESSES = ["0x" + "00" * 19 + "01", to_checksum_address("0x" + "ff" * 20), "0x" + "00" * 20]


@pytest.fixture
def libraries(deploy_harness):
    return deploy_harness("Libraries__Harness")


def words():
    dice = random.Random(SEED)
    return [0, 1, 2**256 - 1, *(1 << bit for bit in range(0, 256, 31)), *(dice.getrandbits(256) for _ in range(12))]


def fields_of(word):
    return (
        f"0x{word >> 96:040x}",
        word >> 64 & 0xFFFFFFFF,
        word >> 32 & 0xFFFFFFFF,
        word >> 16 & 0xFFFF,
        word >> 8 & 0xFF,
        word & 0xFF,
    )


def lower(fields):
    return (fields[0].lower(), *fields[1:])


def test_derive_grant_id__asked_from_both__is_the_same(chain, libraries, actors):
    dice = random.Random(SEED)
    cases = [(actors.patient, actors.doctor, TERMS)]
    cases += [(patient, grantee, bytes(32)) for patient in ADDRESSES for grantee in ADDRESSES]
    cases += [(actors.doctor, actors.patient, dice.randbytes(32)) for _ in range(10)]

    for patient, grantee, terms in cases:
        on_chain = chain.call(libraries.functions.deriveGrantId(patient, grantee, terms))
        assert on_chain == derive_grant_id(patient, grantee, terms) == grant_id_of(patient, grantee, terms)
        assert chain.call(libraries.functions.patientOf(on_chain)) == patient_of(on_chain) == patient


def test_derive_grant_id__patient_grantee_or_terms_differ__the_id_differs(chain, libraries, actors):
    derive = libraries.functions.deriveGrantId
    ids = {
        chain.call(derive(actors.patient, actors.doctor, TERMS)),
        chain.call(derive(actors.patient, actors.researcher, TERMS)),
        chain.call(derive(actors.patient, actors.doctor, BUNDLE)),
        chain.call(derive(actors.other_patient, actors.doctor, TERMS)),
    }

    assert len(ids) == 4


def test_purposes__asked_from_both__are_the_same(chain, libraries):
    codes, bits = chain.call(libraries.functions.purposes())

    assert dict(zip(codes, bits, strict=True)) == {purpose.name: purpose.value for purpose in Purpose}


def test_grant_word__any__is_read_field_by_field(chain, libraries):
    for word in words():
        assert lower(chain.call(libraries.functions.fields(word))) == fields_of(word)


def test_grant_word__under_count__changes_the_counters_only(chain, libraries):
    for word in words():
        changed = lower(chain.call(libraries.functions.underCount(word, 0x5A, 0xC3)))
        assert changed == (*fields_of(word)[:4], 0x5A, 0xC3)


def test_grant_word__revoked__changes_purposes_and_epoch_only(chain, libraries):
    for word in words():
        changed = lower(chain.call(libraries.functions.revoked(word, 0xC3)))
        grantee, not_before, expires_at, _, stamp, _ = fields_of(word)
        assert changed == (grantee, not_before, expires_at, 0, stamp, 0xC3)


def test_grant_word__starting_from__raises_an_earlier_begin_only(chain, libraries):
    for word in words():
        grantee, not_before, *rest = fields_of(word)
        for time in {0, 1, max(not_before - 1, 0), not_before, min(not_before + 1, 2**32 - 1), 2**32 - 1}:
            changed = lower(chain.call(libraries.functions.startingFrom(word, time)))
            assert changed == (grantee, max(not_before, time), *rest)


def test_is_live__many_changes_in_one_transaction__each_is_seen_at_once(ledger, actors, deploy_harness):
    patient = deploy_harness("Reader__Harness")
    grant_id = grant_id_of(patient.address, actors.doctor)
    wanted = pack_grant(actors.doctor, 0, NEVER, TREAT)

    sent = ledger.chain.send(
        patient.functions.liveThroughOneTransaction(
            ledger.contracts.consents.address, TERMS, BUNDLE, wanted, TREAT, grant_id
        ),
        sender=actors.stranger,
    )

    assert sent.events[-1].values == {
        "before": False,
        "granted": True,
        "revoked": False,
        "regranted": True,
        "revokedAll": False,
    }
    assert ledger.get_grant(grant_id) == GrantView(actors.doctor, sent.time, NEVER, TREAT, stamp=0, epoch=3)


def test_revoke__contract_called_by_the_patient__is_refused(ledger, actors, deploy_harness):
    ledger.grant(actors.patient, actors.doctor)
    grant_id = grant_id_of(actors.patient, actors.doctor)
    contract = deploy_harness("Reader__Harness")
    wanted = pack_grant(actors.researcher, 0, NEVER, TREAT)

    with pytest.raises(RefusedError) as refused:
        ledger.chain.send(
            contract.functions.actForCaller(ledger.contracts.consents.address, TERMS, BUNDLE, wanted, grant_id),
            sender=actors.patient,
        )

    assert refused.value.args == ("AuthorityNotAllowed", actors.patient, contract.address)
    assert ledger.is_live(grant_id)


def test_grant__contract_called_by_the_patient__is_the_contracts(ledger, actors, deploy_harness):
    contract = deploy_harness("Reader__Harness")
    own_id = grant_id_of(contract.address, actors.researcher)
    wanted = pack_grant(actors.researcher, 0, NEVER, TREAT)

    ledger.chain.send(
        contract.functions.actForCaller(ledger.contracts.consents.address, TERMS, BUNDLE, wanted, own_id),
        sender=actors.patient,
    )

    assert ledger.get_grant(own_id).epoch == 2
    with pytest.raises(RefusedError) as refused:
        ledger.get_grant(grant_id_of(actors.patient, actors.researcher))
    assert refused.value.name == "ConsentRegistryGrantUnknown"
