"""What the consortium, the requests and the library both compute, asked from both

given every call that can be proposed
    its calldata is the ABI's, its function is the contract's, and it reads back as what it was
    by vote it is done; by a stranger it is refused
given contract, request, custodian and content
    the terms that accept a request are the ones that the contract computes, and no other
given those who are asked
    the tree of the library leads each to the root that the contract takes, and the library answers as the contract
given an enum
    both sides have the same members with the same numbers
given the shares of a request
    both divide a reward alike
"""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from asking import COMMITTEE, CONTENT, NATIVE, RESERVED, REWARD, SOMEWHERE, divide
from eth_abi import encode
from evm import CLINICIAN_KIND, Call, artifact, refusal
from institutions import INSTITUTIONS, data_of

from medshare.hashing import keccak256
from medshare.model import governed
from medshare.model.accreditation import AccreditationKind, MemberStatus, Suspension
from medshare.model.governed import GOVERNED, decode_call, encode_call
from medshare.model.invitations import InvitationTree, is_invited
from medshare.model.request import Invitation, RequestStatus, ReservationStatus, Split, request_terms_digest

pytestmark = pytest.mark.contracts

MEMBER, OTHER = INSTITUTIONS[:2]


def calls(actors, consortium):
    """One of each kind, as the chain stands after `prepared`."""
    return {
        governed.AdmitMember: {"member": OTHER},
        governed.RemoveMember: {"member": MEMBER},
        governed.SuspendMember: {"member": MEMBER},
        governed.ReinstateMember: {"member": MEMBER},
        governed.SetVotingRules: {"quorum": 67, "voting_period": 86_400},
        governed.SuspendAccreditation: {"actor": actors.doctor, "kind": AccreditationKind.CLINICIAN},
        governed.ReinstateAccreditation: {"actor": actors.doctor, "kind": AccreditationKind.CLINICIAN},
        governed.ApproveStudy: {"request_id": 2},
        governed.CancelRequest: {"request_id": 1},
        governed.DecideDispute: {"request_id": 1, "patient": actors.patient, "paid": True},
        governed.SetTokenAllowed: {"token": SOMEWHERE, "allowed": True},
        governed.SetSplit: {"category": 200, "patient": 1, "custodian": 9_999},
        governed.SetPeriods: {"dispute_period": 3_601, "decision_period": 3_602},
        governed.WithdrawTreasury: {"account": consortium, "token": NATIVE, "to": SOMEWHERE},
    }


@pytest.fixture
def prepared(asking, institutions, actors, disputed):
    """A disputed delivery, a study that awaits approval, a second member, a clinician; the treasury has something."""
    asking.opened(actors.researcher)
    institutions.accredit(actors.member, actors.doctor, CLINICIAN_KIND)
    institutions.decide([actors.member], institutions.call("admit", MEMBER))
    other = asking.opened(actors.researcher)
    asking.approve(COMMITTEE, other)
    asking.accept(actors.stranger, other, asking.acceptance(other, actors.patient, actors.custodian))
    asking.deliver(actors.custodian, other, actors.patient)
    asking.confirm(actors.researcher, other, actors.patient)
    return disputed


def function_of(call, contracts) -> Call:
    contract = {"Consortium": contracts.consortium, "AccessRequests": contracts.requests}[call.contract]
    values = [getattr(call, each.name) for each in fields(call)]
    return contract.functions[call.signature](*values)


@pytest.mark.parametrize("kind", GOVERNED, ids=lambda kind: kind.__name__)
def test_encode_call__each_kind__is_the_abis_and_reads_back(actors, contracts, kind):
    call = kind(**calls(actors, contracts.consortium.address)[kind])

    types = kind.signature.partition("(")[2].rstrip(")").split(",")
    selector = bytes.fromhex(artifact(kind.contract)["methodIdentifiers"][kind.signature])
    data = encode_call(call)
    assert data == selector + encode(types, [getattr(call, each.name) for each in fields(call)])
    assert data == data_of(function_of(call, contracts))
    assert decode_call(kind.contract, data) == call


