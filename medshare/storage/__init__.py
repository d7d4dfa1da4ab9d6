"""Stores: a local block store, Kubo nodes, several together. The only package that imports an IPFS client."""

from medshare.storage.kubo import KuboBlobStore
from medshare.storage.kubo_rpc import BasicAuth, BearerAuth
from medshare.storage.local import LocalBlobStore
from medshare.storage.several import SeveralStores

__all__ = ["BasicAuth", "BearerAuth", "KuboBlobStore", "LocalBlobStore", "SeveralStores"]
