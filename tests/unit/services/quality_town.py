"""The world in memory with assessors, and studies that ask for quality."""

from __future__ import annotations

from dataclasses import replace

from study_town import StudyTown

from medshare.errors import AccessDeniedError
from medshare.model.accreditation import AccreditationKind
from medshare.model.decision import Reason
from medshare.model.ids import RequestId
from medshare.model.purpose import PurposeOfUse
from medshare.model.quality_condition import QualityCondition
from medshare.model.record import RecordRef
from medshare.ports import Actor
from medshare.services.assessing import Assessing
from medshare.services.delivering import Delivered
from medshare.services.registering import Published
from medshare.testing import new_actor

METHOD, OTHER_METHOD = 3, 4
EIGHTY = QualityCondition(method=METHOD, minimum_score=80)
HALF = QualityCondition(method=METHOD, weight=5_000)


class QualityTown:
    """The study's world with assessors."""

    def __init__(self, town: StudyTown) -> None:
        self.town = town
        self.assessing = Assessing(ledger=town.world.ledger, auditing=town.world.auditing)
        self.strict, self.friendly = self.assessor(), self.assessor()

    def assessor(self) -> Actor:
        actor = new_actor()
        self.town.world.chain.accredit(actor.address, AccreditationKind.ASSESSOR)
        return actor

    def attest(self, published: Published, score: int, *, method: int = METHOD, by: Actor | None = None) -> None:
        self.assessing.attest(published.record_id, score=score, method=method, assessor=by or self.strict)

    def published(self, *scores: int | None, patient: Actor | None = None) -> list[Published]:
        """Publish a record for each score, and attest it."""
        found = []
        for number, score in enumerate(scores):
            text = b'{"resourceType":"Observation","note":"%d"}' % number
            found.append(self.town.publish(patient, text))
            if score is not None:
                self.attest(found[-1], score)
        return found

    def open(self, condition: QualityCondition | None) -> RequestId:
        return self.town.open(study=replace(self.town.study, quality=condition)).request_id

    def deliver(self, request_id: RequestId, patient: Actor | None = None) -> Delivered:
        town = self.town
        return town.delivering.deliver(request_id, (patient or town.mary).address, custodian=town.world.hospital)

    def confirm(self, request_id: RequestId):
        town = self.town
        return town.requesting.confirm(request_id, town.mary.address, requester=town.researcher).found

    def state(self, request_id: RequestId, score: int) -> None:
        """Have the hospital state a score, whatever is attested."""
        town = self.town
        part = town.part(request_id)
        grant = town.world.auditing.grant(part.grant_id(town.world.ledger.requests.address))
        assert grant is not None
        town.world.ledger.requests.deliver(
            town.world.hospital.signer, request_id, part.patient, part.reserved.content, grant.bundle, score
        )

    def opens(self, published: Published) -> bool:
        """Whether the researcher was given the record's key."""
        ref = RecordRef(custodian=self.town.world.hospital.address, record_id=published.record_id)
        try:
            self.town.world.retrieving.open(ref, reader=self.town.researcher, purpose=PurposeOfUse.BIORCH)
        except AccessDeniedError as error:
            return error.decision.reason is not Reason.KEY_NOT_RELEASED
        return True
