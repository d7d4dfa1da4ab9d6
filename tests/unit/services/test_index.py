"""The index says what the chain says, after whatever the chain and the disk have been through.

given a chain with events
├─ when it is read at once, in steps, or bit by bit, the index holds the same
├─ when a reorganisation drops 1 to n blocks, before or while it is read
│  └─ it should hold what an index made anew would hold
├─ when the node breaks off, what was read stays right, and the rest is read later
├─ when the file is of another chain, deployment, schema, or no database at all
│  └─ it should begin anew, or say that it is damaged and be rebuilt
└─ when two processes use one file, neither sees a gap
"""

from __future__ import annotations

import sqlite3
import stat
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest
from histories import ACTORS, DIGESTS, chain_of, histories, steps, take
from hypothesis import given
from hypothesis import strategies as st

from medshare.errors import ConfigurationError, LedgerBusyError, LedgerUnavailableError, MedshareError, StoreFullError
from medshare.hashing import keccak256
from medshare.model.accreditation import AccreditationKind, Suspension
from medshare.model.consent import Grant
from medshare.model.delegation import Delegation, Verbs
from medshare.model.emergency import EmergencyReason, Verdict
from medshare.model.events import (
    AccessDelivered,
    AccessGranted,
    AccessRevoked,
    AccreditationReinstated,
    AccreditationSuspended,
    Accredited,
    ActedFor,
    AllAccessRevoked,
    AttestationWithdrawn,
    BarSet,
    BatchAnchored,
    BatchAttested,
    BlockRef,
    ControlMoved,
    Credited,
    DelegateAppointed,
    DelegateDismissed,
    DeliveryDeclined,
    DeliveryDisputed,
    EncryptionKeySet,
    EpisodeEnded,
    EpisodeReviewed,
    EventPlace,
    GlassBroken,
    GuardiansNamed,
    KeysReleased,
    MemberAdmitted,
    MemberReinstated,
    MemberRemoved,
    MemberSuspended,
    PeriodsSet,
    ProposalExecuted,
    Proposed,
    QualityAttested,
    ReceiptsAnchored,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
    RecoveryObjected,
    RecoveryProposed,
    RegisteredFromBatch,
    RequestCancelled,
    RequestOpened,
    RewardPaid,
    RewardReserved,
    RewardReturned,
    SplitSet,
    StudyApproved,
    TokenAllowed,
    UnearnedReturned,
    Voted,
    VotingRulesSet,
    Withdrawn,
)
from medshare.model.ids import BundleId, CatalogueId, EpisodeId, GrantId, RecordId, TermsDigest, address
from medshare.model.proposal import VotingRules
from medshare.model.purpose import Purpose
from medshare.model.request import AccessRequest, Periods, RequestStatus, RequestTerms, Split
from medshare.services import event_codec, index
from medshare.services.index import LedgerIndex
from medshare.testing import FakeClock, InMemoryChain

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

LIVELY = [
    step
    for number in range(4)
    for step in (
        ("register", ACTORS[0], DIGESTS[number], ACTORS[1]),
        ("grant", ACTORS[1], ACTORS[2], DIGESTS[number], 0, 50, Purpose.TREAT),
        ("empty block",),
    )
]


def contents(subject: LedgerIndex) -> list:
    return subject.events()


def all_events(chain: InMemoryChain) -> list:
    return list(chain.events(0, chain.head().number))


