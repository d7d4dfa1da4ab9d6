"""The contracts and the pure model, side by side (README.md beside this file has the invariants in words)

given any story of verbs, callers, arguments and times
    contract and model answer each call alike, and agree on everything that can be asked, after each step
    no call changes the grants of a patient who did not make it
    what is revoked is dead for every purpose and second to come
    tokens and events tell the same story
"""

from __future__ import annotations

import dataclasses
from copy import deepcopy
from functools import cache

import pytest
from bare_evm import BareEvm, Log, RevertedError
from eth_abi import decode, encode
from eth_utils import event_signature_to_log_topic, keccak, to_checksum_address
from evm import DEPLOYED, artifact, decode_error
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from medshare.errors import RejectedError
from medshare.model.consent import Grant, GrantRequest
from medshare.model.events import (
    AccessGranted,
    AccessRevoked,
    AllAccessRevoked,
    BlockRef,
    EncryptionKeySet,
    EventPlace,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
)
from medshare.model.ids import ZERO_ADDRESS, GrantId, derive_grant_id, patient_of
from medshare.model.ledger import LedgerModel
from medshare.model.purpose import Purpose
from medshare.model.record import RecordEntry, RecordStatus

PATIENT, OTHER_PATIENT, READER, CUSTODIAN = ACTORS = tuple(
    to_checksum_address(bytes([number]) * 20) for number in (0x11, 0x22, 0x33, 0x44)
)
GRANTEES = (READER, OTHER_PATIENT, PATIENT, CUSTODIAN, ZERO_ADDRESS)
TERMS = (b"\xa1" * 32, b"\xa2" * 32)
BUNDLES = (b"\xb1" * 32, b"\xb2" * 32, bytes(32))
RECORDS = (b"\xc1" * 32, b"\xc2" * 32, b"\xc3" * 32, b"\xc4" * 32)
KEYS = (b"\xd1" * 32, b"\xd2" * 32)
ZERO = bytes(32)
HIGHEST = Purpose(1 << 15)
PURPOSES = (Purpose.TREAT, Purpose.HRESCH, Purpose.TREAT | Purpose.HRESCH, HIGHEST)
START = 1_800_000_000
END_OF_TIME = 2**32 - 1
ALL_IDS = tuple(
    derive_grant_id(patient, grantee, terms) for patient in ACTORS for grantee in GRANTEES for terms in TERMS
)

actors = st.sampled_from(ACTORS)
record_ids = st.sampled_from((*RECORDS, ZERO))
offsets = st.one_of(
    st.integers(-2, 3), st.integers(4, 60), st.sampled_from([-START, 5_000, END_OF_TIME - START - 9_000])
)
wanted_purposes = st.sampled_from((*PURPOSES, Purpose(0)))


class World:
    """The deployed contracts, once for all examples."""

    def __init__(self) -> None:
        self.evm = BareEvm()
        self.addresses = {name: self.evm.deploy(bytes.fromhex(artifact(name)["bytecode"][2:])) for name in DEPLOYED}
        self.errors = {name: artifact(name)["abi"] for name in DEPLOYED}
        layout = artifact("ConsentRegistry")["storageLayout"]["storage"]
        self.slots = {entry["label"]: int(entry["slot"]) for entry in layout}
        self.selectors = {
            signature: (name, bytes.fromhex(selector))
            for name in DEPLOYED
            for signature, selector in artifact(name)["methodIdentifiers"].items()
        }


@cache
def world() -> World:
    return World()


def raw(address: str) -> bytes:
    return bytes.fromhex(address[2:])


def topic(signature: str) -> bytes:
    return bytes(event_signature_to_log_topic(signature))


TRANSFER = topic("TransferSingle(address,address,address,uint256,uint256)")


def unpack_grant(grant_id: int, word: int) -> Grant:
    return Grant(
        grant_id=GrantId(grant_id),
        grantee=to_checksum_address((word >> 96).to_bytes(20, "big")),
        not_before=word >> 64 & 0xFFFFFFFF,
        expires_at=word >> 32 & 0xFFFFFFFF,
        purposes=Purpose(word >> 16 & 0xFFFF),
        stamp=word >> 8 & 0xFF,
        epoch=word & 0xFF,
    )


