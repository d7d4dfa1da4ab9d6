"""Files that survive a crash and stay private: whole or not at all, readable by their owner only."""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from medshare.errors import ConfigurationError, InvalidInputError, StoreFullError

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
_OUT_OF_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# The second where it is the memory that processes share beside a file for which no space is left.
_DATABASE_OUT_OF_SPACE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)


@contextmanager
def out_of_space_is_typed(what: str) -> Iterator[None]:
    """Turn a full disk, as the system or SQLite tells it, into ``StoreFullError``; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno in _OUT_OF_SPACE:
            raise StoreFullError(f"no space left while writing {what}") from error
        raise
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) in _DATABASE_OUT_OF_SPACE:
            raise StoreFullError(f"no space left while writing {what}") from error
        raise


def private_folder(path: Path) -> Path:
    """Create ``path`` and its parents where missing, readable by the owner only; return it.

    Raises:
        ConfigurationError: it cannot be made: a file is in its place, or the folder above is read-only.
        StoreFullError: the disk is full.
    """
    # One by one: with parents=True the mode is given to the last folder only.
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        with out_of_space_is_typed("a folder"):
            for folder in reversed(missing):
                folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        if not path.is_dir():
            raise NotADirectoryError(path)
    except OSError as error:
        raise ConfigurationError(
            f"the folder {path} cannot be made", hint="check what is there, and who may"
        ) from error
    return path


def refuse_existing(path: Path | None) -> None:
    """Refuse a new file whose name is taken, before anything is done for it.

    Args:
        path: where the file shall be; None where none was asked for.

    Raises:
        InvalidInputError: something is there already, be it a link to nothing.
    """
    if path is not None and os.path.lexists(path):
        raise InvalidInputError("the file to write exists already", hint="choose another name")


@contextmanager
def written_whole(path: Path, *, replace: bool, mode: int = PRIVATE_FILE) -> Iterator[BinaryIO]:
    """Open a new file beside ``path`` that takes its place when the block ends well, and vanishes otherwise.

    Args:
        path: where the file shall be; its folder must exist. Links at ``path`` are not followed.
        replace: whether a file that is there may be replaced.
        mode: permission bits of the new file.

    Raises:
        InvalidInputError: ``path`` exists and ``replace`` is false, or its folder is missing. What is there already is
            refused before the block begins, what came meanwhile when it ends.
        StoreFullError: the disk is full.
    """
    if not replace:
        refuse_existing(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(temporary, flags, mode)
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise InvalidInputError(
            "the folder to write to does not exist, or may not be written to",
            hint="make it, or name another, and see that this user may write there",
        ) from error
    try:
        with out_of_space_is_typed("a file"), os.fdopen(descriptor, "w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            os.replace(temporary, path)  # noqa: PTH105 - one atomic system call
        else:
            _place_new(temporary, path)
        sync_folder(path.parent)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def write_whole(path: Path, data: bytes, *, replace: bool, mode: int = PRIVATE_FILE) -> None:
    """Write ``data`` to ``path``, whole or not at all; see ``written_whole``."""
    with written_whole(path, replace=replace, mode=mode) as stream:
        stream.write(data)


def sync_folder(path: Path) -> None:
    """Make a rename in ``path`` last through a power cut, where the system can."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _place_new(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise InvalidInputError("the file to write exists already", hint="choose another name") from error
    except OSError:
        # Some file systems have no links: the name is taken by an empty file first, then by the whole one.
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
        except FileExistsError as error:
            raise InvalidInputError("the file to write exists already", hint="choose another name") from error
        os.replace(temporary, path)  # noqa: PTH105 - one atomic system call


# Neither message nor cause repeats the path: a file's name may say whose record it is.


def open_plaintext(path: Path) -> BinaryIO:
    """Open a plaintext to read it.

    Raises:
        InvalidInputError: it is missing, not a file, or cannot be read.
    """
    with unreadable_is_typed():
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InvalidInputError(
                "the plaintext is a folder", hint="publish it with --batch, or name the files in it"
            )
        if not stat.S_ISREG(mode):
            raise InvalidInputError("the plaintext is not a file", hint="it is read twice: write it to a file first")
        return path.open("rb")


@contextmanager
def unreadable_is_typed() -> Iterator[None]:
    """Turn what the system says of a plaintext that cannot be read into ``InvalidInputError``."""
    try:
        yield
    except InvalidInputError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidInputError("the plaintext file does not exist", hint="check the path") from None
    except (OSError, ValueError):
        raise InvalidInputError("the plaintext file cannot be read", hint="check its path and permissions") from None
