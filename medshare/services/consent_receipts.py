"""The receipt that each consent has in its bundle: made as the consent is, and sealed for its two parties.

What a receipt is, is a standard's to say; here is only when one is made. A receipt that cannot be made keeps no
consent from being given: it can be made later, of the terms and the chain.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from medshare.envelope import Identity, Recipient
from medshare.errors import IntegrityError, MedshareError
from medshare.model.consent import Consent
from medshare.model.ids import Address, BundleId
from medshare.model.study import Study
from medshare.model.terms import Terms
from medshare.ports import Actor, BlobStore
from medshare.services.bundles import bundle_files, open_sealed, sealed_document
from medshare.services.padding import padded_document
from medshare.services.record_files import read_small

RECEIPT_FILE = "receipt.c4gh"
MAX_SEALED_RECEIPT = 16 << 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consented:
    """A consent as it is about to be given: no chain knows of it yet."""

    terms: Terms
    consent: Consent
    """The one that granting the terms would make."""
    at: int
    """When, Unix seconds."""
    by: Address
    """The patient, or who acts for him."""
    study: Study | None = None
    """What it accepts, where it accepts a request."""


class ReceiptMaker(Protocol):
    """Makes receipts of consents, in the form of a standard, and keeps them."""

    def make(self, consented: Consented, *, party: Actor) -> bytes:
        """Return the receipt, and keep it for the party who gives the consent; raises ``MedshareError``."""
        ...


def made_receipt(maker: ReceiptMaker, consented: Consented, party: Actor) -> bytes | None:
    """Return the receipt of a consent, or None where it cannot be made: the consent is given all the same."""
    try:
        return maker.make(consented, party=party)
    except MedshareError as error:
        _log.warning("no receipt of %x was made: %s", consented.terms.grant_id(), error)
        return None


def sealed_receipt(receipt: bytes, writer: Identity, readers: Sequence[Recipient]) -> list[bytes]:
    """Return a receipt, encrypted for ``readers`` and the writer, in pieces; its size tells little of it."""
    return sealed_document(padded_document(receipt), writer, [*readers, writer.recipient])


def open_receipt(store: BlobStore, bundle: BundleId, identity: Identity) -> bytes:
    """Return the receipt that a bundle holds; whether it is true is not checked here.

    Raises:
        StoreError: the bundle is missing, not whole, or false.
        EnvelopeError: it is not for this identity, or does not open.
        IntegrityError: it holds no receipt.
    """
    files = bundle_files(store, bundle)
    if RECEIPT_FILE not in files:
        raise IntegrityError("the bundle holds no receipt")
    document, _ = open_sealed(read_small(store, files[RECEIPT_FILE], MAX_SEALED_RECEIPT), identity)
    return document
