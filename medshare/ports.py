"""What the services need of the world. Each port is small; adapters and test doubles implement them.

Reads take the block they are asked at, so that several answers belong together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from medshare.content import MAX_BLOCK_SIZE, Block, Cid
from medshare.envelope import Identity
from medshare.errors import LedgerError
from medshare.model.accreditation import Accreditation, AccreditationKind, Member
from medshare.model.attestation import Anchor, Attestation
from medshare.model.consent import Grant, GrantRequest
from medshare.model.delegation import Circle, Control, Delegation, DelegationRequest, Guardianship
from medshare.model.emergency import Bar, EmergencyLimits, Episode, EpisodeRequest, Standing, Verdict
from medshare.model.events import BlockRef, LedgerEvent
from medshare.model.governed import GovernedCall
from medshare.model.ids import (
    Address,
    BundleId,
    CatalogueId,
    EpisodeId,
    GrantId,
    ProposalId,
    RecordId,
    RequestId,
)
from medshare.model.ledger import EncryptionKey
from medshare.model.proposal import Proposal, Tally, VotingRules
from medshare.model.purpose import Purpose
from medshare.model.record import RecordEntry
from medshare.model.record_acts import RecordAct
from medshare.model.record_batch import AnchoredBatch, Inclusion
from medshare.model.request import Acceptance, AccessRequest, Periods, RequestTerms, Reservation, Split
from medshare.model.typed_data import SignedMessage


class Clock(Protocol):
    """The time of day."""

    def now(self) -> int:
        """Return Unix seconds."""
        ...


# --------------------------------------------------------------------------------------------------- store


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a garbage collection did."""

    removed_blocks: int
    freed_bytes: int
    kept_blocks: int
    """All that are left, the spared ones included."""
    spared_blocks: int = 0
    """Those that no pin reaches and that are young: somebody may be about to pin them."""
    spared_bytes: int = 0


class BlobStore(Protocol):
    """Blocks by CID, and pins that keep them."""

    def get(self, cid: Cid, max_size: int = MAX_BLOCK_SIZE) -> bytes:
        """Return the bytes of a block, verified against its CID.

        Raises:
            BlobNotFoundError: the store has no such block.
            BlobMismatchError: it answered with other bytes.
            BlobTooLargeError: the block is larger than ``max_size``.
            StoreUnavailableError: it cannot be reached, stalled or broke off.
        """
        ...

    def put(self, blocks: Iterable[Block]) -> None:
        """Store blocks; they are durable when this returns. Storing a block twice is no error.

        Raises:
            StoreFullError: no space is left; what was stored stays.
            StoreUnavailableError: as above; repeating is safe.
        """
        ...

    def has(self, cid: Cid) -> bool:
        """Whether the store itself holds the block."""
        ...

    def pin(self, root: Cid) -> None:
        """Keep everything below ``root``; raises ``BlobNotFoundError`` where a block of it is missing."""
        ...

    def pin_all(self, roots: Iterable[Cid]) -> None:
        """Keep everything below each root, each by itself: as ``pin``, with one barrier or call for many.

        Where it raises, some of them may be pinned; repeating is safe.
        """
        ...

    def unpin(self, root: Cid) -> None:
        """Keep it no longer. Not pinned is no error."""
        ...

    def pins(self) -> frozenset[Cid]:
        """Return the roots that are pinned."""
        ...

    def collect(self) -> Collected:
        """Remove what no pin reaches."""
        ...

    def remove(self, blocks: Iterable[Cid]) -> None:
        """Remove these blocks now, whatever their age. What a pin reaches stays; what is not there is no error."""
        ...


# -------------------------------------------------------------------------------------------------- ledger


class Signer(Protocol):
    """Who can sign as one account: a key in memory, a keystore, later a wallet far away."""

    @property
    def address(self) -> Address:
        """The account."""
        ...

    def sign_transaction(self, transaction: Mapping[str, Any]) -> bytes:
        """Return the signed transaction, ready to be sent."""
        ...


@runtime_checkable
class TypedDataSigner(Protocol):
    """Who can sign EIP-712 typed data as one account: a key in memory, or a wallet anywhere."""

    @property
    def address(self) -> Address:
        """The account."""
        ...

    def sign_typed_data(self, typed_data: Mapping[str, Any]) -> bytes:
        """Return the signature of what ``to_typed_data`` made: 65 bytes for a key, what it likes for a contract wallet.

        Raises:
            SigningRefusedError: its owner, or its rules, said no.
            SignerUnavailableError: it cannot be reached.
        """
        ...


