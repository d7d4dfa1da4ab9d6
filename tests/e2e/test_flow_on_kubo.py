"""A record's whole life with a real Kubo as the store.

given a Kubo node, private and offline
├─ publish, grant, fetch, revoke and collect work through it, by settings alone
├─ the record's CID is the one that Kubo's own `ipfs add` gives its four files
└─ a CAR archive of ours is one that `ipfs dag import` takes, and the other way round
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from homes import OBSERVATION, PASSPHRASE, SCAN, Home
from nodes import KuboNode

from medshare import connect
from medshare.content import Cid, list_directory, read_car, read_file, write_car
from medshare.errors import AccessDeniedError
from medshare.model.consent import Reason, RecordRef
from medshare.model.purpose import PurposeOfUse
from medshare.services.description import Description
from medshare.settings import Settings, StoreKind, StoreSettings
from medshare.storage import KuboBlobStore, LocalBlobStore

pytestmark = [pytest.mark.e2e, pytest.mark.kubo]


@pytest.fixture
def on_kubo(home: Home, kubo: KuboNode) -> Home:
    """A home whose store is the node."""
    store = StoreSettings(kind=StoreKind.KUBO, address=kubo.address)
    replace(Settings.load(home.path), store=store).save()
    return home


@pytest.mark.parametrize("text", [OBSERVATION, SCAN * 3], ids=["small", "several chunks"])
def test_flow__store_is_kubo__works_and_has_kubos_own_cid(
    on_kubo: Home, kubo: KuboNode, tmp_path: Path, text: bytes
) -> None:
    with connect(on_kubo.path) as session:
        assert isinstance(session.store, KuboBlobStore)
        people = {name: session.keyring.open(name, lambda _: PASSPHRASE) for name in ("hospital", "patient", "doctor")}
        published = session.publishing.publish(
            text,
            custodian=people["hospital"],
            patient=people["patient"].address,
            description=Description(),
        )
        ref = RecordRef(custodian=people["hospital"].address, record_id=published.record_id)
        granted = session.consenting.grant(
            patient=people["patient"],
            grantee=people["doctor"].address,
            records=[ref],
            purposes=PurposeOfUse.TREAT,
            expires_at=session.clock.now() + 3600,
        )
        opened = session.retrieving.open(ref, reader=people["doctor"], purpose=PurposeOfUse.TREAT)
        assert b"".join(opened.stream()) == text
        assert opened.read(5, 7) == text[5:12]

        files = tmp_path / "files"
        files.mkdir()
        for name, link in list_directory(session.store.get, published.cid).items():
            data = b"".join(read_file(session.store.get, link.cid, max_size=link.size))
            (files / name).write_bytes(data)
        assert kubo.run("add", "-r", "-Q", "--only-hash", str(files)) == str(published.cid)

        session.consenting.revoke(granted.grant_id, patient=people["patient"])
        with pytest.raises(AccessDeniedError) as refused:
            session.retrieving.open(ref, reader=people["doctor"], purpose=PurposeOfUse.TREAT)
        assert refused.value.decision.reason is Reason.REVOKED
        session.store.collect()
        assert not session.store.has(granted.bundle)
        assert session.store.has(published.cid)


def test_archives__between_kubo_and_the_local_store__carry_records_both_ways(
    home: Home, kubo: KuboNode, tmp_path: Path
) -> None:
    local = LocalBlobStore(home.path / "blocks")
    root = Cid.of_directory(bytes.fromhex(home.scan))
    archive = tmp_path / "record.car"
    with archive.open("wb") as stream:
        write_car(local.get, [root], stream)
    assert str(root) in kubo.run("dag", "import", str(archive))

    with KuboBlobStore(kubo.address) as node, (tmp_path / "back.car").open("wb") as stream:
        write_car(node.get, [root], stream)
    with (tmp_path / "back.car").open("rb") as stream:
        roots, blocks = read_car(stream)
        elsewhere = LocalBlobStore(tmp_path / "elsewhere")
        elsewhere.put(blocks)
    elsewhere.pin(root)
    assert roots == (root,)
    assert list_directory(elsewhere.get, root) == list_directory(local.get, root)
