"""What a Consent comes to for one reader: provisions of ours, with the same decisions, or a refusal.

A Consent may speak of many readers; a grant has one. Rules for others are left out, the rest is kept. Under our own
policy the provisions mean what docs/consent.md says. Under another's they mean what FHIR says: without a label they
are about all data, an exception prevails over what it is an exception to, and what nobody permits is denied,
break-glass too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from medshare.errors import InvalidInputError, NotExpressibleError
from medshare.model.ids import Address
from medshare.model.labels import ORDINARY
from medshare.model.provision import Effect, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.terms import MAX_PROVISIONS
from medshare.standards.fhir_consent.codes import CLEARED, EVERY_LABEL, POLICY
from medshare.standards.fhir_consent.references import Known
from medshare.standards.fhir_consent.rules import Rule

BASIC_NORMAL, ALL_NORMAL, BREAK_GLASS_ONLY, DENY_ALL = (
    f"https://profiles.ihe.net/ITI/PCF/Policy-{name}"
    for name in ("basic-normal", "all-normal", "break-glass-only", "deny")
)
"""The policies that IHE PCF defines."""
_PCF = frozenset({BASIC_NORMAL, ALL_NORMAL, BREAK_GLASS_ONLY, DENY_ALL})
_TOP = tuple(purpose for purpose in PurposeOfUse if purpose.parent is None)
_EVERY_PURPOSE = {
    Effect.PERMIT: (*_TOP, PurposeOfUse.ETREAT, PurposeOfUse.ERTREAT),
    Effect.DENY: _TOP,
}
"""What is meant where a rule names none: a permission must name emergencies, a denial reaches them."""
_ACCEPT = "read it; where it permits and denies nothing beyond the provisions, say so with: --policy URI"


class BreakGlass(StrEnum):
    """What a Consent says about break-glass, which no grant opens and the patient's bar closes."""

    PERMITTED = "permitted"
    REFUSED = "refused"
    UNSAID = "unsaid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A permission, with its exceptions."""

    rule: Rule
    exceptions: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A Consent, taken apart."""

    patient: Address
    policies: frozenset[str]
    organizations: tuple[Address, ...]
    """Whose data it is about, where it says."""
    readers: tuple[Address | None, ...]
    """To whom all of it applies, None for a group; empty: to everybody."""
    purposes: tuple[PurposeOfUse, ...]
    """For a rule that names none; empty: it does not say."""
    period: tuple[int | None, int | None]
    permits: bool
    """Whether what no rule is about is permitted."""
    branches: tuple[Branch, ...]
    denials: tuple[Rule, ...] = ()
    """Exceptions to every permission."""
    labels: tuple[str, ...] = ()
    """For a permission that names none, under a policy that is not ours; empty: it does not say."""

    @property
    def is_ours(self) -> bool:
        """Whether it was given under the rules of docs/consent.md."""
        return self.policies == {POLICY}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedConsent:
    """What a Consent says to one reader, in provisions of ours."""

    patient: Address
    reader: Address
    provisions: tuple[Provision, ...]
    """Perhaps none that permits: then there is nothing to grant, and that is the Consent's decision."""
    not_before: int | None
    expires_at: int | None
    """First second in which it no longer holds, where it says."""
    break_glass: BreakGlass

    @property
    def permits(self) -> bool:
        """Whether there is anything to grant."""
        return any(each.effect is Effect.PERMIT for each in self.provisions)


def imported(said: Statement, known: Known, reader: Address | None) -> ImportedConsent:
    """Return what a Consent comes to for ``reader``.

    Args:
        said: the Consent.
        known: policies that were read.
        reader: who would be granted it; default: the one whom it names for all of it.

    Raises:
        NotExpressibleError: something in it cannot be said in provisions, or not without another decision.
        InvalidInputError: it names not one reader, and none was given.
    """
    _check_policies(said, known)
    _check_number(said)
    account = _reader(said, reader)
    all_rules = [rule for branch in said.branches for rule in (branch.rule, *branch.exceptions)] + list(said.denials)
    for rule in all_rules:
        if rule.period not in ((None, None), said.period):
            raise rule.refuse("a provision has the period of its grant, and no other")
    glass = _break_glass(said, all_rules)
    branches = [
        Branch(rule=_labelled(said, rule), exceptions=tuple(_applying(branch.exceptions, account)))
        for branch in said.branches
        for rule in _applying([branch.rule], account)
    ]
    denials = _applying(said.denials, account)
    return ImportedConsent(
        patient=said.patient,
        reader=account,
        provisions=_provisions(said, branches, denials),
        not_before=said.period[0],
        expires_at=said.period[1],
        break_glass=glass,
    )


