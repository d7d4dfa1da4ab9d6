"""The text of an HL7 v2 message: its bytes in the character set that it names, its segments, their fields.

Messages that come together (a batch, a file of batches, or one after the other) are a record each: the slice of the
original bytes, without the envelopes of batch and file. The frame of MLLP around a message is no part of it either.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medshare.errors import InvalidInputError

MEDIA_TYPE = "application/hl7-v2"
MAX_MESSAGE_SIZE = 64 << 20
_MAX_SEGMENTS = 100_000

# HL7's table 0211, in Python's words. Those of the Japanese sets that switch by escape sequences are one codec there.
_CHARACTER_SETS: Mapping[str, str] = {
    "": "ascii",
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859_{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "ISO IR14": "iso2022_jp",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_1",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "CNS 11643-1992": "big5",
    "BIG-5": "big5",
    "UNICODE": "utf_8",
    "UNICODE UTF-8": "utf_8",
}
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}", re.ASCII)
# One of fields, and two to five others, each another.
_SEPARATORS = re.compile(r"MSH([^\w\s])((?:(?!\1)[^\w\s]){2,5})\1", re.ASCII)
_LINE = re.compile(rb"[^\r\n\x0b\x1c]+")
_ENVELOPES = (b"FHS", b"BHS", b"BTS", b"FTS")
_CHARACTER_SET = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One segment of a message."""

    name: str
    number: int
    """Its place in the message, from 1."""
    fields: Sequence[str]
    """By HL7's numbers: the field 0 is the name, and MSH-1 the separator."""
    separators: str
    """Of components, repetitions, escapes and subcomponents."""

    def field(self, number: int) -> str:
        """Return a field as it is written, empty where absent."""
        return self.fields[number] if number < len(self.fields) else ""

    def repetitions(self, number: int) -> list[str]:
        """Return the repetitions of a field that say anything."""
        repeats = self.separators[1:2]
        text = self.field(number)
        return [each for each in (text.split(repeats) if repeats else [text]) if each]

    def component(self, number: int, component: int) -> str:
        """Return a component of a field's first repetition, counted from 1, empty where absent."""
        first = (self.repetitions(number) or [""])[0]
        several = first.split(self.separators[:1])
        return several[component - 1] if component <= len(several) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message, read and not checked."""

    segments: Sequence[Segment]

    @property
    def head(self) -> Segment:
        """The segment MSH."""
        return self.segments[0]

    @property
    def version(self) -> str:
        """The version of HL7 v2 that it says it is of."""
        return self.head.component(12, 1)

    def named(self, name: str) -> list[Segment]:
        """Return the segments of a name."""
        return [segment for segment in self.segments if segment.name == name]


def messages(document: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each message begins and ends in ``document``."""
    start = end = -1
    for line in _LINE.finditer(document):
        opens = line[0].startswith(b"MSH")
        if start >= 0 and (opens or line[0].startswith(_ENVELOPES)):
            yield start, end
            start = -1
        if opens:
            start = line.start()
        # The separator that ends a segment belongs to it.
        end = line.end() + (document[line.end() : line.end() + 1] in (b"\r", b"\n"))
        end += document[end - 1 : end + 1] == b"\r\n"
    if start >= 0:
        yield start, end


def read(document: bytes) -> Message:
    """Return the message that ``document`` holds.

    Raises:
        InvalidInputError: too large, not in the character set that it names, or no message.
    """
    if len(document) > MAX_MESSAGE_SIZE:
        raise InvalidInputError(f"the message has {len(document)} bytes, at most {MAX_MESSAGE_SIZE} are read")
    spans = list(messages(document))
    if len(spans) != 1:
        raise InvalidInputError(
            "it holds several HL7 v2 messages" if spans else "it is no HL7 v2 message: it has no segment MSH"
        )
    start, end = spans[0]
    text = _decoded(document[start:end])
    named = _SEPARATORS.match(text)
    if named is None:
        raise InvalidInputError("MSH does not name its separators")
    separator, encoding = named[1], named[2]
    lines = [line for line in re.split(r"\r\n?|\n", text) if line]
    if len(lines) > _MAX_SEGMENTS:
        raise InvalidInputError(f"the message has {len(lines)} segments, at most {_MAX_SEGMENTS} are read")
    segments = [_segment(line, number, separator, encoding) for number, line in enumerate(lines, 1)]
    return Message(segments=segments)


def _segment(line: str, number: int, separator: str, encoding: str) -> Segment:
    fields = line.split(separator)
    name = fields[0]
    if not _SEGMENT.fullmatch(name):
        raise InvalidInputError(f"line {number} of the message begins with no name of a segment")
    if name == "MSH":
        fields.insert(1, separator)
    return Segment(name=name, number=number, fields=fields, separators=encoding)


def _decoded(message: bytes) -> str:
    head = _LINE.match(message)
    separator = message[3:4]
    fields = head[0].split(separator) if head is not None and separator else []
    named = fields[_CHARACTER_SET - 1] if len(fields) >= _CHARACTER_SET else b""
    first = named.split(message[5:6] or b"~")[0].strip().upper().decode("ascii", "replace")
    codec = _CHARACTER_SETS.get(first)
    if codec is None:
        raise InvalidInputError("MSH-18 names a character set that is not in HL7's table 0211")
    try:
        return codecs.decode(message, codec)
    except UnicodeError as error:
        hint = "MSH-18 must name the character set in which the message is written; without it, that is ASCII"
        # The decoder's message quotes the text: it is left out.
        raise InvalidInputError("the message is not in the character set that MSH-18 names", hint=hint) from error
