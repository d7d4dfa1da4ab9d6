"""The DUO table: what data may be used for, what is intended, and what comes of it. Data only.

``test_duo.py`` runs every row; ``scripts/write_reference.py`` writes the rows into docs/duo-table.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date

from medshare.model.diseases import read_ancestry
from medshare.model.duo import DataUse, Modifier
from medshare.model.duo import DuoCode as D
from medshare.model.duo_matching import DuoOutcome
from medshare.model.intended_use import DuoPurpose as P
from medshare.model.intended_use import IntendedUse, Organisation

NOW = 1_772_366_400
"""2026-03-01 12:00 UTC."""

TOP, METABOLIC, DIABETES, TYPE_1, TYPE_2, MODY, LUNG, ASTHMA, UNHEARD_OF, ORPHAN = (
    "MONDO:0700096",
    "MONDO:0005066",
    "MONDO:0005015",
    "MONDO:0005147",
    "MONDO:0005148",
    "MONDO:0018911",
    "MONDO:0005087",
    "MONDO:0004979",
    "MONDO:9999999",
    "MONDO:9999998",
)
NAMES = {
    TOP: "human disease",
    METABOLIC: "metabolic disease",
    DIABETES: "diabetes mellitus",
    TYPE_1: "type 1 diabetes mellitus",
    TYPE_2: "type 2 diabetes mellitus",
    MODY: "maturity-onset diabetes of the young",
    LUNG: "respiratory system disorder",
    ASTHMA: "asthma",
    UNHEARD_OF: "a disease that is not in the ancestry",
    ORPHAN: "a disease whose parent is not in the ancestry",
}
PARENTS = {
    TOP: [],
    METABOLIC: [TOP],
    DIABETES: [METABOLIC],
    TYPE_1: [DIABETES],
    TYPE_2: [DIABETES],
    MODY: [DIABETES],
    LUNG: [TOP],
    ASTHMA: [LUNG],
    ORPHAN: [TOP, UNHEARD_OF],
}
"""A few diseases of MONDO, with some of what lies between them left out."""
ANCESTRY = read_ancestry(json.dumps({"version": 1, "parents": PARENTS}).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row."""

    name: str
    situation: str
    data_use: DataUse
    use: IntendedUse
    outcome: DuoOutcome
    code: D
    """The term that decides."""


def data(permission: D, *modifiers: Modifier | D, diseases: tuple[str, ...] = ()) -> DataUse:
    made = tuple(Modifier(code=each) if isinstance(each, D) else each for each in modifiers)
    return DataUse(permission=permission, diseases=diseases, modifiers=made)


def limited(code: D, *values: str, **what) -> Modifier:
    return Modifier(code=code, values=values, **what)


def intend(*purposes: P, **answers) -> IntendedUse:
    return IntendedUse(purposes=purposes, **answers)


CASES: list[Case] = []
_YES, _HUMAN, _NO = DuoOutcome


def case(name: str, situation: str, data_use: DataUse, use: IntendedUse, outcome: DuoOutcome, code: D) -> None:
    CASES.append(Case(name=name, situation=situation, data_use=data_use, use=use, outcome=outcome, code=code))


_GENERAL, _HEALTH, _ORIGINS, _TOOLS, _CARE = (
    intend(each) for each in (P.GENERAL, P.HEALTH, P.ANCESTRY, P.METHODS, P.CARE)
)


def _on(*diseases: str, also: tuple[P, ...] = (), **answers) -> IntendedUse:
    return intend(P.DISEASE, *also, diseases=diseases, **answers)


# ------------------------------------------------------------------------------------------------ NRES, GRU, HMB

_OPEN, _RESEARCH, _MEDICAL = data(D.NRES), data(D.GRU), data(D.HMB)

