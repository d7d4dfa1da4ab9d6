"""What takes long to make and is the same for all: made once for all workers of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from filelock import FileLock


def made_once(folders: pytest.TempPathFactory, name: str, make: Callable[[], Any]) -> Any:
    """Return what ``make`` returns, as JSON keeps it; of several workers the first makes it, and the others read it."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return make()
    # Each worker has its own folder in that of the run.
    path = folders.getbasetemp().parent / f"{name}.json"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            path.write_text(json.dumps(make()), "utf-8")
        return json.loads(path.read_text("utf-8"))
