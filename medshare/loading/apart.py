"""Examining in processes of their own: checking FHIR is work for a processor, and Python gives one to each process.

A process reads orders from its standard input and answers on its standard output until the input ends, as it does when
whoever started it is killed. It gets plaintexts and no key, and writes nothing anywhere.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeAlias

from medshare.errors import ConfigurationError, InvalidInputError, MedshareError
from medshare.ingesting import Said, arriving
from medshare.standards import fhir
from medshare.standards.ingest import Examined, Part, examine

_LENGTH = 8
# The same modules as here, wherever they are, and nothing from the folder in which the command is given.
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from medshare.loading.apart import serve; serve()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Resources, a line each."""

    documents: tuple[bytes, ...]

    def examined(self) -> list[Examined | InvalidInputError]:
        """Return what each says of itself, or why it cannot be read."""
        found: list[Examined | InvalidInputError] = []
        for document in self.documents:
            try:
                found.append(examine(document, fhir.MEDIA_TYPE))
            except InvalidInputError as refusal:
                found.append(refusal)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Whole files, as they are called."""

    paths: tuple[Path, ...]
    said: Said

    def examined(self) -> list[list[Part] | MedshareError]:
        """Return the records of each, or why it holds none."""
        found: list[list[Part] | MedshareError] = []
        for path in self.paths:
            try:
                found.append(list(arriving(path, said=self.said)))
            except MedshareError as refusal:
                found.append(refusal)
        return found


Order: TypeAlias = Lines | Files
Answer: TypeAlias = Sequence[Examined | MedshareError | list[Part]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    running: subprocess.Popen[bytes]
    orders: IO[bytes]
    answers: IO[bytes]


class Examiners:
    """Processes that examine, in a ``with`` block; they are started when they get their first order.

    Args:
        processes: how many; with 0 it is done here, when it is ordered.
    """

    def __init__(self, processes: int) -> None:
        self._pool = ThreadPoolExecutor(processes, "medshare-examine") if processes else None
        self._own = threading.local()
        self._started: list[_Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is None:
            return
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in self._started:
            process.running.kill()  # it has nothing to lose, and nobody waits for its answer
        self._pool.shutdown(wait=True)
        for process in self._started:
            process.running.kill()
            process.running.wait()
            for stream in (process.orders, process.answers):
                with suppress(OSError):
                    stream.close()

    def order(self, order: Order) -> Future[Answer]:
        """Return what will be the answer; it raises ``ConfigurationError`` where a process ends before it answers."""
        if self._pool is not None:
            return self._pool.submit(self._ask, order)
        answer: Future[Answer] = Future()
        answer.set_result(order.examined())
        return answer

    def _ask(self, order: Order) -> Answer:
        process = getattr(self._own, "process", None)
        try:
            if process is None:
                process = self._own.process = self._start()
            _write(process.orders, order)
            answer: Answer = _read(process.answers)
        except (OSError, EOFError) as error:
            raise ConfigurationError(
                "a process that examines records has ended",
                hint="see that there is memory enough; the same command again goes on where it was",
            ) from error
        return answer

    def _start(self) -> _Process:
        command = [sys.executable, "-P", "-c", _PROGRAM, *sys.path]
        running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - ourselves
        if running.stdin is None or running.stdout is None:
            raise EOFError
        process = _Process(running=running, orders=running.stdin, answers=running.stdout)
        self._started.append(process)
        return process


def serve() -> None:
    """Answer orders until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the keyboard speaks to who gives the orders
    orders, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    try:
        while True:
            order: Order = _read(orders)
            _write(answers, order.examined())
    except (EOFError, BrokenPipeError):
        os._exit(0)


def _write(stream: IO[bytes], message: Order | Answer) -> None:
    raw = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    stream.write(len(raw).to_bytes(_LENGTH, "big") + raw)
    stream.flush()


def _read(stream: IO[bytes]) -> Any:  # noqa: ANN401 - an order or an answer
    length = int.from_bytes(_exactly(stream, _LENGTH), "big")
    return pickle.loads(_exactly(stream, length))  # noqa: S301 - between us and our own child


def _exactly(stream: IO[bytes], size: int) -> bytes:
    raw = stream.read(size)
    if len(raw) < size:
        raise EOFError
    return raw
