"""Who is who: member institutions, and what they say of actors (``IDirectory``)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class AccreditationKind(IntEnum):
    """In what capacity an actor is accredited (``IAccreditation.Kind``)."""

    CUSTODIAN = 1
    """may register records of others"""
    CLINICIAN = 2
    """may break the glass"""
    RESEARCHER = 3
    """may open requests and studies"""
    ETHICS_COMMITTEE = 4
    """may approve studies on open call"""
    ASSESSOR = 5
    """may attest the quality of records"""
    REVIEWER = 6
    """may review emergencies"""


class MemberStatus(IntEnum):
    """Whether an institution has its seat (``IDirectory.MemberStatus``)."""

    UNKNOWN = 0
    SEATED = 1
    SUSPENDED = 2
    REMOVED = 3


class Suspension(IntEnum):
    """Who suspended an actor (``IDirectory.Suspension``): a greater one outweighs a smaller."""

    NONE = 0
    BY_MEMBER = 1
    BY_VOTE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member institution."""

    seat: int = 0
    """Its number, 1 to 255, its own for ever; 0 where it never had one."""
    status: MemberStatus = MemberStatus.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Accreditation:
    """What one member said of an actor in one capacity. Whether it holds also asks whether that member has its seat."""

    valid_until: int = 0
    """First second in which it no longer holds, Unix time; 0 where withdrawn or never given."""
    seat: int = 0
    """The member's."""
    suspension: Suspension = Suspension.NONE