def _check_policies(said: Statement, known: Known) -> None:
    unknown = said.policies - _PCF - known.policies - {POLICY}
    if unknown:
        raise NotExpressibleError("Consent.policy", "nobody here has read this policy", hint=_ACCEPT)
    if POLICY in said.policies and not said.is_ours:
        raise NotExpressibleError("Consent.policy", "another policy beside medshare's own could change what it says")
    if said.permits and said.policies & {BREAK_GLASS_ONLY, DENY_ALL}:
        raise NotExpressibleError("Consent.policy", "to agree with a policy that denies is no permission")


def _check_number(said: Statement) -> None:
    """Refuse more than terms have, before anything is compared with everything."""
    several = [said.branches, said.denials, *(branch.exceptions for branch in said.branches)]
    if any(len(each) > MAX_PROVISIONS for each in several):
        raise _too_many()


def _too_many() -> NotExpressibleError:
    return NotExpressibleError(
        "Consent", f"terms have at most {MAX_PROVISIONS} provisions", hint="make several Consents, and grants, of it"
    )


def _reader(said: Statement, reader: Address | None) -> Address:
    named = [each for each in said.readers if each is not None]
    if len(named) < len(said.readers):
        raise NotExpressibleError("Consent", "a grant is to one reader, and this is for a group")
    if reader is None:
        if len(named) != 1:
            raise InvalidInputError("the Consent names not one reader", hint="say who it is for, with --reader WHO")
        return named[0]
    if said.readers and reader not in said.readers:
        raise InvalidInputError("the Consent is for other readers", hint="--reader names one of those in it")
    return reader


def _applying(rules: Iterable[Rule], reader: Address) -> list[Rule]:
    """Return the rules that apply to a reader, without those about break-glass alone."""
    found = []
    for rule in rules:
        if rule.purposes == (PurposeOfUse.BTG,):
            continue
        if None in rule.readers:
            raise rule.refuse("a grant is to one reader, and this is for a group")
        if not rule.readers or reader in rule.readers:
            found.append(rule)
    return found


def _labelled(said: Statement, rule: Rule) -> Rule:
    """Return a permission with the labels of the root, where it has none of its own."""
    return rule if said.is_ours or rule.labels else replace(rule, labels=said.labels)


def _break_glass(said: Statement, rules: Sequence[Rule]) -> BreakGlass:
    """Return what it says about break-glass: an episode opens all of a patient, to any accredited clinician."""
    about = [rule for rule in rules if PurposeOfUse.BTG in rule.purposes]
    for rule in about:
        if rule.is_limited or rule.obligations:
            raise rule.refuse("an episode opens all of a patient's records: break-glass cannot be limited to some")
        if any(reader is not None for reader in rule.readers or said.readers):
            raise rule.refuse("an episode is open to every accredited clinician: break-glass cannot be for one reader")
    effects = {rule.effect for rule in about}
    if len(effects) > 1:
        raise about[-1].refuse("permits and denies break-glass")
    if effects:
        return BreakGlass.PERMITTED if Effect.PERMIT in effects else BreakGlass.REFUSED
    return BreakGlass.UNSAID if said.is_ours else BreakGlass.REFUSED


