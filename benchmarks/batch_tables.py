"""The tables of docs/performance.md about records in batches: one batch by itself, and a night's load."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from found import Found, figure, missing, number, table
from measured import BATCH_VERB, GAS_GOALS_OF_A_BATCH

MIB = 2**20
SIZES = (1, 1_000, 10_000, 100_000, 1_000_000)
STAGES = {
    "examine": "examine (in processes of their own, as many as there are processors)",
    "seal": "seal: payload, manifest, header, commitment, directory",
    "store": "store: its blocks",
    "pin": "pin",
    "tree, catalogue and book": "tree, catalogue and the custodian's book",
}
"""By the name in the results."""
NTH = ("first", "second")


def gas_of_a_batched_record(found: Found) -> str:
    gas = found.snapshot["gas"][BATCH_VERB]["gas"]
    rows = []
    for size in SIZES:
        goal = GAS_GOALS_OF_A_BATCH.get(size)
        within = "" if goal is None else "met" if gas / size <= goal else "**missed**"
        rows.append((number(size), figure(gas / size), number(goal), within))
    return table(("records of a batch", "gas of each", "goal", ""), rows, numbers=2)


def batches(found: Found) -> str:
    kept = found.figures("batches")
    if kept is None:
        return missing("batches")
    rows = [
        (
            number(row["records"]),
            f"{figure(row['tree_seconds'])} s",
            f"{figure(row['catalogue_seconds'])} s",
            f"{figure(row['catalogue_bytes'] / MIB)} MiB",
            f"{figure(row['custodians_file_bytes'] / MIB)} MiB",
            f"{figure(row['found_bytes'] / 1024)} KiB, {row['found_share']:.2%}",
            f"{figure(row['found_seconds'] * 1000)} ms",
            f"{figure(row['memory_mib'])} MiB",
            f"{figure(row['book_bytes'] / MIB)} MiB, {figure(row['book_seconds'])} s",
            f"{figure(row['restored_seconds'])} s",
        )
        for row in kept["batches"]
    ]
    head = (
        *("records", "tree", "catalogue", "its size", "of that, the custodian's file"),
        *("a patient fetches", "finding his", "memory", "custodian's book", "got back from the catalogue"),
    )
    return table(head, rows, texts=0)


def nights_load(found: Found) -> str:
    kept = found.figures("load")
    if kept is None:
        return missing("load")
    *killed, last = kept["seconds"]
    told = f"{number(kept['records'])} of {number(kept['patients'])} patients, {figure(kept['bytes'] / MIB)} MiB"
    catalogues = f"{figure(kept['catalogue_bytes'] / MIB)} MiB"
    rows: list[tuple[object, ...]] = [
        ("records", told),
        *(
            (f"{nth} run, killed when {number(at)} were stored", f"{seconds:.1f} s")
            for nth, at, seconds in zip(NTH, kept["killed_at"], killed, strict=True)
        ),
        ("last run, to the end", f"{last:.1f} s"),
        ("all of it, starts included", f"{figure(kept['records_per_second'])} records per second"),
        (
            "the same command once more",
            f"{kept['again_seconds']:.1f} s, {number(kept['again_published'])} published",
        ),
        (
            f"batches of {number(kept['batch_size'])} on chain, each record in one of them",
            number(kept["batches"]),
        ),
        ("memory at most, of the command and the processes that examine", f"{figure(kept['peak_mib'])} MiB"),
        (
            "read by that patient to find his",
            f"{figure(kept['found_bytes'] / 1024)} KiB, {kept['found_share']:.2%} of {catalogues} of catalogues",
        ),
        ("finding them", f"{figure(kept['found_seconds'])} s"),
        ("opening them", f"{figure(kept['opened_seconds'])} s"),
    ]
    return table(("what", "measured"), rows)


def memory_of_a_load(found: Found) -> str:
    kept = found.figures("load")
    if kept is None:
        return missing("load")
    peaks = kept["peak_mib_by_records"]
    head = ("records stored", *(number(int(done)) for done in peaks))
    return table(head, [("MiB", *(figure(mib) for mib in peaks.values()))])


def stages_of_a_load(found: Found) -> str:
    kept = found.figures("load")
    if kept is None:
        return missing("load")
    took = kept["milliseconds_a_record"]
    rows = [(said, figure(took[name])) for name, said in STAGES.items()]
    rows.append(("all of these", figure(sum(took.values()))))
    return table(("what, for one record", "ms"), rows)


TABLES: Mapping[str, Callable[[Found], str]] = {
    each.__name__: each for each in (gas_of_a_batched_record, batches, nights_load, memory_of_a_load, stages_of_a_load)
}
"""By the name in the template."""
