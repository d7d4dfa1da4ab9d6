"""scripts/compile_contracts.py

given the repository
    the packaged files are what the sources compile to, and the input that makes them is self-contained
given a packaged file that is altered, missing or stray
    --check says so, with the lines, and exits 1
given an interface without a @notice or a @custom:privacy, a warning, a foreign import
    the compilation is refused
given sources that do not compile
    only the compiler's own messages are shown, however much else it writes
given no compiler
    the message says where it was looked for, and the exit code is 2
"""

from __future__ import annotations

import json
import os
import re

import compile_contracts
import pytest
from between_workers import made_once
from compile_contracts import (
    COMPILER_VERSION,
    DEPLOYED,
    INPUT_FILE,
    PACKAGED,
    CannotRunError,
    ContractsRefusedError,
    check_documentation,
    compare,
    compile_sources,
    layout_without_ast,
    main,
    package_files,
    read_sources,
)
from nodes import require

pytestmark = pytest.mark.contracts

INTERFACE = """// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;
interface IProbe {
    /// @notice Something happened.
    /// @custom:privacy Tells that.
    event Happened(uint256 value);
    /// @notice Something was refused.
    /// @custom:privacy Tells who.
    error ProbeRefused(address who);
    /// @notice Do something.
    /// @custom:privacy Tells what.
    function act(uint256 value) external;
}
"""


@pytest.fixture
def compiler():
    return require("solc")


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """Input and output of one compilation of everything."""
    standard_input, compiler = read_sources(), require("solc")
    return standard_input, made_once(tmp_path_factory, "compiled", lambda: compile_sources(standard_input, compiler))


@pytest.fixture
def compile_probe(compiler):
    """Compiles one small source under a name of ours."""

    def compile_(content, unit="contracts/interfaces/IProbe.sol"):
        standard_input = {**read_sources(), "sources": {unit: {"content": content}}}
        return compile_sources(standard_input, compiler)

    return compile_


def test_compile__check__the_package_is_what_the_sources_make(compiler, capsys):
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_compile__twice__writes_the_same_bytes(compiler, tmp_path):
    assert main(["--output", str(tmp_path)]) == 0

    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_bytes() for path in PACKAGED.iterdir()}
    assert all(content.endswith(b"}\n") and b"\r" not in content for content in written.values())


def test_compile__packaged_input__alone_makes_the_packaged_bytecode(compiler):
    standard_input = json.loads((PACKAGED / INPUT_FILE).read_text("utf-8"))

    output = compile_sources(standard_input, compiler)

    assert all(set(source) == {"content"} for source in standard_input["sources"].values())
    for name in DEPLOYED:
        artifact = json.loads((PACKAGED / f"{name}.json").read_text("utf-8"))
        compiled = output["contracts"][artifact["source"]][name]
        assert artifact["bytecode"] == "0x" + compiled["evm"]["bytecode"]["object"]
        assert artifact["metadata"] == compiled["metadata"]
        assert artifact["compiler"].startswith(f"{COMPILER_VERSION}+commit.")


def test_compile__output__names_no_path_of_this_machine():
    text = "".join(path.read_text("utf-8") for path in PACKAGED.iterdir())

    assert str(compile_contracts.ROOT) not in text
    assert "node_modules" not in text
    assert set(json.loads((PACKAGED / INPUT_FILE).read_text("utf-8"))["sources"]) == {
        unit for unit in read_sources()["sources"] if re.match(r"(contracts|@openzeppelin/contracts)/", unit)
    }


def test_compile__layout_with_other_sources__is_the_same(compiler):
    # Numbers of syntax tree nodes move when any source is added; what is packaged must not.
    extra = {"tests/Probe.sol": INTERFACE}
    output = compile_sources(read_sources(extra), compiler)

    for name in DEPLOYED:
        layout = output["contracts"][f"contracts/{name}.sol"][name]["storageLayout"]
        artifact = json.loads((PACKAGED / f"{name}.json").read_text("utf-8"))
        assert layout_without_ast(layout) == artifact["storageLayout"]


@pytest.mark.parametrize("damage", ["altered", "missing", "stray"])
def test_compare__package_differs__says_where_and_fails(compiled, tmp_path, capsys, damage):
    files = package_files(*compiled)
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    assert compare(files, tmp_path) == 0

    path = tmp_path / ("Stray.json" if damage == "stray" else "Consortium.json")
    if damage == "altered":
        path.write_text(path.read_text("utf-8").replace('"setEncryptionKey"', '"setKey"'), "utf-8")
    elif damage == "missing":
        path.unlink()
    else:
        path.write_text("{}\n", "utf-8")
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}

    assert compare(files, tmp_path) == 1

    said = capsys.readouterr().err
    assert path.name in said
    assert "run scripts/compile_contracts.py" in said
    assert ("setKey" in said) == (damage == "altered")
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before, "comparing writes nothing"


