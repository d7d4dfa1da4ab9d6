"""How fast the envelope is, always against something in the same run.

Run ``python benchmarks/envelope.py [--quick]``: it prints a short table of ratios, then one line of JSON. A ratio is
the median of the ratios of its rounds, in which both sides take turns, because the machine's speed changes from one
second to the next. Two threads are worth something only while the machine has a second core to give.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

logging.getLogger("crypt4gh").setLevel(logging.CRITICAL + 1)

from crypt4gh import lib as reference  # noqa: E402 - at DEBUG it would log keys: silenced first
from crypt4gh import sodium  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: E402
from scale import Scale  # noqa: E402

from medshare.envelope import (  # noqa: E402
    CIPHER_SEGMENT_SIZE,
    SEGMENT_SIZE,
    FileKey,
    Identity,
    open_payload,
    payload_length,
    read_header,
    rewrap,
    seal,
    seal_file,
    unwrap,
    wrap,
)

MIB = 2**20
Numbers = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds: shows that it runs")
    quick = parser.parse_args().quick
    result = measure(quick=quick)
    for line in table(result):
        print(line)
    print(json.dumps(result))


def figures(scale: Scale) -> dict[str, Numbers]:
    """Return the numbers at a scale."""
    return measure(quick=scale is Scale.QUICK)


def measure(*, quick: bool = False) -> dict[str, Numbers]:
    """Run every measurement and return its numbers by name."""
    return {
        "memory": measure_memory_rates(size=(16 if quick else 128) * MIB, rounds=3 if quick else 9),
        "openssl": measure_openssl(seconds=1),
        "file": measure_file_rates(size=(16 if quick else 256) * MIB, rounds=2 if quick else 5),
        "peak": measure_peak_memory(size=(32 if quick else 512) * MIB),
        "header": measure_headers(rounds=200 if quick else 2_000),
    }


# --------------------------------------------------------------------------------------------------- in memory


def measure_memory_rates(*, size: int, rounds: int) -> Numbers:
    """Seal and open in memory, on one thread and on two, in turn with the loop of the reference tool."""
    key, chunk = FileKey.generate(), os.urandom(MIB)
    count = size // MIB
    block = next(seal([chunk], key))
    length = count * len(block)

    def text() -> Iterator[bytes]:
        return itertools.repeat(chunk, count)

    def sealed() -> Iterator[bytes]:
        return itertools.repeat(block, count)

    return _in_turns(
        {
            "reference_seal": lambda: _reference_seal(text()),
            "reference_open": lambda: _reference_open(sealed(), bytes(key.reveal())),
            "seal_1": lambda: _drop(seal(text(), key, threads=1)),
            "open_1": lambda: _drop(open_payload(sealed(), key, payload_length=length, threads=1)),
            "seal_2": lambda: _drop(seal(text(), key)),
            "open_2": lambda: _drop(open_payload(sealed(), key, payload_length=length)),
        },
        size=size,
        rounds=rounds,
        compared=[(f"{verb}_{threads}", f"reference_{verb}") for verb in ("seal", "open") for threads in (1, 2)],
    )


def _reference_seal(chunks: Iterator[bytes]) -> None:
    # The loop of crypt4gh.lib.encrypt without its files and its header.
    key, segment, sealed = os.urandom(32), bytearray(SEGMENT_SIZE), bytearray(CIPHER_SEGMENT_SIZE)
    for chunk in chunks:
        stream = io.BytesIO(chunk)
        while size := stream.readinto(segment):
            sodium.chacha20poly1305_encrypt(sealed, segment[:size], key)


def _reference_open(chunks: Iterator[bytes], key: bytes) -> None:
    # The loop of crypt4gh.lib.body_decrypt without its files.
    segment, sealed = bytearray(SEGMENT_SIZE), bytearray(CIPHER_SEGMENT_SIZE)
    for chunk in chunks:
        stream = io.BytesIO(chunk)
        while size := stream.readinto(sealed):
            found = sodium.chacha20poly1305_decrypt(segment, sealed[:size], key)
            _ = segment[:found]


def measure_openssl(*, seconds: int) -> Numbers:
    """Return what ``openssl speed`` says of one core, in MiB/s; nothing where there is no openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        return {}
    command = [openssl, "speed", "-mr", "-seconds", str(seconds), "-bytes", str(SEGMENT_SIZE)]
    done = subprocess.run([*command, "-evp", "chacha20-poly1305"], capture_output=True, text=True, check=True)
    rate = float(done.stdout.strip().splitlines()[-1].rpartition(":")[2])
    return {"one_core_mib_s": rate / MIB}


