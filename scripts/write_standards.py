"""Write the tables of others' standards that medshare checks with: medshare/_data/standards/.

FHIR R4 (4.0.1), from HL7's own definitions, which come with the npm package hl7.fhir.r4.examples (CC0-1.0) that
package-lock.json pins: the types and their elements, the forms of primitive values, the value sets of required
bindings, and which element answers which of the "five Ws". UCUM, from the table of units that comes with the Python
package ucumvert: the codes of prefixes and units. With --check nothing is written; exit code 1 says that a table is not
what it would be.

    python scripts/write_standards.py [--check]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "node_modules" / "hl7.fhir.r4.examples"
TARGET = ROOT / "medshare" / "_data" / "standards"

# Its code has parentheses of its own, and nobody measures records in it.
_ODD = "[m/s2/Hz^(1/2)]"
_EXTENSION = "http://hl7.org/fhir/StructureDefinition/"
# Of these no list is complete: what is not on it may be right.
_OPEN = frozenset({"ucum-units", "mimetypes", "languages", "all-languages", "LL379-9"})
# Constraints of Quantity that elements name as their type.
_QUANTITIES = ("Age", "Count", "Distance", "Duration", "MoneyQuantity", "SimpleQuantity")
_RESOURCE_ID = "Resource.id"
# R4 gives these a pattern that accepts more or less than its own text.
_FORMS = {"xhtml": "", "string": "", "markdown": ""}


def main(arguments: list[str] | None = None) -> int:
    """Write the tables, or compare them; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    stale = []
    for name, text in (("fhir-r4.json", definitions(PACKAGE)), ("ucum.json", units())):
        path = TARGET / name
        if not options.check:
            path.write_text(text)
        elif not path.is_file() or path.read_text() != text:
            stale.append(path)
    for path in stale:
        print(f"{path.name} is not what its source says; run: make snapshot", file=sys.stderr)
    return 1 if stale else 0


def units() -> str:
    """Return the table of UCUM's codes."""
    text = resources.files("ucumvert").joinpath("vendor", "ucum-essence.xml").read_text()
    root = ET.fromstring(text)  # noqa: S314 - a file of an installed package
    found = [(each.tag.rpartition("}")[2], each.get("Code", ""), each.get("isMetric")) for each in root]
    table = {
        "version": root.get("version"),
        "prefixes": [code for kind, code, _ in found if kind == "prefix"],
        "metric": [code for kind, code, is_metric in found if kind == "base-unit" or is_metric == "yes"],
        "other": [code for kind, code, is_metric in found if kind == "unit" and is_metric != "yes" and code != _ODD],
    }
    return json.dumps(table, separators=(",", ":")).replace('],"', '],\n"') + "\n"


def definitions(package: Path) -> str:
    """Return the file's text for the definitions in ``package``."""
    primitives: dict[str, str] = {}
    types: dict[str, Any] = {}
    bound: set[str] = set()
    for definition in _structures(package):
        if definition["kind"] == "primitive-type":
            primitives[definition["type"]] = _form(definition)
        else:
            types.update(_types(definition, bound))
    types.update({name: {"base": "Quantity", "elements": {}} for name in _QUANTITIES})
    document = {
        "version": "4.0.1",
        "primitives": {name: _FORMS.get(name, form) for name, form in primitives.items()},
        "types": types,
        "value_sets": _value_sets(package, bound),
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).replace('},"', '},\n"') + "\n"


def _structures(package: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(package.glob("StructureDefinition-*.json")):
        definition = json.loads(path.read_bytes())
        if definition.get("derivation") != "constraint" and definition["kind"] != "logical":
            yield definition


def _form(definition: dict[str, Any]) -> str:
    for element in definition["snapshot"]["element"]:
        for kind in element.get("type", ()):
            for extension in kind.get("extension", ()):
                if extension["url"] == f"{_EXTENSION}regex":
                    return str(extension["valueString"])
    return ""


def _types(definition: dict[str, Any], bound: set[str]) -> dict[str, Any]:
    """Return a type and its backbone elements by their paths, each with the elements that are its own."""
    root = definition["type"]
    base = definition.get("baseDefinition", "").removeprefix(_EXTENSION)
    found: dict[str, Any] = {root: {"base": base, "elements": {}}}
    if definition["kind"] == "resource":
        found[root]["resource"] = not definition["abstract"]
    for element in definition["snapshot"]["element"][1:]:
        holder, _, name = element["path"].rpartition(".")
        if element["base"]["path"].partition(".")[0] != root and not name.endswith("[x]") and holder == root:
            continue
        if holder != root and element["base"]["path"].partition(".")[0] in ("Element", "BackboneElement"):
            continue
        # The definitions call it a string, the text of the specification an id.
        kinds = ["id"] if element["path"] == _RESOURCE_ID else [_kind(kind) for kind in element.get("type", ())]
        if kinds in (["BackboneElement"], ["Element"]):
            found[element["path"]] = {"base": kinds[0], "elements": {}}
            kinds = [element["path"]]
        elif "contentReference" in element:
            kinds = [element["contentReference"].removeprefix("#")]
        found[holder]["elements"][name] = _trimmed(
            [element["min"], int(element["max"] != "1"), "|".join(kinds), _bound(element, bound), _five_ws(element)]
        )
    return found


def _kind(kind: dict[str, Any]) -> str:
    for extension in kind.get("extension", ()):
        if extension["url"] == f"{_EXTENSION}structuredefinition-fhir-type":
            return str(extension.get("valueUrl") or extension["valueUri"])
    return str(kind["code"])


def _bound(element: dict[str, Any], bound: set[str]) -> str:
    binding = element.get("binding", {})
    if binding.get("strength") != "required":
        return ""
    url = str(binding["valueSet"]).partition("|")[0]
    if url.rpartition("/")[2] in _OPEN:
        return ""
    bound.add(url)
    return url.rpartition("/")[2]


def _five_ws(element: dict[str, Any]) -> str:
    for mapping in element.get("mapping", ()):
        if mapping["identity"] == "w5":
            return str(mapping["map"]).removeprefix("FiveWs.").removesuffix("[x]")
    return ""


def _trimmed(row: list[Any]) -> list[Any]:
    while row[-1] == "":
        row.pop()
    return row


def _value_sets(package: Path, bound: set[str]) -> dict[str, dict[str, list[str]]]:
    expansions = json.loads((package / "Bundle-valueset-expansions.json").read_bytes())
    found: dict[str, dict[str, list[str]]] = {}
    for entry in expansions["entry"]:
        value_set = entry["resource"]
        if value_set.get("url") in bound:
            systems = found.setdefault(value_set["url"].rpartition("/")[2], {})
            for system, code in _codes(value_set["expansion"].get("contains", ())):
                systems.setdefault(system, []).append(code)
    missing = {url.rpartition("/")[2] for url in bound} - found.keys()
    if missing:
        raise SystemExit(f"no expansion of {', '.join(sorted(missing))}")
    return found


def _codes(contained: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for each in contained:
        if not each.get("abstract"):
            yield each["system"], each["code"]
        yield from _codes(each.get("contains", []))


if __name__ == "__main__":
    sys.exit(main())
