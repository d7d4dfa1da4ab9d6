"""A patient's policy: which requests his client accepts or declines by itself, and of which it asks him.

Rules are looked at in their order; the first that fits decides, and without one he is asked. A rule fits if everything
that it says does:

- an approval covers what it names: purposes, kinds of records and labels of the study must all be among those it
  names, and without labels it covers no study that wants sensitive records; where the policy has a data use, the study
  must match it, unless the rule names other outcomes;
- a decline, or a wish to be asked, is about what it names: one purpose, kind or label in common is enough.

Nothing here grants: what comes of it, the patient's client does, or tells him.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Self

from medshare.errors import InvalidInputError
from medshare.model.diseases import MAX_PARENTS, DiseaseAncestry
from medshare.model.documents import MAX_DOCUMENT_SIZE, Reader, decode_document, decode_toml
from medshare.model.duo import DataUse, check_diseases
from medshare.model.duo_matching import DuoMatch, DuoOutcome, match
from medshare.model.ids import Address
from medshare.model.labels import MAX_LABELS, all_named, any_carried, is_label
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category
from medshare.model.request import DAY, NATIVE, AccessRequest
from medshare.model.study import MAX_CATEGORY, MAX_REWARD, Study

POLICY_VERSION = 1
MAX_RULES = 200
_MAX_NAMED = 1_000
_MAX_DAYS = 100 * 366


class Answer(StrEnum):
    """What a policy says to a request."""

    APPROVE = "approve"
    DECLINE = "decline"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a patient is asked, as far as a policy looks at it."""

    request: AccessRequest
    study: Study
    accredited_by: Address | None
    """The member that vouches for the requester; None where no member does now."""
    now: int
    """Unix seconds."""

    @property
    def share(self) -> int:
        """What the patient gets of the reward."""
        return self.request.split.divide(self.request.terms.reward)[0]

    @property
    def seconds(self) -> int:
        """For how long access lasts from now on."""
        return max(self.request.access_until - self.now, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An answer, and to which requests it is given; what is empty or None says nothing."""

    answer: Answer
    requesters: tuple[Address, ...] = ()
    accredited_by: tuple[Address, ...] = ()
    """Members that vouch for the requester."""
    categories: tuple[int, ...] = ()
    """By which rewards are divided, see ``RequestCategory``."""
    duo: tuple[DuoOutcome, ...] = ()
    """What comes of comparing the study with the policy's data use."""
    purposes: tuple[PurposeOfUse, ...] = ()
    kinds: tuple[Category, ...] = ()
    """Kinds of records that the study wants."""
    labels: tuple[str, ...] = ()
    """Sensitive labels that the study wants to read."""
    token: Address = NATIVE
    reward_at_least: int | None = None
    """Of the patient's share, in ``token``."""
    reward_below: int | None = None
    """Of the patient's share, or any in another token."""
    days_at_most: int | None = None
    """For how long access lasts from now on."""
    days_more_than: int | None = None

    def __post_init__(self) -> None:
        if not all(is_label(label) for label in self.labels):
            raise InvalidInputError("a label in a policy is a code of HL7's")

    def fits(self, asked: Asked, found: DuoMatch | None) -> bool:
        """Whether all that the rule says is so.

        Args:
            asked: what is asked.
            found: what came of comparing it with the policy's data use; None where the policy has none.
        """
        return (
            (not self.requesters or asked.request.requester in self.requesters)
            and (not self.accredited_by or asked.accredited_by in self.accredited_by)
            and (not self.categories or asked.request.terms.category in self.categories)
            and self._fits_duo(found)
            and self._fits_wanted(asked.study)
            and self._fits_reward(asked)
            and (self.days_at_most is None or asked.seconds <= self.days_at_most * DAY)
            and (self.days_more_than is None or asked.seconds > self.days_more_than * DAY)
        )

    def _fits_duo(self, found: DuoMatch | None) -> bool:
        if self.duo:
            return found is not None and found.outcome in self.duo
        return self.answer is not Answer.APPROVE or found is None or found.outcome is DuoOutcome.ALLOWED

    def _fits_wanted(self, study: Study) -> bool:
        wanted = study.wanted
        if self.answer is Answer.APPROVE:
            return (
                (not self.purposes or set(wanted.purposes) <= set(self.purposes))
                and (not self.kinds or (not wanted.everything and set(wanted.categories) <= set(self.kinds)))
                and all_named(wanted.labels, self.labels)
            )
        return (
            (not self.purposes or _in_common(wanted.purposes, self.purposes))
            and (not self.kinds or wanted.everything or _in_common(wanted.categories, self.kinds))
            and (not self.labels or any_carried(wanted.labels, self.labels))
        )

    def _fits_reward(self, asked: Asked) -> bool:
        share = asked.share if asked.request.terms.token == self.token else 0
        return (self.reward_at_least is None or share >= self.reward_at_least) and (
            self.reward_below is None or share < self.reward_below
        )

    @classmethod
    def read(cls, read: Reader) -> Self:
        """Return the rule that ``read`` holds.

        Raises:
            InvalidInputError: malformed, or with a field we do not know, which could be a condition.
        """
        rule = cls(
            answer=read.choice("answer", Answer),
            requesters=read.addresses("requesters", _MAX_NAMED),
            accredited_by=read.addresses("accredited_by", _MAX_NAMED),
            categories=read.integers("categories", MAX_CATEGORY, 1, MAX_CATEGORY),
            duo=read.choices("duo", DuoOutcome),
            purposes=read.choices("purposes", PurposeOfUse),
            kinds=read.choices("kinds", Category),
            labels=read.texts("labels", MAX_LABELS),
            token=read.address("token") if read.present("token") else NATIVE,
            reward_at_least=read.optional_integer("reward_at_least", 0, MAX_REWARD),
            reward_below=read.optional_integer("reward_below", 0, MAX_REWARD),
            days_at_most=read.optional_integer("days_at_most", 0, _MAX_DAYS),
            days_more_than=read.optional_integer("days_more_than", 0, _MAX_DAYS),
        )
        read.end()
        return rule


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDecision:
    """What a policy says to one request, and why."""

    answer: Answer
    rule: int | None
    """Which rule decided, from 1; None where none fitted."""
    match: DuoMatch | None
    """What came of comparing the study with the policy's data use; None where the policy has none."""

    def explain(self) -> str:
        """Return a sentence for a person."""
        by = "no rule of the policy fits" if self.rule is None else f"rule {self.rule} of the policy fits"
        duo = f"; DUO: {self.match.explain()}" if self.match is not None else ""
        return f"{self.answer}: {by}{duo}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a patient has decided in advance."""

    rules: tuple[Rule, ...] = ()
    data_use: DataUse | None = None
    """What his records may be used for, in the terms of DUO."""
    ancestry: DiseaseAncestry = field(default_factory=dict)
    """Which disease is below which, as far as his data use needs it."""

    def __post_init__(self) -> None:
        if self.data_use is None and any(rule.duo for rule in self.rules):
            raise InvalidInputError("a rule asks what comes of DUO, and the policy has no data_use to compare with")

    def decide(self, asked: Asked) -> PolicyDecision:
        """Return what the policy says to a request; the first rule that fits decides, and without one he is asked."""
        found = None
        if self.data_use is not None:
            found = match(self.data_use, asked.study.intended_use, ancestry=self.ancestry, now=asked.now)
        for number, rule in enumerate(self.rules, 1):
            if rule.fits(asked, found):
                return PolicyDecision(answer=rule.answer, rule=number, match=found)
        return PolicyDecision(answer=Answer.ASK, rule=None, match=found)

    @classmethod
    def from_toml(cls, document: bytes) -> Self:
        """Return the policy that a TOML file holds; raises ``InvalidInputError``."""
        if len(document) > MAX_DOCUMENT_SIZE:
            raise InvalidInputError(f"a policy has at most {MAX_DOCUMENT_SIZE} bytes")
        return cls._read(_days_as_text(decode_toml(document, "the policy")))

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the policy that a JSON file holds; raises ``InvalidInputError``."""
        return cls._read(decode_document(document))

    @classmethod
    def _read(cls, fields: Mapping[str, Any]) -> Self:
        read = Reader(fields, "policy")
        read.version(POLICY_VERSION)
        data_use = read.optional_child("data_use")
        parents = read.optional_child("parents")
        policy = cls(
            rules=tuple(Rule.read(each) for each in read.objects("rules", MAX_RULES)) if read.present("rules") else (),
            data_use=None if data_use is None else DataUse.read(data_use),
            ancestry={} if parents is None else _ancestry(parents),
        )
        read.end()
        return policy


def _ancestry(parents: Reader) -> DiseaseAncestry:
    ancestry = {disease: parents.texts(disease, MAX_PARENTS) for disease in parents.rest()}
    for disease, above in ancestry.items():
        check_diseases((disease,))
        check_diseases(above)
    return ancestry


def _in_common(some: Collection[Any], others: Collection[Any]) -> bool:
    return not set(some).isdisjoint(others)


def _days_as_text(value: Any) -> Any:  # noqa: ANN401 - a TOML value
    """Return a TOML value as JSON has it: TOML's days are no texts."""
    if isinstance(value, dict):
        return {name: _days_as_text(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_days_as_text(each) for each in value]
    return value.isoformat() if type(value) is date else value
