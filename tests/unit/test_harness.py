"""What the tests themselves promise

given a tool that is missing
    the test that needs it is skipped, saying so; with MEDSHARE_REQUIRE_NODES it fails
given a test without a kind, or with two
    collecting it is refused
given a word after --on
    it is a chain, a store or both, or refused with those that there are; elsewhere than on the embedded chain, only
    tests run that stand there; a test about a place that is none is refused
given a unit test
    no socket connects, binds or sends
given tests that have measured something
    their figures are told at the end; where nobody has, nothing is
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import nodes
import pytest
from bare_contract import every_error
from eth_utils.crypto import keccak
from evm import decode_error
from figures import FIGURES, tell_figures
from where import Where

pytestmark = pytest.mark.unit

MISSING = "medshare-no-such-tool"


class Item:
    """As much of a pytest item as the guard looks at."""

    def __init__(self, *marks, fixtures=()):
        self.nodeid = "test_x.py::test_x"
        self.fixturenames = fixtures
        self._marks = [(getattr(pytest.mark, mark) if isinstance(mark, str) else mark).mark for mark in marks]

    def iter_markers(self, name=None):
        return (mark for mark in self._marks if name in (None, mark.name))

    def get_closest_marker(self, name):
        return next(self.iter_markers(name), None)


@pytest.fixture
def guard(request):
    plugin = request.config.pluginmanager
    root = str(Path(__file__).parents[1] / "conftest.py")
    return next(p for p in plugin.get_plugins() if getattr(p, "__file__", None) == root)


@pytest.mark.parametrize("value", [None, "", "0"])
def test_require__tool_is_missing__skips_and_says_so(monkeypatch, value):
    monkeypatch.delenv(nodes.REQUIRE_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(nodes.REQUIRE_VARIABLE, value)

    with pytest.raises(pytest.skip.Exception, match=f"not on this machine: {MISSING}"):
        nodes.require(MISSING)


def test_require__tool_is_missing_and_required__fails(monkeypatch):
    monkeypatch.setenv(nodes.REQUIRE_VARIABLE, "1")

    with pytest.raises(pytest.fail.Exception, match=nodes.REQUIRE_VARIABLE):
        nodes.require("sh", MISSING)


def test_require__tools_are_there__returns_the_first(monkeypatch):
    monkeypatch.setenv(nodes.REQUIRE_VARIABLE, "1")

    assert nodes.require("sh", "cat").name == "sh"


def test_find_anvil__only_a_wrapper_is_there__is_not_taken(monkeypatch, tmp_path):
    # Ending a wrapper orphans the node that it runs.
    wrapper = tmp_path / "anvil"
    wrapper.write_text("#!/usr/bin/env node\n")
    wrapper.chmod(0o755)
    monkeypatch.setattr(nodes, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert nodes.find("anvil") is None


@pytest.mark.parametrize("marks", [(), ("anvil",), ("unit", "contracts"), ("e2e", "stateful", "anvil")])
def test_markers__not_exactly_one_kind__collecting_is_refused(guard, marks):
    with pytest.raises(pytest.UsageError, match="exactly one marker"):
        guard.check_kinds([Item("unit"), Item(*marks)])


@pytest.mark.parametrize("kind", ["unit", "contracts", "integration", "e2e", "stateful"])
def test_markers__one_kind__is_collected(guard, kind):
    guard.check_kinds([Item(kind, "anvil"), Item(kind)])


def test_about__a_place_that_is_none__collecting_is_refused(guard):
    guard.check_subjects([Item(pytest.mark.about("local", "its files")), Item("unit")])
    with pytest.raises(pytest.UsageError, match="about 'lokal'"):
        guard.check_subjects([Item("unit"), Item(pytest.mark.about("lokal", "its files"))])


@pytest.mark.parametrize(
    ("text", "chain", "store"),
    [
        ("embedded", "embedded", "local"),
        ("anvil", "anvil", "local"),
        ("clique", "clique", "local"),
        ("kubo", "embedded", "kubo"),
        ("clique+kubo", "clique", "kubo"),
        ("kubo+anvil", "anvil", "kubo"),
    ],
)
def test_on__a_chain_or_a_store_or_both__is_where(text, chain, store):
    where = Where.of(text)

    assert (where.chain, where.store) == (chain, store)
    assert where.has(chain)
    assert where.has(store)
    assert not where.has("besu")


@pytest.mark.parametrize("text", ["", "besu", "local", "anvil+", "anvil+clique", "kubo+kubo", "anvil kubo", "Anvil"])
def test_on__anything_else__lists_what_there_is(text):
    with pytest.raises(argparse.ArgumentTypeError, match="embedded, anvil, clique, kubo"):
        Where.of(text)


@pytest.mark.parametrize(
    ("where", "kind", "fixtures", "stands"),
    [
        ("embedded", "unit", (), True),
        ("embedded", "integration", ("ground",), True),
        ("clique", "integration", ("cli", "ground"), True),
        ("kubo", "integration", ("cli", "ground"), True),
        ("clique", "integration", ("tmp_path",), False),
        ("clique", "e2e", ("cli", "ground"), False),
        ("anvil", "integration", ("scene",), True),
        ("clique+kubo", "integration", ("world",), True),
        ("kubo", "integration", ("scene",), False),
    ],
)
def test_on__somewhere__runs_what_stands_there(guard, where, kind, fixtures, stands):
    assert guard.stands_on(Item(kind, fixtures=fixtures), Where.of(where)) == stands


def test_sockets__unit_test__cannot_use_them():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        for attempt in (
            lambda: unused.connect(("127.0.0.1", 9)),
            lambda: unused.connect_ex(("127.0.0.1", 9)),
            lambda: unused.bind(("127.0.0.1", 0)),
            lambda: unused.sendto(b"", ("127.0.0.1", 9)),
            lambda: socket.create_connection(("127.0.0.1", 9)),
            lambda: socket.getaddrinfo("localhost", 9),
        ):
            with pytest.raises(RuntimeError, match="unit tests open no sockets"):
                attempt()


def test_sockets__event_loop_in_a_unit_test__still_runs():
    async def answer():
        return sys.maxsize

    assert asyncio.run(answer()) == sys.maxsize


class Reporter:
    """As much of pytest's reporter as figures need."""

    def __init__(self, *reports):
        self.stats = {"passed": list(reports)}
        self.told = []

    def section(self, title):
        self.told.append(f"= {title}")

    def write_line(self, line):
        self.told.append(line)


def report(name, *lines, when="call"):
    return SimpleNamespace(nodeid=name, when=when, user_properties=[(FIGURES, line) for line in lines])


def test_figures__some_have_measured__are_told_once_test_by_test():
    reporter = Reporter(report("a", "1 s", "2 s"), report("a", "1 s", "2 s", when="teardown"), report("b"))
    tell_figures(reporter)
    assert reporter.told == ["= figures", "a", "  1 s", "  2 s"]


def test_figures__nobody_has_measured__nothing_is_told():
    reporter = Reporter(report("a"))
    tell_figures(reporter)
    assert reporter.told == []


def test_every_error__of_a_token_that_refuses__is_known_to_who_was_told_by_our_contract() -> None:
    assert decode_error(keccak(text="NotToday()")[:4], every_error()).args == ("NotToday",)
