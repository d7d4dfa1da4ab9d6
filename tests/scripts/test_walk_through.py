"""scripts/walk_through.py, run as a newcomer runs it.

├─ it tells each step, in order, ends well and leaves nothing behind
└─ what is not as it says is an error, and has an exit code
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import walk_through

from medshare.errors import IntegrityError, InvalidInputError

pytestmark = pytest.mark.integration


def test_walk_through__from_top_to_bottom__tells_each_step_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert walk_through.main([]) == 0
    told = capsys.readouterr().out
    steps = [
        "acts for her child",
        "refused: A delegate may grant neither for other purposes nor for longer",
        "its client makes packets for: mother, paediatrician",
        "The lake hospital publishes",
        "5 records have new versions",
        "denied for BTG: no emergency episode",
        "permitted for BTG",
        "EMERGENCY: an emergency is in force: unconscious (clinician)",
        "the review: justified",
        "mother: denied for PATRQT: the grant has expired",
        "The key is lost",
        "new_key reads a record",
        "reviewer: denied for PATRQT",
        "Done",
    ]
    places = [told.index(step) for step in steps]
    assert places == sorted(places)
    assert list(tmp_path.iterdir()) == []


def test_walk_through__something_is_not_as_told__ends_with_5(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(IntegrityError):
        walk_through.check(held=False, what="pigs fly")
    with pytest.raises(IntegrityError):
        walk_through.Town(session=None, people={}).refused(lambda: None)
    monkeypatch.setattr(walk_through, "walk", lambda _session: walk_through.check(held=False, what="pigs fly"))
    assert walk_through.main([]) == 5


def test_walk_through__refused_for_another_reason__is_no_refusal() -> None:
    def breaks() -> None:
        raise InvalidInputError("something else")

    with pytest.raises(InvalidInputError):
        walk_through.Town(session=None, people={}).refused(breaks)
