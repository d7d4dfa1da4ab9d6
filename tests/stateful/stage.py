"""The six contracts and two tokens on the bare EVM, who takes part, and every word of storage that can be written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import product

from bare_contract import BareContract
from bare_evm import BareEvm
from eth_utils import to_checksum_address
from evm import QUORUM, SPLIT, VOTING_PERIOD, ZERO_ADDRESS, _mapping_slot, _slot
from nodes import ROOT
from people import DAY, LONGEST, MOST, REVIEW_PERIOD, account
from signing import Domain

from medshare.model.consent import Grant
from medshare.model.delegation import Circle, Delegation
from medshare.model.emergency import EmergencyLimits
from medshare.model.events import BlockRef, EventPlace
from medshare.model.ids import Address, derive_episode_id, derive_grant_id
from medshare.model.ledger import LedgerModel
from medshare.model.proposal import VotingRules
from medshare.model.purpose import Purpose
from medshare.model.record_batch import RecordBatch
from medshare.model.request import NATIVE, Periods, Split

TOKENS = ROOT / "tests" / "vectors" / "tokens"
_NAMES = ("Anna", "Ben", "parent", "new key", "doctor", "reviewer", "hospital", "accreditor")
_INSTITUTIONS = ("clinic", "ministry", "newcomer", "laboratory", "researcher", "other researcher", "committee")
KEYS = {key.address: key for key in map(account, (*_NAMES, *_INSTITUTIONS))}
EVERYBODY = tuple(KEYS)
ACTORS = ANNA, BEN, PARENT, NEW_KEY, DOCTOR, REVIEWER, HOSPITAL, ACCREDITOR = EVERYBODY[: len(_NAMES)]
CLINIC, MINISTRY, NEWCOMER, LABORATORY, RESEARCHER, OTHER_RESEARCHER, COMMITTEE = EVERYBODY[len(_NAMES) :]
FOUNDERS = (ACCREDITOR, CLINIC, MINISTRY)
NAMES = dict(zip(EVERYBODY, (*_NAMES, *_INSTITUTIONS), strict=True))
PATIENTS, DELEGATES, CLINICIANS = (ANNA, BEN), (PARENT, NEW_KEY, DOCTOR), (DOCTOR, PARENT)
GUARDIANS = {key.address: key for key in map(account, ("guardian one", "guardian two", "guardian three"))}
CIRCLES = (
    Circle.of(tuple(GUARDIANS), 2, b"\x5a" * 32),
    Circle.of(tuple(GUARDIANS)[:2], 1, b"\x5b" * 32),
)

START, END_OF_TIME = 1_800_000_000, 2**32 - 1
GRANTEES = (DOCTOR, PARENT, BEN)
TERMS = (b"\xa1" * 32, b"\xa2" * 32)
BUNDLES = (b"\xb1" * 32, b"\xb2" * 32, bytes(32))
RECORDS = tuple(bytes([number]) * 32 for number in range(0xC1, 0xC7))
BATCHES = tuple(
    RecordBatch.of(zip(ids, (ANNA, BEN, ANNA), strict=False), secret=bytes([number]) * 32)
    for number, ids in enumerate((RECORDS[:3], RECORDS[2:5], RECORDS[5:]), start=0xE1)
)
"""Some of whose records are registered singly, too, or are in two of them."""
ENCRYPTION_KEYS = (b"\xd1" * 32, b"\xd2" * 32)
HIGHEST = Purpose(1 << 15)
PURPOSES = (Purpose.TREAT, Purpose.HRESCH, Purpose.TREAT | Purpose.HRESCH, HIGHEST)
GRANT_IDS = tuple(
    derive_grant_id(patient, grantee, terms) for patient in ACTORS for grantee in GRANTEES for terms in TERMS
)
OFTEN_USED_IDS = tuple(
    derive_grant_id(patient, grantee, terms) for patient in PATIENTS for grantee in (DOCTOR, PARENT) for terms in TERMS
)

RULES = VotingRules(quorum=QUORUM, voting_period=VOTING_PERIOD)
PERIODS = Periods(dispute_period=2 * DAY, decision_period=3 * DAY)
"""Short, so that stories come to their ends."""
SHARES = Split(patient=SPLIT[0], custodian=SPLIT[1])
RECIPIENTS = ("0x" + "11" * 20, "0x" + "22" * 20)
"""Where money goes."""
FUNDS = 1 << 100
"""What each researcher has of each token."""

Place = tuple[str, str, tuple[str | bytes | int, ...], int]
"""A word of storage: contract, label, the mapping's keys, and the offset from where they lead."""


