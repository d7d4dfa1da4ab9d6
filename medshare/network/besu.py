"""Besu for one validator of a QBFT network: its configuration and how it is started. Pure.

Besu is on no package registry, so nothing of this is started by medshare: members install it themselves, and programs
reach it by the URL in their network profile.
"""

from __future__ import annotations

import json

from medshare.network.members import MemberFile, ValidatorNode
from medshare.network.places import Script, listening_host

STATIC_NODES_FILE = "static-nodes.json"


def besu_config(members: MemberFile, node: ValidatorNode) -> str:
    """Return a validator's ``config.toml``."""
    lines = [
        f"# Validator {node.name} of network {members.name}, from the member file: change that instead.",
        f"network-id={members.chain_id}",
        'sync-mode="FULL"',
        f"min-gas-price={0 if members.free_gas else 1}",
        "discovery-enabled=false",
        f"p2p-host={json.dumps(node.host)}",
        f"p2p-interface={json.dumps(listening_host(node.host) or '0.0.0.0')}",  # noqa: S104 - for other validators
        f"p2p-port={node.port}",
        "rpc-http-enabled=true",
        'rpc-http-host="127.0.0.1"',
        f"rpc-http-port={node.rpc_port}",
        # Besu has no socket of its own: whoever may log in to this machine can cast this validator's votes.
        'rpc-http-api=["ETH","NET","WEB3","QBFT"]',
        'host-allowlist=["localhost","127.0.0.1"]',
    ]
    return "\n".join([*lines, ""])


def static_nodes(members: MemberFile, node: ValidatorNode) -> str:
    """Return the file with the addresses of the other validators."""
    return json.dumps([other.enode for other in members.validators if other != node], indent=2) + "\n"


def besu_script(members: MemberFile, node: ValidatorNode) -> str:
    """Return the start script of a validator."""
    script = Script(f"Runs the validator {node.name} of network {members.name}, until it is ended.")
    script.add(
        'exec "${MEDSHARE_BESU:-besu}" --config-file="$here/config.toml" \\',
        '  --genesis-file="$here/../../genesis.json" \\',
        f'  --data-path="$here/data" --static-nodes-file="$here/{STATIC_NODES_FILE}" \\',
        f'  --node-private-key-file="$here/../secrets/{node.name}/node.key"',
    )
    return script.text
