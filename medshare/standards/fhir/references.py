"""References: whom a resource is about, and whether what is referred to within a document is there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from medshare.model.finding import Finding, error, warning

PATIENT = "Patient"

# The elements in which R4's types say whom they are about.
_SUBJECTS = ("subject", "patient", "beneficiary", "individual", "for")
_TYPED = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?$")
_LOCAL = ("urn:uuid:", "urn:oid:")


def patients_of(resource: Mapping[str, Any], aliases: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the patients that a resource is about, as it refers to them, sorted; of a Bundle, of all its entries.

    Args:
        resource: what was read.
        aliases: what each full URL of a Bundle stands for; those of a Bundle itself are found.
    """
    if resource.get("resourceType") == "Bundle":
        return patients_of_all(resources_of(resource), aliases_of(resource))
    return tuple(sorted(_patients(resource, aliases or {})))


def patients_of_all(resources: Iterable[Mapping[str, Any]], aliases: Mapping[str, str]) -> tuple[str, ...]:
    """Return the patients that several resources are about, sorted."""
    return tuple(sorted({patient for each in resources for patient in _patients(each, aliases)}))


def resources_of(bundle: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the resources of a Bundle's entries."""
    for entry in _entries(bundle):
        if isinstance(entry.get("resource"), dict):
            yield entry["resource"]


def aliases_of(bundle: Mapping[str, Any]) -> dict[str, str]:
    """Return what each full URL of a Bundle's patients stands for: one patient has one reference."""
    found = {}
    for entry in _entries(bundle):
        url, resource = entry.get("fullUrl"), entry.get("resource")
        if isinstance(url, str) and isinstance(resource, dict) and resource.get("resourceType") == PATIENT:
            found[url] = _own(resource) or url
    return found


def check_within(resource: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield an error for each reference to something that must be within the resource, and is not."""
    if resource.get("resourceType") == "Bundle":
        yield from _check_bundle(resource)
        return
    yield from check_contained(resource, str(resource.get("resourceType")))


def check_contained(resource: Mapping[str, Any], place: str) -> Iterator[Finding]:
    """Yield an error for each reference to a contained resource that is not there."""
    contained = resource.get("contained")
    ids = {each.get("id") for each in contained if isinstance(each, dict)} if isinstance(contained, list) else set()
    for at, reference in _references(resource, place):
        if reference.startswith("#") and reference != "#" and reference[1:] not in ids:
            yield error("reference", at, "what it refers to is not contained")


def check_local(resource: Mapping[str, Any], place: str, urls: frozenset[str]) -> Iterator[Finding]:
    """Yield an error for each reference to a URN that no entry of the Bundle has: it means nothing anywhere else."""
    for at, reference in _references(resource, place):
        if reference.startswith(_LOCAL) and reference.partition("#")[0] not in urls:
            yield error("reference", at, "no entry of the Bundle has what it refers to")


def urls_of(bundle: Mapping[str, Any]) -> frozenset[str]:
    """Return the full URLs of a Bundle's entries."""
    return frozenset(entry["fullUrl"] for entry in _entries(bundle) if isinstance(entry.get("fullUrl"), str))


def check_urls(bundle: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield an error for each full URL that two entries have, unless it is another version; a history has versions."""
    if bundle.get("type") == "history":
        return
    seen = set()
    for number, entry in enumerate(_entries(bundle)):
        url, resource = entry.get("fullUrl"), entry.get("resource")
        meta = resource.get("meta") if isinstance(resource, dict) else None
        version = meta.get("versionId") if isinstance(meta, dict) else None
        if isinstance(url, str) and (url, str(version)) in seen:
            yield error("full-url", f"Bundle.entry[{number}].fullUrl", "an entry before it has the same")
        seen.add((url, str(version)))


def _check_bundle(bundle: Mapping[str, Any]) -> Iterator[Finding]:
    yield from check_urls(bundle)
    urls = urls_of(bundle)
    for number, entry in enumerate(_entries(bundle)):
        resource = entry.get("resource")
        if isinstance(resource, dict):
            place = f"Bundle.entry[{number}].resource"
            yield from check_contained(resource, place)
            yield from check_local(resource, place, urls)
    if bundle.get("type") in ("document", "message") and len(patients_of(bundle)) > 1:
        yield warning("patients", "Bundle", "it is one record, and speaks of several patients")


def _patients(resource: Mapping[str, Any], aliases: Mapping[str, str]) -> Iterator[str]:
    if resource.get("resourceType") == PATIENT:
        own = _own(resource)
        if own is not None:
            yield own
        return
    for name in _SUBJECTS:
        value = resource.get(name)
        for each in value if isinstance(value, list) else (value,):
            found = _patient(each, resource, aliases) if isinstance(each, dict) else None
            if found is not None:
                yield found


def _own(patient: Mapping[str, Any]) -> str | None:
    own = patient.get("id")
    return f"{PATIENT}/{own}" if isinstance(own, str) else None


def _patient(reference: Mapping[str, Any], resource: Mapping[str, Any], aliases: Mapping[str, str]) -> str | None:
    """Return which patient a reference names, or None where it names none."""
    text, identifier = reference.get("reference"), reference.get("identifier")
    if isinstance(text, str):
        if text in aliases:
            return aliases[text]
        if text.startswith("#"):
            return _contained_patient(text[1:], resource)
        typed = _TYPED.search(text)
        if typed is not None:
            # A relative reference and one to a certain version name the patient; an absolute one says whose he is.
            return text.partition("/_history/")[0] if typed[1] == PATIENT else None
        return text if reference.get("type") == PATIENT else None
    if isinstance(identifier, dict) and reference.get("type", PATIENT) == PATIENT:
        return f"{identifier.get('system', '')}|{identifier.get('value', '')}"
    return None


def _contained_patient(local: str, resource: Mapping[str, Any]) -> str | None:
    contained = resource.get("contained")
    for each in contained if isinstance(contained, list) else ():
        if isinstance(each, dict) and each.get("id") == local and each.get("resourceType") == PATIENT:
            identifiers = each.get("identifier")
            first = identifiers[0] if isinstance(identifiers, list) and identifiers else None
            # Its id means nothing elsewhere.
            return f"{first.get('system', '')}|{first.get('value', '')}" if isinstance(first, dict) else None
    return None


def _entries(bundle: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    several = bundle.get("entry")
    yield from (entry for entry in several if isinstance(entry, dict)) if isinstance(several, list) else ()


def _references(value: object, place: str) -> Iterator[tuple[str, str]]:
    """Yield each literal reference with its place."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "reference" and isinstance(inner, str):
                yield f"{place}.reference", inner
            elif isinstance(inner, dict | list):
                # Only names that R4 has would do in a place, and whoever asks has seen to that.
                yield from _references(inner, f"{place}.{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _references(each, f"{place}[{number}]")
