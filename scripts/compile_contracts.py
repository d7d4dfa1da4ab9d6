#!/usr/bin/env python3
"""Compile the contracts and write what the wheel ships: one artifact for each contract that is deployed.

usage: compile_contracts.py [--check] [--output FOLDER]

Writes ``medshare/_data/contracts/<Name>.json`` (ABI, bytecode, metadata, storage layout) and
``standard-input.json``, the compiler's whole input, which explorers want for verification. With ``--check`` nothing
is written: the contracts are compiled and compared with what is there, byte for byte.

Both also check that each external function, event and error of our interfaces says what it does (``@notice``) and
what it makes public for ever (``@custom:privacy``), and that our sources compile without a warning.

Exit codes: 0 all is well; 1 a source, its NatSpec or a packaged file is not as it should be; 2 the check could not
run (no compiler, no OpenZeppelin, a wrong argument).
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import solcx
from solcx.exceptions import SolcError, SolcNotInstalled

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
NODE_MODULES = ROOT / "node_modules"
PACKAGED = ROOT / "medshare" / "_data" / "contracts"
INPUT_FILE = "standard-input.json"

COMPILER_VERSION = "0.8.37"
COMPILER_VARIABLE = "MEDSHARE_SOLC"
NPM_COMPILER = ROOT / "scripts" / "solc.cjs"

DEPLOYED = ("AccessRequests", "Attestations", "ConsentRegistry", "Consortium", "EmergencyAccess", "RecordRegistry")
SETTINGS: dict[str, Any] = {
    "evmVersion": "paris",  # runs everywhere: py-evm ends at Prague, Clique chains at London
    "optimizer": {"enabled": True, "runs": 1_000_000},
    "outputSelection": {
        "*": {
            "*": [
                "abi",
                "devdoc",
                "evm.bytecode.object",
                "evm.deployedBytecode.immutableReferences",
                "evm.deployedBytecode.object",
                "evm.methodIdentifiers",
                "metadata",
                "storageLayout",
                "userdoc",
            ]
        }
    },
}

EXIT_OK, EXIT_FAILED, EXIT_CANNOT_RUN = 0, 1, 2
_DIFF_LINES = 20
_DIFF_WIDTH = 160
_DIAGNOSIS = 2_000
"""Most characters of what a compiler that broke off has said."""
_IMPORT = re.compile(r"""^\s*import\s+(?:[^"';]*\sfrom\s+)?["']([^"']+)["']\s*;""", re.MULTILINE)

Json: TypeAlias = dict[str, Any]


class CannotRunError(Exception):
    """Something that the compilation stands on is missing."""


