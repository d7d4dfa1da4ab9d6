"""A grant's bundle: the sealed terms, and one header for each record whose key it releases."""

from __future__ import annotations

from collections.abc import Mapping
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
_MAX_SEALED_TERMS = MAX_HEADER_SIZE + payload_length(MAX_TERMS_SIZE)


def sealed_terms(terms: Terms, writer: Identity, reader: Recipient) -> list[bytes]:
    """Return the terms, encrypted for both parties, in pieces."""
    file_key = FileKey.generate()
    header = wrap(file_key, writer=writer, recipients=[reader, writer.recipient])
    return [header, *seal([terms.to_json()], file_key)]


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
    sealed = BytesIO(read_small(store, bundle[TERMS_FILE], _MAX_SEALED_TERMS))
    opened = unwrap(read_header(sealed), identity)
    payload = sealed.read()
    document = b"".join(open_payload([payload], opened.file_key, payload_length=len(payload)))
    try:
        terms = Terms.from_json(document)
    except InvalidInputError as error:
        raise IntegrityError("the terms in the bundle are malformed") from error
    if terms.digest() != standing.terms:
        raise IntegrityError("the terms in the bundle are not those on chain")
    return terms