class ContractWallets(Protocol):
    """Accounts that are contracts, and say themselves what they have signed (ERC-1271)."""

    def accepts(self, wallet: Address, digest: bytes, signature: bytes) -> bool:
        """Whether the contract at ``wallet`` takes this as its signature now; False where there is no contract.

        Raises:
            LedgerUnavailableError: the chain could not be asked.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts: one account that signs, and one identity that decrypts. Two separate keys."""

    signer: Signer
    identity: Identity

    @property
    def address(self) -> Address:
        """The account."""
        return self.signer.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A transaction that was mined and did what it should."""

    tx_hash: bytes
    block: BlockRef
    gas_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOutcome:
    """What became of one of several calls in one transaction, or of a signed message."""

    receipt: Receipt | None
    """The transaction in which it was sent; None where it was refused before anything was sent."""
    refusal: LedgerError | None
    """Why the contract did not do it; None where it is done."""

    @property
    def done(self) -> bool:
        """Whether it is done."""
        return self.refusal is None


class DirectoryLedger(Protocol):
    """The contract Directory."""

    def encryption_key(self, actor: Address, *, block: BlockRef) -> EncryptionKey:
        """Return an actor's key; raises ``EncryptionKeyNotSetError``."""
        ...

    def set_encryption_key(self, signer: Signer, key: bytes) -> Receipt:
        """Publish or rotate the signer's key."""
        ...


class RecordLedger(Protocol):
    """The contract RecordRegistry.

    ``intent`` names what a transaction is for: repeated with the same intent after a crash, what was signed before is
    sent again as it is, so that nothing is done twice.
    """

    def record(self, custodian: Address, record_id: RecordId, *, block: BlockRef) -> RecordEntry:
        """Return what ``custodian`` states of a record; raises ``UnknownRecordError``."""
        ...

    def register(self, signer: Signer, record_id: RecordId, patient: Address, *, intent: str | None = None) -> Receipt:
        """Register a first version, as the signer."""
        ...

    def supersede(
        self, signer: Signer, record_id: RecordId, previous_id: RecordId, *, intent: str | None = None
    ) -> Receipt:
        """Put a new version in the place of the signer's record."""
        ...

    def retract(self, signer: Signer, record_id: RecordId, reason: bytes) -> Receipt:
        """Withdraw the signer's record; ``reason`` is a salted digest."""
        ...

    def anchor_batch(
        self, signer: Signer, root: bytes, catalogue: CatalogueId, count: int, *, intent: str | None = None
    ) -> Receipt:
        """State very many records by their root, as an accredited custodian."""
        ...

    def register_from_batch(self, payer: Signer, inclusion: Inclusion, *, intent: str | None = None) -> Receipt:
        """Give a record of a batch an entry of its own; anybody who can show it may send."""
        ...

    def do_all(
        self, signer: Signer, acts: Sequence[RecordAct], *, intent: str | None = None
    ) -> tuple[CallOutcome, ...]:
        """Do several things with the signer's records in one transaction, in this order; return what became of each.

        What is refused keeps no other from being done.
        """
        ...

    def batch(self, custodian: Address, root: bytes, *, block: BlockRef) -> AnchoredBatch:
        """Return a batch that ``custodian`` anchored; raises ``UnknownBatchError``."""
        ...

    def included(self, inclusion: Inclusion, *, block: BlockRef) -> RecordEntry:
        """Return what is stated of a record by a batch; raises ``UnknownBatchError``, ``NotInBatchError``."""
        ...


class ConsentLedger(Protocol):
    """The contract ConsentRegistry."""

    def grant(self, signer: Signer, request: GrantRequest, *, intent: str | None = None) -> Receipt:
        """Grant access, as the signer."""
        ...

    def grant_for(
        self, signer: Signer, patient: Address, request: GrantRequest, *, intent: str | None = None
    ) -> Receipt:
        """Grant access to a patient's records, as somebody who may act for him."""
        ...

    def revoke(self, signer: Signer, grant_id: GrantId) -> Receipt:
        """Take a grant back, as the patient or somebody who may revoke for him."""
        ...

    def revoke_all(self, signer: Signer, patient: Address) -> Receipt:
        """Take everything back, as the one in control of the patient."""
        ...

    def get_grant(self, grant_id: GrantId, *, block: BlockRef) -> Grant:
        """Return a grant as it stands; raises ``UnknownGrantError``."""
        ...

    def stamp(self, patient: Address, *, block: BlockRef) -> int:
        """Return how often the patient has revoked everything."""
        ...

    def is_live(self, grant_id: GrantId, purpose: Purpose, *, block: BlockRef) -> bool:
        """Return the contract's own answer at that block's time."""
        ...


