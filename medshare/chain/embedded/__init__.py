"""A chain of one's own, inside the process: py-evm over SQLite in one folder, spoken to as a JSON-RPC node.

``node.EmbeddedNode`` opens it; ``evm`` runs transactions and calls; ``database`` keeps all of it.
"""

from medshare.chain.embedded.node import EMBEDDED_CHAIN_ID, EmbeddedNode, EmbeddedProvider, faucet_key

__all__ = ["EMBEDDED_CHAIN_ID", "EmbeddedNode", "EmbeddedProvider", "faucet_key"]
