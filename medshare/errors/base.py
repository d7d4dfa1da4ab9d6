"""The root of the tree, and what a caller can get wrong."""

from __future__ import annotations


class MedshareError(Exception):
    """Root of every error that medshare raises on purpose."""

    hint: str = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Subclasses take values of their own, not a message: remade without calling their __init__.
        return _remade, (type(self), self.args, self.__dict__.copy())


def _remade(kind: type[MedshareError], arguments: tuple[object, ...], state: dict[str, object]) -> MedshareError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


class InvalidInputError(MedshareError, ValueError):
    """A value from the caller or from a document cannot be what it is said to be."""


class NotExpressibleError(InvalidInputError):
    """What one side says, a consent or a standard's document, the other has no words for: it is refused whole."""

    def __init__(self, what: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"{what}: {reason}", hint=hint)
        self.what = what
        """The provision by its number, or the element by its path."""
        self.reason = reason
