"""The benchmarks run, at their smallest, where nothing but this machine is needed

given an embedded chain and a local store
├─ latency, clients and a history are measured, and the page can show them
├─ a record is published and fetched by processes of their own, and one more reader costs the same for any size
└─ transactions are counted on our chain and on stock eth-tester
"""

from __future__ import annotations

import chain_rates
import clients
import end_to_end
import pytest
import report
import tables
from found import Found
from scale import Scale

pytestmark = [pytest.mark.integration, pytest.mark.about("embedded", "the benchmarks bring their own nodes")]


def test_clients__embedded__are_measured_and_shown():
    figures = clients.on("embedded", Scale.QUICK)

    found = Found(snapshot=report.read().snapshot, results={"clients": {"figures": {"embedded": figures}}})
    assert set(figures["clients"]) == {"1"}
    assert "| embedded | publish |" in tables.latency(found)
    assert "| embedded | fetch | 1 |" in tables.throughput(found)
    assert "| embedded | 20 |" in tables.history(found)


def test_end_to_end__small_record__is_measured(tmp_path):
    figures = end_to_end.measure(end_to_end.MIB, tmp_path)

    small, large = (figures["one_more_reader"][name] for name in ("small", "large"))
    assert small["packet_bytes"] == large["packet_bytes"]
    assert figures["fetch"]["seconds"] > 0
    assert list(tmp_path.iterdir()) == []


def test_transactions__every_chain__are_counted():
    rates = chain_rates.transactions(3, rounds=1)["per_second"]

    assert set(rates) == set(chain_rates.CHAINS)
    assert all(rate > 0 for rate in rates.values())
