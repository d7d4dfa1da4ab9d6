"""The world in memory, as a fixture; its databases do not wait for the disk."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest
from service_doubles import consenting_with
from world import World, new_world

from medshare.model.record import Category
from medshare.services.bundle_journal import BundleJournal
from medshare.services.description import Description


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's process ends in order, so that nothing of it must survive a power cut."""
    connect = sqlite3.connect

    def connect_at_once(*args, **more) -> sqlite3.Connection:
        connection = connect(*args, **more)
        with suppress(sqlite3.DatabaseError):  # a damaged file is the code's to find, not ours
            connection.execute("PRAGMA synchronous = OFF")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_at_once)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return new_world(tmp_path)


@pytest.fixture
def known(world: World) -> World:
    """A world whose patient knows the hospital: it has stated a record of his."""
    world.publishing.publish(
        b"the first",
        custodian=world.hospital,
        patient=world.patient.address,
        description=Description(media_type="text/plain", category=Category.IMAGING),
    )
    return world


@pytest.fixture
def journalled(world: World) -> World:
    """The world, where the patient's client remembers which bundles it has pinned."""
    world.consenting = consenting_with(world, journal=BundleJournal(world.folder / "bundles.sqlite"))
    return world
