"""IHE PCF: the three profiles of Consent that it defines on R4, each with more to say than the one before.

``profile_of`` says to which a Consent conforms, and why not to the others. ``arranged`` lays provisions out so that a
Consent conforms to one of them, or refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from medshare.errors import NotExpressibleError
from medshare.model.provision import Effect, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.standards.fhir_consent.codes import (
    ACT_CODE,
    ACT_REASON,
    CONFIDENTIALITY_SYSTEM,
    PRIVACY,
    RECIPIENT,
    Code,
)
from medshare.standards.fhir_consent.writing import not_expressible
from medshare.standards.given import GivenConsent

_BASIC_PURPOSES = (PurposeOfUse.TREAT, PurposeOfUse.HPAYMT, PurposeOfUse.HOPERAT, PurposeOfUse.BTG)
_ADVANCED_LABELS = frozenset(
    {(CONFIDENTIALITY_SYSTEM, code) for code in ("N", "R")}
    | {(ACT_CODE, code) for code in ("ETH", "ETHUD", "OPIOIDUD", "PSY", "SDV", "HIV")}
)
_MEANINGS = ("instance", "related", "authoredby")


class Profile(StrEnum):
    """A profile of IHE PCF."""

    BASIC = "basic"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"

    @property
    def url(self) -> str:
        """What a Consent says that conforms to it."""
        return f"https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consent{self.capitalize()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformance:
    """To which profile a Consent conforms."""

    profile: Profile | None
    """The least of those to which it does."""
    reasons: Mapping[Profile, tuple[str, ...]]
    """Of each other profile, why it does not: elements by their paths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """Provisions as PCF nests them."""

    root: Provision | None
    """The one permission; without it the root denies, and the exceptions permit."""
    exceptions: tuple[Provision, ...]


def profile_of(consent: Mapping[str, Any]) -> Conformance:
    """Return to which profile of PCF a Consent of R4 conforms; it may say things that medshare cannot."""
    foundation = tuple(_foundation(consent))
    reasons = {profile: (*foundation, *found(_object(consent, "provision"))) for profile, found in _PROFILES.items()}
    fitting = [profile for profile, found in reasons.items() if not found]
    return Conformance(
        profile=fitting[0] if fitting else None,
        reasons={profile: found for profile, found in reasons.items() if found},
    )


def arranged(given: GivenConsent, profile: Profile) -> Arrangement:
    """Return a consent's provisions as the profile nests them.

    Raises:
        NotExpressibleError: the profile has no place for one of them; the message names it.
    """
    terms = given.terms
    if given.organization is None:
        raise NotExpressibleError(
            "terms",
            "IHE PCF wants to know which organization applies the consent",
            hint="say it with --organization WHO",
        )
    for provision in terms.provisions:
        for reason in _unsayable(provision, profile):
            raise not_expressible(terms, provision, f"IHE PCF {profile.value} {reason}")
    permissions = [each for each in terms.provisions if each.effect is Effect.PERMIT]
    denials = [each for each in terms.provisions if each.effect is Effect.DENY]
    if len(permissions) == 1:
        (root,) = permissions
        for denial in denials:
            if profile is Profile.BASIC:
                raise not_expressible(terms, denial, "IHE PCF basic has no exceptions")
            if root.records and not denial.records:
                raise not_expressible(
                    terms, denial, "an exception prevails in IHE PCF, and named records prevail over this denial"
                )
        return Arrangement(root=root, exceptions=tuple(_one_record_each(denials)))
    if profile is Profile.BASIC:
        raise not_expressible(terms, permissions[1], "IHE PCF basic has one permission", hint="make several grants")
    if denials:
        raise not_expressible(
            terms,
            denials[0],
            "of several exceptions IHE PCF does not say which prevails",
            hint="make a grant for each permission",
        )
    return Arrangement(root=None, exceptions=tuple(_one_record_each(permissions)))


def _one_record_each(provisions: list[Provision]) -> Iterator[Provision]:
    """Name each record in an exception of its own: PCF allows one there."""
    for provision in provisions:
        if len(provision.records) > 1:
            yield from (replace(provision, records=(each,)) for each in provision.records)
        else:
            yield provision