case("nres-general", "no restriction, any research", _OPEN, _GENERAL, _YES, D.NRES)
case("nres-ancestry", "no restriction, study of origins", _OPEN, _ORIGINS, _YES, D.NRES)
case("nres-care", "no restriction: not even to research", _OPEN, _CARE, _YES, D.NRES)
case("nres-unsaid", "no restriction, and nobody knows for what", _OPEN, intend(), _HUMAN, D.NRES)
case("nres-limited", "a modifier counts beside NRES too", data(D.NRES, D.NPOA), _ORIGINS, _NO, D.NPOA)
case("gru-general", "general research", _RESEARCH, _GENERAL, _YES, D.GRU)
case("gru-health", "health research is research", _RESEARCH, _HEALTH, _YES, D.GRU)
case("gru-disease", "any disease, known or not", _RESEARCH, _on(UNHEARD_OF), _YES, D.GRU)
case("gru-ancestry", "origins are among general research", _RESEARCH, _ORIGINS, _YES, D.GRU)
case("gru-methods", "methods are among general research", _RESEARCH, _TOOLS, _YES, D.GRU)
case("gru-unsaid", "the purpose is not said", _RESEARCH, intend(), _HUMAN, D.GRU)
case("gru-care", "clinical care is no research", _RESEARCH, _CARE, _NO, D.CC)
case("gru-research-and-care", "one purpose too many", _RESEARCH, intend(P.HEALTH, P.CARE), _NO, D.CC)
case("hmb-health", "health research", _MEDICAL, _HEALTH, _YES, D.HMB)
case("hmb-disease", "research on any disease is health research", _MEDICAL, _on(ASTHMA, DIABETES), _YES, D.HMB)
case("hmb-ancestry", "HMB leaves origins out", _MEDICAL, _ORIGINS, _NO, D.HMB)
case("hmb-general", "general research is wider than health", _MEDICAL, _GENERAL, _NO, D.HMB)
case("hmb-methods", "a method may be for health, or not", _MEDICAL, _TOOLS, _HUMAN, D.HMB)
case(
    "hmb-health-and-methods", "whose method it is must be judged", _MEDICAL, intend(P.HEALTH, P.METHODS), _HUMAN, D.HMB
)
case("hmb-unsaid", "the purpose is not said", _MEDICAL, intend(), _HUMAN, D.HMB)

# ------------------------------------------------------------------------------------------------------ DS, POA

_SUGAR = data(D.DS, diseases=(DIABETES,))
_TWO = data(D.DS, diseases=(DIABETES, ASTHMA))
_DESCENT = data(D.POA)

case("ds-same", "the very disease", _SUGAR, _on(DIABETES), _YES, D.DS)
case("ds-below", "a disease below it", _SUGAR, _on(TYPE_2, MODY), _YES, D.DS)
case("ds-above", "a wider one", _SUGAR, _on(METABOLIC), _NO, D.DS)
case("ds-other", "another one", _SUGAR, _on(ASTHMA), _NO, D.DS)
case("ds-one-of-two", "each disease has to be permitted", _SUGAR, _on(TYPE_1, ASTHMA), _NO, D.DS)
case("ds-both", "two are permitted, two are studied", _TWO, _on(TYPE_1, ASTHMA), _YES, D.DS)
case("ds-unknown", "a disease the ancestry does not know", _SUGAR, _on(UNHEARD_OF), _HUMAN, D.DS)
case("ds-unknown-above", "what is above it is not all known", _SUGAR, _on(ORPHAN), _HUMAN, D.DS)
case(
    "ds-unknown-permitted",
    "the permitted disease is not known",
    data(D.DS, diseases=(UNHEARD_OF,)),
    _on(ASTHMA),
    _HUMAN,
    D.DS,
)
case("ds-unknown-same", "unknown, and the same", data(D.DS, diseases=(UNHEARD_OF,)), _on(UNHEARD_OF), _YES, D.DS)
case("ds-other-and-unknown", "one is surely another", _SUGAR, _on(UNHEARD_OF, ASTHMA), _NO, D.DS)
case("ds-health", "health research names no disease", _SUGAR, _HEALTH, _NO, D.DS)
case("ds-general", "general research", _SUGAR, _GENERAL, _NO, D.DS)
case("ds-ancestry", "origins are no disease", _SUGAR, _ORIGINS, _NO, D.DS)
case("ds-methods", "a method for its own sake", _SUGAR, _TOOLS, _NO, D.DS)
case("ds-and-methods", "a method beside the disease", _SUGAR, _on(TYPE_2, also=(P.METHODS,)), _HUMAN, D.DS)
case("ds-unsaid", "the purpose is not said", _SUGAR, intend(), _HUMAN, D.DS)
case("poa-ancestry", "the study of origins", _DESCENT, _ORIGINS, _YES, D.POA)
case("poa-health", "health research", _DESCENT, _HEALTH, _NO, D.POA)
case("poa-general", "general research is wider", _DESCENT, _GENERAL, _NO, D.POA)
case("poa-and-disease", "origins, and a disease too", _DESCENT, _on(ASTHMA, also=(P.ANCESTRY,)), _NO, D.POA)
case("poa-and-methods", "a method beside origins", _DESCENT, intend(P.ANCESTRY, P.METHODS), _HUMAN, D.POA)
case("poa-unsaid", "the purpose is not said", _DESCENT, intend(), _HUMAN, D.POA)

