"""How long a custodian must keep records: his retention policy, a TOML file.

::

    version = 1
    jurisdiction = "Germany: § 630f BGB, § 85 StrlSchG"
    default = 10                  # years, for every category that has no rule of its own
    acknowledge_within = 30       # days in which readers are to say what became of their copies

    [years]
    imaging = 10
    laboratory = 10

Years count from the last day that a record's clinical date may mean, or from the day of its registration where it has
none. What the policy says is the custodian's to answer for: nothing here knows the law.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Self

from medshare.errors import InvalidInputError
from medshare.hashing import sha256
from medshare.model.documents import Reader, decode_toml
from medshare.model.record import Category, days_of

RETENTION_VERSION = 1
MAX_POLICY_SIZE = 1 << 16
MAX_YEARS = 150
MAX_ACKNOWLEDGE_DAYS = 366
_MAX_JURISDICTION = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptUntil:
    """Until when one version must be kept, and by which rule."""

    until: date
    """The first day on which it may be erased."""
    rule: str
    """For a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """A custodian's rules."""

    jurisdiction: str
    """By which law, for a person."""
    default: int
    """Years, for categories without a rule of their own."""
    years: Mapping[Category, int]
    acknowledge_within: int
    """Days in which readers are to say what became of their copies."""
    digest: bytes
    """SHA-256 of the file: what a certificate quotes."""

    @classmethod
    def from_toml(cls, document: bytes) -> Self:
        """Return the policy that a TOML file holds; raises ``InvalidInputError``."""
        if len(document) > MAX_POLICY_SIZE:
            raise InvalidInputError(f"a retention policy has at most {MAX_POLICY_SIZE} bytes")
        read = Reader(decode_toml(document, "the retention policy"), "retention policy")
        read.version(RETENTION_VERSION)
        named = read.optional_child("years")
        policy = cls(
            jurisdiction=read.text("jurisdiction", _MAX_JURISDICTION),
            default=read.integer("default", 0, MAX_YEARS),
            years={}
            if named is None
            else {each: named.integer(each, 0, MAX_YEARS) for each in Category if named.present(each)},
            acknowledge_within=read.integer("acknowledge_within", 1, MAX_ACKNOWLEDGE_DAYS),
            digest=sha256(document),
        )
        read.end()
        if named is not None:
            named.end()
        return policy

    def kept_until(self, category: Category | None, clinical_date: str | None, registered_at: int) -> KeptUntil:
        """Return until when a record must be kept.

        Args:
            category: the manifest's; None where it does not open any more, so that the longest rule counts.
            clinical_date: the manifest's, where it has one.
            registered_at: Unix seconds.
        """
        registered = datetime.fromtimestamp(registered_at, UTC).date()
        start = registered if clinical_date is None else date.fromordinal(days_of(clinical_date)[-1])
        since = "registration" if clinical_date is None else "its clinical date"
        if category is None:
            years, name = (
                max([self.default, *self.years.values()]),
                "the longest rule, since its manifest does not open",
            )
        elif category in self.years:
            years, name = self.years[category], category.value
        else:
            years, name = self.default, "default"
        return KeptUntil(until=_later(start, years), rule=f"{name}: {years} years from {since} ({self.jurisdiction})")


def _later(day: date, years: int) -> date:
    """Return the same day so many years later; the day after it where that year has none such."""
    if day.year + years > date.max.year:
        return date.max
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)
