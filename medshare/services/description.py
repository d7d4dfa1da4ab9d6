"""What a custodian says of a record, and by what the same record said again is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medshare.model.ids import Address, RecordId
from medshare.model.record import Category, Manifest, plaintext_digest
from medshare.services.journal import PublicationJournal
from medshare.services.sealing import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a custodian says of a record; it goes into the encrypted manifest."""

    media_type: str = "application/octet-stream"
    category: Category = Category.OTHER
    resource_type: str | None = None
    labels: tuple[str, ...] = ()
    clinical_date: str | None = None
    # These two do not make it another publication: the one is in the bytes, the other only says why.
    patient_reference: str | None = field(default=None, repr=False)
    overrides: Mapping[str, str] = field(default_factory=dict, repr=False)

    def manifest(
        self,
        source: Source,
        *,
        patient: Address,
        custodian: Address,
        salt: bytes,
        supersedes: RecordId | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Manifest:
        """Return the manifest of a plaintext that has been read; ``extra`` goes into it as it is."""
        return Manifest(
            patient=patient,
            custodian=custodian,
            media_type=self.media_type,
            category=self.category,
            resource_type=self.resource_type,
            labels=self.labels,
            clinical_date=self.clinical_date,
            size=source.size,
            salt=salt,
            digest=plaintext_digest(salt, source.digest),
            supersedes=supersedes,
            patient_reference=self.patient_reference,
            overrides=self.overrides,
            extra=extra or {},
        )


def description_of(manifest: Manifest) -> Description:
    """Return what a custodian has said of a record."""
    return Description(
        media_type=manifest.media_type,
        category=manifest.category,
        resource_type=manifest.resource_type,
        labels=manifest.labels,
        clinical_date=manifest.clinical_date,
        patient_reference=manifest.patient_reference,
        overrides=manifest.overrides,
    )


def publication_of(
    journal: PublicationJournal,
    source: Source,
    custodian: Address,
    patient: Address,
    description: Description,
    *,
    supersedes: RecordId | None = None,
) -> str:
    """Return the id of the publication of a plaintext that has been read: the same record, the same id."""
    said = (custodian.encode(), patient.encode(), supersedes or b"", repr(description).encode(), source.digest)
    return journal.publication_id(*said)
