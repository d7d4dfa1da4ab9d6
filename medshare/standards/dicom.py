"""DICOM at the edge: what an image or report says of itself, and whether it is whole (``pip install medshare[dicom]``).

Pixels are not decoded. Whether they are all there is said by their length, or by the end mark of what is encapsulated;
nothing is unpacked but a deflated data set, within a limit.
"""

from __future__ import annotations

import importlib.util
import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from medshare.errors import ConfigurationError, InvalidInputError
from medshare.model.finding import Finding, error, warning

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

MEDIA_TYPE = "application/dicom"
PREAMBLE = 128
PREFIX = b"DICM"
MAX_INFLATED = 256 << 20
_DEFERRED = 1 << 16
_CHUNK = 1 << 20
_META_GROUP = 2
_DAY = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)", re.ASCII)
_DATES = ("AcquisitionDate", "ContentDate", "SeriesDate", "StudyDate")
_RECORDED = ("InstanceCreationDate", "ContentDate", "StudyDate")
# What the composite objects of DICOM have in common and must have (PS3.3, C.7.1.1, C.7.2.1, C.7.3.1, C.12.1).
_REQUIRED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality")
_RESULTS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData", "EncapsulatedDocument", "ContentSequence")
_EXPECTED = ("PatientID", "PatientName", "StudyDate", "StudyTime", "AccessionNumber", "StudyID")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """What was seen of an object."""

    clinical_date: str | None
    recorded_date: str | None
    patients: tuple[str, ...]
    """Its Patient ID with the issuer: identifying, not for logs and errors."""
    findings: tuple[Finding, ...]
    required: int
    """What was required of it."""
    wrong: int
    """What of that is wrong."""
    expected: int
    """What an object like it usually says."""
    said: int
    """What of that it says."""
    concepts: int
    coded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What an object says of the study that it belongs to."""

    procedures: tuple[tuple[str, str], ...]
    """Scheme and code of the procedures that were performed."""
    clinical_date: str | None
    preliminary: bool
    """Whether it says that it is not complete, or not final."""
    has_result: bool
    """Whether it holds an image, a document or a report."""


def is_there() -> bool:
    """Whether the library is installed."""
    return importlib.util.find_spec("pydicom") is not None


def need() -> None:
    """Refuse to go on without the library.

    Raises:
        ConfigurationError: it is not installed.
    """
    if not is_there():
        raise ConfigurationError("DICOM cannot be checked here", hint="pip install 'medshare[dicom]'")


def check(source: Path | bytes) -> Surveyed:
    """Return what a DICOM object says of itself, and what is wrong with it.

    Raises:
        ConfigurationError: the library is not installed.
        InvalidInputError: it cannot be read as DICOM, or a deflated data set is larger than ``MAX_INFLATED``.
    """
    need()
    stream: BinaryIO = BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    with stream, _unreadable_is_typed():
        return _survey(stream)


def study(document: bytes) -> Study:
    """Return what a DICOM object says of the study that it belongs to.

    Raises:
        ConfigurationError, InvalidInputError: as ``check``.
    """
    need()
    with BytesIO(document) as stream, _unreadable_is_typed():
        data, has_preamble = _read(stream)
        _refuse_other(data, has_preamble=has_preamble)
        flags = (str(data.get("CompletionFlag")), str(data.get("PreliminaryFlag")))
        return Study(
            procedures=tuple(_procedures(data)),
            clinical_date=_first_day(data, _DATES),
            preliminary=flags[0] == "PARTIAL" or flags[1] == "PRELIMINARY",
            has_result=any(name in data for name in _RESULTS),
        )


@contextmanager
def _unreadable_is_typed() -> Iterator[None]:
    with warnings.catch_warnings():
        # What the library warns of quotes values.
        warnings.simplefilter("ignore")
        try:
            yield
        except InvalidInputError:
            raise
        except Exception as unreadable:
            # Its message may quote a value.
            raise InvalidInputError("it cannot be read as DICOM") from unreadable


def _read(stream: BinaryIO) -> tuple[FileDataset, bool]:
    """Return the data set, and whether it has a preamble."""
    import pydicom

    head = stream.read(PREAMBLE + len(PREFIX))
    has_preamble = head[PREAMBLE:] == PREFIX
    stream.seek(0)
    _refuse_bomb(stream)
    stream.seek(0)
    data = pydicom.dcmread(stream, force=not has_preamble, defer_size=_DEFERRED if hasattr(stream, "name") else None)
    if not data:
        raise InvalidInputError("it is cut before its end: none of it can be read as DICOM")
    return data, has_preamble


def _refuse_other(data: FileDataset, *, has_preamble: bool) -> None:
    if not has_preamble and "SOPClassUID" not in data:
        raise InvalidInputError("it has no DICOM preamble, and does not read as DICOM without one")


def _procedures(data: FileDataset) -> Iterator[tuple[str, str]]:
    for item in data.get("ProcedureCodeSequence") or ():
        scheme = item.get("CodingSchemeDesignator")
        code = item.get("CodeValue") or item.get("LongCodeValue")
        if scheme and code:
            yield str(scheme), str(code)


def _survey(stream: BinaryIO) -> Surveyed:
    data, has_preamble = _read(stream)
    findings = list(_pixels(data, stream.seek(0, SEEK_END)))
    if "PixelData" in data:
        del data.PixelData
    findings.extend(_findings(data, has_preamble=has_preamble))
    _refuse_other(data, has_preamble=has_preamble)
    concepts, coded = _concepts(data)
    said = [name for name in _EXPECTED if data.get(name)]
    return Surveyed(
        clinical_date=_first_day(data, _DATES),
        recorded_date=_first_day(data, _RECORDED),
        patients=_patients(data),
        findings=tuple(findings),
        required=len(_REQUIRED) + 2,
        wrong=sum(1 for finding in findings if finding.rule in ("missing", "pixels", "transfer-syntax")),
        expected=len(_EXPECTED),
        said=len(said),
        concepts=concepts,
        coded=coded,
    )


def _findings(data: FileDataset, *, has_preamble: bool) -> Iterator[Finding]:
    if not has_preamble:
        yield warning("preamble", "", "it has no preamble: other programs may not know it as DICOM")
    for name in _REQUIRED:
        if not data.get(name):
            yield error("missing", name, "it must be there")
    private = sum(1 for element in data.iterall() if element.tag.is_private)
    if private:
        yield warning("private", "", f"it has {private} private elements: what they say is the maker's own")
    for name in (*_DATES, "PatientBirthDate", "InstanceCreationDate"):
        if data.get(name) and _day(str(data.get(name))) is None:
            yield error("date", name, "it is no date in DICOM's form, or a day that no calendar has")


def _pixels(data: FileDataset, size: int) -> Iterator[Finding]:
    """Yield what is wrong with the pixels of an object in a file of ``size`` bytes; large ones are not read."""
    from pydicom.dataelem import RawDataElement
    from pydicom.pixels.utils import get_expected_length

    if "PixelData" not in data:
        return
    syntax = data.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        yield error(
            "transfer-syntax", "TransferSyntaxUID", "it must be there: nothing else says how pixels are written"
        )
        return
    if syntax.is_private or not syntax.is_transfer_syntax:
        yield error("transfer-syntax", "TransferSyntaxUID", "it is none of DICOM's own")
        return
    try:
        expected = int(get_expected_length(data))
    except (AttributeError, KeyError, TypeError, ValueError):
        yield error("pixels", "PixelData", "what says how large the image is, is not there or is no number")
        return
    pixels: Any = data.get_item("PixelData")
    if syntax.is_encapsulated:
        # Large ones are passed over by their fragments when they are found: those are whole.
        if pixels.value is not None and not _ends(bytes(pixels.value)):
            yield error("pixels", "PixelData", "the last fragment is cut")
        return
    if isinstance(pixels, RawDataElement) and pixels.value is None:
        length = min(pixels.length, size - pixels.value_tell)
    else:
        length = len(pixels.value)
    if length < expected:
        yield error("pixels", "PixelData", "it is cut: it is shorter than the image is large")


def _ends(encapsulated: bytes) -> bool:
    """Whether the fragments are whole, one after the other."""
    at = 0
    while at < len(encapsulated):
        if encapsulated[at : at + 4] == b"\xfe\xff\xdd\xe0":
            return True
        if encapsulated[at : at + 4] != b"\xfe\xff\x00\xe0":
            return False
        at += 8 + int.from_bytes(encapsulated[at + 4 : at + 8], "little")
    return at == len(encapsulated)


def _refuse_bomb(stream: BinaryIO) -> None:
    """Refuse a deflated data set that would be larger than ``MAX_INFLATED``, before anything holds it."""
    from pydicom.filereader import read_dataset
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    if stream.read(PREAMBLE + len(PREFIX))[PREAMBLE:] != PREFIX:
        return
    meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag.group != _META_GROUP)  # noqa: FBT003
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    size = 0
    while not inflater.eof and (chunk := inflater.unconsumed_tail or stream.read(_CHUNK)):
        size += len(inflater.decompress(chunk, _CHUNK))
        if size > MAX_INFLATED:
            raise InvalidInputError(f"the deflated data set is larger than {MAX_INFLATED} bytes")


def _concepts(data: FileDataset) -> tuple[int, int]:
    """Count the code sequences' items, and those that name a code and its scheme."""
    found = coded = 0
    for element in data.iterall():
        if element.VR == "SQ" and element.keyword.endswith("CodeSequence"):
            for item in element.value:
                found += 1
                coded += bool(item.get("CodeValue") and item.get("CodingSchemeDesignator"))
    return found, coded


def _patients(data: FileDataset) -> tuple[str, ...]:
    patient = str(data.get("PatientID") or "")
    return (f"{patient}^^^{data.get('IssuerOfPatientID') or ''}",) if patient else ()


def _first_day(data: FileDataset, names: tuple[str, ...]) -> str | None:
    return next((day for name in names if (day := _day(str(data.get(name) or "")))), None)


def _day(text: str) -> str | None:
    """Return a day in DICOM's form, as FHIR writes it."""
    found = _DAY.fullmatch(text.strip())
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3])).isoformat()
    except ValueError:
        return None