def test_main__package_differs__exits_1(compiler, tmp_path, capsys):
    assert main(["--check", "--output", str(tmp_path)]) == 1

    assert capsys.readouterr().err.count("missing") == len(DEPLOYED) + 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("without", "complaint"),
    [
        ("/// @notice Something happened.\n", "event Happened(uint256): no @notice"),
        ("/// @notice Something was refused.\n", "error ProbeRefused(address): no @notice"),
        ("/// @notice Do something.\n", "function act(uint256): no @notice"),
        ("/// @custom:privacy Tells that.\n", "event Happened(uint256): no @custom:privacy"),
        ("/// @custom:privacy Tells who.\n", "error ProbeRefused(address): no @custom:privacy"),
        ("/// @custom:privacy Tells what.\n", "function act(uint256): no @custom:privacy"),
    ],
)
def test_check_documentation__a_line_is_missing__is_refused(compile_probe, without, complaint):
    assert without in INTERFACE

    with pytest.raises(ContractsRefusedError) as refused:
        check_documentation(compile_probe(INTERFACE.replace(without, "\n")))

    assert str(refused.value).splitlines()[1:] == [f"  {complaint}"]


def test_check_documentation__complete__passes(compile_probe):
    check_documentation(compile_probe(INTERFACE))


def test_check_documentation__no_interfaces__is_refused(compile_probe):
    with pytest.raises(ContractsRefusedError, match="declares nothing"):
        check_documentation(compile_probe(INTERFACE, "contracts/IProbe.sol"))


def test_compile_sources__warning_in_our_source__is_refused(compile_probe):
    source = INTERFACE + "contract Probe { function act(uint256 unused) external { this; } }\n"

    with pytest.raises(ContractsRefusedError, match="Unused function parameter"):
        compile_probe(source)


def test_compile_sources__error__is_refused(compile_probe):
    with pytest.raises(ContractsRefusedError, match="ParserError"):
        compile_probe("contract {")


def test_compile_sources__error_beside_all_contracts__shows_the_messages_and_nothing_else(compiler):
    broken = (
        "// SPDX-License-Identifier: Apache-2.0\npragma solidity ^0.8.28;\ncontract Broken { uint256 x = nowhere; }\n"
    )
    standard_input = read_sources({"contracts/Broken.sol": broken})

    with pytest.raises(ContractsRefusedError) as refused:
        compile_sources(standard_input, compiler)

    said = str(refused.value)
    assert said.startswith("DeclarationError: Undeclared identifier.")
    assert "contracts/Broken.sol:3:" in said
    assert len(said) < 500


@pytest.mark.parametrize("written", ["no JSON " * 1_000_000, '{"errors": "none"}', ""])
def test_compile_sources__compiler_breaks_off__says_how_in_a_few_lines(tmp_path, written):
    said = tmp_path / "said"
    said.write_text(written, "utf-8")
    compiler = tmp_path / "solc"
    compiler.write_text(
        f"""#!/bin/sh
[ "$1" = --version ] && {{ echo "Version: {COMPILER_VERSION}+commit.00000000"; exit; }}
cat > /dev/null; cat {said}; echo "out of memory" >&2; exit 3
""",
        "utf-8",
    )
    compiler.chmod(0o700)

    with pytest.raises(CannotRunError) as refused:
        compile_sources({"language": "Solidity", "sources": {"contracts/Probe.sol": {"content": ""}}}, compiler)

    assert str(refused.value) == "the compiler broke off with code 3: out of memory"


@pytest.mark.parametrize("name", ["hardhat/console.sol", "@openzeppelin/../../etc/passwd", "../../etc/passwd"])
def test_read_sources__foreign_import__is_refused(name):
    with pytest.raises(ContractsRefusedError, match="neither one of our sources nor OpenZeppelin's"):
        read_sources({"contracts/Probe.sol": f'import "{name}";'})


def test_main__openzeppelin_is_not_installed__says_so_and_exits_2(compiler, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(compile_contracts, "find_compiler", lambda: compiler)
    monkeypatch.setattr(compile_contracts, "NODE_MODULES", tmp_path)

    assert main(["--check"]) == 2
    assert "run npm ci" in capsys.readouterr().err


def test_find_compiler__variable_names_another_program__exits_2(monkeypatch, capsys):
    monkeypatch.setenv(compile_contracts.COMPILER_VARIABLE, os.devnull)

    assert main(["--check"]) == 2
    assert f"not solc {COMPILER_VERSION}" in capsys.readouterr().err


def test_find_compiler__variable_names_the_compiler__is_taken(compiler, monkeypatch):
    monkeypatch.setenv(compile_contracts.COMPILER_VARIABLE, str(compiler))

    assert compile_contracts.find_compiler() == compiler


def test_find_compiler__nowhere__says_where_it_looked_and_exits_2(monkeypatch, tmp_path, capsys):
    def blocked(*_args, **_kwargs):
        raise ConnectionError("no route")

    monkeypatch.delenv(compile_contracts.COMPILER_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compile_contracts, "NODE_MODULES", tmp_path)
    monkeypatch.setattr(compile_contracts.solcx, "get_installed_solc_versions", list)
    monkeypatch.setattr(compile_contracts.solcx, "install_solc", blocked)

    assert main(["--check"]) == 2

    said = capsys.readouterr().err
    for place in ("$MEDSHARE_SOLC", "solc on PATH", "py-solc-x: has none", "npm's solc", "download by py-solc-x"):
        assert place in said