class AuthorityLedger(Protocol):
    """Who may act for a patient: the contract ConsentRegistry's other half."""

    def appoint(self, signer: Signer, patient: Address, request: DelegationRequest) -> Receipt:
        """Let somebody act for a patient, or change what he may do, as the one in control of the patient."""
        ...

    def dismiss(self, signer: Signer, patient: Address, delegate: Address) -> Receipt:
        """Dismiss a delegate; or resign, as the delegate."""
        ...

    def name_guardians(self, signer: Signer, patient: Address, circle: bytes, delay: int) -> Receipt:
        """Name those who together can give the patient a new key; ``circle`` is a digest, zeros for nobody."""
        ...

    def propose_recovery(self, payer: Signer, circle: Circle, approvals: Sequence[SignedMessage]) -> Receipt:
        """Propose the new key that the guardians signed for; anybody may send."""
        ...

    def object_to_recovery(self, signer: Signer, patient: Address) -> Receipt:
        """Object to the recovery that is proposed, as the one in control of the patient."""
        ...

    def complete_recovery(self, payer: Signer, patient: Address) -> Receipt:
        """Complete a recovery to which nobody objected in time; anybody may send."""
        ...

    def controller_of(self, patient: Address, *, block: BlockRef) -> Control:
        """Return who is in control of a patient: himself, unless his key was recovered."""
        ...

    def delegation(self, patient: Address, delegate: Address, *, block: BlockRef) -> Delegation:
        """Return a delegation as it stands, in force or not; its epoch is 0 where nobody was ever appointed."""
        ...

    def may_act(self, delegation: Delegation, *, block: BlockRef) -> bool:
        """Return the contract's own answer at that block's time: may the delegate do all that ``delegation`` names?"""
        ...

    def guardianship(self, patient: Address, *, block: BlockRef) -> Guardianship:
        """Return what stands about a patient's guardians, as it was written down last: ask it ``at`` a time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEpisode:
    """An emergency episode that was opened."""

    episode_id: EpisodeId
    receipt: Receipt


class EmergencyLedger(Protocol):
    """The contract EmergencyAccess."""

    def break_glass(self, signer: Signer, request: EpisodeRequest, *, intent: str | None = None) -> OpenedEpisode:
        """Open an emergency episode, as an accredited clinician."""
        ...

    def end(self, signer: Signer, episode_id: EpisodeId) -> Receipt:
        """End an episode now, as its clinician or the one in control of the patient."""
        ...

    def release(self, signer: Signer, episode_id: EpisodeId, bundle: BundleId) -> Receipt:
        """State, as a custodian, which keys were released to the clinician of a live episode."""
        ...

    def review(self, signer: Signer, episode_id: EpisodeId, verdict: Verdict, note: bytes) -> Receipt:
        """Review an episode, as an accredited reviewer; ``note`` is a salted digest."""
        ...

    def set_bar(self, signer: Signer, patient: Address, *, barred: bool) -> Receipt:
        """Bar break-glass for a patient, or allow it again, as the one in control of him."""
        ...

    def episode(self, episode_id: EpisodeId, *, block: BlockRef) -> Episode:
        """Return an episode as it stands; raises ``UnknownEpisodeError``."""
        ...

    def is_live(self, episode_id: EpisodeId, *, block: BlockRef) -> bool:
        """Return the contract's own answer at that block's time: it lasts, and its clinician is accredited."""
        ...

    def standing(self, clinician: Address, *, block: BlockRef) -> Standing:
        """Return how many episodes a clinician has opened, and up to which all are reviewed."""
        ...

    def bar(self, patient: Address, *, block: BlockRef) -> Bar:
        """Return whether a patient has barred break-glass, and how often he set it."""
        ...

    def limits(self, *, block: BlockRef) -> EmergencyLimits:
        """Return what the contract was deployed with."""
        ...


class AttestationLedger(Protocol):
    """The contract Attestations."""

    def attest(self, signer: Signer, record_id: RecordId, method: int, score: int) -> Receipt:
        """Attest the quality of a record, or attest it anew, as an accredited assessor."""
        ...

    def attest_batch(self, signer: Signer, root: bytes, method: int, count: int) -> Receipt:
        """Attest the quality of many records under one root, as an accredited assessor."""
        ...

    def withdraw(self, signer: Signer, subject: bytes) -> Receipt:
        """Withdraw what the signer attested of a record or a root."""
        ...

    def anchor_receipts(self, signer: Signer, root: bytes, count: int) -> Receipt:
        """Anchor the root of read receipts, as an accredited custodian."""
        ...

    def attestation(self, assessor: Address, subject: bytes, *, block: BlockRef) -> Attestation:
        """Return what an assessor attested of a record or a root; raises ``UnknownAttestationError``."""
        ...

    def anchor(self, custodian: Address, root: bytes, *, block: BlockRef) -> Anchor:
        """Return when a custodian anchored a root, and how many receipts are under it."""
        ...


class AccreditationLedger(Protocol):
    """Who is what: the contract Consortium's face as a directory."""

    def accredit(self, signer: Signer, actor: Address, kind: AccreditationKind, valid_until: int) -> Receipt:
        """Accredit an actor until a time, or withdraw it with 0, as a member."""
        ...

    def suspend(self, signer: Signer, actor: Address, kind: AccreditationKind) -> Receipt:
        """Suspend an actor, as the member that accredited him."""
        ...

    def reinstate(self, signer: Signer, actor: Address, kind: AccreditationKind) -> Receipt:
        """Lift one's own suspension of an actor, as the member that accredited him."""
        ...

    def accreditation(self, actor: Address, kind: AccreditationKind, *, block: BlockRef) -> Accreditation:
        """Return an accreditation as it stands, in force or not; empty where nobody ever gave one."""
        ...

    def is_accredited(self, actor: Address, kind: AccreditationKind, *, block: BlockRef) -> bool:
        """Return the contract's own answer at that block's time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedProposal:
    """A proposal that was made."""

    proposal_id: ProposalId
    receipt: Receipt


class ConsortiumLedger(Protocol):
    """The contract Consortium: members, proposals and votes."""

    @property
    def address(self) -> Address:
        """The contract's own, which earns the consortium's share of rewards."""
        ...

    def propose(
        self, signer: Signer, call: GovernedCall, reason: bytes, *, intent: str | None = None
    ) -> OpenedProposal:
        """Propose a call, as a member, which is a vote for it; ``reason`` is a salted digest."""
        ...

    def vote(self, signer: Signer, proposal_id: ProposalId) -> Receipt:
        """Vote for a proposal, as a member."""
        ...

    def execute(self, payer: Signer, proposal_id: ProposalId, call_data: bytes) -> Receipt:
        """Execute a proposal that has passed, with the calldata of its event; anybody may send."""
        ...

    def proposal(self, proposal_id: ProposalId, *, block: BlockRef) -> Proposal:
        """Return a proposal as it stands; raises ``UnknownProposalError``."""
        ...

    def tally(self, proposal_id: ProposalId, *, block: BlockRef) -> Tally:
        """Return how many votes count now, and how many are needed; raises ``UnknownProposalError``."""
        ...

    def member(self, member: Address, *, block: BlockRef) -> Member:
        """Return an institution's seat and standing; empty where it was never a member."""
        ...

    def member_at(self, seat: int, *, block: BlockRef) -> Address:
        """Return who has, or had, a seat; the zero address where nobody did."""
        ...

    def voting_rules(self, *, block: BlockRef) -> VotingRules:
        """Return the rules of voting as they stand."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRequest:
    """A request that was opened."""

    request_id: RequestId
    receipt: Receipt


class RequestLedger(Protocol):
    """The contract AccessRequests: asking for access, and rewarding it."""

    @property
    def address(self) -> Address:
        """The contract's own, which the terms of a grant for a request name."""
        ...

    def open(self, signer: Signer, terms: RequestTerms, *, intent: str | None = None) -> OpenedRequest:
        """Open a request and deposit all its rewards, as an accredited researcher."""
        ...

    def approve_study(self, signer: Signer, request_id: RequestId) -> Receipt:
        """Approve a study of another on open call, as an accredited ethics committee."""
        ...

    def cancel(self, signer: Signer, request_id: RequestId) -> Receipt:
        """End a request for those who have not accepted, as its requester."""
        ...

    def return_unearned(self, payer: Signer, request_id: RequestId) -> Receipt:
        """Give back what was not earned by the deadline; anybody may send."""
        ...

    def accept(
        self, payer: Signer, request_id: RequestId, acceptance: Acceptance, *, intent: str | None = None
    ) -> Receipt:
        """Accept a request by a patient's signature: grant, and reserve the reward; anybody may send."""
        ...

    def deliver(
        self,
        signer: Signer,
        request_id: RequestId,
        patient: Address,
        content: bytes,
        bundle: BundleId,
        score: int,
        *,
        intent: str | None = None,
    ) -> Receipt:
        """State that what was granted can be fetched, as the accredited custodian whom the patient named.

        ``score`` is the lowest that is attested of it, 0 where nothing is.
        """
        ...

    def decline(self, signer: Signer, request_id: RequestId, patient: Address) -> Receipt:
        """State that there is nothing to deliver, as the custodian whom the patient named."""
        ...

    def confirm(self, signer: Signer, request_id: RequestId, patient: Address) -> Receipt:
        """Confirm a delivery, as the requester: the reward is paid."""
        ...

    def dispute(self, signer: Signer, request_id: RequestId, patient: Address, reason: bytes) -> Receipt:
        """Dispute a delivery, as the requester; ``reason`` is a salted digest."""
        ...

    def release(self, payer: Signer, request_id: RequestId, patient: Address) -> Receipt:
        """Pay a reward that nobody disputed or decided in time; anybody may send."""
        ...

    def request(self, request_id: RequestId, *, block: BlockRef) -> AccessRequest:
        """Return a request as it stands; raises ``UnknownRequestError``."""
        ...

    def reservation(self, request_id: RequestId, patient: Address, *, block: BlockRef) -> Reservation:
        """Return a patient's part in a request; empty where he has none."""
        ...


