"""The journal of bundles: what was pinned for a grant, until it is forgotten.

given a journal
├─ what was noted for a grant is found, by the grant and by its patient, also by another object of the same file
├─ to note it twice, or to forget what was never noted, changes nothing
└─ when the file is damaged, it says so by an error of ours
"""

from __future__ import annotations

from pathlib import Path

import pytest

from medshare.errors import ConfigurationError
from medshare.model.ids import BundleId, GrantId, address
from medshare.services.bundle_journal import BundleJournal

pytestmark = pytest.mark.unit

PATIENT, OTHER = address("0x" + "ff" * 20), address("0x" + "01" * 20)
FIRST, SECOND, OTHERS = (GrantId((int(who, 16) << 96) | low) for who, low in ((PATIENT, 1), (PATIENT, 2), (OTHER, 1)))
BUNDLES = [BundleId(bytes([number]) * 32) for number in range(4)]


@pytest.fixture
def journal(tmp_path: Path) -> BundleJournal:
    return BundleJournal(tmp_path / "bundles.sqlite")


def test_noted__by_grant_and_by_patient__is_what_was_noted(journal: BundleJournal, tmp_path: Path) -> None:
    for grant, bundle in zip((FIRST, FIRST, SECOND, OTHERS), BUNDLES, strict=True):
        journal.note(grant, bundle)
    again = BundleJournal(tmp_path / "bundles.sqlite")
    assert set(again.noted(FIRST)) == set(BUNDLES[:2])
    assert set(again.noted_of(PATIENT)) == set(BUNDLES[:3])
    assert again.noted_of(OTHER) == again.noted(OTHERS) == BUNDLES[3:]


def test_forget__noted_twice_or_never__is_forgotten_once_and_for_all(journal: BundleJournal) -> None:
    journal.note(FIRST, BUNDLES[0])
    journal.note(FIRST, BUNDLES[0])
    journal.forget(BUNDLES[1])
    assert journal.noted(FIRST) == BUNDLES[:1]
    journal.forget(BUNDLES[0])
    assert journal.noted(FIRST) == []


def test_noted__file_is_damaged__says_so(journal: BundleJournal, tmp_path: Path) -> None:
    (tmp_path / "bundles.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(ConfigurationError, match="journal of bundles") as caught:
        journal.noted(FIRST)
    assert caught.value.hint
