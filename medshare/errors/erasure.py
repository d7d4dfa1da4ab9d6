"""What stands against erasing a record, and what is said of one that was erased."""

from __future__ import annotations

from datetime import UTC, date, datetime

from medshare.errors.base import MedshareError


class ErasureError(MedshareError):
    """The record is not erased now, or it was."""


class LegalHoldError(ErasureError):
    """Somebody must be able to demand the record: while the hold lasts it is not erased."""

    hint = "why it was placed, and until when: medshare record holds; when it is over: medshare record release-hold"

    def __init__(self, record_id: bytes, until: int | None) -> None:
        lasts = "until it is released" if until is None else f"until {_moment(until)}, unless it is released before"
        super().__init__(f"record {record_id.hex()} is under a legal hold, {lasts}")
        self.record_id = record_id
        self.until = until


class RetentionError(ErasureError):
    """The law wants the record kept for longer."""

    hint = "repeat it on that day; a rule that is wrong is changed in retention.toml, which the certificate quotes"

    def __init__(self, record_id: bytes, kept_until: date, rule: str) -> None:
        super().__init__(f"record {record_id.hex()} is to be kept until {kept_until.isoformat()}: {rule}")
        self.record_id = record_id
        self.kept_until = kept_until
        self.rule = rule


class EmergencyInForceError(ErasureError):
    """A clinician treats the patient in an emergency, and may need the record."""

    hint = "repeat it when the emergency is over: medshare inbox tells who opened it"

    def __init__(self, patient: str, until: int) -> None:
        super().__init__(f"an emergency of {patient} is in force until {_moment(until)}")
        self.patient = patient
        self.until = until


class RecordErasedError(ErasureError):
    """The record was erased by its custodian: there is nothing to be opened any more, by anybody."""

    hint = "its custodian has the certificate, which says what became of it"

    def __init__(self, record_id: bytes, erased_at: int, *, hint: str | None = None) -> None:
        super().__init__(f"record {record_id.hex()} was erased by its custodian at {_moment(erased_at)}", hint=hint)
        self.record_id = record_id
        self.erased_at = erased_at


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
