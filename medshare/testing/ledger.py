"""The ports of the contracts in memory: each verb is a block, each read a replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from medshare.errors import LedgerError, RejectedError
from medshare.hashing import DIGEST_SIZE
from medshare.model.accreditation import Accreditation, AccreditationKind, Member
from medshare.model.approvals import line_up
from medshare.model.attestation import Anchor, Attestation
from medshare.model.consent import Grant, GrantRequest
from medshare.model.delegation import Circle, Control, Delegation, DelegationRequest, Guardianship
from medshare.model.emergency import Bar, EmergencyLimits, Episode, EpisodeRequest, Standing, Verdict
from medshare.model.events import BlockRef, EventPlace, LedgerEvent, Proposed
from medshare.model.governed import GovernedCall, encode_call
from medshare.model.ids import (
    Address,
    BundleId,
    CatalogueId,
    EpisodeId,
    GrantId,
    ProposalId,
    RecordId,
    derive_episode_id,
)
from medshare.model.ledger import EncryptionKey, LedgerModel
from medshare.model.proposal import Proposal, Tally, VotingRules
from medshare.model.purpose import Purpose
from medshare.model.record import RecordEntry
from medshare.model.record_acts import Enter, RecordAct, Retract, Supersede
from medshare.model.record_batch import AnchoredBatch, Inclusion
from medshare.model.signatures import recover
from medshare.model.typed_data import SignedMessage, digest
from medshare.ports import CallOutcome, Ledger, OpenedEpisode, OpenedProposal, Receipt, Signer
from medshare.testing.chain import InMemoryChain
from medshare.testing.people import FakeClock
from medshare.testing.relay import InMemoryRelay
from medshare.testing.requests import InMemoryEscrow, InMemoryRequests


@dataclass(frozen=True, slots=True)
class _Directory:
    chain: InMemoryChain

    def encryption_key(self, actor: Address, *, block: BlockRef) -> EncryptionKey:
        return self.chain.state_at(block).encryption_key(actor)

    def set_encryption_key(self, signer: Signer, key: bytes) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.set_encryption_key(signer.address, key, place))


@dataclass(frozen=True, slots=True)
class _Records:
    chain: InMemoryChain

    def record(self, custodian: Address, record_id: RecordId, *, block: BlockRef) -> RecordEntry:
        return self.chain.state_at(block).record(custodian, record_id)

    def register(
        self,
        signer: Signer,
        record_id: RecordId,
        patient: Address,
        *,
        intent: str | None = None,  # noqa: ARG002 - the rules alone keep the chain in memory from doing it twice
    ) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.register(signer.address, record_id, patient, place))

    def supersede(
        self,
        signer: Signer,
        record_id: RecordId,
        previous_id: RecordId,
        *,
        intent: str | None = None,  # noqa: ARG002 - as above
    ) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.supersede(signer.address, record_id, previous_id, place))

    def retract(self, signer: Signer, record_id: RecordId, reason: bytes) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.retract(signer.address, record_id, reason, place))

    def anchor_batch(
        self, signer: Signer, root: bytes, catalogue: CatalogueId, count: int, *, intent: str | None = None
    ) -> Receipt:
        return self.chain.mine_once(
            signer.address,
            intent,
            (root, catalogue, count),
            lambda place: self.chain.model.anchor_batch(signer.address, root, catalogue, count, place),
        )

    def register_from_batch(
        self,
        payer: Signer,  # noqa: ARG002 - anybody may
        inclusion: Inclusion,
        *,
        intent: str | None = None,  # noqa: ARG002 - as above
    ) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.register_from_batch(inclusion, place))

    def do_all(
        self,
        signer: Signer,
        acts: Sequence[RecordAct],
        *,
        intent: str | None = None,  # noqa: ARG002 - as above
    ) -> tuple[CallOutcome, ...]:
        model = self.chain.state_at(self.chain.head())
        place = EventPlace(block=self.chain.head(), log_index=0, tx_hash=bytes(DIGEST_SIZE))
        _, refusals = _done(model, signer.address, acts, place)
        if all(refusals):
            return tuple(CallOutcome(receipt=None, refusal=refusal) for refusal in refusals)

        def act(place: EventPlace) -> list[LedgerEvent]:
            nonlocal refusals
            events, refusals = _done(self.chain.model, signer.address, acts, place)
            return events

        receipt = self.chain.mine(act)
        return tuple(CallOutcome(receipt=receipt, refusal=refusal) for refusal in refusals)

    def batch(self, custodian: Address, root: bytes, *, block: BlockRef) -> AnchoredBatch:
        return self.chain.state_at(block).batch(custodian, root)

    def included(self, inclusion: Inclusion, *, block: BlockRef) -> RecordEntry:
        return self.chain.state_at(block).included(inclusion)


def _done(
    model: LedgerModel, caller: Address, acts: Sequence[RecordAct], place: EventPlace
) -> tuple[list[LedgerEvent], list[LedgerError | None]]:
    """Let the model do each; return what it tells, and why it refused each, or None."""
    events: list[LedgerEvent] = []
    refusals: list[LedgerError | None] = []
    for act in acts:
        here = place.after(len(events))
        try:
            match act:
                case Enter(inclusion=inclusion):
                    events += model.register_from_batch(inclusion, here)
                case Supersede(record_id=record_id, previous_id=previous_id):
                    events += model.supersede(caller, record_id, previous_id, here)
                case Retract(record_id=record_id, reason=reason):
                    events += model.retract(caller, record_id, reason, here)
            refusals.append(None)
        except RejectedError as refusal:
            refusals.append(refusal)
    return events, refusals


@dataclass(frozen=True, slots=True)
class _Consents:
    chain: InMemoryChain

    def grant(
        self,
        signer: Signer,
        request: GrantRequest,
        *,
        intent: str | None = None,  # noqa: ARG002 - as above
    ) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.grant(signer.address, request, place))

    def grant_for(
        self,
        signer: Signer,
        patient: Address,
        request: GrantRequest,
        *,
        intent: str | None = None,  # noqa: ARG002 - as above
    ) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.grant_for(signer.address, patient, request, place))

    def revoke(self, signer: Signer, grant_id: GrantId) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.revoke(signer.address, grant_id, place))

    def revoke_all(self, signer: Signer, patient: Address) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.revoke_all(signer.address, patient, place))

    def get_grant(self, grant_id: GrantId, *, block: BlockRef) -> Grant:
        return self.chain.state_at(block).get_grant(grant_id)

    def stamp(self, patient: Address, *, block: BlockRef) -> int:
        return self.chain.state_at(block).stamp(patient)

    def is_live(self, grant_id: GrantId, purpose: Purpose, *, block: BlockRef) -> bool:
        return self.chain.state_at(block).is_live(grant_id, purpose, block.time)


@dataclass(frozen=True, slots=True)
class _Authority:
    chain: InMemoryChain

    def appoint(self, signer: Signer, patient: Address, request: DelegationRequest) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.appoint(signer.address, patient, request, place))

    def dismiss(self, signer: Signer, patient: Address, delegate: Address) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.dismiss(signer.address, patient, delegate, place))

    def name_guardians(self, signer: Signer, patient: Address, circle: bytes, delay: int) -> Receipt:
        return self.chain.mine(
            lambda place: self.chain.model.name_guardians(signer.address, patient, circle, delay, place)
        )

    def propose_recovery(
        self,
        payer: Signer,  # noqa: ARG002 - anybody may
        circle: Circle,
        approvals: Sequence[SignedMessage],
    ) -> Receipt:
        message, signatures = line_up(circle, approvals)
        attempt = self.chain.model.guardianship(message.patient).attempt + 1
        signed = digest(replace(message, attempt=attempt), self.chain.domains[message.contract])
        found = [
            None if not signature else recover(signed, signature) == guardian
            for guardian, signature in zip(circle.guardians, signatures, strict=True)
        ]
        return self.chain.mine(
            lambda place: self.chain.model.propose_recovery(
                message.patient, message.controller, circle, message.deadline, found, place
            )
        )

    def object_to_recovery(self, signer: Signer, patient: Address) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.object_to_recovery(signer.address, patient, place))

    def complete_recovery(
        self,
        payer: Signer,  # noqa: ARG002 - anybody may
        patient: Address,
    ) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.complete_recovery(patient, place))

    def controller_of(self, patient: Address, *, block: BlockRef) -> Control:
        return self.chain.state_at(block).controller_of(patient)

    def delegation(self, patient: Address, delegate: Address, *, block: BlockRef) -> Delegation:
        return self.chain.state_at(block).delegation(patient, delegate)

    def may_act(self, delegation: Delegation, *, block: BlockRef) -> bool:
        return self.chain.state_at(block).is_delegate(delegation, block.time)

    def guardianship(self, patient: Address, *, block: BlockRef) -> Guardianship:
        return self.chain.state_at(block).guardianship(patient)


@dataclass(frozen=True, slots=True)
class _Emergencies:
    chain: InMemoryChain

    def break_glass(
        self,
        signer: Signer,
        request: EpisodeRequest,
        *,
        intent: str | None = None,  # noqa: ARG002 - as above
    ) -> OpenedEpisode:
        receipt = self.chain.mine(lambda place: self.chain.model.break_glass(signer.address, request, place))
        number = self.chain.model.standing(signer.address).episodes
        return OpenedEpisode(episode_id=derive_episode_id(signer.address, number), receipt=receipt)

    def end(self, signer: Signer, episode_id: EpisodeId) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.end_episode(signer.address, episode_id, place))

    def release(self, signer: Signer, episode_id: EpisodeId, bundle: BundleId) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.release(signer.address, episode_id, bundle, place))

    def review(self, signer: Signer, episode_id: EpisodeId, verdict: Verdict, note: bytes) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.review(signer.address, episode_id, verdict, note, place))

    def set_bar(self, signer: Signer, patient: Address, *, barred: bool) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.set_bar(signer.address, patient, place, barred=barred))

    def episode(self, episode_id: EpisodeId, *, block: BlockRef) -> Episode:
        return self.chain.state_at(block).episode(episode_id)

    def is_live(self, episode_id: EpisodeId, *, block: BlockRef) -> bool:
        return self.chain.state_at(block).is_episode_live(episode_id, block.time)

    def standing(self, clinician: Address, *, block: BlockRef) -> Standing:
        return self.chain.state_at(block).standing(clinician)

    def bar(self, patient: Address, *, block: BlockRef) -> Bar:
        return self.chain.state_at(block).bar(patient)

    def limits(self, *, block: BlockRef) -> EmergencyLimits:
        return self.chain.state_at(block).limits


@dataclass(frozen=True, slots=True)
class _Attestations:
    chain: InMemoryChain

    def attest(self, signer: Signer, record_id: RecordId, method: int, score: int) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.attest(signer.address, record_id, method, score, place))

    def attest_batch(self, signer: Signer, root: bytes, method: int, count: int) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.attest_batch(signer.address, root, method, count, place))

    def withdraw(self, signer: Signer, subject: bytes) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.withdraw_attestation(signer.address, subject, place))

    def anchor_receipts(self, signer: Signer, root: bytes, count: int) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.anchor_receipts(signer.address, root, count, place))

    def attestation(self, assessor: Address, subject: bytes, *, block: BlockRef) -> Attestation:
        return self.chain.state_at(block).attestation(assessor, subject)

    def anchor(self, custodian: Address, root: bytes, *, block: BlockRef) -> Anchor:
        return self.chain.state_at(block).anchor(custodian, root)


@dataclass(frozen=True, slots=True)
class _Accreditation:
    chain: InMemoryChain

    def accredit(self, signer: Signer, actor: Address, kind: AccreditationKind, valid_until: int) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.accredit(signer.address, actor, kind, valid_until, place))

    def suspend(self, signer: Signer, actor: Address, kind: AccreditationKind) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.suspend_accreditation(signer.address, actor, kind, place))

    def reinstate(self, signer: Signer, actor: Address, kind: AccreditationKind) -> Receipt:
        return self.chain.mine(
            lambda place: self.chain.model.reinstate_accreditation(signer.address, actor, kind, place)
        )

    def accreditation(self, actor: Address, kind: AccreditationKind, *, block: BlockRef) -> Accreditation:
        return self.chain.state_at(block).accreditation(actor, kind)

    def is_accredited(self, actor: Address, kind: AccreditationKind, *, block: BlockRef) -> bool:
        return self.chain.state_at(block).is_accredited(actor, kind, block.time)


@dataclass(frozen=True, slots=True)
class _Consortium:
    chain: InMemoryChain

    @property
    def address(self) -> Address:
        return self.chain.model.consortium

    def propose(
        self, signer: Signer, call: GovernedCall, reason: bytes, *, intent: str | None = None
    ) -> OpenedProposal:
        model = self.chain.model
        target = model.consortium if call.contract == "Consortium" else model.escrow
        receipt = self.chain.mine_once(
            signer.address,
            intent,
            (call, reason),
            lambda place: model.propose(signer.address, target, encode_call(call), reason, place),
        )
        (proposed,) = self.chain.events_of(receipt, Proposed)
        return OpenedProposal(proposal_id=proposed.proposal_id, receipt=receipt)

    def vote(self, signer: Signer, proposal_id: ProposalId) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.vote(signer.address, proposal_id, place))

    def execute(self, payer: Signer, proposal_id: ProposalId, call_data: bytes) -> Receipt:
        return self.chain.mine(lambda place: self.chain.model.execute(payer.address, proposal_id, call_data, place))

    def proposal(self, proposal_id: ProposalId, *, block: BlockRef) -> Proposal:
        return self.chain.state_at(block).proposal(proposal_id)

    def tally(self, proposal_id: ProposalId, *, block: BlockRef) -> Tally:
        return self.chain.state_at(block).tally(proposal_id)

    def member(self, member: Address, *, block: BlockRef) -> Member:
        return self.chain.state_at(block).member(member)

    def member_at(self, seat: int, *, block: BlockRef) -> Address:
        return self.chain.state_at(block).member_at(seat)

    def voting_rules(self, *, block: BlockRef) -> VotingRules:
        return self.chain.state_at(block).voting_rules


def in_memory_ledger(clock: FakeClock, custodians: Sequence[Address] = ()) -> tuple[Ledger, InMemoryChain]:
    """Return a ledger in memory, and its chain for a test to move, inspect and reorganise.

    Args:
        clock: gives the blocks their times.
        custodians: who is accredited as a custodian from the first block on.
    """
    chain = InMemoryChain(clock, custodians)
    ledger = Ledger(
        directory=_Directory(chain),
        records=_Records(chain),
        consents=_Consents(chain),
        authority=_Authority(chain),
        emergencies=_Emergencies(chain),
        accreditation=_Accreditation(chain),
        consortium=_Consortium(chain),
        requests=InMemoryRequests(chain),
        escrow=InMemoryEscrow(chain),
        attestations=_Attestations(chain),
        relay=InMemoryRelay(chain),
        chain=chain,
    )
    return ledger, chain
