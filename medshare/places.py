"""What a home's settings lead to and needs no chain: its keyring, its store, the institutions' storage nodes."""

from __future__ import annotations

import os

from medshare.errors import ConfigurationError
from medshare.files import private_folder
from medshare.keyring import Keyring
from medshare.ports import BlobStore
from medshare.services.storage_nodes import StorageNode
from medshare.settings import Settings, StoreKind
from medshare.storage import BasicAuth, BearerAuth, GatewayBlobStore, KuboBlobStore, LocalBlobStore, SeveralStores


def open_keyring(settings: Settings) -> Keyring:
    """Return the keyring of these settings; needs neither chain nor store."""
    return Keyring(settings.home / "identities")


def open_own_store(settings: Settings) -> BlobStore:
    """Return the one store that these settings name, which is written to; needs no chain.

    Raises:
        ConfigurationError: the store's token is to come from an environment variable that is not set.
        InvalidInputError: its address is none.
    """
    store = settings.store
    if store.kind is StoreKind.LOCAL or store.address is None:
        return LocalBlobStore(private_folder(settings.home / "blocks"))
    auth = _credentials(store.token, store.username, "store")
    if store.kind is StoreKind.GATEWAY:
        return GatewayBlobStore(store.address, auth=auth)
    return KuboBlobStore(store.address, auth=auth)


def open_store(settings: Settings, nodes: tuple[StorageNode, ...] = ()) -> BlobStore:
    """Return the store of these settings; behind it, to read from, ``nodes`` and the gateways. Needs no chain.

    Raises:
        ConfigurationError, InvalidInputError: as ``open_own_store``.
    """
    own = open_own_store(settings)
    behind = [node.store for node in nodes] + [GatewayBlobStore(url) for url in settings.store.gateways]
    return SeveralStores(own, *behind) if behind else own


def open_nodes(settings: Settings) -> tuple[StorageNode, ...]:
    """Return the institutions' storage nodes; no connection is made yet.

    Raises:
        ConfigurationError: a node's token is to come from an environment variable that is not set.
        InvalidInputError: a node's address is none.
    """
    return tuple(
        StorageNode(
            name=node.name,
            store=KuboBlobStore(
                node.address,
                auth=_credentials(node.token, node.username, f"replication.nodes.{node.name}"),
                alone=True,
            ),
        )
        for node in settings.replication.nodes
    )


def _credentials(variable: str | None, username: str | None, section: str) -> BasicAuth | BearerAuth | None:
    if variable is None:
        return None
    secret = os.environ.get(variable)
    if not secret:
        raise ConfigurationError(
            f"the environment variable {variable} is not set", hint=f"set it, or mend token in [{section}]"
        )
    setting = f"token in [{section}]: the environment variable {variable}"
    return BearerAuth(secret, setting) if username is None else BasicAuth(username, secret, setting)
