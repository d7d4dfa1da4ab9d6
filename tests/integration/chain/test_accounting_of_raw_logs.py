"""An accounting of a thousand events, against a count of the chain's raw logs that nothing of ours reads.

given a chain on which a thousand events concern one patient, and others another
├─ each raw log of the patient is one event of the accounting, with its transaction and log index, and no other is
├─ who was granted access, how often, and by whose word is what the raw logs say
├─ as a Bundle and as a table it is what the chain tells
└─ any one event left out or edited is found, and no other is named
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from chain_world import World
from eth_abi import decode
from eth_utils import keccak, to_checksum_address

from medshare.chain import LocalSigner, load_network, open_chain
from medshare.chain.signing import ChainWallets, domains_of
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import MAX_TIME, GrantRequest
from medshare.model.delegation import DelegationRequest, Verbs
from medshare.model.disclosure import AccountingOfDisclosures, Capacity, Manner
from medshare.model.emergency import EmergencyReason, EpisodeRequest, Verdict
from medshare.model.ids import BundleId, RecordId, TermsDigest, derive_grant_id
from medshare.model.purpose import Purpose
from medshare.model.typed_data import Signable, SignableGrant, SignableRevoke
from medshare.services.accounting import Accounting
from medshare.services.auditing import Auditing
from medshare.services.index import LedgerIndex
from medshare.services.signing import sign
from medshare.standards import audit_event, disclosures
from medshare.standards.comparing import Finding

pytestmark = pytest.mark.integration

DAY = 86_400
READERS, TERMS = 70, 9
SIGNATURES = {
    "RecordRegistered": "RecordRegistered(address,address,bytes32)",
    "RecordRetracted": "RecordRetracted(address,bytes32,bytes32)",
    "AccessGranted": "AccessGranted(uint256,bytes32,bytes32,uint256)",
    "AccessRevoked": "AccessRevoked(uint256,uint8)",
    "AllAccessRevoked": "AllAccessRevoked(address,uint8)",
    "DelegateAppointed": "DelegateAppointed(address,address,uint256)",
    "ActedFor": "ActedFor(address,address)",
    "GlassBroken": "GlassBroken(address,address,uint256,uint8,bytes32,uint32)",
    "KeysReleased": "KeysReleased(uint256,address,bytes32)",
    "EpisodeEnded": "EpisodeEnded(uint256,address)",
    "EpisodeReviewed": "EpisodeReviewed(uint256,address,uint8,bytes32)",
}
"""Written down once more, from the interfaces."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A log as the node has it."""

    kind: str
    topics: tuple[bytes, ...]
    data: bytes
    tx_hash: str
    log_index: int


@dataclass
class Scenario:
    """A chain with a patient and all that happens to him."""

    world: World
    patient: LocalSigner
    accounting: AccountingOfDisclosures
    raw: list[Raw] = field(default_factory=list)

    def of_patient(self, *, also_acted: bool = False) -> list[Raw]:
        """Return the raw logs that concern the patient, told apart by nothing but their words."""
        account = int(self.patient.address, 16)
        records, episodes = set(), set()
        found = []
        for log in self.raw:
            first = int.from_bytes(log.topics[1], "big")
            match log.kind:
                case "RecordRegistered":
                    concerns = int.from_bytes(log.topics[2], "big") == account
                    records |= {log.topics[3]} if concerns else set()
                case "RecordRetracted":
                    concerns = log.topics[2] in records
                case "AccessGranted" | "AccessRevoked":
                    concerns = first >> 96 == account
                case "GlassBroken":
                    concerns = first == account
                    episodes |= {log.topics[3]} if concerns else set()
                case "KeysReleased" | "EpisodeEnded" | "EpisodeReviewed":
                    concerns = log.topics[1] in episodes
                case "ActedFor":
                    concerns = also_acted and first == account
                case _:
                    concerns = first == account
            if concerns:
                found.append(log)
        return found


def raw_logs(world: World) -> list[Raw]:
    kinds = {keccak(text=text): kind for kind, text in SIGNATURES.items()}
    asked = {"fromBlock": "0x0", "toBlock": "latest", "topics": [["0x" + topic.hex() for topic in kinds]]}
    logs: Any = world.chain.client.request("eth_getLogs", asked)
    return [
        Raw(
            kind=kinds[bytes.fromhex(log["topics"][0][2:])],
            topics=tuple(bytes.fromhex(topic[2:]) for topic in log["topics"]),
            data=bytes.fromhex(log["data"][2:]),
            tx_hash=log["transactionHash"],
            log_index=int(log["logIndex"], 16),
        )
        for log in logs
    ]


