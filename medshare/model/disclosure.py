"""An accounting of disclosures: who could read records of a patient, when, and by whose word, as the chain tells it.

Pure values. ``services.accounting`` makes them from the chain's events, ``standards`` writes them in the words of FHIR
and of the law.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from medshare.errors import InvalidInputError
from medshare.model.emergency import EmergencyReason, Verdict
from medshare.model.events import BlockRef, EventPlace
from medshare.model.grant import MAX_TIME
from medshare.model.ids import Address, address
from medshare.model.purpose import Purpose

_SCOPE = re.compile(r"eip155:(\d{1,20}):(0x[0-9a-fA-F]{40})/(\d{1,10})/(\d{1,15})/([0-9a-f]{64})")


class Manner(StrEnum):
    """How somebody came to be able to read."""

    EMERGENCY = "emergency"
    """A clinician broke the glass."""
    EMERGENCY_KEYS = "emergency keys"
    """A custodian released keys to the clinician of an episode."""
    GRANT = "grant"
    """The patient granted access, himself or through who acts for him."""
    DELIVERY = "delivery"
    """A custodian delivered what the patient granted to a requester."""

    @property
    def is_emergency(self) -> bool:
        """Whether the patient was not asked."""
        return self in (Manner.EMERGENCY, Manner.EMERGENCY_KEYS)


class Capacity(StrEnum):
    """As what somebody gave access, or took it."""

    PATIENT = "patient"
    SUCCESSOR = "key that took over"
    """The one in control after a recovery."""
    DELEGATE = "delegate"
    CUSTODIAN = "custodian"
    CLINICIAN = "clinician"


class Ending(StrEnum):
    """Why a right ended before its date."""

    REVOKED = "revoked"
    REPLACED = "granted anew"
    ENDED = "episode ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """Somebody could read, or was given keys to."""

    manner: Manner
    place: EventPlace
    """Where the chain tells it."""
    digest: bytes
    """SHA-256 of the event, as the index writes it."""
    recipient: Address
    given_by: Address
    """Whose word it was. Who paid for the transaction has no say, and is not told."""
    capacity: Capacity
    by_right: bool
    """Whether he might. The contract lets nobody else: where this is false, do not trust it."""
    purposes: Purpose
    begins_at: int
    """First second in which the recipient could read, Unix time."""
    ends_at: int
    """First second after that, as it was said then."""
    ended_at: int | None = None
    """When it was ended before, if it was."""
    ending: Ending | None = None
    reference: tuple[str, str]
    """What it rests on: its kind (grant, request, episode) and its id."""
    content: bytes
    """The digest that says what: of a grant's terms, of a bundle; zeros for an episode."""
    records: int
    """How many active records of the patient were registered then, by this custodian where one released."""
    reason: EmergencyReason | None = None
    """Of an emergency."""
    verdict: Verdict = Verdict.NONE
    """What its review found."""

    @property
    def until(self) -> int:
        """First second in which the recipient could read no more."""
        return self.ends_at if self.ended_at is None else min(self.ends_at, self.ended_at)

    @property
    def ever(self) -> bool:
        """Whether it was ever in force: what was ended before it began was not."""
        return self.begins_at < self.until

    def in_force(self, now: int) -> bool:
        """Whether the recipient could read at ``now``."""
        return self.begins_at <= now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountedEvent:
    """An event that concerns a patient, for who audits."""

    kind: str
    """The class of the event."""
    place: EventPlace
    digest: bytes
    by: Address | None
    """Whose word it was; None where the chain does not say."""
    concerns: Address | None
    """Whom it concerns besides the patient."""
    purposes: Purpose
    objects: tuple[tuple[str, str], ...]
    """What it was about: kinds and ids."""
    disclosure: Disclosure | None = None
    """What was disclosed by it, if anything was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What an accounting covers. An export carries it, so that it can be made again and compared."""

    patient: Address
    chain_id: int
    since: int
    """Only what was told, or could be read, at this time or later (Unix seconds)."""
    block: int
    """The newest block that counts."""
    block_hash: bytes

    @property
    def text(self) -> str:
        """The scope in one line."""
        account = f"eip155:{self.chain_id}:{self.patient}"
        return f"{account}/{self.since}/{self.block}/{self.block_hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the scope that ``text`` says; raises ``InvalidInputError``."""
        found = _SCOPE.fullmatch(text)
        if found is None or int(found[3]) > MAX_TIME:
            raise InvalidInputError(
                "the document does not say which patient, time and block it covers", hint="it was cut off, or edited"
            )
        return cls(
            chain_id=int(found[1]),
            patient=address(found[2]),
            since=int(found[3]),
            block=int(found[4]),
            block_hash=bytes.fromhex(found[5]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountingOfDisclosures:
    """Who could read records of a patient, up to a block."""

    scope: Scope
    block: BlockRef
    events: tuple[AccountedEvent, ...]
    """Everything the chain tells of the patient, in its order."""
    disclosures: tuple[Disclosure, ...]
    """Emergencies first, then the rest, each in the chain's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Several disclosures to one recipient in one manner for the same purposes, in summary."""

    manner: Manner
    recipient: Address
    purposes: Purpose
    first: int
    last: int
    """When the first and the last were made, Unix time."""
    count: int


def in_series(disclosures: Sequence[Disclosure]) -> tuple[Series, ...]:
    """Return ``disclosures`` in summary, in the order of the first of each series."""
    groups: dict[tuple[Manner, Address, Purpose], list[int]] = {}
    for each in disclosures:
        groups.setdefault((each.manner, each.recipient, each.purposes), []).append(each.place.block.time)
    return tuple(
        Series(
            manner=manner,
            recipient=recipient,
            purposes=purposes,
            first=min(times),
            last=max(times),
            count=len(times),
        )
        for (manner, recipient, purposes), times in groups.items()
    )
