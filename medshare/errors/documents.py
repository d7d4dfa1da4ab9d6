"""Documents that are not what they say they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medshare.errors.base import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medshare.model.finding import Finding


class NonConformantError(InvalidInputError):
    """A document was read, and does not conform to its standard. Nothing of what it says is repeated."""

    def __init__(self, standard: str, findings: Sequence[Finding]) -> None:
        more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
        super().__init__(
            f"it does not conform to {standard}: {findings[0].explain()}{more}",
            hint="medshare record check FILE says everything; to publish it as it is, say --anyway and --because",
        )
        self.standard = standard
        self.findings = tuple(findings)
        """The errors, first to last."""
