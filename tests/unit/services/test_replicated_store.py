"""What is pinned here, institutions' nodes pin as well: as many as the policy says, or as can be had.

given three nodes and a policy of two
├─ when a root is pinned → two nodes should hold it whole and pin it; a third should not be asked for it
├─ when it is pinned again, or a node holds it already → nothing should be sent again
├─ when a node is down or full → another should take its place; with none left, pinning should not fail, and say so
├─ when a node is down → it should be left alone for a while, not be waited for by each record
├─ when a copy broke off → repeating should send the rest only
├─ when a root is unpinned → the nodes that answer should let it go
├─ when many are pinned at once → each should be at as many nodes, each node be asked for all of its own together
└─ when one's own store fails → pinning should fail as it does, and no node should be asked
"""

from __future__ import annotations

import pytest
from replicas import NodeStore, nodes_of

from medshare.content import BlockBatch, Cid, build_directory, build_file, walk
from medshare.errors import BlobNotFoundError
from medshare.services.replicated_store import REST_SECONDS, ReplicatedStore
from medshare.services.storage_nodes import bring, first_of, in_turn, mend
from medshare.testing import FakeClock, MemoryStore

pytestmark = pytest.mark.unit

NAMES = ("clinic", "hospital", "laboratory")
CHUNKS = 3


class Setting:
    def __init__(self, copies: int = 2) -> None:
        self.own = MemoryStore()
        self.stores, self.nodes = nodes_of(*NAMES)
        self.clock = FakeClock(0)
        self.store = ReplicatedStore(self.own, self.nodes, copies=copies, now=self.clock.now)

    def put(self, seed: bytes = b"a record") -> Cid:
        with BlockBatch(self.store.put) as emit:
            payload = build_file([bytes([i]) * (1 << 20) for i in range(CHUNKS)], emit)
            return build_directory({"header": build_file([seed], emit), "payload": payload}, emit).cid

    def pinned(self, seed: bytes = b"a record") -> Cid:
        root = self.put(seed)
        self.store.pin(root)
        return root

    def keepers(self, root: Cid) -> set[str]:
        return {name for name, store in self.stores.items() if root in MemoryStore.pins(store)}

    def at_rest(self) -> None:
        for store in self.stores.values():
            store.asked = 0


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_pin__nodes_answer__as_many_as_the_policy_says_hold_it_whole(setting: Setting) -> None:
    root = setting.pinned()
    assert len(setting.keepers(root)) == 2
    for name in setting.keepers(root):
        assert len(list(walk(setting.stores[name].get, root))) == 3 + CHUNKS
    (other,) = set(NAMES) - setting.keepers(root)
    assert setting.stores[other].blocks == {}
    assert setting.store.shortfalls == ()
    assert root in setting.store.pins()


def test_pin__again__sends_nothing(setting: Setting) -> None:
    root = setting.pinned()
    for store in setting.stores.values():
        store.received.clear()
    setting.store.pin(root)
    assert all(store.received == [] for store in setting.stores.values())


def test_pin__many_roots__are_spread_over_the_nodes(setting: Setting) -> None:
    kept = [setting.keepers(setting.pinned(b"record %d" % number)) for number in range(24)]
    counts = [sum(name in keepers for keepers in kept) for name in NAMES]
    assert sum(counts) == 48
    assert min(counts) >= 6


def test_pin__a_node_holds_it_already__is_the_one_asked(setting: Setting) -> None:
    root = setting.put()
    last = in_turn(root, NAMES)[-1]
    setting.stores[last].blocks.update(setting.own.blocks)
    setting.store.pin(root)
    assert last in setting.keepers(root)
    assert setting.stores[last].received == []
    assert len(setting.keepers(root)) == 2


@pytest.mark.parametrize("fault", ["down", "full"])
def test_pin__a_node_fails__another_takes_its_place(setting: Setting, fault: str) -> None:
    root = setting.put()
    first = in_turn(root, NAMES)[0]
    if fault == "down":
        setting.stores[first].down = True
    else:
        setting.stores[first].space = 0
    setting.store.pin(root)
    assert setting.keepers(root) == set(NAMES) - {first}
    assert setting.store.shortfalls == ()


def test_pin__too_few_nodes_answer__is_no_failure_and_is_said_until_made_up_for(setting: Setting) -> None:
    setting.stores["clinic"].down = setting.stores["hospital"].down = True
    root = setting.pinned()
    (short,) = setting.store.shortfalls
    assert (short.root, short.pinned, short.wanted) == (root, 1, 2)
    assert dict(short.reasons) == dict.fromkeys(("clinic", "hospital"), "the node cannot be reached")
    assert root in setting.store.pins()
    setting.stores["clinic"].down = False
    setting.clock.advance(int(REST_SECONDS))
    setting.store.pin(root)
    assert setting.store.shortfalls == ()
    assert setting.keepers(root) == {"clinic", "laboratory"}


def test_pin__a_node_is_down__is_not_waited_for_by_each_record(setting: Setting) -> None:
    for store in setting.stores.values():
        store.down = True
    roots = [setting.pinned(b"record %d" % number) for number in range(20)]
    assert all(store.asked == 1 for store in setting.stores.values())
    assert {short.root for short in setting.store.shortfalls} == set(roots)
    assert "a moment ago" in dict(setting.store.shortfalls[-1].reasons)["clinic"]