class Stage:
    """The deployed contracts, once for all examples."""

    def __init__(self) -> None:
        self.evm = BareEvm()
        consortium = BareContract(self.evm, "Consortium", list(FOUNDERS), QUORUM, VOTING_PERIOD)
        consents = BareContract(self.evm, "ConsentRegistry")
        links, limits = (consents.address, consortium.address), (LONGEST, REVIEW_PERIOD, MOST)
        shares, periods = (SHARES.patient, SHARES.custodian, True), (PERIODS.dispute_period, PERIODS.decision_period)
        self.contracts = {
            "Consortium": consortium,
            "RecordRegistry": BareContract(self.evm, "RecordRegistry", consortium.address),
            "ConsentRegistry": consents,
            "EmergencyAccess": BareContract(self.evm, "EmergencyAccess", *links, *limits),
            "AccessRequests": BareContract(self.evm, "AccessRequests", *links[::-1], shares, *periods),
            "Attestations": BareContract(self.evm, "Attestations", consortium.address),
        }
        self.names = {contract.address: name for name, contract in self.contracts.items()}
        self.consortium, self.requests = (self.address(name) for name in ("Consortium", "AccessRequests"))
        self.tokens = {
            name: BareContract(self.evm, name, shipped=json.loads((TOKENS / f"{name}.json").read_text("utf-8")))
            for name in ("Token__Mock", "HostileToken__Mock")
        }
        self.good, self.hostile = (to_checksum_address(token.address) for token in self.tokens.values())
        for token, researcher in product(self.tokens.values(), (RESEARCHER, OTHER_RESEARCHER)):
            token.do(researcher, START, "mint", researcher, FUNDS)
            token.do(researcher, START, "approve", self.requests, FUNDS)

    def address(self, name: str) -> Address:
        """Return where a contract is."""
        return Address(to_checksum_address(self.contracts[name].address))

    def balance(self, token: Address, account: Address) -> int:
        """Return what somebody has of a token, or of the chain's own coin."""
        if token == NATIVE:
            return self.evm.balance(bytes.fromhex(account[2:]))
        name = "Token__Mock" if token == self.good else "HostileToken__Mock"
        return int(self.tokens[name].ask(START, "balanceOf", account))

    @cache  # noqa: B019 - one stage for the whole run
    def domain(self, name: str) -> Domain:
        """Return what the contract says it is signed for."""
        _, called, version, chain_id, address, _, _ = self.contracts[name].ask(START, "eip712Domain")
        return Domain(called, chain_id, address, version)

    def load(self, place: Place) -> int:
        return self.evm.load(self.contracts[place[0]].address, slot_of(place))

    def store(self, place: Place, word: int) -> None:
        self.evm.store(self.contracts[place[0]].address, slot_of(place), word)


@cache
def stage() -> Stage:
    return Stage()


def new_model() -> LedgerModel:
    limits = EmergencyLimits(longest_episode=LONGEST, review_period=REVIEW_PERIOD, most_unreviewed=MOST)
    model = LedgerModel(limits=limits, consortium=stage().consortium, escrow=stage().requests)
    place = EventPlace(block=BlockRef(number=0, hash=bytes(32), time=START), log_index=0, tx_hash=bytes(32))
    model.found(FOUNDERS, RULES, place)
    model.set_up(SHARES, PERIODS, place)
    return model


# -------------------------------------------------------------------------------------------------- storage


@cache
def slot_of(place: Place) -> int:
    contract, label, keys, offset = place
    slot = _slot(contract, label)
    for key in keys:
        slot = _mapping_slot(slot, key)
    return slot + offset


def pack_grant(grant: Grant) -> int:
    dates = grant.not_before << 64 | grant.expires_at << 32
    return int(grant.grantee, 16) << 96 | dates | int(grant.purposes) << 16 | grant.stamp << 8 | grant.epoch


def pack_delegation(delegation: Delegation) -> int:
    dates = delegation.not_before << 72 | delegation.expires_at << 40
    scope = int(delegation.purposes) << 24 | int(delegation.verbs) << 16
    return dates | scope | delegation.stamp << 8 | delegation.epoch


def words_of(model: LedgerModel) -> dict[Place, int]:
    """Return what the contracts must hold, word by word."""
    parts = (_consents_words, _other_words, _consortium_words, _escrow_words, _request_words, _attestation_words)
    return {place: word for part in parts for place, word in part(model)}


