"""Check a deployment file against the chain: addresses, code, transactions, deployer, blocks, gas.

Exit codes: 0 all of it is true, 1 something is not (or the check could not be made), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from medshare.chain import Deployment, deployment_file, load_network, open_chain, verify_deployment
from medshare.errors import MedshareError
from medshare.settings import Settings, default_home


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; return its exit code."""
    arguments = parse(argv)
    try:
        profile = load_network(arguments.network, arguments.networks or Settings(home=arguments.home).networks_file)
        deployment = Deployment.load(arguments.file or deployment_file(arguments.home, profile.name), profile.name)
        with open_chain(profile, arguments.home) as chain:
            findings = verify_deployment(chain.client, deployment)
    except MedshareError as error:
        if arguments.json:
            print(json.dumps({"verified": False, "problem": str(error), "hint": error.hint}))
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps({"verified": True, "deployment_id": deployment.deployment_id, "findings": findings}))
    else:
        print(f"deployment {deployment.deployment_id} on {profile.name}, chain {profile.chain_id}: verified")
        print("\n".join(f"  {finding}" for finding in findings))
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments; ends with code 2 where they are wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", required=True, help="name of the network, built in or from --networks")
    parser.add_argument("--networks", type=Path, metavar="FILE", help="a networks.toml of your own")
    parser.add_argument(
        "--home", type=Path, default=default_home(), metavar="DIR", help="medshare's folder (default: MEDSHARE_HOME)"
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help="the deployment file (HOME/deployments/NETWORK.json)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
