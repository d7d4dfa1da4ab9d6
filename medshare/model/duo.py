"""The terms of GA4GH's Data Use Ontology (DUO), and what data may be used for in these terms.

Labels as in release 2021-02-23 of http://purl.obolibrary.org/obo/duo.owl; the codes come from Dyke et al., "Consent
Codes", https://doi.org/10.1371/journal.pgen.1005772. What a requester intends is in
``intended_use``, and whether it fits in ``duo_matching``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Self

from medshare.errors import InvalidInputError
from medshare.model.documents import Reader, decode_document, encode_document

DATA_USE_VERSION = 1
MAX_NAMED = 1000
"""Diseases, countries or ids in one list."""
MAX_MONTHS = 1200

_MAX_NAME = 200
_COUNTRY = re.compile(r"[A-Z]{2}")
_DISEASE = re.compile(r"[A-Za-z][A-Za-z0-9_.]*:[A-Za-z0-9_.-]+")
_IRI = "http://purl.obolibrary.org/obo/"


class DuoCode(StrEnum):
    """A term of DUO, by its shorthand; the value is its CURIE. Five permissions, then eighteen modifiers.

    Documents hold the CURIE: shorthands have moved (NPU once was DUO:0000018).
    """

    NRES = "DUO:0000004"
    GRU = "DUO:0000042"
    HMB = "DUO:0000006"
    DS = "DUO:0000007"
    POA = "DUO:0000011"

    RS = "DUO:0000012"
    NMDS = "DUO:0000015"
    GSO = "DUO:0000016"
    NPUNCU = "DUO:0000018"
    PUB = "DUO:0000019"
    COL = "DUO:0000020"
    IRB = "DUO:0000021"
    GS = "DUO:0000022"
    MOR = "DUO:0000024"
    TS = "DUO:0000025"
    US = "DUO:0000026"
    PS = "DUO:0000027"
    IS = "DUO:0000028"
    RTN = "DUO:0000029"
    CC = "DUO:0000043"
    NPOA = "DUO:0000044"
    NPU = "DUO:0000045"
    NCU = "DUO:0000046"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the term that ``text`` names, by shorthand or CURIE, in any case.

        Raises:
            InvalidInputError: neither; or one of the two terms that only group others (DUO:0000001, DUO:0000017).
        """
        wanted = text.strip().upper()
        for code in cls:
            if wanted in (code.shorthand, code.curie):
                return code
        raise InvalidInputError(
            f"unknown DUO term {wanted[:40]!r}",
            hint=f"a shorthand or a CURIE, such as GRU or DUO:0000042; known: {', '.join(cls.__members__)}",
        )

    @property
    def shorthand(self) -> str:
        """The short name, such as GRU."""
        return self.name

    @property
    def curie(self) -> str:
        """The id, such as DUO:0000042."""
        return self.value

    @property
    def iri(self) -> str:
        """Where the term is defined."""
        return _IRI + self.value.replace(":", "_")

    @property
    def label(self) -> str:
        """DUO's own name for the term."""
        return _LABELS[self]

    @property
    def is_permission(self) -> bool:
        """Whether it is one of the five that say what data may be used for; the others modify one of these."""
        return self in _PERMISSIONS


