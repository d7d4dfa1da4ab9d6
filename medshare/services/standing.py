"""Standing consent: whom a custodian's client makes a packet for when it publishes, as live grants decide.

The steps, numbered as in the code; all at one block, the newest:

(1) resolve the patient's grants that are live at that block and by the clock, to each reader;
(2) open the excerpts that their bundles hold for this custodian. Where one live grant to a reader is silent or cannot
    be read, nobody knows what it denies: that reader gets nothing, and it is said;
(3) decide about the new record, of which all is known but its id, for each purpose that the excerpts name. A grant
    whose keys wait for a read receipt denies and does not permit: what it alone would permit is withheld and said. Its
    excerpt says so, too, which another's bundle holds where its own is missing;
(4) ask the contract whether it says the same of the grant that decided;
(5) ask the Directory for the reader's key.

Nothing that a patient, a reader or the store does wrong keeps the custodian from publishing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from medshare.content import Link
from medshare.envelope import MAX_PACKETS, Recipient
from medshare.errors import EncryptionKeyNotSetError, InvalidInputError
from medshare.hashing import tagged_sha256
from medshare.model.consent import Consent, decide
from medshare.model.decision import Decision, Reason
from medshare.model.events import BlockRef
from medshare.model.grant import MAX_TIME
from medshare.model.ids import Address, GrantId
from medshare.model.purpose import Purpose
from medshare.model.record import RecordStatus
from medshare.model.subject import Subject
from medshare.model.terms import Excerpt
from medshare.ports import Actor, BlobStore, Clock, Ledger
from medshare.services.auditing import Auditing, GrantStanding
from medshare.services.bundles import BAD_BUNDLE, bundle_files
from medshare.services.excerpts import open_excerpt
from medshare.services.held_keys import is_held, waits_for_receipt
from medshare.services.published_keys import granters_keys, published_keys
from medshare.services.releasing import permitted_purposes

MAX_READERS = MAX_PACKETS - 2
"""Readers of one header, beside patient and custodian."""

_log = logging.getLogger(__name__)


class Obstacle(StrEnum):
    """Why a live grant gave its reader no packet, although perhaps it should."""

    BUNDLE_UNREADABLE = "bundle-unreadable"
    UNTOLD = "untold"
    NOT_DELIVERED = "not-delivered"
    NOT_ON_CHAIN = "not-on-chain"
    NO_KEY = "no-key"
    HEADER_FULL = "header-full"

    def explain(self) -> str:
        """Return a sentence for a person: what it means, and what helps."""
        return _SENTENCES[self]


_SENTENCES = {
    Obstacle.BUNDLE_UNREADABLE: "its bundle is missing or wrong, and may deny something: the patient can grant it anew",
    Obstacle.UNTOLD: "it does not speak to this custodian, or to an earlier key of his, and may deny something: "
    "any grant of the patient to this reader, given again, tells him all of them: medshare consent renew",
    Obstacle.NOT_DELIVERED: "its keys are released on a read receipt, and were not yet",
    Obstacle.NOT_ON_CHAIN: "the contract does not say that it is live",
    Obstacle.NO_KEY: "its reader has published no key that can be used",
    Obstacle.HEADER_FULL: f"a header has room for {MAX_READERS} readers",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """A live grant whose reader got no packet, for another reason than what it says."""

    grant_id: GrantId
    reader: Address
    obstacle: Obstacle


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """Whom the patient's live grants permit a record at one block."""

    block: BlockRef
    admitted: Mapping[Address, Recipient]
    """Who is permitted it, with the key to be used."""
    withheld: tuple[Withheld, ...]


