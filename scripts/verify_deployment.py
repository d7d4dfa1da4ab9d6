"""Check a deployment file against the chain, and prove that who deployed has no right.

Addresses, code, constructor arguments, transactions, blocks and gas are compared; that the deployer is no member,
accredited for nothing, and neither controls nor earned anything, is asked of the contracts and of all their events.

    python scripts/verify_deployment.py --network NAME
    python scripts/verify_deployment.py --network NAME --payloads FOLDER

With ``--payloads`` it also writes what Etherscan (v2) and Sourcify (v2) want to be sent, two files for a contract, and
compiles the sources in them: they must give the code that lies on the chain. Nothing is sent.

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
from typing import Any

import compile_contracts

from medshare.chain import Deployment, deployment_file, load_network, open_chain, verify_deployment
from medshare.chain.payloads import write_payloads
from medshare.cli.ending import run
from medshare.errors import DeploymentMismatchError
from medshare.hashing import keccak256
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
    payloads = {} if arguments.payloads is None else payloads_of(deployment, arguments.payloads)
    if arguments.json:
        document = {"verified": True, "deployment_id": deployment.deployment_id, "findings": findings}
        print(json.dumps(document | payloads))
        return
    print(f"deployment {deployment.deployment_id} on {profile.name}, chain {profile.chain_id}: verified")
    print("\n".join(f"  {finding}" for finding in findings))
    if payloads:
        compiled = "compiled: they give the code on chain" if payloads["recompiled"] else "not compiled"
        print(f"written to {arguments.payloads}, for Etherscan and Sourcify; the sources in it were {compiled}")


def payloads_of(deployment: Deployment, folder: Path) -> dict[str, object]:
    """Write what explorers want to be sent, and compile it; return the files, and whether they could be compiled.

    Raises:
        DeploymentMismatchError: the sources give another code than the one that was deployed.
    """
    files = write_payloads(deployment, folder)
    told: dict[str, object] = {"payloads": [str(path) for path in files]}
    try:
        compiler = compile_contracts.find_compiler()
    except compile_contracts.CannotRunError as error:
        print(f"the sources in {folder} were not compiled: {error}", file=sys.stderr)
        return told | {"recompiled": False}
    check_sources(deployment, folder, compiler)
    return told | {"recompiled": True}


def check_sources(deployment: Deployment, folder: Path, compiler: Path) -> None:
    """Compile the sources in a folder of payloads: they must give what was sent when the contracts were made.

    Raises:
        DeploymentMismatchError: they give another code.
    """
    compiled: dict[str, Any] = {}
    for contract in deployment.contracts:
        form = json.loads((folder / f"{contract.name}.etherscan.json").read_text())
        body = json.loads((folder / f"{contract.name}.sourcify.json").read_text())
        for sources in (form["sourceCode"], json.dumps(body["stdJsonInput"], sort_keys=True)):
            if sources not in compiled:  # once: they are the same for all
                compiled[sources] = compile_contracts.compile_sources(json.loads(sources), compiler)["contracts"]
            unit, _, name = body["contractIdentifier"].partition(":")
            code = bytes.fromhex(compiled[sources][unit][name]["evm"]["bytecode"]["object"])
            if keccak256(code) != contract.creation_hash:
                raise DeploymentMismatchError(contract.name, contract.address, "the packaged sources give another code")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments; ends with code 2 where they are wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", required=True, help="name of the network, built in or from networks.toml")
    parser.add_argument("--networks", type=Path, metavar="FILE", help="another networks.toml than HOME's")
    parser.add_argument(
        "--home", type=Path, default=default_home(), metavar="DIR", help="medshare's folder (default: MEDSHARE_HOME)"
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help="the deployment file (HOME/deployments/NETWORK.json)")
    parser.add_argument(
        "--payloads",
        type=Path,
        metavar="FOLDER",
        help="write what Etherscan and Sourcify want to be sent, and compile it",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
