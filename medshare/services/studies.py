"""Studies in the store: a directory whose digest is on chain, public for an open call, sealed for named patients.

For named patients it holds the study once, encrypted to all who may read it, and for each of them a file with his salt
and proof, under a name that only he and the requester can compute: who reads the directory learns neither who is asked
nor how many. Decoys make up the numbers to a power of two.

What is opened is compared with the chain: the digest by its CID, the document field by field, its writer by the keys
that the requester has published.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medshare.content import Cid, Link, list_directory
from medshare.envelope import Identity, Recipient
from medshare.errors import IntegrityError, InvalidInputError, NotARecipientError
from medshare.model.acceptance import read_invitation, write_invitation
from medshare.model.ids import Address, DocumentId
from medshare.model.invitations import InvitationTree, is_invited
from medshare.model.request import NO_INVITEES, AccessRequest, Invitation
from medshare.model.study import MAX_STUDY_SIZE, Study
from medshare.ports import BlobStore
from medshare.services.blob_writer import BlobWriter
from medshare.services.bundles import open_document, sealed_document
from medshare.services.padding import padded_document, padded_keys, power_of_two
from medshare.services.record_files import read_small

STUDY_FILE = "study.json"
SEALED_STUDY_FILE = "study.c4gh"
MAX_OTHER_READERS = 20
"""Who may read a study for named patients besides them and the requester: who is to judge it."""
_SUFFIX = ".c4gh"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStudy:
    """A study that is in the store, not pinned yet."""

    cid: Cid
    invitees: bytes
    """What goes on chain: the root of those who are asked, zeros for an open call."""

    @property
    def document(self) -> DocumentId:
        """What goes on chain: the directory's digest."""
        return DocumentId(self.cid.digest)


def store_open_call(store: BlobStore, study: Study) -> StoredStudy:
    """Store a study in clear, for everybody; raises ``StoreError``."""
    with BlobWriter(store) as writer:
        root = writer.directory({STUDY_FILE: writer.file([study.to_json()])})
    return StoredStudy(cid=root, invitees=NO_INVITEES)


def store_for(
    store: BlobStore,
    study: Study,
    *,
    requester: Identity,
    invitees: Mapping[Address, Recipient],
    others: Sequence[Recipient] = (),
) -> StoredStudy:
    """Store a study for named patients.

    Args:
        store: where it goes.
        study: what is asked.
        requester: who seals it; he can read it, too.
        invitees: who is asked, with their keys.
        others: who else may read the study, and is not asked.

    Raises:
        InvalidInputError: nobody is asked, or too many.
        StoreError: the store failed.
    """
    if len(others) > MAX_OTHER_READERS:
        raise InvalidInputError(f"at most {MAX_OTHER_READERS} others read a study for named patients")
    decoys = power_of_two(len(invitees)) - len(invitees)
    tree = InvitationTree.of(
        {patient: secrets.token_bytes(32) for patient in invitees}, [secrets.token_bytes(32) for _ in range(decoys)]
    )
    with BlobWriter(store) as writer:
        keys = padded_keys([requester.recipient, *others, *invitees.values()])
        files = {SEALED_STUDY_FILE: writer.file(sealed_document(padded_document(study.to_json()), requester, keys))}
        for patient, key in invitees.items():
            document = write_invitation(patient, tree.invitation(patient))
            files[_name(requester, key, tree.root, patient)] = writer.file(
                sealed_document(padded_document(document), requester, [key])
            )
        for _ in range(decoys):
            nobody = Identity.generate().recipient
            decoy = sealed_document(padded_document(bytes(_size_of_invitation(tree))), requester, [nobody])
            files[secrets.token_hex(32) + _SUFFIX] = writer.file(decoy)
        root = writer.directory(files)
    return StoredStudy(cid=root, invitees=tree.root)


def open_study(
    store: BlobStore, request: AccessRequest, *, reader: Identity | None = None, writers: Sequence[Recipient] = ()
) -> Study:
    """Return the study of a request, compared with the chain.

    Args:
        store: where it is; not trusted.
        request: as it stands on chain.
        reader: who opens it, where it is for named patients.
        writers: the keys that the requester has published.

    Raises:
        BlobNotFoundError: the store has it not; other ``StoreError``: it is not whole, or false.
        NotARecipientError: it is for named patients, and not for this reader; other ``EnvelopeError``: it does not
            open.
        IntegrityError: it is no study, somebody else's, or says something else than the chain.
    """
    files = study_files(store, request)
    if request.is_open_call:
        document = read_small(store, _named(files, STUDY_FILE, request), MAX_STUDY_SIZE)
    elif reader is None:
        raise NotARecipientError("the study is for named patients", hint="say as whom you read it, with your key")
    else:
        document, writer = open_document(store, _named(files, SEALED_STUDY_FILE, request), reader)
        if writer not in writers:
            raise IntegrityError(f"the study of request {request.request_id} was not sealed by its requester")
    try:
        study = Study.from_json(document)
    except InvalidInputError as error:
        raise IntegrityError(f"the study of request {request.request_id} is malformed") from error
    study.check_against(request)
    return study


def open_invitation(
    store: BlobStore, request: AccessRequest, *, patient: Address, identity: Identity, writers: Sequence[Recipient]
) -> Invitation | None:
    """Return a patient's invitation, checked against the chain; None where there is none for this key.

    Args:
        store: where it is; not trusted.
        request: as it stands on chain, for named patients.
        patient: whose invitation.
        identity: who opens it: the patient, or who is in control of him.
        writers: the keys that the requester has published.

    Raises:
        StoreError: it is missing, not whole, or false.
        EnvelopeError: it does not open.
        IntegrityError: it is not the requester's, another patient's, malformed, or not what the root on chain takes.
    """
    files = study_files(store, request)
    for key in writers:
        link = files.get(_name(identity, key, request.terms.invitees, patient))
        if link is None:
            continue
        document, writer = open_document(store, link, identity)
        if writer not in writers:
            raise IntegrityError(f"the invitation to request {request.request_id} was not sealed by its requester")
        try:
            whose, invitation = read_invitation(document)
        except InvalidInputError as error:
            raise IntegrityError(f"the invitation to request {request.request_id} is malformed") from error
        if whose != patient or not is_invited(request.terms.invitees, patient, invitation):
            raise IntegrityError(f"the invitation to request {request.request_id} shows not that {patient} is asked")
        return invitation
    return None


def study_files(store: BlobStore, request: AccessRequest) -> Mapping[str, Link]:
    """Return what the directory of a request's study holds; raises ``StoreError``."""
    return list_directory(store.get, Cid.of_directory(request.terms.document))


def _named(files: Mapping[str, Link], name: str, request: AccessRequest) -> Link:
    if name not in files:
        raise IntegrityError(f"the directory of request {request.request_id} holds no study for those who are asked")
    return files[name]


def _name(own: Identity, peer: Recipient, root: bytes, patient: Address) -> str:
    """Return the name of an invitation: patient and requester compute the same; one key may be several patients'."""
    return own.shared_secret(peer, "medshare/invitation/1", root + bytes.fromhex(patient[2:])).hex() + _SUFFIX


def _size_of_invitation(tree: InvitationTree) -> int:
    patient = next(iter(tree.salts))
    return len(write_invitation(patient, tree.invitation(patient)))
