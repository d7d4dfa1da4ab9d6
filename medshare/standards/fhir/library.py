"""A second opinion, where it is installed: the models of ``fhir.resources`` (``pip install medshare[fhir]``).

Its nearest version to R4 is R4B. Where the two differ, HL7's definitions of R4 count (``structure``): types and
elements that R4B does not have are not its to judge, and names are not either.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any

from medshare.model.finding import Finding, error
from medshare.standards.fhir.references import resources_of

# R4B has made something else of these.
_CHANGED = frozenset({"Evidence", "EvidenceVariable"})


@functools.cache
def is_there() -> bool:
    """Whether the library is installed."""
    return importlib.util.find_spec("fhir") is not None and importlib.util.find_spec("fhir.resources") is not None


def check(resource: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what the library has against a resource; of a Bundle, against those of its entries."""
    if resource.get("resourceType") == "Bundle":
        for number, each in enumerate(resources_of(resource)):
            yield from _check(each, f"Bundle.entry[{number}].resource")
    else:
        yield from _check(resource, str(resource.get("resourceType")))


def _check(resource: Mapping[str, Any], place: str) -> Iterator[Finding]:
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    kind = resource.get("resourceType")
    if not isinstance(kind, str) or kind in _CHANGED:
        return
    try:
        model = get_fhir_model_class(kind)
    except (KeyError, ValueError):
        return
    try:
        model.model_validate(resource)
    except ValidationError as refused:
        for each in refused.errors(include_url=False, include_input=False, include_context=False):
            if each["type"] != "extra_forbidden":
                steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in each["loc"])
                yield error("library", f"{place}{steps}", f"fhir.resources refuses it: {each['type']}")
