"""The study of a request that a consent accepts, in a receipt: title, who asks, document, and DUO's terms.

ISO/IEC TS 27560 lets a record have fields beyond its own. What the data are used for stands among the purposes, too.
"""

from __future__ import annotations

from typing import Any

from medshare.content import Cid
from medshare.errors import InvalidInputError
from medshare.model.documents import Reader
from medshare.model.ids import DocumentId
from medshare.model.stated_use import MAX_STATED, StatedStudy, StatedUse

_IPFS = "ipfs://"


def purposes_of(study: StatedStudy | None) -> list[str]:
    """Return the IRIs of what a study uses data for, in DUO."""
    return [] if study is None else [each.code.iri for each in study.uses if each.is_purpose]


def study_fields(study: StatedStudy) -> dict[str, Any]:
    """Return the fields that ``read_study`` reads."""
    return {
        "title": study.title,
        "institution": study.institution,
        "contact": study.contact,
        "document": f"{_IPFS}{Cid.of_directory(study.document)}",
        "data_use": [each.fields() for each in study.uses],
    }


def read_study(fields: object) -> StatedStudy | None:
    """Return the study that a receipt states, or None where it states none; raises ``InvalidInputError``."""
    if fields is None:
        return None
    if not isinstance(fields, dict):
        raise InvalidInputError("the study in the receipt is no object")
    read = Reader(fields, "study in the receipt")
    study = StatedStudy(
        title=read.text("title"),
        institution=read.text("institution"),
        contact=read.text("contact"),
        document=_document(read.text("document")),
        uses=tuple(StatedUse.read(each) for each in read.objects("data_use", MAX_STATED)),
    )
    read.end()
    return study


def _document(uri: str) -> DocumentId:
    cid = Cid.parse(uri.removeprefix(_IPFS))
    if f"{_IPFS}{Cid.of_directory(cid.digest)}" != uri:
        raise InvalidInputError("the study in the receipt has no document: an ipfs URI of a directory")
    return DocumentId(cid.digest)
