"""Asking again, a bounded number of times, where the line was at fault and not the answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, TypeVar

from medshare.errors import StoreRefusedError, StoreUnavailableError

RETRY_DELAYS: Final = (0.1, 0.4)  # so three attempts; only of what does nothing twice

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class RefusedError(StoreUnavailableError):
    """The node answered, and will answer the same again: no use to repeat."""


def repeated(call: Callable[[], _T]) -> _T:
    """Call again where the line and not the node's answer was at fault."""
    for delay in RETRY_DELAYS:
        try:
            return call()
        except (RefusedError, StoreRefusedError):
            raise
        except StoreUnavailableError as error:
            _log.debug("trying again in %s s: %s", delay, error)
            time.sleep(delay)
    return call()
