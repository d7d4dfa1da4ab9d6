"""A grant's bundle: the sealed terms, one header for each record whose key it releases, and excerpts for custodians."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO

from medshare.content import Cid, Link, list_directory
from medshare.envelope import (
    FileKey,
    Identity,
    Recipient,
    open_payload,
    payload_length,
    read_header,
    seal,
    unwrap,
    wrap,
    wrapped_for,
)
from medshare.errors import EnvelopeError, IntegrityError, InvalidInputError, StoreError
from medshare.model.batch_parts import decode_shown, encode_shown
from medshare.model.ids import BundleId
from medshare.model.record_batch import Inclusion
from medshare.model.terms import MAX_TERMS_SIZE, TERMS_FILE, Terms
from medshare.ports import BlobStore
from medshare.services.auditing import GrantStanding
from medshare.services.padding import power_of_two
from medshare.services.record_files import MAX_HEADER_SIZE, read_small

BATCHED_FILE = "batched.c4gh"
"""In a bundle: what shows those of its records that have no entry of their own, for its readers."""
MAX_SHOWN = 16 << 20
_LENGTH_SIZE = 4
BAD_BUNDLE = (StoreError, EnvelopeError, IntegrityError, InvalidInputError)
"""What reading a bundle raises that is missing, wrong, or made for somebody else."""
_MAX_SEALED = MAX_HEADER_SIZE + payload_length(MAX_TERMS_SIZE)


def sealed_terms(terms: Terms, writer: Identity, readers: Sequence[Recipient]) -> list[bytes]:
    """Return the terms, encrypted for ``readers`` and the writer, in pieces."""
    return sealed_document(terms.to_json(), writer, [*readers, writer.recipient])


def sealed_document(document: bytes, writer: Identity, readers: Sequence[Recipient]) -> list[bytes]:
    """Return a small document, encrypted for ``readers``, in pieces."""
    file_key = FileKey.generate()
    return [wrap(file_key, writer=writer, recipients=readers), *seal([document], file_key)]


def sealed_shown(shown: Sequence[Inclusion], writer: Identity, readers: Sequence[Recipient]) -> list[bytes]:
    """Return what shows records of batches, encrypted for ``readers``; its length tells little of how many they are."""
    text = encode_shown(shown)
    whole = len(text).to_bytes(_LENGTH_SIZE, "big") + text
    return sealed_document(whole.ljust(power_of_two(len(whole)), b"\0"), writer, readers)


def open_document(store: BlobStore, link: Link, identity: Identity) -> tuple[bytes, Recipient]:
    """Return a document of a bundle, and by whom it was sealed.

    Raises:
        StoreError: it is missing, not whole, or too large.
        EnvelopeError: it is not for this identity, or does not open.
    """
    return open_sealed(read_small(store, link, _MAX_SEALED), identity)


def document_readers(
    store: BlobStore, link: Link, writer: Identity, candidates: Iterable[Recipient]
) -> frozenset[Recipient]:
    """Return for which of ``candidates`` its writer has sealed a document; raises as ``open_document``."""
    header = read_header(BytesIO(read_small(store, link, _MAX_SEALED)))
    return wrapped_for(header, writer=writer, candidates=candidates)


def open_sealed(sealed: bytes, identity: Identity) -> tuple[bytes, Recipient]:
    """Return a small document, and by whom it was sealed; raises ``EnvelopeError``."""
    stream = BytesIO(sealed)
    opened = unwrap(read_header(stream), identity)
    payload = stream.read()
    return b"".join(open_payload([payload], opened.file_key, payload_length=len(payload))), opened.writer


def bundle_files(store: BlobStore, bundle: BundleId) -> Mapping[str, Link]:
    """Return what a bundle holds; raises ``StoreError``."""
    return list_directory(store.get, Cid.of_directory(bundle))


def open_shown(store: BlobStore, bundle: BundleId, identity: Identity) -> tuple[Inclusion, ...]:
    """Return what a bundle shows of records of batches, true or not; nothing where it shows none.

    Raises:
        StoreError: it is missing, not whole, or too large.
        EnvelopeError: it is not for this identity, or does not open.
        IntegrityError: it is malformed.
    """
    files = bundle_files(store, bundle)
    if BATCHED_FILE not in files:
        return ()
    sealed = read_small(store, files[BATCHED_FILE], MAX_HEADER_SIZE + payload_length(MAX_SHOWN))
    document, _ = open_sealed(sealed, identity)
    try:
        return tuple(decode_shown(document[_LENGTH_SIZE:][: int.from_bytes(document[:_LENGTH_SIZE], "big")]))
    except InvalidInputError as error:
        raise IntegrityError("what the bundle shows of batches is malformed") from error


def open_terms(store: BlobStore, standing: GrantStanding, identity: Identity) -> Terms:
    """Return the terms of a grant, opened by one of its parties and compared with the chain.

    Raises:
        StoreError: the bundle is missing, not whole, or false.
        EnvelopeError: it is not for this identity, or does not open.
        IntegrityError: it holds no terms, or others than those on chain.
    """
    return terms_among(store, bundle_files(store, standing.bundle), standing, identity)


def terms_among(store: BlobStore, files: Mapping[str, Link], standing: GrantStanding, identity: Identity) -> Terms:
    """Return the terms of a grant, as ``open_terms``, where it is known already what its bundle holds.

    Args:
        store: where bundles are.
        files: what the grant's bundle holds.
        standing: the grant.
        identity: one of its parties'.

    Raises:
        StoreError, EnvelopeError, IntegrityError: as ``open_terms``, of the terms.
    """
    if TERMS_FILE not in files:
        raise IntegrityError("the bundle holds no terms")
    document, _ = open_document(store, files[TERMS_FILE], identity)
    try:
        terms = Terms.from_json(document)
    except InvalidInputError as error:
        raise IntegrityError("the terms in the bundle are malformed") from error
    if terms.digest() != standing.terms:
        raise IntegrityError("the terms in the bundle are not those on chain")
    return terms
