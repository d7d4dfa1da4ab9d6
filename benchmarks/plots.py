"""The plots of docs/performance.md, as SVG. Each carries a digest of the numbers it shows, which a test compares."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from found import Found
from measured import verbs
from models import REGION, chains, custodians
from simulation import need, waiting
from tables import COMPARED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = Sequence[tuple[float, float]]

SIZE = (7.2, 4.0)
"""Inches."""
MARKERS = "osv^D<>pP*hX" * 2
SETTINGS: dict[Any, Any] = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "medshare",  # else each run would name its parts anew
}
DIGEST = "medshare-figures-sha256:"
WAITING_LOADS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
WAITING_CAPACITIES = {1: 20_000, 20: 2_000, 500: 300}
YEARLY_RECORDS = (1e7, 1e8, 1e9, 2e9, 1e10, 1e11)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Numbers to be shown: lines, or bars where there is no scale across."""

    title: str
    across: str
    up: str
    lines: Mapping[str, Points] = field(default_factory=dict)
    bars: Mapping[str, float] = field(default_factory=dict)
    logarithmic_across: bool = False
    logarithmic_up: bool = False
    up_from_zero: bool = False
    marked_at: float | None = None
    """A level that means something, as that at which a chain is full."""

    def digest(self) -> str:
        """Return what names the numbers and the words."""
        return DIGEST + hashlib.sha256(json.dumps(_rounded(asdict(self)), sort_keys=True).encode()).hexdigest()


def _rounded(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return numbers to six digits: logarithms differ between machines in the last of sixteen."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value


def gas_of_grants(found: Found) -> Plot:
    """A grant of each kind."""
    bars = {"floor, hand-written": float(found.snapshot["floors"]["grant, first"])}
    bars["medshare"] = float(found.snapshot["gas"]["grant, first"]["gas"])
    kept = found.figures("peers")
    others = COMPARED["grant, first"] if kept else ()
    bars |= {name.partition(":")[0]: float(kept["costs"][name]["gas"]) for name in others}
    return Plot(title="One grant, for the first time", across="gas", up="", bars=bars)


def file_encryption(found: Found) -> Plot:
    """File to file, by tool."""
    kept = found.figures("ciphers")
    tools = kept["tools"] if kept else {}
    bars = {name: tool["mib_per_second"] for name, tool in tools.items() if tool}
    return Plot(title="Encrypting a file into a file", across="MiB/s", up="", bars=bars)


def clients(found: Found) -> Plot:
    """Throughput by the number of clients."""
    kept = found.figures("clients") or {}
    lines = {
        f"{verb} ({ground})": sorted(
            (float(count), verbs[verb]["per_second"]) for count, verbs in on["clients"].items()
        )
        for ground, on in kept.items()
        if on is not None and len(on["clients"]) > 1
        for verb in next(iter(on["clients"].values()))
    }
    return Plot(
        title="Throughput of several clients",
        across="clients",
        up="per second",
        lines=lines,
        logarithmic_across=True,
        logarithmic_up=True,
    )


def index(found: Found) -> Plot:
    """The index by the number of events."""
    rows = (found.figures("growth") or {"index": []})["index"]
    return Plot(
        title="The index as the ledger grows",
        across="events in the ledger",
        up="ms",
        lines={
            "reading all of them": [(row["events"], row["replay_seconds"] * 1000) for row in rows],
            "grants of one patient": [(row["events"], row["grants_of_one_patient_ms"]) for row in rows],
            "records of one patient": [(row["events"], row["records_of_one_patient_ms"]) for row in rows],
        },
        logarithmic_across=True,
        logarithmic_up=True,
    )


def memory_of_a_load(found: Found) -> Plot:
    """Memory of a load by how many records were stored."""
    kept = found.figures("load")
    peaks = kept["peak_mib_by_records"] if kept else {}
    return Plot(
        title="Memory of a load that is killed twice",
        across="records stored",
        up="MiB, at most",
        lines={"the command and the processes that examine": [(int(done), mib) for done, mib in peaks.items()]},
        up_from_zero=True,
    )


def waiting_for_a_block(_: Found) -> Plot:
    """The simulated mean wait by load."""
    lines = {
        f"a block holds {capacity}": [
            (load, waiting(load=load, capacity=capacity, block_period=1.0, blocks=blocks).mean)
            for load in WAITING_LOADS
        ]
        for capacity, blocks in WAITING_CAPACITIES.items()
    }
    return Plot(title="Waiting for a block of one second, simulated", across="load", up="seconds, mean", lines=lines)


def region(found: Found) -> Plot:
    """How full a chain is by the number of records in a year."""
    counted = verbs(found.snapshot)
    machines = custodians(found.results)
    lines: dict[str, Points] = {}
    for chain in (chains(None)[0], chains(None)[-1]):
        for batched, said in ((False, "each record by itself"), (True, "in batches")):
            lines[f"{chain.name}: {said}"] = [
                (
                    records,
                    need(counted, REGION.with_records(records), chain, machines, in_batches=batched).load,
                )
                for records in YEARLY_RECORDS
            ]
    return Plot(
        title="How full a chain is in the busiest hour of a region of 50 million",
        across="records in a year",
        up="load; 1 is full",
        lines=lines,
        logarithmic_across=True,
        logarithmic_up=True,
        marked_at=1.0,
    )


SHOWN: Mapping[str, Callable[[Found], Plot]] = {
    each.__name__: each
    for each in (gas_of_grants, file_encryption, clients, index, memory_of_a_load, waiting_for_a_block, region)
}
"""By the name of the file, without its ending."""


def draw(plot: Plot) -> bytes:
    """Return a plot as SVG: the same numbers by the same library give the same bytes."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    with mpl.rc_context(SETTINGS):
        figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
        _fill(axes, plot)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Description": plot.digest()})
        plt.close(figure)
    return out.getvalue()


def _fill(axes: Axes, plot: Plot) -> None:
    axes.set_title(plot.title, loc="left")
    axes.set_xlabel(plot.across)
    axes.set_ylabel(plot.up)
    if plot.bars:
        names = list(plot.bars)[::-1]
        drawn = axes.barh(names, [plot.bars[name] for name in names], color="#4878a8")
        axes.bar_label(drawn, fmt="{:,.0f}", padding=3)
        axes.margins(x=0.12)
    if not plot.bars and not any(plot.lines.values()):
        axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)
        return
    for (name, points), marker in zip(plot.lines.items(), MARKERS, strict=False):
        axes.plot(*zip(*points, strict=True), marker=marker, markersize=4, linewidth=1.2, label=name)
    if plot.logarithmic_across:
        axes.set_xscale("log")
    if plot.logarithmic_up:
        axes.set_yscale("log")
    if plot.up_from_zero:
        axes.set_ylim(0, 1.25 * max(value for points in plot.lines.values() for _, value in points))
    if plot.marked_at is not None:
        axes.axhline(plot.marked_at, color="#888888", linewidth=0.8, linestyle="--")
    if plot.lines:
        axes.grid(visible=True, linewidth=0.3)
        axes.legend(fontsize=7)