def pack_grant(grantee, not_before, expires_at, purposes, stamp=0, epoch=0) -> int:
    return int(grantee, 16) << 96 | not_before << 64 | expires_at << 32 | purposes << 16 | stamp << 8 | epoch


def pack_record(entry: RecordEntry) -> int:
    times = entry.registered_at << 160 | entry.ended_at << 192
    return int(entry.patient, 16) | times | entry.version << 224 | entry.status << 240


def decode_log(log: Log, place: EventPlace):
    """Return the model's event that a log tells of."""
    topics = log.topics

    def actor(index):
        return to_checksum_address(topics[index][-20:])

    if topics[0] == topic("EncryptionKeySet(address,bytes32,uint32)"):
        key, version = decode(["bytes32", "uint32"], log.data)
        return EncryptionKeySet(place=place, actor=actor(1), key=key, version=version)
    if topics[0] == topic("RecordRegistered(address,address,bytes32)"):
        assert log.data == b""
        return RecordRegistered(place=place, custodian=actor(1), patient=actor(2), record_id=topics[3])
    if topics[0] == topic("RecordSuperseded(address,address,bytes32,bytes32)"):
        return RecordSuperseded(
            place=place, custodian=actor(1), patient=actor(2), record_id=topics[3], previous_id=log.data
        )
    if topics[0] == topic("RecordRetracted(address,bytes32,bytes32)"):
        return RecordRetracted(place=place, custodian=actor(1), record_id=topics[2], reason=log.data)
    if topics[0] == topic("AccessGranted(uint256,bytes32,bytes32,uint256)"):
        terms, bundle, word = decode(["bytes32", "bytes32", "uint256"], log.data)
        grant = unpack_grant(int.from_bytes(topics[1], "big"), word)
        return AccessGranted(place=place, terms=terms, bundle=bundle, grant=grant)
    if topics[0] == topic("AccessRevoked(uint256,uint8)"):
        epoch = int.from_bytes(log.data, "big")
        return AccessRevoked(place=place, grant_id=GrantId(int.from_bytes(topics[1], "big")), epoch=epoch)
    if topics[0] == topic("AllAccessRevoked(address,uint8)"):
        return AllAccessRevoked(place=place, patient=actor(1), stamp=int.from_bytes(log.data, "big"))
    raise AssertionError(f"unknown log {log}")