class ContractsRefusedError(Exception):
    """A source does not compile cleanly, or its NatSpec is incomplete."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line ``argv``; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the packaged files, write nothing")
    parser.add_argument("--output", type=Path, default=PACKAGED, metavar="FOLDER", help=f"default: {PACKAGED}")
    arguments = parser.parse_args(argv)

    try:
        compiler = find_compiler()
        standard_input = read_sources()
        output = compile_sources(standard_input, compiler)
        check_documentation(output)
    except CannotRunError as error:
        print(f"cannot run: {error}", file=sys.stderr)
        return EXIT_CANNOT_RUN
    except ContractsRefusedError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED

    files = package_files(standard_input, output)
    print(f"compiled {len(standard_input['sources'])} sources with {_shown(compiler)}")
    return compare(files, arguments.output) if arguments.check else _write(files, arguments.output)


# ---------------------------------------------------------------------------------------------- the compiler


def find_compiler() -> Path:
    """Return a program of exactly ``COMPILER_VERSION``; raises ``CannotRunError`` where none can be had."""
    named = os.environ.get(COMPILER_VARIABLE)
    if named:
        found = _version_of(Path(named))
        if found != COMPILER_VERSION:
            raise CannotRunError(
                f"${COMPILER_VARIABLE} names {named}, which is {found or 'no compiler'}, not solc {COMPILER_VERSION}"
            )
        return Path(named)

    on_path = shutil.which("solc")
    on_path_version = _version_of(Path(on_path)) if on_path else None
    if on_path and on_path_version == COMPILER_VERSION:
        return Path(on_path)

    if COMPILER_VERSION in map(str, solcx.get_installed_solc_versions()):
        return Path(solcx.install.get_executable(COMPILER_VERSION))

    has_npm_compiler = (NODE_MODULES / "solc" / "package.json").is_file() and shutil.which("node") is not None
    npm_version = _version_of(NPM_COMPILER) if has_npm_compiler else None
    if npm_version == COMPILER_VERSION:
        return NPM_COMPILER

    try:
        solcx.install_solc(COMPILER_VERSION)
        return Path(solcx.install.get_executable(COMPILER_VERSION))
    except (OSError, ValueError, SolcError, SolcNotInstalled) as error:  # requests' errors are OSErrors
        looked = (
            f"${COMPILER_VARIABLE}: not set",
            f"solc on PATH: {on_path_version or 'none'}",
            f"py-solc-x: has {', '.join(map(str, solcx.get_installed_solc_versions())) or 'none'}",
            f"npm's solc in node_modules, run by node: {npm_version or 'none (npm ci gets it)'}",
            f"download by py-solc-x: {type(error).__name__}",
        )
        raise CannotRunError(f"no solc {COMPILER_VERSION} was found; looked at\n  " + "\n  ".join(looked)) from error


def _version_of(program: Path) -> str | None:
    try:
        return str(solcx.wrapper.get_solc_version(program))
    except (OSError, ValueError, subprocess.SubprocessError, SolcError):
        return None


# ----------------------------------------------------------------------------------------------- compilation


def read_sources(extra: Mapping[str, str] | None = None) -> Json:
    """Return the compiler's whole input: all contracts, what they import, and nothing that depends on the machine.

    Args:
        extra: further sources by unit name, as the tests' harnesses.
    """
    sources = {f"contracts/{path.relative_to(CONTRACTS).as_posix()}": _read(path) for path in _solidity(CONTRACTS)}
    sources = with_imports(sources | dict(extra or {}), _read_imported)
    return {
        "language": "Solidity",
        "settings": SETTINGS,
        "sources": {unit: {"content": sources[unit]} for unit in sorted(sources)},
    }


def with_imports(sources: Mapping[str, str], read: Callable[[str], str]) -> dict[str, str]:
    """Return sources by unit name, and all that they import, and what that imports; ``read`` reads a unit."""
    whole = dict(sources)
    waiting = list(whole)
    while waiting:
        unit = waiting.pop()
        for imported in _imports(unit, whole[unit]):
            if imported not in whole:
                whole[imported] = read(imported)
                waiting.append(imported)
    return whole


def compile_sources(standard_input: Json, compiler: Path) -> Json:
    """Return the compiler's output; raises ``ContractsRefusedError`` on errors, and on warnings about our sources."""
    try:
        output: Json = solcx.compile_standard(standard_input, solc_binary=compiler)
    except SolcError as error:
        # Its text holds all the compiler wrote, megabytes of other contracts' code: only the messages are wanted.
        raise _refusal(error) from None
    warnings = [
        str(entry["formattedMessage"])
        for entry in output.get("errors", [])
        if not entry.get("sourceLocation", {}).get("file", "").startswith("@")
    ]
    if warnings:
        raise ContractsRefusedError("warnings are errors here:\n" + "\n".join(warnings))
    return output


def _refusal(error: SolcError) -> ContractsRefusedError | CannotRunError:
    """Return what the compiler says is wrong, or that it said nothing that can be read."""
    try:
        found = [entry for entry in json.loads(error.stdout_data or "")["errors"] if entry["severity"] == "error"]
        return ContractsRefusedError("\n".join(str(entry["formattedMessage"]).rstrip() for entry in found))
    except (ValueError, KeyError, TypeError):
        said = (error.stderr_data or "").strip()[-_DIAGNOSIS:]
        return CannotRunError(f"the compiler broke off with code {error.return_code}: {said or 'it said nothing'}")


def package_files(standard_input: Json, output: Json) -> dict[str, str]:
    """Return name and text of each file that the package ships."""
    files = {f"{name}.json": _encode(_artifact(name, output)) for name in DEPLOYED}
    files[INPUT_FILE] = _encode(standard_input)
    return files