def _provisions(said: Statement, branches: Sequence[Branch], denials: Sequence[Rule]) -> tuple[Provision, ...]:
    permissions = [branch.rule for branch in branches]
    permitted = [_permission(said, rule, permissions) for rule in permissions]
    under: dict[Provision, tuple[Rule, set[int]]] = {}
    for number, branch in enumerate(branches):
        for rule in branch.exceptions:
            purposes = rule.purposes or _purposes(said, branch.rule)
            denied = _provision(said, replace(rule, purposes=purposes), _denied_labels(said, rule))
            under.setdefault(denied, (rule, set()))[1].add(number)
    for denied, (rule, numbers) in under.items():
        _check_reach(denied, rule, numbers, permitted)
    everywhere = {_provision(said, rule, _denied_labels(said, rule)): rule for rule in denials}
    if not said.is_ours:
        for denied, rule in everywhere.items():
            _check_reach(denied, rule, set(range(len(permitted))), permitted)
    provisions = tuple(dict.fromkeys([*permitted, *under, *everywhere]))
    if len(provisions) > MAX_PROVISIONS:
        raise _too_many()
    return provisions


def _check_reach(denied: Provision, rule: Rule, numbers: set[int], permitted: Sequence[Provision]) -> None:
    """Compare what a denial is an exception to with what it would prevail over as a provision (R3)."""
    for number, permission in enumerate(permitted):
        prevails = bool(denied.records) or not permission.records
        if prevails and number not in numbers:
            raise rule.refuse("a denial holds for every permission, not for one alone")
        if not prevails and number in numbers:
            raise rule.refuse("a permission that names records prevails over a denial that names none")


def _permission(said: Statement, rule: Rule, permissions: Sequence[Rule]) -> Provision:
    if rule.obligations and not said.is_ours:
        raise rule.refuse("whether this label picks data or binds the reader depends on a policy nobody here knows")
    if rule.records and rule.labels and not said.is_ours:
        raise rule.refuse("a permission that names records covers them whatever their labels")
    named = tuple(label for label in rule.labels if label not in ORDINARY)
    if not rule.labels and not said.is_ours:
        named = EVERY_LABEL
    elif rule.labels and not said.is_ours and not CLEARED & set(rule.labels):
        covered = any(_covers_ordinary(said, other, rule) for other in permissions if other is not rule)
        if not covered:
            raise rule.refuse("a permission of what is sensitive permits what is not, too: nothing here does that")
    return _provision(said, rule, named)


def _covers_ordinary(said: Statement, other: Rule, rule: Rule) -> bool:
    """Whether ``other`` permits all that ``rule`` would, had it no labels."""
    if other.labels and not CLEARED & set(other.labels):
        return False
    wanted, given = _purposes(said, rule), _purposes(said, other)
    same = replace(other, path=rule.path, labels=rule.labels, purposes=rule.purposes, readers=rule.readers)
    wide = not replace(other, labels=()).is_limited or same == rule
    return wide and not other.obligations and all(any(one.covers(each) for one in given) for each in wanted)


def _denied_labels(said: Statement, rule: Rule) -> tuple[str, ...]:
    if not said.is_ours and ORDINARY & set(rule.labels):
        raise rule.refuse("a denial by confidentiality reaches all that is higher")
    return rule.labels


def _purposes(said: Statement, rule: Rule) -> tuple[PurposeOfUse, ...]:
    """Return what a rule is for, break-glass left out."""
    purposes = rule.purposes or said.purposes
    if not purposes and rule.effect is Effect.PERMIT and BASIC_NORMAL in said.policies:
        return (PurposeOfUse.TREAT,)
    return tuple(each for each in purposes or _EVERY_PURPOSE[rule.effect] if each is not PurposeOfUse.BTG)


def _provision(said: Statement, rule: Rule, labels: tuple[str, ...]) -> Provision:
    custodians = rule.custodians
    if said.organizations and not said.is_ours:
        stated_by = {record.custodian for record in rule.records} or set(custodians)
        if not stated_by <= set(said.organizations):
            raise rule.refuse("is about data of others than the organization of the Consent")
        custodians = () if rule.records else custodians or said.organizations
    try:
        return Provision(
            effect=rule.effect,
            purposes=_purposes(said, rule),
            records=rule.records,
            categories=rule.categories,
            everything=not rule.records and not rule.categories,
            custodians=custodians,
            labels=labels,
            since=rule.since,
            until=rule.until,
            obligations=rule.obligations,
        )
    except InvalidInputError as error:
        raise rule.refuse(str(error)) from error
