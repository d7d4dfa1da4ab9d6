"""What is found when a document is checked against its standard: where, which rule, and how grave.

A finding names places and rules and never a value: it may be logged, and a value may say whose record it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How grave a finding is."""

    ERROR = "error"
    """It is not what it says it is: it is published only where somebody says why."""
    WARNING = "warning"
    """It can be published; whoever reads it may stumble."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as the standard wants it."""

    severity: Severity
    rule: str
    """The rule's name, such as ``required-binding``: docs/ingest.md has them all."""
    place: str
    """The path of the element, segment or line, as its standard writes it."""
    text: str

    def explain(self) -> str:
        """Return it in a line."""
        return f"{self.place}: {self.text}" if self.place else self.text


def error(rule: str, place: str, text: str) -> Finding:
    """Return a finding for which the document is refused."""
    return Finding(severity=Severity.ERROR, rule=rule, place=place, text=text)


def warning(rule: str, place: str, text: str) -> Finding:
    """Return a finding for which it is not."""
    return Finding(severity=Severity.WARNING, rule=rule, place=place, text=text)