def _consents_words(model: LedgerModel) -> Iterator[tuple[Place, int]]:
    where = "ConsentRegistry"
    for grant_id, grant in model.grants.items():
        yield (where, "_grants", (grant_id,), 0), pack_grant(grant)
    for pair, delegation in model.delegations.items():
        yield (where, "_delegations", pair, 0), pack_delegation(delegation)
    for patient in model.stamps.keys() | model.controls.keys():
        moved = model.controls.get(patient)
        control = int(moved.controller, 16) << 16 | moved.tenure << 8 if moved else 0
        yield (where, "_controls", (patient,), 0), control | model.stamp(patient)
    for patient, standing in model.guardianships.items():
        delays = standing.delay | standing.next_delay << 32 | standing.next_from << 64
        counts = standing.ready_at << 96 | standing.attempt << 128 | standing.changes << 160
        words = (
            int.from_bytes(standing.circle, "big"),
            int.from_bytes(standing.next_circle, "big"),
            delays | counts,
            int(standing.proposed, 16),
        )
        for offset, word in enumerate(words):
            yield (where, "_guardianships", (patient,), offset), word


def _other_words(model: LedgerModel) -> Iterator[tuple[Place, int]]:
    for actor, key in model.keys.items():
        yield ("Consortium", "_keys", (actor,), 0), int.from_bytes(key.key, "big")
        yield ("Consortium", "_keys", (actor,), 1), key.version | key.set_at << 32
    for (custodian, record_id), entry in model.records.items():
        times = entry.registered_at << 160 | entry.ended_at << 192
        word = int(entry.patient, 16) | times | entry.version << 224 | entry.status << 240
        yield ("RecordRegistry", "_records", (custodian, record_id), 0), word
    for (custodian, root), batch in model.batches.items():
        yield ("RecordRegistry", "_batches", (custodian, root), 0), batch.anchored_at | batch.count << 32
    for episode_id, episode in model.episodes.items():
        times = episode.opened_at << 160 | episode.ends_at << 192
        word = int(episode.patient, 16) | times | episode.reason << 224 | episode.verdict << 232
        yield ("EmergencyAccess", "_episodes", (episode_id,), 0), word
    for clinician, standing in model.standings.items():
        yield ("EmergencyAccess", "_standings", (clinician,), 0), standing.episodes | standing.reviewed << 32
    for patient, bar in model.bars.items():
        yield ("EmergencyAccess", "_bars", (patient,), 0), int(bar.barred) | bar.count << 8


def _consortium_words(model: LedgerModel) -> Iterator[tuple[Place, int]]:
    where, rules = "Consortium", model.voting_rules
    for account_, member in model.members.items():
        yield (where, "_members", (account_,), 0), member.seat | member.status << 8
        yield (where, "_seats", (member.seat,), 0), int(account_, 16)
    yield (where, "_seated", (), 0), sum(1 << seat for seat in model.seated)
    yield (where, "_seatsGiven", (), 0), model.seats_given | len(model.seated) << 8
    for (actor, kind), said in model.accreditations.items():
        word = said.valid_until | said.seat << 40 | said.suspension << 48
        yield (where, "_accreditations", (actor, int(kind)), 0), word
    yield (where, "_quorum", (), 0), rules.quorum | rules.voting_period << 8
    yield (where, "proposals", (), 0), len(model.proposals)
    for number, each in model.proposals.items():
        votes = sum(1 << seat for seat in each.votes)
        first = int(each.proposer, 16) | each.deadline << 160 | each.executed << 200
        words = (first, int(each.target, 16), int.from_bytes(each.call_digest, "big"), votes)
        for offset, word in enumerate(words):
            yield (where, "_proposals", (number,), offset), word


def _escrow_words(model: LedgerModel) -> Iterator[tuple[Place, int]]:
    where, periods = "AccessRequests", model.periods
    for pair, amount in model.credits.items():
        yield (where, "_credits", pair, 0), amount
    for whose, count in model.withdrawn.items():
        yield (where, "_withdrawals", (whose,), 0), count
    for token in model.allowed_tokens:
        yield (where, "_isAllowed", (token,), 0), 1
    for category, split in model.splits.items():
        yield (where, "_splits", (category,), 0), split.patient | split.custodian << 16 | 1 << 32
    yield (where, "_disputePeriod", (), 0), periods.dispute_period | periods.decision_period << 32


