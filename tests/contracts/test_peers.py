"""What is said of others is measured: their verbs cost what the committed results say

given npm's packages and the compiler
├─ each verb of others costs exactly what benchmarks/results/peers.json says
└─ the verbs that the page compares are among them
given packages that are not there
└─ measuring says so
"""

from __future__ import annotations

import measured
import peers
import pytest
import tables
from compile_contracts import CannotRunError
from nodes import require
from scale import Scale

pytestmark = pytest.mark.contracts


@pytest.fixture(scope="module")
def committed() -> measured.Json:
    found = measured.result("peers")
    assert found is not None
    return found["figures"]


def test_peers__measured_anew__are_the_committed_ones(committed):
    require("solc")
    if not peers.EAS.is_dir():
        pytest.skip("the peers' packages are not in node_modules")

    assert peers.figures(Scale.QUICK) == committed, "make bench ONLY=peers, and commit what it writes"


def test_peers__compared__are_measured(committed):
    assert {name for names in tables.COMPARED.values() for name in names} <= set(committed["costs"])


def test_peers__packages_missing__is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "EAS", tmp_path / "nothing")

    with pytest.raises(CannotRunError, match="npm ci"):
        peers.measure()
