"""The settings file: which store, which gateways, which institutions' nodes, and what is wrong with it.

given settings
├─ when they are saved and loaded → they should be the same
├─ when the file says what it cannot → it should be refused, with the key that is wrong, and where to mend it
└─ when a variable that is named is not set → opening should say which, and which setting names it
"""

from __future__ import annotations

from pathlib import Path

import pytest

from medshare.errors import ConfigurationError, InvalidInputError
from medshare.places import open_nodes, open_store
from medshare.settings import (
    SETTINGS_FILE,
    NodeSettings,
    ReplicationSettings,
    Settings,
    StoreKind,
    StoreSettings,
)
from medshare.storage import GatewayBlobStore, KuboBlobStore, LocalBlobStore, SeveralStores

pytestmark = pytest.mark.unit

RPC = "/ip4/127.0.0.1/tcp/5001/http"
GATEWAY = "https://gateway.example"
CLINIC = NodeSettings(name="clinic", address=RPC, token="CLINIC_TOKEN", username="hospital")
HOSPITAL = NodeSettings(name="hospital-2", address="/dns4/ipfs.example/tcp/443/https")

ALL = [
    Settings(home=Path(), network="anvil"),
    Settings(home=Path(), store=StoreSettings(kind=StoreKind.KUBO, address=RPC, token="T", username='a "b" \\ c')),
    Settings(home=Path(), store=StoreSettings(kind=StoreKind.GATEWAY, address=GATEWAY)),
    Settings(home=Path(), store=StoreSettings(gateways=(GATEWAY, "http://127.0.0.1:8080"))),
    Settings(home=Path(), replication=ReplicationSettings(copies=2, nodes=(CLINIC, HOSPITAL))),
]


@pytest.mark.parametrize("settings", ALL, ids=["network", "kubo", "gateway", "gateways", "nodes"])
def test_save__then_load__is_the_same(tmp_path: Path, settings: Settings) -> None:
    written = Settings(home=tmp_path, network=settings.network, store=settings.store, replication=settings.replication)
    written.save()
    assert Settings.load(tmp_path) == written


NODE = f'[replication.nodes.clinic]\naddress = "{RPC}"\n'
WRONG = {
    "[store]\nkind = 'cloud'": "kind",
    "[store]\nkind = 'gateway'": "address",
    "[store]\nkind = 'kubo'": "address",
    f"[store]\naddress = '{RPC}'": "address",
    f"[store]\nkind = 'kubo'\naddress = '{RPC}'\nusername = 'me'": "token",
    "[store]\ngateways = 'https://gateway.example'": "gateways",
    "[store]\ngateways = [1]": "gateways",
    "[store]\npassword = 'x'": "password",
    "[storage]\nx = 1": "storage",
    "replication = 2": "[replication]",
    "[replication]\ncopies = 1": "copies",
    f"[replication]\n{NODE}": "copies",
    f"[replication]\ncopies = 2\n{NODE}": "1 to 1",
    f"[replication]\ncopies = true\n{NODE}": "copies",
    f"[replication]\ncopies = '1'\n{NODE}": "copies",
    f"[replication]\ncopies = 1\nfactor = 3\n{NODE}": "factor",
    "[replication]\ncopies = 1\nnodes = ['clinic']": "[replication.nodes.NAME]",
    "[replication]\ncopies = 1\n[replication.nodes.clinic]\ntoken = 'T'": "address",
    "[replication]\ncopies = 1\n[replication.nodes.clinic]\naddress = 5001": "address",
    f"[replication]\ncopies = 1\n{NODE}port = 'x'": "port",
    f"[replication]\ncopies = 1\n{NODE}username = 'me'": "token",
    f'[replication]\ncopies = 1\n[replication.nodes."The Clinic"]\naddress = "{RPC}"': "The Clinic",
    f'[replication]\ncopies = 1\n[replication.nodes.here]\naddress = "{RPC}"': "here",
}


@pytest.mark.parametrize(("text", "named"), WRONG.items())
def test_load__says_what_it_cannot__is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / SETTINGS_FILE).write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        Settings.load(tmp_path)
    assert named in str(refused.value)
    assert str(tmp_path) in refused.value.hint


def test_open_store__with_gateways_or_nodes__reads_from_them_behind_its_own(tmp_path: Path) -> None:
    assert isinstance(open_store(Settings(home=tmp_path)), LocalBlobStore)
    settings = Settings(home=tmp_path, store=StoreSettings(gateways=(GATEWAY,)))
    stores = open_store(settings)
    assert isinstance(stores, SeveralStores)
    stores.close()
    gateway = open_store(Settings(home=tmp_path, store=StoreSettings(kind=StoreKind.GATEWAY, address=GATEWAY)))
    assert isinstance(gateway, GatewayBlobStore)
    gateway.close()


def test_open_nodes__named__are_kubos_by_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path, replication=ReplicationSettings(copies=1, nodes=(CLINIC, HOSPITAL)))
    monkeypatch.setenv("CLINIC_TOKEN", "s3cret")
    nodes = open_nodes(settings)
    assert [node.name for node in nodes] == ["clinic", "hospital-2"]
    for node in nodes:
        assert isinstance(node.store, KuboBlobStore)
        node.store.close()


@pytest.mark.parametrize("value", [None, ""])
def test_open_nodes__variable_is_not_set__says_which_and_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("CLINIC_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("CLINIC_TOKEN", value)
    settings = Settings(home=tmp_path, replication=ReplicationSettings(copies=1, nodes=(CLINIC,)))
    with pytest.raises(ConfigurationError, match="CLINIC_TOKEN") as refused:
        open_nodes(settings)
    assert "[replication.nodes.clinic]" in refused.value.hint


def test_open_store__address_of_a_gateway_is_none__is_refused(tmp_path: Path) -> None:
    for store in (StoreSettings(kind=StoreKind.GATEWAY, address=RPC), StoreSettings(gateways=("ftp://x",))):
        with pytest.raises(InvalidInputError, match="gateway"):
            open_store(Settings(home=tmp_path, store=store))
