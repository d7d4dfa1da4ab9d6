"""What of a store's content the chain names, and what of it is to be kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from medshare.content import Cid
from medshare.model.consent import Reason, liveness
from medshare.model.events import (
    AccessDelivered,
    AccessGranted,
    BatchAnchored,
    KeysReleased,
    LedgerEvent,
    RecordRegistered,
    RecordRetracted,
    RecordSuperseded,
    RequestOpened,
)
from medshare.model.ids import Address, GrantId, RecordId
from medshare.model.ledger import LedgerModel
from medshare.services.auditing import is_erasure


class RootKind(StrEnum):
    """What a root is, by the event that names it."""

    RECORD = "record"
    BUNDLE = "bundle"
    RELEASE = "released keys"
    DOCUMENT = "document"
    CATALOGUE = "catalogue"


class Keep(StrEnum):
    """Whether a root is to be kept."""

    YES = "yes"
    NO = "no"
    """Its right has ended."""
    EITHER = "either"
    """Its parties decide; nobody else pins it or gives it up."""
    NEVER = "never"
    """Its custodian has erased it: who holds it still, should not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRoot:
    """A record, bundle or document that the chain names."""

    root: Cid
    kind: RootKind
    keep: Keep


def named_roots(events: Iterable[LedgerEvent], *, now: int) -> dict[Cid, NamedRoot]:
    """Return every root that the chain names, by CID.

    Records are kept whatever became of them, unless they were erased: others relied on them. Of a grant the newest
    bundle is kept until it ends; released keys, while their episode lasts; a request's document, always. Whether a
    record was erased is for the custodian to say who stated it first: it was he who encrypted it.

    Args:
        events: all of them, in chain order.
        now: Unix seconds.
    """
    model = LedgerModel()
    found: dict[Cid, NamedRoot] = {}
    granted: dict[GrantId, AccessGranted] = {}
    released: list[KeysReleased] = []
    stated_by: dict[RecordId, Address] = {}
    for event in events:
        model.apply(event)
        _name(found, event)
        match event:
            case AccessGranted():
                granted[event.grant.grant_id] = event
            case KeysReleased():
                released.append(event)
            case RecordRegistered() | RecordSuperseded():
                stated_by.setdefault(event.record_id, event.custodian)
            case RecordRetracted() if is_erasure(event) and stated_by[event.record_id] == event.custodian:
                _keep(found, event.record_id, RootKind.RECORD, Keep.NEVER)
            case _:
                pass
    for grant_id, given in granted.items():
        grant = model.get_grant(grant_id)
        reason = liveness(grant, stamp=model.stamp(grant.patient), purpose=given.grant.purposes, now=now)
        if reason in (Reason.PERMITTED, Reason.NOT_YET):
            _keep(found, given.bundle, RootKind.BUNDLE, Keep.YES)
    for release in released:
        if model.is_episode_live(release.episode_id, now):
            _keep(found, release.bundle, RootKind.RELEASE, Keep.YES)
    return found


def _name(found: dict[Cid, NamedRoot], event: LedgerEvent) -> None:
    """Note what an event names; of what ends by time or by another event, it is not known yet whether it is kept."""
    match event:
        case RecordRegistered() | RecordSuperseded():
            _keep(found, event.record_id, RootKind.RECORD, Keep.YES)
        case BatchAnchored():
            _keep(found, event.catalogue, RootKind.CATALOGUE, Keep.YES)
        case AccessGranted():
            _keep(found, event.bundle, RootKind.BUNDLE, Keep.NO)
        case KeysReleased():
            _keep(found, event.bundle, RootKind.RELEASE, Keep.NO)
        case RequestOpened():
            _keep(found, event.request.terms.document, RootKind.DOCUMENT, Keep.YES)
        case AccessDelivered():
            _keep(found, event.bundle, RootKind.BUNDLE, Keep.EITHER)
        case _:
            pass


def _keep(found: dict[Cid, NamedRoot], digest: bytes, kind: RootKind, keep: Keep) -> None:
    """Note a root; who wants it kept has the last word, but for its erasure."""
    root = Cid.of_directory(digest)
    if root not in found or keep is Keep.NEVER or (keep is Keep.YES and found[root].keep is not Keep.NEVER):
        found[root] = NamedRoot(root=root, kind=kind, keep=keep)
