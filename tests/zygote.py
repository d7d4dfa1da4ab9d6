"""Commands in processes of their own, without two seconds of imports for each: a process that has them made, and forks.

Run as a program it reads ``{"argv": [...], "out": path, "err": path}`` line by line, runs each command in a fork, and
answers with the fork's process id at once and with its status at its end. It ends with its standard input.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command's process came to its end."""

    code: int | None
    """Its exit code; None if it was killed."""
    out: bytes
    err: str


class Zygote:
    """Runs commands, one at a time."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process = process
        self._out, self._err = folder / "zygote.out", folder / "zygote.err"

    def start(self, words: Sequence[str]) -> int:
        """Start a command; return its process id. It must be waited for before the next."""
        self._out.write_bytes(b"")
        self._err.write_bytes(b"")
        order = {"argv": list(words), "out": str(self._out), "err": str(self._err)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def kill(self, pid: int) -> None:
        """End a command that ``start`` has started, as a power cut would end it."""
        # Waited for by its parent, the zygote: the id may be free by now only if the parent has answered already.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def wait(self) -> Ended:
        status = self._answer()
        code = os.waitstatus_to_exitcode(status)
        return Ended(code=code if code >= 0 else None, out=self._out.read_bytes(), err=self._err.read_text())

    def run(self, words: Sequence[str]) -> Ended:
        self.start(words)
        return self.wait()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@contextmanager
def running_zygote(folder: Path) -> Iterator[Zygote]:
    """Run a zygote until the block ends."""
    with subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Zygote(process, folder)
        assert process.stdin is not None
        process.stdin.close()


def serve() -> None:
    """Fork for each order."""
    import medshare.chain.embedded
    import medshare.cli.root
    import medshare.session  # noqa: F401 - imported late by medshare itself, as are the others
    from medshare.cli import main

    answers = os.dup(1)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            for number, path in ((1, order["out"]), (2, order["err"])):
                os.dup2(os.open(path, os.O_WRONLY), number)
            code = main(order["argv"])
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        os.write(answers, b"%d\n" % pid)
        os.write(answers, b"%d\n" % os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    serve()
