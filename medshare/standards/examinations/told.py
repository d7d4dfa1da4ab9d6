"""Which examinations a record tells, by what it is."""

from __future__ import annotations

from medshare.errors import InvalidInputError
from medshare.standards import dicom, fhir, hl7v2
from medshare.standards.examinations.examination import Examination
from medshare.standards.examinations.images import of_study
from medshare.standards.examinations.messages import of_message
from medshare.standards.examinations.resources import of_resource

MAX_EXAMINED = 256 << 20
"""Bytes of a record that is read to find its examinations."""


def examinations(document: bytes, media_type: str) -> tuple[Examination, ...]:
    """Return the examinations that a record tells, none where it tells none.

    Args:
        document: its bytes.
        media_type: what they are.

    Raises:
        InvalidInputError: it cannot be read as that, or examinations are not read of such records.
        ConfigurationError: the library that reads it is not installed.
    """
    match media_type:
        case fhir.MEDIA_TYPE:
            return of_resource(fhir.read(document))
        case hl7v2.MEDIA_TYPE:
            return of_message(hl7v2.read(document))
        case dicom.MEDIA_TYPE:
            return of_study(dicom.study(document))
        case _:
            raise InvalidInputError(
                "examinations are not read of such records",
                hint=f"they are of {dicom.MEDIA_TYPE}, {fhir.MEDIA_TYPE} and {hl7v2.MEDIA_TYPE}; look at it yourself",
            )
