"""Stores: a local block store and Kubo nodes. The only package that imports an IPFS client."""

from medshare.storage.kubo import KuboBlobStore
from medshare.storage.kubo_rpc import BasicAuth, BearerAuth
from medshare.storage.local import LocalBlobStore

__all__ = ["BasicAuth", "BearerAuth", "KuboBlobStore", "LocalBlobStore"]