class Stage:
    """Everybody who acts."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ledger = world.ledger
        self.domains = domains_of(world.chain.deployment)
        self.wallets = ChainWallets(world.chain.client)
        self.payer = world.actor()
        self.patient, self.other, self.delegate = world.actor(), world.actor(), world.actor()
        self.custodians = [world.custodian(), world.custodian()]
        self.clinicians = [self.accredited(AccreditationKind.CLINICIAN) for _ in range(3)]
        self.reviewer = self.accredited(AccreditationKind.REVIEWER)
        self.readers = [LocalSigner.generate().address for _ in range(READERS)]

    def accredited(self, kind: AccreditationKind) -> LocalSigner:
        signer = self.world.actor()
        self.ledger.accreditation.accredit(self.world.chain.development_member(), signer.address, kind, MAX_TIME)
        return signer

    def sent(self, signer: LocalSigner, messages: Sequence[Signable], size: int = 60) -> None:
        now = self.ledger.chain.head().time
        for start in range(0, len(messages), size):
            signed = [
                sign(message, self.domains[message.contract], signer=signer, now=now, wallets=self.wallets)
                for message in messages[start : start + size]
            ]
            assert all(outcome.refusal is None for outcome in self.ledger.relay(self.payer, signed))

    def grants(self, patient: LocalSigner, readers: Sequence[str], numbers: Sequence[int], epoch: int = 0):
        now = self.ledger.chain.head().time
        return [
            SignableGrant(
                patient=patient.address,
                grantee=reader,
                terms=terms(number),
                bundle=BundleId(bytes([number + 100]) * 32),
                purposes=Purpose.TREAT if number % 2 else Purpose.HRESCH,
                not_before=0,
                expires_at=now + 30 * DAY,
                stamp=0,
                epoch=epoch,
                deadline=now + DAY,
            )
            for reader in readers
            for number in numbers
        ]

    def revocations(self, readers: Sequence[str], numbers: Sequence[int]):
        now = self.ledger.chain.head().time
        return [
            SignableRevoke(
                patient=self.patient.address,
                grant_id=derive_grant_id(self.patient.address, reader, terms(number)),
                last_epoch=1,
                deadline=now + DAY,
            )
            for reader in readers
            for number in numbers
        ]

    def play(self) -> None:
        """Tell a thousand events of the patient, and some of another."""
        ledger, patient = self.ledger, self.patient
        for number in range(40):
            whose = (patient, patient, patient, self.other)[number % 4].address
            custodian = self.custodians[number % 2]
            ledger.records.register(custodian, RecordId(keccak(b"record %d" % number)), whose)
        for number in range(0, 8, 2):
            ledger.records.retract(self.custodians[0], RecordId(keccak(b"record %d" % number)), bytes(32))
        self.sent(patient, self.grants(patient, self.readers, range(TERMS)))
        self.sent(self.other, self.grants(self.other, self.readers, [0]))
        self.sent(patient, self.revocations(self.readers[:45], range(6)))
        self.sent(patient, self.grants(patient, self.readers[:15], [0, 1, 2], epoch=2))
        self.by_delegate()
        for clinician in self.clinicians:
            self.emergency(clinician)
        ledger.consents.revoke_all(patient, patient.address)

    def by_delegate(self) -> None:
        now = self.ledger.chain.head().time
        appointment = DelegationRequest(
            delegate=self.delegate.address,
            verbs=Verbs.GRANT,
            purposes=Purpose.TREAT,
            not_before=0,
            expires_at=now + 90 * DAY,
        )
        self.ledger.authority.appoint(self.patient, self.patient.address, appointment)
        for reader in self.readers[:12]:
            request = GrantRequest(
                grantee=reader,
                terms=terms(50),
                bundle=BundleId(bytes([150]) * 32),
                not_before=0,
                expires_at=now + 10 * DAY,
                purposes=Purpose.TREAT,
            )
            self.ledger.consents.grant_for(self.delegate, self.patient.address, request)

    def emergency(self, clinician: LocalSigner) -> None:
        request = EpisodeRequest(
            patient=self.patient.address, reason=EmergencyReason.INCAPABLE, details=bytes(32), duration=3600
        )
        opened = self.ledger.emergencies.break_glass(clinician, request)
        for custodian in self.custodians:
            self.ledger.emergencies.release(custodian, opened.episode_id, BundleId(bytes([7]) * 32))
        self.ledger.emergencies.end(clinician, opened.episode_id)
        self.ledger.emergencies.review(self.reviewer, opened.episode_id, Verdict.JUSTIFIED, bytes(32))


def terms(number: int) -> TermsDigest:
    return TermsDigest(bytes([number + 1]) * 32)


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    home: Path = tmp_path_factory.mktemp("home")
    with open_chain(load_network("embedded"), home) as chain:
        deployer = LocalSigner.generate()
        chain.fund(deployer.address)
        chain.deploy(deployer)
        world = World(chain)
        stage = Stage(world)
        stage.play()
        index = LedgerIndex(home / "index.sqlite", world.ledger.chain)
        accounting = Accounting(ledger=world.ledger, auditing=Auditing(index=index))
        made = accounting.of(stage.patient.address)
        yield Scenario(world=world, patient=stage.patient, accounting=made, raw=raw_logs(world))


def test_accounting__of_a_thousand_events__is_each_raw_log_and_no_other(scenario: Scenario) -> None:
    raw = scenario.of_patient()
    events = scenario.accounting.events
    assert len(events) == len(raw) >= 1_000
    assert Counter(event.kind for event in events) == Counter(log.kind for log in raw)
    told = [("0x" + event.place.tx_hash.hex(), event.place.log_index) for event in events]
    assert told == [(log.tx_hash, log.log_index) for log in raw]
    assert len(scenario.raw) > len(scenario.of_patient(also_acted=True)) > len(raw)


def test_accounting__of_a_thousand_events__counts_who_was_given_access_as_the_raw_logs_do(scenario: Scenario) -> None:
    given: Counter[tuple[str, str]] = Counter()
    acted: dict[tuple[str, int], str] = {}
    for log in scenario.of_patient(also_acted=True):
        match log.kind:
            case "ActedFor":
                actor = to_checksum_address(log.topics[2][-20:])
                acted[log.tx_hash, log.log_index + 1] = actor
            case "AccessGranted":
                _terms, _bundle, word = decode(["bytes32", "bytes32", "uint256"], log.data)
                by = acted.get((log.tx_hash, log.log_index), scenario.patient.address)
                given[to_checksum_address((word >> 96).to_bytes(20, "big")), by] += 1
            case "GlassBroken":
                clinician = to_checksum_address(log.topics[2][-20:])
                given[clinician, clinician] += 1
            case "KeysReleased":
                clinician = to_checksum_address(log.topics[1][:20])
                given[clinician, to_checksum_address(log.topics[2][-20:])] += 1
            case _:
                pass
    made = scenario.accounting.disclosures
    assert Counter((one.recipient, one.given_by) for one in made) == given
    assert sum(one.capacity is Capacity.DELEGATE for one in made) == len(acted) == 12
    assert sum(one.manner is Manner.EMERGENCY_KEYS for one in made) == 6
    assert not any(one.in_force(scenario.accounting.block.time) for one in made)
    assert all(one.by_right for one in made)


def test_bundle__one_of_a_thousand_left_out_or_edited__is_found(scenario: Scenario) -> None:
    exported = audit_event.bundle(scenario.accounting)
    assert audit_event.discrepancies(audit_event.decode(audit_event.encode(exported)), scenario.accounting) == ()
    for number in (0, 499, len(exported["entry"]) - 1):
        rest = {**exported, "entry": [*exported["entry"][:number], *exported["entry"][number + 1 :]]}
        key = exported["entry"][number]["resource"]["id"]
        (omitted,) = audit_event.discrepancies(rest, scenario.accounting)
        assert (omitted.finding, omitted.entry) == (Finding.OMITTED, key)
        other = copy.deepcopy(exported)
        recorded = other["entry"][number]["resource"]["recorded"]
        other["entry"][number]["resource"]["recorded"] = recorded[:-2] + str((int(recorded[-2]) + 1) % 10) + "Z"
        (edited,) = audit_event.discrepancies(other, scenario.accounting)
        assert (edited.finding, edited.entry, edited.fields) == (Finding.EDITED, key, ("entry.resource.recorded",))


def test_table__one_of_many_left_out_or_edited__is_found(scenario: Scenario) -> None:
    rows = disclosures.decode(disclosures.table(scenario.accounting, lambda _: None))
    assert disclosures.discrepancies(rows, scenario.accounting) == ()
    assert len(rows) == len(scenario.accounting.disclosures) + 1 > 600
    for number in (0, 300, len(rows) - 2):
        (omitted,) = disclosures.discrepancies([*rows[:number], *rows[number + 1 :]], scenario.accounting)
        assert omitted.finding is Finding.OMITTED
        other = [dict(row) for row in rows]
        other[number]["purpose_codes"] = "HMARKT"
        (edited,) = disclosures.discrepancies(other, scenario.accounting)
        assert (edited.finding, edited.fields) == (Finding.EDITED, ("purpose_codes",))
