"""The page about performance is what its template and the committed results make

given the committed snapshot and results
├─ docs/performance.md is what they make, byte for byte
├─ each plot shows their numbers, and there is no other plot
├─ revoking a live grant costs less gas than granting it did, form by form, as the page says
└─ no result names a machine, a user or a folder
given a part that was not measured, or a node that was absent
└─ the page says so
given figures of batches and of a load, or another snapshot
└─ the page shows them
given a goal
└─ it is met at its figure, and missed beside it
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

import batch_tables
import goals
import measured
import plots
import pytest
import report
import run
import tables
from found import Found, figure

pytestmark = pytest.mark.unit

HOW = "if this is meant: make report, and commit what it writes"


@pytest.fixture(scope="module")
def found() -> Found:
    return report.read()


@pytest.fixture(scope="module")
def template() -> str:
    return report.TEMPLATE.read_text("utf-8")


def test_page__committed__is_what_the_results_make(found, template):
    assert report.PAGE.read_text("utf-8") == report.render(found, template), HOW


@pytest.mark.parametrize("name", plots.SHOWN)
def test_plot__committed__shows_the_numbers_of_the_results(found, name):
    committed = (report.PLOTS / f"{name}.svg").read_text("utf-8")

    assert re.findall(plots.DIGEST + "[0-9a-f]{64}", committed) == [plots.SHOWN[name](found).digest()], HOW


def test_plots__folder__holds_nothing_else():
    assert {path.stem for path in report.PLOTS.iterdir()} == set(plots.SHOWN)


def test_results__folder__holds_parts_only():
    assert {path.stem for path in measured.RESULTS.iterdir()} <= set(tables.PARTS)
    assert set(run.PARTS) <= set(tables.PARTS)


def test_results__every_one__names_no_machine_and_no_folder():
    for path in measured.RESULTS.iterdir():
        text = path.read_text("utf-8")
        assert not re.search(r'"/|[\\]|/(home|root|tmp|usr|work)/', text), path.name
        assert set(json.loads(text)["machine"]) == {"commit", "cores", "kernel", "libraries", "processor", "python"}


@pytest.mark.parametrize(
    ("revoked", "granted"),
    [
        ("revoke", "grant, first"),
        ("revoke", "grant, again"),
        ("revokeSigned", "grantSigned, first"),
        ("revokeSigned", "grantSigned, again"),
        ("revoke, by a delegate", "grantFor, by a delegate"),
        ("revoke, one of 100 in a batch", "grant, one of 100 in a batch"),
    ],
)
def test_revoking__a_live_grant__costs_less_than_granting_it_did_as_the_page_says(found, revoked, granted):
    gas = found.snapshot["gas"]

    assert gas[revoked]["gas"] < gas[granted]["gas"]


def test_page__nothing_measured__says_so_in_every_place(found, template):
    page = report.render(replace(found, results=dict.fromkeys(tables.PARTS)), template)

    assert "{{" not in page
    for part in tables.PARTS:
        assert f"`benchmarks/results/{part}.json` is missing" in page


def test_page__nodes_absent__says_so(found, template):
    without = dict(found.results)
    for part, absent in (("chain_rates", "anvil"), ("consensus", "clique"), ("clients", "anvil")):
        kept = without[part]
        without[part] = {**kept, "figures": {**kept["figures"], absent: None}}
    tools = without["ciphers"]["figures"]["tools"]
    without["ciphers"] = {
        **without["ciphers"],
        "figures": {**without["ciphers"]["figures"], "tools": {**tools, "age": None}},
    }

    page = report.render(replace(found, results=without), template)

    assert "| age | not on the machine |" in page
    assert "| on anvil | not on the machine |" in page
    assert "| anvil | not on the machine |" in page
    assert "geth: not on the machine." in page


def test_page__batches_and_a_load__are_shown_as_measured(found, template):
    batch = {
        "records": 10_000,
        "tree_seconds": 0.5,
        "catalogue_seconds": 0.25,
        "catalogue_bytes": 3 << 20,
        "custodians_file_bytes": 1 << 20,
        "found_bytes": 29_696,
        "found_share": 0.0094,
        "found_seconds": 0.002,
        "memory_mib": 3.1,
        "book_bytes": 2 << 20,
        "book_seconds": 0.16,
        "restored_seconds": 0.06,
    }
    night = {
        "records": 3_000,
        "patients": 60,
        "batch_size": 500,
        "bytes": 1 << 20,
        "seconds": [8.5, 9.25, 10],
        "killed_at": [1_024, 2_048],
        "records_per_second": 108.1,
        "again_seconds": 7,
        "again_published": 0,
        "peak_mib": 118.9,
        "peak_mib_by_records": {"1500": 116.4, "3000": 118.9},
        "batches": 6,
        "refused": 0,
        "catalogue_bytes": 2 << 20,
        "found_bytes": 10_240,
        "found_share": 0.0049,
        "found_seconds": 0.37,
        "opened_seconds": 0.57,
        "milliseconds_a_record": dict.fromkeys(batch_tables.STAGES, 0.2),
    }
    figures = {"batches": {"batches": [batch]}, "load": night}
    results = {part: {**found.results["peers"], "figures": figures[part]} for part in figures}

    page = report.render(replace(found, results={**found.results, **results}), template)

    assert "| 10,000 | 0.500 s | 0.250 s | 3.00 MiB | 1.00 MiB | 29.0 KiB, 0.94% |" in page
    assert "| second run, killed when 2,048 were stored | 9.2 s |" in page
    assert "| the same command once more | 7.0 s, 0 published |" in page
    assert "| records stored | 1,500 | 3,000 |" in page
    assert "| all of these | 1.00 |" in page


def test_page__gas_of_a_batched_record__is_of_the_snapshot(found, template):
    gas = {**found.snapshot["gas"], "anchorBatch": {"gas": 80_000, "newSlots": 1}}

    page = report.render(replace(found, snapshot={**found.snapshot, "gas": gas}), template)

    assert "| anchorBatch (of 1,000: 80.0 a record) | 80,000 | 1 |" in page
    assert "| 1,000 | 80.0 | 60 | **missed** |" in page
    assert "| 10,000 | 8.00 | 10 | met |" in page
    assert "- a record in a batch of 1,000: a verb that writes" in page
    assert "A record of a batch is taken as one of 1,000: 80.0 gas, as measured." in page


@pytest.mark.parametrize("goal", goals.GOALS, ids=lambda goal: goal.what)
def test_goal__at_its_figure__is_met_and_beside_it_missed(goal):
    worse = goal.goal * (1.01 if goal.at_most else 0.99)

    assert goal.is_met(goal.goal)
    assert not goal.is_met(worse)
    assert goal.missed


def test_goals__missed__are_given_with_their_reason(found):
    kept = found.results["envelope"]
    slow = {**kept["figures"], "memory": dict.fromkeys(kept["figures"]["memory"], 0.5)}

    text = goals.goals(replace(found, results={**found.results, "envelope": {**kept, "figures": slow}}))

    assert "**missed**" in text
    assert "- seal in memory, 2 threads: two threads are worth" in text


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "0"), (0.012345, "0.0123"), (1.5, "1.50"), (123.4, "123"), (123_456, "123,000")]
)
def test_figure__has_three_digits(value, expected):
    assert figure(value) == expected
