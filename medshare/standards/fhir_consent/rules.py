"""A rule of a Consent, as both versions of FHIR have it: to whom it applies, what for, and to what.

``conditions`` writes a provision of ours as such a rule, ``read_rule`` takes one apart. What differs between the
versions is the name of the element for kinds of record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from medshare.errors import NotExpressibleError
from medshare.model.ids import Address
from medshare.model.provision import Duty, Effect, Obligation, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category, RecordRef
from medshare.standards.fhir_consent import references
from medshare.standards.fhir_consent.codes import (
    ACT_REASON,
    CLEARED,
    CUSTODIAN,
    ERASE_BY,
    KIND_SYSTEM,
    NORMAL,
    RECIPIENT,
    coding,
    concept,
    duty_code,
    duty_of,
    kind_of,
    label_code,
    label_of,
    purpose_of,
)
from medshare.standards.fhir_consent.elements import Element, code_of, codes_of
from medshare.standards.fhir_consent.periods import days, instant, read_days, read_instant, read_span
from medshare.standards.fhir_consent.references import Known

R4_KINDS, R5_KINDS = "class", "documentType"
"""The element for kinds of record, in R4 and in R5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule, with nothing decided yet about what is left out in it."""

    path: str
    effect: Effect
    readers: tuple[Address | None, ...] = ()
    """To whom it applies, None for a group of people; empty where it does not say."""
    custodians: tuple[Address, ...] = ()
    purposes: tuple[PurposeOfUse, ...] = ()
    """Empty where it does not say; break-glass may be among them."""
    labels: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ()
    records: tuple[RecordRef, ...] = ()
    since: date | None = None
    until: date | None = None
    obligations: tuple[Obligation, ...] = ()
    period: tuple[int | None, int | None] = (None, None)
    """When it holds; not there where it does not say."""

    @property
    def is_limited(self) -> bool:
        """Whether it is about some records only."""
        limits = (self.custodians, self.labels, self.categories, self.records, self.since, self.until)
        return any(limit not in ((), None) for limit in limits)

    def refuse(self, reason: str, hint: str | None = None) -> NotExpressibleError:
        """Return the error that says why this rule cannot be taken over."""
        return NotExpressibleError(self.path, reason, hint=hint)


def conditions(provision: Provision, kinds: str, chain_id: int) -> dict[str, Any]:
    """Return what a provision says as elements of a rule, all but whether it permits.

    Args:
        provision: the provision.
        kinds: the element for kinds of record.
        chain_id: the chain on which its accounts are.

    Raises:
        InvalidInputError: it says something that FHIR has no place for.
    """
    codes = [label_code(label) for label in provision.labels]
    if provision.effect is Effect.PERMIT and not CLEARED & set(provision.labels):
        # Without a label a rule is about all data; a permission of ours covers nothing sensitive unless it is named.
        codes.insert(0, label_code(NORMAL))
    codes += [duty_code(each.duty) for each in provision.obligations if each.by is None]
    erase_by = provision.erase_by
    said: dict[str, Any] = {
        "modifierExtension": [{"url": ERASE_BY, "valueInstant": instant(erase_by)}] if erase_by is not None else [],
        "actor": [
            {"role": concept(CUSTODIAN), "reference": references.person(each, chain_id, "Organization")}
            for each in provision.custodians
        ],
        "securityLabel": [coding(code) for code in codes],
        "purpose": [coding((ACT_REASON, each.value)) for each in provision.purposes],
        kinds: [coding((KIND_SYSTEM, each.value), each.value.replace("-", " ")) for each in provision.categories],
        "dataPeriod": days(provision.since, provision.until),
        "data": [{"meaning": "instance", "reference": references.record(each, chain_id)} for each in provision.records],
    }
    return {name: value for name, value in said.items() if value}


def read_rule(element: Element, effect: Effect, known: Known, kinds: str) -> Rule:
    """Return the rule that an element holds, its nested rules taken out before.

    Raises:
        NotExpressibleError: it says something that medshare has no words for.
    """
    readers, custodians = _actors(element, known)
    labels, obligations = _labels(element, effect)
    purposes = tuple(_purpose(each) for each in element.many("purpose"))
    categories = tuple(_kind(each) for each in element.many(kinds))
    records = tuple(_record(each, known) for each in element.many("data"))
    window = element.one("dataPeriod")
    since, until = (None, None) if window is None else read_days(window)
    period = read_span(element.one("period"))
    obligations += _erase_by(element, effect)
    element.end()
    rule = Rule(
        path=element.path,
        effect=effect,
        readers=readers,
        custodians=custodians,
        purposes=tuple(dict.fromkeys(purposes)),
        labels=tuple(dict.fromkeys(labels)),
        categories=tuple(dict.fromkeys(categories)),
        records=tuple(dict.fromkeys(records)),
        since=since,
        until=until,
        obligations=tuple(dict.fromkeys(obligations)),
        period=period,
    )
    if rule.records and (rule.categories or rule.custodians):
        raise rule.refuse("named records cannot be narrowed further by kind or custodian")
    return rule


def _actors(element: Element, known: Known) -> tuple[tuple[Address | None, ...], tuple[Address, ...]]:
    readers: list[Address | None] = []
    custodians = []
    for actor in element.many("actor"):
        roles, reference = codes_of(actor.one("role")), actor.one("reference")
        actor.end()
        if reference is None:
            actor.refuse("names nobody")
        if RECIPIENT in roles:
            readers.append(known.person_or_group(reference))
        elif CUSTODIAN in roles:
            custodians.append(known.person(reference))
        else:
            actor.refuse("medshare knows recipients (IRCP) and custodians (CST)", "role")
    return tuple(dict.fromkeys(readers)), tuple(dict.fromkeys(custodians))


def _labels(element: Element, effect: Effect) -> tuple[list[str], tuple[Obligation, ...]]:
    labels, obligations = [], []
    for each in element.many("securityLabel"):
        code = code_of(each)
        label, duty = label_of(code), duty_of(code)
        if label is not None:
            labels.append(label)
        elif duty is not None and effect is Effect.PERMIT:
            obligations.append(Obligation(duty=duty))
        else:
            each.refuse("medshare does not know this label, or cannot say it of a denial")
    return labels, tuple(obligations)


def _purpose(element: Element) -> PurposeOfUse:
    purpose = purpose_of(code_of(element))
    if purpose is None:
        element.refuse("is no purpose of use of HL7's")
    return purpose


def _kind(element: Element) -> Category:
    kind = kind_of(code_of(element))
    if kind is None:
        element.refuse("is no kind of record that medshare knows")
    return kind


def _record(element: Element, known: Known) -> RecordRef:
    if element.text("meaning") != "instance":
        element.refuse("medshare knows named records (instance), and no other relation to data", "meaning")
    reference = element.one("reference")
    element.end()
    if reference is None:
        element.refuse("names no record")
    return known.record(reference)


def _erase_by(element: Element, effect: Effect) -> tuple[Obligation, ...]:
    found = []
    for each in element.many("modifierExtension"):
        if each.text("url") != ERASE_BY or effect is Effect.DENY:
            each.refuse("medshare does not know what this changes")
        found.append(Obligation(duty=Duty.ERASE_BY, by=read_instant(each, "valueInstant")))
        each.end()
    if len(found) > 1:
        element.refuse("says twice when all is to be erased")
    return tuple(found)
