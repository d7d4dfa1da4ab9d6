"""Loading: a night's records, published in batches.

given an export of several patients
├─ when it is loaded: each patient should find and read his own, and each batch be on chain once
├─ when he is not accredited: nothing should be examined or stored
├─ when lines are bad: each should be told by its place, and the rest be published
├─ when it is loaded again: nothing should be published
├─ when it was stopped, and is anchored when it is loaded again: it should be published then
├─ when some were published by themselves, or the reverse: no record should be published twice
├─ when a record comes twice: it should be one
├─ when a record was retracted: it should be published anew
└─ when a patient has no key: his records should be refused, and no others
given standing grants
├─ readers should have packets of what they are permitted, and find it by the catalogue
├─ patients should be asked about once
├─ when one is revoked between two groups: nothing should be sealed for its reader from then on
└─ when one is revoked or given between storing and anchoring: what is anchored should be right
given a process that dies at any step
└─ when the same is loaded again: nothing should be lost, nothing doubled, nothing else pinned
given a store that fails or is full
└─ it should be said, and go on when it is there again
given another process
└─ two loads at once, or a load and a publication of the same record: one should be told to wait
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from load_town import LoadTown, faulty, observation, stopped_before_anchoring
from service_doubles import CrashError, Faults, Overriding

from medshare.errors import (
    AccessDeniedError,
    BlobNotFoundError,
    CustodianNotAccreditedError,
    EncryptionKeyNotSetError,
    InvalidInputError,
    LedgerBusyError,
    StoreFullError,
    StoreUnavailableError,
    UnknownRecordError,
)
from medshare.ingesting import Assigned, OnePatient
from medshare.loading import Outcome
from medshare.loading import arrivals as arrivals_module
from medshare.model.consent import Effect, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import RecordRef, RecordStatus
from medshare.services.consenting import Granted
from medshare.testing import new_actor

pytestmark = pytest.mark.unit

LINES = [observation(number, number % 2) for number in range(7)]


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals_module, "GROUP_RECORDS", 3)


@pytest.fixture
def town(tmp_path: Path) -> LoadTown:
    return LoadTown(tmp_path)


# ------------------------------------------------------------------------------------------- the way through


@pytest.mark.parametrize(("size", "counts"), [(100, [7]), (7, [7]), (3, [3, 3, 1]), (4, [4, 3]), (1, [1] * 7)])
def test_load__any_size_of_batch__each_is_anchored_and_patients_read_their_own(town, size, counts):
    night = town.night(town.export(*LINES), batch_size=size)
    assert night.counts == (7, 0, 0)
    assert [batch.count for batch in night.batches] == counts
    assert [each.place for each in night.loaded] == [f"line {number}" for number in range(1, 8)]
    assert town.texts("anna") == sorted(LINES[0::2])
    assert town.texts("ben") == sorted(LINES[1::2])
    town.check_whole(*LINES)


def test_load__nothing__anchors_nothing(town):
    assert town.night(town.export()).batches == []
    assert town.loads.unfinished(town.hospital.actor.address) == []


@pytest.mark.parametrize("size", [0, 1_000_001])
def test_load__size_of_a_batch_out_of_range__is_refused(town, size):
    with pytest.raises(InvalidInputError):
        town.night(town.export(*LINES), batch_size=size)


def test_load__bad_lines__are_told_by_their_place_and_the_rest_is_published(town):
    path = town.export(
        LINES[0], b"{", b"", LINES[1], b'{"resourceType":"Observation"}', observation(9, patient=7), LINES[2]
    )
    night = town.night(path)
    assert night.counts == (3, 0, 3)
    refused = {each.place: each.refusal for each in night.loaded if each.outcome is Outcome.REFUSED}
    assert list(refused) == ["line 2", "line 5", "line 6"]
    assert all(isinstance(refusal, InvalidInputError) for refusal in refused.values())
    town.check_whole(*LINES[:3])


def test_load__again__publishes_nothing(town):
    path = town.export(*LINES)
    first = town.night(path, batch_size=3)
    again = town.night(path, batch_size=5)
    assert again.counts == (0, 7, 0)
    assert again.batches == []
    assert [each.record_id for each in again.loaded] == [each.record_id for each in first.loaded]


def test_load__after_one_that_was_stopped__what_is_anchored_now_is_published_now(town):
    lines = stopped_before_anchoring(town, sent=True)
    night = town.night(town.export(*lines))
    assert (*night.counts, night.count(Outcome.PUBLISHED)) == (0, 0, 0, len(lines))
    assert [batch.count for batch in night.batches] == [len(lines)]
    assert town.night(town.export(*lines)).counts == (0, len(lines), 0)


def test_load__not_accredited__nothing_is_examined_or_stored(town, tmp_path):
    clerk = town.doctor.actor
    store, told = set(town.store.pins()), []
    loads = town.loading.load(
        [town.export(*LINES)], custodian=clerk, patients=town.assigned, progress=lambda *each: told.append(each)
    )
    with pytest.raises(CustodianNotAccreditedError):
        list(loads)
    assert set(town.store.pins()) == store
    assert told == []
    assert town.loads.unfinished(clerk.address) == []


def test_load__more_than_before__publishes_what_is_new(town):
    town.night(town.export(*LINES[:4]))
    night = town.night(town.export(*LINES))
    assert night.counts == (3, 4, 0)
    assert [batch.count for batch in night.batches] == [3]
    town.check_whole(*LINES)


def test_load__one_was_published_by_itself__is_not_published_again(town):
    single = town.publish(LINES[2])
    night = town.night(town.export(*LINES))
    assert night.counts == (6, 1, 0)
    assert night.loaded[2].record_id == single.record_id
    town.check_whole(*LINES)


def test_publish__one_was_loaded__is_not_published_again(town):
    night = town.night(town.export(*LINES))
    single = town.publish(LINES[2])
    assert single.already
    assert single.record_id == night.loaded[2].record_id
    assert single.entry.version == 1
    town.check_whole(*LINES)


def test_load__one_is_begun_by_itself__is_finished(town):
    records = town.hospital.ledger.records

    def dies(*_args, **_more):
        raise CrashError

    publishing, town.hospital.ledger = (
        town.hospital.ledger,
        replace(town.hospital.ledger, records=Overriding(records, register=dies)),
    )
    with pytest.raises(CrashError):
        town.publish(LINES[2])
    town.hospital.ledger = publishing
    night = town.night(town.export(*LINES))
    assert (*night.counts, night.count(Outcome.PUBLISHED)) == (6, 0, 0, 1)
    town.check_whole(*LINES)


def test_load__a_record_twice__is_one(town):
    night = town.night(town.export(LINES[0], LINES[1], LINES[0], LINES[2], LINES[0], LINES[3]), batch_size=2)
    assert len({each.record_id for each in night.loaded}) == 4
    assert sum(batch.count for batch in night.batches) == 4
    town.check_whole(*LINES[:4])


def test_load__one_was_retracted__is_published_anew(town):
    first = town.night(town.export(*LINES[:3]))
    gone = first.loaded[1].record_id
    town.publishing.retract(gone, "of another patient", custodian=town.hospital.actor)
    again = town.night(town.export(*LINES[:3]))
    assert again.counts == (1, 2, 0)
    assert again.loaded[1].record_id != gone


def test_load__one_was_sealed_anew_since__its_newest_version_is_there_already(town):
    first = town.night(town.export(*LINES[:3]))
    entry = next(each for each in town.stated("ben") if each.record_id == first.loaded[1].record_id)
    newer = town.resealing.reseal(entry, custodian=town.hospital.actor)
    assert newer.entry.version == 2
    again = town.night(town.export(*LINES[:3]))
    assert again.counts == (0, 3, 0)
    assert again.loaded[1].record_id == newer.record_id


def test_erase__one_of_a_batch__nothing_leads_from_its_text_to_it(town):
    first = town.night(town.export(*LINES[:3]))
    gone = first.loaded[1].record_id
    town.publications.erase([gone])
    assert gone not in (town.nights / "hospital" / "publications.sqlite").read_bytes()
    assert town.night(town.export(*LINES[:3])).counts == (1, 2, 0)


def test_load__a_patient_without_key__only_his_records_are_refused(town):
    nobody = new_actor().address
    patients = Assigned(by_reference={**town.assigned.by_reference, "Patient/1": nobody})
    night = town.night(town.export(*LINES), patients=patients)
    assert night.counts == (4, 0, 3)
    assert isinstance(night.loaded[1].refusal, EncryptionKeyNotSetError)


def test_load__one_patient__refuses_what_is_about_another(town):
    night = town.night(town.export(*LINES), patients=OnePatient(town.anna.actor.address))
    assert night.counts == (4, 0, 3)
    assert town.texts("anna") == sorted(LINES[0::2])


def test_load__folder_of_everything__takes_each_file_in_it(town, tmp_path):
    folder = tmp_path / "night"
    (folder / "below").mkdir(parents=True)
    (folder / "a.json").write_bytes(LINES[0])
    (folder / "below" / "b.ndjson").write_bytes(LINES[2] + b"\n" + b"{\n")
    (folder / "c.bin").write_bytes(b"\x00" * 100)
    (folder / "d.bin").write_bytes(b"")
    (folder / ".hidden").write_bytes(b"hidden")
    both = [
        {"resource": {"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": f"Patient/{n}"}}}
        for n in (0, 1)
    ]
    (folder / "e.json").write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": both}))
    patients = replace(town.assigned, otherwise=town.anna.actor.address)
    night = town.night(folder, tmp_path / "missing", patients=patients)
    told = [(each.file, each.member, each.place, each.outcome) for each in night.loaded]
    assert told == [
        (1, 1, "", Outcome.STORED),
        (1, 2, "line 1", Outcome.STORED),
        (1, 2, "line 2", Outcome.REFUSED),
        (1, 3, "", Outcome.STORED),
        (1, 4, "", Outcome.REFUSED),
        (1, 5, "entry 0", Outcome.STORED),
        (1, 5, "entry 1", Outcome.STORED),
        (2, None, "", Outcome.REFUSED),
    ]
    assert [batch.count for batch in night.batches] == [5]
    assert "hidden" not in repr(night.loaded)
    assert len(town.texts("anna")) == 4


def test_load__large_record__is_streamed(town, tmp_path):
    path = tmp_path / "scan.bin"
    path.write_bytes(b"s" * (5 << 20))
    night = town.night(path, town.export(LINES[0]), patients=replace(town.assigned, otherwise=town.anna.actor.address))
    assert night.counts == (2, 0, 0)
    assert town.texts("anna") == sorted([LINES[0], path.read_bytes()])


# ------------------------------------------------------------------------------------------- standing grants


def granting(town: LoadTown) -> Granted:
    """Let anna grant all she has and will have to the doctor; the hospital has published one record of hers."""
    town.publish(LINES[0])
    return grant_everything(town)


def grant_everything(town: LoadTown) -> Granted:
    everything = Provision(effect=Effect.PERMIT, purposes=(PurposeOfUse.TREAT,), everything=True)
    return town.grant("anna", "doctor", records=(), purposes=(), provisions=[everything])


def read_by_doctor(town: LoadTown, record_id) -> bytes:
    """Return what the doctor reads of a record of which its custodian gave him a packet."""
    town.doctor.find()
    return town.doctor.read(RecordRef(custodian=town.hospital.actor.address, record_id=record_id))


def test_load__standing_grant__reader_has_packets_and_finds_them(town):
    granting(town)
    night = town.night(town.export(*LINES))
    assert night.anchored[0].withheld == ()
    hers, his = night.loaded[2].record_id, night.loaded[1].record_id
    assert read_by_doctor(town, hers) == LINES[2]
    with pytest.raises((AccessDeniedError, UnknownRecordError)):
        read_by_doctor(town, his)


def test_load__many_records_of_a_patient__she_is_asked_about_once(town):
    granting(town)
    asked = []
    directory = town.hospital.ledger.directory
    ledger = replace(
        town.hospital.ledger,
        directory=Overriding(
            directory,
            encryption_key=lambda actor, *, block: asked.append(actor) or directory.encryption_key(actor, block=block),
        ),
    )
    many = [observation(number, number % 2) for number in range(100, 140)]
    town.night(town.export(*many), loading=town.rebuilt(ledger=ledger))
    counts = Counter(asked)
    # Ben has never granted anything: nothing is asked about him before anchoring, as about anna.
    assert counts[town.ben.actor.address] == 1
    assert counts[town.anna.actor.address] <= 3


@pytest.mark.parametrize("sent", [False, True])
def test_load__revoked_while_it_lay__the_reader_has_no_packet_of_what_counts(town, sent):
    granted = granting(town)
    lines = stopped_before_anchoring(town, sent=sent)
    town.anna.consenting.revoke(granted.grant_id, patient=town.anna.actor)
    before = town.store.pins()
    town.night(town.export(*lines))
    for entry in town.stated("anna")[1:]:
        packets = town.packets(entry)
        assert packets.held == frozenset() or entry.status is RecordStatus.SUPERSEDED
    active = [each for each in town.stated("anna") if each.status is RecordStatus.ACTIVE]
    assert len(active) == 1 + 3
    if not sent:
        town.check_whole(LINES[0], *lines)
        assert len(before - town.store.pins()) == 3


def test_load__revoked_between_two_groups__nothing_is_sealed_for_the_reader_from_then_on(town):
    granted = granting(town)
    lines = [observation(number) for number in range(300, 309)]
    loads = town.loading.load([town.export(*lines)], custodian=town.hospital.actor, patients=town.assigned)
    before = [next(loads).record_id for _ in range(3)]
    town.anna.consenting.revoke(granted.grant_id, patient=town.anna.actor)
    stored = [next(loads) for _ in range(6)]
    assert {each.outcome for each in stored} == {Outcome.STORED}
    loads.close()
    (batch,) = town.loads.unfinished(town.hospital.actor.address)
    (sealed,) = town.loads.packets(batch, town.anna.actor.address).values()
    assert sorted(sealed) == sorted(before)
    town.night(town.export(*lines))
    town.check_whole(LINES[0], *lines)


def test_load__granted_while_it_lay__the_reader_has_packets(town):
    town.publish(LINES[0])
    lines = stopped_before_anchoring(town, sent=False)
    grant_everything(town)
    night = town.night(town.export(*lines))
    town.check_whole(LINES[0], *lines)
    assert all(each.outcome in (Outcome.STORED, Outcome.ALREADY) for each in night.loaded)
    hers = town.stated("anna")
    assert all(town.packets(each).held for each in hers[1:])


# ------------------------------------------------------------------------------------------------- dying


def steps_of_a_load(folder: Path) -> int:
    town = LoadTown(folder)
    faults = Faults()
    town.night(town.export(*LINES), loading=faulty(town, faults), batch_size=4)
    town.check_whole(*LINES)
    return faults.calls


@pytest.mark.parametrize("after", [False, True])
def test_load__dies_at_any_step_and_is_repeated__is_whole(tmp_path, after):
    (tmp_path / "whole").mkdir()
    steps = steps_of_a_load(tmp_path / "whole")
    assert steps > 20
    for step in range(1, steps + 1):
        folder = tmp_path / f"{step}"
        folder.mkdir()
        town = LoadTown(folder)
        path = town.export(*LINES)
        with pytest.raises(CrashError):
            town.night(path, loading=faulty(town, Faults(at=step, after=after)), batch_size=4)
        night = town.night(path, batch_size=4)
        assert night.count(Outcome.REFUSED) == 0
        town.check_whole(*LINES)
        assert town.night(path).counts == (0, 7, 0)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    chosen=st.lists(st.integers(0, 9), min_size=1, max_size=25),
    size=st.integers(1, 12),
    deaths=st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=3),
    singly=st.sets(st.integers(0, 9), max_size=3),
)
def test_load__any_export_deaths_and_single_publications__each_record_counts_once(
    tmp_path_factory, chosen, size, deaths, singly
):
    town = LoadTown(tmp_path_factory.mktemp("town"))
    for number in singly:
        town.publish(observation(number, number % 2))
    path = town.export(*(observation(number, number % 2) for number in chosen))
    for at, after in deaths:
        with suppress(CrashError):
            town.night(path, loading=faulty(town, Faults(at=at, after=after)), batch_size=size)
    town.night(path, batch_size=size)
    town.check_whole(*(observation(number, number % 2) for number in {*chosen, *singly}))


def test_resume__all_was_stored__is_anchored(town):
    lines = stopped_before_anchoring(town, sent=False)
    (anchored,) = town.loading.resume(town.hospital.actor)
    assert anchored.batch.count == len(lines)
    town.check_whole(*lines)
    assert town.loading.resume(town.hospital.actor) == []


def test_resume__one_was_erased_since_the_root_was_sent__it_is_anchored_once(town):
    lines = stopped_before_anchoring(town, sent=True)
    erased = town.stated("anna")[0].record_id
    town.hospital.ledger.records.retract(town.hospital.actor.signer, erased, bytes(32))
    town.publications.erase([erased])
    (anchored,) = town.loading.resume(town.hospital.actor)
    assert anchored.batch.count == len(lines)
    assert len(town.hospital.auditing.batches(town.hospital.actor.address)) == 1


# ------------------------------------------------------------------------------------------------ the store


@pytest.mark.parametrize("error", [StoreFullError, StoreUnavailableError])
def test_load__store_fails__it_is_said_and_goes_on_later(town, error):
    path = town.export(*LINES)
    faults = Faults(at=4, error=lambda: error("gone"))
    with pytest.raises(error):
        town.night(path, loading=faulty(town, faults), batch_size=4)
    assert town.night(path, batch_size=4).count(Outcome.REFUSED) == 0
    town.check_whole(*LINES)


def test_load__noted_and_not_pinned_and_collected_since__is_published_anew(town):
    path = town.export(*LINES)
    store = Faults()
    dying = town.rebuilt(store=store.wrap(town.store, "pin_all"))
    store.at = 2
    with pytest.raises(CrashError):
        town.night(path, loading=dying)
    town.store.collect()
    with pytest.raises(BlobNotFoundError) as caught:
        town.loading.resume(town.hospital.actor)
    assert "again" in caught.value.hint
    assert town.night(path).count(Outcome.REFUSED) == 0
    town.check_whole(*LINES)


def test_load__sealed_anew_and_not_pinned_and_collected_since__is_published_anew_and_pinned(town):
    town.publish(LINES[0])
    lines = stopped_before_anchoring(town, sent=False)
    grant_everything(town)
    path = town.export(*lines)
    store = Faults()
    dying = town.rebuilt(store=store.wrap(town.store, "pin_all"))
    store.at = 1
    with pytest.raises(CrashError):
        town.night(path, loading=dying)
    town.store.collect()
    assert town.night(path).count(Outcome.REFUSED) == 0
    town.store.collect()
    town.check_whole(LINES[0], *lines)


# --------------------------------------------------------------------------------------------- another process


def test_load__another_load_is_at_work__is_told_to_wait(town):
    with town.loads.claimed(town.hospital.actor.address), pytest.raises(LedgerBusyError):
        town.night(town.export(*LINES))
    with town.loads.claimed(town.hospital.actor.address):
        assert town.loading.resume(town.hospital.actor) == []
    town.night(town.export(*LINES))


def test_publish__a_load_has_stored_it__is_told_to_finish_the_load(town):
    lines = stopped_before_anchoring(town, sent=False)
    with pytest.raises(LedgerBusyError) as caught:
        town.publish(lines[0])
    assert "record resume" in caught.value.hint
    town.loading.resume(town.hospital.actor)
    assert town.publish(lines[0]).already


def test_load__somebody_publishes_the_same_meanwhile__is_told_and_not_doubled(town):
    class Racing(type(town.loads)):
        def add(self, batch, publications, patients):
            if town.publications.find(publications[0].publication_id) is None:
                town.publish(LINES[0])
            return super().add(batch, publications, patients)

    racing = Racing(town.publications)
    night = town.night(town.export(*LINES), loading=town.rebuilt(journal=racing))
    assert night.counts == (6, 0, 1)
    assert isinstance(night.loaded[0].refusal, LedgerBusyError)
    assert town.night(town.export(*LINES)).counts == (0, 7, 0)
