"""The form of codes: whether a code can be one of LOINC's or SNOMED CT's, by its form and check digit.

Whether there is such a code only the terminology itself can say, which is neither small nor free.
"""

from __future__ import annotations

import re

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"

_LOINC_CODE = re.compile(r"\d{1,7}-\d", re.ASCII)
_LOINC_PART = re.compile(r"L[ALPG]\d{1,7}-\d", re.ASCII)
_SNOMED_CODE = re.compile(r"[1-9]\d{5,17}", re.ASCII)
_IN_EXPRESSION = re.compile(r"[:+,=]")
# What the last digits but one of a SNOMED CT identifier say: concept, description or relationship, of the core or not.
_SNOMED_PARTITIONS = frozenset({"00", "01", "02", "10", "11", "12"})

# The dihedral group D5, and Verhoeff's permutation.
_TIMES = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_PERMUTED = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def can_be(system: str, code: str) -> bool:
    """Whether ``code`` has the form that ``system`` gives its codes; nothing is said against systems unknown here."""
    if system == LOINC:
        return _is_loinc(code)
    if system == SNOMED:
        return _is_snomed(code)
    return True


def _is_loinc(code: str) -> bool:
    if _LOINC_PART.fullmatch(code):
        return True
    return _LOINC_CODE.fullmatch(code) is not None and _luhn(code.replace("-", ""))


def _is_snomed(code: str) -> bool:
    # An expression that refines or combines concepts: each of them is one.
    concepts = _IN_EXPRESSION.split(code)
    return all(_is_snomed_id(concept) for concept in concepts)


def _is_snomed_id(code: str) -> bool:
    return _SNOMED_CODE.fullmatch(code) is not None and code[-3:-1] in _SNOMED_PARTITIONS and _verhoeff(code)


def _luhn(digits: str) -> bool:
    doubled = (sum(divmod(int(digit) * 2, 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(int(digit) for digit in digits[::-2])) % 10 == 0


def _verhoeff(digits: str) -> bool:
    check = 0
    for place, char in enumerate(reversed(digits)):
        digit = int(char)
        for _ in range(place % 8):
            digit = _PERMUTED[digit]
        check = _TIMES[check][digit]
    return check == 0
