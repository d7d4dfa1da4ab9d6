"""A relayer's drop box: a folder into which signed messages are laid as files, and in which their outcomes appear.

    pending/NAME           laid there by anybody, by renaming a finished file into it
    done/NAME              what was done, with NAME.outcome.json beside it
    refused/NAME           what was not and will not be, with NAME.outcome.json beside it

What comes in is nobody's friend: links and devices are not opened, sizes are bounded, and a file that holds no signed
message is refused like any other. A file that waits its turn stays where it is.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medshare.errors import ConfigurationError, InvalidInputError, MedshareError
from medshare.files import out_of_space_is_typed, private_folder, sync_folder, write_whole
from medshare.hashing import sha256
from medshare.model.typed_data import MAX_SIGNED_MESSAGE_SIZE, SignedMessage
from medshare.services.progress import Progress, silent
from medshare.services.relaying import Relayed, Relaying, RelayState

PENDING, DONE, REFUSED = "pending", "done", "refused"
OUTCOME = ".outcome.json"
_AT_ONCE = 1_000
"""Files in memory at once."""
_MAX_NAME = 200
"""Room for the outcome's ending within the 255 bytes that file systems give a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What became of one file."""

    name: str
    state: RelayState
    error: MedshareError | None = None
    relayed: Relayed | None = None
    """Where it held a signed message."""


class DropBox:
    """The drop box in one folder.

    Args:
        folder: where it is; its three folders are made where missing.
        relaying: what sends.
    """

    def __init__(self, folder: Path, relaying: Relaying) -> None:
        self._pending, self._done, self._refused = (private_folder(folder / name) for name in (PENDING, DONE, REFUSED))
        self._relaying = relaying

    def handle(self, *, progress: Progress = silent) -> tuple[Handled, ...]:
        """Send what lies in the box, once; return what became of each file, by name.

        Raises:
            LedgerUnavailableError, LedgerBusyError: the chain cannot be asked, or another relayer is at work; repeat.
            StoreFullError, ConfigurationError: the folder, the journal or the limits cannot be used.
        """
        names = self._names()
        handled: list[Handled] = []
        for start in range(0, len(names), _AT_ONCE):
            handled += self._handle(names[start : start + _AT_ONCE], progress)
        return tuple(handled)

    def serve(
        self,
        *,
        every: float,
        sleep: Callable[[float], None],
        stopped: Callable[[], bool],
        told: Callable[[tuple[Handled, ...]], None],
        troubled: Callable[[MedshareError], None],
    ) -> None:
        """Handle what comes in, round after round.

        Args:
            every: seconds between rounds.
            sleep: waits.
            stopped: asked before each round; True ends it.
            told: given what became of the files of each round, where there were any.
            troubled: given what kept a round from going on; the next may do better.

        Raises:
            ConfigurationError: the folder, the journal or the limits cannot be used.
        """
        while not stopped():
            try:
                handled = self.handle()
            except ConfigurationError:
                raise
            except MedshareError as error:
                troubled(error)
            else:
                if handled:
                    told(handled)
            sleep(every)

    def _handle(self, names: Sequence[str], progress: Progress) -> list[Handled]:
        handled: dict[str, Handled] = {}
        messages: dict[str, SignedMessage] = {}
        for name in names:
            try:
                messages[name] = SignedMessage.from_json(_read(self._pending / name))
            except InvalidInputError as error:
                handled[name] = Handled(name=name, state=RelayState.REFUSED, error=error)
            except FileNotFoundError:
                continue  # taken away again by who laid it there
        for name, one in zip(messages, self._relaying.relay(list(messages.values()), progress=progress), strict=True):
            handled[name] = Handled(name=name, state=one.state, error=one.error, relayed=one)
        for name in sorted(handled):
            self._put_away(handled[name])
        return [handled[name] for name in sorted(handled)]

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._pending) as entries:
                # A leading dot is a file that is still being written.
                return sorted(entry.name for entry in entries if not entry.name.startswith("."))
        except OSError as error:
            raise ConfigurationError("the drop box cannot be read", hint=f"check {self._pending}") from error

    def _put_away(self, handled: Handled) -> None:
        if handled.state is RelayState.LATER:
            return
        folder = self._done if handled.state is RelayState.DONE else self._refused
        source = self._pending / handled.name
        target = folder / _free_name(folder, handled.name)
        with out_of_space_is_typed("an outcome"):
            try:
                # The outcome first: a file that is put away always has one.
                write_whole(target.with_name(target.name + OUTCOME), _outcome(handled), replace=True)
                source.rename(target)
            except FileNotFoundError:
                return
            except (OSError, InvalidInputError) as error:
                raise ConfigurationError("a file of the drop box cannot be put away", hint=f"check {folder}") from error
        sync_folder(self._pending)


def _read(path: Path) -> bytes:
    """Return a file's bytes; raises ``InvalidInputError`` where it is no file, too large or not to be read."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise
    except OSError:
        raise InvalidInputError("it is no file that can be read") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InvalidInputError("it is no file that can be read")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            content = stream.read(MAX_SIGNED_MESSAGE_SIZE + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_SIGNED_MESSAGE_SIZE:
        raise InvalidInputError(f"it is larger than {MAX_SIGNED_MESSAGE_SIZE} bytes")
    return content


def _free_name(folder: Path, name: str) -> str:
    """Return a name that no earlier file has there; a long one is cut, and told apart by its digest."""
    if len(os.fsencode(name)) <= _MAX_NAME and not os.path.lexists(folder / name):
        return name
    mark = sha256(os.fsencode(name)).hex()[:8]
    stem = os.fsdecode(os.fsencode(name)[: _MAX_NAME // 2])
    number = 1
    while os.path.lexists(folder / f"{stem}.{mark}.{number}"):
        number += 1
    return f"{stem}.{mark}.{number}"


def _outcome(handled: Handled) -> bytes:
    outcome: dict[str, object] = {"state": str(handled.state)}
    if handled.relayed is not None:
        signed = handled.relayed.signed
        outcome |= {"struct": signed.message.struct(), "digest": "0x" + signed.digest.hex()}
        if handled.relayed.tx_hash is not None:
            outcome |= {
                "transaction": "0x" + handled.relayed.tx_hash.hex(),
                "block": handled.relayed.block_number,
            }
    if handled.error is not None:
        error = handled.error
        outcome |= {"error": type(error).__name__, "reason": str(error), "hint": error.hint}
    return (json.dumps(outcome, indent=2, sort_keys=True) + "\n").encode()
