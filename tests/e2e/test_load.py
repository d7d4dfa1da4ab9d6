"""A hospital's night in processes of their own: two thousand records, and a load that is killed twice on the way.

given an export of 2,000 records, of which one patient has 50
└─ when the command is killed at a third and at two thirds of it, and given again
   ├─ nothing is lost, nothing doubled, nothing else pinned
   ├─ memory stays what it was
   ├─ the same once more publishes nothing
   └─ that patient finds his 50 by his key alone, and opens them
"""

from __future__ import annotations

from pathlib import Path

import load
import pytest
from figures import FIGURES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1_800)]

RECORDS, PATIENTS, BATCH = load.QUICK
MUCH_MIB = 100


def test_load__killed_twice_and_repeated__is_whole(tmp_path: Path, record_property) -> None:
    figures = load.measure(tmp_path, RECORDS, PATIENTS, BATCH)
    for line in load.table(figures):
        record_property(FIGURES, line)
    assert (figures["batches"], figures["refused"], figures["again_published"]) == (RECORDS // BATCH, 0, 0)
    assert [at >= RECORDS * third // 3 for third, at in enumerate(figures["killed_at"], start=1)] == [True, True]
    peaks = list(figures["peak_mib_by_records"].values())
    assert max(peaks) - peaks[0] < MUCH_MIB
    assert figures["found_bytes"] < figures["catalogue_bytes"]
