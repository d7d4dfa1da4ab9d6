"""The contracts' words and the model.

every struct that a function returns
└── its component names and internal types should be the fields of the dataclass
every event of ours
├── its parameters should be the fields of its class
└── it should decode to what was encoded
given a word, an answer or a log that cannot be
└── it should raise BadAnswerError, whatever the bytes
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from eth_abi import encode
from hypothesis import given
from hypothesis import strategies as st

from medshare.chain import codec, consortium_codec, logs, request_codec
from medshare.chain.artifacts import CONTRACTS, load_artifact, signature
from medshare.chain.reverts import field_name
from medshare.chain.wire import BadAnswerError
from medshare.errors import InvalidInputError, MedshareError
from medshare.hashing import keccak256
from medshare.model import events
from medshare.model.accreditation import Accreditation, AccreditationKind, Member, MemberStatus, Suspension
from medshare.model.attestation import Anchor, Attestation
from medshare.model.consent import Grant, GrantRequest
from medshare.model.delegation import Delegation, DelegationRequest, Guardianship, Verbs
from medshare.model.eip712 import Domain
from medshare.model.emergency import EmergencyReason, Episode, Standing, Verdict
from medshare.model.events import AccessGranted, BlockRef, DelegateAppointed, EventPlace, RequestOpened
from medshare.model.ids import ZERO_ADDRESS, EpisodeId, GrantId, ProposalId, RequestId
from medshare.model.ledger import EncryptionKey
from medshare.model.proposal import Proposal, VotingRules
from medshare.model.purpose import Purpose
from medshare.model.record import RecordEntry, RecordStatus
from medshare.model.record_batch import AnchoredBatch
from medshare.model.request import (
    Acceptance,
    AccessRequest,
    Invitation,
    Periods,
    RequestStatus,
    RequestTerms,
    Reservation,
    ReservationStatus,
    Split,
)
from medshare.model.typed_data import SignableGrant, SignedMessage

pytestmark = pytest.mark.unit

PATIENT = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
DOCTOR = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
PLACE = EventPlace(block=BlockRef(number=1, hash=bytes(32), time=1), log_index=0, tx_hash=bytes(32))

STRUCTS: dict[str, tuple[type, set[str], dict[str, str]]] = {
    # struct: dataclass, the fields that are its key and not in it, internal types that are not plain
    "struct IConsentRegistry.GrantFields": (Grant, {"grant_id"}, {}),
    "struct IRecordRegistry.Record": (
        RecordEntry,
        {"record_id", "custodian"},
        {"status": "enum IRecordRegistry.Status"},
    ),
    "struct IRecordRegistry.Batch": (AnchoredBatch, {"custodian", "root"}, {}),
    "struct IDirectory.EncryptionKey": (EncryptionKey, set(), {}),
    "struct IAuthority.DelegationFields": (Delegation, {"patient", "delegate"}, {}),
    "struct IAuthority.Guardianship": (Guardianship, set(), {}),
    "struct IEmergencyAccess.Episode": (Episode, {"episode_id"}, {"verdict": "enum IEmergencyAccess.Verdict"}),
    "struct IEmergencyAccess.Standing": (Standing, set(), {}),
    "struct IAttestations.Attestation": (Attestation, {"assessor", "subject"}, {}),
    "struct IAttestations.Anchor": (Anchor, set(), {}),
    "struct IDirectory.Member": (Member, set(), {"status": "enum IDirectory.MemberStatus"}),
    "struct IDirectory.Accreditation": (Accreditation, set(), {"suspension": "enum IDirectory.Suspension"}),
    "struct IConsortium.Proposal": (Proposal, {"proposal_id"}, {}),
    "struct IAccessRequests.Reservation": (
        Reservation,
        set(),
        {"status": "enum IAccessRequests.ReservationStatus"},
    ),
    "struct IEscrow.Split": (Split, set(), {}),
    "struct IAccessRequests.Request": (
        AccessRequest,
        {"request_id"},
        {"status": "enum IAccessRequests.RequestStatus", "document": "DocumentId"},
    ),
}
PARTS = {
    "terms": {one.name for one in fields(RequestTerms)} | {"is_open_call"},
    "split": {"patient_share", "custodian_share"},
    "periods": {one.name for one in fields(Periods)},
}
"""Fields that are words of their own on chain."""
WIDTHS = {"address": "address", "bytes32": "bytes32"}


def _structs() -> dict[str, dict[str, Any]]:
    return {
        output["internalType"]: output
        for name in CONTRACTS
        for entry in load_artifact(name).entries("function")
        for output in entry["outputs"]
        if output["type"].startswith("tuple")
    }


def _our_events() -> dict[str, dict[str, Any]]:
    return {
        entry["name"]: entry
        for name in CONTRACTS
        for entry in load_artifact(name).entries("event")
        if entry["name"] not in logs.IGNORED_EVENTS
    }


@pytest.mark.parametrize(
    ("struct", "model", "names"),
    [
        ("Terms", RequestTerms, {one.name for one in fields(RequestTerms)}),
        ("Invitation", Invitation, {"salt", "proof"}),
        (
            "Acceptance",
            Acceptance,
            {"patient", "custodian", "content", "bundle", "wanted", "authorization", "signature"},
        ),
    ],
)
def test_struct__that_a_function_takes__has_what_is_written(struct: str, model: type, names: set[str]) -> None:
    (parameter,) = {
        json.dumps(one, sort_keys=True)
        for entry in load_artifact("AccessRequests").entries("function")
        for one in entry["inputs"]
        if one.get("internalType") == f"struct IAccessRequests.{struct}"
    }
    assert {field_name(one) for one in json.loads(parameter)["components"]} == names
    assert {one.name for one in fields(model)} - names <= {"signed", "invitation"}


def test_structs__of_all_abis__are_all_known() -> None:
    assert set(_structs()) == set(STRUCTS)


@pytest.mark.parametrize("struct", sorted(STRUCTS))
def test_struct__of_an_abi__has_the_dataclass_s_fields(struct: str) -> None:
    model, key, special = STRUCTS[struct]
    components = _structs()[struct]["components"]
    names = [field_name(one) for one in components]
    ours = {one.name for one in fields(model)} - key
    if model is AccessRequest:
        ours = ours - set(PARTS) | set().union(*PARTS.values())
    if model is Split:
        ours |= {"is_set"}  # a category without a split is None
    assert set(names) == ours
    for name, component in zip(names, components, strict=True):
        expected = special.get(name, component["type"])
        assert component["internalType"] == expected


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (RecordStatus, {"ACTIVE": 1, "SUPERSEDED": 2, "RETRACTED": 3}),
        (Verdict, {"NONE": 0, "JUSTIFIED": 1, "UNJUSTIFIED": 2}),
        (
            AccreditationKind,
            {
                "CUSTODIAN": 1,
                "CLINICIAN": 2,
                "RESEARCHER": 3,
                "ETHICS_COMMITTEE": 4,
                "ASSESSOR": 5,
                "REVIEWER": 6,
            },
        ),
        (MemberStatus, {"UNKNOWN": 0, "SEATED": 1, "SUSPENDED": 2, "REMOVED": 3}),
        (Suspension, {"NONE": 0, "BY_MEMBER": 1, "BY_VOTE": 2}),
        (RequestStatus, {"UNKNOWN": 0, "AWAITING_APPROVAL": 1, "OPEN": 2, "CANCELLED": 3}),
        (
            ReservationStatus,
            {"NONE": 0, "RESERVED": 1, "DELIVERED": 2, "DISPUTED": 3, "PAID": 4, "RETURNED": 5},
        ),
        (EmergencyReason, {"UNCONSCIOUS": 1, "INCAPABLE": 2, "THREAT_TO_LIFE": 3, "THREAT_TO_OTHERS": 4}),
        (Verbs, {"GRANT": 1, "REVOKE": 2}),
    ],
)
def test_enum__names_and_numbers__are_the_contract_s(kind: type, names: dict[str, int]) -> None:
    assert {one.name: one.value for one in kind} == names


@pytest.mark.parametrize("name", sorted(_our_events()))
def test_event__of_an_abi__has_the_class_s_fields(name: str) -> None:
    model = getattr(events, name)
    names = {field_name(one) for one in _our_events()[name]["inputs"]}
    if name == "AccessGranted":
        names = names - {"grant_id", "granted"} | {"grant"}  # the id and the word make one Grant
    if name == "DelegateAppointed":
        names = {"delegation"}  # as above
    if name == "GuardiansNamed":
        names = names - {"from"} | {"begins_at"}  # a word that Python keeps for itself
    match name:
        case "RequestOpened":
            names = names - {"request_id", "requester"}  # the struct and its number
        case "SplitSet":
            names = names - {"patient", "custodian"} | {"split"}
        case "PeriodsSet":
            names = {"periods"}
        case "VotingRulesSet":
            names = {"rules"}
        case _:
            pass
    assert names == {one.name for one in fields(model)} - {"place"}


@pytest.mark.parametrize("name", sorted(_our_events()))
def test_decode_event__what_the_abi_encodes__comes_back(name: str) -> None:
    entry = _our_events()[name]
    samples = {
        "address": PATIENT,
        "bool": True,
        "bytes32": keccak256(name.encode()),
        "bytes": b"some calldata, longer than one word of 32 bytes",
        "uint8": 2,
        "uint16": 8,
        "uint32": 9,
        "uint40": 10,
        "uint256": 1 << 200,
    }
    topics = [keccak256(signature(entry).encode())]
    topics += [encode([one["type"]], [samples[one["type"]]]) for one in entry["inputs"] if one["indexed"]]
    if name == "RequestOpened":
        return  # looked at below
    plain = [one["type"] for one in entry["inputs"] if not one["indexed"]]
    event = logs.decode_event(PLACE, topics, encode(plain, [samples[one] for one in plain]))
    assert type(event).__name__ == name
    if isinstance(event, AccessGranted):
        assert event.grant.grant_id == 1 << 200
        return
    if isinstance(event, DelegateAppointed):
        assert (event.delegation.patient, event.delegation.delegate) == (PATIENT, PATIENT)
        return
    parts = {"SplitSet": "split", "PeriodsSet": "periods", "VotingRulesSet": "rules"}
    for parameter in entry["inputs"]:
        field = "begins_at" if parameter["name"] == "from" else field_name(parameter)
        holder = event if hasattr(event, field) else getattr(event, parts[name])
        assert getattr(holder, field) == samples[parameter["type"]]


def at_most(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << bits) - 1)


words = st.binary(min_size=32, max_size=32)
shares = st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)).filter(lambda both: sum(both) <= 10_000)
qualities = st.just((0, 0, 0)) | st.tuples(st.integers(0, 100), st.integers(1, 0xFFFF), st.integers(0, 10_000))
"""Minimum score, method and weight."""


def terms_with(quality: tuple[int, int, int], **fields: object) -> RequestTerms:
    minimum, method, weight = quality
    return RequestTerms(minimum_score=minimum, quality_method=method, quality_weight=weight, **fields)


requests = st.builds(
    AccessRequest,
    request_id=st.just(RequestId(7)),
    requester=st.sampled_from([PATIENT, DOCTOR]),
    terms=st.builds(
        terms_with,
        quality=qualities,
        purposes=at_most(16).map(Purpose),
        category=at_most(8),
        grants=at_most(16),
        deadline=at_most(32),
        access_days=at_most(16),
        token=st.sampled_from([PATIENT, ZERO_ADDRESS]),
        reward=at_most(128),
        document=words,
        invitees=words | st.just(bytes(32)),
    ),
    status=st.sampled_from(RequestStatus),
    places=at_most(16),
    delivered=at_most(16),
    returned=at_most(16),
    split=shares.map(lambda both: Split(patient=both[0], custodian=both[1])),
    periods=st.builds(Periods, dispute_period=at_most(32), decision_period=at_most(32)),
)
REQUEST_KINDS = [
    *("address", "uint32", "uint16", "uint16", "uint16", "uint8", "bool"),
    *("address", "uint16", "uint16", "uint16", "uint16", "uint16", "uint8", "uint8"),
    *("uint128", "uint32", "uint32", "uint16", "uint16", "bytes32", "bytes32"),
]


def request_words(request: AccessRequest) -> bytes:
    terms = request.terms
    return encode(
        REQUEST_KINDS,
        [
            request.requester,
            terms.deadline,
            terms.access_days,
            int(terms.purposes),
            request.places,
            int(request.status),
            request.is_open_call,
            terms.token,
            terms.grants,
            request.delivered,
            request.returned,
            request.split.patient,
            request.split.custodian,
            terms.category,
            terms.minimum_score,
            terms.reward,
            request.periods.dispute_period,
            request.periods.decision_period,
            terms.quality_method,
            terms.quality_weight,
            terms.document,
            terms.invitees,
        ],
    )


@given(requests)
def test_decode_request__struct_or_event__is_the_same(request: AccessRequest) -> None:
    answer = request_words(request)
    assert request_codec.decode_request(RequestId(7), answer) == request
    topics = [logs.topic_of("AccessRequests", "RequestOpened"), (7).to_bytes(32, "big")]
    requester = encode(["address"], [request.requester])
    assert logs.decode_event(PLACE, [*topics, requester], answer) == RequestOpened(place=PLACE, request=request)
    with pytest.raises(BadAnswerError):
        logs.decode_event(PLACE, [*topics, encode(["address"], [ZERO_ADDRESS])], answer)


@given(requests)
def test_decode_request__open_call_that_names_whom_it_asks__is_a_bad_answer(request: AccessRequest) -> None:
    answer = request_words(request)
    lie = answer[: 6 * 32] + int(not request.is_open_call).to_bytes(32, "big") + answer[7 * 32 :]
    with pytest.raises(BadAnswerError):
        request_codec.decode_request(RequestId(7), lie)


@given(requests)
def test_decode_request__quality_by_no_method__is_a_bad_answer(request: AccessRequest) -> None:
    terms = replace(request.terms, minimum_score=1, quality_method=0)
    with pytest.raises(BadAnswerError):
        request_codec.decode_request(RequestId(7), request_words(replace(request, terms=terms)))


@given(requests)
def test_encode_terms__any__is_what_eth_abi_says(request: AccessRequest) -> None:
    terms = request.terms
    kinds = ["uint16", "uint8", "uint16", "uint32", "uint16", "address", "uint128", "bytes32", "bytes32"]
    kinds += ["uint8", "uint16", "uint16"]
    values = [
        int(terms.purposes),
        terms.category,
        terms.grants,
        terms.deadline,
        terms.access_days,
        terms.token,
        terms.reward,
        terms.document,
        terms.invitees,
        terms.minimum_score,
        terms.quality_method,
        terms.quality_weight,
    ]
    assert request_codec.encode_terms(terms) == encode(kinds, values)


@pytest.mark.parametrize("change", [{"grants": 1 << 16}, {"reward": 1 << 128}, {"deadline": -1}, {"document": b""}])
def test_encode_terms__what_the_chain_could_not_hold__is_refused(change: dict) -> None:
    usual = {
        "purposes": Purpose.HRESCH,
        "category": 1,
        "grants": 1,
        "deadline": 1,
        "access_days": 1,
        "document": bytes(32),
    }
    with pytest.raises(InvalidInputError):
        request_codec.encode_terms(RequestTerms(**{**usual, **change}))


@given(
    signature=st.binary(min_size=1, max_size=200),
    proof=st.lists(words, max_size=5),
    by_delegate=st.booleans(),
    salt=words,
)
def test_encode_accepting__any__is_what_eth_abi_says(
    signature: bytes, proof: list, by_delegate: bool, salt: bytes
) -> None:
    message = SignableGrant(
        patient=PATIENT,
        grantee=DOCTOR,
        terms=bytes(32),
        bundle=b"\2" * 32,
        purposes=Purpose.HRESCH,
        not_before=1,
        expires_at=2,
        stamp=3,
        epoch=4,
        mandate=5 if by_delegate else 0,
        deadline=6,
    )
    signer = DOCTOR if by_delegate else PATIENT
    domain = Domain.of("ConsentRegistry", 1, PATIENT)
    acceptance = Acceptance(
        custodian=DOCTOR,
        content=b"\1" * 32,
        signed=SignedMessage(message=message, domain=domain, signer=signer, signature=signature),
        invitation=Invitation(salt=salt, proof=tuple(proof)),
    )
    wanted = int(DOCTOR, 16) << 96 | 1 << 64 | 2 << 32 | 16 << 16 | 3 << 8 | 4
    authorization = (int(DOCTOR, 16) << 96 | 6 << 8 | 5) if by_delegate else 6 << 8
    kinds = ["uint256", "(address,address,bytes32,bytes32,uint256,uint256,bytes)", "(bytes32,bytes32[])"]
    struct = (PATIENT, DOCTOR, b"\1" * 32, b"\2" * 32, wanted, authorization, signature)
    assert request_codec.encode_accepting(RequestId(9), acceptance) == encode(kinds, [9, struct, (salt, proof)])


@given(call=st.binary(max_size=200), reason=words, number=at_most(256))
def test_encode_proposing_and_executing__any__is_what_eth_abi_says(call: bytes, reason: bytes, number: int) -> None:
    proposing = encode(["address", "bytes", "bytes32"], [DOCTOR, call, reason])
    assert consortium_codec.encode_proposing(DOCTOR, call, reason) == proposing
    assert consortium_codec.encode_executing(number, call) == encode(["uint256", "bytes"], [number, call])


@given(st.lists(st.sampled_from([PATIENT, DOCTOR, ZERO_ADDRESS]), max_size=5), at_most(8), at_most(32))
def test_founding__there_and_back__is_the_same_and_what_eth_abi_says(founders: list, quorum: int, period: int) -> None:
    rules = VotingRules(quorum=quorum, voting_period=period)
    arguments = consortium_codec.encode_founding(tuple(founders), rules)
    assert arguments == encode(["address[]", "uint8", "uint32"], [founders, quorum, period])
    assert consortium_codec.decode_founding(arguments) == (tuple(founders), rules)
    for cut in (arguments[:-1], arguments[:-32], arguments + bytes(32), bytes(32) + arguments[32:]):
        with pytest.raises(BadAnswerError):
            consortium_codec.decode_founding(cut)


@given(votes=st.frozensets(st.integers(0, 255), max_size=20), executed=st.booleans(), deadline=at_most(40))
def test_decode_proposal__struct_words__is_the_same(votes: frozenset, executed: bool, deadline: int) -> None:
    bits = sum(1 << seat for seat in votes)
    kinds = ["address", "uint40", "bool", "address", "bytes32", "uint256"]
    answer = encode(kinds, [PATIENT, deadline, executed, DOCTOR, bytes(32), bits])
    assert consortium_codec.decode_proposal(ProposalId(3), answer) == Proposal(
        proposal_id=ProposalId(3),
        proposer=PATIENT,
        deadline=deadline,
        executed=executed,
        target=DOCTOR,
        call_digest=bytes(32),
        votes=votes,
    )


grants = st.builds(
    Grant,
    grant_id=st.just(GrantId(1)),
    grantee=st.sampled_from([PATIENT, DOCTOR]),
    not_before=st.integers(0, 2**32 - 1),
    expires_at=st.integers(0, 2**32 - 1),
    purposes=st.integers(0, 255).map(Purpose),
    stamp=st.integers(0, 255),
    epoch=st.integers(0, 255),
)


@given(grants)
def test_grant__packed_and_unpacked__is_the_same(grant: Grant) -> None:
    assert codec.unpack_grant(GrantId(1), codec.pack_grant(grant)) == grant


@given(grants)
def test_decode_grant__struct_words__is_the_same(grant: Grant) -> None:
    kinds = ["address", "uint32", "uint32", "uint16", "uint8", "uint8"]
    values = [grant.grantee, grant.not_before, grant.expires_at, int(grant.purposes), grant.stamp, grant.epoch]
    assert codec.decode_grant(GrantId(1), encode(kinds, values)) == grant


delegations = st.builds(
    Delegation,
    patient=st.just(PATIENT),
    delegate=st.just(DOCTOR),
    verbs=st.integers(0, 255).map(Verbs),
    purposes=st.integers(0, 255).map(Purpose),
    not_before=st.integers(0, 2**32 - 1),
    expires_at=st.integers(0, 2**32 - 1),
    stamp=st.integers(0, 255),
    epoch=st.integers(0, 255),
)


@given(delegations)
def test_delegation__as_a_word_or_a_struct__is_the_same(delegation: Delegation) -> None:
    request = DelegationRequest(
        delegate=DOCTOR,
        verbs=delegation.verbs,
        purposes=delegation.purposes,
        not_before=delegation.not_before,
        expires_at=delegation.expires_at,
    )
    packed = codec.pack_delegation_request(request, stamp=delegation.stamp, epoch=delegation.epoch)
    assert codec.unpack_delegation(PATIENT, DOCTOR, int.from_bytes(packed, "big")) == delegation
    kinds = ["uint32", "uint32", "uint16", "uint8", "uint8", "uint8"]
    values = [delegation.not_before, delegation.expires_at, int(delegation.purposes), int(delegation.verbs)]
    answer = encode(kinds, [*values, delegation.stamp, delegation.epoch])
    assert codec.decode_delegation(PATIENT, DOCTOR, answer) == delegation


def test_pack_request__fields__lie_where_the_contract_reads_them() -> None:
    request = GrantRequest(
        grantee=DOCTOR, terms=bytes(32), bundle=bytes(32), not_before=1, expires_at=2, purposes=Purpose.HRESCH
    )
    packed = int.from_bytes(codec.pack_request(request), "big")
    assert packed == int(DOCTOR, 16) << 96 | 1 << 64 | 2 << 32 | 16 << 16


def test_pack_request__time_past_2106__is_refused() -> None:
    request = GrantRequest(
        grantee=DOCTOR, terms=bytes(32), bundle=bytes(32), not_before=0, expires_at=2**32, purposes=Purpose.TREAT
    )
    with pytest.raises(InvalidInputError):
        codec.pack_request(request)


@given(st.lists(st.integers(0, 2**256 - 1), max_size=5), st.lists(st.booleans(), max_size=5))
def test_are_live__both_ways__is_what_eth_abi_says(ids: list[int], live: list[bool]) -> None:
    assert codec.encode_are_live(ids, Purpose.TREAT) == encode(["uint256[]", "uint16"], [ids, 1])
    assert codec.decode_bools(encode(["bool[]"], [live]), len(live)) == tuple(live)


@pytest.mark.parametrize("answer", [b"", bytes(32), encode(["bool[]"], [[True]]), encode(["uint256[]"], [[2, 1]])])
def test_decode_bools__something_else__is_a_bad_answer(answer: bytes) -> None:
    with pytest.raises(BadAnswerError):
        codec.decode_bools(answer, 2)


@given(st.binary(max_size=256) | st.binary(min_size=608, max_size=608))
def test_decoders__any_bytes__give_a_value_or_a_typed_error(answer: bytes) -> None:
    decoders = (
        lambda: codec.decode_grant(GrantId(1), answer),
        lambda: codec.decode_record(PATIENT, bytes(32), answer),
        lambda: codec.decode_encryption_key(answer),
        lambda: codec.decode_bools(answer, 3),
        lambda: codec.decode_delegation(PATIENT, DOCTOR, answer),
        lambda: codec.decode_control(answer),
        lambda: codec.decode_guardianship(answer),
        lambda: codec.decode_episode(EpisodeId(1), answer),
        lambda: codec.decode_standing(answer),
        lambda: codec.decode_bar(answer),
        lambda: codec.decode_bytes(answer, 0, 1),
        lambda: consortium_codec.decode_member(answer),
        lambda: consortium_codec.decode_accreditation(answer),
        lambda: consortium_codec.decode_proposal(ProposalId(1), answer),
        lambda: consortium_codec.decode_tally(answer),
        lambda: consortium_codec.decode_voting_rules(answer),
        lambda: consortium_codec.decode_founding(answer),
        lambda: request_codec.decode_request(RequestId(1), answer),
        lambda: request_codec.decode_reservation(answer),
        lambda: request_codec.decode_split(answer),
        lambda: request_codec.decode_periods(answer),
        lambda: logs.decode_event(PLACE, [answer[:32].ljust(32)], answer),
        *(
            lambda topic=topic, count=count: logs.decode_event(PLACE, [topic, *[answer[:32].ljust(32)] * count], answer)
            for topic in logs.event_topics()
            for count in range(4)
        ),
    )
    for decode in decoders:
        try:
            decode()
        except (MedshareError, ValueError) as error:
            assert isinstance(error, MedshareError), error  # noqa: PT017 - either outcome is fine, another is not


@pytest.mark.parametrize("value", [None, 5, "5", "0xzz", "0x", "-0x1", "0x" + "f" * 17, {"a": 1}])
def test_hex_int__no_number_of_64_bits__is_a_bad_answer(value: object) -> None:
    with pytest.raises(BadAnswerError):
        codec.hex_int(value)


@pytest.mark.parametrize("value", [None, 5, "ab", "0xa", "0xzz", "0xab"])
def test_hex_bytes__no_hex_of_this_length__is_a_bad_answer(value: object) -> None:
    with pytest.raises(BadAnswerError):
        codec.hex_bytes(value, 2)