class EscrowLedger(Protocol):
    """The contract AccessRequests: what it holds, and how it is divided and withdrawn."""

    def withdraw(self, signer: Signer, account: Address, token: Address, to: Address) -> Receipt:
        """Withdraw all of an account's credit in one token, as the one in control of the account."""
        ...

    def credit(self, account: Address, token: Address, *, block: BlockRef) -> int:
        """Return what an account can withdraw."""
        ...

    def withdrawals(self, account: Address, *, block: BlockRef) -> int:
        """Return how often an account has withdrawn: what it signs next names this count."""
        ...

    def split(self, category: int, *, block: BlockRef) -> Split | None:
        """Return how rewards of a category are divided now; None where nobody said."""
        ...

    def periods(self, *, block: BlockRef) -> Periods:
        """Return the periods of a request that opens now."""
        ...

    def is_token_allowed(self, token: Address, *, block: BlockRef) -> bool:
        """Return whether new requests may pay in this token."""
        ...

    def allow(self, signer: Signer, token: Address, amount: int) -> Receipt:
        """Let the escrow take ``amount`` of the signer's tokens (ERC-20's approve)."""
        ...

    def balance(self, account: Address, token: Address, *, block: BlockRef) -> int:
        """Return what an account has itself, in a token or the native coin."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What would become of signed messages that were sent now, together and in this order."""

    refusals: tuple[LedgerError | None, ...]
    """For each of them why the contract would not do it, None where it would."""
    gas: int
    """Units of gas that sending those which would be done takes, by the node's estimate; 0 where there are none."""