# ------------------------------------------------------------------------------------------------ file to file


def measure_file_rates(*, size: int, rounds: int) -> Numbers:
    """Seal a file into a file, in turn with the reference tool and with a plain copy; in memory where possible.

    On a disk, the disk would be measured.
    """
    writer, reader = Identity.generate(), Identity.generate()
    memory = Path("/dev/shm")  # noqa: S108 - the folder made in it is private
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        source, target = Path(folder) / "text", Path(folder) / "text.c4gh"
        write_text(source, size)
        secret = os.urandom(32)

        def ours() -> None:
            target.unlink(missing_ok=True)
            key = FileKey.generate()
            seal_file(source, target, key, header=wrap(key, writer=writer, recipients=[reader.recipient]))

        def streamed() -> None:
            key = FileKey.generate()
            with source.open("rb", buffering=0) as text, target.open("wb", buffering=0) as out:
                out.write(wrap(key, writer=writer, recipients=[reader.recipient]))
                for buffer in seal(iter(lambda: text.read(MIB), b""), key):
                    out.write(buffer)

        def theirs() -> None:
            with source.open("rb") as text, target.open("wb") as out:
                reference.encrypt([(0, secret, reader.recipient.key)], text, out)

        def copy() -> None:
            with source.open("rb", buffering=0) as text, target.open("wb", buffering=0) as out:
                for chunk in iter(lambda: text.read(MIB), b""):
                    out.write(chunk)

        return _in_turns(
            {"reference_seal": theirs, "copy": copy, "seal": ours, "stream": streamed},
            size=size,
            rounds=rounds,
            compared=[
                ("seal", "reference_seal"),
                ("seal", "copy"),
                ("stream", "reference_seal"),
                ("copy", "reference_seal"),
            ],
        )


