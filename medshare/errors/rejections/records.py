"""Refusals of records (``RecordRegistry``)."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.errors.ledger import RejectedError


@dataclass(eq=False)
class UnknownRecordError(RejectedError):
    """The custodian has registered no record of this id."""

    solidity = "RecordRegistryRecordUnknown"
    hint = (
        "check the id and the custodian; on a shared chain, also network and deployment; "
        "what is in a batch is known here once it was found: medshare record find --as NAME"
    )
    custodian: str
    record_id: bytes

    def _message(self) -> str:
        return f"no record {self.record_id.hex()} is registered by {self.custodian}"


@dataclass(eq=False)
class RecordExistsError(RejectedError):
    """The custodian has registered this record already."""

    solidity = "RecordRegistryRecordExists"
    hint = "there is nothing to do"
    custodian: str
    record_id: bytes

    def _message(self) -> str:
        return f"{self.custodian} has registered record {self.record_id.hex()} already"


@dataclass(eq=False)
class RecordNotActiveError(RejectedError):
    """The record was superseded or retracted, so this can no longer be done to it."""

    solidity = "RecordRegistryRecordNotActive"
    custodian: str
    record_id: bytes
    status: int
    """As the contract counts: 2 superseded, 3 retracted."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.hint = (
            "it stays so; publish what is right as a new record"
            if self._retracted
            else f"name its newest version, which this shows: medshare record show {self.record_id.hex()}"
        )

    @property
    def _retracted(self) -> bool:
        return self.status == 3

    def _message(self) -> str:
        became = "retracted" if self._retracted else "superseded"
        return f"record {self.record_id.hex()} of {self.custodian} was {became} before"


@dataclass(eq=False)
class RecordIdIsZeroError(RejectedError):
    """A record id of zeros was refused."""

    solidity = "RecordRegistryRecordIdIsZero"
    hint = "publish the record first: its id is the digest of its CID"


@dataclass(eq=False)
class PatientIsZeroError(RejectedError):
    """A record needs a patient."""

    solidity = "RecordRegistryPatientIsZero"
    hint = "name the patient's address"


@dataclass(eq=False)
class VersionsExhaustedError(RejectedError):
    """The record has as many versions as the registry can count."""

    solidity = "RecordRegistryVersionsExhausted"
    hint = "publish it as a new record"
    custodian: str
    record_id: bytes


@dataclass(eq=False)
class CustodianNotAccreditedError(RejectedError):
    """Only an accredited custodian states records of others, or anchors batches; everybody states his own."""

    solidity = "RecordRegistryNotAccredited"
    hint = "ask a member of the consortium to accredit this custodian: medshare consortium accredit"
    custodian: str

    def _message(self) -> str:
        return f"{self.custodian} is not accredited as a custodian now"


@dataclass(eq=False)
class RootIsZeroError(RejectedError):
    """A root of zeros was refused."""

    solidity = "RecordRegistryRootIsZero"
    hint = "anchor the root of a tree of records"


@dataclass(eq=False)
class BatchCountOutOfRangeError(RejectedError):
    """A batch holds 1 to 1,000,000 records."""

    solidity = "RecordRegistryCountOutOfRange"
    hint = "divide the records among several batches"
    count: int

    def _message(self) -> str:
        return f"a batch holds 1 to 1,000,000 records, not {self.count}"


@dataclass(eq=False)
class BatchExistsError(RejectedError):
    """The custodian has anchored this root already."""

    solidity = "RecordRegistryBatchExists"
    hint = "there is nothing to do"
    custodian: str
    root: bytes

    def _message(self) -> str:
        return f"{self.custodian} has anchored the batch {self.root.hex()} already"


@dataclass(eq=False)
class UnknownBatchError(RejectedError):
    """The custodian has anchored no batch with this root."""

    solidity = "RecordRegistryBatchUnknown"
    hint = "check root and custodian; on a shared chain, also network and deployment"
    custodian: str
    root: bytes

    def _message(self) -> str:
        return f"no batch {self.root.hex()} was anchored by {self.custodian}"


@dataclass(eq=False)
class NotInBatchError(RejectedError):
    """Proof, salt or patient do not lead from the record to the root of the batch."""

    solidity = "RecordRegistryNotInBatch"
    hint = "find the record anew in the catalogue of its batch: medshare record find"
    custodian: str
    root: bytes
    record_id: bytes

    def _message(self) -> str:
        return f"record {self.record_id.hex()} is not shown to be in the batch {self.root.hex()} of {self.custodian}"
