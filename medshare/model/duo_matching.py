"""DUO matching: does an intended use fit what data may be used for? Allowed, denied, or for a human to decide.

One rule for each term of docs/duo.md. Denied beats human beats allowed; what was not said is never allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TypeAlias

from medshare.errors import InvalidInputError
from medshare.model.diseases import DiseaseAncestry, is_within
from medshare.model.duo import DataUse, DuoCode, Modifier
from medshare.model.intended_use import DuoPurpose, IntendedUse, Organisation

_SHOWN = 5


class DuoOutcome(StrEnum):
    """What comes of comparing, or of one rule."""

    ALLOWED = "allowed"
    HUMAN = "human"
    """Somebody has to decide: an answer is missing, or is nothing that a rule can compare."""
    DENIED = "denied"


_ALLOWED, _HUMAN, _DENIED = DuoOutcome
_BY_WEIGHT = tuple(DuoOutcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class DuoReason:
    """What one rule says."""

    code: DuoCode
    """The term that the rule is about."""
    outcome: DuoOutcome
    sentence: str

    def __str__(self) -> str:
        return f"{self.code.shorthand} ({self.code.curie}): {self.outcome}: {self.sentence}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DuoMatch:
    """Whether an intended use fits a data use, with a reason for each rule that was looked at."""

    reasons: tuple[DuoReason, ...]
    at: int
    """The time it speaks of, Unix seconds."""

    def __post_init__(self) -> None:
        if not self.reasons:
            raise InvalidInputError("a match has a reason at least: without one nothing was compared")

    @property
    def outcome(self) -> DuoOutcome:
        """The gravest of its reasons: denied beats human beats allowed."""
        return max((reason.outcome for reason in self.reasons), key=_BY_WEIGHT.index)

    @property
    def decisive(self) -> tuple[DuoReason, ...]:
        """The reasons that made the outcome."""
        return tuple(reason for reason in self.reasons if reason.outcome is self.outcome)

    def explain(self) -> str:
        """Return a sentence or two for a person: the outcome and the reasons that made it."""
        said = "; ".join(f"{reason.code.shorthand}: {reason.sentence}" for reason in self.decisive)
        return f"{self.outcome}: {said} (as of {_day_of(self.at)})"


def match(data_use: DataUse, intended_use: IntendedUse, *, ancestry: DiseaseAncestry, now: int) -> DuoMatch:
    """Return whether ``intended_use`` fits ``data_use``, by the rules of docs/duo.md.

    Source: the definitions of DUO, http://purl.obolibrary.org/obo/duo.owl; Lawson et al., "The Data Use Ontology to
    streamline responsible access to human biomedical datasets", https://doi.org/10.1016/j.xgen.2021.100028.

    Args:
        data_use: what the data may be used for.
        intended_use: what the requester has said; what he has not said is never taken to be allowed.
        ancestry: which disease is below which; for DS only.
        now: Unix seconds.
    """
    asked = _Asked(data_use=data_use, use=intended_use, ancestry=ancestry, today=_day_of(now))
    if intended_use.purposes:
        # Of clinical care the modifier CC speaks, where there is one.
        said = {DuoPurpose.CARE} if DuoCode.CC in data_use.codes else set()
        reasons = [_of_purpose(asked, purpose) for purpose in intended_use.purposes if purpose not in said]
    else:
        reasons = [_reason(data_use.permission, (_HUMAN, "what the use is for is not said"))]
    reasons += [_reason(modifier.code, _RULES[modifier.code](asked, modifier)) for modifier in data_use.modifiers]
    return DuoMatch(reasons=tuple(reasons), at=now)


_Finding: TypeAlias = tuple[DuoOutcome, str]
_Answer: TypeAlias = bool | None
"""None where the requester has not answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    data_use: DataUse
    use: IntendedUse
    ancestry: DiseaseAncestry
    today: date


def _reason(code: DuoCode, finding: _Finding) -> DuoReason:
    return DuoReason(code=code, outcome=finding[0], sentence=finding[1])


# ------------------------------------------------------------------------------------------------ permissions

_RESEARCH = frozenset(DuoPurpose) - {DuoPurpose.CARE}
_PERMITTED: dict[DuoCode, frozenset[DuoPurpose]] = {
    DuoCode.NRES: frozenset(DuoPurpose),
    DuoCode.GRU: _RESEARCH,
    DuoCode.HMB: frozenset({DuoPurpose.HEALTH, DuoPurpose.DISEASE}),
    DuoCode.DS: frozenset({DuoPurpose.DISEASE}),
    DuoCode.POA: frozenset({DuoPurpose.ANCESTRY}),
}
_IN_WORDS = {
    DuoPurpose.GENERAL: "general research",
    DuoPurpose.HEALTH: "health research",
    DuoPurpose.DISEASE: "research on the diseases named",
    DuoPurpose.ANCESTRY: "the study of population origins or ancestry",
    DuoPurpose.METHODS: "methods development",
    DuoPurpose.CARE: "clinical care",
}


