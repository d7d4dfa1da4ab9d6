"""What is written into a Consent: a grant with its terms, and who gave it where and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medshare.content import Cid
from medshare.errors import InvalidInputError, NotExpressibleError
from medshare.model.documents import MAX_DOCUMENT_SIZE, encode_document
from medshare.model.grant import Grant
from medshare.model.ids import Address, BundleId
from medshare.model.provision import Provision
from medshare.model.terms import Terms
from medshare.standards.fhir_consent import references
from medshare.standards.fhir_consent.rules import conditions

STUDY_EXTENSION = "http://hl7.org/fhir/StructureDefinition/consent-ResearchStudyContext"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenConsent:
    """A consent as it was given on chain."""

    terms: Terms
    grant: Grant
    given_at: int
    """When it was last granted, Unix seconds."""
    given_by: Address
    """The patient, or somebody who acts for him."""
    ended: bool
    """Whether it was revoked, or has expired."""
    chain_id: int
    registry: Address
    """The contract that holds the grant."""
    bundle: BundleId
    """Where its sealed text is."""
    organization: Address | None = None
    """Who applies it, where a profile wants that said."""

    def __post_init__(self) -> None:
        if self.terms.grant_id() != self.grant.grant_id:
            raise InvalidInputError("these terms are not the ones the grant was given under")
        if self.terms.extra:
            raise NotExpressibleError("terms", "a later medshare wrote fields into them that could be conditions")

    @property
    def identifier(self) -> dict[str, Any]:
        """The grant, as an Identifier."""
        grant_id = self.grant.grant_id
        return references.uri_identifier(references.token(grant_id, self.registry, self.chain_id))

    @property
    def source(self) -> dict[str, Any]:
        """Where the full text lies, encrypted, as a Reference."""
        uri = f"ipfs://{Cid.of_directory(self.bundle)}"
        return {"type": "DocumentReference", "identifier": references.uri_identifier(uri)}

    @property
    def study(self) -> dict[str, Any]:
        """The request that it accepts, as HL7's extension of a Consent; nothing where it accepts none."""
        accepted = self.terms.request
        if accepted is None:
            return {}
        uri = f"{references.did(accepted.contract, self.chain_id)}#{accepted.request_id}"
        reference = {"type": "ResearchStudy", "identifier": references.uri_identifier(uri)}
        return {"extension": [{"url": STUDY_EXTENSION, "valueReference": reference}]}

    def person(self, account: Address, kind: str | None = None) -> dict[str, Any]:
        """Return a Reference to somebody on the same chain."""
        return references.person(account, self.chain_id, kind)

    def giver(self) -> dict[str, Any]:
        """Return a Reference to who gave it."""
        is_patient = self.given_by == self.terms.patient
        return self.person(self.given_by, "Patient" if is_patient else "RelatedPerson")

    def conditions(self, provision: Provision, kinds: str) -> dict[str, Any]:
        """Return a provision's elements; raises ``NotExpressibleError``, which names it by its number."""
        try:
            return conditions(provision, kinds, self.chain_id)
        except InvalidInputError as error:
            raise not_expressible(self.terms, provision, str(error)) from error


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
