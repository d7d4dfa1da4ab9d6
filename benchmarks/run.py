#!/usr/bin/env python3
"""Measure, keep what was measured as JSON, and write docs/performance.md and its plots from it.

usage: run.py [--quick | --full] [--only PART,PART] [--report]

Each part writes ``benchmarks/results/PART.json``, with the machine and the commit it was measured on, and leaves the
others alone. ``--quick`` takes small sizes, to see that all of it runs; ``--full`` adds sizes that take hours;
``--report`` measures nothing and writes the report anew. Gas is not a part: the report reads ``tests/snapshots``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import machine
import report
from measured import Json
from scale import Scale

PARTS: Mapping[str, str] = {
    "peers": "gas of comparable verbs of others",
    "envelope": "sealing and opening beside the reference Crypt4GH tool",
    "ciphers": "file to file, beside age, gpg and openssl",
    "storage": "the local store",
    "end_to_end": "one record of 1 GiB, and one more reader",
    "chain_rates": "the embedded chain, single and many checks, decoding, the index",
    "consensus": "what the consortium kit's own network carries",
    "clients": "latency and throughput of the verbs on each chain",
    "growth": "what grows with the number of entries",
    "batches": "trees and catalogues of batches of records",
    "load": "very many small records, published by a command that is killed twice",
}
"""By the name of the module, whose ``figures(scale)`` measures it."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a part ended."""

    part: str
    seconds: float
    error: str = ""


def main(argv: list[str] | None = None) -> int:
    """Run the command line ``argv``; return 0, or 1 if a part failed: the others are written all the same."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--quick", action="store_const", dest="scale", const=Scale.QUICK, default=Scale.NORMAL)
    sizes.add_argument("--full", action="store_const", dest="scale", const=Scale.FULL)
    parser.add_argument("--only", type=_parts, default=tuple(PARTS), metavar="PART,PART", help=", ".join(PARTS))
    parser.add_argument("--report", action="store_true", help="measure nothing")
    arguments = parser.parse_args(argv)
    done = [] if arguments.report else [run(part, arguments.scale) for part in arguments.only]
    for path in report.write():
        print(f"wrote {path.relative_to(machine.ROOT).as_posix()}")
    for each in done:
        print(f"{each.part:<12}{each.seconds:>8.1f} s  {each.error}".rstrip())
    return 1 if any(each.error for each in done) else 0


def run(part: str, scale: Scale) -> Done:
    """Measure one part and write what was found."""
    print(f"{part}: {PARTS[part]}", flush=True)
    begun = time.perf_counter()
    try:
        figures: Callable[[Scale], Json] = importlib.import_module(part).figures
        found = figures(scale)
    except Exception as error:  # noqa: BLE001 - one part that fails must not take the others with it
        traceback.print_exc()
        return Done(part, time.perf_counter() - begun, f"failed: {type(error).__name__}")
    seconds = time.perf_counter() - begun
    report.keep(
        part,
        {
            "part": part,
            "scale": scale.value,
            "date": datetime.now(UTC).date().isoformat(),
            "seconds": round(seconds, 1),
            "machine": machine.describe(),
            "figures": found,
        },
    )
    return Done(part, seconds)


def _parts(text: str) -> tuple[str, ...]:
    named = tuple(text.split(","))
    for name in named:
        if name not in PARTS:
            raise argparse.ArgumentTypeError(f"there is no part {name!r}, only {', '.join(PARTS)}")
    return named


if __name__ == "__main__":
    sys.exit(main())
