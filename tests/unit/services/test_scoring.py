"""Scoring: an assessor attests what he has read, and nothing else.

given a record of a patient, and an accredited assessor
├─ granted for the purpose: medshare's own score is computed, and attested under the number of its method
├─ with the bytes at hand: they are compared with the manifest, and the payload is not fetched
├─ without a right, for another purpose, or with other bytes: nothing is attested
└─ many: all or none, each that has no score is named; a store that fails stops it, and what was read is not read again
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from service_doubles import Overriding
from town import Town, new_town
from world import TEXT

from medshare import scoring
from medshare.errors import AccessDeniedError, InvalidInputError, StoreUnavailableError
from medshare.model.accreditation import AccreditationKind
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import RecordRef
from medshare.ports import Actor
from medshare.scoring import Scoring
from medshare.services.assessing import Assessing
from medshare.services.registering import Published
from medshare.services.retrieving import OpenRecord
from medshare.services.slip_journal import SlipJournal
from medshare.services.slips import Slips
from medshare.standards import fhir
from medshare.standards.quality import METHODS, VERSION, score
from medshare.testing import new_actor

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

HQUALIMP = PurposeOfUse.HQUALIMP
SCORE = score(TEXT, fhir.MEDIA_TYPE).score


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return new_town(tmp_path)


@pytest.fixture
def assessing(town: Town) -> Assessing:
    world = town.world
    slips = Slips(
        ledger=world.ledger, store=world.store, auditing=world.auditing, journal=SlipJournal(world.folder / "slips")
    )
    return Assessing(ledger=world.ledger, auditing=world.auditing, slips=slips)


@pytest.fixture
def assessor(town: Town) -> Actor:
    actor = new_actor()
    world = town.world
    world.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)
    town.accredit(actor, AccreditationKind.ASSESSOR)
    return actor


@pytest.fixture
def subject(town: Town, assessing: Assessing) -> Scoring:
    return Scoring(
        retrieving=town.world.retrieving, assessing=assessing, journal=SlipJournal(town.world.folder / "slips")
    )


@pytest.fixture
def record(town: Town) -> Published:
    return town.world.publish()


def let_read(town: Town, assessor: Actor, *records: Published) -> None:
    town.world.grant(*records, grantee=assessor.address, purposes=HQUALIMP)


def test_attest__a_record_that_was_read__has_the_score_of_its_bytes(
    town: Town, subject: Scoring, assessing: Assessing, assessor: Actor, record: Published
) -> None:
    let_read(town, assessor, record)
    attested = subject.attest(town.world.ref(record), assessor=assessor, purpose=HQUALIMP)
    assert (attested.quality.score, attested.quality.method) == (SCORE, METHODS[VERSION])
    (one,) = assessing.of(record.record_id)
    assert (one.attestation.score, one.attestation.method, one.counts) == (SCORE, VERSION, True)
    assert assessing.lowest(record.record_id, VERSION) == SCORE


def test_attest__with_the_bytes_at_hand__fetches_no_payload(
    town: Town, subject: Scoring, assessor: Actor, record: Published, tmp_path: Path
) -> None:
    world, file = town.world, tmp_path / "record"
    let_read(town, assessor, record)
    opened = world.retrieving.open(world.ref(record), reader=assessor, purpose=HQUALIMP)
    for other in (TEXT + b" ", TEXT[:-1], b""):
        file.write_bytes(other)
        with pytest.raises(InvalidInputError, match="not this record"):
            subject.attest(world.ref(record), assessor=assessor, purpose=HQUALIMP, file=file)
    file.write_bytes(TEXT)
    world.store.unpin(record.cid)
    del world.store.blocks[opened._files.payload.cid]  # so that nobody can fetch it
    assert subject.attest(world.ref(record), assessor=assessor, purpose=HQUALIMP, file=file).quality.score == SCORE


def test_attest__without_a_right_or_for_another_purpose__attests_nothing(
    town: Town, subject: Scoring, assessing: Assessing, assessor: Actor, record: Published, tmp_path: Path
) -> None:
    world, file = town.world, tmp_path / "record"
    file.write_bytes(TEXT)
    for words in ({}, {"file": file}):
        with pytest.raises(AccessDeniedError):
            subject.attest(world.ref(record), assessor=assessor, purpose=HQUALIMP, **words)
    let_read(town, assessor, record)
    with pytest.raises(AccessDeniedError):
        subject.attest(world.ref(record), assessor=assessor, purpose=PurposeOfUse.TREAT)
    assert assessing.of(record.record_id) == []


def test_score__larger_than_is_scored__is_refused(
    town: Town, subject: Scoring, assessor: Actor, record: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_read(town, assessor, record)
    monkeypatch.setattr(scoring, "MAX_SCORED", len(TEXT) - 1)
    with pytest.raises(InvalidInputError, match="at most are scored"):
        subject.score(town.world.ref(record), reader=assessor, purpose=HQUALIMP)


def test_batch__of_what_may_be_read__is_one_root_however_often(
    town: Town, subject: Scoring, assessing: Assessing, assessor: Actor, record: Published
) -> None:
    world = town.world
    other = world.publish(b'{"resourceType":"Observation","id":"other"}')
    let_read(town, assessor, record, other)
    told: list[tuple[str, int, int | None]] = []
    refs = [world.ref(record), world.ref(other)]
    first = subject.attest_batch(
        refs, assessor=assessor, purpose=HQUALIMP, progress=lambda *said: told.append(said)
    ).attested
    assert told == [("reading", 0, 2), ("reading", 1, 2)]
    again = subject.attest_batch(refs[::-1], assessor=assessor, purpose=HQUALIMP).attested
    assert first is not None
    assert again is not None
    assert (again.root, again.receipt) == (first.root, None)
    assert assessing.lowest(record.record_id, VERSION) == SCORE


def test_batch__something_has_no_score__attests_none_and_names_it(
    town: Town, subject: Scoring, assessing: Assessing, assessor: Actor, record: Published
) -> None:
    world = town.world
    letter, hidden = world.publish(b"a letter"), world.publish(b'{"resourceType":"Observation","id":"hidden"}')
    let_read(town, assessor, record, letter)
    done = subject.attest_batch(
        [world.ref(each) for each in (record, letter, hidden)], assessor=assessor, purpose=HQUALIMP
    )
    assert done.attested is None
    assert [(each.record, type(each.error)) for each in done.unscored] == [
        (world.ref(letter), InvalidInputError),
        (world.ref(hidden), AccessDeniedError),
    ]
    assert assessing.of(record.record_id) == []


def test_batch__store_does_not_answer__stops(
    town: Town, subject: Scoring, assessor: Actor, record: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_read(town, assessor, record)

    def down(*_: object) -> bytes:
        raise StoreUnavailableError("no answer")

    monkeypatch.setattr(town.world.store, "get", down)
    with pytest.raises(StoreUnavailableError):
        subject.attest_batch([town.world.ref(record)], assessor=assessor, purpose=HQUALIMP)


def test_batch__broken_off__goes_on_with_what_was_not_read(
    town: Town, assessing: Assessing, assessor: Actor, record: Published
) -> None:
    world = town.world
    others = [world.publish(b'{"resourceType":"Observation","id":"%d"}' % number) for number in (1, 2)]
    let_read(town, assessor, record, *others)
    refs = [world.ref(each) for each in (record, *others)]
    read: list[RecordRef] = []

    def scoring_that_fails_at(call: int) -> Scoring:
        def opened(ref: RecordRef, **more: Any) -> OpenRecord:
            read.append(ref)
            if len(read) == call:
                raise StoreUnavailableError("no answer")
            return world.retrieving.open(ref, **more)

        return Scoring(
            retrieving=Overriding(world.retrieving, open=opened),
            assessing=assessing,
            journal=SlipJournal(world.folder / "slips"),
        )

    with pytest.raises(StoreUnavailableError):
        scoring_that_fails_at(3).attest_batch(refs, assessor=assessor, purpose=HQUALIMP)
    read.clear()
    subject = scoring_that_fails_at(0)
    done = subject.attest_batch(refs, assessor=assessor, purpose=HQUALIMP).attested
    assert done is not None
    assert (read, len(done.slips)) == ([refs[2]], 3)
    read.clear()
    again = subject.attest_batch(refs, assessor=assessor, purpose=HQUALIMP).attested
    assert again is not None
    assert (read, again.root) == (refs, done.root)
