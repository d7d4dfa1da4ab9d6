"""Everything that is checked of a FHIR resource."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from medshare.model.finding import Finding, Severity
from medshare.standards.fhir import library, references
from medshare.standards.fhir.structure import MAX_FINDINGS, survey


def check(resource: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return what is wrong with a resource: at most ``MAX_FINDINGS`` of each kind of check."""
    seen = survey(resource)
    if any(finding.severity is Severity.ERROR for finding in seen.findings):
        # What follows takes names and shapes for granted.
        return tuple(seen.findings)
    return (*seen.findings, *islice(_more(resource), MAX_FINDINGS))


def _more(resource: Mapping[str, Any]) -> Iterator[Finding]:
    yield from references.check_within(resource)
    if library.is_there():
        yield from library.check(resource)
