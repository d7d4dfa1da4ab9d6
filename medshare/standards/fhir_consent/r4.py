"""Consent of FHIR R4 (and R4B, where it is the same).

The root provision sets the context, and those in it are its exceptions; there is no third level. R4 allows no type on
the root and IHE PCF requires one: both are read. Written without a profile, the base rule is a policyRule (OPTOUT),
each provision stands as it is, and the policy says which prevails. Written in a profile of PCF nothing depends on
that: either one permission with its exceptions, or permissions alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medshare.model.ids import Address
from medshare.model.provision import Effect, Provision
from medshare.standards.fhir_consent import references
from medshare.standards.fhir_consent.codes import (
    CATEGORIES,
    CONSENT_DOCUMENT,
    OPT_IN,
    OPT_OUT,
    POLICY,
    PRIVACY,
    RECIPIENT,
    RESEARCH,
    concept,
)
from medshare.standards.fhir_consent.elements import Element, codes_of
from medshare.standards.fhir_consent.pcf import Profile, arranged
from medshare.standards.fhir_consent.periods import instant, span
from medshare.standards.fhir_consent.reading import Branch, ImportedConsent, Statement, imported
from medshare.standards.fhir_consent.references import Known
from medshare.standards.fhir_consent.rules import R4_KINDS, Rule, read_rule
from medshare.standards.fhir_consent.writing import begun, giver, rule, source, whole
from medshare.standards.given import GivenConsent

_BASE = {OPT_IN: Effect.PERMIT, OPT_OUT: Effect.DENY}
_SAYS_NOTHING_OF_ACCESS = (
    *("resourceType", "meta", "text", "language", "contained", "identifier"),
    *("dateTime", "performer", "sourceAttachment", "sourceReference"),
)


def to_fhir(given: GivenConsent, profile: Profile | None = None) -> dict[str, Any]:
    """Return a consent as a Consent of R4.

    Args:
        given: the consent.
        profile: a profile of IHE PCF that it shall conform to.

    Raises:
        NotExpressibleError: neither FHIR nor the profile has a place for something; the message names the provision.
    """
    provisions = given.terms.provisions
    consent: dict[str, Any] = {
        **begun(given),
        "scope": concept(PRIVACY),
        "category": [concept(CONSENT_DOCUMENT)],
        "patient": references.person(given.terms.patient, given.chain_id, "Patient"),
        "dateTime": instant(given.given_at),
        "performer": [giver(given)],
        "sourceReference": source(given),
        "policy": [{"uri": POLICY}],
    }
    if given.organization is not None:
        consent["organization"] = [references.person(given.organization, given.chain_id, "Organization")]
    root: dict[str, Any] = {
        "period": span(given.grant.not_before, given.grant.expires_at),
        "actor": [{"role": concept(RECIPIENT), "reference": references.person(given.terms.grantee, given.chain_id)}],
    }
    if profile is None:
        consent["policyRule"] = concept(OPT_OUT)
        exceptions: tuple[Provision, ...] = provisions
    else:
        arrangement = arranged(given, profile)
        consent["meta"] = {"profile": [profile.url]}
        root["type"] = "deny" if arrangement.root is None else "permit"
        exceptions = arrangement.exceptions
        if arrangement.root is not None:
            root |= rule(given, arrangement.root, R4_KINDS)
            if profile is not Profile.ADVANCED:
                del root["securityLabel"]
    nested = [{"type": each.effect.value, **rule(given, each, R4_KINDS)} for each in exceptions]
    if profile not in (None, Profile.ADVANCED):
        for exception in nested:
            exception.pop("securityLabel", None)
    if nested:
        root["provision"] = nested
    consent["provision"] = root
    return whole(consent)


def from_fhir(resource: Mapping[str, Any], known: Known, reader: Address | None = None) -> ImportedConsent:
    """Return what a Consent of R4 says to one reader.

    Args:
        resource: the Consent, decoded.
        known: whom its references mean, and which policies were read.
        reader: who would be granted it; default: the one whom it names.

    Raises:
        NotExpressibleError: it says what provisions cannot, or is no Consent of R4 that is in force; the message
            names the element.
        InvalidInputError: it names not one reader, and none was given.
    """
    consent = Element(resource, "Consent")
    if consent.peek("resourceType") != "Consent":
        consent.refuse("is no Consent", "resourceType")
    if consent.has("decision") or consent.has("subject"):
        consent.refuse("is a Consent of FHIR R5, not R4")
    consent.pass_over(*_SAYS_NOTHING_OF_ACCESS)
    if consent.text("status") != "active":
        consent.refuse("it is not in force", "status")
    if not codes_of(consent.one("scope")) & {PRIVACY, RESEARCH}:
        consent.refuse("it is not about access to information", "scope")
    check_categories(consent)
    patient, organizations = consent.one("patient"), consent.many("organization")
    if patient is None:
        consent.refuse("it names no patient", "patient")
    policies = _policies(consent)
    base = _base_by_policy(consent)
    check_verifications(consent)
    provision = consent.one("provision")
    if provision is None:
        consent.refuse("it permits nothing and denies nothing", "provision")
    consent.end()
    root, nested = _rules(provision, base, known, default=Effect.DENY if policies == {POLICY} else None)
    permits = root.effect is Effect.PERMIT
    branches = [Branch(rule=root)] if permits else []
    branches += [Branch(rule=each) for each in nested if each.effect is Effect.PERMIT]
    return imported(
        Statement(
            patient=known.person(patient),
            policies=policies,
            organizations=tuple(map(known.person, organizations)),
            readers=root.readers,
            purposes=root.purposes,
            period=root.period,
            permits=permits,
            branches=tuple(branches),
            denials=tuple(each for each in nested if each.effect is Effect.DENY),
            labels=root.labels,
        ),
        known,
        reader,
    )


def check_categories(consent: Element) -> None:
    """Refuse a Consent that is of another kind than about access to information."""
    for category in consent.many("category"):
        if not codes_of(category) & CATEGORIES:
            category.refuse("it is not about access to information, or under conditions that are not in it")


def check_verifications(consent: Element) -> None:
    """Refuse a Consent that somebody could not verify with the patient."""
    for verification in consent.many("verification"):
        if verification.flag("verified") is not True:
            verification.refuse("it has not been verified with the patient", "verified")


def _policies(consent: Element) -> frozenset[str]:
    found = set()
    for policy in consent.many("policy"):
        uri = policy.text("uri")
        policy.end()
        if uri is None:
            policy.refuse("a policy is named by its URI", "uri")
        found.add(uri)
    return frozenset(found)


def _base_by_policy(consent: Element) -> Effect | None:
    policy = consent.one("policyRule")
    if policy is None:
        return None
    found = [_BASE[code] for code in codes_of(policy) if code in _BASE]
    if len(found) != 1:
        policy.refuse("medshare knows OPTIN and OPTOUT, and no other rule")
    return found[0]


def _rules(provision: Element, base: Effect | None, known: Known, *, default: Effect | None) -> tuple[Rule, list[Rule]]:
    """Return the root rule and its exceptions."""
    elements = provision.many("provision")
    said = _effect(provision)
    if None not in (said, base) and said is not base:
        provision.refuse("says otherwise than the policyRule", "type")
    effect = said or base or default
    if effect is None:
        provision.refuse("neither it nor a policyRule says whether it permits or denies", "type")
    root = read_rule(provision, effect, known, R4_KINDS)
    if effect is Effect.DENY and root.is_limited:
        raise root.refuse("as the base rule it denies some data only, and says nothing about the rest")
    nested = []
    for element in elements:
        if element.has("provision"):
            element.refuse("medshare has no exceptions to exceptions", "provision")
        exception = _effect(element)
        if exception is None:
            element.refuse("does not say whether it permits or denies", "type")
        found = read_rule(element, exception, known, R4_KINDS)
        if exception is Effect.PERMIT and _narrows(root):
            raise found.refuse("a permission within one that is about some data only is about less than it says")
        nested.append(found)
    return root, nested


def _effect(element: Element) -> Effect | None:
    text = element.text("type")
    if text is None:
        return None
    if text not in list(Effect):
        element.refuse("must be permit or deny", "type")
    return Effect(text)


def _narrows(root: Rule) -> bool:
    return any((root.custodians, root.categories, root.records, root.since, root.until))
