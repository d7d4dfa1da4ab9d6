"""Whether what the events tell is what the contracts answer.

given a ledger on which everything happened
├── when its node tells all events, nothing should differ
├── when it holds one back of which anything else speaks, what that changed should be named
└── when it makes one up, what the contract does not know should be named
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from histories import ACTORS, BEGIN, CUSTODIANS, DIGESTS, Step, histories, take
from hypothesis import given

from medshare.model.accreditation import AccreditationKind
from medshare.model.delegation import DelegationRequest, Verbs
from medshare.model.emergency import EmergencyReason, EpisodeRequest, Verdict
from medshare.model.events import (
    AccessGranted,
    AccessRevoked,
    AccreditationSuspended,
    AllAccessRevoked,
    AttestationWithdrawn,
    BarSet,
    BatchAnchored,
    BatchAttested,
    BlockRef,
    DelegateDismissed,
    EncryptionKeySet,
    EpisodeEnded,
    EpisodeReviewed,
    GlassBroken,
    GuardiansNamed,
    LedgerEvent,
    Proposed,
    QualityAttested,
    ReceiptsAnchored,
    RecordRetracted,
    RecordSuperseded,
    RegisteredFromBatch,
    RequestCancelled,
    RequestOpened,
    Voted,
)
from medshare.model.ids import RecordId
from medshare.model.purpose import Purpose
from medshare.ports import EventSource, Ledger
from medshare.services.index import LedgerIndex
from medshare.services.verifying import Verified, Verifying
from medshare.testing import FakeClock, InMemoryChain, NamedSigner, in_memory_ledger

pytestmark = pytest.mark.unit

DAY = 86_400
HOSPITAL, MARY, DOCTOR, REVIEWER = ACTORS
EVERYTHING = [
    ("key", MARY, DIGESTS[0]),
    ("key", MARY, DIGESTS[1]),
    ("register", HOSPITAL, DIGESTS[0], MARY),
    ("supersede", HOSPITAL, DIGESTS[1], DIGESTS[0]),
    ("retract", HOSPITAL, DIGESTS[1]),
    ("anchor", HOSPITAL),
    ("from batch", HOSPITAL, 2),
    ("from batch", HOSPITAL, 3),
    ("grant", MARY, DOCTOR, DIGESTS[2], 0, 60, Purpose(1)),
    ("revoke", MARY, MARY, DOCTOR, DIGESTS[2]),
    ("grant", MARY, DOCTOR, DIGESTS[3], 0, 60, Purpose(1)),
    ("revoke_all", MARY),
    ("accredit", DOCTOR, AccreditationKind.CLINICIAN),
    ("accredit", REVIEWER, AccreditationKind.REVIEWER),
    ("accredit", DOCTOR, AccreditationKind.RESEARCHER),
    ("accredit", REVIEWER, AccreditationKind.ASSESSOR),
    ("split", 2, 5_000),
    ("open", DOCTOR, 2),
]


class Untrue:
    """The events of a chain, some held back or made up."""

    def __init__(self, inner: EventSource, change: Callable[[list[LedgerEvent]], list[LedgerEvent]]) -> None:
        self._inner = inner
        self._change = change
        self.chain_id = inner.chain_id
        self.first_block = inner.first_block

    def head(self) -> BlockRef:
        return self._inner.head()

    def block(self, number: int) -> BlockRef:
        return self._inner.block(number)

    def events(self, first: int, last: int) -> Iterator[LedgerEvent]:
        yield from self._change(list(self._inner.events(first, last)))


def told_of(history: Sequence[Step]) -> tuple[Ledger, InMemoryChain]:
    """Return a ledger on which a history happened."""
    clock = FakeClock(BEGIN)
    ledger, chain = in_memory_ledger(clock, CUSTODIANS)
    for step in history:
        take(chain, clock, step)
    return ledger, chain


@pytest.fixture
def ledger() -> Ledger:
    ledger, chain = told_of(EVERYTHING)
    mary, doctor, reviewer = NamedSigner(MARY), NamedSigner(DOCTOR), NamedSigner(REVIEWER)
    now = chain.head().time
    request = DelegationRequest(
        delegate=DOCTOR, verbs=Verbs.REVOKE, purposes=Purpose(0), not_before=now, expires_at=now + DAY
    )
    ledger.authority.appoint(mary, MARY, request)
    ledger.authority.dismiss(mary, MARY, DOCTOR)
    ledger.authority.name_guardians(mary, MARY, DIGESTS[0], 2 * DAY)
    episode = EpisodeRequest(patient=MARY, reason=EmergencyReason.UNCONSCIOUS, details=DIGESTS[1], duration=3_600)
    opened = ledger.emergencies.break_glass(doctor, episode)
    ledger.emergencies.end(doctor, opened.episode_id)
    ledger.emergencies.review(reviewer, opened.episode_id, Verdict.JUSTIFIED, DIGESTS[2])
    ledger.emergencies.set_bar(mary, MARY, barred=True)
    ledger.requests.cancel(doctor, chain.model.requests.copy().popitem()[0])
    ledger.attestations.attest(reviewer, RecordId(DIGESTS[0]), 1, 80)
    ledger.attestations.withdraw(reviewer, DIGESTS[0])
    ledger.attestations.attest_batch(reviewer, DIGESTS[3], 1, 5)
    ledger.attestations.anchor_receipts(NamedSigner(HOSPITAL), DIGESTS[4], 3)
    ledger.accreditation.suspend(chain.member, DOCTOR, AccreditationKind.CLINICIAN)
    return ledger


def verified(ledger: Ledger, folder: Path, source: EventSource | None = None) -> Verified:
    index = LedgerIndex(folder / "index.sqlite", source or ledger.chain)
    return Verifying(ledger=ledger, index=index).verify()


def test_verify__node_tells_all__nothing_differs(ledger: Ledger, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    index = LedgerIndex(tmp_path / "index.sqlite", ledger.chain)
    found = Verifying(ledger=ledger, index=index).verify(lambda *now: told.append(now))
    assert found.differences == ()
    assert found.block == ledger.chain.head()
    assert {
        "grant",
        "record",
        "batch",
        "stamp",
        "controller",
        "accreditation",
        "request",
        "episode",
        "attestation",
    } <= set(found.compared)
    total = sum(found.compared.values())
    assert told[-1] == ("comparing answers", total, total)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (EncryptionKeySet, "encryption key"),
        (RecordSuperseded, "record"),
        (RecordRetracted, "record"),
        (RegisteredFromBatch, "record"),
        (AccessRevoked, "grant"),
        (AllAccessRevoked, "stamp"),
        (AccreditationSuspended, "accreditation"),
        (DelegateDismissed, "delegation"),
        (AttestationWithdrawn, "attestation"),
        (QualityAttested, "event AttestationWithdrawn"),
        (EpisodeEnded, "episode"),
        (EpisodeReviewed, "standing"),
        (GlassBroken, "event EpisodeEnded"),
        (Proposed, "proposal"),
        (Voted, "proposal"),
        (RequestOpened, "request"),
        (RequestCancelled, "request"),
    ],
)
def test_verify__last_event_of_a_kind_is_held_back__what_it_changed_is_named(
    ledger: Ledger, tmp_path: Path, kind: type[LedgerEvent], named: str
) -> None:
    last = [event for event in ledger.chain.events(0, ledger.chain.head().number) if isinstance(event, kind)][-1]
    source = Untrue(ledger.chain, lambda events: [event for event in events if event != last])
    differences = verified(ledger, tmp_path, source).differences
    assert any(one.what.startswith(named) for one in differences), differences
    assert all(one.replayed != one.answered for one in differences)


@pytest.mark.parametrize("kind", [GuardiansNamed, BarSet, BatchAnchored, BatchAttested, ReceiptsAnchored])
def test_verify__the_only_event_about_something_is_held_back__cannot_be_noticed(
    ledger: Ledger, tmp_path: Path, kind: type[LedgerEvent]
) -> None:
    # Nothing else speaks of it, and the contracts list nothing: only another node would tell.
    source = Untrue(ledger.chain, lambda events: [event for event in events if not isinstance(event, kind)])
    assert verified(ledger, tmp_path, source).differences == ()


def test_verify__event_is_made_up__is_named(ledger: Ledger, tmp_path: Path) -> None:
    def with_another(events: list[LedgerEvent]) -> list[LedgerEvent]:
        (granted, *_) = [event for event in events if isinstance(event, AccessGranted)]
        place = replace(granted.place, log_index=granted.place.log_index + 1)
        forged = replace(granted.grant, expires_at=granted.grant.expires_at + 1)
        made_up = [replace(granted, place=place, grant=forged), replace(granted, place=place)]
        return sorted([*events, made_up[0]], key=lambda event: (event.place.block.number, event.place.log_index))

    (one, *_) = verified(ledger, tmp_path, Untrue(ledger.chain, with_another)).differences
    assert one.what.startswith("grant 0x")


@given(history=histories)
def test_verify__any_history__nothing_differs(
    history: Sequence[Step], tmp_path_factory: pytest.TempPathFactory
) -> None:
    ledger, _ = told_of(history)
    assert verified(ledger, tmp_path_factory.mktemp("index")).differences == ()