class ContractsAgainstModel(RuleBasedStateMachine):
    """Every verb by anybody, on both."""

    def __init__(self) -> None:
        super().__init__()
        self.world = world()
        self.slots = self.world.slots
        self.evm = self.world.evm
        self.mark = self.evm.snapshot()
        self.model = LedgerModel()
        self.replayed = LedgerModel()
        self.tokens: dict[tuple[str, int], int] = {}
        self.now = START
        self.block = 0
        self.touched: set[object] = set()
        """Callers, record keys and grant ids of this step."""

    def teardown(self) -> None:
        try:
            self._compare_liveness(self.model.grants, self._edges(self.model.grants))
        finally:
            self.evm.revert(self.mark)

    # ------------------------------------------------------------------------------------------ the beginning

    @initialize(
        stamp=st.sampled_from([0, 252]), epoch=st.sampled_from([0, 250, 252]), version=st.sampled_from([0, 65533])
    )
    def begin_near_zero_or_near_the_ends(self, stamp, epoch, version):
        """Counts reach their ends in a few steps, not in hundreds."""
        note(f"begin at stamp {stamp}, epoch {epoch}, version {version}")
        if stamp:
            self.model.stamps[PATIENT] = stamp
            self.evm.store(
                self.world.addresses["ConsentRegistry"], self._mapping(self.slots["_controls"], raw(PATIENT)), stamp
            )
        if epoch:
            grant_id = derive_grant_id(PATIENT, READER, TERMS[0])
            word = pack_grant(READER, START, START + 5_000, Purpose.TREAT, stamp, epoch)
            self.model.grants[grant_id] = unpack_grant(grant_id, word)
            self.tokens[READER, grant_id] = 1
            self.evm.store(self.world.addresses["ConsentRegistry"], self._grant_slot(grant_id), word)
        if version:
            entry = RecordEntry(
                record_id=RECORDS[0],
                custodian=CUSTODIAN,
                patient=PATIENT,
                registered_at=START,
                ended_at=0,
                version=version,
                status=RecordStatus.ACTIVE,
            )
            self.model.records[CUSTODIAN, RECORDS[0]] = entry
            slot = self._record_slot(CUSTODIAN, RECORDS[0])
            self.evm.store(self.world.addresses["RecordRegistry"], slot, pack_record(entry))
        self.replayed = deepcopy(self.model)

    # -------------------------------------------------------------------------------------------------- verbs

    @rule(caller=actors, key=st.sampled_from((*KEYS, ZERO)))
    def set_encryption_key(self, caller, key):
        self._both("setEncryptionKey(bytes32)", [key], caller, LedgerModel.set_encryption_key, key)

    @rule(caller=actors, record_id=record_ids, patient=st.sampled_from((PATIENT, OTHER_PATIENT, ZERO_ADDRESS)))
    def register(self, caller, record_id, patient):
        self.touched.add((caller, record_id))
        self._both("register(bytes32,address)", [record_id, patient], caller, LedgerModel.register, record_id, patient)

    @rule(caller=actors, record_id=record_ids, previous_id=record_ids)
    def supersede(self, caller, record_id, previous_id):
        arguments = [record_id, previous_id]
        self.touched |= {(caller, record_id), (caller, previous_id)}
        self._both("supersede(bytes32,bytes32)", arguments, caller, LedgerModel.supersede, *arguments)

    @precondition(lambda self: self.model.records)
    @rule(data=st.data(), record_id=st.sampled_from(RECORDS))
    def supersede_what_exists(self, data, record_id):
        custodian, previous_id = data.draw(st.sampled_from(sorted(self.model.records)))
        self.supersede(custodian, record_id, previous_id)

    @rule(caller=actors, record_id=record_ids, reason=st.sampled_from([ZERO, b"\xe1" * 32]))
    def retract(self, caller, record_id, reason):
        self.touched.add((caller, record_id))
        self._both("retract(bytes32,bytes32)", [record_id, reason], caller, LedgerModel.retract, record_id, reason)

    @precondition(lambda self: self.model.records)
    @rule(data=st.data())
    def retract_what_exists(self, data):
        self.retract(*data.draw(st.sampled_from(sorted(self.model.records))), b"\xe1" * 32)

    @rule(
        caller=actors,
        grantee=st.sampled_from(GRANTEES),
        terms=st.sampled_from(TERMS),
        bundle=st.sampled_from(BUNDLES),
        begin=offsets,
        end=offsets,
        purposes=wanted_purposes,
        counters=st.sampled_from([0, 0xFFFF]),
    )
    def grant_anything(self, caller, grantee, terms, bundle, begin, end, purposes, counters):
        """Good and bad arguments alike."""
        self._grant(caller, grantee, terms, bundle, self.now + begin, self.now + end, purposes, counters)

    @rule(
        caller=actors,
        grantee=st.sampled_from((READER, CUSTODIAN)),
        terms=st.sampled_from(TERMS),
        bundle=st.sampled_from(BUNDLES),
        begin=st.sampled_from([-START, 0, 1, 7]),
        length=st.integers(1, 40),
        purposes=st.sampled_from(PURPOSES),
    )
    def grant(self, caller, grantee, terms, bundle, begin, length, purposes):
        """Mostly what passes."""
        begins = max(self.now + begin, 0)
        self._grant(caller, grantee, terms, bundle, begins, max(begins, self.now) + length, purposes, 0)

    @rule(caller=actors, grant_id=st.sampled_from((*ALL_IDS, GrantId(1))))
    def revoke(self, caller, grant_id):
        self._revoke(caller, grant_id)

    @precondition(lambda self: self.model.grants)
    @rule(data=st.data(), by_patient=st.sampled_from([True, True, False]))
    def revoke_what_exists(self, data, by_patient):
        grant_id = data.draw(st.sampled_from(sorted(self.model.grants)))
        caller = patient_of(grant_id) if by_patient else data.draw(actors)
        self._revoke(caller, grant_id)

    @rule(caller=actors)
    def revoke_all(self, caller):
        live_before = [grant_id for grant_id in self.model.grants if patient_of(grant_id) == caller]
        passed = self._both("revokeAll(address)", [caller], caller, LedgerModel.revoke_all, caller)
        assert passed, "I2: revokeAll is never refused"
        self._assert_dead(live_before)

    @rule(
        caller=actors,
        token=st.sampled_from(ALL_IDS),
        verb=st.sampled_from(["move", "move many", "approve"]),
        to=actors,
    )
    def move_or_approve(self, caller, token, verb, to):
        """I4: nobody can."""
        holder = self.model.grants[token].grantee if token in self.model.grants else caller
        signature, arguments = {
            "move": ("safeTransferFrom(address,address,uint256,uint256,bytes)", [holder, to, token, 1, b""]),
            "move many": (
                "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
                [holder, to, [token], [1], b""],
            ),
            "approve": ("setApprovalForAll(address,bool)", [to, True]),
        }[verb]
        with pytest.raises(RevertedError) as reverted:
            self._transact(signature, arguments, caller)
        assert reverted.value.data == keccak(text="AccessTokenNotTransferable()")[:4]

    # --------------------------------------------------------------------------------------------------- time

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds):
        self._travel(self.now + seconds)

    @precondition(lambda self: self._edges(self.model.grants, after=self.now))
    @rule(data=st.data())
    def wait_for_an_edge(self, data):
        """To the second before, at or after which a grant begins or ends."""
        self._travel(data.draw(st.sampled_from(self._edges(self.model.grants, after=self.now))))

    def _travel(self, time):
        before = {grant_id for grant_id in self.model.grants if self._live_for_something(grant_id)}
        self.now = time
        for grant_id, grant in self.model.grants.items():
            if grant_id not in before and self._live_for_something(grant_id):
                # I2, I3: time alone begins what the patient dated ahead, and never brings back what he ended.
                assert grant.not_before <= time < grant.expires_at
                assert grant.purposes
                assert grant.stamp == self.model.stamp(grant.patient)

    # ----------------------------------------------------------------------------------- what must always hold

    @invariant()
    def contract_and_model_agree(self):
        """After every step, about everything."""
        self._keys_agree()
        self._records_agree()
        self._stamps_and_grants_agree()
        self._liveness_agrees()
        self._balances_are_liveness()
        self._token_events_say_who_was_granted()
        self.touched.clear()
        assert self.replayed == self.model, "I6: the events are the state"

    # Every slot is compared after every step; the views, which are slower, are asked about what the step touched.

    def _keys_agree(self):
        for actor in ACTORS:
            entry = self.model.keys.get(actor)
            slot = self._mapping(0, raw(actor))
            key, rest = (self.evm.load(self.world.addresses["Directory"], slot + offset) for offset in (0, 1))
            if entry is None:
                assert (key, rest) == (0, 0)
            else:
                assert (key, rest) == (int.from_bytes(entry.key, "big"), entry.set_at << 32 | entry.version)
            if actor in self.touched:
                answer = self._ask("getEncryptionKey(address)", [actor], ["bytes32", "uint32", "uint40"])
                unset = ("DirectoryEncryptionKeyNotSet", actor)
                assert answer == (unset if entry is None else (entry.key, entry.version, entry.set_at))

    def _records_agree(self):
        for custodian in ACTORS:
            for record_id in RECORDS:
                entry = self.model.records.get((custodian, record_id))
                slot = self._record_slot(custodian, record_id)
                word = self.evm.load(self.world.addresses["RecordRegistry"], slot)
                assert word == (0 if entry is None else pack_record(entry))
                if (custodian, record_id) in self.touched:
                    self._ask_record(custodian, record_id, entry)

    def _ask_record(self, custodian, record_id, entry):
        kinds = ["address", "uint32", "uint32", "uint16", "uint8"]
        answer = self._ask("getRecord(address,bytes32)", [custodian, record_id], kinds)
        if entry is None:
            assert answer == ("RecordRegistryRecordUnknown", custodian, record_id)
        else:
            times = (entry.registered_at, entry.ended_at)
            assert answer == (entry.patient.lower(), *times, entry.version, entry.status)

    def _stamps_and_grants_agree(self):
        registry = self.world.addresses["ConsentRegistry"]
        for actor in ACTORS:
            assert self.evm.load(registry, self._mapping(self.slots["_controls"], raw(actor))) == self.model.stamp(
                actor
            )
            if actor in self.touched:
                assert self._ask("getStamp(address)", [actor], ["uint8"]) == (self.model.stamp(actor),)
        for grant_id in ALL_IDS:
            word = self.evm.load(registry, self._grant_slot(grant_id))
            grant = self.model.grants.get(grant_id)
            if grant is None:
                assert word == 0
            else:
                assert unpack_grant(grant_id, word) == grant
            if grant_id in self.touched:
                kinds = ["address", "uint32", "uint32", "uint16", "uint8", "uint8"]
                answer = self._ask("getGrant(uint256)", [grant_id], kinds)
                if grant is None:
                    assert answer == ("ConsentRegistryGrantUnknown", grant_id)
                else:
                    assert unpack_grant(grant_id, pack_grant(*answer)) == grant

    def _liveness_agrees(self):
        self._compare_liveness(self.model.grants, [self.now])
        changed = {grant_id: self.model.grants[grant_id] for grant_id in self.model.grants if grant_id in self.touched}
        self._compare_liveness(changed, self._edges(changed))
        for grant_id in changed:
            assert self._ask("isLive(uint256,uint16)", [grant_id, 0], ["bool"]) == ("ConsentRegistryPurposesEmpty",)
            for purpose in PURPOSES:
                (live,) = self._ask("isLive(uint256,uint16)", [grant_id, purpose], ["bool"])
                assert live == self.model.is_live(grant_id, purpose, self.now)

    def _balances_are_liveness(self):
        pairs = [(account, grant_id) for grant_id in self.model.grants for account in (*ACTORS, ZERO_ADDRESS)]
        if not pairs:
            return
        accounts, ids = zip(*pairs, strict=True)
        (held,) = self._ask("balanceOfBatch(address[],uint256[])", [accounts, ids], ["uint256[]"])
        for (account, grant_id), balance in zip(pairs, held, strict=True):
            holds = self.model.grants[grant_id].grantee == account and self._live_for_something(grant_id)
            assert balance == int(holds), (account, grant_id)

    def _token_events_say_who_was_granted(self):
        for grant_id, grant in self.model.grants.items():
            assert self.tokens.get((grant.grantee, grant_id), 0) == int(bool(grant.purposes))
        assert set(self.tokens.values()) <= {0, 1}

    # ------------------------------------------------------------------------------------------------ the means

    def _grant(self, caller, grantee, terms, bundle, begin, end, purposes, counters):
        begin, end = (min(max(time, 0), END_OF_TIME) for time in (begin, end))
        request = GrantRequest(
            grantee=grantee, terms=terms, bundle=bundle, not_before=begin, expires_at=end, purposes=purposes
        )
        word = pack_grant(grantee, begin, end, purposes) | counters
        self.touched.add(derive_grant_id(caller, grantee, terms))
        self._both("grant(bytes32,bytes32,uint256)", [terms, bundle, word], caller, LedgerModel.grant, request)

    def _revoke(self, caller, grant_id):
        self.touched.add(grant_id)
        passed = self._both("revoke(uint256)", [grant_id], caller, LedgerModel.revoke, grant_id)
        assert passed == (patient_of(grant_id) == caller), "I2: never refused to the patient, always to others"
        if passed:
            self._assert_dead([grant_id])

    def _both(self, signature, arguments, caller, verb, *model_arguments) -> bool:
        """Let contract and model do the same; return whether they did or both refused."""
        self.block += 1
        self.touched.add(caller)
        note(f"{self.now - START:+d}s {caller[:6]}: {signature} {arguments}")
        place = EventPlace(block=BlockRef(number=self.block, hash=ZERO, time=self.now), log_index=0, tx_hash=ZERO)
        before = self._words()
        purposes_before = {grant_id: grant.purposes for grant_id, grant in self.model.grants.items()}
        try:
            (event,) = verb(self.model, caller, *model_arguments, place)
        except RejectedError as error:
            expected = (error.solidity, *(getattr(error, field.name) for field in dataclasses.fields(error)))
            with pytest.raises(RevertedError) as reverted:
                self._transact(signature, arguments, caller)
            refused = decode_error(reverted.value.data, self.world.errors[self.world.selectors[signature][0]])
            assert refused.args == expected
            assert self._words() == before, "what is refused changes nothing"
            return False

        ours, *transfers = self._transact(signature, arguments, caller)
        assert decode_log(ours, place) == event
        assert ours.address == self.world.addresses[self.world.selectors[signature][0]]
        self.replayed.apply(decode_log(ours, place))
        self._check_transfers(transfers, event, purposes_before)
        for grant_id, word in self._words().items():
            assert word == before[grant_id] or patient_of(grant_id) == caller, "I1"
        return True

    def _check_transfers(self, transfers, event, purposes_before):
        expected = []
        nobody, one = bytes(32), (1).to_bytes(32, "big")
        if isinstance(event, AccessGranted) and not purposes_before.get(event.grant.grant_id):
            grantee = bytes(12) + raw(event.grant.grantee)
            expected = [(event.grant.grant_id, nobody, grantee)]
            self._move_token(ZERO_ADDRESS, event.grant.grantee, event.grant.grant_id)
        if isinstance(event, AccessRevoked) and purposes_before.get(event.grant_id):
            grantee = self.model.grants[event.grant_id].grantee
            expected = [(event.grant_id, bytes(12) + raw(grantee), nobody)]
            self._move_token(grantee, ZERO_ADDRESS, event.grant_id)
        assert transfers == [
            Log(
                self.world.addresses["ConsentRegistry"],
                (TRANSFER, bytes(12) + raw(patient_of(grant_id)), sender, receiver),
                grant_id.to_bytes(32, "big") + one,
            )
            for grant_id, sender, receiver in expected
        ]

    def _move_token(self, sender, receiver, grant_id):
        for account, change in ((sender, -1), (receiver, 1)):
            if account != ZERO_ADDRESS:
                self.tokens[account, grant_id] = self.tokens.get((account, grant_id), 0) + change

    def _transact(self, signature, arguments, caller):
        contract, data = self._encode(signature, arguments)
        return self.evm.transact(raw(caller), contract, data, self.now)

    def _ask(self, signature, arguments, kinds, *, at=None):
        contract, data = self._encode(signature, arguments)
        try:
            answer = self.evm.call(b"\x99" * 20, contract, data, self.now if at is None else at)
        except RevertedError as reverted:
            return decode_error(reverted.data, self.world.errors[self.world.selectors[signature][0]]).args
        return decode(kinds, answer)

    def _encode(self, signature, arguments):
        name, selector = self.world.selectors[signature]
        kinds = [kind for kind in signature.partition("(")[2][:-1].split(",") if kind]
        return self.world.addresses[name], selector + encode(kinds, arguments)

    def _compare_liveness(self, grants, times):
        ids = sorted(grants)
        for time in times if ids else ():
            for purpose in PURPOSES:
                (live,) = self._ask("areLive(uint256[],uint16)", [ids, purpose], ["bool[]"], at=time)
                expected = [self.model.is_live(grant_id, purpose, time) for grant_id in ids]
                assert list(live) == expected, (time, purpose)

    def _assert_dead(self, ids):
        grants = {grant_id: self.model.grants[grant_id] for grant_id in ids}
        for time in [self.now, *self._edges(grants, after=self.now), END_OF_TIME] if ids else ():
            for purpose in PURPOSES:
                (live,) = self._ask("areLive(uint256[],uint16)", [ids, purpose], ["bool[]"], at=time)
                assert not any(live), "I3: revoked is dead, now and later"

    def _edges(self, grants, after=0):
        """Return the seconds at which an answer may change, and those before."""
        edges = {edge for grant in grants.values() for edge in (grant.not_before, grant.expires_at)}
        return sorted(second for edge in edges for second in (edge - 1, edge) if second > after)

    def _live_for_something(self, grant_id):
        purposes = self.model.grants[grant_id].purposes
        return bool(purposes) and self.model.is_live(grant_id, purposes, self.now)

    def _words(self):
        registry = self.world.addresses["ConsentRegistry"]
        return {grant_id: self.evm.load(registry, self._grant_slot(grant_id)) for grant_id in ALL_IDS}

    @staticmethod
    @cache
    def _mapping(base: int, key: bytes) -> int:
        return int.from_bytes(keccak(key.rjust(32, b"\x00") + base.to_bytes(32, "big")), "big")

    def _grant_slot(self, grant_id):
        return self._mapping(self.slots["_grants"], grant_id.to_bytes(32, "big"))

    def _record_slot(self, custodian, record_id):
        return self._mapping(self._mapping(0, raw(custodian)), record_id)


TestContractsAgainstModel = ContractsAgainstModel.TestCase
TestContractsAgainstModel.pytestmark = [pytest.mark.stateful]
