"""Files that survive a crash and stay private.

given a path
├─ when a private folder is made, every folder that was missing is its owner's only
├─ when it cannot be made, the error is typed
├─ when a block that writes a file ends badly, the file is as it was and nothing is left over
├─ when a file is there and may not be replaced, it is not
└─ when there is no space, whoever says so, it is said by one error; nothing else is
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from medshare.errors import ConfigurationError, InvalidInputError, StoreFullError
from medshare.files import out_of_space_is_typed, private_folder, write_whole, written_whole

pytestmark = pytest.mark.unit


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_private_folder__parents_missing__all_are_private(tmp_path: Path) -> None:
    made = private_folder(tmp_path / "a" / "b" / "c")
    assert [mode(folder) for folder in (made, made.parent, made.parent.parent)] == [0o700] * 3
    assert private_folder(made) == made


@pytest.mark.parametrize("below", ["file", "file/below"])
def test_private_folder__file_in_its_place__is_typed(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(ConfigurationError):
        private_folder(tmp_path / below)


def test_written_whole__block_ends_well__is_there_and_private(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"text", replace=False)
    assert ((tmp_path / "file").read_bytes(), mode(tmp_path / "file")) == (b"text", 0o600)


def test_written_whole__block_ends_badly__leaves_what_was(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"before", replace=False)

    def break_off() -> None:
        with written_whole(tmp_path / "file", replace=True) as stream:
            stream.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert (tmp_path / "file").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_written_whole__file_exists__is_replaced_only_if_asked(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"before", replace=False)
    with pytest.raises(InvalidInputError):
        write_whole(tmp_path / "file", b"after", replace=False)
    assert (tmp_path / "file").read_bytes() == b"before"
    write_whole(tmp_path / "file", b"after", replace=True)
    assert (tmp_path / "file").read_bytes() == b"after"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("there", ["file", "link"])
def test_written_whole__name_is_taken__is_refused_before_the_block_begins(tmp_path: Path, there: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before") if there == "file" else path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(InvalidInputError), written_whole(path, replace=False):
        pytest.fail("the work has begun")


def test_written_whole__name_is_taken_meanwhile__keeps_what_came(tmp_path: Path) -> None:
    def overtaken() -> None:
        with written_whole(tmp_path / "file", replace=False) as stream:
            stream.write(b"mine")
            (tmp_path / "file").write_bytes(b"theirs")

    with pytest.raises(InvalidInputError):
        overtaken()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"theirs")]


def test_written_whole__link_in_its_place__is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(InvalidInputError):
        write_whole(tmp_path / "link", b"mine", replace=False)
    assert (tmp_path / "target").read_text() == "theirs"


def test_written_whole__folder_missing__is_typed(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError):
        write_whole(tmp_path / "none" / "file", b"", replace=False)


def coded(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("the test says so")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "full"),
        OSError(errno.EDQUOT, "over quota"),
        coded(sqlite3.SQLITE_FULL),
        coded(sqlite3.SQLITE_IOERR_SHMSIZE),
    ],
    ids=repr,
)
def test_out_of_space__whoever_says_so__is_one_error(error: Exception) -> None:
    with (
        pytest.raises(StoreFullError, match="no space left while writing the test") as caught,
        out_of_space_is_typed("the test"),
    ):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "broken"), coded(sqlite3.SQLITE_IOERR_READ), sqlite3.ProgrammingError("closed"), ValueError()],
    ids=repr,
)
def test_out_of_space__another_error__passes(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, out_of_space_is_typed("the test"):
        raise error
    assert caught.value is error
