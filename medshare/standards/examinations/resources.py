"""The examinations that a FHIR resource tells: its own, and those of what it contains or carries."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from medshare.standards.examinations.examination import Code, Examination
from medshare.standards.fhir.describing import clinical_date, inner_resources

_Resource = Mapping[str, Any]
_Within = Mapping[str, _Resource]

_DONE = frozenset({"final", "amended", "corrected"})
_FINAL: Mapping[object, frozenset[str]] = {
    "Observation": _DONE,
    # Appended: final, and something was added.
    "DiagnosticReport": _DONE | {"appended"},
    "ImagingStudy": frozenset({"available"}),
    "Procedure": frozenset({"completed"}),
}
# When it was made, and not when it was written.
_MADE = ("effective", "performed", "started")
_CONCLUDES = ("conclusion", "conclusionCode", "presentedForm")


def of_resource(resource: _Resource) -> tuple[Examination, ...]:
    """Return the examinations of a resource, however wrong it is otherwise."""
    return tuple(_all(resource, ChainMap(), None))


def _all(resource: _Resource, outer: ChainMap[str, _Resource], when: str | None) -> Iterator[Examination]:
    within = outer.new_child(_named(resource))
    when = _when(resource) or when
    yield from _own(resource, within, when)
    # What a report contains and does not date is as old as the report.
    inherited = when if resource.get("resourceType") == "DiagnosticReport" else None
    for inner in inner_resources(resource):
        yield from _all(inner, within, inherited)


def _named(resource: _Resource) -> dict[str, _Resource]:
    """Return what a resource contains or carries, by what it is referred to as."""
    named: dict[str, _Resource] = {}
    for each in _objects(resource.get("contained")):
        named[f"#{each.get('id')}"] = each
    for entry in _objects(resource.get("entry")):
        inner = entry.get("resource")
        if isinstance(inner, dict):
            named[f"{inner.get('resourceType')}/{inner.get('id')}"] = inner
            named[str(entry.get("fullUrl"))] = inner
    return named


def _own(resource: _Resource, within: _Within, when: str | None) -> Iterator[Examination]:
    made = partial(Examination, when=when, final=_is_final(resource))
    match resource.get("resourceType"):
        case "Observation":
            parts = _objects(resource.get("component"))
            composed = bool(parts) or _refers(resource.get("hasMember"), within)
            found = _observed(resource, within)
            yield made(codes=_codes(resource.get("code")), has_result=found, composed=composed)
            for each in parts:
                yield made(codes=_codes(each.get("code")), has_result=_has_value(each))
        case "DiagnosticReport":
            composed = _refers(resource.get("result"), within)
            yield made(codes=_codes(resource.get("code")), has_result=_reported(resource, within), composed=composed)
        case "ImagingStudy":
            several = _objects(resource.get("procedureCode"))
            found = bool(_objects(resource.get("series")))
            yield made(codes=frozenset[Code]().union(*map(_codes, several)), has_result=found)
        case "Procedure":
            yield made(codes=_codes(resource.get("code")), has_result=_performed(resource, within))


def _refers(references: object, within: _Within) -> bool:
    """Whether all that is referred to, and that is something, is in the record."""
    several = [_reference(each) in within for each in _objects(references)]
    return bool(several) and all(several)


def _is_final(resource: _Resource) -> bool:
    status = resource.get("status")
    return isinstance(status, str) and status in _FINAL.get(resource.get("resourceType"), frozenset())


def _when(resource: _Resource) -> str | None:
    made = {name: value for name, value in resource.items() if name.startswith(_MADE)}
    return clinical_date({"effectiveDateTime": made.pop("effectiveInstant", None), **made})


def _observed(observation: _Resource, within: _Within) -> bool | None:
    """Whether an observation has a value, or one of its parts has; None where those of its parts are elsewhere."""
    return _valued(observation) or _any_of(observation.get("hasMember"), within)


def _reported(report: _Resource, within: _Within) -> bool | None:
    if any(report.get(name) for name in _CONCLUDES):
        return True
    found = _any_of(report.get("result"), within)
    # Its text may say what nothing else in it does.
    return None if found is False and report.get("text") else found


def _performed(procedure: _Resource, within: _Within) -> bool | None:
    if procedure.get("outcome"):
        return True
    several = [within.get(_reference(each)) for each in _objects(procedure.get("report"))]
    found = [None if each is None else _is_final(each) and _reported(each, within) for each in several]
    return True if True in found else None if None in found else False


def _any_of(references: object, within: _Within) -> bool | None:
    """Whether one of the observations that are referred to has a value; None where those that may are elsewhere."""
    several = [within.get(_reference(each)) for each in _objects(references)]
    found = [None if each is None else _is_final(each) and _member(each) for each in several]
    return True if True in found else None if None in found else False


def _member(observation: _Resource) -> bool | None:
    # Members of members are not followed: they may come round in a circle.
    return _valued(observation) or (None if observation.get("hasMember") else False)


def _valued(observation: _Resource) -> bool:
    return _has_value(observation) or any(map(_has_value, _objects(observation.get("component"))))


def _has_value(element: _Resource) -> bool:
    return any(name.startswith("value") and value not in (None, "", {}, []) for name, value in element.items())


def _codes(concept: object) -> frozenset[Code]:
    several = _objects(concept.get("coding")) if isinstance(concept, dict) else []
    said = ((each.get("system"), each.get("code")) for each in several)
    return frozenset(
        Code.of(system, code)
        for system, code in said
        if isinstance(system, str) and isinstance(code, str) and system and code
    )


def _reference(element: _Resource) -> str:
    return str(element.get("reference"))


def _objects(several: object) -> list[dict[str, Any]]:
    return [each for each in several if isinstance(each, dict)] if isinstance(several, list) else []
