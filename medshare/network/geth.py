"""geth for one validator: its configuration file and how it is started. Pure: text from the member file.

Nothing but other validators reaches it from outside: its RPC is on loopback, and what commands a node (votes, gas
price) goes over its socket, which only its own user may open.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from medshare.network.members import MemberFile, ValidatorNode
from medshare.network.places import Script, listening_host

SOCKET = "geth.ipc"
"""In the data folder."""
MAX_SOCKET_PATH = 103
"""Bytes that the path of a socket can have on every system."""
_MOST_PEERS = 50
_NANOSECONDS = 10**9
_PATIENCE = 2 * _NANOSECONDS


def geth_config(members: MemberFile, node: ValidatorNode) -> str:
    """Return a validator's ``config.toml``."""
    partners = [other.enode for other in members.validators if other != node]
    lines = [
        f"# Validator {node.name} of network {members.name}, from the member file: change that instead.",
        "[Eth]",
        f"NetworkId = {members.chain_id}",
        'SyncMode = "full"',
        # With the states of recent blocks in memory only, a power cut sets the chain back to the last that was written.
        "NoPruning = true",
        "",
        # geth takes what is left out here for 0.
        "[Eth.Miner]",
        f"Etherbase = {json.dumps(node.signer)}",
        "GasPrice = 1",
        f"GasCeil = {members.gas_limit}",
        f"Recommit = {_PATIENCE}",
        f"NewPayloadTimeout = {_PATIENCE}",
        "",
        "[Node]",
        'HTTPHost = "127.0.0.1"',
        f"HTTPPort = {node.rpc_port}",
        'HTTPModules = ["eth", "net", "web3"]',
        'HTTPVirtualHosts = ["localhost"]',
        # The signer has neither coins nor a seat: who gets at the RPC gains nothing by its being unlocked.
        "InsecureUnlockAllowed = true",
        'AuthAddr = "127.0.0.1"',
        "AuthPort = 0",
        f"IPCPath = {json.dumps(SOCKET)}",
        "",
        "[Node.P2P]",
        f"ListenAddr = {json.dumps(f'{listening_host(node.host)}:{node.port}')}",
        f"MaxPeers = {max(_MOST_PEERS, 2 * len(partners))}",
        "NoDiscovery = true",
        f"StaticNodes = {_list(partners)}",
        f"TrustedNodes = {_list(partners)}",
    ]
    return "\n".join([*lines, ""])


def geth_flags(node: ValidatorNode, *, folder: str, secrets: str) -> list[str]:
    """Return what geth is started with.

    Args:
        node: the validator.
        folder: where ``config.toml`` and the chain's data are.
        secrets: where the node's secrets are.
    """
    return [
        *("--config", f"{folder}/config.toml"),
        *("--datadir", f"{folder}/data"),
        *("--keystore", f"{secrets}/keystore"),
        *("--nodekey", f"{secrets}/node.key"),
        *("--password", f"{secrets}/passphrase"),
        *("--unlock", node.signer),
        *("--nat", "none"),
    ]


def geth_script(members: MemberFile, node: ValidatorNode) -> str:
    """Return the start script of a validator."""
    script = Script(f"Runs the validator {node.name} of network {members.name}, until it is ended.")
    script.add(
        "geth=${MEDSHARE_GETH:-geth}",
        f"secrets=$here/../secrets/{node.name}",
        '[ -d "$here/data/geth/chaindata" ] || "$geth" init --datadir "$here/data" "$here/../../genesis.json"',
    )
    start = " ".join(_quoted(word) for word in geth_flags(node, folder="$here", secrets="$secrets"))
    if not members.free_gas:
        script.add(f'exec "$geth" {start} --mine')
        return script.text
    script.add(
        f'"$geth" {start} --mine &',
        "node=$!",
        "trap 'kill -TERM \"$node\"' INT TERM HUP",
        "# A gas price of 0 is taken neither from the file nor from a flag, only over the node's own socket.",
        'until "$geth" attach --exec \'miner.setGasPrice(0)\' "$here/data/' + SOCKET + '" >/dev/null 2>&1; do',
        '  kill -0 "$node" 2>/dev/null || break',
        "  sleep 1",
        "done",
        "# A signal ends the first wait at once, and the node after it.",
        'wait "$node" || true',
        'wait "$node"',
    )
    return script.text


def _quoted(word: str) -> str:
    return f'"{word}"' if "$" in word else word


def _list(values: Sequence[str]) -> str:
    return "[" + "".join(f"\n  {json.dumps(value)}," for value in values) + ("\n]" if values else "]")
