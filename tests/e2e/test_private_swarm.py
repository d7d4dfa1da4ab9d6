"""Several institutions' Kubo nodes in one private swarm: what one publishes another reads, verified, and nobody else.

given two nodes with one swarm key
├─ a record put on the hospital's node is read from the clinic's, whole and by range, and pinned there
├─ a node that answers for itself alone says what it lacks, at once
├─ through the hospital's gateway it is read by whoever asks it, and through the clinic's not before the clinic has it
├─ a node with another swarm key is refused, whatever it tries
├─ when the swarm is parted, what is missing is unavailable or not found in bounded time; when it heals, it is there
└─ when a node is killed and comes back, it holds what it confirmed
given a node that asks for a token
└─ with the right one all works; with a wrong one or none it says so, names the setting and never the token
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from swarms import SwarmNode, new_node, new_swarm_key, running_swarm, wait_until_connected

from medshare.content import (
    CHUNK_SIZE,
    Block,
    BlockBatch,
    Codec,
    Link,
    build_directory,
    build_file,
    list_directory,
    read_file,
    walk,
)
from medshare.errors import BlobNotFoundError, StoreError, StoreRefusedError
from medshare.ports import BlobStore
from medshare.storage import BasicAuth, BearerAuth, GatewayBlobStore, KuboBlobStore

pytestmark = [pytest.mark.e2e, pytest.mark.kubo]

SIZE = 2 * CHUNK_SIZE + 3
BLOCKS = 6
"""Of one record: the directory, one small file, and a payload of three chunks under one node."""


@pytest.fixture(scope="module")
def swarm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SwarmNode]]:
    """Two nodes for the whole module; tests use content of their own, and leave both connected."""
    with running_swarm(tmp_path_factory.mktemp("swarm"), 2) as nodes:
        yield nodes


def payload_of(seed: str) -> bytes:
    return hashlib.shake_256(seed.encode()).digest(SIZE)


def published(store: BlobStore, seed: str) -> Link:
    with BlockBatch(store.put) as emit:
        files = {"header.c4gh": build_file([seed.encode()], emit), "payload.c4gh": build_file([payload_of(seed)], emit)}
        root = build_directory(files, emit)
    store.pin(root.cid)
    return root


def test_record__put_on_one_node__is_read_from_another_and_pinned_there(swarm: list[SwarmNode]) -> None:
    clinic, hospital = swarm
    with KuboBlobStore(hospital.address) as there, KuboBlobStore(clinic.address) as here:
        root = published(there, "read elsewhere")
        payload = list_directory(here.get, root.cid)["payload.c4gh"].cid
        part = read_file(here.get, payload, max_size=SIZE, offset=CHUNK_SIZE - 1, length=2)
        assert b"".join(part) == payload_of("read elsewhere")[CHUNK_SIZE - 1 : CHUNK_SIZE + 1]
        assert b"".join(read_file(here.get, payload, max_size=SIZE)) == payload_of("read elsewhere")
        assert root.cid not in here.pins()
        here.pin(root.cid)
        assert root.cid in here.pins()
        there.unpin(root.cid)
        there.collect()
        assert not there.has(root.cid)
        assert len(list(walk(here.get, root.cid))) == BLOCKS


def test_node_alone__lacks_it__says_so_at_once_and_fetches_nothing(swarm: list[SwarmNode]) -> None:
    clinic, hospital = swarm
    with KuboBlobStore(hospital.address) as there, KuboBlobStore(clinic.address, alone=True) as here:
        root = published(there, "not there")
        begun = time.monotonic()
        for ask in (here.get, here.pin):
            with pytest.raises(BlobNotFoundError, match=str(root.cid)):
                ask(root.cid)
        assert time.monotonic() - begun < 20
        assert not here.has(root.cid)
        here.put(walk(there.get, root.cid))
        here.pin(root.cid)
        assert root.cid in here.pins()


def test_gateways__of_both__give_what_their_own_node_has(swarm: list[SwarmNode]) -> None:
    clinic, hospital = swarm
    with (
        KuboBlobStore(hospital.address) as there,
        GatewayBlobStore(hospital.gateway) as near,
        GatewayBlobStore(clinic.gateway) as far,
    ):
        root = published(there, "by gateway")
        payload = list_directory(near.get, root.cid)["payload.c4gh"].cid
        assert b"".join(read_file(near.get, payload, max_size=SIZE)) == payload_of("by gateway")
        part = read_file(near.get, payload, max_size=SIZE, offset=CHUNK_SIZE - 1, length=2)
        assert b"".join(part) == payload_of("by gateway")[CHUNK_SIZE - 1 : CHUNK_SIZE + 1]
        assert near.has(root.cid)
        assert not far.has(root.cid)
        with pytest.raises(BlobNotFoundError):  # Gateway.NoFetch
            far.get(root.cid)
        with KuboBlobStore(clinic.address) as here:
            here.pin(root.cid)
        assert len(list(walk(far.get, root.cid))) == BLOCKS


def test_node_with_another_key__tries_to_join__is_refused_and_reads_nothing(
    swarm: list[SwarmNode], tmp_path: Path
) -> None:
    hospital = swarm[1]
    stranger = new_node(tmp_path, "stranger", new_swarm_key())
    stranger.partner_with([hospital])
    try:
        stranger.start()
        with KuboBlobStore(hospital.address) as there, KuboBlobStore(stranger.address, timeout=2.0) as here:
            root = published(there, "not for strangers")
            with pytest.raises(subprocess.CalledProcessError):
                stranger.run("swarm", "connect", hospital.swarm_address)
            assert stranger.sees() == frozenset()
            assert stranger.peer_id not in hospital.sees()
            with pytest.raises(StoreError):
                here.get(root.cid)
            assert not here.has(root.cid)
    finally:
        stranger.stop()


def test_swarm_parted__then_healed__misses_it_in_bounded_time_then_reads_it(swarm: list[SwarmNode]) -> None:
    clinic, hospital = swarm
    with KuboBlobStore(hospital.address) as there, KuboBlobStore(clinic.address, timeout=2.0) as here:
        clinic.part_from(hospital)
        try:
            root = published(there, "behind the wall")
            begun = time.monotonic()
            with pytest.raises(BlobNotFoundError):
                here.get(root.cid)
            assert time.monotonic() - begun < 30
            kept = published(here, "on this side")
        finally:
            clinic.meet(hospital)
        wait_until_connected(clinic, hospital)
    with KuboBlobStore(hospital.address) as there, KuboBlobStore(clinic.address) as here:
        assert len(list(walk(here.get, root.cid))) == BLOCKS
        assert len(list(walk(there.get, kept.cid))) == BLOCKS


def test_node_killed__then_started__holds_what_it_confirmed(swarm: list[SwarmNode]) -> None:
    clinic, hospital = swarm
    with KuboBlobStore(hospital.address) as there:
        root = published(there, "survives")
        hospital.kill()
        with pytest.raises(StoreError):
            there.get(root.cid)
        hospital.start()
        assert root.cid in there.pins()
        assert len(list(walk(there.get, root.cid))) == BLOCKS
    wait_until_connected(clinic, hospital)


# ------------------------------------------------------------------------------------------------- credentials


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwarmNode]:
    """A node that lets in who shows a token; a partner's token is good for pinning and reading only."""
    node = new_node(tmp_path_factory.mktemp("guarded"), "guarded", new_swarm_key())
    node.configure(
        API={
            "Authorizations": {
                "medshare": {"AuthSecret": "bearer:s3cret-token", "AllowedPaths": ["/api/v0"]},
                "doctor": {"AuthSecret": "basic:doctor:s3cret-word", "AllowedPaths": ["/api/v0"]},
                "partner": {
                    "AuthSecret": "bearer:s3cret-partner",
                    "AllowedPaths": [
                        f"/api/v0/{path}"
                        for path in ("version", "block/get", "block/stat", "dag/import", "pin/add", "pin/ls")
                    ],
                },
            }
        }
    )
    try:
        node.start()
        yield node
    finally:
        node.stop()


