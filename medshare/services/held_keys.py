"""Held keys: what of a bundle is for its reader, closed in for the custodian who releases it on a read receipt.

Where a study says that records are released on receipts, the patient's client seals the reader's part (the headers, the
terms, the receipt of consent, each encrypted for the reader already) once more, for the custodian whom the patient
named. He opens the outer seal only, and learns neither terms nor keys; the bundle that he delivers is made of what he
finds. Until then the reader has nothing that he could open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from medshare.content import Cid, Link
from medshare.envelope import Identity, Recipient
from medshare.errors import IntegrityError, InvalidInputError, NotARecipientError
from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.ids import Address
from medshare.ports import Actor, BlobStore
from medshare.services.auditing import Auditing, GrantStanding
from medshare.services.blob_writer import BlobWriter
from medshare.services.bundles import bundle_files, open_sealed, sealed_document
from medshare.services.padding import padded_document
from medshare.services.record_files import read_small

HELD_FILE = "held.c4gh"
_VERSION = 1
_MAX_FILES = 2048
_MAX_HELD = 32 << 20


def sealed_held(files: Mapping[str, Sequence[bytes]], writer: Identity, custodian: Recipient) -> list[bytes]:
    """Return the reader's files, closed in for the custodian who is to release them; the size tells little."""
    several = [{"name": name, "content": b"".join(pieces).hex()} for name, pieces in files.items()]
    document = encode_document({"version": _VERSION, "files": several})
    return sealed_document(padded_document(document), writer, [custodian, writer.recipient])


def is_held(files: Mapping[str, Link]) -> bool:
    """Whether a bundle with these files waits for a custodian to release what is in it."""
    return HELD_FILE in files


def waits_for_receipt(auditing: Auditing, standing: GrantStanding, *, on_receipt: bool, escrow: Address) -> bool:
    """Whether nothing of a grant was released yet: until then it denies, and permits nothing.

    Args:
        auditing: what was delivered.
        standing: the grant.
        on_receipt: whether its keys were closed in, as its bundle shows, and an excerpt says.
        escrow: the AccessRequests of the deployment.

    Raises:
        LedgerUnavailableError: the chain cannot be read.
    """
    return on_receipt and auditing.delivered(standing.grant, escrow) is None


def write_held(
    store: BlobStore, files: Mapping[str, Link], *, custodian: Actor, writer_keys: Sequence[Recipient]
) -> Cid:
    """Open what was closed in for a custodian, and store it as a bundle; the same each time.

    Args:
        store: where bundles are.
        files: what the bundle that the patient granted holds.
        custodian: who releases.
        writer_keys: the keys that the patient, and who granted for him, have published.

    Raises:
        StoreError: it is missing, not whole, or false; or the store failed.
        EnvelopeError: it is not for this custodian, or does not open.
        IntegrityError: it is not the patient's, or no bundle.
    """
    held, writer = open_held(store, files, custodian.identity)
    if writer not in writer_keys:
        raise IntegrityError("what is to be released was sealed neither by the patient nor by who granted for him")
    if HELD_FILE in held:
        raise IntegrityError("what is to be released is closed in twice")
    with BlobWriter(store) as blobs:
        return blobs.directory({name: blobs.file([content]) for name, content in held.items()})


def open_held(store: BlobStore, files: Mapping[str, Link], identity: Identity) -> tuple[dict[str, bytes], Recipient]:
    """Return the reader's files that are closed in, by name, and by whom they were; for custodian and patient.

    Raises:
        StoreError: they are missing, not whole, or false.
        EnvelopeError: they are not for this identity, or do not open.
        IntegrityError: they are malformed.
    """
    document, writer = open_sealed(read_small(store, files[HELD_FILE], _MAX_HELD), identity)
    try:
        read = Reader(decode_document(document, _MAX_HELD), "held keys")
        read.version(_VERSION)
        return {each.text("name"): _bytes(each) for each in read.objects("files", _MAX_FILES)}, writer
    except InvalidInputError as error:
        raise IntegrityError("what is to be released is malformed") from error


def as_read(
    store: BlobStore, auditing: Auditing, standing: GrantStanding, *, party: Address, escrow: Address
) -> GrantStanding:
    """Return a grant with the bundle that a party opens: for its reader the delivered one, where the granted one waits.

    Args:
        store: where bundles are.
        auditing: what was delivered.
        standing: the grant.
        party: who opens it.
        escrow: the AccessRequests of the deployment.

    Raises:
        StoreError: the bundle is missing, not whole, or false.
        NotARecipientError: nothing was released yet.
    """
    if party != standing.grant.grantee or not is_held(bundle_files(store, standing.bundle)):
        return standing
    delivered = auditing.delivered(standing.grant, escrow)
    if delivered is None:
        raise NotARecipientError(
            "the keys of this grant are released on a read receipt, and were not yet",
            hint="sign one for the custodian who delivers: medshare receipt sign --request REQUEST --patient PATIENT",
        )
    return replace(standing, bundle=delivered)


def _bytes(read: Reader) -> bytes:
    text = read.text("content", _MAX_HELD)
    read.end()
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise InvalidInputError("the content of a held file is written in hexadecimal digits") from error
