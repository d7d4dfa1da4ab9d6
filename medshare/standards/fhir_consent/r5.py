"""Consent of FHIR R5.

There is a base decision, provisions are exceptions to it, and those in them exceptions to these; there is no third
level. Written, the base denies, each provision permits, and holds the denials that prevail over it: what beats what
follows from the nesting alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medshare.model.ids import Address
from medshare.model.provision import Effect
from medshare.standards.fhir_consent import references
from medshare.standards.fhir_consent.codes import CONSENT_DOCUMENT, POLICY, concept
from medshare.standards.fhir_consent.elements import Element
from medshare.standards.fhir_consent.periods import instant, read_span, span
from medshare.standards.fhir_consent.r4 import check_categories, check_verifications
from medshare.standards.fhir_consent.reading import Branch, ImportedConsent, Statement, imported
from medshare.standards.fhir_consent.references import Known
from medshare.standards.fhir_consent.rules import R5_KINDS, Rule, read_rule
from medshare.standards.fhir_consent.writing import begun, giver, not_expressible, rule, source, whole
from medshare.standards.given import GivenConsent

_SAYS_NOTHING_OF_ACCESS = (
    *("resourceType", "meta", "text", "language", "contained", "identifier"),
    *("date", "grantor", "manager", "sourceAttachment", "sourceReference"),
)


def to_fhir(given: GivenConsent) -> dict[str, Any]:
    """Return a consent as a Consent of R5.

    Raises:
        NotExpressibleError: FHIR has no place for something; the message names the provision.
    """
    terms = given.terms
    permissions = [each for each in terms.provisions if each.effect is Effect.PERMIT]
    denials = [each for each in terms.provisions if each.effect is Effect.DENY]
    if all(permission.records for permission in permissions):
        for denial in denials:
            if not denial.records:
                raise not_expressible(
                    terms, denial, "it denies what these terms permit nowhere, and R5 has denials only as exceptions"
                )
    consent: dict[str, Any] = {
        **begun(given),
        "category": [concept(CONSENT_DOCUMENT)],
        "subject": references.person(terms.patient, given.chain_id, "Patient"),
        "date": instant(given.given_at)[:10],
        "period": span(given.grant.not_before, given.grant.expires_at),
        "grantor": [giver(given)],
        "grantee": [references.person(terms.grantee, given.chain_id)],
        "sourceReference": [source(given)],
        "policyBasis": {"url": POLICY},
        "decision": "deny",
        "provision": [],
    }
    if given.organization is not None:
        consent["controller"] = [references.person(given.organization, given.chain_id, "Organization")]
    for permission in permissions:
        permitted = rule(given, permission, R5_KINDS)
        nested = [rule(given, each, R5_KINDS) for each in denials if each.records or not permission.records]
        consent["provision"].append({**permitted, "provision": nested} if nested else permitted)
    return whole(consent)


def from_fhir(resource: Mapping[str, Any], known: Known, reader: Address | None = None) -> ImportedConsent:
    """Return what a Consent of R5 says to one reader.

    Args, Raises: as ``r4.from_fhir``.
    """
    consent = Element(resource, "Consent")
    if consent.peek("resourceType") != "Consent":
        consent.refuse("is no Consent", "resourceType")
    if consent.has("scope") or consent.has("patient"):
        consent.refuse("is a Consent of FHIR R4, not R5")
    consent.pass_over(*_SAYS_NOTHING_OF_ACCESS)
    if consent.text("status") != "active":
        consent.refuse("it is not in force", "status")
    check_categories(consent)
    subject, controllers, grantees = consent.one("subject"), consent.many("controller"), consent.many("grantee")
    if subject is None:
        consent.refuse("it names no patient", "subject")
    policies = _policies(consent)
    check_verifications(consent)
    period = read_span(consent.one("period"))
    decision = consent.text("decision")
    if decision not in list(Effect):
        consent.refuse("must be permit or deny", "decision")
    provisions = consent.many("provision")
    consent.end()
    permits = Effect(decision) is Effect.PERMIT
    branches = [Branch(rule=Rule(path="Consent.decision", effect=Effect.PERMIT))] if permits else []
    denials = []
    for provision in provisions:
        branch = _branch(provision, known, Effect.DENY if permits else Effect.PERMIT)
        if not permits:
            branches.append(branch)
        elif branch.exceptions:
            raise branch.exceptions[0].refuse("a permission within a denial is not a provision of its own")
        else:
            denials.append(branch.rule)
    return imported(
        Statement(
            patient=known.person(subject),
            policies=policies,
            organizations=tuple(map(known.person, controllers)),
            readers=tuple(dict.fromkeys(known.person_or_group(each) for each in grantees)),
            purposes=(),
            period=period,
            permits=permits,
            branches=tuple(branches),
            denials=tuple(denials),
        ),
        known,
        reader,
    )


def _policies(consent: Element) -> frozenset[str]:
    basis = consent.one("policyBasis")
    if basis is None:
        return frozenset()
    url = basis.text("url")
    basis.end()
    if url is None:
        basis.refuse("a policy is named by its URL", "url")
    return frozenset({url})


def _branch(provision: Element, known: Known, effect: Effect) -> Branch:
    """Return a provision with its exceptions, which say the contrary."""
    elements = provision.many("provision")
    found = read_rule(provision, effect, known, R5_KINDS)
    contrary = Effect.DENY if effect is Effect.PERMIT else Effect.PERMIT
    exceptions = []
    for element in elements:
        if element.has("provision"):
            element.refuse("medshare has no exceptions to exceptions", "provision")
        exceptions.append(read_rule(element, contrary, known, R5_KINDS))
    return Branch(rule=found, exceptions=tuple(exceptions))
