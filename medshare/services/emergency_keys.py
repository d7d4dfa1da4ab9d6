"""What a custodian releases in an emergency: a bundle with one header for each record, named for two.

The custodian writes for the clinician's published key. Who reads the directory learns neither which records there are
nor how many: decoys make up the number to a power of two.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from medshare.content import Cid, Link
from medshare.envelope import FileKey, Identity, Recipient, wrap
from medshare.errors import IntegrityError, InvalidInputError, StoreUnavailableError
from medshare.model.accreditation import AccreditationKind
from medshare.model.emergency import Episode
from medshare.model.events import BlockRef, KeysReleased
from medshare.model.ids import EpisodeId, RecordId, clinician_of
from medshare.model.record_batch import Inclusion
from medshare.ports import BlobStore, Ledger
from medshare.services.blob_writer import BlobWriter
from medshare.services.bundles import BAD_BUNDLE, BATCHED_FILE, bundle_files, sealed_shown
from medshare.services.slips import BundleNames

_FEWEST = 4


def standing_episode(ledger: Ledger, episode_id: EpisodeId, block: BlockRef) -> Episode:
    """Return an episode as it stands at a block; it lasts no longer than its clinician's accreditation.

    Raises:
        UnknownEpisodeError: there is none.
        IntegrityError: the contract and this client disagree whether it is in force.
        LedgerError: the chain failed.
    """
    episode = ledger.emergencies.episode(episode_id, block=block)
    clinician = clinician_of(episode_id)
    until = 0
    if ledger.accreditation.is_accredited(clinician, AccreditationKind.CLINICIAN, block=block):
        until = ledger.accreditation.accreditation(clinician, AccreditationKind.CLINICIAN, block=block).valid_until
    episode = replace(episode, ends_at=min(episode.ends_at, until))
    if ledger.emergencies.is_live(episode_id, block=block) != episode.in_force(block.time):
        raise IntegrityError(f"the contract and this client disagree about episode {episode_id:#x}")
    return episode


def write_release(
    store: BlobStore,
    keys: Mapping[RecordId, FileKey],
    *,
    episode_id: EpisodeId,
    custodian: Identity,
    clinician: Recipient,
    slips: Sequence[bytes] | None = None,
    shown: Sequence[Inclusion] = (),
) -> Cid:
    """Store a bundle that gives the keys of these records to the clinician; return its CID. Raises ``StoreError``.

    Args:
        store: where it goes.
        keys: of each record.
        episode_id: for which episode.
        custodian: who releases.
        clinician: to whom.
        slips: what is said of the quality of these records, sealed, in pieces.
        shown: what shows those of the records that have no entry of their own.
    """
    files = {}
    with BlobWriter(store) as writer:
        for record_id, file_key in keys.items():
            header = wrap(file_key, writer=custodian, recipients=[clinician])
            files[_name(custodian, clinician, episode_id, record_id)] = writer.file([header])
        for _ in range(_decoys(len(files))):
            nobody = Identity.generate().recipient
            header = wrap(FileKey.generate(), writer=custodian, recipients=[nobody])
            files[secrets.token_bytes(32).hex() + ".c4gh"] = writer.file([header])
        if slips is not None:
            files[_slips_name(custodian, clinician, episode_id)] = writer.file(slips)
        if shown:
            files[BATCHED_FILE] = writer.file(sealed_shown(shown, custodian, [clinician]))
        return writer.directory(files)


def released_header(
    store: BlobStore,
    release: KeysReleased,
    record_id: RecordId,
    clinician: Identity,
    custodian_keys: Collection[bytes],
) -> Link | None:
    """Return the link to a record's header in what was released, or None where there is none.

    A bundle that is missing or wrong hides no other: it counts as if it held nothing.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    try:
        files = bundle_files(store, release.bundle)
    except StoreUnavailableError:
        raise
    except BAD_BUNDLE:
        return None
    for key in custodian_keys:
        try:
            name = _name(clinician, Recipient(key), release.episode_id, record_id)
        except InvalidInputError:
            continue  # he published a key that cannot be used
        if name in files:
            return files[name]
    return None


def release_names(
    release: KeysReleased, clinician: Identity, custodian_keys: Collection[bytes]
) -> Iterator[BundleNames]:
    """Yield how a custodian may have named what he released: under each of his keys."""
    for key in custodian_keys:
        with suppress(InvalidInputError):  # he published a key that cannot be used
            custodian = Recipient(key)
            yield BundleNames(
                slips=_slips_name(clinician, custodian, release.episode_id),
                header_of=partial(_name, clinician, custodian, release.episode_id),
            )


def _slips_name(own: Identity, peer: Recipient, episode_id: EpisodeId) -> str:
    return own.shared_secret(peer, "medshare/release-slips/1", episode_id.to_bytes(32, "big")).hex() + ".c4gh"


def _name(own: Identity, peer: Recipient, episode_id: EpisodeId, record_id: RecordId) -> str:
    """Return the name of a record's header: custodian and clinician compute the same."""
    return own.shared_secret(peer, "medshare/release/1", episode_id.to_bytes(32, "big") + record_id).hex() + ".c4gh"


def _decoys(count: int) -> int:
    return (1 << (max(count, _FEWEST) - 1).bit_length()) - count
