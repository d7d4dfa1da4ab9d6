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

from dataclasses import fields
from typing import Any

import pytest
from eth_abi import encode
from hypothesis import given
from hypothesis import strategies as st

from medshare.chain import codec, logs
from medshare.chain.artifacts import CONTRACTS, load_artifact, signature
from medshare.chain.reverts import field_name
from medshare.chain.wire import BadAnswerError
from medshare.errors import InvalidInputError, MedshareError
from medshare.hashing import keccak256
from medshare.model import events
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import Grant, GrantRequest
from medshare.model.delegation import Delegation, DelegationRequest, Guardianship, Verbs
from medshare.model.emergency import EmergencyReason, Episode, Standing, Verdict
from medshare.model.events import AccessGranted, BlockRef, DelegateAppointed, EventPlace
from medshare.model.ids import EpisodeId, GrantId
from medshare.model.ledger import EncryptionKey
from medshare.model.purpose import Purpose
from medshare.model.record import RecordEntry, RecordStatus

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
    "struct IDirectory.EncryptionKey": (EncryptionKey, set(), {}),
    "struct IAuthority.DelegationFields": (Delegation, {"patient", "delegate"}, {}),
    "struct IAuthority.Guardianship": (Guardianship, set(), {}),
    "struct IEmergencyAccess.Episode": (Episode, {"episode_id"}, {"verdict": "enum IEmergencyAccess.Verdict"}),
    "struct IEmergencyAccess.Standing": (Standing, set(), {}),
}
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


def test_structs__of_all_abis__are_all_known() -> None:
    assert set(_structs()) == set(STRUCTS)


@pytest.mark.parametrize("struct", sorted(STRUCTS))
def test_struct__of_an_abi__has_the_dataclass_s_fields(struct: str) -> None:
    model, key, special = STRUCTS[struct]
    components = _structs()[struct]["components"]
    names = [field_name(one) for one in components]
    assert set(names) == {one.name for one in fields(model)} - key
    for name, component in zip(names, components, strict=True):
        expected = special.get(name, component["type"])
        assert component["internalType"] == expected


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (RecordStatus, {"ACTIVE": 1, "SUPERSEDED": 2, "RETRACTED": 3}),
        (Verdict, {"NONE": 0, "JUSTIFIED": 1, "UNJUSTIFIED": 2}),
        (AccreditationKind, {"CLINICIAN": 1, "REVIEWER": 2}),
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
    assert names == {one.name for one in fields(model)} - {"place"}


@pytest.mark.parametrize("name", sorted(_our_events()))
def test_decode_event__what_the_abi_encodes__comes_back(name: str) -> None:
    entry = _our_events()[name]
    samples = {
        "address": PATIENT,
        "bool": True,
        "bytes32": keccak256(name.encode()),
        "uint8": 2,
        "uint32": 9,
        "uint40": 10,
        "uint256": 1 << 200,
    }
    topics = [keccak256(signature(entry).encode())]
    topics += [encode([one["type"]], [samples[one["type"]]]) for one in entry["inputs"] if one["indexed"]]
    plain = [one["type"] for one in entry["inputs"] if not one["indexed"]]
    event = logs.decode_event(PLACE, topics, encode(plain, [samples[one] for one in plain]))
    assert type(event).__name__ == name
    if isinstance(event, AccessGranted):
        assert event.grant.grant_id == 1 << 200
        return
    if isinstance(event, DelegateAppointed):
        assert (event.delegation.patient, event.delegation.delegate) == (PATIENT, PATIENT)
        return
    for parameter in entry["inputs"]:
        field = "begins_at" if parameter["name"] == "from" else field_name(parameter)
        assert getattr(event, field) == samples[parameter["type"]]


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


@given(st.binary(max_size=256))
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
