"""Attestations: what assessors vouch for of records, and custodians of the read receipts that they keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from medshare.errors import (
    AttestationWithdrawnError,
    AttestingNotAccreditedError,
    CountIsZeroError,
    MethodMissingError,
    RootKnownError,
    ScoreOutOfRangeError,
    SubjectIsZeroError,
    UnknownAttestationError,
)
from medshare.hashing import DIGEST_SIZE
from medshare.model.accreditation import AccreditationKind
from medshare.model.attestation import BEST_SCORE, Anchor, Assessed, Attestation
from medshare.model.events import (
    AttestationEvent,
    AttestationWithdrawn,
    BatchAttested,
    EventPlace,
    QualityAttested,
    ReceiptsAnchored,
)
from medshare.model.ids import Address, RecordId
from medshare.model.merkle import root_of
from medshare.model.rules.directory import DirectoryRules

_ZERO = bytes(DIGEST_SIZE)


@dataclass
class AttestationRules(DirectoryRules):
    """State and verbs of Attestations, which asks the directory who is an assessor or a custodian."""

    attestations: dict[tuple[Address, bytes], Attestation] = field(default_factory=dict)
    anchors: dict[tuple[Address, bytes], Anchor] = field(default_factory=dict)

    def attest(
        self, caller: Address, record_id: RecordId, method: int, score: int, place: EventPlace
    ) -> tuple[QualityAttested]:
        """Attest the quality of a record, or attest it anew, as an accredited assessor."""
        self._require_attesting(caller, AccreditationKind.ASSESSOR, place)
        self._require_method(record_id, method)
        if score > BEST_SCORE:
            raise ScoreOutOfRangeError(score)
        earlier = self.attestations.get((caller, record_id))
        if earlier is not None and earlier.count:
            raise RootKnownError(caller, record_id)
        event = QualityAttested(place=place, assessor=caller, record_id=record_id, method=method, score=score)
        self._apply_attestation(event)
        return (event,)

    def attest_batch(
        self, caller: Address, root: bytes, method: int, count: int, place: EventPlace
    ) -> tuple[BatchAttested]:
        """Attest the quality of many records under one root, as an accredited assessor."""
        self._require_attesting(caller, AccreditationKind.ASSESSOR, place)
        self._require_method(root, method)
        if count == 0:
            raise CountIsZeroError
        if (caller, root) in self.attestations:
            raise RootKnownError(caller, root)
        event = BatchAttested(place=place, assessor=caller, root=root, method=method, count=count)
        self._apply_attestation(event)
        return (event,)

    def withdraw_attestation(self, caller: Address, subject: bytes, place: EventPlace) -> tuple[AttestationWithdrawn]:
        """Withdraw what the caller attested, accredited still or not."""
        attestation = self.attestation(caller, subject)
        if attestation.withdrawn_at:
            raise AttestationWithdrawnError(caller, subject)
        event = AttestationWithdrawn(place=place, assessor=caller, subject=subject)
        self._apply_attestation(event)
        return (event,)

    def anchor_receipts(self, caller: Address, root: bytes, count: int, place: EventPlace) -> tuple[ReceiptsAnchored]:
        """Anchor the root of read receipts, as an accredited custodian."""
        self._require_attesting(caller, AccreditationKind.CUSTODIAN, place)
        if root == _ZERO:
            raise SubjectIsZeroError
        if count == 0:
            raise CountIsZeroError
        if (caller, root) in self.anchors:
            raise RootKnownError(caller, root)
        event = ReceiptsAnchored(place=place, custodian=caller, root=root, count=count)
        self._apply_attestation(event)
        return (event,)

    # ------------------------------------------------------------------------------------ reads, replay

    def attestation(self, assessor: Address, subject: bytes) -> Attestation:
        """Return what an assessor attested of a record or a root; raises ``UnknownAttestationError``."""
        if (assessor, subject) not in self.attestations:
            raise UnknownAttestationError(assessor, subject)
        return self.attestations[assessor, subject]

    def anchor(self, custodian: Address, root: bytes) -> Anchor:
        """Return when a custodian anchored a root, and how many receipts are under it."""
        return self.anchors.get((custodian, root), Anchor())

    def is_attested(self, assessor: Address, root: bytes, assessed: Assessed, proof: Sequence[bytes]) -> bool:
        """Whether a batch that stands holds a record with this score."""
        batch = self.attestations.get((assessor, root))
        return batch is not None and batch.count > 0 and batch.stands and root_of(assessed.leaf, proof) == root

    def _require_attesting(self, actor: Address, kind: AccreditationKind, place: EventPlace) -> None:
        if not self.is_accredited(actor, kind, place.block.time):
            raise AttestingNotAccreditedError(actor)

    @staticmethod
    def _require_method(subject: bytes, method: int) -> None:
        if subject == _ZERO:
            raise SubjectIsZeroError
        if method == 0:
            raise MethodMissingError

    def _apply_attestation(self, event: AttestationEvent) -> None:
        at = event.place.block.time
        match event:
            case QualityAttested():
                self._attested(event.assessor, event.record_id, at, method=event.method, score=event.score)
            case BatchAttested():
                self._attested(event.assessor, event.root, at, method=event.method, count=event.count)
            case AttestationWithdrawn():
                standing = self.attestation(event.assessor, event.subject)
                self.attestations[event.assessor, event.subject] = replace(standing, withdrawn_at=at)
            case ReceiptsAnchored():
                self.anchors[event.custodian, event.root] = Anchor(anchored_at=at, count=event.count)

    def _attested(
        self, assessor: Address, subject: bytes, at: int, *, method: int, score: int = 0, count: int = 0
    ) -> None:
        self.attestations[assessor, subject] = Attestation(
            assessor=assessor,
            subject=subject,
            attested_at=at,
            withdrawn_at=0,
            count=count,
            method=method,
            score=score,
        )