class PatientConsents:
    """What a patient's live grants say to one custodian, at one block: asked once, for as many records as there are.

    Args:
        block: the block.
        told: what each reader was granted, as far as it concerns the custodian; of those about whom all is known.
        unknown: live grants of which it is not known what they deny.
        held: those of ``told`` whose keys are not released yet, without what they permit.
        is_lasting: whether they say the same until the chain tells something of the patient: he has never granted.
        ledger: the contracts.
        clock: the time on the wall.
    """

    def __init__(
        self,
        *,
        block: BlockRef,
        told: Mapping[Address, Sequence[Consent]],
        unknown: Sequence[Withheld],
        held: Mapping[GrantId, Consent],
        is_lasting: bool,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._block = block
        self._told = told
        self._unknown = tuple(unknown)
        self._held = held
        self._counting = {
            reader: [held.get(each.grant.grant_id, each) for each in consents] for reader, consents in told.items()
        }
        self.is_lasting = is_lasting
        self._ledger = ledger
        self._clock = clock
        self._live: dict[tuple[GrantId, Purpose], bool] = {}
        self._keys: dict[Address, Recipient | None] = {}

    @property
    def digest(self) -> bytes:
        """A digest of all that decides about readers, save the time: where it is the same, so is who is permitted."""
        told = [
            f"{consent.grant.grant_id:x}/{consent.grant.epoch}/{consent.stamp}/{key.key.hex() if key else ''}"
            + ("/held" if consent.grant.grant_id in self._held else "")
            for reader, consents in self._told.items()
            for key in (self._key(reader),)
            for consent in consents
        ]
        unknown = [f"{each.grant_id:x}/{each.obstacle}" for each in self._unknown]
        return tagged_sha256("medshare/standing/1", "\n".join([*sorted(told), *sorted(unknown)]).encode())

    def readers(self, subject: Subject) -> Readers:
        """Return who gets a packet of ``subject``; raises ``LedgerError`` where the chain fails."""
        admitted: dict[Address, Recipient] = {}
        withheld = list(self._unknown)
        for reader, consents in self._counting.items():
            decision = self._permitting(consents, subject, reader)  # (3)
            if decision is None or decision.grant is None:
                withheld += self._waiting(subject, reader)
                continue
            grant_id, bits = decision.grant.grant_id, decision.purpose.coarse
            obstacle = None
            key = None
            if not self._is_live(grant_id, bits):  # (4)
                obstacle = Obstacle.NOT_ON_CHAIN
            elif (key := self._key(reader)) is None:  # (5)
                obstacle = Obstacle.NO_KEY
            elif len(admitted) == MAX_READERS:
                obstacle = Obstacle.HEADER_FULL
            if obstacle is not None:
                withheld.append(Withheld(grant_id=grant_id, reader=reader, obstacle=obstacle))
            elif key is not None:
                admitted[reader] = key
        return Readers(block=self._block, admitted=admitted, withheld=tuple(withheld))

    def _waiting(self, subject: Subject, reader: Address) -> list[Withheld]:
        """Return the grants that would permit if their keys were released."""
        decision = self._permitting(self._told[reader], subject, reader) if self._held else None
        decided_by = () if decision is None else dict.fromkeys(each.grant_id for each in decision.decided_by)
        return [
            Withheld(grant_id=each, reader=reader, obstacle=Obstacle.NOT_DELIVERED)
            for each in decided_by
            if each in self._held
        ]

    def _permitting(self, consents: Sequence[Consent], subject: Subject, reader: Address) -> Decision | None:
        """Return a decision that permits, at the block's time as by the clock, or None."""
        block = self._block
        for purpose in permitted_purposes(consents):
            decisions = [
                decide(consents, subject=subject, purpose=purpose, reader=reader, now=now, block=block.number)
                for now in (block.time, max(block.time, self._clock.now()))
            ]
            if all(decision.permitted for decision in decisions):
                return decisions[-1]
        return None

    def _is_live(self, grant_id: GrantId, bits: Purpose) -> bool:
        found = self._live.get((grant_id, bits))
        if found is None:
            found = self._ledger.consents.is_live(grant_id, bits, block=self._block)
            self._live[grant_id, bits] = found
        return found

    def _key(self, reader: Address) -> Recipient | None:
        if reader not in self._keys:
            try:
                key = Recipient(self._ledger.directory.encryption_key(reader, block=self._block).key)
            except (EncryptionKeyNotSetError, InvalidInputError):
                key = None
            self._keys[reader] = key
        return self._keys[reader]


class StandingConsents:
    """Applies live grants to what a custodian publishes.

    Args:
        ledger: the contracts.
        store: where bundles are; not trusted.
        clock: the time on the wall.
        auditing: which grants there are.
    """

    def __init__(self, *, ledger: Ledger, store: BlobStore, clock: Clock, auditing: Auditing) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._auditing = auditing

    def readers(self, custodian: Actor, subject: Subject) -> Readers:
        """Return who gets a packet of ``subject``, which ``custodian`` is about to publish.

        Raises:
            LedgerError: the chain failed.
        """
        readers = self.of(custodian, subject.patient).readers(subject)
        _log.debug(
            "%d readers admitted, %d grants withheld at block %d",
            len(readers.admitted),
            len(readers.withheld),
            readers.block.number,
        )
        return readers

    def of(self, custodian: Actor, patient: Address, *, block: BlockRef | None = None) -> PatientConsents:
        """Return what the live grants of ``patient`` say to ``custodian`` at a block; default: the newest.

        Raises:
            LedgerError: the chain failed.
        """
        at = self._auditing.sync() if block is None else block
        told: dict[Address, list[Consent]] = {}
        withheld: list[Withheld] = []
        held: dict[GrantId, Consent] = {}
        granted = self._auditing.grants(patient=patient, at=at.time, head=at)
        live = self._live(custodian.address, patient, at, granted)  # (1)
        stamp = self._ledger.consents.stamp(patient, block=at) if live else 0
        for reader, standings in live.items():
            consents, unknown, waiting = self._consents(custodian, standings, stamp)  # (2)
            if unknown:
                withheld += unknown
            else:
                told[reader] = consents
                held |= waiting
        return PatientConsents(
            block=at,
            told=told,
            unknown=withheld,
            held=held,
            is_lasting=not granted,
            ledger=self._ledger,
            clock=self._clock,
        )

    def excerpt(self, custodian: Actor, standing: GrantStanding) -> Excerpt | None:
        """Return what a grant, live or ended, says to ``custodian``, as far as its own bundle is there still."""
        try:
            files = bundle_files(self._store, standing.bundle)
            keys = self.writers(standing)
            return open_excerpt(self._store, files, standing, custodian=custodian, writer_keys=keys)
        except BAD_BUNDLE:
            return None

    def keys_ever(self, patient: Address) -> frozenset[Recipient]:
        """Return every usable key that a reader to whom ``patient`` ever granted something has published."""
        return frozenset(
            key
            for reader in {standing.grant.grantee for standing in self._auditing.grants(patient=patient)}
            for key in self.keys_of(reader)
        )

    def keys_of(self, actor: Address) -> list[Recipient]:
        """Return every key an actor has published and can be used, the newest first."""
        return published_keys(self._auditing, actor)

    def _live(
        self, custodian: Address, patient: Address, block: BlockRef, granted: Sequence[GrantStanding]
    ) -> dict[Address, list[GrantStanding]]:
        """Return the grants by reader, the oldest first, that are live at the block or by the clock.

        Patient and custodian have packets of their own.
        """
        now = self._now(block)
        live: dict[Address, list[GrantStanding]] = {}
        for standing in granted:
            grant = standing.grant
            begun = standing.reason is Reason.NOT_YET and grant.not_before <= now
            if (standing.live or begun) and grant.grantee not in (patient, custodian):
                live.setdefault(grant.grantee, []).append(standing)
        return live

    def _consents(
        self, custodian: Actor, standings: Sequence[GrantStanding], stamp: int
    ) -> tuple[list[Consent], list[Withheld], dict[GrantId, Consent]]:
        """Return what one reader was granted as far as it concerns ``custodian``, what is unknown, and what is held."""
        files: dict[str, Link] = {}
        missing: set[GrantId] = set()
        closed_in: set[GrantId] = set()
        for standing in standings:
            try:
                own = bundle_files(self._store, standing.bundle)
            except BAD_BUNDLE:
                missing.add(standing.grant.grant_id)
                continue
            files |= own
            if is_held(own):
                closed_in.add(standing.grant.grant_id)
        consents: list[Consent] = []
        unknown: list[Withheld] = []
        held: dict[GrantId, Consent] = {}
        escrow = self._ledger.requests.address
        for standing in standings:
            grant = standing.grant
            obstacle = Obstacle.BUNDLE_UNREADABLE if grant.grant_id in missing else Obstacle.UNTOLD
            try:
                keys = self.writers(standing)
                excerpt = open_excerpt(self._store, files, standing, custodian=custodian, writer_keys=keys)
            except BAD_BUNDLE:
                excerpt, obstacle = None, Obstacle.BUNDLE_UNREADABLE
            if excerpt is None:
                unknown.append(Withheld(grant_id=grant.grant_id, reader=grant.grantee, obstacle=obstacle))
            else:
                consents.append(Consent(grant=grant, terms=excerpt, stamp=stamp))
                on_receipt = excerpt.on_receipt or grant.grant_id in closed_in
                if waits_for_receipt(self._auditing, standing, on_receipt=on_receipt, escrow=escrow):
                    held[grant.grant_id] = replace(consents[-1], terms=excerpt.denying())
        return consents, unknown, held

    def writers(self, standing: GrantStanding) -> list[Recipient]:
        """Return the keys of those whose word about a grant counts: who gave it by right, and the patient."""
        return granters_keys(self._auditing, standing)

    def _now(self, block: BlockRef) -> int:
        return max(block.time, self._clock.now())


def may_have_covered(standing: GrantStanding, excerpt: Excerpt, subject: Subject) -> bool:
    """Whether a grant, live or ended, permitted a record while it lasted, or only the manifest could tell."""
    grant = standing.grant
    as_granted = replace(grant, purposes=standing.purposes, not_before=0, expires_at=MAX_TIME)
    consent = Consent(grant=as_granted, terms=excerpt, stamp=grant.stamp)
    as_it_was = replace(subject, status=RecordStatus.ACTIVE)  # it may have been withdrawn since
    decisions = [
        decide([consent], subject=as_it_was, purpose=purpose, reader=grant.grantee, now=grant.not_before)
        for purpose in permitted_purposes([consent])
    ]
    return any(decision.permitted or decision.undecided for decision in decisions)
