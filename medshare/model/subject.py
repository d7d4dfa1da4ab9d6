"""What a decision is about: one version of a record, with the facts that provisions speak of.

What the manifest says stays out of ``repr``: a decision is shown in errors and logs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from medshare.errors import InvalidInputError
from medshare.model.documents import Reader
from medshare.model.ids import Address, RecordId
from medshare.model.labels import MAX_LABELS, is_label
from medshare.model.record import Category, Manifest, RecordEntry, RecordRef, RecordStatus, days_of

MAX_LINEAGE = (1 << 16) - 1
"""As many versions as the registry counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A record as a decision sees it; without its manifest only what the chain tells."""

    record: RecordRef
    patient: Address
    status: RecordStatus
    lineage: tuple[RecordId, ...] = ()
    """Earlier versions, by the same custodian, newest first."""
    category: Category | None = field(default=None, repr=False)
    """None while the manifest has not been opened: then nothing is known of labels and date either."""
    labels: tuple[str, ...] = field(default=(), repr=False)
    clinical_date: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if len(self.lineage) > MAX_LINEAGE:
            raise InvalidInputError(f"a record has at most {MAX_LINEAGE} earlier versions")
        if len(self.labels) > MAX_LABELS or not all(is_label(label) for label in self.labels):
            raise InvalidInputError(f"a record has at most {MAX_LABELS} labels, each a code of HL7's")
        if self.clinical_date is not None:
            days_of(self.clinical_date)
        if self.category is None and (self.labels or self.clinical_date is not None):
            raise InvalidInputError("labels and clinical date are in the manifest, with the category")

    @classmethod
    def on_chain(cls, entry: RecordEntry, lineage: tuple[RecordId, ...] = ()) -> Self:
        """Return what the chain tells of a record."""
        return cls(record=entry.ref, patient=entry.patient, status=entry.status, lineage=lineage)

    @classmethod
    def described(cls, entry: RecordEntry, manifest: Manifest, lineage: tuple[RecordId, ...] = ()) -> Self:
        """Return what chain and manifest tell of a record."""
        return cls(
            record=entry.ref,
            patient=entry.patient,
            status=entry.status,
            lineage=lineage,
            category=manifest.category,
            labels=manifest.labels,
            clinical_date=manifest.clinical_date,
        )

    @property
    def is_described(self) -> bool:
        """Whether the manifest has been opened."""
        return self.category is not None

    @property
    def days(self) -> range | None:
        """The days on which it may have happened, or None where the manifest does not say."""
        return None if self.clinical_date is None else days_of(self.clinical_date)

    def descends_from(self, record: RecordRef) -> bool:
        """Whether it is a later version of ``record``."""
        return record.custodian == self.record.custodian and record.record_id in self.lineage

    @classmethod
    def read(cls, read: Reader) -> Self:
        """Return the subject that ``read`` holds; raises ``InvalidInputError``."""
        subject = cls(
            record=RecordRef(custodian=read.address("custodian"), record_id=RecordId(read.digest("record_id"))),
            patient=read.address("patient"),
            status=RecordStatus(read.integer("status", min(RecordStatus), max(RecordStatus))),
            lineage=tuple(RecordId(each) for each in read.digests("lineage", MAX_LINEAGE)),
            category=read.choice("category", Category) if read.present("category") else None,
            labels=read.texts("labels", MAX_LABELS),
            clinical_date=read.optional_text("clinical_date"),
        )
        read.end()
        return subject

    def fields(self) -> dict[str, Any]:
        """Return the fields of a document that ``read`` reads."""
        return {
            "custodian": self.record.custodian,
            "record_id": self.record.record_id.hex(),
            "patient": self.patient,
            "status": int(self.status),
            "lineage": [each.hex() for each in self.lineage],
            "category": self.category,
            "labels": list(self.labels),
            "clinical_date": self.clinical_date,
        }
