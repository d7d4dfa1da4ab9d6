"""The chain: the only package that imports web3, eth-account or eth-tester.

``open_chain(load_network(name), home)`` gives all of it, wired and checked; the parts can be used by themselves.
"""

from medshare.chain.accounts import LocalSigner, keystore_address
from medshare.chain.client import ChainClient
from medshare.chain.deployments import (
    Deployment,
    check_deployment,
    check_replacing,
    deploy_all,
    verify_deployment,
)
from medshare.chain.networks import NetworkProfile, load_network, load_networks
from medshare.chain.opening import OpenChain, deployment_file, ledger_of, open_chain
from medshare.chain.planning import Plan, plan_deployment
from medshare.chain.remote_account import RemoteAccount
from medshare.chain.reverts import decode_revert
from medshare.chain.signing import Dialect
from medshare.chain.transactions import TransactionSender

__all__ = [
    "ChainClient",
    "Deployment",
    "Dialect",
    "LocalSigner",
    "NetworkProfile",
    "OpenChain",
    "Plan",
    "RemoteAccount",
    "TransactionSender",
    "check_deployment",
    "check_replacing",
    "decode_revert",
    "deploy_all",
    "deployment_file",
    "keystore_address",
    "ledger_of",
    "load_network",
    "load_networks",
    "open_chain",
    "plan_deployment",
    "verify_deployment",
]