def _unsayable(provision: Provision, profile: Profile) -> Iterator[str]:
    if provision.obligations:
        yield "has no place for obligations"
    if provision.custodians:
        yield "knows recipients only, and no custodians"
    if provision.categories:
        yield "has no kinds of record (class)"
    if profile is Profile.BASIC:
        if not set(provision.purposes) <= set(_BASIC_PURPOSES):
            yield "knows the purposes TREAT, HPAYMT and HOPERAT, and no others"
        if provision.records:
            yield "names no records"
        if provision.is_windowed:
            yield "has no clinical dates"
    if profile is not Profile.ADVANCED and provision.labels:
        yield "has no labels"
    if profile is Profile.ADVANCED and not set(provision.labels) <= {code for _, code in _ADVANCED_LABELS}:
        yield f"knows the labels {', '.join(sorted(code for _, code in _ADVANCED_LABELS))}, and no others"


# ------------------------------------------------------------------------------------ what a Consent conforms to


def _foundation(consent: Mapping[str, Any]) -> Iterator[str]:
    for name in ("status", "patient", "dateTime", "policy", "category", "performer", "organization", "provision"):
        if not consent.get(name):
            yield f"Consent.{name} is missing"
    if PRIVACY not in _codings(_object(consent, "scope")):
        yield "Consent.scope is not patient-privacy"
    if sum(name in consent for name in ("sourceAttachment", "sourceReference")) != 1:
        yield "Consent.source[x] is missing"
    yield from _used(consent, "Consent", "policyRule", "verification")
    for number, policy in enumerate(_objects(consent, "policy")):
        if not policy.get("uri"):
            yield f"Consent.policy[{number}].uri is missing"
        yield from _used(policy, f"Consent.policy[{number}]", "authority")
    if not _object(consent, "provision").get("type"):
        yield "Consent.provision.type is missing"
    for path, rule, depth in _rules(_object(consent, "provision")):
        yield from _used(rule, path, "action", "class", "code", "modifierExtension", *(("provision",) if depth else ()))
        for number, actor in enumerate(_objects(rule, "actor")):
            if RECIPIENT not in _codings(_object(actor, "role")):
                yield f"{path}.actor[{number}].role is not IRCP"


def _basic(provision: Mapping[str, Any]) -> Iterator[str]:
    yield from _used(provision, "Consent.provision", "securityLabel", "dataPeriod", "data", "provision")
    for number, purpose in enumerate(_objects(provision, "purpose")):
        if _code(purpose) not in {(ACT_REASON, each.value) for each in _BASIC_PURPOSES}:
            yield f"Consent.provision.purpose[{number}] is none of the basic ones"


def _intermediate(provision: Mapping[str, Any]) -> Iterator[str]:
    yield from _data(provision)
    for path, rule, _ in _rules(provision):
        yield from _used(rule, path, "securityLabel")


def _advanced(provision: Mapping[str, Any]) -> Iterator[str]:
    yield from _data(provision)
    for path, rule, _ in _rules(provision):
        for number, label in enumerate(_objects(rule, "securityLabel")):
            if _code(label) not in _ADVANCED_LABELS:
                yield f"{path}.securityLabel[{number}] is none of the advanced ones"


def _data(provision: Mapping[str, Any]) -> Iterator[str]:
    for path, rule, depth in _rules(provision):
        meanings = [each.get("meaning") for each in _objects(rule, "data")]
        for number, meaning in enumerate(meanings):
            if meaning not in _MEANINGS:
                yield f"{path}.data[{number}].meaning is none of {', '.join(_MEANINGS)}"
        if depth and len(set(meanings)) < len(meanings):
            yield f"{path}.data has one meaning twice"


_PROFILES: Mapping[Profile, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    Profile.BASIC: _basic,
    Profile.INTERMEDIATE: _intermediate,
    Profile.ADVANCED: _advanced,
}


def _rules(provision: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    """Yield the root rule and its exceptions, each with path and depth."""
    yield "Consent.provision", provision, 0
    for number, nested in enumerate(_objects(provision, "provision")):
        yield f"Consent.provision.provision[{number}]", nested, 1


def _used(element: Mapping[str, Any], path: str, *forbidden: str) -> Iterator[str]:
    """Yield which children are there that the profile has no use for."""
    for name in forbidden:
        if name in element:
            yield f"{path}.{name} is not used"


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = parent.get(name)
    return found if isinstance(found, dict) else {}


def _objects(parent: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = parent.get(name)
    return [each if isinstance(each, dict) else {} for each in found] if isinstance(found, list) else []


def _code(coding: Mapping[str, Any]) -> Code:
    return str(coding.get("system")), str(coding.get("code"))


def _codings(concept: Mapping[str, Any]) -> list[Code]:
    return [_code(coding) for coding in _objects(concept, "coding")]