# --------------------------------------------------------------------------------------------- CC, NPOA, NMDS

_WITH_CARE = data(D.HMB, D.CC)

case("cc-care", "clinical care, permitted", _WITH_CARE, _CARE, _YES, D.CC)
case("cc-both", "research and care", _WITH_CARE, intend(P.HEALTH, P.CARE), _YES, D.CC)
case("cc-unasked", "permitted, and not asked for", _WITH_CARE, _HEALTH, _YES, D.CC)
case("cc-absent", "care has to be permitted by its name", _MEDICAL, _CARE, _NO, D.CC)
case("cc-no-more", "CC permits care and nothing else", _WITH_CARE, intend(P.ANCESTRY, P.CARE), _NO, D.HMB)
case(
    "cc-ds",
    "care of the permitted disease",
    data(D.DS, D.CC, diseases=(DIABETES,)),
    _on(TYPE_1, also=(P.CARE,)),
    _YES,
    D.CC,
)
case("cc-ds-unsaid", "care of which disease?", data(D.DS, D.CC, diseases=(DIABETES,)), _CARE, _HUMAN, D.CC)
case("cc-poa", "for origins only, and for care", data(D.POA, D.CC), _CARE, _HUMAN, D.CC)

_NO_ORIGINS = data(D.GRU, D.NPOA)

case("npoa-excluded", "origins are excluded", _NO_ORIGINS, intend(P.HEALTH, excluded=(P.ANCESTRY,)), _YES, D.NPOA)
case("npoa-asked", "origins are asked for", _NO_ORIGINS, _ORIGINS, _NO, D.NPOA)
case("npoa-unsaid", "nobody excluded them", _NO_ORIGINS, _GENERAL, _HUMAN, D.NPOA)

_NO_METHODS = data(D.GRU, D.NMDS)

case("nmds-excluded", "methods are excluded", _NO_METHODS, intend(P.HEALTH, excluded=(P.METHODS,)), _YES, D.NMDS)
case("nmds-only", "methods for their own sake", _NO_METHODS, _TOOLS, _NO, D.NMDS)
case("nmds-beside", "methods within other research", _NO_METHODS, intend(P.HEALTH, P.METHODS), _HUMAN, D.NMDS)
case("nmds-unsaid", "nobody excluded them", _NO_METHODS, _HEALTH, _HUMAN, D.NMDS)

# --------------------------------------------------------------------------------------- answers: yes, no, unsaid

_COMPANY, _CHARITY = Organisation.COMMERCIAL, Organisation.NOT_FOR_PROFIT


def _about(code: D, *values: str, **what) -> DataUse:
    return data(D.GRU, limited(code, *values, **what))


def _health(**answers) -> IntendedUse:
    return intend(P.HEALTH, **answers)


