"""The tables of docs/performance.md that show what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import gas
from found import ABSENT, TIMES, Found, figure, missing, number, table
from measured import BATCH_VERB, BATCHED, Json

PARTS = (
    *("peers", "envelope", "ciphers", "storage", "end_to_end", "chain_rates", "consensus", "clients", "growth"),
    *("batches", "load"),
)
MIB = 2**20

COMPARED = {
    "grant, first": (
        "solady OwnableRoles: grantRoles, first",
        "solady ERC-1155: mint, first",
        "OpenZeppelin ERC-1155: mint, first",
        "OpenZeppelin AccessControl: grantRole, first",
        "EAS: attest",
    ),
    "revoke": (
        "solady ERC-1155: burn",
        "OpenZeppelin ERC-1155: burn",
        "solady OwnableRoles: revokeRoles",
        "OpenZeppelin AccessControl: revokeRole",
        "EAS: revoke",
    ),
    "grantSigned, first": (
        "solady ERC-20 permit: signed and relayed, first",
        "OpenZeppelin ERC-20 permit: signed and relayed, first",
        "EAS: attestByDelegation, first",
    ),
    "grantSigned, again": (
        "solady ERC-20 permit: signed and relayed, again",
        "OpenZeppelin ERC-20 permit: signed and relayed, again",
        "EAS: attestByDelegation, again",
    ),
    "grant, one of 100 in a batch": ("EAS: multiAttest, one of 100",),
    "register": ("EAS: timestamp a record, no patient", "EAS: attest a record"),
}
"""What of others does for its users what a verb of ours does; see the text for what it leaves out."""


# ---------------------------------------------------------------------------------------------------- the setup


def setup(found: Found) -> str:
    rows = []
    for part in PARTS:
        kept = found.results.get(part)
        if kept is None:
            rows.append((part, "not measured", *[""] * 5))
            continue
        machine = kept["machine"]
        versions = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
        rows.append(
            (
                part,
                f"{kept['scale']}, {number(kept['seconds'])} s",
                kept["date"],
                f"`{machine['commit']}`",
                f"{machine['cores']} {TIMES} {machine['processor']}",
                machine["kernel"],
                f"Python {machine['python']}; {versions}",
            )
        )
    return table(("part", "scale", "date", "commit", "cores", "kernel", "software"), rows, numbers=0)


# ----------------------------------------------------------------------------------------------------------- gas


def gas_with_targets(found: Found) -> str:
    rows = []
    for name, target in gas.TARGETS.items():
        cost, floor = found.snapshot["gas"][name], _floor(found, name)
        within = "" if target.budget is None else "met" if cost["gas"] <= target.budget else "**missed**"
        above = "" if floor is None else f"{cost['gas'] / floor - 1:+.1%}"
        peer, least = _best_other(found, name)
        against = f"{cost['gas'] / least:.2f}" if least else ""
        figures = (number(cost["gas"]), cost["newSlots"], number(floor), above, number(target.budget), within)
        if name == BATCH_VERB:
            name += f" (of {number(BATCHED)}: {figure(cost['gas'] / BATCHED)} a record)"
        rows.append((name, *figures, f"{peer} {number(least)}".strip(), against))
    head = (
        "operation",
        "gas",
        "new slots",
        "floor",
        "above it",
        "budget",
        "",
        "best of others that is measured",
        "of it",
    )
    return table(head, rows, numbers=5)


def _best_other(found: Found, name: str) -> tuple[str, int | None]:
    """Return the cheapest verb of others that is compared with one of ours, and its gas."""
    kept = found.figures("peers")
    if kept is None or name not in COMPARED:
        return "", None
    gas_of = {other: int(kept["costs"][other]["gas"]) for other in COMPARED[name]}
    best = min(gas_of, key=gas_of.__getitem__)
    return best.replace(": ", ", "), gas_of[best]


def gas_of_the_rest(found: Found) -> str:
    rest = sorted(found.snapshot["gas"].items())
    rows = [(name, number(cost["gas"]), cost["newSlots"]) for name, cost in rest if name not in gas.TARGETS]
    return table(("operation", "gas", "new slots"), rows)


def peers(found: Found) -> str:
    kept = found.figures("peers")
    if kept is None:
        return missing("peers")
    rows: list[tuple[object, ...]] = []
    for name, others in COMPARED.items():
        ours = found.snapshot["gas"][name]
        rows.append((f"**{name}**", number(ours["gas"]), ours["newSlots"], "1.00"))
        for other in others:
            cost = kept["costs"][other]
            rows.append((other, number(cost["gas"]), cost["newSlots"], f"{cost['gas'] / ours['gas']:.2f}"))
    versions = ", ".join(f"{name} {version}" for name, version in kept["packages"].items())
    return table(("verb", "gas", "new slots", "of ours"), rows) + f"\n\nPackages: {versions}; solc {kept['compiler']}."


def quoted(_: Found) -> str:
    rows = [(name, target.peer) for name, target in gas.TARGETS.items() if target.peer]
    return table(("operation", "published by others, not measured here"), rows, numbers=0)


def ledger_bytes(found: Found) -> str:
    rows = [
        (name, size["transaction"], size["receipt"], size["slots"], sum(size.values()))
        for name, size in found.snapshot["ledgerBytes"].items()
    ]
    return table(("operation", "transaction", "receipt with logs", "state", "bytes together"), rows)


def code_sizes(found: Found) -> str:
    rows = [
        (name, number(size), f"{size / gas.MAX_CODE_SIZE:.0%}") for name, size in found.snapshot["codeSizes"].items()
    ]
    return table(("contract", "bytes", f"of {gas.MAX_CODE_SIZE:,}"), rows)


def grown_gas(found: Found) -> str:
    kept = found.figures("growth")
    if kept is None:
        return missing("growth")
    sizes = sorted(kept["gas"], key=int)
    names = list(kept["gas"][sizes[0]])
    rows = [(name, *(number(kept["gas"][size][name]) for size in sizes)) for name in names]
    return table(("gas after so many entries of each kind", *(number(int(size)) for size in sizes)), rows)


def _floor(found: Found, name: str) -> int | None:
    measured: int | None = found.snapshot["floors"].get(name)
    return gas.TARGETS[name].floor if measured is None else measured


# ------------------------------------------------------------------------------------------- envelope and store


def envelope(found: Found) -> str:
    kept = found.figures("envelope")
    if kept is None:
        return missing("envelope")
    memory, file, peak, header = kept["memory"], kept["file"], kept["peak"], kept["header"]
    rows: list[tuple[object, ...]] = [
        (
            f"{verb} in memory, {threads} thread{'s' if threads > 1 else ''}",
            f"{memory[f'{verb}_{threads}_to_reference_{verb}']:.2f} {TIMES} the reference",
            f"{number(memory[f'{verb}_{threads}_mib_s'])} MiB/s",
        )
        for verb in ("seal", "open")
        for threads in (1, 2)
    ]
    if kept["openssl"]:
        rows.append(("`openssl speed`, one core", "", f"{number(kept['openssl']['one_core_mib_s'])} MiB/s"))
    rows += [
        (
            "seal file to file",
            f"{file['seal_to_reference_seal']:.2f} {TIMES} the reference; {file['seal_to_copy']:.2f} of a copy",
            f"{number(file['seal_mib_s'])} MiB/s",
        ),
        (
            "a plain copy",
            f"{file['copy_to_reference_seal']:.2f} {TIMES} the reference",
            f"{number(file['copy_mib_s'])} MiB/s",
        ),
        ("one more reader, first", "", f"{header['wrap_first_us']:.1f} µs, X25519 {header['x25519_us']:.1f} of it"),
        ("one more reader, again", "", f"{header['wrap_again_us']:.1f} µs"),
        (
            "rewrapping the header of 1 KB / 1 GB",
            "",
            f"{header['rewrap_file_of_1_kb_us']:.1f} / {header['rewrap_file_of_1_gb_us']:.1f} µs",
        ),
    ]
    if peak:
        rows.append(("memory, file to file", "", f"{peak['file_mib']:.1f} MiB"))
    return table(("what", "ratio, the median of its rounds", "rate or time"), rows, numbers=0)


def ciphers(found: Found) -> str:
    kept = found.figures("ciphers")
    if kept is None:
        return missing("ciphers")
    ours = kept["tools"]["medshare"]["mib_per_second"]
    rows = [
        (name, ABSENT, "", "", "")
        if tool is None
        else (
            f"{name} {tool['version']}",
            tool["how"],
            number(tool["mib_per_second"]),
            f"{ours / tool['mib_per_second']:.2f}",
            f"{tool['start_ms']:.0f} ms",
        )
        for name, tool in kept["tools"].items()
    ]
    head = ("tool", "how", "MiB/s", "medshare against it", "an empty file")
    return f"{kept['mib']} MiB, median of {kept['rounds']}.\n\n" + table(head, rows, texts=2)


def storage(found: Found) -> str:
    kept = found.figures("storage")
    if kept is None:
        return missing("storage")
    rows = [
        (
            name,
            number(kept["mib"] / seconds),
            f"{kept['ratios'][name]:.2f} of {kept['limits'][name]}" if name in kept["ratios"] else "",
        )
        for name, seconds in kept["seconds"].items()
    ]
    head = ("what", "MiB/s", "of its limit")
    return f"{kept['mib']} MiB, median of {kept['rounds']}.\n\n" + table(head, rows)


def end_to_end(found: Found) -> str:
    kept = found.figures("end_to_end")
    if kept is None:
        return missing("end_to_end")
    size = kept["bytes"] // MIB
    rows = [
        (
            f"{verb} {size} MiB",
            f"{kept[verb]['seconds']:.1f} s",
            f"{number(kept[verb]['mib_per_second'])} MiB/s",
            f"{kept[verb]['memory_above_small_mib']:.0f} MiB",
        )
        for verb in ("publish", "fetch")
    ]
    copied = kept["plain_copy_seconds"]
    rows.append(("a plain copy with fsync", f"{copied:.1f} s", f"{number(size / copied)} MiB/s", ""))
    small, large = (kept["one_more_reader"][name] for name in ("small", "large"))
    return (
        table(("what", "time", "rate", "memory above that for 1 KiB"), rows)
        + f"\n\nOne more reader of 1 KiB and of {size} MiB: a bundle of {small['bundle_bytes']:.0f} and "
        + f"{large['bundle_bytes']:.0f} bytes, in {small['milliseconds']:.0f} and {large['milliseconds']:.0f} ms."
    )


# --------------------------------------------------------------------------------------------------------- chain


def chain(found: Found) -> str:
    kept = found.figures("chain_rates")
    if kept is None:
        return missing("chain_rates")
    rates = kept["transactions"]["per_second"]
    rows: list[tuple[object, ...]] = [
        (f"transactions, {name}", f"{rate:.0f} per second", f"{rates['medshare'] / rate:.2f}")
        for name, rate in rates.items()
    ]
    anvil = kept["anvil"]
    if anvil is None:
        return table(("what", "measured", "medshare against it"), [*rows, ("on anvil", ABSENT, "")], numbers=1)
    single, decoding = anvil["is_live"], anvil["decoding"]
    rows += [
        ("`is_live` on anvil, one at a time", _rate(single["stock"]["medshare_per_second"]), ""),
        *_beside("`is_live`, web3", single["stock"]),
        *_beside("`is_live`, web3 on medshare's connection", single["same_connection"]),
        ("decoding AccessGranted", _rate(decoding["medshare_per_second"]), ""),
        *_beside("decoding AccessGranted, web3", decoding),
    ]
    rows += [
        (f"`are_live` on anvil, {number(int(size))} at once", f"{number(rate)} per second", "")
        for size, rate in sorted(anvil["are_live_per_second"].items(), key=lambda item: int(item[0]))
    ]
    rows += [
        (f"reading {number(anvil['events'])} events from anvil into an index", _rate(anvil["replay_per_second"]), ""),
        ("grants of a patient out of the index, with their standing", _rate(anvil["index_standings_per_second"]), ""),
        ("the same question to a state replayed before", _rate(anvil["answers_from_a_replayed_state_per_second"]), ""),
    ]
    return table(("what", "measured", "medshare against it"), rows)


def consensus(found: Found) -> str:
    kept = found.figures("consensus")
    clique = kept and kept["clique"]
    if not clique:
        return missing("consensus") if kept is None else f"geth: {ABSENT}."
    rows = [
        (f"validators, a block every {clique['block_period']} s", clique["validators"]),
        (
            "registrations handed over",
            f"{number(clique['transactions'])}, {clique['handed_over_per_second']:.0f} per s",
        ),
        ("registrations mined per second, without the first and the last block", figure(clique["per_second"])),
        ("most in one block", clique["fullest_block"]),
        ("share of the gas limit that was used", f"{clique['share_of_gas_limit']:.0%}"),
    ]
    return table(("what", "measured"), rows)


def latency(found: Found) -> str:
    kept = found.figures("clients")
    if kept is None:
        return missing("clients")
    rows: list[tuple[object, ...]] = []
    for ground, on in kept.items():
        if on is None:
            rows.append((ground, ABSENT, "", "", ""))
            continue
        rows += [(ground, verb, *_percentiles(spread), spread["count"]) for verb, spread in on["latency"].items()]
    return table(("where", "verb", "p50 ms", "p95 ms", "p99 ms", "of"), rows, texts=2)


def throughput(found: Found) -> str:
    kept = found.figures("clients")
    if kept is None:
        return missing("clients")
    rows = [
        (ground, verb, clients, figure(spread["per_second"]), *_percentiles(spread), spread["count"])
        for ground, on in kept.items()
        if on is not None
        for clients, verbs in sorted(on["clients"].items(), key=lambda item: int(item[0]))
        for verb, spread in verbs.items()
    ]
    return table(("where", "verb", "clients", "per second", "p50 ms", "p95 ms", "p99 ms", "of"), rows, texts=2)


def history(found: Found) -> str:
    kept = found.figures("clients")
    if kept is None:
        return missing("clients")
    rows = [
        (
            ground,
            number(int(size)),
            f"{row['publish_seconds']:.1f} s",
            f"{row['grant_seconds']:.2f} s",
            f"{row['first_record_seconds']:.2f} s",
            f"{row['history_seconds']:.2f} s",
            number(row["home_bytes_each"]),
        )
        for ground, on in kept.items()
        if on is not None
        for size, row in sorted(on["history"].items(), key=lambda item: int(item[0]))
    ]
    head = ("where", "records", "publish all", "grant all", "first record", "whole history", "bytes at home for each")
    return table(head, rows)


def grown_index(found: Found) -> str:
    kept = found.figures("growth")
    if kept is None:
        return missing("growth")
    rows = [
        (
            number(row["events"]),
            f"{row['replay_seconds']:.2f} s",
            number(row["events"] / row["replay_seconds"]),
            number(row["bytes"] / row["events"]),
            f"{row['grants_of_one_patient_ms']:.1f} ms",
            f"{row['records_of_one_patient_ms']:.1f} ms",
            f"{row['synced_again_ms']:.1f} ms",
        )
        for row in kept["index"]
    ]
    head = ("events", "replay", "per second", "bytes each", "a patient's grants", "her records", "nothing new")
    return table(head, rows)


def _beside(what: str, turns: Json) -> list[tuple[object, ...]]:
    return [(what, _rate(turns["web3_per_second"]), f"{turns['ratio']:.1f}")]


def _percentiles(spread: Json) -> tuple[str, str, str]:
    return tuple(figure(spread[f"p{percent}_ms"]) for percent in (50, 95, 99))  # type: ignore[return-value]


def _rate(value: float) -> str:
    return f"{number(value)} per second"


TABLES: Mapping[str, Callable[[Found], str]] = {
    each.__name__: each
    for each in (
        *(setup, gas_with_targets, gas_of_the_rest, peers, quoted, ledger_bytes, code_sizes, grown_gas),
        *(envelope, ciphers, storage, end_to_end, chain, consensus, latency, throughput, history, grown_index),
    )
}
"""By the name in the template."""
