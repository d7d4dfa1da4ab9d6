"""A grant's bundle: the sealed terms, one header for each record whose key it releases, and excerpts for custodians."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
)
from medshare.errors import EnvelopeError, IntegrityError, InvalidInputError, StoreError
from medshare.model.ids import BundleId
from medshare.model.terms import MAX_TERMS_SIZE, TERMS_FILE, Terms
from medshare.ports import BlobStore
from medshare.services.auditing import GrantStanding
from medshare.services.record_files import MAX_HEADER_SIZE, read_small

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


def open_document(store: BlobStore, link: Link, identity: Identity) -> tuple[bytes, Recipient]:
    """Return a document of a bundle, and by whom it was sealed.

    Raises:
        StoreError: it is missing, not whole, or too large.
        EnvelopeError: it is not for this identity, or does not open.
    """
    return open_sealed(read_small(store, link, _MAX_SEALED), identity)


def open_sealed(sealed: bytes, identity: Identity) -> tuple[bytes, Recipient]:
    """Return a small document, and by whom it was sealed; raises ``EnvelopeError``."""
    stream = BytesIO(sealed)
    opened = unwrap(read_header(stream), identity)
    payload = stream.read()
    return b"".join(open_payload([payload], opened.file_key, payload_length=len(payload))), opened.writer


def bundle_files(store: BlobStore, bundle: BundleId) -> Mapping[str, Link]:
    """Return what a bundle holds; raises ``StoreError``."""
    return list_directory(store.get, Cid.of_directory(bundle))


def open_terms(store: BlobStore, standing: GrantStanding, identity: Identity) -> Terms:
    """Return the terms of a grant, opened by one of its parties and compared with the chain.

    Raises:
        StoreError: the bundle is missing, not whole, or false.
        EnvelopeError: it is not for this identity, or does not open.
        IntegrityError: it holds no terms, or others than those on chain.
    """
    bundle = bundle_files(store, standing.bundle)
    if TERMS_FILE not in bundle:
        raise IntegrityError("the bundle holds no terms")
    document, _ = open_document(store, bundle[TERMS_FILE], identity)
    try:
        terms = Terms.from_json(document)
    except InvalidInputError as error:
        raise IntegrityError("the terms in the bundle are malformed") from error
    if terms.digest() != standing.terms:
        raise IntegrityError("the terms in the bundle are not those on chain")
    return terms