def test_pin__copy_broke_off__goes_on_where_it_was(setting: Setting) -> None:
    root = setting.put()
    one = setting.nodes[0]
    setting.stores[one.name].space = 4
    with pytest.raises(Exception, match="full"):
        bring(root, one, setting.own.get)
    setting.stores[one.name].space = None
    assert bring(root, one, setting.own.get) == len(setting.own.blocks) - 4
    assert len(setting.stores[one.name].received) == len(set(setting.stores[one.name].received))


def test_mend__lost_and_false_blocks__are_sent_again_and_no_others(setting: Setting) -> None:
    root = setting.pinned()
    name = min(setting.keepers(root))
    node = next(node for node in setting.nodes if node.name == name)
    lost, spoilt = [cid for cid in setting.own.blocks if cid != root][:2]
    setting.stores[name].lose(lost)
    setting.stores[name].spoil(spoilt)
    setting.stores[name].received.clear()
    assert mend(root, node, setting.own.get) == 2
    assert set(setting.stores[name].received) == {lost, spoilt}
    assert len(list(walk(setting.stores[name].get, root))) == 3 + CHUNKS


def test_unpin__nodes_answer__let_it_go_and_who_does_not_hinders_nobody(setting: Setting) -> None:
    root = setting.pinned()
    stays, goes = sorted(setting.keepers(root))
    setting.stores[stays].down = True
    setting.store.unpin(root)
    assert setting.keepers(root) == {stays}
    assert root not in setting.store.pins()
    assert goes not in setting.keepers(root)


def test_pin__own_store_fails__fails_as_it_does_and_asks_nobody(setting: Setting) -> None:
    root = setting.put()
    setting.own.blocks.pop(root)
    setting.at_rest()
    with pytest.raises(BlobNotFoundError):
        setting.store.pin(root)
    assert all(store.asked == 0 for store in setting.stores.values())


def test_reading_and_writing__is_that_of_ones_own_store(setting: Setting) -> None:
    root = setting.put()
    assert setting.store.has(root)
    assert setting.store.get(root) == setting.own.blocks[root]
    assert setting.store.collect().removed_blocks == len({root}) + 2 + CHUNKS
    assert all(store.asked == 0 for store in setting.stores.values())


def test_first_of__none_has_it__says_so() -> None:
    one, other = NodeStore(), NodeStore()
    missing = Cid.of_directory(bytes(32))
    with pytest.raises(BlobNotFoundError):
        first_of([one.get, other.get])(missing, 10)
    with pytest.raises(BlobNotFoundError):
        first_of([])(missing, 10)


# ------------------------------------------------------------------------------------------------ many at once


def test_pin_all__nodes_answer__each_root_is_where_one_by_one_would_put_it(setting: Setting) -> None:
    roots = [setting.put(b"record %d" % number) for number in range(12)]
    setting.store.pin_all([*roots, roots[0]])
    assert [setting.keepers(root) for root in roots] == [set(in_turn(root, NAMES)[:2]) for root in roots]
    assert all(len(list(walk(setting.stores[name].get, root))) for root in roots for name in setting.keepers(root))
    assert setting.store.shortfalls == ()
    sent = {name: len(store.received) for name, store in setting.stores.items()}
    setting.store.pin_all(roots)
    assert {name: len(store.received) for name, store in setting.stores.items()} == sent


@pytest.mark.parametrize("fault", ["down", "full"])
def test_pin_all__a_node_fails__another_takes_its_place(setting: Setting, fault: str) -> None:
    roots = [setting.put(b"record %d" % number) for number in range(12)]
    clinic = setting.stores["clinic"]
    if fault == "down":
        clinic.down = True
    else:
        clinic.space = 0
    setting.store.pin_all(roots)
    assert {frozenset(setting.keepers(root)) for root in roots} == {frozenset({"hospital", "laboratory"})}
    assert setting.store.shortfalls == ()


def test_pin_all__too_few_nodes_answer__is_pinned_here_and_said(setting: Setting) -> None:
    roots = [setting.put(b"record %d" % number) for number in range(3)]
    for name in ("clinic", "hospital"):
        setting.stores[name].down = True
    setting.store.pin_all(roots)
    assert setting.store.pins() == frozenset(roots)
    assert {short.root for short in setting.store.shortfalls} == set(roots)
    assert {(short.pinned, short.wanted) for short in setting.store.shortfalls} == {(1, 2)}
    for name in ("clinic", "hospital"):
        setting.stores[name].down = False
    setting.clock.advance(int(REST_SECONDS) + 1)
    setting.store.pin_all(roots)
    assert setting.store.shortfalls == ()


def test_pin_all__own_store_fails__no_node_is_asked(setting: Setting) -> None:
    root = setting.put()
    setting.own.blocks.pop(root)
    with pytest.raises(BlobNotFoundError):
        setting.store.pin_all([root])
    assert all(store.asked == 0 for store in setting.stores.values())