@pytest.mark.parametrize("kind", GOVERNED, ids=lambda kind: kind.__name__)
def test_governed_call__by_vote__is_done_and_by_a_stranger_refused(institutions, contracts, actors, prepared, kind):
    members = [actors.member, MEMBER]
    call = kind(**calls(actors, contracts.consortium.address)[kind])
    if kind is governed.ReinstateMember:
        institutions.decide(members, institutions.call("suspend", MEMBER))
        members = [actors.member]
    if kind is governed.ReinstateAccreditation:
        institutions.suspend_accreditation(actors.member, actors.doctor, CLINICIAN_KIND)
    function = function_of(call, contracts)

    refused = refusal(lambda: institutions.chain.send(function, sender=actors.stranger))
    sent = institutions.decide(members, function)

    assert refused[0] in (
        "ConsortiumNotByVote",
        "EscrowNotByVote",
        "EscrowNotAllowed",
        "DirectoryNotAMember",
        "AccessRequestsNotAccredited",
        "AccessRequestsNotAllowed",
    )
    assert sent.events[0].name == "ProposalExecuted"
    assert len(sent.events) > 1


# ----------------------------------------------------------------------------------------------------------- terms


def test_request_terms_digest__asked_from_both__is_the_same(asking, actors, study):
    for request, custodian, content in (
        (study, actors.custodian, CONTENT),
        (2**256 - 1, actors.other_custodian, bytes(32)),
        (0, "0x" + "00" * 20, b"\xff" * 32),
    ):
        ours = request_terms_digest(asking.contract.address, request, custodian, content)
        assert ours == asking.terms_for(request, custodian, content)


def test_request_terms_digest__signed__is_taken_by_the_contract(asking, ledger, actors, study):
    """The contract computes the terms itself: a grant under ours is found, and told with them."""
    sent = asking.accept(actors.stranger, study, asking.acceptance(study, actors.patient, actors.custodian))

    ours = request_terms_digest(asking.contract.address, study, actors.custodian, CONTENT)
    assert sent.events[0].values["terms"] == ours
    assert asking.reservation(study, actors.patient).status == RESERVED


# --------------------------------------------------------------------------------------------------- who is asked


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_invitation_tree__of_so_many__each_is_asked_and_nobody_else(asking, actors, count):
    accounts = (actors.patient, actors.other_patient, actors.doctor, actors.stranger, actors.deployer)
    asked = (*accounts, *INSTITUTIONS)[:count]
    tree = InvitationTree.of({account: keccak256(account.encode()) for account in asked}, decoys=[keccak256(b"decoy")])
    request = asking.opened(actors.researcher, asking.terms(invitees=tree.root, grants=count))
    outsider = INSTITUTIONS[6]

    for account in asked:
        invitation = tree.invitation(account)
        signed, borrowed = (asking.acceptance(request, who, actors.custodian) for who in (account, outsider))
        shown = (invitation.salt, list(invitation.proof))
        refused = refusal(
            lambda borrowed=borrowed, shown=shown: asking.accept(actors.stranger, request, borrowed, shown)
        )
        assert refused == ("AccessRequestsNotInvited", request, outsider)
        assert not is_invited(tree.root, outsider, invitation)
        asking.accept(actors.stranger, request, signed, shown)
        assert is_invited(tree.root, account, invitation)
    assert asking.request(request).places == 0
    assert not is_invited(tree.root, asked[0], Invitation(salt=bytes(32), proof=tree.invitation(asked[0]).proof))


# ---------------------------------------------------------------------------------------------------------- enums


@pytest.mark.parametrize(
    ("function", "enum"),
    [
        ("kinds", AccreditationKind),
        ("memberStatuses", MemberStatus),
        ("suspensions", Suspension),
        ("requestStatuses", RequestStatus),
        ("reservationStatuses", ReservationStatus),
    ],
)
def test_enum__asked_from_both__is_the_same(chain, deploy_harness, function, enum):
    names, numbers, last = chain.call(deploy_harness("Enums__Harness").functions[function]())

    theirs = {
        re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper(): number for name, number in zip(names, numbers, strict=True)
    }
    assert sorted(numbers) == list(range(last + 1))
    if enum is AccreditationKind:
        assert theirs.pop("NONE") == 0  # nobody is accredited as nothing
    assert theirs == {member.name: member.value for member in enum}


@pytest.mark.parametrize("reward", [0, 1, 3, 9_999, 10_001, REWARD, 2**128 - 1])
@pytest.mark.parametrize("shares", [(7_000, 2_000), (0, 0), (10_000, 0), (0, 10_000), (3_333, 3_334)])
def test_divide__any_reward__is_the_same_and_leaves_nothing(reward, shares):
    """What the contract does with it is in test_confirm."""
    ours = Split(patient=shares[0], custodian=shares[1]).divide(reward)

    assert ours == divide(reward, *shares)
    assert sum(ours) == reward
