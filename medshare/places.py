"""What lies in a home and needs no chain: its keyring and its store."""

from __future__ import annotations

import os

from medshare.errors import ConfigurationError
from medshare.files import private_folder
from medshare.keyring import Keyring
from medshare.ports import BlobStore
from medshare.settings import Settings, StoreKind
from medshare.storage import BearerAuth, KuboBlobStore, LocalBlobStore


def open_keyring(settings: Settings) -> Keyring:
    """Return the keyring of these settings; needs neither chain nor store."""
    return Keyring(settings.home / "identities")


def open_store(settings: Settings) -> BlobStore:
    """Return the store of these settings; needs no chain.

    Raises:
        ConfigurationError: the store's token is to come from an environment variable that is not set.
    """
    store = settings.store
    if store.kind is StoreKind.LOCAL or store.address is None:
        return LocalBlobStore(private_folder(settings.home / "blocks"))
    if store.token is None:
        return KuboBlobStore(store.address)
    token = os.environ.get(store.token)
    if not token:
        raise ConfigurationError(f"the store needs the environment variable {store.token}")
    return KuboBlobStore(store.address, auth=BearerAuth(token))