def _of_purpose(asked: _Asked, purpose: DuoPurpose) -> DuoReason:
    permission = asked.data_use.permission
    words = _IN_WORDS[purpose]
    if purpose is DuoPurpose.DISEASE and permission is DuoCode.DS:
        return _reason(permission, _diseases(asked))
    if purpose in _PERMITTED[permission]:
        return _reason(permission, (_ALLOWED, f"{words} is permitted"))
    # Health research may need new methods, and so may any research that is permitted itself.
    if purpose is DuoPurpose.METHODS and (
        permission is DuoCode.HMB or _PERMITTED[permission].intersection(asked.use.purposes)
    ):
        return _reason(permission, (_HUMAN, f"whether {words} serves what is permitted has to be judged"))
    lacking = DuoCode.CC if purpose is DuoPurpose.CARE else permission
    return _reason(lacking, (_DENIED, f"{words} is not permitted"))


def _diseases(asked: _Asked) -> _Finding:
    permitted = frozenset(asked.data_use.diseases)
    within = {disease: is_within(disease, permitted, asked.ancestry) for disease in asked.use.diseases}
    outside = [disease for disease, answer in within.items() if answer is False]
    unknown = [disease for disease, answer in within.items() if answer is None]
    if outside:
        return _DENIED, f"not a permitted disease, nor below one: {_some(outside)}"
    if unknown:
        return _HUMAN, f"unknown whether it is below a permitted disease: {_some(unknown)}"
    return _ALLOWED, "each disease is a permitted one, or below one"


# -------------------------------------------------------------------------------------------------- modifiers


def _clinical_care(asked: _Asked, _modifier: Modifier) -> _Finding:
    if DuoPurpose.CARE not in asked.use.purposes:
        return _ALLOWED, "clinical care is not asked for"
    match asked.data_use.permission:
        case DuoCode.DS if DuoPurpose.DISEASE not in asked.use.purposes:
            return _HUMAN, "for which disease the clinical care is, is not said"
        case DuoCode.POA:
            return _HUMAN, "the data are for the study of ancestry only, and for clinical care: which has to be judged"
        case _:
            return _ALLOWED, "clinical care is permitted"


def _no_ancestry(asked: _Asked, _modifier: Modifier) -> _Finding:
    if DuoPurpose.ANCESTRY in asked.use.purposes:
        return _DENIED, "the study of population origins or ancestry is prohibited"
    return _promised(asked, DuoPurpose.ANCESTRY)


def _no_methods(asked: _Asked, _modifier: Modifier) -> _Finding:
    if DuoPurpose.METHODS not in asked.use.purposes:
        return _promised(asked, DuoPurpose.METHODS)
    if len(asked.use.purposes) == 1:
        return _DENIED, "methods development for its own sake is prohibited"
    # The Consent Codes let methods be developed within what is permitted; DUO's later wording forbids all of it.
    return _HUMAN, "whether the methods serve the other purposes, and may, has to be judged"


def _promised(asked: _Asked, purpose: DuoPurpose) -> _Finding:
    if purpose in asked.use.excluded:
        return _ALLOWED, f"the requester excludes {_IN_WORDS[purpose]}"
    return _HUMAN, f"the requester does not exclude {_IN_WORDS[purpose]}"


def _research_types(asked: _Asked, modifier: Modifier) -> _Finding:
    if not asked.use.research_types:
        return _HUMAN, "the type of research is not said"
    known = {each.casefold() for each in modifier.values}
    others = [each for each in asked.use.research_types if each.casefold() not in known]
    # Another word may mean the same, so that no rule can deny.
    if others:
        return _HUMAN, f"whether this is the permitted type of research has to be judged: {_some(others)}"
    return _ALLOWED, "the type of research is a permitted one"


def _not_for_profit(asked: _Asked, _modifier: Modifier) -> _Finding:
    match asked.use.organisation:
        case None:
            return _HUMAN, "the kind of organisation is not said"
        case Organisation.NOT_FOR_PROFIT:
            return _ALLOWED, "the organisation is not for profit"
        case Organisation.COMMERCIAL:
            return _DENIED, "the organisation is commercial"


def _non_commercial(asked: _Asked, _modifier: Modifier) -> _Finding:
    return _answered("commercial use", asked.use.commercial_use, wanted=False)


