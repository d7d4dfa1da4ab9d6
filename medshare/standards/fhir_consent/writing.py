"""What both versions of a Consent have in common when they are written: identifiers, sources, people, provisions."""

from __future__ import annotations

from typing import Any

from medshare.content import Cid
from medshare.errors import InvalidInputError, NotExpressibleError
from medshare.model.documents import MAX_DOCUMENT_SIZE, encode_document
from medshare.model.provision import Provision
from medshare.model.terms import Terms
from medshare.standards.fhir_consent import references
from medshare.standards.fhir_consent.rules import conditions
from medshare.standards.given import GivenConsent

STUDY_EXTENSION = "http://hl7.org/fhir/StructureDefinition/consent-ResearchStudyContext"


def begun(given: GivenConsent) -> dict[str, Any]:
    """Return the elements that both versions begin with; raises ``NotExpressibleError``."""
    if given.terms.extra:
        raise NotExpressibleError("terms", "a later medshare wrote fields into them that could be conditions")
    return {
        "resourceType": "Consent",
        **_study(given),
        "identifier": [references.uri_identifier(given.token)],
        "status": "inactive" if given.ended else "active",
    }


def source(given: GivenConsent) -> dict[str, Any]:
    """Return where the full text lies, encrypted, as a Reference; raises ``NotExpressibleError``."""
    if given.bundle is None:
        raise NotExpressibleError("bundle", "the consent is not given yet, and its text lies nowhere")
    uri = f"ipfs://{Cid.of_directory(given.bundle)}"
    return {"type": "DocumentReference", "identifier": references.uri_identifier(uri)}


def giver(given: GivenConsent) -> dict[str, Any]:
    """Return a Reference to who gave it."""
    is_patient = given.given_by == given.terms.patient
    return references.person(given.given_by, given.chain_id, "Patient" if is_patient else "RelatedPerson")


def rule(given: GivenConsent, provision: Provision, kinds: str) -> dict[str, Any]:
    """Return a provision's elements; raises ``NotExpressibleError``, which names it by its number."""
    try:
        return conditions(provision, kinds, given.chain_id)
    except InvalidInputError as error:
        raise not_expressible(given.terms, provision, str(error)) from error


def not_expressible(terms: Terms, provision: Provision, reason: str, hint: str | None = None) -> NotExpressibleError:
    """Return the error that says why one provision of these terms cannot be written."""
    return NotExpressibleError(f"provision {terms.provisions.index(provision) + 1}", reason, hint=hint)


def whole(consent: dict[str, Any]) -> dict[str, Any]:
    """Return a Consent that another medshare can read; raises ``NotExpressibleError`` where it is too large."""
    if len(encode_document(consent)) > MAX_DOCUMENT_SIZE:
        raise NotExpressibleError(
            "terms", "as a Consent they are larger than medshare reads", hint="make several grants"
        )
    return consent


def _study(given: GivenConsent) -> dict[str, Any]:
    """Return the request that it accepts, as HL7's extension of a Consent; nothing where it accepts none."""
    accepted = given.terms.request
    if accepted is None:
        return {}
    uri = f"{given.did(accepted.contract)}#{accepted.request_id}"
    reference = {"type": "ResearchStudy", "identifier": references.uri_identifier(uri)}
    return {"extension": [{"url": STUDY_EXTENSION, "valueReference": reference}]}