@pytest.mark.parametrize(
    "auth", [BearerAuth("s3cret-token"), BasicAuth("doctor", "s3cret-word")], ids=["bearer", "basic"]
)
def test_token__right__lets_everything_through(guarded: SwarmNode, auth: BasicAuth | BearerAuth) -> None:
    with KuboBlobStore(guarded.address, auth=auth) as store:
        root = published(store, repr(auth))
        assert len(list(walk(store.get, root.cid))) == BLOCKS
        store.unpin(root.cid)
        assert store.collect().removed_blocks >= BLOCKS


@pytest.mark.parametrize(
    "auth",
    [None, BearerAuth("s3cre7", "CLINIC_TOKEN"), BasicAuth("doctor", "s3cre7", "CLINIC_TOKEN")],
    ids=["none", "bearer", "basic"],
)
def test_token__wrong_or_missing__is_said_at_once_and_never_shown(
    guarded: SwarmNode, auth: BasicAuth | BearerAuth | None
) -> None:
    block = Block.of(Codec.RAW, os.urandom(CHUNK_SIZE))
    with KuboBlobStore(guarded.address, auth=auth) as store:
        for ask in (store.pins, lambda: store.get(block.cid), lambda: store.put([block]), store.collect):
            with pytest.raises(StoreRefusedError) as refused:
                ask()
            said = f"{refused.value} {refused.value.hint} {auth!r}"
            assert "s3cre7" not in said
            assert ("CLINIC_TOKEN" in said) == (auth is not None)


def test_token__of_a_partner__pins_and_reads_and_gives_up_nothing(guarded: SwarmNode) -> None:
    with KuboBlobStore(guarded.address, auth=BearerAuth("s3cret-partner")) as store:
        root = published(store, "a partner's")
        assert len(list(walk(store.get, root.cid))) == BLOCKS
        for ask in (lambda: store.unpin(root.cid), store.collect):
            with pytest.raises(StoreRefusedError):
                ask()
        assert root.cid in store.pins()
