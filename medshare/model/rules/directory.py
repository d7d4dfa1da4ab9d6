"""Directory: which institutions are members, whom they accredited for what, and whose encryption key is which."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from medshare.errors import (
    AccreditationInvalidError,
    AccreditedByAnotherError,
    EncryptionKeyIsZeroError,
    EncryptionKeyNotSetError,
    EncryptionKeyUnchangedError,
    LastMemberError,
    MemberInvalidError,
    NotAMemberError,
    SeatsExhaustedError,
    SignedOutdatedError,
    SuspendedByVoteError,
    SuspensionInvalidError,
)
from medshare.hashing import DIGEST_SIZE
from medshare.model.accreditation import Accreditation, AccreditationKind, Member, MemberStatus, Suspension
from medshare.model.events import (
    AccreditationEvent,
    AccreditationReinstated,
    AccreditationSuspended,
    Accredited,
    EncryptionKeySet,
    EventPlace,
    MemberAdmitted,
    MemberEvent,
    MemberReinstated,
    MemberRemoved,
    MemberSuspended,
)
from medshare.model.ids import ZERO_ADDRESS, Address
from medshare.model.rules.signatures import require_signature
from medshare.model.typed_data import SignableSetEncryptionKey

LAST_SEAT = 255
_ZERO_KEY = bytes(DIGEST_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionKey:
    """An actor's key in the Directory."""

    key: bytes
    version: int
    set_at: int