def _artifact(name: str, output: Json) -> Json:
    unit = f"contracts/{name}.sol"
    compiled = output["contracts"][unit][name]
    metadata = json.loads(compiled["metadata"])
    layout = compiled["storageLayout"]
    return {
        "contractName": name,
        "source": unit,
        "compiler": metadata["compiler"]["version"],
        "settings": {"evmVersion": metadata["settings"]["evmVersion"], "optimizer": metadata["settings"]["optimizer"]},
        "abi": compiled["abi"],
        "bytecode": "0x" + compiled["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + compiled["evm"]["deployedBytecode"]["object"],
        "immutables": _immutables(compiled["evm"]["deployedBytecode"]["immutableReferences"]),
        "metadata": compiled["metadata"],
        "methodIdentifiers": compiled["evm"]["methodIdentifiers"],
        "storageLayout": layout_without_ast(layout),
    }


def _immutables(references: Json) -> list[list[int]]:
    """Return, for each immutable, where its words begin in the code: by place, for syntax tree numbers change."""
    return sorted(sorted(int(word["start"]) for word in words) for words in references.values())


def layout_without_ast(layout: Json) -> Json:
    """Return a storage layout without the numbers of syntax tree nodes, which change with any source."""
    text = re.sub(r"(t_(?:struct|enum|contract|userDefinedValueType)\([^()]*\))\d+", r"\1", json.dumps(layout))
    stripped: Json = json.loads(text, object_hook=lambda fields: {k: v for k, v in fields.items() if k != "astId"})
    return stripped


def _solidity(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.sol"))


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8").replace("\r\n", "\n")


def _read_imported(unit: str) -> str:
    path = NODE_MODULES / unit
    if not unit.startswith("@openzeppelin/") or ".." in Path(unit).parts:
        raise ContractsRefusedError(f"{unit} is imported, and is neither one of our sources nor OpenZeppelin's")
    if not path.is_file():
        raise CannotRunError(f"{unit} is not in node_modules: run npm ci")
    return _read(path)


def _imports(unit: str, content: str) -> Iterator[str]:
    for name in _IMPORT.findall(content):
        yield os.path.normpath(f"{Path(unit).parent.as_posix()}/{name}") if name.startswith(".") else name


def _encode(value: Json) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


# ------------------------------------------------------------------------------------------------- its NatSpec


def check_documentation(output: Json) -> None:
    """Raise ``ContractsRefusedError`` unless each declaration of our interfaces says what it does and makes public."""
    theirs = {
        declaration
        for unit, contracts in output["contracts"].items()
        if unit.startswith("@")
        for compiled in contracts.values()
        for declaration in _declarations(compiled)
    }
    ours: dict[tuple[str, str], set[str]] = {}
    for unit, contracts in output["contracts"].items():
        if unit.startswith("contracts/interfaces/"):
            for compiled in contracts.values():
                for declaration in _declarations(compiled):
                    ours.setdefault(declaration, set()).update(_documented(compiled, declaration))
    if not ours:
        raise ContractsRefusedError("contracts/interfaces declares nothing: is that the right folder?")

    missing = [
        f"  {kind} {signature}: no {tag}"
        for (kind, signature), present in sorted(ours.items())
        if (kind, signature) not in theirs
        for tag in ("@notice", "@custom:privacy")
        if tag not in present
    ]
    if missing:
        raise ContractsRefusedError("the NatSpec of contracts/interfaces is incomplete:\n" + "\n".join(missing))


def _declarations(compiled: Json) -> Iterator[tuple[str, str]]:
    for entry in compiled["abi"]:
        if entry["type"] in ("function", "event", "error"):
            yield entry["type"], f"{entry['name']}({','.join(map(_canonical, entry['inputs']))})"


def _canonical(parameter: Json) -> str:
    kind = str(parameter["type"])
    if kind.startswith("tuple"):
        return f"({','.join(map(_canonical, parameter['components']))}){kind.removeprefix('tuple')}"
    return kind


def _documented(compiled: Json, declaration: tuple[str, str]) -> set[str]:
    kind, signature = declaration
    section = {"function": "methods", "event": "events", "error": "errors"}[kind]
    tags = set()
    for tag, field, documentation in (
        ("@notice", "notice", compiled["userdoc"]),
        ("@custom:privacy", "custom:privacy", compiled["devdoc"]),
    ):
        entry = documentation.get(section, {}).get(signature, {})
        entry = entry[0] if isinstance(entry, list) else entry
        if str(entry.get(field, "")).strip():
            tags.add(tag)
    return tags


# ------------------------------------------------------------------------------------------------ the packaged


def _write(files: Mapping[str, str], folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for stray in _strays(files, folder):
        stray.unlink()
        print(f"  removed {_shown(stray)}")
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
        print(f"  wrote {_shown(folder / name)}")
    return EXIT_OK


def compare(files: Mapping[str, str], folder: Path) -> int:
    """Compare ``folder`` with ``files``, byte for byte, print the differences; return the exit code."""
    differences = [difference for name, text in files.items() for difference in _difference(folder / name, text)]
    differences += [f"{_shown(stray)}: no source makes this file" for stray in _strays(files, folder)]
    if not differences:
        print(f"  {_shown(folder)} is up to date")
        return EXIT_OK
    print("\n".join(differences), file=sys.stderr)
    print("run scripts/compile_contracts.py and commit what it writes", file=sys.stderr)
    return EXIT_FAILED


def _difference(path: Path, expected: str) -> Iterator[str]:
    actual = path.read_bytes().decode("utf-8", "replace") if path.is_file() else None
    if actual is None:
        yield f"{_shown(path)}: missing"
    elif actual != expected:
        lines = list(
            difflib.unified_diff(actual.splitlines(), expected.splitlines(), "packaged", "compiled", n=0, lineterm="")
        )
        changed = sum(line[:1] in "+-" for line in lines) - 2
        yield f"{_shown(path)}: {changed} lines differ"
        yield from (
            f"  {line if len(line) <= _DIFF_WIDTH else line[:_DIFF_WIDTH] + ' …'}" for line in lines[:_DIFF_LINES]
        )


def _strays(files: Mapping[str, str], folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if path.name not in files)


def _shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    sys.exit(main())
