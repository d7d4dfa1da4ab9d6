"""A FHIR resource, taken apart element by element: what nobody asked for in the end is refused.

FHIR lets a reader pass over ids, narratives and extensions, and so they are. A modifier extension it does not: each
must be asked for. Messages name an element by its path, and never what it holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

from medshare.errors import NotExpressibleError
from medshare.standards.fhir_consent.codes import Code

MAX_ELEMENTS = 4096
"""Children of one name."""
_PASSED_OVER = ("id", "extension")
_ELEMENT_NAME = re.compile(r"_?[A-Za-z]{1,40}")


class Element:
    """One element, with its path.

    Args:
        fields: its children.
        path: where it is.
    """

    def __init__(self, fields: Mapping[str, Any], path: str) -> None:
        self._fields = {name: value for name, value in fields.items() if name not in _PASSED_OVER}
        self.path = path

    def has(self, name: str) -> bool:
        """Whether there is such a child."""
        return name in self._fields

    def peek(self, name: str) -> object:
        """Return a child as it is, and leave it to be asked for."""
        return self._fields.get(name)

    def text(self, name: str) -> str | None:
        """Return a primitive that is text, or None where it is absent."""
        value = self._fields.pop(name, None)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            self.refuse("must be text", name)
        return value

    def flag(self, name: str) -> bool | None:
        """Return a truth value, or None where it is absent."""
        value = self._fields.pop(name, None)
        if value is not None and not isinstance(value, bool):
            self.refuse("must be true or false", name)
        return value

    def one(self, name: str) -> Element | None:
        """Return a child that may be there once."""
        if not self.has(name):
            return None
        value = self._fields.pop(name)
        if not isinstance(value, dict):
            self.refuse("must be one element", name)
        return Element(value, f"{self.path}.{name}")

    def many(self, name: str) -> list[Element]:
        """Return children that may be there many times, in their order."""
        if not self.has(name):
            return []
        value = self._fields.pop(name)
        if not isinstance(value, list) or not 0 < len(value) <= MAX_ELEMENTS:
            self.refuse(f"must be a list of 1 to {MAX_ELEMENTS} elements", name)
        if not all(isinstance(each, dict) for each in value):
            self.refuse("must be a list of elements", name)
        return [Element(each, f"{self.path}.{name}[{number}]") for number, each in enumerate(value)]

    def pass_over(self, *names: str) -> None:
        """Leave out what says nothing about who may read what."""
        for name in names:
            self._fields.pop(name, None)

    def end(self) -> None:
        """Refuse what nobody asked for: it could be a condition."""
        for name in self._fields:
            said = name if _ELEMENT_NAME.fullmatch(name) else "an element"
            self.refuse("medshare cannot say this", said)

    def refuse(self, reason: str, name: str = "") -> NoReturn:
        """Raise ``NotExpressibleError`` about this element, or a child."""
        raise NotExpressibleError(f"{self.path}.{name}" if name else self.path, reason)


def code_of(element: Element) -> Code:
    """Return the code of a Coding; raises ``NotExpressibleError``."""
    system, code = element.text("system"), element.text("code")
    element.pass_over("display", "version", "userSelected")
    element.end()
    if system is None or code is None:
        element.refuse("a code and its system are needed")
    return system, code


def codes_of(element: Element | None) -> frozenset[Code]:
    """Return the codes of a CodeableConcept, which all mean the same; raises ``NotExpressibleError``."""
    if element is None:
        return frozenset()
    codings = element.many("coding")
    element.pass_over("text")
    element.end()
    if not codings:
        element.refuse("a code is needed: words alone decide nothing")
    return frozenset(map(code_of, codings))
