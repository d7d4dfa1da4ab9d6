"""Studies in the store: public or sealed, and compared with the chain when they are opened.

given a study for an open call
└─ anybody opens it
given a study for named patients
├─ those who are asked, the requester and who is to judge open it, and nobody else
├─ each who is asked finds his invitation, and nobody else's
└─ the directory tells neither who is asked nor how many
given a document that is missing, tampered with, of another request or another requester
└─ it should raise StoreError or IntegrityError
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from studies import STUDY, TOKEN, on_chain

from medshare.content import Cid
from medshare.envelope import Identity
from medshare.errors import BlobNotFoundError, IntegrityError, InvalidInputError, NotARecipientError
from medshare.model.acceptance import write_invitation
from medshare.model.ids import Address, DocumentId, address
from medshare.model.invitations import MAX_INVITEES, InvitationTree, is_invited
from medshare.model.request import AccessRequest, Invitation
from medshare.services.blob_writer import BlobWriter
from medshare.services.bundles import sealed_document
from medshare.services.studies import (
    MAX_OTHER_READERS,
    SEALED_STUDY_FILE,
    STUDY_FILE,
    StoredStudy,
    open_invitation,
    open_study,
    store_for,
    store_open_call,
    study_files,
)
from medshare.testing import MemoryStore

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

ASKER, ALICE, BOB, STRANGER, JUDGE = (Identity.generate() for _ in range(5))
ALICES, BOBS, STRANGERS = (address("0x" + each * 20) for each in ("a1", "b0", "5e"))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def opened(stored: StoredStudy, **more: object) -> AccessRequest:
    return on_chain(STUDY, terms=STUDY.terms(stored.document, stored.invitees), **more)


def for_alice_and_bob(store: MemoryStore) -> AccessRequest:
    keys = {ALICES: ALICE.recipient, BOBS: BOB.recipient}
    return opened(store_for(store, STUDY, requester=ASKER, invitees=keys, others=[JUDGE.recipient]))


def directory(store: MemoryStore, **files: bytes | list[bytes]) -> DocumentId:
    with BlobWriter(store) as writer:
        links = {
            name.replace("_", "."): writer.file([content] if isinstance(content, bytes) else content)
            for name, content in files.items()
        }
        return DocumentId(writer.directory(links).digest)


def invitation(store: MemoryStore, request: AccessRequest, patient: Address, identity: Identity) -> Invitation | None:
    return open_invitation(store, request, patient=patient, identity=identity, writers=[ASKER.recipient])


# ----------------------------------------------------------------------------------------------- open calls


def test_open_study__open_call__is_anybodys(store: MemoryStore) -> None:
    request = opened(store_open_call(store, STUDY))
    assert request.is_open_call
    assert open_study(store, request) == STUDY
    assert set(study_files(store, request)) == {STUDY_FILE}


def test_open_study__document_missing__is_not_found(store: MemoryStore) -> None:
    with pytest.raises(BlobNotFoundError):
        open_study(store, opened(store_open_call(MemoryStore(), STUDY)))


@pytest.mark.parametrize(
    "content", [b"{}", b"", STUDY.to_json()[:-1], STUDY.to_json().replace(b'"version":1', b'"version":2')]
)
def test_open_study__no_study__is_refused(store: MemoryStore, content: bytes) -> None:
    request = on_chain(STUDY, terms=STUDY.terms(directory(store, study_json=content), bytes(32)))
    with pytest.raises(IntegrityError):
        open_study(store, request)


def test_open_study__directory_without_a_study__is_refused(store: MemoryStore) -> None:
    request = on_chain(STUDY, terms=STUDY.terms(directory(store, other=b"x"), bytes(32)))
    with pytest.raises(IntegrityError, match="holds no study"):
        open_study(store, request)


def test_open_study__of_another_request__is_refused(store: MemoryStore) -> None:
    stored = store_open_call(store, replace(STUDY, reward=1))
    with pytest.raises(IntegrityError, match="reward"):
        open_study(store, opened(stored))


def test_open_study__another_requester_opened_it__is_refused(store: MemoryStore) -> None:
    with pytest.raises(IntegrityError, match="requester"):
        open_study(store, opened(store_open_call(store, STUDY), requester=TOKEN))


# ------------------------------------------------------------------------------------------- named patients


@pytest.mark.parametrize("reader", [ALICE, BOB, ASKER, JUDGE])
def test_open_study__named_patients__opens_for_those_whom_it_is_for(store: MemoryStore, reader: Identity) -> None:
    request = for_alice_and_bob(store)
    assert open_study(store, request, reader=reader, writers=[ASKER.recipient]) == STUDY


@pytest.mark.parametrize("reader", [STRANGER, None])
def test_open_study__named_patients__opens_for_nobody_else(store: MemoryStore, reader: Identity | None) -> None:
    with pytest.raises(NotARecipientError):
        open_study(store, for_alice_and_bob(store), reader=reader, writers=[ASKER.recipient])


def test_open_study__sealed_by_somebody_else__is_refused(store: MemoryStore) -> None:
    forged = store_for(store, STUDY, requester=STRANGER, invitees={ALICES: ALICE.recipient})
    with pytest.raises(IntegrityError, match="not sealed by its requester"):
        open_study(store, opened(forged), reader=ALICE, writers=[ASKER.recipient])


def test_open_invitation__those_who_are_asked__each_finds_his_own(store: MemoryStore) -> None:
    request = for_alice_and_bob(store)
    for patient, identity in ((ALICES, ALICE), (BOBS, BOB)):
        found = invitation(store, request, patient, identity)
        assert found is not None
        assert is_invited(request.terms.invitees, patient, found)


def test_open_invitation__others__find_none(store: MemoryStore) -> None:
    request = for_alice_and_bob(store)
    for patient, identity in ((STRANGERS, STRANGER), (ALICES, BOB), (BOBS, ALICE), (ALICES, JUDGE)):
        assert invitation(store, request, patient, identity) is None


def test_open_invitation__two_patients_with_one_key__each_is_found(store: MemoryStore) -> None:
    keys = {ALICES: ALICE.recipient, BOBS: ALICE.recipient}
    request = opened(store_for(store, STUDY, requester=ASKER, invitees=keys))
    assert invitation(store, request, ALICES, ALICE) != invitation(store, request, BOBS, ALICE)


def test_open_invitation__another_tree__is_refused(store: MemoryStore) -> None:
    request = for_alice_and_bob(store)
    name = next(
        name
        for name in study_files(store, request)
        if name
        == ASKER.shared_secret(
            ALICE.recipient, "medshare/invitation/1", request.terms.invitees + bytes.fromhex(ALICES[2:])
        ).hex()
        + ".c4gh"
    )
    other = InvitationTree.of({ALICES: bytes(32)})
    for patient, given in ((ALICES, other.invitation(ALICES)), (BOBS, invitation(store, request, BOBS, BOB))):
        assert given is not None
        sealed = sealed_document(write_invitation(patient, given), ASKER, [ALICE.recipient])
        with BlobWriter(store) as writer:
            forged = DocumentId(writer.directory({name: writer.file(sealed)}).digest)
        with pytest.raises(IntegrityError):
            invitation(store, replace(request, terms=replace(request.terms, document=forged)), ALICES, ALICE)


def test_store_for__few_or_more_patients__tells_neither_who_nor_how_many(store: MemoryStore) -> None:
    seen = []
    for count in (1, 2, 4):
        keys = {
            address("0x" + at.to_bytes(20, "big").hex()): Identity.generate().recipient for at in range(1, count + 1)
        }
        request = opened(store_for(store, STUDY, requester=ASKER, invitees=keys))
        files = study_files(store, request)
        sizes = sorted(link.size for name, link in files.items() if name != SEALED_STUDY_FILE)
        seen.append((len(files), sizes))
        everything = b"".join(store.get(Cid.parse(str(link.cid))) for link in files.values())
        assert STUDY.title.encode() not in everything
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("count", [0, MAX_INVITEES + 1])
def test_store_for__nobody_or_too_many__is_refused(store: MemoryStore, count: int) -> None:
    keys = {address("0x" + at.to_bytes(20, "big").hex()): ALICE.recipient for at in range(count)}
    with pytest.raises(InvalidInputError):
        store_for(store, STUDY, requester=ASKER, invitees=keys)


def test_store_for__too_many_others__is_refused(store: MemoryStore) -> None:
    others = [ALICE.recipient] * (MAX_OTHER_READERS + 1)
    with pytest.raises(InvalidInputError):
        store_for(store, STUDY, requester=ASKER, invitees={ALICES: ALICE.recipient}, others=others)


def test_store_for__as_many_as_can_be_asked__is_one_directory(store: MemoryStore) -> None:
    keys = {address("0x" + at.to_bytes(20, "big").hex()): ALICE.recipient for at in range(MAX_INVITEES - 1)}
    request = opened(store_for(store, STUDY, requester=ASKER, invitees=keys | {BOBS: BOB.recipient}))
    assert open_study(store, request, reader=BOB, writers=[ASKER.recipient]) == STUDY
    assert invitation(store, request, BOBS, BOB) is not None
