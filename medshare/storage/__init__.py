"""Stores: local block store, Kubo nodes, gateways, several together. The only package that imports an IPFS client."""

from medshare.storage.credentials import BasicAuth, BearerAuth
from medshare.storage.gateway import GatewayBlobStore
from medshare.storage.kubo import KuboBlobStore
from medshare.storage.local import LocalBlobStore
from medshare.storage.several import SeveralStores

__all__ = ["BasicAuth", "BearerAuth", "GatewayBlobStore", "KuboBlobStore", "LocalBlobStore", "SeveralStores"]