@pytest.fixture
def chain() -> InMemoryChain:
    return chain_of(LIVELY)[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


class Source:
    """A chain that is read through here, so that something can happen at a chosen call."""

    def __init__(self, chain: InMemoryChain, **changes) -> None:
        self.inner = chain
        self.chain_id = chain.chain_id
        self.first_block = chain.first_block
        self.calls = 0
        self.at: dict[int, object] = {}
        self.asked: list[tuple[int, int]] = []
        self.__dict__.update(changes)

    def _call(self) -> None:
        self.calls += 1
        happens = self.at.pop(self.calls, None)
        if happens is not None:
            happens()

    def head(self) -> BlockRef:
        self._call()
        return self.inner.head()

    def block(self, number: int) -> BlockRef:
        self._call()
        return self.inner.block(number)

    def events(self, first: int, last: int):
        self._call()
        self.asked.append((first, last))
        return self.inner.events(first, last)


# --------------------------------------------------------------------------------------------------- codec

words = st.binary(min_size=32, max_size=32)
accounts = st.binary(min_size=20, max_size=20).map(lambda raw: address("0x" + raw.hex()))
grant_ids = st.integers(1, (1 << 256) - 1).map(GrantId)
times = st.integers(0, (1 << 32) - 1)
places = st.builds(
    EventPlace,
    block=st.builds(BlockRef, number=st.integers(0, 1 << 40), hash=words, time=st.integers(0, 1 << 40)),
    log_index=st.integers(0, 1 << 20),
    tx_hash=words,
)
grants = st.builds(
    Grant,
    grant_id=grant_ids,
    grantee=accounts,
    not_before=times,
    expires_at=times,
    purposes=st.integers(0, (1 << 16) - 1).map(Purpose),
    stamp=st.integers(0, 255),
    epoch=st.integers(0, 255),
)
counts = st.integers(0, 255)
episode_ids = st.integers(1, (1 << 256) - 1).map(EpisodeId)
delegations = st.builds(
    Delegation,
    patient=accounts,
    delegate=accounts,
    verbs=st.integers(0, 3).map(Verbs),
    purposes=st.integers(0, (1 << 16) - 1).map(Purpose),
    not_before=times,
    expires_at=times,
    stamp=counts,
    epoch=counts,
)
records = words.map(RecordId)
numbers = st.integers(1, 1 << 70)
amounts = st.integers(0, (1 << 256) - 1)
splits = st.builds(Split, patient=times, custodian=times)
periods = st.builds(Periods, dispute_period=times, decision_period=times)
requests = st.builds(
    AccessRequest,
    request_id=numbers,
    requester=accounts,
    terms=st.builds(
        RequestTerms,
        purposes=st.integers(0, (1 << 16) - 1).map(Purpose),
        category=counts,
        grants=times,
        deadline=times,
        access_days=times,
        token=accounts,
        reward=st.integers(0, (1 << 128) - 1),
        document=words,
        invitees=words,
    ),
    status=st.sampled_from(RequestStatus),
    places=times,
    delivered=times,
    returned=times,
    split=splits,
    periods=periods,
)
KINDS = {
    QualityAttested: st.builds(
        QualityAttested, place=places, assessor=accounts, record_id=records, method=times, score=st.integers(0, 100)
    ),
    BatchAttested: st.builds(BatchAttested, place=places, assessor=accounts, root=words, method=times, count=times),
    AttestationWithdrawn: st.builds(AttestationWithdrawn, place=places, assessor=accounts, subject=words),
    ReceiptsAnchored: st.builds(ReceiptsAnchored, place=places, custodian=accounts, root=words, count=times),
    EncryptionKeySet: st.builds(
        EncryptionKeySet, place=places, actor=accounts, key=words, version=st.integers(0, (1 << 32) - 1)
    ),
    RecordRegistered: st.builds(
        RecordRegistered, place=places, custodian=accounts, patient=accounts, record_id=records
    ),
    RecordSuperseded: st.builds(
        RecordSuperseded, place=places, custodian=accounts, patient=accounts, record_id=records, previous_id=records
    ),
    BatchAnchored: st.builds(
        BatchAnchored, place=places, custodian=accounts, root=words, catalogue=words.map(CatalogueId), count=times
    ),
    RegisteredFromBatch: st.builds(
        RegisteredFromBatch,
        place=places,
        custodian=accounts,
        patient=accounts,
        record_id=records,
        root=words,
        anchored_at=times,
    ),
    RecordRetracted: st.builds(RecordRetracted, place=places, custodian=accounts, record_id=records, reason=words),
    AccessGranted: st.builds(
        AccessGranted, place=places, terms=words.map(TermsDigest), bundle=words.map(BundleId), grant=grants
    ),
    AccessRevoked: st.builds(AccessRevoked, place=places, grant_id=grant_ids, epoch=counts),
    AllAccessRevoked: st.builds(AllAccessRevoked, place=places, patient=accounts, stamp=counts),
    DelegateAppointed: st.builds(DelegateAppointed, place=places, delegation=delegations),
    DelegateDismissed: st.builds(DelegateDismissed, place=places, patient=accounts, delegate=accounts, epoch=counts),
    ActedFor: st.builds(ActedFor, place=places, patient=accounts, actor=accounts),
    GuardiansNamed: st.builds(
        GuardiansNamed, place=places, patient=accounts, circle=words, delay=times, begins_at=times
    ),
    RecoveryProposed: st.builds(
        RecoveryProposed, place=places, patient=accounts, controller=accounts, attempt=times, ready_at=times
    ),
    RecoveryObjected: st.builds(RecoveryObjected, place=places, patient=accounts, attempt=times),
    ControlMoved: st.builds(ControlMoved, place=places, patient=accounts, controller=accounts, tenure=counts),
    Accredited: st.builds(
        Accredited,
        place=places,
        actor=accounts,
        kind=st.sampled_from(AccreditationKind),
        member=accounts,
        valid_until=times,
    ),
    AccreditationSuspended: st.builds(
        AccreditationSuspended,
        place=places,
        actor=accounts,
        kind=st.sampled_from(AccreditationKind),
        by=st.sampled_from(Suspension),
    ),
    AccreditationReinstated: st.builds(
        AccreditationReinstated, place=places, actor=accounts, kind=st.sampled_from(AccreditationKind)
    ),
    MemberAdmitted: st.builds(MemberAdmitted, place=places, member=accounts, seat=counts),
    **{
        kind: st.builds(kind, place=places, member=accounts)
        for kind in (MemberRemoved, MemberSuspended, MemberReinstated)
    },
    Proposed: st.builds(
        Proposed,
        place=places,
        proposal_id=numbers,
        proposer=accounts,
        target=accounts,
        call_data=st.binary(max_size=200),
        reason=words,
        deadline=times,
    ),
    Voted: st.builds(Voted, place=places, proposal_id=numbers, member=accounts),
    ProposalExecuted: st.builds(ProposalExecuted, place=places, proposal_id=numbers, by=accounts),
    VotingRulesSet: st.builds(
        VotingRulesSet, place=places, rules=st.builds(VotingRules, quorum=counts, voting_period=times)
    ),
    RequestOpened: st.builds(RequestOpened, place=places, request=requests),
    StudyApproved: st.builds(StudyApproved, place=places, request_id=numbers, by=accounts),
    RequestCancelled: st.builds(RequestCancelled, place=places, request_id=numbers, by=accounts, returned=counts),
    UnearnedReturned: st.builds(UnearnedReturned, place=places, request_id=numbers, returned=counts),
    RewardReserved: st.builds(
        RewardReserved, place=places, request_id=numbers, patient=accounts, custodian=accounts, content=words
    ),
    AccessDelivered: st.builds(
        AccessDelivered, place=places, request_id=numbers, patient=accounts, bundle=words.map(BundleId)
    ),
    DeliveryDeclined: st.builds(DeliveryDeclined, place=places, request_id=numbers, patient=accounts),
    DeliveryDisputed: st.builds(DeliveryDisputed, place=places, request_id=numbers, patient=accounts, reason=words),
    RewardPaid: st.builds(
        RewardPaid,
        place=places,
        request_id=numbers,
        patient=accounts,
        to_patient=amounts,
        to_custodian=amounts,
        to_consortium=amounts,
    ),
    RewardReturned: st.builds(RewardReturned, place=places, request_id=numbers, patient=accounts),
    PeriodsSet: st.builds(PeriodsSet, place=places, periods=periods),
    Credited: st.builds(Credited, place=places, account=accounts, token=accounts, amount=amounts),
    Withdrawn: st.builds(
        Withdrawn, place=places, account=accounts, token=accounts, to=accounts, amount=amounts, count=times
    ),
    TokenAllowed: st.builds(TokenAllowed, place=places, token=accounts, allowed=st.booleans()),
    SplitSet: st.builds(SplitSet, place=places, category=counts, split=splits),
    GlassBroken: st.builds(
        GlassBroken,
        place=places,
        patient=accounts,
        clinician=accounts,
        episode_id=episode_ids,
        reason=st.sampled_from(EmergencyReason),
        details=words,
        ends_at=times,
    ),
    EpisodeEnded: st.builds(EpisodeEnded, place=places, episode_id=episode_ids, by=accounts),
    KeysReleased: st.builds(
        KeysReleased, place=places, episode_id=episode_ids, custodian=accounts, bundle=words.map(BundleId)
    ),
    EpisodeReviewed: st.builds(
        EpisodeReviewed,
        place=places,
        episode_id=episode_ids,
        reviewer=accounts,
        verdict=st.sampled_from(Verdict),
        note=words,
    ),
    BarSet: st.builds(BarSet, place=places, patient=accounts, barred=st.booleans(), count=times),
}


def test_codec__kinds_of_this_test__are_all_that_the_codec_knows() -> None:
    assert set(KINDS) == set(event_codec._KINDS.values())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_codec__any_event__comes_back_equal_and_searchable(kind: type, data) -> None:
    event = data.draw(KINDS[kind])
    name, body = event_codec.encode(event)
    assert event_codec.decode(name, body, event.place) == event
    assert all(isinstance(value, str) for value in event_codec.subject(event).values())


def test_subject__each_kind__is_found_by_whom_it_is_about(path: Path) -> None:
    chain, _ = chain_of([*LIVELY, ("retract", ACTORS[0], DIGESTS[0]), ("key", ACTORS[3], DIGESTS[4])])
    found = LedgerIndex(path, chain)
    found.sync()
    kinds = lambda **about: [type(event).__name__ for event in found.events(**about)]  # noqa: E731
    assert kinds(actor=ACTORS[3]) == ["EncryptionKeySet"]
    assert kinds(actor=ACTORS[2]) == ["AccessGranted"] * 4
    assert kinds(record_id=DIGESTS[0]) == ["RecordRegistered", "RecordRetracted"]
    assert kinds(patient=ACTORS[1], up_to_block=2) == ["RecordRegistered", "AccessGranted"]
    assert kinds(patient=ACTORS[1], until=chain.block(1).time) == ["RecordRegistered"]
    assert kinds(patient=ACTORS[0]) == []
    assert kinds(patient=ACTORS[1], up_to_block=2, without=[RecordRegistered]) == ["AccessGranted"]
    assert kinds(record_id=DIGESTS[0], without=[RecordRegistered, RecordRetracted]) == []
    granted = found.events(actor=ACTORS[2])[2].grant.grant_id
    assert kinds(grant_id=granted) == ["AccessGranted"]


# ----------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("step", [1, 2, 3, 100])
def test_sync__in_steps__reads_every_block_once(path: Path, chain: InMemoryChain, monkeypatch, step: int) -> None:
    monkeypatch.setattr(index, "BLOCKS_PER_STEP", step)
    source = Source(chain)
    told = []
    head = LedgerIndex(path, source).sync(lambda done, total: told.append((done, total)))
    blocks = head.number + 1
    assert [number for first, last in source.asked for number in range(first, last + 1)] == list(range(blocks))
    assert all(last - first < step for first, last in source.asked)
    assert told[-1] == (blocks, blocks)
    assert contents(LedgerIndex(path, chain)) == all_events(chain)


def test_sync__nothing_new__asks_for_no_events(path: Path, chain: InMemoryChain) -> None:
    LedgerIndex(path, chain).sync()
    source = Source(chain)
    assert LedgerIndex(path, source).sync() == chain.head()
    assert source.asked == []


def test_sync__deployed_later__begins_there(path: Path, chain: InMemoryChain) -> None:
    source = Source(chain, first_block=5)
    LedgerIndex(path, source).sync()
    assert source.asked == [(5, chain.head().number)]


@pytest.mark.parametrize("replaced_by", [0, 1, 40], ids=["a shorter chain", "one block", "a longer chain"])
def test_sync__blocks_were_reorganised__equals_an_index_made_anew(
    tmp_path: Path, monkeypatch, replaced_by: int
) -> None:
    monkeypatch.setattr(index, "BLOCKS_PER_STEP", 3)
    length = len(LIVELY)
    for depth in range(1, length + 1):
        chain, clock = chain_of(LIVELY)
        subject = LedgerIndex(tmp_path / f"{depth}", chain)
        subject.sync()
        chain.reorganise(depth)
        for number in range(replaced_by):
            take(chain, clock, ("revoke_all", ACTORS[number % 3]))
        assert subject.sync() == chain.head()
        assert contents(subject) == all_events(chain), depth
        anew = LedgerIndex(tmp_path / f"{depth}-anew", chain)
        anew.sync()
        assert contents(anew) == contents(subject)


@given(before=histories, stages=st.lists(st.tuples(st.integers(0, 12), st.lists(steps, max_size=8)), max_size=4))
def test_sync__any_history_with_reorganisations__equals_the_chain(before, stages) -> None:
    chain, clock = chain_of(before)
    with tempfile.TemporaryDirectory() as folder:
        subject = LedgerIndex(Path(folder) / "index", chain)
        subject.sync()
        for depth, steps_after in stages:
            chain.reorganise(min(depth, chain.head().number))
            for step in steps_after:
                take(chain, clock, step)
            assert subject.sync() == chain.head()
            assert contents(subject) == all_events(chain)


@pytest.mark.parametrize("depth", [1, 3, 8])
@pytest.mark.parametrize("replaced_by", [0, 2, 12])
def test_sync__reorganised_at_any_call_while_reading__equals_the_chain(
    tmp_path: Path, monkeypatch, depth: int, replaced_by: int
) -> None:
    monkeypatch.setattr(index, "BLOCKS_PER_STEP", 4)
    for at in range(1, 60):
        chain, clock = chain_of(LIVELY)
        source = Source(chain)

        def reorganise(chain=chain, clock=clock) -> None:
            chain.reorganise(depth)
            for number in range(replaced_by):
                take(chain, clock, ("key", ACTORS[0], DIGESTS[number % 2]))

        source.at[at] = reorganise
        subject = LedgerIndex(tmp_path / f"{at}", source)
        subject.sync()
        if source.at:
            break
        assert subject.sync() == chain.head()
        assert contents(subject) == all_events(chain), at
    else:
        pytest.fail("reading never came to its end")
    assert at > 10


def test_sync__reorganised_all_the_time__gives_up_with_a_typed_error(path: Path, chain: InMemoryChain) -> None:
    class Restless(Source):
        def events(self, first, last):
            found = list(super().events(first, last))
            self.inner.reorganise(1)
            self.inner.mine()
            return iter(found)

    with pytest.raises(LedgerUnavailableError, match="again and again"):
        LedgerIndex(path, Restless(chain)).sync()
    subject = LedgerIndex(path, chain)
    subject.sync()
    assert contents(subject) == all_events(chain)


def test_sync__node_breaks_off_at_any_call__reads_the_rest_later(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(index, "BLOCKS_PER_STEP", 3)
    chain, _ = chain_of(LIVELY)

    def break_off() -> None:
        raise LedgerUnavailableError("the test says so")

    for at in range(1, 60):
        source = Source(chain)
        source.at = {at: break_off}
        subject = LedgerIndex(tmp_path / f"{at}", source)
        try:
            subject.sync()
        except LedgerUnavailableError:
            subject.sync()
        if source.at:
            break
        assert contents(subject) == all_events(chain)
    assert at > 10


def test_sync__node_breaks_off_when_asked_for_known_blocks__keeps_them(path: Path, chain: InMemoryChain) -> None:
    subject = LedgerIndex(path, chain)
    subject.sync()

    def break_off() -> None:
        raise LedgerUnavailableError("the test says so")

    source = Source(chain)
    source.at = {3: break_off}
    chain.mine()
    with pytest.raises(LedgerUnavailableError):
        LedgerIndex(path, source).sync()
    assert contents(subject) == all_events(chain)
    assert source.calls < 6, "a node that is gone is not asked for every block"


# ------------------------------------------------------------------------------------------ whose file it is


@pytest.mark.parametrize("change", [{"chain_id": 4}, {"first_block": 3}], ids=["chain", "deployment"])
def test_sync__index_speaks_of_another_source__begins_anew(path: Path, chain: InMemoryChain, change: dict) -> None:
    LedgerIndex(path, Source(chain, **change)).sync()
    other, _ = chain_of([("key", ACTORS[0], DIGESTS[0])])
    subject = LedgerIndex(path, other)
    subject.sync()
    assert contents(subject) == all_events(other)


def test_sync__contracts_were_updated__begins_anew(path: Path, chain: InMemoryChain) -> None:
    LedgerIndex(path, chain, deployment="first").sync()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM events")
    LedgerIndex(path, chain, deployment="first").sync()
    assert contents(LedgerIndex(path, chain)) == []
    subject = LedgerIndex(path, chain, deployment="second")
    subject.sync()
    assert contents(subject) == all_events(chain)


def test_sync__chain_of_the_same_id_began_at_another_time__begins_anew(path: Path, chain: InMemoryChain) -> None:
    LedgerIndex(path, chain).sync()
    other = InMemoryChain(FakeClock(5))
    subject = LedgerIndex(path, other)
    subject.sync()
    assert contents(subject) == all_events(other)


def test_sync__file_of_another_schema_version__begins_anew(path: Path, chain: InMemoryChain) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript("CREATE TABLE events (other TEXT); PRAGMA user_version = 99;")
    subject = LedgerIndex(path, chain)
    subject.sync()
    assert contents(subject) == all_events(chain)


def test_open__new_file__only_its_owner_reads_it(path: Path, chain: InMemoryChain) -> None:
    LedgerIndex(path, chain).sync()
    for each in path.parent.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600, each.name


def overwritten(path: Path) -> None:
    path.write_bytes(b"this is no database at all " * 400)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def page_destroyed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for start in range(4096, len(content), 4096):
        content[start : start + 64] = b"\xff" * 64
    path.write_bytes(content)


def tables_missing(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript("DROP TABLE events; DROP TABLE checkpoints; DROP TABLE source;")


def body_is_no_json(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE events SET body = 'x'")


def kind_is_unknown(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE events SET kind = 'TransferSingle'")


def body_lacks_fields(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("""UPDATE events SET body = '{"grant": 3}'""")


@pytest.mark.parametrize(
    "damage",
    [overwritten, cut_off, page_destroyed, tables_missing, body_is_no_json, kind_is_unknown, body_lacks_fields],
    ids=lambda damage: damage.__name__,
)
def test_open__file_is_damaged__says_how_to_rebuild_and_rebuild_does(path: Path, chain, damage) -> None:
    subject = LedgerIndex(path, chain)
    subject.sync()
    damage(path)
    chain.mine()

    def ask() -> None:
        subject.sync()
        subject.events()

    with pytest.raises(ConfigurationError) as caught:
        ask()
    assert "rebuild" in caught.value.hint
    assert subject.rebuild() == chain.head()
    assert contents(subject) == all_events(chain)


@pytest.mark.parametrize("where", ["missing/index.sqlite", "folder", "file/index.sqlite"])
def test_open__path_cannot_be_a_file__is_a_typed_error(tmp_path: Path, chain: InMemoryChain, where: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(MedshareError):
        LedgerIndex(tmp_path / where, chain).events()


def test_sync__disk_is_full__is_a_typed_error_and_nothing_is_lost(path: Path, chain, monkeypatch) -> None:
    subject = LedgerIndex(path, chain)
    subject.sync()
    known = contents(subject)
    connect = sqlite3.connect

    def connect_to_a_full_disk(*args, **more):
        database = connect(*args, **more)
        database.execute("PRAGMA max_page_count = 1")
        return database

    for _ in range(40):
        chain.mine(lambda place: chain.model.revoke_all(ACTORS[0], ACTORS[0], place))
    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", connect_to_a_full_disk)
        with pytest.raises(StoreFullError):
            subject.sync()
    assert LedgerIndex(path, chain).events() == known
    subject.sync()
    assert contents(subject) == all_events(chain)


# --------------------------------------------------------------------------------------------- two at a time


def test_sync__two_at_a_time__both_have_everything(path: Path, monkeypatch) -> None:
    monkeypatch.setattr(index, "BLOCKS_PER_STEP", 2)
    chain, _ = chain_of(LIVELY * 2)
    found: list[list] = []
    begin = threading.Barrier(4)

    def read() -> None:
        begin.wait()
        subject = LedgerIndex(path, chain)
        subject.sync()
        found.append(subject.events())

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [all_events(chain)] * 4


def test_sync__another_process_is_reading__waits_and_says_so(path: Path, chain, monkeypatch) -> None:
    """Two that read at once would forget each other's blocks, and leave a gap where one of them dies."""
    monkeypatch.setattr(index, "_BUSY_SECONDS", 0)
    other = LedgerIndex(path, chain)
    seen = []

    def second_comes() -> None:
        with pytest.raises(LedgerBusyError):
            other.sync()
        seen.append(True)

    source = Source(chain)
    source.at = {4: second_comes}
    LedgerIndex(path, source).sync()
    assert seen
    assert other.sync() == chain.head()


def test_events__another_process_has_begun_a_rebuild__never_answers_from_half_an_index(path: Path, chain) -> None:
    subject = LedgerIndex(path, chain)
    subject.sync()

    def break_off() -> None:
        raise LedgerUnavailableError("the test says so")

    source = Source(chain)
    source.at = {2: break_off}
    with pytest.raises(LedgerUnavailableError):
        LedgerIndex(path, source).rebuild()
    assert subject.events() == all_events(chain)


def test_block_hashes__of_a_test_chain__differ_between_branches(chain: InMemoryChain) -> None:
    """What the tests above stand on: the double's branches are told apart by their hashes."""
    before = chain.head()
    chain.reorganise(1)
    chain.mine()
    assert chain.head().number == before.number
    assert chain.head().hash != before.hash != keccak256(b"")