class Relay(Protocol):
    """Sends what others have signed, and pays for it: one by its signed verb, several of one contract in a batch.

    Recover is not relayed: it needs the signatures of several guardians, and has a verb of its own.
    """

    def __call__(
        self, payer: Signer, signed: Sequence[SignedMessage], *, intent: str | None = None
    ) -> tuple[CallOutcome, ...]:
        """Send messages of one contract in one transaction; return what became of each, in their order.

        Raises:
            RejectedError: there is one message only, and the contract refuses it; nothing was sent.
            LedgerError: nothing is known of any: as for every transaction; repeat it with the same intent.
            InvalidInputError: none at all, messages of several contracts, or one that cannot be relayed.
        """
        ...

    def rehearse(self, payer: Address, signed: Sequence[SignedMessage]) -> Rehearsal:
        """Return what would become of messages of one contract that ``payer`` sent now. Nothing is sent.

        Raises:
            TransactionFailedError: one of several fails without saying why, and with it the whole.
            LedgerUnavailableError: the chain could not be asked.
            InvalidInputError: as above.
        """
        ...


class EventSource(Protocol):
    """The chain as a sequence of blocks and of our events."""

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        ...

    @property
    def first_block(self) -> int:
        """The block in which our contracts were deployed."""
        ...

    def head(self) -> BlockRef:
        """Return the newest block."""
        ...

    def block(self, number: int) -> BlockRef:
        """Return a block; raises ``LedgerUnavailableError`` where there is none of this number."""
        ...

    def events(self, first: int, last: int) -> Iterator[LedgerEvent]:
        """Yield our events of the blocks ``first`` to ``last``, both included, in chain order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The contracts of one deployment and the chain they are on."""

    directory: DirectoryLedger
    records: RecordLedger
    consents: ConsentLedger
    authority: AuthorityLedger
    emergencies: EmergencyLedger
    accreditation: AccreditationLedger
    consortium: ConsortiumLedger
    requests: RequestLedger
    escrow: EscrowLedger
    attestations: AttestationLedger
    relay: Relay
    chain: EventSource