@dataclass
class DirectoryRules:
    """State and verbs of Directory. Who gets a seat is decided above."""

    consortium: Address = ZERO_ADDRESS
    """The contract's own address: what it calls itself was voted for."""
    keys: dict[Address, EncryptionKey] = field(default_factory=dict)
    members: dict[Address, Member] = field(default_factory=dict)
    accreditations: dict[tuple[Address, AccreditationKind], Accreditation] = field(default_factory=dict)

    # -------------------------------------------------------------------------------------- accrediting

    def accredit(
        self, caller: Address, actor: Address, kind: AccreditationKind, valid_until: int, place: EventPlace
    ) -> tuple[Accredited]:
        """Accredit an actor until a time, or withdraw it with 0, as a member that has its seat."""
        seat = self._require_member(caller)
        if actor == ZERO_ADDRESS or not kind:
            raise AccreditationInvalidError(actor, kind)
        current = self.accreditation(actor, kind)
        if current.seat != seat and place.block.time < current.valid_until and self._is_seated(current.seat):
            raise AccreditedByAnotherError(actor, kind, current.seat)
        event = Accredited(place=place, actor=actor, kind=kind, member=caller, valid_until=valid_until)
        self._apply_accreditation(event)
        return (event,)

    def suspend_accreditation(
        self, caller: Address, actor: Address, kind: AccreditationKind, place: EventPlace
    ) -> tuple[AccreditationSuspended]:
        """Suspend an actor, as the member that accredited him, or by vote."""
        current = self.accreditation(actor, kind)
        say = self._require_say(caller, actor, kind, current.seat)
        if current.seat == 0 or current.suspension >= say:
            raise SuspensionInvalidError(actor, kind, current.suspension)
        event = AccreditationSuspended(place=place, actor=actor, kind=kind, by=say)
        self._apply_accreditation(event)
        return (event,)

    def reinstate_accreditation(
        self, caller: Address, actor: Address, kind: AccreditationKind, place: EventPlace
    ) -> tuple[AccreditationReinstated]:
        """Lift a suspension: one's own as the member that accredited him, any by vote."""
        current = self.accreditation(actor, kind)
        say = self._require_say(caller, actor, kind, current.seat)
        if current.suspension is Suspension.NONE:
            raise SuspensionInvalidError(actor, kind, Suspension.NONE)
        if current.suspension > say:
            raise SuspendedByVoteError(actor, kind)
        event = AccreditationReinstated(place=place, actor=actor, kind=kind)
        self._apply_accreditation(event)
        return (event,)

    def _require_say(self, caller: Address, actor: Address, kind: AccreditationKind, accredited_by: int) -> Suspension:
        """Return how much weight the caller's word has about an actor."""
        if caller == self.consortium:
            return Suspension.BY_VOTE
        if self._require_member(caller) != accredited_by and accredited_by != 0:
            raise AccreditedByAnotherError(actor, kind, accredited_by)
        return Suspension.BY_MEMBER

    # --------------------------------------------------------------------------------- publishing a key

    def set_encryption_key(self, caller: Address, key: bytes, place: EventPlace) -> tuple[EncryptionKeySet]:
        """Publish or rotate the caller's key."""
        current = self.keys.get(caller)
        if key == _ZERO_KEY:
            raise EncryptionKeyIsZeroError
        if current is not None and current.key == key:
            raise EncryptionKeyUnchangedError(caller)
        event = EncryptionKeySet(place=place, actor=caller, key=key, version=self._next_version(caller))
        self._apply_key(event)
        return (event,)

    def encryption_key(self, actor: Address) -> EncryptionKey:
        """Return an actor's key; raises ``EncryptionKeyNotSetError``."""
        if actor not in self.keys:
            raise EncryptionKeyNotSetError(actor)
        return self.keys[actor]

    def _set_encryption_key_signed(
        self, message: SignableSetEncryptionKey, signer: Address, place: EventPlace, *, valid: bool
    ) -> tuple[EncryptionKeySet]:
        is_actors = valid and signer == message.actor
        require_signature(message.actor, deadline=message.deadline, now=place.block.time, valid=is_actors)
        if message.version != self._next_version(message.actor):
            raise SignedOutdatedError(message.version, self._next_version(message.actor))
        return self.set_encryption_key(message.actor, message.key, place)

    def _next_version(self, actor: Address) -> int:
        return self.keys[actor].version + 1 if actor in self.keys else 1

    # --------------------------------------------------------------------------------- giving a seat, taking it

    def _admit(self, account: Address, place: EventPlace) -> tuple[MemberAdmitted]:
        member = self.member(account)
        is_known = member.status in (MemberStatus.SUSPENDED, MemberStatus.SEATED)
        if account in (ZERO_ADDRESS, self.consortium) or is_known:
            raise MemberInvalidError(account, member.status)
        given = self.seats_given
        if member.seat == 0 and given == LAST_SEAT:
            raise SeatsExhaustedError
        event = MemberAdmitted(place=place, member=account, seat=member.seat or given + 1)
        self._apply_member(event)
        return (event,)

    def _reinstate(self, account: Address, place: EventPlace) -> tuple[MemberReinstated]:
        status = self.member(account).status
        if status is not MemberStatus.SUSPENDED:
            raise MemberInvalidError(account, status)
        event = MemberReinstated(place=place, member=account)
        self._apply_member(event)
        return (event,)

    def _suspend(self, account: Address, place: EventPlace) -> tuple[MemberSuspended]:
        status = self.member(account).status
        if status is not MemberStatus.SEATED:
            raise MemberInvalidError(account, status)
        self._require_others(account)
        event = MemberSuspended(place=place, member=account)
        self._apply_member(event)
        return (event,)

    def _remove(self, account: Address, place: EventPlace) -> tuple[MemberRemoved]:
        status = self.member(account).status
        if status not in (MemberStatus.SEATED, MemberStatus.SUSPENDED):
            raise MemberInvalidError(account, status)
        if status is MemberStatus.SEATED:
            self._require_others(account)
        event = MemberRemoved(place=place, member=account)
        self._apply_member(event)
        return (event,)

    def _require_others(self, account: Address) -> None:
        if len(self.seated) == 1:
            raise LastMemberError(account)

    # ------------------------------------------------------------------------------------ reads, replay

    def member(self, account: Address) -> Member:
        """Return an institution's seat and standing; empty where it was never a member."""
        return self.members.get(account, Member())

    def member_at(self, seat: int) -> Address:
        """Return who has, or had, a seat; the zero address where nobody did."""
        return next((account for account, member in self.members.items() if member.seat == seat), ZERO_ADDRESS)

    @property
    def seats_given(self) -> int:
        """How many seats were ever given away."""
        return len(self.members)

    @property
    def seated(self) -> frozenset[int]:
        """The seats whose members have them now."""
        return frozenset(member.seat for member in self.members.values() if member.status is MemberStatus.SEATED)

    def accreditation(self, actor: Address, kind: AccreditationKind) -> Accreditation:
        """Return an accreditation as it stands, in force or not."""
        return self.accreditations.get((actor, kind), Accreditation())

    def is_accredited(self, actor: Address, kind: AccreditationKind, now: int) -> bool:
        """Whether an actor is accredited at ``now``: not expired, not suspended, by a member that has its seat."""
        current = self.accreditation(actor, kind)
        is_suspended = current.suspension is not Suspension.NONE
        return now < current.valid_until and not is_suspended and self._is_seated(current.seat)

    def _require_member(self, caller: Address) -> int:
        """Return the seat of a member that has it now."""
        member = self.member(caller)
        if member.status is not MemberStatus.SEATED:
            raise NotAMemberError(caller)
        return member.seat

    def _is_seated(self, seat: int) -> bool:
        return seat in self.seated

    def _apply_key(self, event: EncryptionKeySet) -> None:
        set_at = event.place.block.time
        self.keys[event.actor] = EncryptionKey(key=event.key, version=event.version, set_at=set_at)

    def _apply_member(self, event: MemberEvent) -> None:
        seat = self.member(event.member).seat
        match event:
            case MemberAdmitted():
                self.members[event.member] = Member(seat=event.seat, status=MemberStatus.SEATED)
            case MemberReinstated():
                self.members[event.member] = Member(seat=seat, status=MemberStatus.SEATED)
            case MemberSuspended():
                self.members[event.member] = Member(seat=seat, status=MemberStatus.SUSPENDED)
            case MemberRemoved():
                self.members[event.member] = Member(seat=seat, status=MemberStatus.REMOVED)

    def _apply_accreditation(self, event: AccreditationEvent) -> None:
        current = self.accreditation(event.actor, event.kind)
        match event:
            case Accredited():
                seat, suspension = self.member(event.member).seat, current.suspension
                # A member that takes over begins anew; what was decided by vote stays.
                if current.seat != seat and suspension is Suspension.BY_MEMBER:
                    suspension = Suspension.NONE
                current = Accreditation(valid_until=event.valid_until, seat=seat, suspension=suspension)
            case AccreditationSuspended():
                current = replace(current, suspension=event.by)
            case AccreditationReinstated():
                current = replace(current, suspension=Suspension.NONE)
        self.accreditations[event.actor, event.kind] = current
