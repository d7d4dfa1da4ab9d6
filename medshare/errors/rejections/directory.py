"""Refusals of the directory: members, accreditations, keys (``Directory``)."""

from __future__ import annotations

from dataclasses import dataclass

from medshare.errors.ledger import RejectedError

_MEMBER = {0: "no member", 1: "a member with its seat", 2: "a suspended member", 3: "a former member"}
_SUSPENDED = {1: "the member that accredited it", 2: "vote"}


@dataclass(eq=False)
class EncryptionKeyNotSetError(RejectedError):
    """The actor has no encryption key in the Directory."""

    solidity = "DirectoryEncryptionKeyNotSet"
    hint = "ask its owner to publish one; your own: medshare identity publish NAME"
    actor: str

    def _message(self) -> str:
        return f"{self.actor} has published no encryption key"


@dataclass(eq=False)
class EncryptionKeyIsZeroError(RejectedError):
    """An encryption key of zeros was refused."""

    solidity = "DirectoryEncryptionKeyIsZero"
    hint = "make a new identity"


@dataclass(eq=False)
class EncryptionKeyUnchangedError(RejectedError):
    """The actor's encryption key is this one already."""

    solidity = "DirectoryEncryptionKeyUnchanged"
    hint = "there is nothing to do"
    actor: str

    def _message(self) -> str:
        return f"{self.actor} has this encryption key already"


@dataclass(eq=False)
class NotAMemberError(RejectedError):
    """Only a member that has its seat may do this."""

    solidity = "DirectoryNotAMember"
    hint = "let a member of the consortium do it; see who is one: medshare consortium show"
    caller: str

    def _message(self) -> str:
        return f"{self.caller} is no member of the consortium, or has lost its seat"


@dataclass(eq=False)
class MemberInvalidError(RejectedError):
    """A member is no zero address, and not what it is to become already."""

    solidity = "DirectoryMemberInvalid"
    hint = "compare with: medshare consortium show"
    member: str
    status: int

    def _message(self) -> str:
        return f"that cannot be done to {self.member}: it is {_MEMBER.get(self.status, self.status)}"


@dataclass(eq=False)
class LastMemberError(RejectedError):
    """The last member keeps its seat: nobody would be left to vote."""

    solidity = "DirectoryLastMember"
    hint = "admit another institution first"
    member: str


@dataclass(eq=False)
class SeatsExhaustedError(RejectedError):
    """All 255 seats were given away."""

    solidity = "DirectorySeatsExhausted"
    hint = "readmit a former member, or found another consortium"


@dataclass(eq=False)
class AccreditationInvalidError(RejectedError):
    """Nobody can be accredited as nothing, and the zero address as nothing at all."""

    solidity = "DirectoryAccreditationInvalid"
    hint = "name an address and a capacity"
    actor: str
    kind: int


@dataclass(eq=False)
class AccreditedByAnotherError(RejectedError):
    """Another member's word stands: only that member, or a vote, can change it while it does."""

    solidity = "DirectoryAccreditedByAnother"
    hint = "ask the member that accredited the actor, or propose it to the consortium"
    actor: str
    kind: int
    seat: int

    def _message(self) -> str:
        return f"another member, with seat {self.seat}, answers for {self.actor}: only its word counts, or a vote"


@dataclass(eq=False)
class SuspendedByVoteError(RejectedError):
    """The actor is suspended by vote: only a vote can lift it."""

    solidity = "DirectorySuspendedByVote"
    hint = "propose it to the consortium"
    actor: str
    kind: int

    def _message(self) -> str:
        return f"{self.actor} was suspended by vote: only a vote can lift it"


@dataclass(eq=False)
class SuspensionInvalidError(RejectedError):
    """The actor's accreditation is not suspended, or not there to be suspended, or suspended already."""

    solidity = "DirectorySuspensionInvalid"
    hint = "compare with: medshare consortium accreditations"
    actor: str
    kind: int
    suspension: int

    def _message(self) -> str:
        if not self.suspension:
            return f"{self.actor} is not suspended, or was never accredited"
        return f"{self.actor} is suspended already, by {_SUSPENDED.get(self.suspension, self.suspension)}"