case("npu-charity", "not for profit", _about(D.NPU), _health(organisation=_CHARITY), _YES, D.NPU)
case(
    "npu-charity-commercial",
    "NPU asks who, not what for",
    _about(D.NPU),
    _health(organisation=_CHARITY, commercial_use=True),
    _YES,
    D.NPU,
)
case("npu-company", "a company", _about(D.NPU), _health(organisation=_COMPANY), _NO, D.NPU)
case("npu-unsaid", "not said who", _about(D.NPU), _health(commercial_use=False), _HUMAN, D.NPU)
case("ncu-no", "no commercial use", _about(D.NCU), _health(commercial_use=False), _YES, D.NCU)
case(
    "ncu-company",
    "NCU asks what for, not who",
    _about(D.NCU),
    _health(organisation=_COMPANY, commercial_use=False),
    _YES,
    D.NCU,
)
case("ncu-yes", "commercial use", _about(D.NCU), _health(commercial_use=True), _NO, D.NCU)
case("ncu-unsaid", "not said what for", _about(D.NCU), _health(organisation=_CHARITY), _HUMAN, D.NCU)
case(
    "npuncu-neither",
    "not for profit, no commercial use",
    _about(D.NPUNCU),
    _health(organisation=_CHARITY, commercial_use=False),
    _YES,
    D.NPUNCU,
)
case(
    "npuncu-company",
    "a company, for no commercial use",
    _about(D.NPUNCU),
    _health(organisation=_COMPANY, commercial_use=False),
    _NO,
    D.NPUNCU,
)
case(
    "npuncu-commercial",
    "not for profit, and commercial use",
    _about(D.NPUNCU),
    _health(organisation=_CHARITY, commercial_use=True),
    _NO,
    D.NPUNCU,
)
case("npuncu-half", "half of it said", _about(D.NPUNCU), _health(organisation=_CHARITY), _HUMAN, D.NPUNCU)
case(
    "npuncu-half-company",
    "half of it said, and that is too much",
    _about(D.NPUNCU),
    _health(organisation=_COMPANY),
    _NO,
    D.NPUNCU,
)
case("gso-yes", "genotypes", _about(D.GSO), _health(genetic_study=True), _YES, D.GSO)
case("gso-no", "phenotypes only", _about(D.GSO), _health(genetic_study=False), _NO, D.GSO)
case("gso-unsaid", "not said", _about(D.GSO), _health(), _HUMAN, D.GSO)
case("pub-yes", "will publish", _about(D.PUB), _health(will_publish=True), _YES, D.PUB)
case("pub-no", "will not", _about(D.PUB), _health(will_publish=False), _NO, D.PUB)
case("pub-unsaid", "not said", _about(D.PUB), _health(), _HUMAN, D.PUB)
case("rtn-yes", "will give back", _about(D.RTN), _health(will_return=True), _YES, D.RTN)
case("rtn-no", "will not", _about(D.RTN), _health(will_return=False), _NO, D.RTN)
case("rtn-unsaid", "not said", _about(D.RTN), _health(), _HUMAN, D.RTN)
case("col-yes", "will collaborate", _about(D.COL), _health(will_collaborate=True), _YES, D.COL)
case("col-no", "will not", _about(D.COL), _health(will_collaborate=False), _NO, D.COL)
case("col-unsaid", "not said", _about(D.COL), _health(), _HUMAN, D.COL)
case(
    "col-named",
    "with the investigator named",
    _about(D.COL, "orcid:0000-0001"),
    _health(will_collaborate=True, collaborators=("orcid:0000-0001", "orcid:0000-0002")),
    _YES,
    D.COL,
)
case(
    "col-named-no",
    "with nobody",
    _about(D.COL, "orcid:0000-0001"),
    _health(will_collaborate=False),
    _NO,
    D.COL,
)
case(
    "col-somebody",
    "with somebody",
    _about(D.COL, "orcid:0000-0001"),
    _health(will_collaborate=True, collaborators=("orcid:0000-0002",)),
    _HUMAN,
    D.COL,
)
case(
    "irb-reference",
    "approved, and where to look it up",
    _about(D.IRB),
    _health(ethics_reference="HUS/1/2026"),
    _YES,
    D.IRB,
)
case("irb-word", "approved, says he", _about(D.IRB), _health(ethics_approval=True), _HUMAN, D.IRB)
case("irb-no", "not approved", _about(D.IRB), _health(ethics_approval=False), _NO, D.IRB)
case("irb-unsaid", "not said", _about(D.IRB), _health(), _HUMAN, D.IRB)

# ------------------------------------------------------------------------------------------------------ lists

_NORTH = _about(D.GS, "FI", "SE")

