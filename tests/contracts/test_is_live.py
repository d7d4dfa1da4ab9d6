"""ConsentRegistry.isLive, areLive, and the balance that says the same

given a grant
    it is live from the second it begins, and no longer in the second it ends
    it is live for a purpose, or several at once, if all of them were granted; for none the question is refused
    its balance is 1 while it is live, for its grantee and nobody else
given many grants
    each is answered in its place
given nothing
    nothing is live
"""

from __future__ import annotations

import pytest
from evm import (
    ALL_PURPOSES,
    ETREAT,
    HRESCH,
    NEVER,
    OTHER_TERMS,
    TREAT,
    ZERO_ADDRESS,
    GrantView,
    RefusedError,
    grant_id_of,
)

pytestmark = pytest.mark.contracts


@pytest.fixture
def grant_id(actors):
    return grant_id_of(actors.patient, actors.doctor)


def are_live(ledger, ids, purposes):
    return ledger.chain.call(ledger.contracts.consents.functions.areLive(ids, purposes))


def balances(ledger, accounts, ids):
    return ledger.chain.call(ledger.contracts.consents.functions.balanceOfBatch(accounts, ids))


# --------------------------------------------------------------------------------------------------- by time


@pytest.mark.parametrize(("second", "live"), [(-1, False), (0, True), (1, True)])
def test_is_live__around_the_begin__from_its_second_on(ledger, actors, grant_id, second, live):
    begin = ledger.chain.now + 1000
    ledger.grant(actors.patient, actors.doctor, not_before=begin)

    ledger.chain.mine_at(begin + second)

    assert ledger.is_live(grant_id) is live
    assert are_live(ledger, [grant_id], TREAT) == [live]
    assert ledger.balance(actors.doctor, grant_id) == int(live)


@pytest.mark.parametrize(("second", "live"), [(-1, True), (0, False), (1, False)])
def test_is_live__around_the_end__until_the_second_before(ledger, actors, grant_id, second, live):
    end = ledger.chain.now + 1000
    ledger.grant(actors.patient, actors.doctor, expires_at=end)

    ledger.chain.mine_at(end + second)

    assert ledger.is_live(grant_id) is live
    assert are_live(ledger, [grant_id], TREAT) == [live]
    assert ledger.balance(actors.doctor, grant_id) == int(live)


def test_is_live__in_the_block_that_grants__at_once(ledger, actors, grant_id):
    sent = ledger.grant(actors.patient, actors.doctor)

    assert ledger.chain.now == sent.time
    assert ledger.is_live(grant_id)


# ------------------------------------------------------------------------------------------------- by purpose


@pytest.mark.parametrize(
    ("granted", "asked", "live"),
    [
        (TREAT, TREAT, True),
        (TREAT | HRESCH, TREAT, True),
        (TREAT | HRESCH, HRESCH, True),
        (TREAT | HRESCH, TREAT | HRESCH, True),
        (TREAT, HRESCH, False),
        (TREAT, TREAT | HRESCH, False),
        (TREAT | HRESCH, ETREAT, False),
        (TREAT | HRESCH, TREAT | ETREAT, False),
        (TREAT, ETREAT, False),
        (ETREAT, TREAT, False),
        (1 << 15, 1 << 15, True),
        (ALL_PURPOSES, ALL_PURPOSES, True),
        (ALL_PURPOSES ^ TREAT, ALL_PURPOSES, False),
    ],
)
def test_is_live__asked_for_purposes__all_must_be_granted(ledger, actors, grant_id, granted, asked, live):
    ledger.grant(actors.patient, actors.doctor, purposes=granted)

    assert ledger.is_live(grant_id, asked) is live
    assert are_live(ledger, [grant_id], asked) == [live]


@pytest.mark.parametrize("granted", [False, True])
def test_is_live__asked_for_no_purpose__is_refused(ledger, actors, grant_id, granted):
    if granted:
        ledger.grant(actors.patient, actors.doctor)

    with pytest.raises(RefusedError) as refused:
        ledger.is_live(grant_id, 0)
    with pytest.raises(RefusedError) as refused_of_many:
        are_live(ledger, [grant_id], 0)

    assert refused.value.args == refused_of_many.value.args == ("ConsentRegistryPurposesEmpty",)


# --------------------------------------------------------------------------------------------- by grant, grantee


def test_is_live__nothing_was_granted__is_false(ledger, actors, grant_id):
    assert not ledger.is_live(grant_id)
    assert not ledger.is_live(0)
    assert ledger.balance(ZERO_ADDRESS, grant_id) == 0
    assert ledger.balance(actors.doctor, grant_id) == 0


def test_is_live__stamp_differs_either_way__is_false(ledger, actors, grant_id):
    for stamp, patients_stamp, live in [(3, 3, True), (3, 4, False), (4, 3, False)]:
        ledger.store_grant(grant_id, GrantView(actors.doctor, ledger.chain.now, NEVER, TREAT, stamp, epoch=1))
        ledger.store_stamp(actors.patient, patients_stamp)

        assert ledger.is_live(grant_id) is live
        assert ledger.balance(actors.doctor, grant_id) == int(live)


def test_is_live__another_patients_stamp__does_not_matter(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor)

    ledger.revoke_all(actors.other_patient)
    ledger.revoke_all(actors.doctor)

    assert ledger.is_live(grant_id)


@pytest.mark.parametrize("account", ["patient", "researcher", "stranger", "custodian"])
def test_balance_of__account_is_not_the_grantee__is_zero(ledger, actors, grant_id, account):
    ledger.grant(actors.patient, actors.doctor)

    assert ledger.balance(getattr(actors, account), grant_id) == 0
    assert ledger.balance(ZERO_ADDRESS, grant_id) == 0
    assert ledger.balance(actors.doctor, grant_id) == 1


def test_balance_of__any_purpose__is_one(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor, purposes=1 << 15)

    assert ledger.balance(actors.doctor, grant_id) == 1


# ---------------------------------------------------------------------------------------------------- in batches


def test_are_live__many__each_in_its_place(ledger, actors, grant_id):
    other_id = grant_id_of(actors.patient, actors.doctor, OTHER_TERMS)
    research_id = grant_id_of(actors.other_patient, actors.researcher)
    ledger.grant(actors.patient, actors.doctor)
    ledger.grant(actors.patient, actors.doctor, terms=OTHER_TERMS)
    ledger.grant(actors.other_patient, actors.researcher, purposes=HRESCH)
    ledger.revoke(actors.patient, other_id)

    assert are_live(ledger, [grant_id, other_id, research_id, 0, grant_id], TREAT) == [True, False, False, False, True]
    assert are_live(ledger, [research_id, grant_id], HRESCH) == [True, False]
    assert are_live(ledger, [], TREAT) == []


def test_balance_of_batch__many__each_in_its_place(ledger, actors, grant_id):
    ledger.grant(actors.patient, actors.doctor)
    accounts = [actors.doctor, actors.patient, actors.doctor]

    assert balances(ledger, accounts, [grant_id, grant_id, 0]) == [1, 0, 0]
    assert balances(ledger, [], []) == []


@pytest.mark.parametrize(("accounts", "ids"), [(1, 0), (0, 1), (2, 3), (3, 2)])
def test_balance_of_batch__lengths_differ__is_refused(ledger, actors, grant_id, accounts, ids):
    with pytest.raises(RefusedError) as refused:
        balances(ledger, [actors.doctor] * accounts, [grant_id] * ids)

    assert refused.value.args == ("AccessTokenLengthMismatch", accounts, ids)
