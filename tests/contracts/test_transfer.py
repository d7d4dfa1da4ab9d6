"""AccessToken: the ERC-1155 face

given a live grant
    nobody moves the token: not its holder, not the patient, not a stranger; no amount, not even none
    nobody can be approved
    it is locked, as any token, granted or not
given a question about interfaces
    ERC-165, ERC-1155 and ERC-5192 are answered, nothing else
given ether
    the contracts take none
"""

from __future__ import annotations

import pytest
from evm import RefusedError, grant_id_of

pytestmark = pytest.mark.contracts

ERC165, ERC1155, ERC5192 = "0x01ffc9a7", "0xd9b67a26", "0xb45a3c0e"
CALLERS = ["doctor", "patient", "stranger", "deployer"]


@pytest.fixture
def grant_id(ledger, actors):
    ledger.grant(actors.patient, actors.doctor)
    return grant_id_of(actors.patient, actors.doctor)


def assert_refused(ledger, actors, function, sender):
    with pytest.raises(RefusedError) as refused:
        ledger.chain.send(function, sender=sender)
    assert refused.value.args == ("AccessTokenNotTransferable",)
    grant_id = grant_id_of(actors.patient, actors.doctor)
    assert ledger.balance(actors.doctor, grant_id) == 1
    assert ledger.balance(actors.researcher, grant_id) == 0


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("value", [0, 1])
def test_safe_transfer_from__live_token__is_refused(ledger, actors, grant_id, caller, value):
    function = ledger.contracts.consents.functions.safeTransferFrom(
        actors.doctor, actors.researcher, grant_id, value, b""
    )
    assert_refused(ledger, actors, function, getattr(actors, caller))


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("count", [0, 1])
def test_safe_batch_transfer_from__live_token__is_refused(ledger, actors, grant_id, caller, count):
    function = ledger.contracts.consents.functions.safeBatchTransferFrom(
        actors.doctor, actors.researcher, [grant_id] * count, [1] * count, b"\x01"
    )
    assert_refused(ledger, actors, function, getattr(actors, caller))


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("approved", [False, True])
def test_set_approval_for_all__any_operator__is_refused(ledger, actors, grant_id, caller, approved):
    function = ledger.contracts.consents.functions.setApprovalForAll(actors.researcher, approved)
    assert_refused(ledger, actors, function, getattr(actors, caller))


def test_is_approved_for_all__anybody__is_false(ledger, actors, grant_id):
    functions = ledger.contracts.consents.functions
    pairs = [(actors.doctor, actors.patient), (actors.doctor, actors.doctor), (actors.patient, actors.stranger)]

    assert [ledger.chain.call(functions.isApprovedForAll(*pair)) for pair in pairs] == [False, False, False]


def test_locked__granted_or_not__is_true(ledger, actors, grant_id):
    functions = ledger.contracts.consents.functions

    assert ledger.chain.call(functions.locked(grant_id)) is True
    assert ledger.chain.call(functions.locked(0)) is True


@pytest.mark.parametrize(
    ("interface_id", "answer"),
    [
        (ERC165, True),
        (ERC1155, True),
        (ERC5192, True),
        ("0xffffffff", False),
        ("0x00000000", False),
        ("0x0e89341c", False),  # ERC-1155's metadata: there is no URI that would say what a grant is about
        ("0x80ac58cd", False),  # ERC-721
        ("0x8c65f84d", False),  # ERC-5643: a subscription could be renewed by others than the patient
    ],
)
def test_supports_interface__asked__answers_as_it_is(ledger, interface_id, answer):
    function = ledger.contracts.consents.functions.supportsInterface(bytes.fromhex(interface_id[2:]))

    assert ledger.chain.call(function) is answer


@pytest.mark.parametrize("contract", ["consents", "consortium", "records", "requests"])
def test_receive__ether_or_unknown_call__is_refused(ledger, actors, contract):
    address = getattr(ledger.contracts, contract).address

    for data, value in ((b"", 1), (b"\xde\xad\xbe\xef", 0), (b"", 0)):
        assert not ledger.chain.transact(address, data, sender=actors.stranger, value=value).is_done
    assert ledger.chain.balance(address) == 0
