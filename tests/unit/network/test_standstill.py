"""A chain that stands still although enough validators run.

whether blocks come
├─ a new block within the time: they come, though another hash at the same number is none
└─ no new block: too few connected, the newest is another's, or one's own; a node that does not seal says so at once
giving way
├─ the block is dropped while the node does not seal, the others' taken, its transactions sent again, and it seals on
├─ nobody has another: it seals one anew, and says so
└─ the node is lost on the way: it is told, and what could leave it not sealing was tried
who gives way on one machine
└─ whose newest block is his own, who did so least often, whose block the fewest have
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from member_files import account, member_file

from medshare.chain.wire import NodeError
from medshare.errors import LedgerUnavailableError
from medshare.model.ids import Address
from medshare.network.asking import Head
from medshare.network.local_watch import who_gives_way
from medshare.network.standstill import Movement, find_movement, give_way, patience

pytestmark = pytest.mark.unit

MEMBERS = member_file()
NORTH, SOUTH, *_ = MEMBERS.validators


def head(number: int, sealer: Address, digest: int = 1) -> Head:
    return Head(number=number, hash=bytes([digest]) * 32, time=0, sealer=sealer)


@dataclass
class Node:
    """A validator whose newest block changes as the seconds pass."""

    heads: dict[float, Head]
    connected: int = len(MEMBERS.validators) - 1
    sealing: bool = True
    lost_at: str = ""
    now: float = 0.0
    told: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def monotonic(self) -> float:
        return self.now

    def head(self) -> Head:
        return self.heads[max(at for at in self.heads if at <= self.now)]

    def peers(self) -> frozenset[str]:
        others = [each.node_key for each in MEMBERS.validators if each != NORTH]
        return frozenset(others[: self.connected])

    def is_sealing(self) -> bool:
        return self.sealing

    def _tell(self, what: str) -> None:
        self.told.append(what)
        if what == self.lost_at:
            raise LedgerUnavailableError("gone")

    def seal(self, signer: Address, *, free_gas: bool) -> None:
        assert (signer, free_gas) == (NORTH.signer, MEMBERS.free_gas)
        self.sealing = True
        self._tell("seal")

    def pause(self) -> None:
        self.sealing = False
        self._tell("pause")

    def rewind(self, number: int) -> None:
        assert not self.sealing
        self.heads = {self.now: head(number, SOUTH.signer)} | {at: each for at, each in self.heads.items() if at > 0}
        self._tell(f"rewind to {number}")

    def reconnect(self, enodes: Iterable[str]) -> None:
        assert list(enodes) == [each.enode for each in MEMBERS.validators if each != NORTH]
        self._tell("reconnect")

    def transactions(self, number: int) -> list[str]:
        return [f"0x{number:02x}01", f"0x{number:02x}02"]

    def resend(self, transaction: str) -> None:
        self.sent.append(transaction)
        if transaction.endswith("01"):
            raise NodeError(-32000, "already known")


def movement(node: Node) -> Movement:
    return find_movement(node, NORTH, MEMBERS, sleep=node.sleep, monotonic=node.monotonic)


def test_movement__a_block_within_the_time__comes() -> None:
    node = Node({0: head(7, NORTH.signer), patience(MEMBERS) - 1: head(8, SOUTH.signer)})
    assert movement(node) is Movement.MOVES
    assert node.now < patience(MEMBERS)


@pytest.mark.parametrize(
    ("sealer", "connected", "expected"),
    [
        (NORTH.signer, 2, Movement.OWN),
        (NORTH.signer, 1, Movement.OWN),
        (NORTH.signer, 0, Movement.TOO_FEW),
        (SOUTH.signer, 2, Movement.ANOTHERS),
    ],
)
def test_movement__no_block__says_why(sealer: Address, connected: int, expected: Movement) -> None:
    node = Node({0: head(7, sealer), 3: head(7, sealer, digest=2)}, connected=connected)
    assert movement(node) is expected
    assert patience(MEMBERS) <= node.now <= 2 * patience(MEMBERS) + 1


def test_movement__a_node_that_does_not_seal__says_so_at_once() -> None:
    node = Node({0: head(7, NORTH.signer)}, sealing=False)
    assert (movement(node), node.now) == (Movement.PAUSED, 0)


def test_give_way__others_have_a_block__takes_it_and_loses_nothing() -> None:
    node = Node({0: head(7, NORTH.signer), 2: head(7, SOUTH.signer, digest=2)})
    assert give_way(node, NORTH, MEMBERS, sleep=node.sleep, monotonic=node.monotonic)
    assert node.told == ["pause", "rewind to 6", "reconnect", "seal"]
    assert node.sent == ["0x0701", "0x0702"]
    assert node.head() == head(7, SOUTH.signer, digest=2)


def test_give_way__nobody_has_another__seals_anew_and_says_so() -> None:
    node = Node({0: head(7, NORTH.signer)})
    assert not give_way(node, NORTH, MEMBERS, sleep=node.sleep, monotonic=node.monotonic)
    assert node.told[-1] == "seal"
    assert node.sent == ["0x0701", "0x0702"]


@pytest.mark.parametrize("step", ["pause", "rewind to 6", "reconnect"])
def test_give_way__node_lost_on_the_way__is_told_and_set_to_work(step: str) -> None:
    node = Node({0: head(7, NORTH.signer)}, lost_at=step)
    with pytest.raises(LedgerUnavailableError):
        give_way(node, NORTH, MEMBERS, sleep=node.sleep, monotonic=node.monotonic)
    assert node.told[-1] == "seal"


def test_who_gives_way__own_block_least_often_and_least_spread() -> None:
    one, two, three = (account(number) for number in (1, 2, 3))
    heads = {"a": (one, head(9, one, 1)), "b": (two, head(9, two, 2)), "c": (three, head(9, one, 1))}
    assert who_gives_way(heads, {}) == "b"  # a's block is c's newest, too
    assert who_gives_way(heads, {"b": 1}) == "a"
    assert who_gives_way({"c": heads["c"]}, {}) is None