case("gs-inside", "in a permitted country", _NORTH, _health(countries=("FI",)), _YES, D.GS)
case("gs-partly", "each country has to be permitted", _NORTH, _health(countries=("FI", "US")), _NO, D.GS)
case("gs-unsaid", "not said where", _NORTH, _health(), _HUMAN, D.GS)
case(
    "rs-same",
    "the type, with other capitals",
    _about(D.RS, "Paediatric"),
    _health(research_types=("paediatriC",)),
    _YES,
    D.RS,
)
case(
    "rs-other",
    "other words may mean the same",
    _about(D.RS, "paediatric"),
    _health(research_types=("in children",)),
    _HUMAN,
    D.RS,
)
case(
    "rs-partly",
    "one type is permitted, the other must be judged",
    _about(D.RS, "paediatric"),
    _health(research_types=("paediatric", "ageing")),
    _HUMAN,
    D.RS,
)
case("rs-unsaid", "not said", _about(D.RS, "paediatric"), _health(), _HUMAN, D.RS)
for _code, _field, _who in (
    (D.US, "users", "user"),
    (D.PS, "projects", "project"),
    (D.IS, "institutions", "institution"),
):
    _name = _code.shorthand.lower()
    _approved = _about(_code, f"{_who}-1", f"{_who}-2")
    case(f"{_name}-approved", f"an approved {_who}", _approved, _health(**{_field: (f"{_who}-1",)}), _YES, _code)
    case(
        f"{_name}-other",
        f"another {_who} beside",
        _approved,
        _health(**{_field: (f"{_who}-1", f"{_who}-9")}),
        _NO,
        _code,
    )
    case(f"{_name}-unsaid", f"the {_who} is not said", _approved, _health(), _HUMAN, _code)
    case(
        f"{_name}-elsewhere",
        "the list is kept elsewhere",
        _about(_code),
        _health(**{_field: (f"{_who}-1",)}),
        _HUMAN,
        _code,
    )

# ------------------------------------------------------------------------------------------------------ times

_LATER = _about(D.MOR, until=date(2027, 1, 1))
_YEAR = _about(D.TS, months=12)

case("mor-after", "publishes on the first day", _LATER, _health(publishes_on=date(2027, 1, 1)), _YES, D.MOR)
case("mor-before", "publishes a day too early", _LATER, _health(publishes_on=date(2026, 12, 31)), _NO, D.MOR)
case("mor-never", "publishes nothing", _LATER, _health(will_publish=False), _YES, D.MOR)
case("mor-unsaid", "not said when", _LATER, _health(will_publish=True), _HUMAN, D.MOR)
case("mor-over", "ended today", _about(D.MOR, until=date(2026, 3, 1)), _health(), _YES, D.MOR)
case("mor-tomorrow", "ends tomorrow", _about(D.MOR, until=date(2026, 3, 2)), _health(), _HUMAN, D.MOR)
case("ts-within", "as long as permitted", _YEAR, _health(months=12), _YES, D.TS)
case("ts-longer", "a month longer", _YEAR, _health(months=13), _NO, D.TS)
case("ts-unsaid", "not said how long", _YEAR, _health(), _HUMAN, D.TS)
case("ts-later", "short, and ends in time", _YEAR, _health(months=3, starts_on=date(2026, 12, 1)), _YES, D.TS)
case(
    "ts-too-late",
    "from when the months count is not said",
    _YEAR,
    _health(months=12, starts_on=date(2026, 3, 2)),
    _HUMAN,
    D.TS,
)

# ------------------------------------------------------------------------------------------------ what beats what

_STRICT = data(D.HMB, limited(D.GS, "FI"), D.IRB, D.NPUNCU)
_ALL_SAID = {
    "countries": ("FI",),
    "ethics_reference": "HUS/1/2026",
    "organisation": _CHARITY,
    "commercial_use": False,
}

case("all-allowed", "every rule allows", _STRICT, _health(**_ALL_SAID), _YES, D.HMB)
case(
    "human-beats-allowed",
    "one answer is missing",
    _STRICT,
    _health(**{**_ALL_SAID, "ethics_reference": None}),
    _HUMAN,
    D.IRB,
)
case(
    "denied-beats-human",
    "one is missing, one is wrong",
    _STRICT,
    _health(**{**_ALL_SAID, "ethics_reference": None, "countries": ("US",)}),
    _NO,
    D.GS,
)
case("nothing-said", "an empty request", _STRICT, intend(), _HUMAN, D.HMB)
