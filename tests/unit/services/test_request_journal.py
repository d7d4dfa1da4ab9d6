"""What a client has begun with requests is written down, and survives it.

given a journal
├─ openings and acceptances are written, found, replaced and forgotten
├─ one process at a time works on one of them
└─ a damaged file is said to be one
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from study_town import StudyTown, new_study_town

from medshare.errors import ConfigurationError, LedgerBusyError
from medshare.model.ids import DocumentId
from medshare.services.request_journal import Opening, OpeningStage, RequestJournal, SignedBefore

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

KEY = b"\x01" * 32
OPENING = Opening(key=KEY, stage=OpeningStage.STORED, document=DocumentId(b"\x02" * 32), invitees=bytes(32))


@pytest.fixture
def town(tmp_path: Path) -> StudyTown:
    return new_study_town(tmp_path / "town")


def test_opening__written__is_found_replaced_and_forgotten(tmp_path: Path) -> None:
    journal = RequestJournal(tmp_path)
    assert journal.opening(KEY) is None
    journal.write_opening(OPENING)
    sending = replace(OPENING, stage=OpeningStage.SENDING)
    journal.write_opening(sending)
    assert RequestJournal(tmp_path).opening(KEY) == sending
    assert journal.opening(b"\x03" * 32) is None
    journal.forget_opening(KEY)
    assert journal.opening(KEY) is None


def test_acceptance__written__is_found_by_request_and_patient(town: StudyTown, tmp_path: Path) -> None:
    town.publish()
    ids = [town.open(study=replace(town.study, title=title)).request_id for title in ("One", "Two")]
    signed = [town.accepting.sign(each, patient=town.mary, asking=town.asking) for each in ids]
    journal = RequestJournal(tmp_path)
    for each in signed:
        journal.write_acceptance(SignedBefore(said=KEY, signed=each))
    assert [each.signed for each in journal.acceptances(town.mary.address)] == signed
    assert journal.acceptances(town.paul.address) == []
    before = journal.acceptance(signed[1].request_id, town.mary.address)
    assert before == SignedBefore(said=KEY, signed=signed[1])
    journal.forget_acceptance(signed[1].request_id, town.mary.address)
    assert journal.acceptance(signed[1].request_id, town.mary.address) is None
    assert journal.acceptance(signed[0].request_id, town.mary.address) is not None


def test_claimed__twice__is_busy_and_others_are_free(tmp_path: Path) -> None:
    journal = RequestJournal(tmp_path)
    other = RequestJournal(tmp_path)
    with journal.claimed(KEY), other.claimed(b"\x04" * 32), pytest.raises(LedgerBusyError), other.claimed(KEY):
        raise AssertionError("held twice")
    with journal.claimed(KEY):
        assert journal.opening(KEY) is None


def test_journal__damaged__says_so(tmp_path: Path) -> None:
    (tmp_path / "requests.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(ConfigurationError, match="journal of requests"):
        RequestJournal(tmp_path).opening(KEY)
