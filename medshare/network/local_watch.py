"""Whoever keeps a local network sees to it that its chain does not stand still: see ``medshare.network.standstill``."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from medshare.errors import MedshareError
from medshare.network.asking import Head
from medshare.network.local_nodes import LocalValidator
from medshare.network.members import MemberFile
from medshare.network.standstill import give_way, patience

_LOOK_EVERY = 1.0


class StandstillWatch:
    """Has one validator after the other give way while no block comes, although enough of them seal.

    Args:
        members: the network.
        running: returns the validators that run now.
    """

    def __init__(self, members: MemberFile, running: Callable[[], Sequence[LocalValidator]]) -> None:
        self._members = members
        self._running = running
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="standstill", daemon=True)
        self._heads: Mapping[str, Head] = {}
        self._since = time.monotonic()
        self._times: Counter[str] = Counter()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, once what was begun is done."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_EVERY):
            # A node may be killed at any time; whoever starts it again sets it to work.
            with suppress(MedshareError):
                self._look()

    def _look(self) -> None:
        sealing = {node.name: node for node in self._running() if _is_sealing(node)}
        heads = {name: node.asked.head() for name, node in sealing.items()}
        if heads != self._heads:
            self._heads, self._since = heads, time.monotonic()
        if len(sealing) < self._members.confirmations or time.monotonic() - self._since < patience(self._members):
            return
        chosen = who_gives_way({name: (node.node.signer, heads[name]) for name, node in sealing.items()}, self._times)
        if chosen is not None:
            self._times[chosen] += 1
            self._heads = {}
            give_way(sealing[chosen].asked, sealing[chosen].node, self._members)


def who_gives_way(heads: Mapping[str, tuple[str, Head]], times: Mapping[str, int]) -> str | None:
    """Return which validator gives way next: of those at the end of whose chain is a block of their own.

    Args:
        heads: signer and newest block of each.
        times: how often each has done so before.

    Returns:
        The one that did so least often; of several, the one whose block the fewest have. None where there is none.
    """
    holders = Counter(head.hash for _, head in heads.values())
    own = [
        (times.get(name, 0), holders[head.hash], name)
        for name, (signer, head) in heads.items()
        if head.sealer == signer
    ]
    return min(own)[2] if own else None


def _is_sealing(node: LocalValidator) -> bool:
    try:
        return node.asked.is_sealing()
    except MedshareError:
        return False
