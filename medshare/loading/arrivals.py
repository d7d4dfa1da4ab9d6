"""What a load takes, in the order in which it is given: taken apart here, examined in processes some way ahead.

So many groups are ahead that no process waits, and so few that memory stays the same whatever comes.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from medshare.errors import InvalidInputError, MedshareError
from medshare.files import unreadable_is_typed
from medshare.ingesting import Said, arriving
from medshare.loading.apart import Answer, Examiners, Files, Lines
from medshare.standards import ndjson
from medshare.standards.ingest import Examined, Part, recognise

GROUP_RECORDS = 256
GROUP_BYTES = 1 << 20
LARGE = 4 << 20
"""Files of more bytes are examined here: what they hold need not be copied from one process to another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that a load takes."""

    file: int
    """Its place among what was given, from 1; of a folder all files have that of the folder."""
    member: int | None
    """Its place in the folder, from 1."""
    path: Path = field(repr=False)
    size: int
    """Bytes."""
    before: int
    """Bytes of the files before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Records that came together: some lines, or all of a file."""

    source: Source
    parts: Sequence[Part]
    refusal: MedshareError | None = None
    """Why the file holds none."""
    together: bool = False
    """Whether they are all of the file."""


def sources(given: Iterable[Path]) -> Iterator[Source]:
    """Yield the files that are given; of a folder all files in it and below, by name, but for hidden ones."""
    before = 0
    for number, path in enumerate(given, 1):
        is_folder = path.is_dir()
        for member, each in enumerate(_below(path) if is_folder else [path], 1):
            size = each.stat().st_size if each.is_file() else 0
            yield Source(file=number, member=member if is_folder else None, path=each, size=size, before=before)
            before += size


def arrivals(files: Iterable[Source], said: Said, examiners: Examiners, *, ahead: int) -> Iterator[Arrival]:
    """Yield what arrives, examined, in order.

    Args:
        files: the files.
        said: what the custodian says of them: here only the media type counts.
        examiners: who examine.
        ahead: how many groups are given to them before the first is used.

    Raises:
        ConfigurationError: a process that examines has ended.
    """
    waiting: deque[tuple[_Group, Future[Answer] | None]] = deque()
    for group in _groups(files, said):
        order = group.order
        waiting.append((group, None if order is None else examiners.order(order)))
        if len(waiting) > ahead:
            yield from _answered(*waiting.popleft())
    while waiting:
        yield from _answered(*waiting.popleft())


def _answered(group: _Group, answer: Future[Answer] | None) -> Iterator[Arrival]:
    yield from group.arrivals(() if answer is None else answer.result())


@dataclass(frozen=True, slots=True, kw_only=True)
class _SomeLines:
    source: Source
    lines: Sequence[ndjson.Line]

    @property
    def order(self) -> Lines:
        return Lines(documents=tuple(line.document for line in self.lines if line.refusal is None))

    def arrivals(self, answer: Answer) -> Iterator[Arrival]:
        answers = iter(answer)
        parts = []
        for line in self.lines:
            told = line.refusal or next(answers)
            parts.append(
                Part(
                    place=f"line {line.number}",
                    document=line.document,
                    examined=told if isinstance(told, Examined) else None,
                    refusal=told if isinstance(told, InvalidInputError) else None,
                    end=line.end,
                )
            )
        yield Arrival(source=self.source, parts=parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SmallFiles:
    sources: Sequence[Source]
    said: Said

    @property
    def order(self) -> Files:
        return Files(paths=tuple(source.path for source in self.sources), said=self.said)

    def arrivals(self, answer: Answer) -> Iterator[Arrival]:
        for source, told in zip(self.sources, answer, strict=True):
            if isinstance(told, list):
                yield Arrival(source=source, parts=told, together=True)
            elif isinstance(told, MedshareError):
                yield Arrival(source=source, parts=(), refusal=told)


@dataclass(frozen=True, slots=True, kw_only=True)
class _LargeFile:
    source: Source
    said: Said
    order: None = None

    def arrivals(self, _answer: Answer) -> Iterator[Arrival]:
        try:
            parts = list(arriving(self.source.path, said=self.said))
        except MedshareError as refusal:
            yield Arrival(source=self.source, parts=(), refusal=refusal)
        else:
            yield Arrival(source=self.source, parts=parts, together=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    source: Source
    refusal: MedshareError
    order: None = None

    def arrivals(self, _answer: Answer) -> Iterator[Arrival]:
        yield Arrival(source=self.source, parts=(), refusal=self.refusal)


_Group: TypeAlias = _SomeLines | _SmallFiles | _LargeFile | _Refused


def _groups(files: Iterable[Source], said: Said) -> Iterator[_Group]:
    """Take files apart in their order; small ones that follow each other are one group."""
    small: list[Source] = []
    size = 0
    for source in files:
        alone = _alone(source, said)
        if small and (alone is not None or len(small) == GROUP_RECORDS or size >= GROUP_BYTES):
            yield _SmallFiles(sources=tuple(small), said=said)
            small.clear()
            size = 0
        if alone is None:
            small.append(source)
            size += source.size
        else:
            yield from alone
    if small:
        yield _SmallFiles(sources=tuple(small), said=said)


def _alone(source: Source, said: Said) -> Iterator[_Group] | None:
    """Return the groups of a file that shares none with others, or None for a small file."""
    try:
        if (said.media_type or recognise(source.path, source.path.name)) == ndjson.MEDIA_TYPE:
            return _by_line(source)
    except InvalidInputError as refusal:
        return iter([_Refused(source=source, refusal=refusal)])
    return iter([_LargeFile(source=source, said=said)]) if source.size > LARGE else None


def _by_line(source: Source) -> Iterator[_Group]:
    lines: list[ndjson.Line] = []
    size = 0
    try:
        for line in ndjson.lines(source.path):
            lines.append(line)
            size += len(line.document)
            if len(lines) == GROUP_RECORDS or size >= GROUP_BYTES:
                yield _SomeLines(source=source, lines=tuple(lines))
                lines.clear()
                size = 0
    except InvalidInputError as refusal:
        yield _Refused(source=source, refusal=refusal)
    if lines:
        yield _SomeLines(source=source, lines=tuple(lines))


def _below(folder: Path) -> Iterator[Path]:
    with unreadable_is_typed(), os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path))
        elif entry.is_file():
            yield Path(entry.path)