_LABELS = {
    DuoCode.NRES: "no restriction",
    DuoCode.GRU: "general research use",
    DuoCode.HMB: "health or medical or biomedical research",
    DuoCode.DS: "disease specific research",
    DuoCode.POA: "population origins or ancestry research only",
    DuoCode.RS: "research specific restrictions",
    DuoCode.NMDS: "no general methods research",
    DuoCode.GSO: "genetic studies only",
    DuoCode.NPUNCU: "not for profit, non commercial use only",
    DuoCode.PUB: "publication required",
    DuoCode.COL: "collaboration required",
    DuoCode.IRB: "ethics approval required",
    DuoCode.GS: "geographical restriction",
    DuoCode.MOR: "publication moratorium",
    DuoCode.TS: "time limit on use",
    DuoCode.US: "user specific restriction",
    DuoCode.PS: "project specific restriction",
    DuoCode.IS: "institution specific restriction",
    DuoCode.RTN: "return to database or resource",
    DuoCode.CC: "clinical care use",
    DuoCode.NPOA: "population origins or ancestry research prohibited",
    DuoCode.NPU: "not for profit organisation use only",
    DuoCode.NCU: "non-commercial use only",
}
_PERMISSIONS = frozenset({DuoCode.NRES, DuoCode.GRU, DuoCode.HMB, DuoCode.DS, DuoCode.POA})
_MUST_NAME = frozenset({DuoCode.RS, DuoCode.GS})
_MAY_NAME = _MUST_NAME | {DuoCode.US, DuoCode.PS, DuoCode.IS, DuoCode.COL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Modifier:
    """A further condition on a permission, with what belongs to it; CC alone permits something."""

    code: DuoCode
    values: tuple[str, ...] = ()
    """RS: research types; GS: countries (ISO 3166-1 alpha-2). US, PS, IS: approved ids, and COL: investigators; none
    where the list is kept elsewhere."""
    until: date | None = None
    """MOR: first day on which results may be published."""
    months: int | None = None
    """TS: how long the use may last."""

    def __post_init__(self) -> None:
        if self.code.is_permission:
            raise InvalidInputError(f"{self.code.shorthand} is a permission and no modifier")
        if self.values and self.code not in _MAY_NAME:
            raise InvalidInputError(f"{self.code.shorthand} names nothing: no values")
        if not self.values and self.code in _MUST_NAME:
            raise InvalidInputError(f"{self.code.shorthand} names what use is limited to: at least one value")
        if (self.code is DuoCode.MOR) != (self.until is not None):
            raise InvalidInputError("MOR has a first day of publication, and no other modifier has")
        if (self.code is DuoCode.TS) != (self.months is not None):
            raise InvalidInputError("TS has a number of months, and no other modifier has")
        check_months(self.months)
        if self.code is DuoCode.GS:
            check_countries(self.values)
        check_names(self.values)

    def in_words(self) -> str:
        """Return it as words for a person."""
        said = " ".join([self.code.shorthand, ", ".join(self.values)]).strip()
        if self.until is not None:
            said += f" until {self.until}"
        return said if self.months is None else f"{said} {self.months} months"

    @classmethod
    def read(cls, read: Reader) -> Self:
        """Return the modifier that ``read`` holds; raises ``InvalidInputError``."""
        modifier = cls(
            code=DuoCode.parse(read.text("code")),
            values=read.texts("values", MAX_NAMED),
            until=read.optional_day("until"),
            months=read.optional_integer("months", 1, MAX_MONTHS),
        )
        read.end()
        return modifier

    def fields(self) -> dict[str, Any]:
        """Return the fields of a document that ``read`` reads."""
        return written({"code": self.code, "values": self.values, "until": self.until, "months": self.months})


@dataclass(frozen=True, slots=True, kw_only=True)
class DataUse:
    """What data may be used for: one permission, and the modifiers that come with it.

    Source: DUO's ``data use permission`` (DUO:0000001) and ``data use modifier`` (DUO:0000017).
    """

    permission: DuoCode
    diseases: tuple[str, ...] = ()
    """With DS, and only then: CURIEs of the permitted diseases, such as MONDO:0005015."""
    modifiers: tuple[Modifier, ...] = ()

    def __post_init__(self) -> None:
        if not self.permission.is_permission:
            raise InvalidInputError(
                f"{self.permission.shorthand} is a modifier and permits nothing by itself",
                hint="exactly one of NRES, GRU, HMB, DS, POA",
            )
        if (self.permission is DuoCode.DS) != bool(self.diseases):
            raise InvalidInputError("DS names at least one disease, and no other permission does")
        check_diseases(self.diseases)
        codes = [modifier.code for modifier in self.modifiers]
        if len(set(codes)) != len(codes):
            raise InvalidInputError("a data use has each modifier at most once", hint="put the values into one list")

    @property
    def codes(self) -> tuple[DuoCode, ...]:
        """Its terms, the permission first."""
        return (self.permission, *(modifier.code for modifier in self.modifiers))

    def in_words(self) -> str:
        """Return it as a line for a person."""
        permission = " ".join([self.permission.shorthand, ", ".join(self.diseases)]).strip()
        return "; ".join([permission, *(modifier.in_words() for modifier in self.modifiers)])

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the data use that ``document`` holds, checked; raises ``InvalidInputError``."""
        read = Reader(decode_document(document), "data use")
        read.version(DATA_USE_VERSION)
        return cls.read(read)

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads."""
        return encode_document({"version": DATA_USE_VERSION, **self.fields()})

    @classmethod
    def read(cls, read: Reader) -> Self:
        """Return the data use that ``read`` holds.

        Raises:
            InvalidInputError: malformed, or with a field we do not know, which could be a condition.
        """
        data_use = cls(
            permission=DuoCode.parse(read.text("permission")),
            diseases=read.texts("diseases", MAX_NAMED),
            modifiers=tuple(Modifier.read(each) for each in read.objects("modifiers", len(DuoCode)))
            if read.present("modifiers")
            else (),
        )
        read.end()
        return data_use

    def fields(self) -> dict[str, Any]:
        """Return the fields of a document that ``read`` reads; what is not said is left out."""
        return written(
            {
                "permission": self.permission,
                "diseases": self.diseases,
                "modifiers": [modifier.fields() for modifier in self.modifiers],
            }
        )


def check_names(names: Sequence[str]) -> None:
    """Refuse a list that is too long, says the same twice, or has an entry that is no name; ``InvalidInputError``."""
    if len(names) > MAX_NAMED:
        raise InvalidInputError(f"a data use or intended use lists at most {MAX_NAMED} of a kind")
    if len(set(names)) != len(names):
        raise InvalidInputError("a data use or intended use lists the same twice")
    if not all(0 < len(name) <= _MAX_NAME and name.isprintable() and name == name.strip() for name in names):
        raise InvalidInputError(
            f"a name in a data use or intended use has 1 to {_MAX_NAME} printable characters, and no space around it"
        )


def check_diseases(diseases: Sequence[str]) -> None:
    """Refuse what are no CURIEs; raises ``InvalidInputError``."""
    check_names(diseases)
    if not all(_DISEASE.fullmatch(disease) for disease in diseases):
        raise InvalidInputError("a disease is written as a CURIE", hint="such as MONDO:0005015")


def check_countries(countries: Sequence[str]) -> None:
    """Refuse what cannot be country codes; raises ``InvalidInputError``."""
    check_names(countries)
    if not all(_COUNTRY.fullmatch(country) for country in countries):
        raise InvalidInputError(
            "a country is written as in ISO 3166-1, two capital letters", hint="such as FI; list a region's countries"
        )


def check_months(months: int | None) -> None:
    """Refuse a number of months that means nothing; raises ``InvalidInputError``."""
    if months is not None and not 1 <= months <= MAX_MONTHS:
        raise InvalidInputError(f"a use lasts from 1 to {MAX_MONTHS} months")


def written(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was said of ``fields``, as JSON has it: a refusal (false) is said, None and empty lists are not."""
    said = {name: value for name, value in fields.items() if value is not None and value not in ((), [])}
    return {name: _plain(value) for name, value in said.items()}


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value
