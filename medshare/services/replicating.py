"""Replicating: where the records and live bundles of the chain are kept, what is wanting, and how it is mended.

The chain says what there must be, the nodes say what there is, the policy says at how many of them. ``report`` compares
the three and is pure; ``plan`` says from it who should keep what. A node that does not answer hides nothing of the
others, and is named.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock

from medshare.content import BlockSource, Cid, walk
from medshare.errors import MedshareError, StoreError, StoreUnavailableError
from medshare.ports import BlobStore, Clock
from medshare.services.index import LedgerIndex
from medshare.services.named_roots import Keep, NamedRoot, RootKind, named_roots
from medshare.services.progress import Progress, silent
from medshare.services.storage_nodes import StorageNode, blocks_of, bring, first_of, in_turn, mend, told

HERE = "here"
"""What one's own store is called; no node is."""
_QUESTIONS = 8
"""Asked of one node at once."""

_log = logging.getLogger(__name__)


class Kept(StrEnum):
    """How a root is kept."""

    KEPT = "kept"
    """Pinned by as many nodes as the policy says."""
    UNDER_REPLICATED = "under-replicated"
    """Pinned by fewer."""
    UNPINNED = "unpinned"
    """Held, and pinned by none: the next collection may remove it."""
    MISSING = "missing"
    """Held by no node that answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAnswer:
    """What one node said, whole; or why it did not."""

    name: str
    pins: frozenset[Cid] = frozenset()
    holds: frozenset[Cid] = frozenset()
    """Of the roots it was asked about."""
    damaged: frozenset[Cid] = frozenset()
    """Of those, the ones of which a block is gone or false."""
    trouble: str = ""
    """Why it could not be asked; empty where it answered."""

    @property
    def reached(self) -> bool:
        """Whether it answered."""
        return not self.trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class RootStatus:
    """Where one root is kept."""

    root: Cid
    kind: RootKind
    kept: Kept
    pinned: tuple[str, ...]
    """Nodes that pin it and hold it."""
    unpinned: tuple[str, ...]
    """Nodes that hold it and do not pin it."""
    damaged: tuple[str, ...]
    """Nodes that pin or hold it, and lack a block of it or have a false one."""
    here: bool
    """Whether one's own store holds it: from there it can be copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A root that nodes pin and that is not to be kept."""

    root: Cid
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How everything is kept."""

    copies: int
    """At how many nodes each root is to be pinned."""
    nodes: tuple[NodeAnswer, ...]
    roots: tuple[RootStatus, ...]
    """What the chain wants kept."""
    ended: tuple[Stray, ...]
    """Pinned, and of a right that has ended: bundles of grants, keys of episodes."""
    foreign: tuple[Stray, ...]
    """Pinned, and named by nothing on the chain. It may be somebody's work in progress, or not medshare's."""
    erased: tuple[Stray, ...]
    """Pinned or held, although its custodian has erased it."""

    @property
    def wanting(self) -> tuple[RootStatus, ...]:
        """Roots that fewer nodes pin than the policy says, or of which a copy is damaged."""
        return tuple(status for status in self.roots if status.kept is not Kept.KEPT or status.damaged)

    @property
    def unreached(self) -> tuple[NodeAnswer, ...]:
        """Nodes that did not answer."""
        return tuple(answer for answer in self.nodes if not answer.reached)

    @property
    def sound(self) -> bool:
        """Whether every node answered, nothing is wanting, and nothing is held that was erased."""
        return not self.wanting and not self.unreached and not self.erased


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One root that more nodes should pin, or of which a node's copy is to be mended."""

    root: Cid
    kind: RootKind
    sources: tuple[str, ...]
    """Who holds it."""
    damaged: tuple[str, ...]
    """Whose copy is to be mended."""
    candidates: tuple[str, ...]
    """Who else could pin it, the best first."""
    wanted: int
    """How many nodes more should pin it; whose copy is mended counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What came of one step."""

    root: Cid
    kind: RootKind
    pinned: tuple[str, ...]
    """Nodes that pin a sound copy of it now and did not before."""
    wanting: int
    """How many more should."""
    reasons: tuple[tuple[str, str], ...]
    """Name of a node that could not, and why."""
    mended: bool
    """Whether no copy is left that is known to be damaged."""

    @property
    def done(self) -> bool:
        """Whether nothing is wanting any more."""
        return self.wanting == 0 and self.mended


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """What came of giving a root up at one place."""

    name: str
    gone: bool
    """Whether the place says that it holds no block of it any more."""
    remaining: int
    """Blocks that it still holds: something else that is pinned needs them, or they were not collected."""
    trouble: str = ""
    """Why it could not be done; empty where it was."""


