"""Kubo for one storage node of the members' private swarm: its configuration and how it is started. Pure.

Nothing that is of use on the public network is left on: no public peers, routers, relays, resolvers or certificates, no
plain HTTP retrieval. The node speaks to members who have the swarm key, and is connected to all of them at all times.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from medshare.network.members import MemberFile, Routing, StorageNode
from medshare.network.places import Script, listening_host

Json = dict[str, Any]

CONFIG_FILE = "kubo-config.json"
"""The whole configuration, key and token included; among the secrets."""
USER = "medshare"
ALLOWED_CALLS = (
    "/api/v0/add",
    "/api/v0/block/",
    "/api/v0/cat",
    "/api/v0/config/show",
    "/api/v0/dag/",
    "/api/v0/id",
    "/api/v0/ls",
    "/api/v0/pin/",
    "/api/v0/refs",
    "/api/v0/repo/gc",
    "/api/v0/repo/stat",
    "/api/v0/stats/",
    "/api/v0/swarm/peers",
    "/api/v0/version",
)
"""What the token opens: blocks, pins and looking. Nothing that changes the node, its keys or its partners."""
ENVIRONMENT = {"LIBP2P_FORCE_PNET": "1", "IPFS_TELEMETRY": "off"}
"""With these a node without a swarm key does not start."""

# What profile unixfs-v1-2025 sets: ``ipfs add`` gives the CIDs that medshare computes.
_IMPORT: Json = {
    "CidVersion": 1,
    "HashFunction": "sha2-256",
    "UnixFSChunker": "size-1048576",
    "UnixFSDAGLayout": "balanced",
    "UnixFSDirectoryMaxLinks": 0,
    "UnixFSFileMaxLinks": 1024,
    "UnixFSHAMTDirectoryMaxFanout": 256,
    "UnixFSHAMTDirectorySizeEstimation": "block",
    "UnixFSHAMTDirectorySizeThreshold": "256KiB",
    "UnixFSRawLeaves": True,
}
_DATASTORE: Json = {
    "BlockKeyCacheSize": None,
    "BloomFilterSize": 0,
    "GCPeriod": "1h",
    # A disk may rot: what is read is hashed before it is given away.
    "HashOnRead": True,
    "Spec": {
        "mounts": [
            {
                "mountpoint": "/blocks",
                "path": "blocks",
                "prefix": "flatfs.datastore",
                "shardFunc": "/repo/flatfs/shard/v1/next-to-last/2",
                # What was answered for is on the disk, also after a power cut.
                "sync": True,
                "type": "flatfs",
            },
            {
                "compression": "none",
                "mountpoint": "/",
                "path": "datastore",
                "prefix": "leveldb.datastore",
                "type": "levelds",
            },
        ],
        "type": "mount",
    },
    "StorageGCWatermark": 90,
    "StorageMax": "1TB",
}


def kubo_config(members: MemberFile, node: StorageNode) -> Json:
    """Return a storage node's configuration, without its key and its token."""
    dht = members.routing is Routing.DHT
    partners = [other for other in members.storage if other != node]
    return {
        "API": {"HTTPHeaders": {}},
        "Addresses": {
            "API": f"/ip4/127.0.0.1/tcp/{node.api_port}",
            "Announce": [node.swarm_address],
            "AppendAnnounce": [],
            "Gateway": f"/ip4/127.0.0.1/tcp/{node.gateway_port}",
            "NoAnnounce": [],
            "Swarm": _listening(node),
        },
        "AutoConf": {"Enabled": False},
        "AutoNAT": {"ServiceMode": "disabled"},
        "AutoTLS": {"Enabled": False},
        # Peering holds the lines to partners, and takes its time to begin with: at the start this is quicker.
        "Bootstrap": [f"{other.swarm_address}/p2p/{other.peer_id}" for other in partners],
        "DNS": {"Resolvers": {}},
        "Datastore": copy.deepcopy(_DATASTORE),
        "Discovery": {"MDNS": {"Enabled": False}},
        # Only blocks as they are, and only those that are here: whoever asks verifies them himself.
        "Gateway": {"DeserializedResponses": False, "NoDNSLink": True, "NoFetch": True},
        "HTTPRetrieval": {"Enabled": False},
        "Identity": {"PeerID": node.peer_id},
        "Import": dict(_IMPORT),
        "Ipns": {"DelegatedPublishers": []},
        "Peering": {"Peers": [{"Addrs": [other.swarm_address], "ID": other.peer_id} for other in partners]},
        "Plugins": {"Plugins": {"telemetry": {"Disabled": True}}},
        "Provide": {"Enabled": dht},
        "Pubsub": {"Enabled": False},
        "Routing": {
            "DelegatedRouters": [],
            "LoopbackAddressesOnLanDHT": dht,
            "Type": members.routing.value,
        },
        "Swarm": {
            "ConnMgr": {"Type": "none"},
            "DisableNatPortMap": True,
            "EnableHolePunching": False,
            "RelayClient": {"Enabled": False},
            "RelayService": {"Enabled": False},
            # A swarm key is for TCP only.
            "Transports": {
                "Network": {
                    "QUIC": False,
                    "Relay": False,
                    "TCP": True,
                    "WebRTCDirect": False,
                    "WebTransport": False,
                    "Websocket": False,
                }
            },
        },
        "Version": {"SwarmCheckEnabled": False},
    }


def with_secrets(config: Json, *, identity: str, token: str) -> Json:
    """Return a storage node's whole configuration."""
    whole = copy.deepcopy(config)
    whole["Identity"]["PrivKey"] = identity
    whole["API"]["Authorizations"] = {USER: {"AllowedPaths": list(ALLOWED_CALLS), "AuthSecret": f"bearer:{token}"}}
    return whole


def kubo_json(config: Json) -> str:
    """Return a configuration as text, always the same for the same."""
    return json.dumps(config, indent=2, sort_keys=True) + "\n"


def kubo_script(members: MemberFile, node: StorageNode) -> str:
    """Return the start script of a storage node."""
    script = Script(f"Runs the storage node {node.name} of network {members.name}, until it is ended.")
    script.add(
        "ipfs=${MEDSHARE_IPFS:-ipfs}",
        f"secrets=$here/../secrets/{node.name}",
        "export " + " ".join(['IPFS_PATH="$here/repo"', *(f"{name}={value}" for name, value in ENVIRONMENT.items())]),
        f'[ -e "$IPFS_PATH/version" ] || "$ipfs" init --empty-repo "$secrets/{CONFIG_FILE}"',
        f'cp "$secrets/{CONFIG_FILE}" "$IPFS_PATH/config"',
        'cp "$here/../../swarm.key" "$IPFS_PATH/swarm.key"',
        'exec "$ipfs" daemon --migrate=false',
    )
    return script.text


def _listening(node: StorageNode) -> list[str]:
    if listening_host(node.host):
        return [f"/ip4/{listening_host(node.host)}/tcp/{node.port}"]
    return [f"/ip4/0.0.0.0/tcp/{node.port}", f"/ip6/::/tcp/{node.port}"]
