"""Check a deployment file against the chain, and prove that who deployed has no right.

Addresses, code, constructor arguments, transactions, blocks and gas are compared; that the deployer is no member,
accredited for nothing, and neither controls nor earned anything, is asked of the contracts and of all their events.

    python scripts/verify_deployment.py --network NAME

Exit codes, as everywhere in medshare (docs/errors.md): 0 all of it is true, 5 something is not, 4 there is no such
network, home or deployment file, 6 the node does not answer, 2 wrong usage, 1 something else, 130 stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from medshare.chain import Deployment, deployment_file, load_network, open_chain, verify_deployment
from medshare.cli.ending import run
from medshare.settings import Settings, default_home


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; return its exit code."""
    arguments = parse(argv)
    return run(lambda: verify(arguments), as_json=arguments.json)


def verify(arguments: argparse.Namespace) -> None:
    """Compare, and print what is true; what is not is raised."""
    settings = Settings(home=arguments.home)
    profile = load_network(arguments.network, arguments.networks or settings.networks_file)
    embedded = profile.kind == "embedded"
    if arguments.file is None or embedded:
        settings = Settings.load(arguments.home)  # raises where the folder is a mistyped name and no home
    deployment = Deployment.load(arguments.file or deployment_file(settings.home, profile.name), profile.name)
    # Nothing is sent, so that the outbox that comes with a chain need not last.
    with (
        tempfile.TemporaryDirectory() as folder,
        open_chain(profile, settings.home if embedded else Path(folder)) as chain,
    ):
        findings = verify_deployment(chain.client, deployment)
    if arguments.json:
        print(json.dumps({"verified": True, "deployment_id": deployment.deployment_id, "findings": findings}))
        return
    print(f"deployment {deployment.deployment_id} on {profile.name}, chain {profile.chain_id}: verified")
    print("\n".join(f"  {finding}" for finding in findings))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments; ends with code 2 where they are wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", required=True, help="name of the network, built in or from networks.toml")
    parser.add_argument("--networks", type=Path, metavar="FILE", help="another networks.toml than HOME's")
    parser.add_argument(
        "--home", type=Path, default=default_home(), metavar="DIR", help="medshare's folder (default: MEDSHARE_HOME)"
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help="the deployment file (HOME/deployments/NETWORK.json)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
