"""The design's goals, whether they are met by what was measured, and why where they are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from found import TIMES, Found, figure, table
from measured import BATCH_VERB, GAS_GOALS_OF_A_BATCH, Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What the design asks of a rate."""

    what: str
    part: str = ""
    """Whose figures; none where it is the snapshot that says."""
    measured: Callable[[Json], float | None]
    """Of the part's figures, or of the snapshot; None where a node was absent."""
    goal: float
    unit: str
    limit: str
    peer: str
    at_most: bool = False
    """Whether less is better."""
    missed: str = ""
    """Why, and what would reach it."""

    def is_met(self, value: float) -> bool:
        """Whether it is."""
        return value <= self.goal if self.at_most else value >= self.goal


def _of_reference(name: str, figures: Json) -> float:
    return float(figures["memory"][name])


def _anvil(figures: Json, *names: str) -> float | None:
    found = figures["anvil"]
    for name in names:
        if found is None:
            return None
        found = found.get(name)
    return float(found) if found is not None else None


def _replaying(figures: Json) -> float | None:
    replayed, decoded = _anvil(figures, "replay_per_second"), _anvil(figures, "decoding", "web3_per_second")
    return None if replayed is None or decoded is None else replayed / decoded


def _of_stock(figures: Json) -> float:
    rates = figures["transactions"]["per_second"]
    return float(rates["medshare"] / rates["eth-tester, no coincurve"])


def _of_a_batch(records: int, snapshot: Json) -> float:
    return float(snapshot["gas"][BATCH_VERB]["gas"] / records)


_ONE_CORE = "a machine that is busy: the cipher's own speed is the limit, and both sides share what is left of a core"
_OTHER_CORE = "two threads are worth what the second core gives; on a machine that does nothing else it is reached"
_MEMORY_BOUND = "the copy itself is then the limit: a faster disk, or none"

GOALS = (
    *(
        Goal(
            what=f"{verb} in memory, {threads} thread{'s' if threads > 1 else ''}",
            part="envelope",
            measured=partial(_of_reference, f"{verb}_{threads}_to_reference_{verb}"),
            goal=goal,
            unit=TIMES,
            limit="`openssl speed` on one core",
            peer="the reference Crypt4GH tool",
            missed=_OTHER_CORE if threads > 1 else _ONE_CORE,
        )
        for verb in ("seal", "open")
        for threads, goal in ((1, 2.0), (2, 3.0))
    ),
    Goal(
        what="seal file to file",
        part="envelope",
        measured=lambda figures: figures["file"]["seal_to_reference_seal"],
        goal=2.4,
        unit=TIMES,
        limit="a plain copy",
        peer="the reference Crypt4GH tool",
        missed=_MEMORY_BOUND,
    ),
    Goal(
        what="memory, file to file",
        part="envelope",
        measured=lambda figures: figures["peak"].get("file_mib"),
        goal=8,
        unit="MiB",
        limit="two segments for each thread",
        peer="",
        at_most=True,
        missed="buffers of more than one segment for each thread",
    ),
    Goal(
        what="one more reader, first",
        part="envelope",
        measured=lambda figures: figures["header"]["wrap_first_us"],
        goal=40,
        unit="µs",
        limit="one X25519",
        peer="",
        at_most=True,
        missed="nearly all of it is one X25519 of the library cryptography: a faster curve, or a faster core",
    ),
    Goal(
        what="one more reader, again",
        part="envelope",
        measured=lambda figures: figures["header"]["wrap_again_us"],
        goal=6,
        unit="µs",
        limit="one ChaCha20-Poly1305 of 40 bytes",
        peer="",
        at_most=True,
        missed="a busy machine: the work is one cipher call and a copy",
    ),
    Goal(
        what="is this right live? one at a time",
        part="chain_rates",
        measured=lambda figures: _anvil(figures, "is_live", "stock", "ratio"),
        goal=10,
        unit=TIMES,
        limit="a round trip to the node",
        peer="web3's `.call()`",
        missed="the node's part of the round trip is the same for both, and the larger the busier the machine: "
        "it hides what web3 adds",
    ),
    Goal(
        what="is this right live? a thousand in a call",
        part="chain_rates",
        measured=lambda figures: _anvil(figures, "are_live_per_second", "1000"),
        goal=200_000,
        unit="per second",
        limit="the node's EVM: one cold slot each",
        peer="nobody",
        missed="all but some per cent is the node's own time for a cold slot each",
    ),
    Goal(
        what="is this right live? by the local index, state replayed before",
        part="chain_rates",
        measured=lambda figures: _anvil(figures, "answers_from_a_replayed_state_per_second"),
        goal=150_000,
        unit="per second",
        limit="a look at two times and a mask",
        peer="nobody",
        missed="pure Python; without replaying for each question, it is met",
    ),
    Goal(
        what="decoding events",
        part="chain_rates",
        measured=lambda figures: _anvil(figures, "decoding", "ratio"),
        goal=20,
        unit=TIMES,
        limit="",
        peer="web3's `process_log`",
        missed="web3 itself differs by its version; by hand, each event is a few slices of bytes already",
    ),
    Goal(
        what="replaying events from a node into the index, against web3's decoding alone",
        part="chain_rates",
        measured=_replaying,
        goal=20,
        unit=TIMES,
        limit="SQLite's own rows and indices",
        peer="web3's `process_log`, without asking a node or keeping anything",
        missed="each event is fetched, checked, and kept in a row that eight indices know; decoding is the least of "
        "it. Fewer indices would make answers slower, and 20 would need bytes in place of JSON in the rows as well",
    ),
    Goal(
        what="embedded chain",
        part="chain_rates",
        measured=_of_stock,
        goal=3,
        unit=TIMES,
        limit="py-evm, which executes for both",
        peer="eth-tester without coincurve",
        missed="nine tenths of a transaction's time are py-evm's own, which executes it once: more would need "
        "another EVM",
    ),
    *(
        Goal(
            what=f"a record in a batch of {records:,}",
            measured=partial(_of_a_batch, records),
            goal=gas,
            unit="gas",
            limit="one slot and one event for all",
            peer="nobody",
            at_most=True,
            missed="a verb that writes, emits or checks more than one root needs",
        )
        for records, gas in GAS_GOALS_OF_A_BATCH.items()
    ),
)


def goals(found: Found) -> str:
    """Return the table of goals, and why those that are missed are."""
    rows, reasons = [], []
    for goal in GOALS:
        figures = found.figures(goal.part) if goal.part else found.snapshot
        value = None if figures is None else goal.measured(figures)
        sign = "≤" if goal.at_most else "≥"
        if value is None:
            rows.append(
                (goal.what, f"{sign} {figure(goal.goal)} {goal.unit}", "not measured", "", goal.peer, goal.limit)
            )
            continue
        is_met = goal.is_met(value)
        verdict = "met" if is_met else "**missed**"
        measured = f"{figure(value)} {goal.unit}"
        rows.append((goal.what, f"{sign} {figure(goal.goal)} {goal.unit}", measured, verdict, goal.peer, goal.limit))
        if not is_met:
            reasons.append(f"- {goal.what}: {goal.missed}.")
    text = table(("what", "goal", "measured", "", "beside", "limit"), rows, numbers=2)
    return text + ("\n\nMissed in this run, and why:\n\n" + "\n".join(reasons) if reasons else "")
