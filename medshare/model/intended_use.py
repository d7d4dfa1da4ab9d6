"""An intended use: what a requester says he will do with data, to be compared with what the data may be used for."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import fields as fields_of
from datetime import date
from enum import StrEnum
from typing import Any, Self

from medshare.errors import InvalidInputError
from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.duo import (
    MAX_MONTHS,
    MAX_NAMED,
    check_countries,
    check_diseases,
    check_months,
    check_names,
    written,
)

INTENDED_USE_VERSION = 1


class DuoPurpose(StrEnum):
    """What somebody wants data for, in the kinds that DUO's permissions tell apart."""

    GENERAL = "general"
    """research of any kind, health or not"""
    HEALTH = "health"
    """health, medical or biomedical research"""
    DISEASE = "disease"
    """research on the diseases named"""
    ANCESTRY = "ancestry"
    """the study of population origins or ancestry"""
    METHODS = "methods"
    """development of methods, such as software or algorithms"""
    CARE = "care"
    """clinical care, which is no research"""


class Organisation(StrEnum):
    """What kind of organisation a requester acts for."""

    NOT_FOR_PROFIT = "not-for-profit"
    COMMERCIAL = "commercial"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntendedUse:
    """What a requester says he will do, and where, how long, by whom. None and () mean: not said."""

    purposes: tuple[DuoPurpose, ...] = ()
    """All that it is for: what is not listed is not asked for."""
    diseases: tuple[str, ...] = ()
    """With the purpose DISEASE, and only then: CURIEs of the diseases studied, all of them."""
    excluded: tuple[DuoPurpose, ...] = ()
    """What he promises not to do."""
    research_types: tuple[str, ...] = ()
    organisation: Organisation | None = None
    commercial_use: bool | None = None
    genetic_study: bool | None = None
    """Whether genotypes are studied, with or without phenotypes."""
    countries: tuple[str, ...] = ()
    """Where the data will be used, ISO 3166-1 alpha-2."""
    institutions: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    ethics_approval: bool | None = None
    ethics_reference: str | None = None
    """By which the approval is found at the board that gave it."""
    will_publish: bool | None = None
    publishes_on: date | None = None
    """First day of publication."""
    will_collaborate: bool | None = None
    collaborators: tuple[str, ...] = ()
    """Investigators of the data's side with whom he will collaborate."""
    will_return: bool | None = None
    """Whether derived data go back to the resource."""
    starts_on: date | None = None
    months: int | None = None

    def __post_init__(self) -> None:
        if (DuoPurpose.DISEASE in self.purposes) != bool(self.diseases):
            raise InvalidInputError("disease research names its diseases, and no other purpose does")
        if set(self.purposes) & set(self.excluded):
            raise InvalidInputError("an intended use has and excludes the same purpose")
        for answer, detail, what in (
            (self.ethics_approval, self.ethics_reference, "a reference to an ethics approval"),
            (self.will_publish, self.publishes_on, "a day of publication"),
            (self.will_collaborate, self.collaborators, "collaborators"),
        ):
            if answer is False and detail:
                raise InvalidInputError(f"an intended use has {what}, and says that there is none")
        check_diseases(self.diseases)
        check_countries(self.countries)
        check_months(self.months)
        reference = () if self.ethics_reference is None else (self.ethics_reference,)
        for names in (self.purposes, self.excluded, self.research_types, self.institutions, self.users, self.projects):
            check_names(names)
        for names in (reference, self.collaborators):
            check_names(names)

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the intended use that ``document`` holds, checked.

        Raises:
            InvalidInputError: malformed, or with a field we do not know, which could be a use that nobody looks at.
        """
        read = Reader(decode_document(document), "intended use")
        read.version(INTENDED_USE_VERSION)
        return cls.read(read)

    @classmethod
    def read(cls, read: Reader) -> Self:
        """Return the intended use that ``read`` holds; raises ``InvalidInputError``."""
        use = cls(
            purposes=read.choices("purposes", DuoPurpose),
            diseases=read.texts("diseases", MAX_NAMED),
            excluded=read.choices("excluded", DuoPurpose),
            research_types=read.texts("research_types", MAX_NAMED),
            organisation=read.optional_choice("organisation", Organisation),
            commercial_use=read.optional_flag("commercial_use"),
            genetic_study=read.optional_flag("genetic_study"),
            countries=read.texts("countries", MAX_NAMED),
            institutions=read.texts("institutions", MAX_NAMED),
            users=read.texts("users", MAX_NAMED),
            projects=read.texts("projects", MAX_NAMED),
            ethics_approval=read.optional_flag("ethics_approval"),
            ethics_reference=read.optional_text("ethics_reference"),
            will_publish=read.optional_flag("will_publish"),
            publishes_on=read.optional_day("publishes_on"),
            will_collaborate=read.optional_flag("will_collaborate"),
            collaborators=read.texts("collaborators", MAX_NAMED),
            will_return=read.optional_flag("will_return"),
            starts_on=read.optional_day("starts_on"),
            months=read.optional_integer("months", 1, MAX_MONTHS),
        )
        read.end()
        return use

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads."""
        return encode_document({"version": INTENDED_USE_VERSION, **self.fields()})

    def fields(self) -> dict[str, Any]:
        """Return the fields of that document but its version; what is not said is left out."""
        return written({field.name: getattr(self, field.name) for field in fields_of(self)})