def report(
    named: Mapping[Cid, NamedRoot], answers: Sequence[NodeAnswer], *, copies: int, here: frozenset[Cid] = frozenset()
) -> Report:
    """Compare what must be kept with what the nodes say.

    Args:
        named: what the chain names.
        answers: what each node said.
        copies: at how many nodes each root is to be pinned.
        here: what of it, or of what was erased, one's own store holds.
    """
    reached = [answer for answer in answers if answer.reached]
    pinned_anywhere: dict[Cid, list[str]] = {}
    held_anywhere: dict[Cid, list[str]] = {}
    for answer in reached:
        for root in answer.pins:
            pinned_anywhere.setdefault(root, []).append(answer.name)
        for root in answer.pins | answer.holds | answer.damaged:
            held_anywhere.setdefault(root, []).append(answer.name)
    for root in here:
        held_anywhere.setdefault(root, []).append(HERE)
    return Report(
        copies=copies,
        nodes=tuple(answers),
        roots=tuple(
            _status(each, reached, copies, here=each.root in here) for each in named.values() if each.keep is Keep.YES
        ),
        ended=_strays(pinned_anywhere, lambda root: root in named and named[root].keep is Keep.NO),
        foreign=_strays(pinned_anywhere, lambda root: root not in named),
        erased=_strays(held_anywhere, lambda root: root in named and named[root].keep is Keep.NEVER),
    )


def plan(found: Report) -> tuple[Step, ...]:
    """Return what would mend a report: for each root that is wanting, who could pin it and from where."""
    reached = [answer.name for answer in found.nodes if answer.reached]
    steps = []
    for status in found.wanting:
        others = [name for name in reached if name not in {*status.pinned, *status.unpinned, *status.damaged}]
        steps.append(
            Step(
                root=status.root,
                kind=status.kind,
                # A damaged copy has most of its blocks, and each is verified.
                sources=(*((HERE,) if status.here else ()), *status.pinned, *status.unpinned, *status.damaged),
                damaged=status.damaged,
                candidates=(*status.unpinned, *in_turn(status.root, others)),
                wanted=max(0, found.copies - len(status.pinned)),
            )
        )
    return tuple(steps)


class Replicating:
    """Says where everything is kept, and mends what is wanting.

    Args:
        index: the index of the chain's events, which says what there must be.
        clock: the time on the wall; the later of it and the chain's counts.
        own: one's own store, to copy from where a node lacks something.
        nodes: the institutions' storage nodes.
        copies: at how many of them each root is to be pinned.
    """

    def __init__(
        self, *, index: LedgerIndex, clock: Clock, own: BlobStore, nodes: Sequence[StorageNode], copies: int
    ) -> None:
        self._index = index
        self._clock = clock
        self._own = own
        self._nodes = {node.name: node for node in nodes}
        self._copies = copies

    def status(self, *, deep: bool = False, progress: Progress = silent) -> Report:
        """Return how everything is kept.

        Args:
            deep: have each node read every block of what it holds, and verify it, which takes as long as fetching it.
            progress: told how far it is.

        Raises:
            LedgerError: the chain cannot be read. Nodes that cannot be asked are in the report.
        """
        named = self._named()
        asked = [each.root for each in named.values() if each.keep in (Keep.YES, Keep.NEVER)]
        tell = _Summed(progress, "asking nodes", len(asked) * len(self._nodes))
        with ThreadPoolExecutor(max(1, len(self._nodes)), "medshare-nodes") as pool:
            answers = list(pool.map(lambda node: _answer(node, asked, tell, deep=deep), self._nodes.values()))
        return report(named, answers, copies=self._copies, here=self._held_here(asked))

    def repair(self, steps: Iterable[Step], *, progress: Progress = silent) -> Iterator[Repaired]:
        """Carry out a plan, step by step; yield what came of each.

        Blocks are verified on their way to a node, which pins only what it holds whole. What cannot be done is said
        and hinders nothing else.

        Args:
            steps: from ``plan``.
            progress: told how far it is.
        """
        todo = list(steps)
        for done, step in enumerate(todo):
            progress("repairing", done, len(todo))
            yield self._carry_out(step)

    def give_up(self, root: Cid, *, progress: Progress = silent) -> list[GivenUp]:
        """Unpin a root here and at every node, collect, and look whether its blocks are gone.

        Args:
            root: the record or bundle.
            progress: told how far it is.
        """
        places = {HERE: self._own, **{name: node.store for name, node in self._nodes.items()}}
        blocks = blocks_of(root, first_of([store.get for store in places.values()]))
        given_up = []
        for done, (name, store) in enumerate(places.items()):
            progress("giving up", done, len(places))
            given_up.append(_give_up(name, store, root, blocks))
        return given_up

    def named(self, root: Cid) -> NamedRoot | None:
        """Return what the chain says of a root; None where it names none such. Raises ``LedgerError``."""
        return self._named().get(root)

    def _named(self) -> dict[Cid, NamedRoot]:
        head = self._index.sync()
        return named_roots(self._index.events(), now=max(head.time, self._clock.now()))

    def _held_here(self, wanted: Sequence[Cid]) -> frozenset[Cid]:
        try:
            return frozenset(root for root in wanted if self._own.has(root))
        except StoreError as error:
            _log.debug("one's own store: %s", error)
            return frozenset()

    def _carry_out(self, step: Step) -> Repaired:
        reasons: dict[str, str] = {}
        if not step.sources:
            reasons["all"] = "nobody who answers holds it: import it from a CAR archive, or start the node that has it"
        elif len(step.damaged) + len(step.candidates) < step.wanted:
            reasons["all"] = "too few nodes answer"
        attempts = [(name, mend) for name in step.damaged] + [(name, bring) for name in step.candidates]
        pinned: list[str] = []
        for name, verb in attempts if step.sources else ():
            if verb is bring and len(pinned) >= step.wanted:
                break
            others = [self._source(source) for source in step.sources if source != name]
            try:
                verb(step.root, self._nodes[name], first_of(others))
                pinned.append(name)
            except StoreError as error:
                reasons[name] = told(error)
        return Repaired(
            root=step.root,
            kind=step.kind,
            pinned=tuple(pinned),
            wanting=max(0, step.wanted - len(pinned)),
            reasons=tuple(reasons.items()),
            mended=set(step.damaged) <= set(pinned),
        )

    def _source(self, name: str) -> BlockSource:
        return (self._own if name == HERE else self._nodes[name].store).get


