"""Commands in processes of their own, without two seconds of imports for each: a process that has them made, and forks.

A command can be made to die at a point of its own work, by number or by name, however fast or slow the machine is.

Run as a program it reads ``{"program": name, "argv": [...], "out": path, "err": path, "counted": path, "dies_at":
number, "dies_in": name}`` line by line, runs each command in a fork, and answers with its status at its end. It ends
with its standard input.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import FrameType

LEAVES_SOMETHING = frozenset(
    {
        *("open", "write", "fsync", "close", "flush", "truncate", "posix_fallocate"),  # files
        *("replace", "rename", "link", "unlink", "remove", "mkdir", "rmdir", "utime", "chmod"),  # names and their ages
        *("flock", "lockf"),
        *("connect", "execute", "executemany", "executescript", "commit", "rollback"),  # SQLite
        *("send", "sendall"),
    }
)
"""Names of functions of C after which a disk, a lock or somebody at the other end of a wire may know more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command's process came to its end."""

    code: int | None
    """Its exit code; None if it was killed."""
    out: bytes
    err: str
    steps: int
    """Moments before and after each of its calls that writes, locks or sends, in all threads; 0 if it was killed."""


class Zygote:
    """Runs commands, one at a time."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process = process
        self.pid = process.pid
        self._out, self._err, self._counted = (folder / f"zygote.{name}" for name in ("out", "err", "counted"))

    def run(self, words: Sequence[str], *, program: str = "medshare.cli", dies_at: int = 0, dies_in: str = "") -> Ended:
        """Run a command to its end.

        Args:
            words: the command.
            program: the module whose ``main`` it is given to: the command line, or a script.
            dies_at: the step at which it is killed; none for 0.
            dies_in: the qualified name of a function at whose beginning it is killed; none if empty.
        """
        for path in (self._out, self._err):
            path.write_bytes(b"")
        self._counted.write_text("0")
        places = {"out": str(self._out), "err": str(self._err), "counted": str(self._counted)}
        order = {"program": program, "argv": list(words), "dies_at": dies_at, "dies_in": dies_in, **places}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        code = os.waitstatus_to_exitcode(int(self._process.stdout.readline()))
        return Ended(
            code=code if code >= 0 else None,
            out=self._out.read_bytes(),
            err=self._err.read_text(),
            steps=int(self._counted.read_text()),
        )


@contextmanager
def running_zygote(folder: Path, *, prefix: Sequence[str] = ()) -> Iterator[Zygote]:
    """Run a zygote until the block ends, as the last words of the command ``prefix`` if there is one."""
    command = [*prefix, sys.executable, __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Zygote(process, folder)
        assert process.stdin is not None
        process.stdin.close()


def serve() -> None:
    """Fork for each order."""
    import medshare.chain.embedded
    import medshare.cli.root
    import medshare.session  # noqa: F401 - imported late by medshare itself, as are the others

    sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))
    answers = os.dup(1)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            for number, path in ((1, order["out"]), (2, order["err"])):
                os.dup2(os.open(path, os.O_WRONLY), number)
            main = importlib.import_module(order["program"]).main
            mortality = Mortality(order["dies_at"], order["dies_in"])
            threading.setprofile(mortality)
            sys.setprofile(mortality)
            code = main(order["argv"])
            sys.setprofile(None)
            sys.stdout.flush()
            sys.stderr.flush()
            Path(order["counted"]).write_text(str(mortality.steps))
            os._exit(code)
        os.write(answers, b"%d\n" % os.waitpid(pid, 0)[1])


class Mortality:
    """Counts the steps of a process, and kills it at one of them: before or after a call of C that leaves something.

    What is computed between two of them leaves nothing, wherever in between it is killed.
    """

    def __init__(self, dies_at: int, dies_in: str) -> None:
        self._dies_at, self._dies_in = dies_at, dies_in
        self._numbers = count(1)
        self.steps = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event in ("c_call", "c_return"):
            if getattr(argument, "__name__", "") not in LEAVES_SOMETHING:
                return
            self.steps = number = next(self._numbers)
            dies = number == self._dies_at
        else:
            dies = event == "call" and frame.f_code.co_qualname == self._dies_in
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    serve()
