"""The safe: documents kept encrypted for one identity each.

├─ what is kept is found, newest first, by its owner alone, and is not to be read in the file
├─ what is not there is None; cut, altered or unreadable: a typed error
└─ files are for their owner only
"""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from medshare.envelope import Identity
from medshare.errors import ConfigurationError, EnvelopeError
from medshare.services.safe import Safe

pytestmark = pytest.mark.unit
NAME = bytes(range(32))


@pytest.fixture
def owner() -> Identity:
    return Identity.generate()


def test_keep__a_document__is_found_by_its_owner_alone(tmp_path: Path, owner: Identity) -> None:
    safe = Safe(tmp_path / "safe")
    assert safe.find(NAME, owner) is None
    safe.keep(NAME, b"CANARY first", owner)
    safe.keep(NAME, b"CANARY second", owner)
    assert safe.find(NAME, owner) == b"CANARY second"
    assert safe.find(bytes(32), owner) is None
    with pytest.raises(EnvelopeError):
        safe.find(NAME, Identity.generate())
    (file,) = (tmp_path / "safe").iterdir()
    assert b"CANARY" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_find__altered_or_cut__is_a_typed_error(tmp_path: Path, owner: Identity) -> None:
    safe = Safe(tmp_path)
    safe.keep(NAME, b"text", owner)
    (file,) = tmp_path.iterdir()
    kept = file.read_bytes()
    for wrong in (b"", kept[:40], kept[:-1], kept[:-1] + bytes([kept[-1] ^ 1])):
        file.write_bytes(wrong)
        with pytest.raises(EnvelopeError):
            safe.find(NAME, owner)


def test_find__a_folder_in_its_place__is_a_typed_error(tmp_path: Path, owner: Identity) -> None:
    (tmp_path / f"{NAME.hex()}.c4gh").mkdir()
    with pytest.raises(ConfigurationError):
        Safe(tmp_path).find(NAME, owner)
