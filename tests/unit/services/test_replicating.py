"""Where everything is kept: what the chain names against what the nodes say, and how it is mended.

given records and a grant on the chain, three nodes, and a policy of two
├─ status
│  ├─ everything at two nodes → it should be sound
│  ├─ one node pins it, or none, or none holds it → under-replicated, unpinned, missing
│  ├─ a block is gone or false → damaged, where every block is read; a root that is gone, always
│  ├─ a node is down → it should be named, and hide nothing of the others
│  └─ pins of ended rights, and of what nothing names → each told apart
├─ repair
│  ├─ under-replicated, unpinned, missing at the nodes and held here → as many pins as the policy says
│  ├─ a node that fails → another; nobody left, or nobody holds it → said, and the rest is done
│  ├─ damaged → mended, from another's copy
│  └─ everything well → nothing to do
└─ giving up
   ├─ every place lets go, collects and is looked at
   ├─ what another pin needs remains, and is told
   └─ a node that is down, or does not let us, is told and hinders nobody
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from replicas import nodes_of
from world import DAY, World

from medshare.content import BlockBatch, Cid, build_directory, build_file
from medshare.services.named_roots import Keep, NamedRoot, RootKind
from medshare.services.registering import Published
from medshare.services.replicating import HERE, Kept, NodeAnswer, Replicating, Report, plan, report
from medshare.testing import MemoryStore

pytestmark = pytest.mark.unit

NAMES = ("clinic", "hospital", "laboratory")


@dataclass
class Consortium:
    """A world whose hospital has published two records, one of them granted; its store is no node."""

    world: World
    copies: int = 2
    first: Published = field(init=False)
    second: Published = field(init=False)

    def __post_init__(self) -> None:
        self.stores, self.nodes = nodes_of(*NAMES)
        self.first, self.second = self.world.publish(), self.world.publish(b"another")
        self.granted = self.world.grant(self.first)
        self.replicating = Replicating(
            index=self.world.auditing._index,
            clock=self.world.clock,
            own=self.world.store,
            nodes=self.nodes,
            copies=self.copies,
        )

    @property
    def bundle(self) -> Cid:
        return Cid.of_directory(self.granted.bundle.digest)

    @property
    def roots(self) -> tuple[Cid, ...]:
        return self.first.cid, self.second.cid, self.bundle

    def give(self, name: str, *roots: Cid, pin: bool = True) -> None:
        """Have a node hold roots."""
        self.stores[name].blocks.update(self.world.store.blocks)
        for root in roots:
            if pin:
                self.stores[name].pin(root)

    def kept(self, **more) -> dict[Cid, Kept]:
        return {status.root: status.kept for status in self.replicating.status(**more).roots}

    def repair(self, **more) -> list:
        return list(self.replicating.repair(plan(self.replicating.status(**more))))


@pytest.fixture
def consortium(world: World) -> Consortium:
    return Consortium(world)


def everywhere(consortium: Consortium) -> None:
    for name in ("clinic", "hospital"):
        consortium.give(name, *consortium.roots)


# --------------------------------------------------------------------------------------------------- status


def test_status__everything_at_two_nodes__is_sound(consortium: Consortium) -> None:
    everywhere(consortium)
    found = consortium.replicating.status()
    assert found.sound
    assert {status.root: status.kind for status in found.roots} == {
        consortium.first.cid: RootKind.RECORD,
        consortium.second.cid: RootKind.RECORD,
        consortium.bundle: RootKind.BUNDLE,
    }
    assert all(status.pinned == ("clinic", "hospital") and status.here for status in found.roots)
    assert (found.ended, found.foreign, found.unreached, plan(found)) == ((), (), (), ())


def test_status__fewer_pins__says_which_and_how(consortium: Consortium) -> None:
    first, second, bundle = consortium.roots
    consortium.give("clinic", first)
    consortium.stores["laboratory"].blocks[second] = consortium.world.store.blocks[second]
    consortium.stores["clinic"].lose(second)
    consortium.stores["clinic"].lose(bundle)
    assert consortium.kept() == {first: Kept.UNDER_REPLICATED, second: Kept.UNPINNED, bundle: Kept.MISSING}
    by_root = {status.root: status for status in consortium.replicating.status().roots}
    assert (by_root[first].pinned, by_root[second].unpinned) == (("clinic",), ("laboratory",))


def test_status__root_is_gone_under_its_pin__is_damaged(consortium: Consortium) -> None:
    everywhere(consortium)
    consortium.stores["clinic"].lose(consortium.first.cid)
    found = consortium.replicating.status()
    (status,) = found.wanting
    assert (status.root, status.kept, status.damaged) == (consortium.first.cid, Kept.UNDER_REPLICATED, ("clinic",))


@pytest.mark.parametrize("harm", ["lose", "spoil"])
def test_status__deep__finds_a_block_that_is_gone_or_false(consortium: Consortium, harm: str) -> None:
    everywhere(consortium)
    part = next(iter(consortium.world.store.blocks))
    getattr(consortium.stores["hospital"], harm)(part)
    assert consortium.replicating.status().sound
    (status,) = consortium.replicating.status(deep=True).wanting
    assert status.damaged == ("hospital",)


def test_status__a_node_is_down__is_named_and_hides_nothing(consortium: Consortium) -> None:
    everywhere(consortium)
    consortium.stores["hospital"].down = True
    found = consortium.replicating.status()
    assert not found.sound
    (unreached,) = found.unreached
    assert (unreached.name, "cannot be reached" in unreached.trouble) == ("hospital", True)
    assert {status.kept for status in found.roots} == {Kept.UNDER_REPLICATED}


def test_status__pins_of_ended_rights_and_of_nobody__are_told_apart(consortium: Consortium) -> None:
    everywhere(consortium)
    with BlockBatch(consortium.stores["clinic"].put) as emit:
        foreign = build_directory({"film": build_file([b"holiday"], emit)}, emit).cid
    consortium.stores["clinic"].pin(foreign)
    bundle = consortium.bundle
    consortium.world.consenting.revoke(consortium.granted.grant_id, patient=consortium.world.patient)
    found = consortium.replicating.status()
    assert found.sound
    assert [(stray.root, stray.nodes) for stray in found.ended] == [(bundle, ("clinic", "hospital"))]
    assert [(stray.root, stray.nodes) for stray in found.foreign] == [(foreign, ("clinic",))]


def test_status__grant_expires_or_has_not_begun__its_bundle_is_kept_until_it_ends(consortium: Consortium) -> None:
    later = consortium.world.grant(
        consortium.second, grantee=consortium.world.stranger.address, not_before=consortium.world.clock.now() + DAY
    )
    assert Cid.of_directory(later.bundle.digest) in consortium.kept()
    consortium.world.clock.advance(40 * DAY)
    assert set(consortium.kept()) == {consortium.first.cid, consortium.second.cid}


def test_status__superseded_and_retracted__are_kept_as_others_relied_on_them(consortium: Consortium) -> None:
    world = consortium.world
    newer = world.publish(b"corrected", supersedes=consortium.second.record_id)
    world.publishing.retract(newer.record_id, "wrong patient", custodian=world.hospital)
    assert {consortium.second.cid, newer.cid} <= set(consortium.kept())


def test_report__parties_decide__is_neither_wanted_nor_stray() -> None:
    root = Cid.of_directory(b"\1" * 32)
    named = {root: NamedRoot(root=root, kind=RootKind.BUNDLE, keep=Keep.EITHER)}
    found = report(named, [NodeAnswer(name="clinic", pins=frozenset({root}))], copies=1)
    assert found == Report(copies=1, nodes=found.nodes, roots=(), ended=(), foreign=(), erased=())


# --------------------------------------------------------------------------------------------------- repair


def test_repair__under_replicated_unpinned_and_missing__is_as_the_policy_says(consortium: Consortium) -> None:
    first, second, bundle = consortium.roots
    consortium.give("clinic", first)
    consortium.stores["clinic"].lose(bundle)
    done = consortium.repair()
    assert all(one.done and not one.reasons for one in done)
    assert {one.root: one.wanting for one in done} == {first: 0, second: 0, bundle: 0}
    assert consortium.replicating.status(deep=True).sound
    assert sum(second in MemoryStore.pins(store) for store in consortium.stores.values()) == 2
    assert consortium.repair() == []


def test_repair__held_unpinned__is_pinned_where_it_is_and_not_sent(consortium: Consortium) -> None:
    consortium.give("laboratory", *consortium.roots, pin=False)
    consortium.give("hospital", *consortium.roots)
    assert {one.pinned for one in consortium.repair()} == {("laboratory",)}
    assert consortium.stores["laboratory"].received == []


def test_repair__own_store_lost_it__copies_from_another_node(consortium: Consortium) -> None:
    consortium.give("clinic", *consortium.roots)
    consortium.world.store.blocks.clear()
    assert all(one.done for one in consortium.repair())
    assert consortium.replicating.status(deep=True).sound


def test_repair__a_node_is_full__another_takes_its_place(consortium: Consortium) -> None:
    consortium.stores["clinic"].space = 0
    done = consortium.repair()
    assert all(one.done for one in done)
    assert all(set(one.pinned) == {"hospital", "laboratory"} for one in done)
    assert all(set(one.reasons) <= {("clinic", "the node's disk is full")} for one in done)
    assert consortium.stores["clinic"].pins() == frozenset()


def test_repair__too_few_nodes__does_what_it_can_and_says_the_rest(consortium: Consortium) -> None:
    consortium.stores["clinic"].down = True
    consortium.stores["hospital"].space = 0
    done = consortium.repair()
    assert {one.pinned for one in done} == {("laboratory",)}
    assert {one.wanting for one in done} == {1}
    assert not any(one.done for one in done)


def test_repair__nobody_holds_it__says_so_and_mends_the_rest(consortium: Consortium) -> None:
    first, second, bundle = consortium.roots
    for name in NAMES:
        consortium.give(name, second, bundle)
        consortium.stores[name].lose(first)
    del consortium.world.store.blocks[first]
    (one,) = consortium.repair()
    assert (one.root, one.done, one.pinned) == (first, False, ())
    assert "CAR archive" in dict(one.reasons)["all"]


@pytest.mark.parametrize("harm", ["lose", "spoil"])
def test_repair__damaged_copy__is_mended_from_another(consortium: Consortium, harm: str) -> None:
    everywhere(consortium)
    part = next(iter(consortium.world.store.blocks))
    getattr(consortium.stores["hospital"], harm)(part)
    consortium.world.store.blocks.clear()
    (one,) = consortium.repair(deep=True)
    assert (one.done, one.pinned) == (True, ("hospital",))
    assert consortium.replicating.status(deep=True).sound
    assert consortium.stores["laboratory"].blocks == {}


def test_plan__damaged_and_enough_others__is_mended_and_nobody_else_pins(consortium: Consortium) -> None:
    everywhere(consortium)
    consortium.give("laboratory", *consortium.roots)
    consortium.stores["laboratory"].lose(consortium.first.cid)
    (step,) = plan(consortium.replicating.status())
    assert (step.damaged, step.wanted) == (("laboratory",), 0)
    assert step.sources[0] == HERE


# ------------------------------------------------------------------------------------------------ giving up


def test_give_up__a_record__is_gone_everywhere(consortium: Consortium) -> None:
    everywhere(consortium)
    told = consortium.replicating.give_up(consortium.first.cid)
    assert [(one.name, one.gone, one.trouble) for one in told] == [(name, True, "") for name in (HERE, *NAMES)]
    assert not any(store.has(consortium.first.cid) for store in consortium.stores.values())
    assert consortium.kept()[consortium.second.cid] is Kept.KEPT


def test_give_up__a_part_is_needed_by_another_pin__remains_and_is_told(consortium: Consortium) -> None:
    everywhere(consortium)
    with BlockBatch(consortium.world.store.put) as emit:
        shared = build_file([b"the same bytes"], emit)
        one, other = (build_directory({name: shared}, emit).cid for name in ("a", "b"))
    consortium.give("clinic", one, other)
    told = {each.name: each for each in consortium.replicating.give_up(one)}
    assert (told["clinic"].gone, told["clinic"].remaining) == (False, 1)
    assert told["laboratory"].gone


def test_give_up__a_node_is_down_or_does_not_let_us__is_told_and_hinders_nobody(consortium: Consortium) -> None:
    everywhere(consortium)
    consortium.give("laboratory", consortium.first.cid)
    consortium.stores["clinic"].down = True
    consortium.stores["hospital"].pins_only = True
    told = {each.name: each for each in consortium.replicating.give_up(consortium.first.cid)}
    assert (told["clinic"].gone, "reached" in told["clinic"].trouble) == (False, True)
    assert (told["hospital"].gone, "credentials" in told["hospital"].trouble) == (False, True)
    assert told["hospital"].remaining > 0
    assert told["laboratory"].gone
    assert told[HERE].gone


def test_give_up__nobody_holds_it_any_more__is_said_to_be_gone(consortium: Consortium) -> None:
    told = consortium.replicating.give_up(Cid.of_directory(b"\7" * 32))
    assert all(one.gone for one in told)


def test_named__what_the_chain_says_of_a_root(consortium: Consortium) -> None:
    known = consortium.replicating.named(consortium.first.cid)
    assert known is not None
    assert (known.kind, known.keep) == (RootKind.RECORD, Keep.YES)
    assert consortium.replicating.named(Cid.of_directory(b"\7" * 32)) is None


def test_status__asking__tells_how_far_it_is(consortium: Consortium) -> None:
    told: list[tuple[str, int, int | None]] = []
    consortium.replicating.status(progress=lambda *each: told.append(each))
    assert sorted(done for _, done, _ in told) == list(range(1, 10))
    assert {total for _, _, total in told} == {9}
