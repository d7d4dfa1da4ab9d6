"""Units of measure in the codes of UCUM, case sensitive (ucum.org, 2.2).

The grammar is UCUM's, section 2: a term of components, multiplied by ``.`` or divided by ``/``; a component is a unit
with an optional prefix, exponent and annotation, a number, or a term in parentheses.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from medshare.standards.tables import table

SYSTEM = "http://unitsofmeasure.org"
_MAX_LENGTH = 128

_LEADING_ANNOTATION = re.compile(r"(^|[./(])\{[!-z|~]*\}")
_ANNOTATION = re.compile(r"\{[!-z|~]*\}")
_INNERMOST = re.compile(r"\(([^()]*)\)")


@functools.cache
def _term() -> re.Pattern[str]:
    codes = table("ucum")
    unit = rf"(?:(?:{_any(codes['prefixes'])})?(?:{_any(codes['metric'])})|(?:{_any(codes['other'])}))(?:[+-]?\d+)?"
    component = rf"(?:{unit}|\d+)"
    return re.compile(rf"/?{component}(?:[./]{component})*", re.ASCII)


def _any(codes: Iterable[str]) -> str:
    return "|".join(re.escape(code) for code in sorted(codes, key=len, reverse=True))


@functools.lru_cache(maxsize=4096)
def is_unit(code: str) -> bool:
    """Whether ``code`` is a unit in UCUM's words."""
    if not 0 < len(code) <= _MAX_LENGTH:
        return False
    # An annotation that stands alone is the unit 1; any other changes nothing.
    rest = _ANNOTATION.sub("", _LEADING_ANNOTATION.sub(r"\g<1>1", code))
    while found := _INNERMOST.search(rest):
        if not _term().fullmatch(found[1]):
            return False
        rest = f"{rest[: found.start()]}1{rest[found.end() :]}"
    return _term().fullmatch(rest) is not None