def _request_words(model: LedgerModel) -> Iterator[tuple[Place, int]]:
    where = "AccessRequests"
    yield (where, "requests", (), 0), len(model.requests)
    for number, each in model.requests.items():
        terms, split, periods = each.terms, each.split, each.periods
        dates = terms.deadline << 160 | terms.access_days << 192 | int(terms.purposes) << 208
        standing = each.places << 224 | each.status << 240 | each.is_open_call << 248
        counts = terms.grants << 160 | each.delivered << 176 | each.returned << 192
        shares = split.patient << 208 | split.custodian << 224 | terms.category << 240 | terms.minimum_score << 248
        lasting = periods.dispute_period << 128 | periods.decision_period << 160
        words = (
            int(each.requester, 16) | dates | standing,
            int(terms.token, 16) | counts | shares,
            terms.reward | lasting | terms.quality_method << 192 | terms.quality_weight << 208,
            int.from_bytes(terms.document, "big"),
            int.from_bytes(terms.invitees, "big"),
        )
        for offset, word in enumerate(words):
            yield (where, "_requests", (number,), offset), word
    for (number, patient), part in model.reservations.items():
        word = int(part.custodian, 16) | part.since << 160 | part.status << 192 | part.score << 200
        yield (where, "_reservations", (number, patient), 0), word


def _attestation_words(model: LedgerModel) -> Iterator[tuple[Place, int]]:
    for pair, each in model.attestations.items():
        times = each.attested_at | each.withdrawn_at << 32
        yield (
            ("Attestations", "_attestations", pair, 0),
            times | each.count << 64 | each.method << 96 | each.score << 112,
        )
    for pair, anchor in model.anchors.items():
        yield ("Attestations", "_anchors", pair, 0), anchor.anchored_at | anchor.count << 32


@cache
def empty_words() -> dict[Place, int]:
    """Return every word that stories could write, as it is before."""
    consents, emergencies = "ConsentRegistry", "EmergencyAccess"
    places: list[Place] = [(consents, "_grants", (grant_id,), 0) for grant_id in GRANT_IDS]
    places += [(consents, "_delegations", pair, 0) for pair in product(ACTORS, (*ACTORS, ZERO_ADDRESS))]
    places += [(consents, "_controls", (actor,), 0) for actor in (*ACTORS, ZERO_ADDRESS)]
    places += [(consents, "_guardianships", (actor,), offset) for actor in PATIENTS for offset in range(4)]
    places += [("Consortium", "_keys", (actor,), offset) for actor in ACTORS for offset in range(2)]
    places += [("Consortium", "_members", (actor,), 0) for actor in (*EVERYBODY, ZERO_ADDRESS)]
    places += [("Consortium", "_seats", (seat,), 0) for seat in range(8)]
    places += [("Consortium", "_accreditations", pair, 0) for pair in product((*EVERYBODY, ZERO_ADDRESS), range(7))]
    places += [("Consortium", "_proposals", (number,), offset) for number in range(40) for offset in range(4)]
    places += [("RecordRegistry", "_batches", (actor, batch.root), 0) for actor in ACTORS for batch in BATCHES]
    places += [("RecordRegistry", "_records", pair, 0) for pair in product(ACTORS, (*RECORDS, bytes(32)))]
    places += [
        (emergencies, "_episodes", (derive_episode_id(clinician, number),), 0)
        for clinician in CLINICIANS
        for number in range(1, 9)
    ]
    places += [(emergencies, label, (actor,), 0) for label in ("_standings", "_bars") for actor in ACTORS]
    requests, accounts = "AccessRequests", (*EVERYBODY, *RECIPIENTS, ZERO_ADDRESS, stage().consortium)
    coins = (NATIVE, stage().good, stage().hostile)
    places += [(requests, "_credits", pair, 0) for pair in product(accounts, coins)]
    places += [(requests, "_withdrawals", (account_,), 0) for account_ in accounts]
    places += [(requests, "_isAllowed", (token,), 0) for token in coins]
    places += [(requests, "_splits", (category,), 0) for category in range(8)]
    places += [(requests, "_requests", (number,), offset) for number in range(20) for offset in range(5)]
    places += [(requests, "_reservations", pair, 0) for pair in product(range(20), accounts)]
    vouching = product((REVIEWER, DOCTOR, HOSPITAL, LABORATORY), (*RECORDS, bytes(32)))
    places += [("Attestations", label, pair, 0) for pair in vouching for label in ("_attestations", "_anchors")]
    return dict.fromkeys(places, 0)
