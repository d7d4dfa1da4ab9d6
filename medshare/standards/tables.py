"""The tables of others' standards that come with medshare; ``_data/standards/ORIGIN.md`` says where they are from."""

from __future__ import annotations

import functools
import hashlib
import json
from importlib import resources
from typing import Any


def table(name: str) -> Any:  # noqa: ANN401 - each table has a shape of its own
    """Return what the table ``name`` holds."""
    return json.loads(_bytes(name))


@functools.cache
def table_digest(name: str) -> str:
    """Return the SHA-256 of the table ``name``, in hex: what is computed with it names it."""
    return hashlib.sha256(_bytes(name)).hexdigest()


def _bytes(name: str) -> bytes:
    return resources.files("medshare").joinpath("_data", "standards", f"{name}.json").read_bytes()
