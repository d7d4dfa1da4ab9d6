"""Forgetting: what an erasure asks of a patient, and of those who could read; each does his part in his own stores.

The custodian removes the record. What is left are header packets with its key, in bundles that the patient gave, and
blocks that somebody's own store keeps. The names of headers in a bundle are blinded: only who opens the grant's terms
finds the one that is to go.

For the patient, numbered as in the code:

(1) the mark on chain says that the record is erased, or a notice that its custodian has signed;
(2) bundles of grants that have ended are given up whole;
(3) of a grant in force a bundle without that header, and without slips of the record, is stored and granted in the
    place of the one before: the same terms, the same dates, the other records' headers as they were; then the one
    before is given up. Who could open something in it still can, and who has another key by now can with that, too:
    his excerpt and his slips go by either, so that a custodian delivers for a study as if nothing had been forgotten;
(4) what his own store holds of the record is removed, and the slips that he keeps of it.

A reader removes what his own store holds of the record and its slips, and signs what he answers. Headers in bundles
that are in force are the patient's to take out.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from medshare.content import Cid, Link
from medshare.envelope import Recipient
from medshare.errors import (
    BlobNotFoundError,
    EncryptionKeyNotSetError,
    InvalidInputError,
    ReadOnlyStoreError,
    StoreUnavailableError,
)
from medshare.model.decision import Reason
from medshare.model.eip712 import Domain
from medshare.model.erasure import Acknowledgement, Statement
from medshare.model.grant import GrantRequest
from medshare.model.ids import Address, BundleId, GrantId, RecordId
from medshare.model.provision import MAX_RECORDS
from medshare.model.record import RecordEntry, RecordRef
from medshare.model.terms import Terms
from medshare.ports import Actor, BlobStore, Clock, ContractWallets, Ledger
from medshare.services.auditing import Auditing, GrantStanding
from medshare.services.blob_writer import BlobWriter
from medshare.services.bundles import BAD_BUNDLE, bundle_files, open_terms
from medshare.services.erasure_journal import ErasureJournal
from medshare.services.excerpts import MAX_EXCERPTS, excerpt_name, sealed_excerpts
from medshare.services.held_keys import HELD_FILE, is_held, open_held
from medshare.services.padding import power_of_two
from medshare.services.published_keys import published_keys
from medshare.services.removing import Removed, remove_from
from medshare.services.slips import Slips
from medshare.services.statements import state
from medshare.services.storage_nodes import blocks_of
from medshare.services.study_slips import custodian_slips_name

_log = logging.getLogger(__name__)
_IN_FORCE = (Reason.PERMITTED, Reason.NOT_YET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What a patient's client has done about an erased record."""

    record_id: RecordId
    """The newest version."""
    renewed: tuple[GrantId, ...]
    """Grants whose bundle has no header of the record any more."""
    given_up: tuple[BundleId, ...]
    """Bundles that were removed."""
    left: tuple[GrantId, ...]
    """Grants that somebody else gave in the patient's name, or whose bundle does not open: revoke them, or have him who
    gave them forget the record, too. Those of which a custodian releases the keys on a read receipt can be revoked."""
    removed: tuple[Removed, ...]
    """What each store holds still of the record, and of those headers."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left."""
        return not self.left and all(each.gone for each in self.removed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A bundle that has headers of an erased record."""

    standing: GrantStanding
    terms: Terms
    bundle: BundleId
    files: Mapping[str, Link]
    headers: tuple[str, ...]
    """Names of those headers."""
    slips: Mapping[str, Recipient | None]
    """The names of slips among the files: the reader's, and of who delivers for a study those that go by a key of his,
    each with that key."""
    delivered: bool
    """Whether a custodian made it, of what was closed in for him."""

    @property
    def newest(self) -> bool:
        """Whether it is the bundle of a grant in force."""
        return (self.delivered or self.bundle == self.standing.bundle) and self.standing.reason in _IN_FORCE

    @property
    def on_receipt(self) -> bool:
        """Whether a custodian releases it on a read receipt, or has: the patient cannot put another in its place."""
        return self.delivered or is_held(self.files)

    @property
    def blocks(self) -> list[Cid]:
        """The blocks of those headers, and of the slips, which are sealed anew for each bundle."""
        if is_held(self.files):
            return [self.files[HELD_FILE].cid]
        return [self.files[name].cid for name in (*self.headers, *self.slips)]


class Forgetting:
    """Does a patient's, and a reader's, part in an erasure.

    Args:
        ledger: the contracts.
        store: where bundles are.
        clock: the time on the wall.
        auditing: grants and marks.
        journal: where it is noted that it was done.
        places: one's own store and the institutions' nodes, by name.
        own: the name of one's own store among them.
        domain: of the RecordRegistry, for signatures.
        wallets: a reader may be a contract wallet.
        slips: what is kept of the quality of records; None where nobody keeps any.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: BlobStore,
        clock: Clock,
        auditing: Auditing,
        journal: ErasureJournal,
        places: Mapping[str, BlobStore],
        own: str,
        domain: Domain,
        wallets: ContractWallets,
        slips: Slips | None = None,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._auditing = auditing
        self._journal = journal
        self._places = places
        self._own = own
        self._domain = domain
        self._wallets = wallets
        self._slips = slips

    def forget(self, record: RecordRef, *, patient: Actor, on_behalf_of: Address | None = None) -> Forgotten:
        """Take every header of an erased record out of the bundles that a patient gave. Repeating it is no error.

        Args:
            record: any of its versions.
            patient: who does it: the patient, or somebody who has granted for him.
            on_behalf_of: the patient, where another acts for him.

        Raises:
            InvalidInputError: the record is another patient's, or its custodian has not erased it.
            NotAllowedToActError: a grant is to be given again, and who gave it may no longer.
            UnknownRecordError: the custodian has registered no such record.
            StoreUnavailableError, LedgerError: store or chain failed; repeat, nothing is done twice.
        """
        versions = self._erased(record)  # (1)
        subject = on_behalf_of or patient.address
        if versions[0].patient != subject:
            raise InvalidInputError("the record is another patient's")
        renewed: list[GrantId] = []
        given_up: list[BundleId] = []
        left: list[GrantId] = []
        roots: list[Cid] = []
        blocks: list[Cid] = []
        for standing in self._auditing.grants(patient=subject):
            try:
                several = list(self._with_headers(standing, versions, patient))
            except StoreUnavailableError:
                raise
            except BAD_BUNDLE as error:
                # Where the bundle itself is gone, so are its headers.
                if standing.reason in _IN_FORCE and not isinstance(error, BlobNotFoundError):
                    left.append(standing.grant.grant_id)
                continue
            for found in several:
                if found.newest:
                    if standing.granted_by != patient.address or found.on_receipt:
                        left.append(standing.grant.grant_id)
                        continue
                    self._renew(found, versions, patient)  # (3)
                    renewed.append(standing.grant.grant_id)
                given_up.append(found.bundle)  # (2)
                roots.append(Cid.of_directory(found.bundle))
                blocks += [roots[-1], *found.blocks]
        others = {name: store for name, store in self._places.items() if name != self._own}
        removed = remove_from(others, roots, blocks)
        if all(each.gone for each in removed):
            # One's own store comes last: from it all of this is found again, if it must be repeated.
            removed += self._remove_own(versions, roots, blocks)  # (4)
        forgotten = Forgotten(
            record_id=versions[0].record_id,
            renewed=tuple(renewed),
            given_up=tuple(given_up),
            left=tuple(dict.fromkeys(left)),
            removed=tuple(removed),
        )
        if forgotten.finished:
            self._journal.answer(patient.address, record.custodian, forgotten.record_id)
        return forgotten

    def acknowledge(
        self, record: RecordRef, *, reader: Actor, kept_because: str | None = None
    ) -> Statement[Acknowledgement]:
        """Remove what the reader's own store holds of an erased record, and sign that he keeps no copy, or why he does.

        What he has saved as a file elsewhere he has erased himself before he signs.

        Args:
            record: any of its versions.
            reader: who answers.
            kept_because: why he keeps a copy; then nothing is removed.

        Raises:
            InvalidInputError: its custodian has not erased it, or the reason is too long.
            UnknownRecordError: the custodian has registered no such record.
            SigningError: it was not signed.
            StoreError, LedgerError: repeat.
        """
        versions = self._erased(record)
        said = Acknowledgement(
            reader=reader.address,
            custodian=record.custodian,
            record_id=versions[0].record_id,
            signed_at=max(self._ledger.chain.head().time, self._clock.now()),
            kept_because=kept_because,
        )
        if kept_because is None:
            for each in self._clear_own(versions, reader):
                if not each.gone:
                    raise StoreUnavailableError(f"one's own store was not cleared: {each.trouble or 'blocks are left'}")
        statement = state(said, self._domain, signer=reader.signer, wallets=self._wallets)
        self._journal.answer(reader.address, record.custodian, said.record_id)
        return statement

    def _erased(self, record: RecordRef) -> tuple[RecordEntry, ...]:
        head = self._ledger.chain.head()
        entry = self._ledger.records.record(record.custodian, record.record_id, block=head)
        versions = self._auditing.lineage(entry)
        marked = any(self._auditing.erasure(each.ref) for each in versions)
        if not marked and versions[0].ref not in self._told():
            raise InvalidInputError(
                "its custodian has not erased this record, or has not told it here",
                hint="what it is, says: medshare record show; where he has given you a notice, keep it first: "
                "medshare record take-erasure-notice",
            )
        return versions

    def _told(self) -> set[RecordRef]:
        """Return of which records a notice says that they were erased; one that is kept was checked."""
        return {RecordRef(custodian=custodian, record_id=newest) for custodian, newest in self._journal.notices()}

    def _with_headers(self, standing: GrantStanding, versions: Sequence[RecordEntry], actor: Actor) -> Iterator[_Found]:
        """Yield the bundles of one grant that have headers of the record; what is gone already is passed over.

        Raises:
            StoreError, EnvelopeError, IntegrityError: the terms in its newest bundle do not open.
        """
        grant = standing.grant
        in_force = standing.reason in _IN_FORCE
        several = deque(self._auditing.bundles(grant.patient, grant.grant_id))
        delivered = None
        while several:
            bundle = several.popleft()
            newest = in_force and bundle == standing.bundle
            # What one's own store lacks, a node would search for among others.
            if not newest and not self._store.has(Cid.of_directory(bundle)):
                continue
            try:
                files = bundle_files(self._store, bundle)
                if is_held(files):
                    if delivered is None:
                        delivered = self._auditing.delivered(grant, self._ledger.requests.address)
                        several.extend([] if delivered is None else [delivered])
                    if actor.address == grant.grantee:
                        continue  # nothing in it is for him
                terms = open_terms(self._store, replace(standing, bundle=bundle), actor.identity)
                within = open_held(self._store, files, actor.identity)[0] if is_held(files) else files
            except BAD_BUNDLE as error:
                if newest or isinstance(error, StoreUnavailableError):
                    raise
                continue
            names = [terms.header_name(entry.record_id) for entry in versions]
            headers = tuple(name for name in names if name in within)
            if headers:
                slips = {terms.slips_name: None, **self._custodian_slips(terms, actor)}
                yield _Found(
                    standing=standing,
                    terms=terms,
                    bundle=bundle,
                    files=files,
                    headers=headers,
                    slips={name: key for name, key in slips.items() if name in files},
                    delivered=bundle == delivered,
                )

    def _custodian_slips(self, terms: Terms, actor: Actor) -> dict[str, Recipient | None]:
        """Return how slips for the custodian who delivers may be named, where the grant is of a study, by his keys."""
        if terms.request is None:
            return {}
        keys = published_keys(self._auditing, terms.request.custodian)
        return {custodian_slips_name(actor.identity, key, terms.digest()): key for key in keys}

    def _renew(self, found: _Found, versions: Sequence[RecordEntry], patient: Actor) -> None:
        standing = found.standing
        files = {name: link for name, link in found.files.items() if name not in (*found.headers, *found.slips)}
        with BlobWriter(self._store) as writer:
            told = self._excerpts_by_newest_keys(found, patient)
            for name, pieces in (*self._slips_anew(found, versions, patient), *told):
                files[name] = writer.file(pieces)
            bundle = writer.directory(files)
        self._store.pin(bundle)
        request = GrantRequest(
            grantee=standing.grant.grantee,
            terms=standing.terms,
            bundle=BundleId(bundle.digest),
            not_before=standing.grant.not_before,
            expires_at=standing.grant.expires_at,
            purposes=standing.purposes,
        )
        if patient.address == standing.grant.patient:
            self._ledger.consents.grant(patient.signer, request)
        else:
            self._ledger.consents.grant_for(patient.signer, standing.grant.patient, request)

    def _slips_anew(
        self, found: _Found, versions: Sequence[RecordEntry], patient: Actor
    ) -> Iterator[tuple[str, list[bytes]]]:
        """Yield names and pieces of the slips of the other records, where there are some."""
        if self._slips is None:
            return
        terms, erased = found.terms, [entry.record_id for entry in versions]
        for name, key in found.slips.items():
            wanted: dict[str, Recipient | None] = {name: self._key_of(terms.grantee) if key is None else key}
            if key is not None and terms.request is not None:
                newest = self._key_of(terms.request.custodian)
                if newest is not None:
                    wanted[custodian_slips_name(patient.identity, newest, terms.digest())] = newest
            # What a delegate granted for a recovered patient is for who was in control then.
            owners = [terms.patient, *self._auditing.controllers_of(terms.patient)]
            parties = [terms.grantee, *owners] if key is None else []
            for anew, reader in wanted.items():
                pieces = self._slips.sealed_without(
                    found.bundle,
                    name,
                    erased,
                    patient.identity,
                    reader=reader,
                    as_before=[each for party in parties for each in published_keys(self._auditing, party)],
                )
                if pieces is not None:
                    yield anew, pieces

    def _excerpts_by_newest_keys(self, found: _Found, patient: Actor) -> Iterator[tuple[str, list[bytes]]]:
        """Yield names and pieces of excerpts for custodians who were told by an earlier key, and have another now."""
        terms = found.terms
        named = [custodian for _, provision in terms.numbered for custodian in provision.named]
        stating = [entry.custodian for entry in self._auditing.records(terms.patient)]
        delivering = [] if terms.request is None else [terms.request.custodian]
        changed: dict[Address, Recipient] = {}
        for custodian in dict.fromkeys([*delivering, *named, *stating]):
            newest = self._key_of(custodian)
            by_key = {
                key: excerpt_name(patient.identity, key, terms.digest()) in found.files
                for key in published_keys(self._auditing, custodian)
            }
            if newest is not None and not by_key.get(newest) and any(by_key.values()):
                changed[custodian] = newest
        if changed and len(found.files) + power_of_two(len(changed)) <= MAX_RECORDS + MAX_EXCERPTS:
            yield from sealed_excerpts({custodian: [terms] for custodian in changed}, patient.identity, changed)

    def _key_of(self, party: Address) -> Recipient | None:
        """Return the newest key of a party; None where there is none that can be used."""
        head = self._ledger.chain.head()
        try:
            return Recipient(self._ledger.directory.encryption_key(party, block=head).key)
        except (EncryptionKeyNotSetError, InvalidInputError):
            return None

    def _clear_own(self, versions: Sequence[RecordEntry], reader: Actor) -> list[Removed]:
        """Remove from the reader's own store the record, and its headers in bundles that he was given."""
        roots: list[Cid] = []
        blocks: list[Cid] = []
        for standing in self._auditing.grants(patient=versions[0].patient, grantee=reader.address):
            try:
                several = list(self._with_headers(standing, versions, reader))
            except BAD_BUNDLE as error:
                _log.debug("bundle of grant %x: %s", standing.grant.grant_id, error)
                continue
            for found in several:
                # A bundle in force goes when the patient has granted another: his other records are in it.
                if not found.newest:
                    roots.append(Cid.of_directory(found.bundle))
                    blocks += [roots[-1], *found.blocks]
        return self._remove_own(versions, roots, blocks)

    def _remove_own(
        self, versions: Sequence[RecordEntry], also_roots: Sequence[Cid], also_blocks: Sequence[Cid]
    ) -> list[Removed]:
        if self._slips is not None:
            self._slips.forget([entry.record_id for entry in versions])
        own = self._places[self._own]
        try:
            own.remove(())
        except ReadOnlyStoreError:
            return []  # nothing in it is one's own
        roots = [Cid.of_directory(entry.record_id) for entry in versions]
        # What one's own store lacks, a node would search for among others.
        blocks = [block for root in roots for block in (blocks_of(root, own.get) if own.has(root) else [root])]
        return remove_from({self._own: own}, [*roots, *also_roots], [*blocks, *also_blocks])