def write_text(path: Path, size: int) -> None:
    """Write a file of so many bytes, of whole MiB."""
    chunk = os.urandom(MIB)
    with path.open("wb") as stream:
        for _ in range(size // MIB):
            stream.write(chunk)


# VmHWM and not ru_maxrss: the latter is inherited from the process that starts this one.
_PEAK = """
import sys, tempfile
from pathlib import Path
from medshare.envelope import FileKey, open_payload, payload_length, seal, seal_file
MIB, count, verb = 2**20, int(sys.argv[1]), sys.argv[2]
key = FileKey.generate()
if verb == "file":
    with tempfile.TemporaryDirectory() as folder, open(Path(folder, "text"), "wb") as stream:
        stream.truncate(count * MIB)
        seal_file(Path(folder, "text"), Path(folder, "text.c4gh"), key)
    count = 0
sealed = seal((bytes(MIB) for _ in range(count)), key)
if verb == "open":
    sealed = open_payload(sealed, key, payload_length=payload_length(count * MIB))
for buffer in sealed:
    pass
(line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(line.split()[1]) / 1024)
"""


def measure_peak_memory(*, size: int) -> Numbers:
    """Return how many MiB of memory a process needs to seal, or to seal and open, more than to do nothing.

    Only Linux says so exactly; elsewhere the answer is empty.
    """
    if not Path("/proc/self/status").exists():
        return {}

    def peak(count: int, verb: str) -> float:
        command = [sys.executable, "-c", _PEAK, str(count), verb]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    nothing = peak(0, "seal")
    return {f"{verb}_mib": peak(size // MIB, verb) - nothing for verb in ("seal", "open", "file")}


# ----------------------------------------------------------------------------------------------------- headers


def measure_headers(*, rounds: int) -> Numbers:
    """Return what a packet costs in microseconds: for a new reader, for a known one, and in a rewrap."""
    key, writer = FileKey.generate(), Identity.generate()
    few = max(rounds // 4, 50)
    strangers = [Identity.generate().recipient for _ in range(few)]
    known = [Identity.generate().recipient]
    wrap(key, writer=writer, recipients=known)
    fresh = iter(strangers)
    reader = Identity.generate()
    header = wrap(key, writer=writer, recipients=[reader.recipient])
    unwrap(header, reader)
    own, peer = X25519PrivateKey.generate(), X25519PrivateKey.generate().public_key()
    numbers = {
        "x25519_us": _each(lambda: own.exchange(peer), few),
        "wrap_first_us": _each(lambda: wrap(key, writer=writer, recipients=[next(fresh)]), few),
        "wrap_again_us": _each(lambda: wrap(key, writer=writer, recipients=known), rounds),
        "unwrap_again_us": _each(lambda: unwrap(header, reader), rounds),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, size in (("1_kb", 1_000), ("1_gb", 1_000_000_000)):
            path = Path(folder) / name
            with path.open("wb") as stream:
                stream.write(header)
                stream.truncate(len(header) + payload_length(size))  # a sparse file: only the header is read

            def once(path: Path = path) -> bytes:
                with path.open("rb") as stream:
                    return rewrap(read_header(stream), identity=reader, recipients=known)

            once()
            numbers[f"rewrap_file_of_{name}_us"] = _each(once, rounds)
    return numbers


def _each(action: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


# ------------------------------------------------------------------------------------------------------- shared


def _drop(stream: Iterator[bytes]) -> None:
    deque(stream, maxlen=0)


def _in_turns(
    actions: dict[str, Callable[[], None]], *, size: int, rounds: int, compared: list[tuple[str, str]]
) -> Numbers:
    rates: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            began = time.perf_counter()
            action()
            rates[name].append(size / MIB / (time.perf_counter() - began))
    numbers = {f"{name}_mib_s": statistics.median(values) for name, values in rates.items()}
    for name, other in compared:
        ratios = [mine / theirs for mine, theirs in zip(rates[name], rates[other], strict=True)]
        numbers[f"{name}_to_{other}"] = statistics.median(ratios)
    return numbers


def table(result: dict[str, Numbers]) -> list[str]:
    """Return the ratios that the budgets speak of, one a line."""
    memory, file, peak, header = result["memory"], result["file"], result["peak"], result["header"]
    lines = []
    for verb, threads, goal in (("seal", 1, 2), ("seal", 2, 3), ("open", 1, 2), ("open", 2, 3)):
        ratio, rate = memory[f"{verb}_{threads}_to_reference_{verb}"], memory[f"{verb}_{threads}_mib_s"]
        lines.append(
            f"{verb} in memory, threads {threads}: {ratio:.2f} x the reference tool (goal {goal}), {rate:,.0f} MiB/s"
        )
    if one_core := result["openssl"].get("one_core_mib_s"):
        share = memory["seal_2_mib_s"] / one_core
        lines.append(f"openssl speed, one core: {one_core:,.0f} MiB/s; seal on two threads is {share:.2f} of it")
    ratio, copy = file["seal_to_reference_seal"], file["seal_to_copy"]
    lines.append(f"seal file to file: {ratio:.2f} x the reference tool (goal 2.4), {copy:.2f} of a plain copy")
    ratio, copy = file["stream_to_reference_seal"], file["copy_to_reference_seal"]
    lines.append(f"the same through seal(): {ratio:.2f} x the reference tool; a plain copy is {copy:.2f} x")
    if peak:
        small, both, own = peak["file_mib"], peak["open_mib"], peak["seal_mib"]
        lines.append(
            f"memory: {small:.1f} MiB file to file (goal 8), {own:.1f} through seal(), {both:.1f} to seal and open"
        )
    first, again, curve = header["wrap_first_us"], header["wrap_again_us"], header["x25519_us"]
    lines.append(f"one more reader: {first:.1f} us (goal 40), of which X25519 takes {curve:.1f}")
    lines.append(f"the same reader again: {again:.1f} us (goal 6)")
    small, large = header["rewrap_file_of_1_kb_us"], header["rewrap_file_of_1_gb_us"]
    lines.append(f"rewrap a file: {small:.1f} us for 1 KB, {large:.1f} us for 1 GB")
    return lines


if __name__ == "__main__":
    main()
