"""What arrives from a hospital's systems: which kind of bytes it is, what it says of itself, what is wrong with it.

By content first, then by name: FHIR R4 in JSON and NDJSON, HL7 v2, DICOM; anything else is bytes with a media type.
What holds several records (an NDJSON file, a Bundle that only carries, a batch of messages) is taken apart into the
slices of its original bytes. Archives are not opened: a zip or gzip file is bytes like any other.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medshare.errors import ConfigurationError, InvalidInputError, NonConformantError
from medshare.model.finding import Finding, Severity, error, warning
from medshare.model.record import Category
from medshare.standards import dicom, fhir, hl7v2, ndjson
from medshare.standards.fhir import references
from medshare.standards.fhir.describing import BYTE_ORDER_MARK
from medshare.standards.fhir.structure import survey

OTHER = "application/octet-stream"
HEAD = 1 << 16

_STANDARDS = {
    fhir.MEDIA_TYPE: "FHIR R4",
    ndjson.MEDIA_TYPE: "FHIR R4",
    hl7v2.MEDIA_TYPE: "HL7 v2",
    dicom.MEDIA_TYPE: "DICOM",
}
_MAGIC = ((b"\x1f\x8b", "application/gzip"), (b"PK\x03\x04", "application/zip"), (b"%PDF-", "application/pdf"))
_LINES = (".ndjson", ".jsonl")
_NAMED = b'"resourceType"'
_FRAMES = b"\x0b\r\n"
_MESSAGE = (b"MSH", b"FHS", b"BHS")
# The table that comes with Python, and not the machine's, so that a name means the same everywhere.
_BY_NAME = mimetypes.MimeTypes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What a document says of itself, and what is wrong with it."""

    media_type: str
    category: Category = Category.OTHER
    resource_type: str | None = None
    clinical_date: str | None = None
    labels: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    """Whom it is about, as it refers to them: identifying, not for logs and errors."""
    findings: tuple[Finding, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings for which it is refused."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    def must_conform(self) -> None:
        """Refuse it where anything is wrong that is no mere warning.

        Raises:
            NonConformantError: it does not conform to its standard.
        """
        if self.errors:
            raise NonConformantError(_STANDARDS.get(self.media_type, self.media_type), self.errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One record of what arrived."""

    place: str
    """Where it is in what arrived: ``line 7``, ``entry 3``, ``message 2``; empty for all of it."""
    document: Path | bytes
    examined: Examined | None
    refusal: InvalidInputError | None = None
    """Why it cannot be examined, where it cannot."""
    end: int | None = None
    """Where the next one begins, where they are read one by one."""


def recognise(source: Path | bytes, name: str = "") -> str:
    """Return the media type of ``source``, by its content and then by its name.

    Raises:
        InvalidInputError: the file cannot be read.
    """
    head = _head(source)
    suffix = Path(name).suffix.lower()
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head[dicom.PREAMBLE :].startswith(dicom.PREFIX) or suffix in (".dcm", ".dicom"):
        return dicom.MEDIA_TYPE
    text = head.removeprefix(BYTE_ORDER_MARK)
    message = text.lstrip(_FRAMES)
    if message.startswith(_MESSAGE) and not message[3:4].isalnum():
        return hl7v2.MEDIA_TYPE
    if text.lstrip().startswith(b"{"):
        if suffix in _LINES and _NAMED in head:
            return ndjson.MEDIA_TYPE
        # It may come last, behind everything else.
        if suffix not in _LINES and _NAMED in _read(source, fhir.MAX_RESOURCE_SIZE):
            return fhir.MEDIA_TYPE
    return _BY_NAME.guess_type(f"file{suffix}", strict=True)[0] or OTHER


def examine(source: Path | bytes, media_type: str) -> Examined:
    """Return what one document says of itself, and what is wrong with it.

    Raises:
        InvalidInputError: it cannot be read as what it is said to be.
    """
    match media_type:
        case fhir.MEDIA_TYPE:
            return _resource(_read(source, fhir.MAX_RESOURCE_SIZE))
        case hl7v2.MEDIA_TYPE:
            return _message(_read(source, hl7v2.MAX_MESSAGE_SIZE))
        case dicom.MEDIA_TYPE:
            return _image(source)
        case _:
            return Examined(media_type=media_type)


def parts(source: Path | bytes, media_type: str) -> Iterator[Part]:
    """Yield the records of what arrived, one by one; one that cannot be read comes with its refusal.

    Raises:
        InvalidInputError: it cannot be taken apart, so that none of it is a record.
    """
    match media_type:
        case ndjson.MEDIA_TYPE:
            for line in ndjson.lines(source):
                yield _line(line)
        case fhir.MEDIA_TYPE:
            document = _read(source, fhir.MAX_RESOURCE_SIZE)
            resource = fhir.read(document)
            if fhir.is_split(resource):
                yield from _entries(document, resource)
            else:
                yield Part(place="", document=document, examined=_resource_of(resource, document))
        case hl7v2.MEDIA_TYPE:
            yield from _messages(source)
        case _:
            yield Part(place="", document=source, examined=examine(source, media_type))


def _line(line: ndjson.Line) -> Part:
    place = f"line {line.number}"
    if line.refusal is not None:
        return Part(place=place, document=b"", examined=None, refusal=line.refusal, end=line.end)
    try:
        return Part(place=place, document=line.document, examined=_resource(line.document), end=line.end)
    except InvalidInputError as refusal:
        return Part(place=place, document=line.document, examined=None, refusal=refusal, end=line.end)


def _entries(document: bytes, bundle: dict[str, object]) -> Iterator[Part]:
    frame = fhir.frame(bundle)
    found = (*survey(frame).findings, *references.check_urls(bundle))
    wrong = tuple(finding for finding in found if finding.severity is Severity.ERROR)
    if wrong:
        raise NonConformantError("FHIR R4", wrong)
    aliases, urls = references.aliases_of(bundle), references.urls_of(bundle)
    outer = fhir.describe(frame).labels
    several = bundle["entry"] if isinstance(bundle.get("entry"), list) else []
    for each in fhir.entries(document):
        resource = several[each.number]["resource"]  # type: ignore[index]
        said = fhir.describe(resource)
        local = references.check_local(resource, said.resource_type, urls)
        examined = Examined(
            media_type=fhir.MEDIA_TYPE,
            category=said.category,
            resource_type=said.resource_type or None,
            clinical_date=said.clinical_date,
            labels=tuple(sorted({*outer, *said.labels})),
            patients=references.patients_of(resource, aliases),
            findings=(*fhir.check(resource), *local),
        )
        yield Part(place=f"entry {each.number}", document=document[each.start : each.end], examined=examined)


def _messages(source: Path | bytes) -> Iterator[Part]:
    document = _read(source, hl7v2.MAX_MESSAGE_SIZE)
    spans = list(hl7v2.messages(document))
    if len(spans) <= 1:
        yield Part(place="", document=document, examined=_message(document))
        return
    for number, (start, end) in enumerate(spans, 1):
        place, message = f"message {number}", document[start:end]
        try:
            yield Part(place=place, document=message, examined=_message(message))
        except InvalidInputError as refusal:
            yield Part(place=place, document=message, examined=None, refusal=refusal)


def _resource(document: bytes) -> Examined:
    return _resource_of(fhir.read(document), document)


def _resource_of(resource: dict[str, object], document: bytes) -> Examined:
    found = fhir.describe(resource)
    marked = (warning("byte-order-mark", "", "it begins with a byte order mark, which JSON does not have"),)
    several = len(found.patients) > 1
    return Examined(
        media_type=fhir.MEDIA_TYPE,
        category=found.category,
        resource_type=found.resource_type,
        clinical_date=found.clinical_date,
        labels=found.labels,
        patients=found.patients,
        findings=(
            *(marked if document.startswith(BYTE_ORDER_MARK) else ()),
            *fhir.check(resource),
            *((_several_patients(),) if several else ()),
        ),
    )


def _message(document: bytes) -> Examined:
    message = hl7v2.read(document)
    seen = hl7v2.check(message)
    return Examined(
        media_type=hl7v2.MEDIA_TYPE,
        category=seen.category,
        clinical_date=seen.clinical_date,
        labels=seen.labels,
        patients=seen.patients,
        findings=(*seen.findings, *((_several_patients(),) if len(seen.patients) > 1 else ())),
    )


def _image(source: Path | bytes) -> Examined:
    try:
        seen = dicom.check(source)
    except ConfigurationError:
        unseen = warning("library", "", "it was not checked: pip install 'medshare[dicom]'")
        return Examined(media_type=dicom.MEDIA_TYPE, category=Category.IMAGING, findings=(unseen,))
    return Examined(
        media_type=dicom.MEDIA_TYPE,
        category=Category.IMAGING,
        clinical_date=seen.clinical_date,
        patients=seen.patients,
        findings=seen.findings,
    )


def _several_patients() -> Finding:
    return error("patients", "", "it is one record, and speaks of several patients")


def _head(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:HEAD]
    with ndjson.opened(source) as stream:
        return stream.read(HEAD)


def _read(source: Path | bytes, limit: int) -> bytes:
    if isinstance(source, bytes):
        return source
    with ndjson.opened(source) as stream:
        # One byte more than could be right, so that what is too large is refused and not cut.
        return stream.read(limit + 1)