def _neither(asked: _Asked, modifier: Modifier) -> _Finding:
    both = (_not_for_profit(asked, modifier), _non_commercial(asked, modifier))
    gravest = max((outcome for outcome, _ in both), key=_BY_WEIGHT.index)
    return gravest, ", and ".join(sentence for outcome, sentence in both if outcome is gravest)


def _collaboration(asked: _Asked, modifier: Modifier) -> _Finding:
    missing = [each for each in modifier.values if each not in asked.use.collaborators]
    if asked.use.will_collaborate and missing:
        return _HUMAN, f"collaboration with these investigators is not said: {_some(missing)}"
    return _answered("collaboration", asked.use.will_collaborate)


def _ethics(asked: _Asked, _modifier: Modifier) -> _Finding:
    if asked.use.ethics_reference is None and asked.use.ethics_approval:
        return _HUMAN, "the ethics approval has no reference"
    has = asked.use.ethics_approval if asked.use.ethics_reference is None else True
    return _answered("an ethics approval", has)


def _answered(what: str, answer: _Answer, *, wanted: bool = True) -> _Finding:
    if answer is None:
        return _HUMAN, f"{what}: not said"
    return (_ALLOWED if answer is wanted else _DENIED), f"{what}: {'yes' if answer else 'no'}"


def _listed(what: str, named: Sequence[str], approved: Sequence[str]) -> _Finding:
    if not named:
        return _HUMAN, f"{what} are not said"
    if not approved:
        return _HUMAN, f"whether {what} are approved is kept elsewhere"
    others = [each for each in named if each not in approved]
    if others:
        return _DENIED, f"not among {what} approved: {_some(others)}"
    return _ALLOWED, f"{what} are approved"


def _moratorium(asked: _Asked, modifier: Modifier) -> _Finding:
    # A moratorium has a day, which its type does not say.
    until, use = modifier.until or date.max, asked.use
    if use.publishes_on is not None and use.publishes_on < until:
        return _DENIED, f"publication on {use.publishes_on} comes before {until}"
    if use.publishes_on is not None:
        return _ALLOWED, f"publication on {use.publishes_on} does not come before {until}"
    if asked.today >= until:
        return _ALLOWED, f"the moratorium ended on {until}"
    if use.will_publish is False:
        return _ALLOWED, "nothing will be published"
    return _HUMAN, "the day of publication is not said"


def _time_limit(asked: _Asked, modifier: Modifier) -> _Finding:
    # A time limit has a number of months, which its type does not say.
    limit, months = modifier.months or 0, asked.use.months
    if months is None:
        return _HUMAN, "how long the use lasts is not said"
    if months > limit:
        return _DENIED, f"{months} months are more than {limit}"
    start = asked.use.starts_on or asked.today
    if _in_months(start, months) > _in_months(asked.today, limit):
        return _HUMAN, f"the use ends more than {limit} months from today: it begins on {start}"
    return _ALLOWED, f"{months} months are not more than {limit}"


def _in_months(day: date, months: int) -> tuple[int, int]:
    """Return a place in time that can be compared, ``months`` after ``day``, however far that is."""
    return day.year * 12 + day.month + months, day.day


_RULES: dict[DuoCode, Callable[[_Asked, Modifier], _Finding]] = {
    DuoCode.RS: _research_types,
    DuoCode.NMDS: _no_methods,
    DuoCode.GSO: lambda asked, _: _answered("a study of genotypes", asked.use.genetic_study),
    DuoCode.NPUNCU: _neither,
    DuoCode.PUB: lambda asked, _: _answered("publication", asked.use.will_publish),
    DuoCode.COL: _collaboration,
    DuoCode.IRB: _ethics,
    DuoCode.GS: lambda asked, modifier: _listed("the countries", asked.use.countries, modifier.values),
    DuoCode.MOR: _moratorium,
    DuoCode.TS: _time_limit,
    DuoCode.US: lambda asked, modifier: _listed("the users", asked.use.users, modifier.values),
    DuoCode.PS: lambda asked, modifier: _listed("the projects", asked.use.projects, modifier.values),
    DuoCode.IS: lambda asked, modifier: _listed("the institutions", asked.use.institutions, modifier.values),
    DuoCode.RTN: lambda asked, _: _answered("return of derived data", asked.use.will_return),
    DuoCode.CC: _clinical_care,
    DuoCode.NPOA: _no_ancestry,
    DuoCode.NPU: _not_for_profit,
    DuoCode.NCU: _non_commercial,
}


def _some(names: Sequence[str]) -> str:
    """Return the first of ``names``, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _day_of(at: int) -> date:
    return datetime.fromtimestamp(at, UTC).date()
