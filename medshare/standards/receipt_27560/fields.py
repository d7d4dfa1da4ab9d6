"""The fields of ISO/IEC TS 27560: which there are, which must be there, and what W3C's vocabulary calls them.

The names are the standard's own. The context makes the same document JSON-LD in the Data Privacy Vocabulary.
"""

from __future__ import annotations

from typing import Any

RECEIPT_SCHEMA = "https://w3id.org/dpv/schema/dpv-27560#receipt"
RECORD_SCHEMA = "https://w3id.org/dpv/schema/dpv-27560#record"

BASIS = "dpv:ExplicitlyExpressedConsent"
"""What a signed grant is."""

HEADER = ("schema_version", "receipt_id", "created", "consent_record", "grant", "terms")
"""Of a receipt: the standard's two, when it was made and of what, and what ties it to the chain."""
RECORD = ("schema_version", "record_id", "pii_principal_id", "processing", "parties", "events")
PROCESSING = (
    "privacy_notice",
    "language",
    "purposes",
    "pii_information",
    "pii_controllers",
    "storage_locations",
    "retention_period",
    "jurisdiction",
    "recipient_third_parties",
    "withdrawal_method",
)
PII = ("pii_type",)
PARTY = ("party_id", "party_name", "party_address", "party_contact", "party_type")
EVENT = ("event_time", "validity_duration", "entity_id", "event_type", "event_state")

OPTIONAL_PARTY = ("party_role", "party_email", "party_url", "party_phone")
OPTIONAL_PROCESSING = (
    "purpose_type",
    "lawful_basis",
    "collection_method",
    "processing_method",
    "processing_locations",
    "geographic_restrictions",
    "service",
    "privacy_rights",
    "codes_of_conduct",
    "impact_assessment",
    "authority_party",
)

CONTEXT: dict[str, Any] = {
    "@version": 1.1,
    "dpv": "https://w3id.org/dpv#",
    "dct": "http://purl.org/dc/terms/",
    "schema_version": {"@id": "dct:conformsTo", "@type": "@id"},
    "receipt_id": "dct:identifier",
    "created": "dct:created",
    "consent_record": "dpv:hasRecordOfActivity",
    "record_id": "dct:identifier",
    "pii_principal_id": {"@id": "dpv:hasDataSubject", "@type": "@id"},
    "processing": "dpv:hasProcess",
    "privacy_notice": {"@id": "dpv:hasNotice", "@type": "@id"},
    "language": "dct:language",
    "purposes": {"@id": "dpv:hasPurpose", "@type": "@id"},
    "purpose_type": "dpv:hasPurpose",
    "lawful_basis": "dpv:hasLegalBasis",
    "pii_information": "dpv:hasPersonalData",
    "pii_type": "dct:type",
    "pii_attribute_id": {"@id": "dct:identifier", "@type": "@id"},
    "sensitive_pii_category": "dpv:hasSensitivityLevel",
    "special_pii_category": "dct:subject",
    "pii_controllers": {"@id": "dpv:hasDataController", "@type": "@id"},
    "collection_method": "dpv:hasDataSource",
    "processing_method": "dpv:hasProcessing",
    "storage_locations": "dpv:hasStorageCondition",
    "retention_period": "dpv:hasDuration",
    "processing_locations": "dpv:hasLocation",
    "geographic_restrictions": "dpv:hasRule",
    "service": "dpv:hasService",
    "jurisdiction": "dpv:hasJurisdiction",
    "recipient_third_parties": {"@id": "dpv:hasRecipient", "@type": "@id"},
    "withdrawal_method": "dpv:hasConsentControl",
    "privacy_rights": "dpv:hasRight",
    "codes_of_conduct": "dpv:hasOrganisationalMeasure",
    "impact_assessment": "dpv:hasImpactAssessment",
    "authority_party": "dpv:hasAuthority",
    "obligations": "dpv:hasObligation",
    "study": "dpv:hasContext",
    "title": "dct:title",
    "institution": "dpv:hasOrganisation",
    "contact": "dpv:hasContact",
    "document": {"@id": "dct:source", "@type": "@id"},
    "data_use": "dpv:hasPurpose",
    "code": {"@id": "dct:identifier", "@type": "@id"},
    "values": "dct:subject",
    "DUO": "http://purl.obolibrary.org/obo/DUO_",
    "parties": "dpv:hasEntity",
    "party_id": "@id",
    "party_name": "dpv:hasName",
    "party_address": "dpv:hasAddress",
    "party_contact": "dpv:hasContact",
    "party_email": "dpv:hasContact",
    "party_url": "dpv:hasContact",
    "party_phone": "dpv:hasContact",
    "party_type": "dct:type",
    "party_role": "dct:subject",
    "events": "dpv:hasConsentStatus",
    "event_time": "dpv:isIndicatedAtTime",
    "validity_duration": "dct:valid",
    "entity_id": {"@id": "dpv:isIndicatedBy", "@type": "@id"},
    "event_type": {"@id": "dpv:hasLegalBasis", "@type": "@id"},
    "event_state": "@type",
    "grant": None,
    "terms": None,
}
