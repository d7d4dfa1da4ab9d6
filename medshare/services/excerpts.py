"""Excerpts: what a bundle tells each custodian, so that his client applies a consent to what he publishes later.

Each is sealed by the patient for one custodian and lies under a name that only these two can compute: who reads the
directory learns neither which custodians there are nor which of a bundle's files are for whom. Decoys make up the
number to a power of two. A custodian whom nothing concerns is told so, by an excerpt without provisions: his client
releases a key only where it knows what every live grant to the reader says.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from medshare.content import Link
from medshare.envelope import Identity, Recipient
from medshare.errors import IntegrityError, InvalidInputError
from medshare.model.ids import Address, TermsDigest
from medshare.model.terms import Excerpt, Terms
from medshare.ports import Actor, BlobStore
from medshare.services.auditing import GrantStanding
from medshare.services.bundles import open_document, sealed_document
from medshare.services.padding import padded_document, power_of_two

MAX_EXCERPTS = 512
"""In one bundle: with the headers of as many records as a grant names, its directory still is one block."""


def excerpt_name(own: Identity, peer: Recipient, terms: TermsDigest) -> str:
    """Return the name of an excerpt of ``terms`` in a bundle: patient and custodian compute the same."""
    return own.shared_secret(peer, "medshare/excerpt/1", terms).hex() + ".c4gh"


def allotted(
    terms: Sequence[tuple[Terms, Collection[str]]], patient: Identity, custodians: Mapping[Address, Recipient]
) -> dict[Address, list[Terms]]:
    """Return which excerpts to write for whom; a custodian for whom there is no room left is not among them.

    Args:
        terms: what the patient has granted one reader, each with the names in the bundle where its excerpts are.
        patient: who writes.
        custodians: for whom, with their keys.
    """
    found: dict[Address, list[Terms]] = {}
    room = MAX_EXCERPTS
    for custodian, key in custodians.items():
        wanting = [each for each, names in terms if excerpt_name(patient, key, each.digest()) not in names]
        if len(wanting) <= room:
            room -= len(wanting)
            found[custodian] = wanting
    return found


def untold(
    terms: Sequence[tuple[Terms, Collection[str]]], patient: Identity, custodians: Mapping[Address, Recipient]
) -> list[Address]:
    """Return the custodians who do not find an excerpt of each of ``terms`` in the bundles of all; as ``allotted``."""
    names = {name for _, several in terms for name in several}
    return [
        custodian
        for custodian, key in custodians.items()
        if any(excerpt_name(patient, key, each.digest()) not in names for each, _ in terms)
    ]


def sealed_excerpts(
    wanted: Mapping[Address, Sequence[Terms]],
    patient: Identity,
    custodians: Mapping[Address, Recipient],
    *,
    on_receipt: Collection[TermsDigest] = (),
) -> Iterator[tuple[str, list[bytes]]]:
    """Yield names and pieces of the excerpts that ``allotted`` returned, and of decoys.

    Args:
        wanted: what ``allotted`` returned.
        patient: who writes.
        custodians: for whom, with their keys.
        on_receipt: those of the terms whose grants' keys are closed in until a read receipt is signed.
    """
    count = 0
    for custodian, several in wanted.items():
        for terms in several:
            excerpt = replace(terms.excerpt_for(custodian), on_receipt=terms.digest() in on_receipt)
            name = excerpt_name(patient, custodians[custodian], terms.digest())
            yield name, sealed_document(padded_document(excerpt.to_json()), patient, [custodians[custodian]])
            count += 1
    for _ in range(power_of_two(count) - count):
        nobody = Identity.generate().recipient
        yield secrets.token_bytes(32).hex() + ".c4gh", sealed_document(padded_document(b""), patient, [nobody])


def open_excerpt(
    store: BlobStore,
    files: Mapping[str, Link],
    standing: GrantStanding,
    *,
    custodian: Actor,
    writer_keys: Sequence[Recipient],
) -> Excerpt | None:
    """Return the excerpt of a grant for ``custodian``, or None where there is none among ``files``.

    Args:
        store: where bundles are.
        files: what the bundles of the patient's grants to the reader hold.
        standing: the grant.
        custodian: whose client asks.
        writer_keys: the keys that the patient, and who granted for him, have published.

    Raises:
        StoreError: it is missing, not whole, or false.
        EnvelopeError: it does not open.
        IntegrityError: it is not the patient's, malformed, or of something else.
    """
    for key in writer_keys:
        link = files.get(excerpt_name(custodian.identity, key, standing.terms))
        if link is None:
            continue
        document, writer = open_document(store, link, custodian.identity)
        if writer not in writer_keys:
            raise IntegrityError("the excerpt was sealed neither by the patient nor by who granted for him")
        try:
            excerpt = Excerpt.from_json(document)
        except InvalidInputError as error:
            raise IntegrityError("the excerpt is malformed") from error
        grant = standing.grant
        if (excerpt.patient, excerpt.grantee, excerpt.terms) != (grant.patient, grant.grantee, standing.terms):
            raise IntegrityError("the excerpt is another grant's")
        if excerpt.custodian != custodian.address:
            raise IntegrityError("the excerpt is another custodian's")
        return excerpt
    return None
