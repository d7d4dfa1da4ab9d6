"""Deploy the contracts to a network and write down where they are.

Prints what it would take, asks, deploys, checks the code that lies there, and writes
HOME/deployments/NETWORK.json. Broken off, run it again with the same account: it goes on, and deploys nothing twice.

Exit codes: 0 done, 1 not done (the message says why and what to do), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from medshare.chain import (
    Deployment,
    LocalSigner,
    NetworkProfile,
    OpenChain,
    Plan,
    load_network,
    open_chain,
    plan_deployment,
)
from medshare.chain.opening import genesis_signer
from medshare.errors import MedshareError
from medshare.settings import Settings, default_home

ETHER = 10**18


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; return its exit code."""
    arguments = parse(argv)
    try:
        profile = load_network(arguments.network, arguments.networks or Settings(home=arguments.home).networks_file)
        signer = choose_signer(arguments, profile)
        with open_chain(profile, arguments.home) as chain:
            plan = plan_deployment(chain.client, signer.address)
            report(plan_document(plan) if arguments.json else plan_text(plan), as_json=arguments.json)
            if arguments.dry_run:
                return 0
            if not arguments.yes and not confirmed(plan):
                print("nothing was sent", file=sys.stderr)
                return 1
            deployment = chain.deploy(signer, replacing=arguments.replace)
            report(
                result_document(chain, deployment) if arguments.json else result_text(chain, deployment),
                as_json=arguments.json,
            )
    except MedshareError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return 1
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments; ends with code 2 where they are wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", required=True, help="name of the network, built in or from --networks")
    parser.add_argument("--networks", type=Path, metavar="FILE", help="a networks.toml of your own")
    parser.add_argument(
        "--home", type=Path, default=default_home(), metavar="DIR", help="medshare's folder (default: MEDSHARE_HOME)"
    )
    account = parser.add_mutually_exclusive_group()
    account.add_argument(
        "--keystore", type=Path, metavar="FILE", help="pay from this keystore; its passphrase is asked"
    )
    account.add_argument("--key-env", metavar="VAR", help="pay with the key (hex) in this environment variable")
    parser.add_argument("--replace", metavar="ID", help="id of the deployment on file that shall give way")
    parser.add_argument("--dry-run", action="store_true", help="say what it would take and stop")
    parser.add_argument("--yes", action="store_true", help="do not ask before sending")
    parser.add_argument(
        "--json", action="store_true", help="print JSON, one document for the plan and one for the result"
    )
    return parser.parse_args(argv)


def choose_signer(arguments: argparse.Namespace, profile: NetworkProfile) -> LocalSigner:
    """Return who pays: a keystore, a variable, on the embedded chain its own account, else a key from the prompt."""
    if arguments.keystore is not None:
        return LocalSigner.from_keystore(arguments.keystore, getpass.getpass("passphrase of the keystore: "))
    if arguments.key_env is not None:
        return LocalSigner.from_environment(arguments.key_env)
    if profile.kind == "embedded":
        return genesis_signer()
    return LocalSigner.from_environment("key", {"key": getpass.getpass("key of the deployer (hex): ")})


def confirmed(plan: Plan) -> bool:
    """Ask the person at the keyboard; the answer is the network's name."""
    return input(f"type the network's name to deploy ({plan.network}): ").strip() == plan.network


def report(content: str | dict[str, object], *, as_json: bool) -> None:
    """Print one report."""
    print(json.dumps(content, indent=2) if as_json else content)


def plan_document(plan: Plan) -> dict[str, object]:
    """Return the plan for programs."""
    return {
        "network": plan.network,
        "chain_id": plan.chain_id,
        "deployer": plan.deployer,
        "balance_wei": plan.balance,
        "gas": plan.gas,
        "price_wei": plan.price,
        "most_wei": plan.cost,
        "contracts": [
            {
                "name": one.name,
                "gas": one.gas,
                "creation_hash": "0x" + one.creation_hash.hex(),
                "constructor_arguments": "0x" + one.constructor_arguments.hex(),
            }
            for one in plan.contracts
        ],
    }


def plan_text(plan: Plan) -> str:
    """Return the plan for people."""
    lines = [
        f"network   {plan.network}, chain {plan.chain_id}",
        f"deployer  {plan.deployer}, has {plan.balance / ETHER:.6f} ether",
    ]
    lines += [
        f"deploy    {one.name}: {one.gas:,} gas, constructor arguments: {one.constructor_arguments.hex() or 'none'}"
        for one in plan.contracts
    ]
    lines.append(f"costs     {plan.gas:,} gas, at most {plan.cost / ETHER:.6f} ether")
    return "\n".join(lines)


def result_document(chain: OpenChain, deployment: Deployment) -> dict[str, object]:
    """Return the result for programs."""
    document: dict[str, object] = json.loads(deployment.to_json())
    return document | {"file": str(chain.deployment_file)}


def result_text(chain: OpenChain, deployment: Deployment) -> str:
    """Return the result for people."""
    lines = [f"deployed  {one.name} at {one.address}, block {one.block_number}" for one in deployment.contracts]
    lines.append(f"written   {chain.deployment_file} (deployment {deployment.deployment_id})")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
