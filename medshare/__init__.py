"""medshare: patients own who reads their medical records.

``medshare.connect()`` opens a session; everything else is in the modules below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medshare.session import Session, connect

__all__ = ["Session", "connect"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    """Import the session only when it is asked for: the model alone needs no chain."""
    if name in __all__:
        from medshare import session

        return getattr(session, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
