"""Consents as FHIR Consent, R4 and R5, and as IHE PCF profiles it; and back.

Both ways the decision stays: what one side cannot say is refused, with the provision or element, and never left out.
docs/consent-standards.md has the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from medshare.model.documents import MAX_DOCUMENT_SIZE, decode_document
from medshare.model.ids import Address
from medshare.standards.fhir_consent import r4, r5
from medshare.standards.fhir_consent.pcf import Conformance, Profile, profile_of
from medshare.standards.fhir_consent.reading import BreakGlass, ImportedConsent
from medshare.standards.fhir_consent.references import Known

__all__ = [
    "BreakGlass",
    "Conformance",
    "ImportedConsent",
    "Known",
    "Profile",
    "Version",
    "profile_of",
    "read_consent",
    "version_of",
]


class Version(StrEnum):
    """A version of FHIR."""

    R4 = "fhir-r4"
    R5 = "fhir-r5"


_READERS: Mapping[Version, Callable[[Mapping[str, Any], Known, Address | None], ImportedConsent]] = {
    Version.R4: r4.from_fhir,
    Version.R5: r5.from_fhir,
}


def version_of(resource: Mapping[str, Any]) -> Version:
    """Return of which version a Consent looks to be: R5 has a decision about a subject, R4 a scope and a patient."""
    return Version.R5 if "decision" in resource or "subject" in resource else Version.R4


def read_consent(document: bytes, known: Known, reader: Address | None = None) -> ImportedConsent:
    """Return what a Consent, of R4 or R5, says to one reader.

    Args:
        document: the Consent, as JSON.
        known: whom its references mean, and which policies were read.
        reader: who would be granted it; default: the one whom it names.

    Raises:
        InvalidInputError: not well-formed JSON, duplicate keys included; or it names not one reader.
        NotExpressibleError: it says what provisions cannot; the message names the element.
    """
    resource = decode_document(document.removeprefix(b"\xef\xbb\xbf"), MAX_DOCUMENT_SIZE)
    return _READERS[version_of(resource)](resource, known, reader)
