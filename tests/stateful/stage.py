"""The five contracts on the bare EVM, who takes part in the stories, and every word of storage they can write."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product

from bare_contract import BareContract
from bare_evm import BareEvm
from evm import ZERO_ADDRESS, _mapping_slot, _slot
from people import LONGEST, MOST, REVIEW_PERIOD, account
from signing import Domain

from medshare.model.consent import Grant
from medshare.model.delegation import Circle, Delegation
from medshare.model.emergency import EmergencyLimits
from medshare.model.ids import derive_episode_id, derive_grant_id
from medshare.model.ledger import LedgerModel
from medshare.model.purpose import Purpose

_NAMES = ("Anna", "Ben", "parent", "new key", "doctor", "reviewer", "hospital", "accreditor")
KEYS = {key.address: key for key in map(account, _NAMES)}
ACTORS = ANNA, BEN, PARENT, NEW_KEY, DOCTOR, REVIEWER, HOSPITAL, ACCREDITOR = tuple(KEYS)
NAMES = dict(zip(ACTORS, _NAMES, strict=True))
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
ENCRYPTION_KEYS = (b"\xd1" * 32, b"\xd2" * 32)
HIGHEST = Purpose(1 << 15)
PURPOSES = (Purpose.TREAT, Purpose.HRESCH, Purpose.TREAT | Purpose.HRESCH, HIGHEST)
GRANT_IDS = tuple(
    derive_grant_id(patient, grantee, terms) for patient in ACTORS for grantee in GRANTEES for terms in TERMS
)
OFTEN_USED_IDS = tuple(
    derive_grant_id(patient, grantee, terms) for patient in PATIENTS for grantee in (DOCTOR, PARENT) for terms in TERMS
)

Place = tuple[str, str, tuple[str | bytes | int, ...], int]
"""A word of storage: contract, label, the mapping's keys, and the offset from where they lead."""


class Stage:
    """The deployed contracts, once for all examples."""

    def __init__(self) -> None:
        self.evm = BareEvm()
        consents = BareContract(self.evm, "ConsentRegistry")
        accreditation = BareContract(self.evm, "SoleAccreditor", ACCREDITOR)
        limits = (LONGEST, REVIEW_PERIOD, MOST)
        self.contracts = {
            "ConsentRegistry": consents,
            "Directory": BareContract(self.evm, "Directory"),
            "RecordRegistry": BareContract(self.evm, "RecordRegistry"),
            "SoleAccreditor": accreditation,
            "EmergencyAccess": BareContract(
                self.evm, "EmergencyAccess", consents.address, accreditation.address, *limits
            ),
        }
        self.names = {contract.address: name for name, contract in self.contracts.items()}

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
    return LedgerModel(accreditor=ACCREDITOR, limits=limits)


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
    return {**dict(_consents_words(model)), **dict(_other_words(model))}


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
        yield ("Directory", "_keys", (actor,), 0), int.from_bytes(key.key, "big")
        yield ("Directory", "_keys", (actor,), 1), key.version | key.set_at << 32
    for (custodian, record_id), entry in model.records.items():
        times = entry.registered_at << 160 | entry.ended_at << 192
        word = int(entry.patient, 16) | times | entry.version << 224 | entry.status << 240
        yield ("RecordRegistry", "_records", (custodian, record_id), 0), word
    for (actor, kind), until in model.accredited.items():
        yield ("SoleAccreditor", "_validUntil", (actor, int(kind)), 0), until
    for episode_id, episode in model.episodes.items():
        times = episode.opened_at << 160 | episode.ends_at << 192
        word = int(episode.patient, 16) | times | episode.reason << 224 | episode.verdict << 232
        yield ("EmergencyAccess", "_episodes", (episode_id,), 0), word
    for clinician, standing in model.standings.items():
        yield ("EmergencyAccess", "_standings", (clinician,), 0), standing.episodes | standing.reviewed << 32
    for patient, bar in model.bars.items():
        yield ("EmergencyAccess", "_bars", (patient,), 0), int(bar.barred) | bar.count << 8


@cache
def empty_words() -> dict[Place, int]:
    """Return every word that stories could write, as it is before."""
    consents, emergencies = "ConsentRegistry", "EmergencyAccess"
    places: list[Place] = [(consents, "_grants", (grant_id,), 0) for grant_id in GRANT_IDS]
    places += [(consents, "_delegations", pair, 0) for pair in product(ACTORS, (*ACTORS, ZERO_ADDRESS))]
    places += [(consents, "_controls", (actor,), 0) for actor in (*ACTORS, ZERO_ADDRESS)]
    places += [(consents, "_guardianships", (actor,), offset) for actor in PATIENTS for offset in range(4)]
    places += [("Directory", "_keys", (actor,), offset) for actor in ACTORS for offset in range(2)]
    places += [("RecordRegistry", "_records", pair, 0) for pair in product(ACTORS, (*RECORDS, bytes(32)))]
    places += [("SoleAccreditor", "_validUntil", (actor, int(kind)), 0) for actor in ACTORS for kind in (0, 1, 2)]
    places += [
        (emergencies, "_episodes", (derive_episode_id(clinician, number),), 0)
        for clinician in CLINICIANS
        for number in range(1, 9)
    ]
    places += [(emergencies, label, (actor,), 0) for label in ("_standings", "_bars") for actor in ACTORS]
    return dict.fromkeys(places, 0)
