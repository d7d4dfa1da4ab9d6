"""Compile the tokens that need no compiler where they are used: python tests/vectors/tokens/make_tokens.py

The stories of tests/stateful and benchmarks/gas.py pay in them. Run it when their source has changed; a test says so.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "scripts"))

import compile_contracts  # noqa: E402 - a script, not a package

NAMES = ("Token__Mock", "HostileToken__Mock")


def main() -> None:
    """Write name.json beside this file for each token: ABI and bytecode."""
    sources = {f"tests/contracts/solidity/{name}.sol": name for name in NAMES}
    extra = {unit: (ROOT / unit).read_text("utf-8") for unit in sources}
    output = compile_contracts.compile_sources(compile_contracts.read_sources(extra), compile_contracts.find_compiler())
    for unit, name in sources.items():
        path = Path(__file__).with_name(f"{name}.json")
        path.write_bytes(encode(output["contracts"][unit][name]).encode())
        print(f"wrote {path.relative_to(ROOT)}")


def encode(compiled: dict) -> str:
    """Return what is kept of a compiled token."""
    kept = {"abi": compiled["abi"], "bytecode": "0x" + compiled["evm"]["bytecode"]["object"]}
    return json.dumps(kept, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    main()
