"""What homes stand on: the chain and the store that ``--on`` names, and nothing of other tests.

given homes that are copied one after the other
├─ each stands on the chain and the store that are named
└─ what is done in one, on the chain and in the store, is undone for the next
"""

from __future__ import annotations

from pathlib import Path

import pytest
from homes import SCAN, CommandLine, Home, Templates

from medshare import connect
from medshare.content import Cid
from medshare.model.ids import record_id
from medshare.storage import KuboBlobStore

pytestmark = pytest.mark.integration

PROGRAMS = {"embedded": "medshare/embedded", "anvil": "anvil/", "clique": "Geth/v1.13.15"}


def test_home__is_on_the_chain_and_the_store_that_are_named(home: Home, request: pytest.FixtureRequest) -> None:
    where = request.config.getoption("on")
    with connect(home.path) as session:
        assert session.chain.client.request("web3_clientVersion").startswith(PROGRAMS[where.chain])
        assert isinstance(session.store, KuboBlobStore) == (where.store == "kubo")


def test_home__after_a_test_that_wrote_and_took_away__is_as_it_was(
    templates: Templates, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "file").write_bytes(b"of one test")
    first = CommandLine(templates.begin(templates.records, tmp_path / "first"), capsysbinary)
    before = first.pins(), first.json("audit", "trail", "--patient", "patient")
    words = ["--as", "hospital", "--patient", "patient"]
    (row,) = first.json("record", "publish", tmp_path / "file", *words)
    first.lose(Cid.of_directory(record_id(first.home.scan)))
    assert first("record", "fetch", first.home.scan, "--as", "patient").code == 4

    second = CommandLine(templates.begin(templates.records, tmp_path / "second"), capsysbinary)

    assert (second.pins(), second.json("audit", "trail", "--patient", "patient")) == before
    assert second.fetched(second.home.scan, "patient") == SCAN
    assert second("record", "show", row["record"]).code == 4