# --------------------------------------------------------------------------------------------- asking nodes


class _Summed:
    """The progress of several threads, as one."""

    def __init__(self, progress: Progress, what: str, total: int) -> None:
        self._progress, self._what, self._total = progress, what, total
        self._done = 0
        self._lock = Lock()

    def __call__(self) -> None:
        with self._lock:
            self._done += 1
            self._progress(self._what, self._done, self._total)


def _answer(node: StorageNode, wanted: Sequence[Cid], tell: Callable[[], None], *, deep: bool) -> NodeAnswer:
    """Ask one node about everything; it answers whole or not at all."""

    def ask(root: Cid) -> bool | None:
        """Whether the node holds it; None for a damaged copy."""
        try:
            return _whole(node.store, root, pinned=root in pins) if deep else node.store.has(root)
        finally:
            tell()

    try:
        pins = node.store.pins()
        with ThreadPoolExecutor(_QUESTIONS, f"medshare-{node.name}") as pool:
            holds = dict(zip(wanted, pool.map(ask, wanted), strict=True))
    except MedshareError as error:
        _log.debug("storage node %s: %s", node.name, error)
        return NodeAnswer(name=node.name, trouble=told(error))
    lost = frozenset(root for root in wanted if root in pins and holds[root] is False)
    return NodeAnswer(
        name=node.name,
        pins=pins,
        holds=frozenset(root for root, held in holds.items() if held),
        damaged=lost | frozenset(root for root, held in holds.items() if held is None),
    )


def _whole(store: BlobStore, root: Cid, *, pinned: bool) -> bool | None:
    """Read and verify all of a root; False where the node does not have it, None where it does not have it whole."""
    if not store.has(root):
        return None if pinned else False
    try:
        for _ in walk(store.get, root):
            pass
    except StoreUnavailableError:
        raise
    except StoreError:
        return None
    return True


def _status(each: NamedRoot, reached: Sequence[NodeAnswer], copies: int, *, here: bool) -> RootStatus:
    damaged = tuple(answer.name for answer in reached if each.root in answer.damaged)
    pinned = tuple(
        answer.name for answer in reached if each.root in answer.pins & answer.holds and answer.name not in damaged
    )
    unpinned = tuple(
        answer.name for answer in reached if each.root in answer.holds and answer.name not in (*damaged, *pinned)
    )
    if len(pinned) >= copies:
        kept = Kept.KEPT
    elif pinned:
        kept = Kept.UNDER_REPLICATED
    else:
        kept = Kept.UNPINNED if unpinned else Kept.MISSING
    return RootStatus(
        root=each.root, kind=each.kind, kept=kept, pinned=pinned, unpinned=unpinned, damaged=damaged, here=here
    )


def _strays(pinned: Mapping[Cid, Sequence[str]], wanted: Callable[[Cid], bool]) -> tuple[Stray, ...]:
    return tuple(Stray(root=root, nodes=tuple(names)) for root, names in pinned.items() if wanted(root))


# ------------------------------------------------------------------------------------------------ giving up


def _give_up(name: str, store: BlobStore, root: Cid, blocks: Sequence[Cid]) -> GivenUp:
    trouble = ""
    try:
        store.unpin(root)
        store.collect()
    except MedshareError as error:
        trouble = told(error)
    try:
        remaining = sum(store.has(cid) for cid in blocks)
    except MedshareError as error:
        return GivenUp(name=name, gone=False, remaining=0, trouble=trouble or told(error))
    return GivenUp(name=name, gone=remaining == 0, remaining=remaining, trouble=trouble)
