"""What a study will do, in DUO's terms: each code with what belongs to it, as a receipt of consent states it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from medshare.errors import InvalidInputError
from medshare.model.documents import Reader
from medshare.model.duo import MAX_NAMED, DuoCode, check_countries, check_diseases, check_names
from medshare.model.ids import DocumentId
from medshare.model.intended_use import DuoPurpose, IntendedUse, Organisation
from medshare.model.study import Study

MAX_STATED = len(DuoCode)
_NAMES = frozenset(
    {DuoCode.DS, DuoCode.RS, DuoCode.GS, DuoCode.IS, DuoCode.US, DuoCode.PS}
    | {DuoCode.COL, DuoCode.IRB, DuoCode.MOR, DuoCode.TS}
)
_PURPOSES = {
    DuoPurpose.GENERAL: DuoCode.GRU,
    DuoPurpose.HEALTH: DuoCode.HMB,
    DuoPurpose.DISEASE: DuoCode.DS,
    DuoPurpose.ANCESTRY: DuoCode.POA,
    DuoPurpose.CARE: DuoCode.CC,
}
_PROMISES = {DuoPurpose.METHODS: DuoCode.NMDS, DuoPurpose.ANCESTRY: DuoCode.NPOA}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedUse:
    """A term of DUO by which a study says what it will do, or what it will not."""

    code: DuoCode
    values: tuple[str, ...] = ()
    """DS: diseases; RS: research types; GS: countries; IS, US, PS: who and for which project; COL: with whom; IRB: by
    which reference; MOR: first day of publication; TS: months. Others name nothing."""

    def __post_init__(self) -> None:
        if self.values and self.code not in _NAMES:
            raise InvalidInputError(f"{self.code.shorthand} names nothing: no values")
        check_names(self.values)
        if self.code is DuoCode.DS:
            check_diseases(self.values)
        if self.code is DuoCode.GS:
            check_countries(self.values)

    @property
    def is_purpose(self) -> bool:
        """Whether it is something that data are used for, and no condition of it."""
        return self.code.is_permission or self.code is DuoCode.CC

    def in_words(self) -> str:
        """Return it as words for a person."""
        return " ".join([self.code.shorthand, f"({self.code.label})", ", ".join(self.values)]).strip()

    @classmethod
    def read(cls, read: Reader) -> Self:
        """Return the term that ``read`` holds; raises ``InvalidInputError``."""
        stated = cls(code=DuoCode.parse(read.text("code")), values=read.texts("values", MAX_NAMED))
        read.end()
        return stated

    def fields(self) -> dict[str, Any]:
        """Return the fields of a document that ``read`` reads: the code as CURIE."""
        return {"code": self.code.curie, "values": list(self.values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedStudy:
    """The study of a request that a consent accepts, as its receipt states it."""

    title: str
    institution: str
    """For whom the requester acts."""
    contact: str
    document: DocumentId
    """Digest of the CID of the directory with the whole of it, as it stands on chain."""
    uses: tuple[StatedUse, ...]

    @classmethod
    def of(cls, study: Study, document: DocumentId) -> Self:
        """Return what a receipt states of ``study``, whose directory is ``document``."""
        return cls(
            title=study.title,
            institution=study.institution,
            contact=study.contact,
            document=document,
            uses=stated_uses(study.intended_use),
        )


def stated_uses(use: IntendedUse) -> tuple[StatedUse, ...]:
    """Return an intended use in DUO's terms, in DUO's order; DUO has none for the development of methods."""
    found = {each.code: each for each in _stated(use)}
    return tuple(found[code] for code in DuoCode if code in found)


def _stated(use: IntendedUse) -> Iterator[StatedUse]:
    for purpose in use.purposes:
        if purpose in _PURPOSES:
            diseases = use.diseases if purpose is DuoPurpose.DISEASE else ()
            yield StatedUse(code=_PURPOSES[purpose], values=diseases)
    for purpose in use.excluded:
        if purpose in _PROMISES:
            yield StatedUse(code=_PROMISES[purpose])
    not_for_profit = use.organisation is Organisation.NOT_FOR_PROFIT
    non_commercial = use.commercial_use is False
    reference = () if use.ethics_reference is None else (use.ethics_reference,)
    for code, said, values in (
        (DuoCode.RS, bool(use.research_types), use.research_types),
        (DuoCode.GSO, use.genetic_study is True, ()),
        (DuoCode.NPUNCU, not_for_profit and non_commercial, ()),
        (DuoCode.NPU, not_for_profit and not non_commercial, ()),
        (DuoCode.NCU, non_commercial and not not_for_profit, ()),
        (DuoCode.PUB, use.will_publish is True or use.publishes_on is not None, ()),
        (DuoCode.COL, use.will_collaborate is True or bool(use.collaborators), use.collaborators),
        (DuoCode.IRB, use.ethics_approval is True or bool(reference), reference),
        (DuoCode.GS, bool(use.countries), use.countries),
        (DuoCode.MOR, use.publishes_on is not None, (str(use.publishes_on),)),
        (DuoCode.TS, use.months is not None, (str(use.months),)),
        (DuoCode.US, bool(use.users), use.users),
        (DuoCode.PS, bool(use.projects), use.projects),
        (DuoCode.IS, bool(use.institutions), use.institutions),
        (DuoCode.RTN, use.will_return is True, ()),
    ):
        if said:
            yield StatedUse(code=code, values=values)
