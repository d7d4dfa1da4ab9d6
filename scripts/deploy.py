"""Deploy the contracts to a network and write down where they are.

Prints what it would take and who shall govern, asks, deploys, checks the code that lies there, and writes
HOME/deployments/NETWORK.json. Who deploys ends without any right, and must be no founding member. Broken off, run it
again with the same account: it goes on, and deploys nothing twice. Where a deployment is on file, --update keeps what
has not changed since and puts a new version of the rest in its place; --replace makes all of it anew, and empty.

    python scripts/deploy.py --network NAME --dry-run --from 0x...
    python scripts/deploy.py --network NAME --keystore HOME/identities/deployer/account.json
    python scripts/deploy.py --network NAME --keystore HOME/identities/deployer/account.json --update ID

Exit codes, as everywhere in medshare (docs/errors.md): 0 done, 1 not done, 2 wrong usage, 3 wrong passphrase,
4 no such network, 5 the chain or the code is another, 6 try again, 130 stopped. The message says why and what to do.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from medshare.chain import (
    Deployment,
    LocalSigner,
    NetworkProfile,
    OpenChain,
    Plan,
    check_replacing,
    deployment_file,
    keystore_address,
    load_network,
    open_chain,
    plan_deployment,
)
from medshare.chain.opening import genesis_signer
from medshare.chain.planning import PlannedContract
from medshare.cli.asking import ask_secret, passphrase_of
from medshare.cli.ending import run
from medshare.errors import ConfigurationError, KeyFileError
from medshare.model.ids import ZERO_ADDRESS, Address, address
from medshare.settings import Settings, default_home

ETHER = 10**18


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; return its exit code."""
    arguments = parse(argv)
    return run(lambda: dry_run(arguments) if arguments.dry_run else deploy(arguments), as_json=arguments.json)


def dry_run(arguments: argparse.Namespace) -> None:
    """Say what a deployment would take. Nothing is sent, asked or written."""
    profile = network(arguments)
    present = on_file(arguments, profile)
    if present is not None and not arguments.json:
        print(present_text(present))
    account = payer(arguments, profile)
    # The outbox, and an embedded chain, would be made where the chain is opened: here they vanish.
    there = present is not None and profile.kind == "embedded"
    with (
        tempfile.TemporaryDirectory() as folder,
        open_chain(profile, arguments.home if there else Path(folder)) as chain,
    ):
        keeping = arguments.replace is None
        plan = plan_deployment(chain.client, account or ZERO_ADDRESS, replacing=present, keeping=keeping)
        report_plan(arguments, chain, plan, present)


def deploy(arguments: argparse.Namespace) -> int:
    """Deploy, after asking; return the exit code."""
    profile = network(arguments)
    present = on_file(arguments, profile)
    if present is not None:
        # Said before any passphrase is asked for.
        check_replacing(present, arguments.update or arguments.replace)
    elif arguments.update is not None or arguments.replace is not None:
        raise ConfigurationError(
            f"no deployment on {profile.name!r} is on file that could give way",
            hint=f"leave {'--replace' if arguments.update is None else '--update'} out",
        )
    signer = unlock(arguments, profile)
    with confirmations_shown(), open_chain(profile, arguments.home) as chain:
        keeping = arguments.update is not None
        plan = plan_deployment(chain.client, signer.address, replacing=present, keeping=keeping)
        report_plan(arguments, chain, plan, present)
        if plan.changes_nothing:
            print("nothing has changed: nothing was sent", file=sys.stderr)
            return 0
        if not arguments.yes and not confirmed(plan):
            print("nothing was sent", file=sys.stderr)
            return 1
        if chain.has_faucet:
            chain.fund(signer.address)
        deployment = chain.deploy(signer, replacing=arguments.update or arguments.replace, keeping=keeping)
        if arguments.json:
            print(json.dumps(json.loads(deployment.to_json()) | {"file": str(chain.deployment_file)}, indent=2))
        else:
            print(result_text(chain, deployment))
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments; ends with code 2 where they are wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", required=True, help="name of the network, built in or from networks.toml")
    parser.add_argument("--networks", type=Path, metavar="FILE", help="another networks.toml than HOME's")
    parser.add_argument(
        "--home", type=Path, default=default_home(), metavar="DIR", help="medshare's folder (default: MEDSHARE_HOME)"
    )
    account = parser.add_mutually_exclusive_group()
    account.add_argument("--keystore", type=Path, metavar="FILE", help="pay from this keystore (v3)")
    account.add_argument("--key-env", metavar="VAR", help="pay with the key (hex) in this environment variable")
    account.add_argument(
        "--from", dest="account", metavar="ADDRESS", help="with --dry-run: who would pay; no key is needed"
    )
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        default=os.environ.get("MEDSHARE_PASSPHRASE_FILE") or None,
        help="file with the keystore's passphrase (default: MEDSHARE_PASSPHRASE_FILE, else it is asked for)",
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--update",
        metavar="ID",
        help="put what has changed since the deployment on file in a new version in its place, and keep the rest after "
        "comparing its code; ID is the id of the one on file, as the dry run shows it",
    )
    instead.add_argument(
        "--replace",
        metavar="ID",
        help="deploy new, empty contracts although there is a deployment on file, and use them in its place; ID is the "
        "id of the one on file, as the dry run shows it. The old contracts stay on the chain",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what it would take and stop")
    parser.add_argument("--yes", action="store_true", help="do not ask before sending")
    parser.add_argument(
        "--json", action="store_true", help="print JSON, one document for the plan and one for the result"
    )
    arguments = parser.parse_args(argv)
    if arguments.account is not None and not arguments.dry_run:
        parser.error("--from goes with --dry-run; to deploy, name a key: --keystore or --key-env")
    return arguments


def network(arguments: argparse.Namespace) -> NetworkProfile:
    """Return the profile of the network to deploy to."""
    return load_network(arguments.network, arguments.networks or Settings(home=arguments.home).networks_file)


def on_file(arguments: argparse.Namespace, profile: NetworkProfile) -> Deployment | None:
    """Return the deployment that is on file already, if there is one."""
    path = deployment_file(arguments.home, profile.name)
    return Deployment.load(path, profile.name) if path.exists() else None


def payer(arguments: argparse.Namespace, profile: NetworkProfile) -> Address | None:
    """Return who would pay, as far as that can be told without asking for anything secret."""
    if arguments.account is not None:
        return address(arguments.account)
    if arguments.keystore is not None:
        return keystore_address(arguments.keystore)
    if arguments.key_env is not None:
        return LocalSigner.from_environment(arguments.key_env).address
    return genesis_signer().address if profile.kind == "embedded" else None


def unlock(arguments: argparse.Namespace, profile: NetworkProfile) -> LocalSigner:
    """Return who pays: a keystore, a variable, on the embedded chain its own account, else a key from the keyboard."""
    if arguments.keystore is not None:
        # A file that is missing or no keystore is told before anybody types a passphrase.
        whose = keystore_address(arguments.keystore) or arguments.keystore
        return LocalSigner.from_keystore(arguments.keystore, passphrase_of(str(whose), arguments.passphrase_file))
    if arguments.key_env is not None:
        return LocalSigner.from_environment(arguments.key_env)
    if profile.kind == "embedded":
        return genesis_signer()
    typed = ask_secret("Key of the deployer (hex)", instead="name a key with --keystore or --key-env")
    try:
        return LocalSigner.from_key(bytes.fromhex(typed.strip().removeprefix("0x")))
    except ValueError:
        raise KeyFileError("what was typed is no key in hex") from None


def confirmed(plan: Plan) -> bool:
    """Ask the person at the keyboard; the answer is the network's name."""
    print(f"type the network's name to deploy ({plan.network}): ", end="", file=sys.stderr, flush=True)
    return input().strip() == plan.network


class Confirmations(logging.Handler):
    """Shows how many confirmations a transaction has, each time there is one more."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Print what was logged, unless it was said before."""
        if (said := record.getMessage()) != self.last:
            print(f"waiting   {said}", file=sys.stderr)
        self.last = said


@contextmanager
def confirmations_shown() -> Iterator[None]:
    """Let the person at the keyboard see what is waited for, until the block ends."""
    logger = logging.getLogger("medshare.chain.agreement")
    level, shown = logger.level, Confirmations()
    logger.setLevel(logging.INFO)
    logger.addHandler(shown)
    try:
        yield
    finally:
        logger.removeHandler(shown)
        logger.setLevel(level)


def report_plan(arguments: argparse.Namespace, chain: OpenChain, plan: Plan, present: Deployment | None) -> None:
    """Print what a deployment would take."""
    if arguments.json:
        print(json.dumps(plan_document(plan, present), indent=2))
    else:
        print(plan_text(plan, faucet=chain.has_faucet))


def plan_document(plan: Plan, present: Deployment | None) -> dict[str, object]:
    """Return the plan for programs."""
    known = plan.deployer != ZERO_ADDRESS
    return {
        "network": plan.network,
        "chain_id": plan.chain_id,
        "deployment_on_file": present.deployment_id if present else None,
        "deployer": plan.deployer if known else None,
        "balance_wei": plan.balance if known else None,
        "gas": plan.gas,
        "price_wei": plan.price,
        "most_wei": plan.cost,
        "founding_members": list(plan.founding_members),
        "contracts": [
            {
                "name": one.name,
                "action": "deploy" if one.kept is None else "keep",
                "version": one.version,
                "address": None if one.kept is None else one.kept.address,
                "gas": one.gas,
                "creation_hash": "0x" + one.creation_hash.hex(),
                "constructor_arguments": None
                if one.constructor_arguments is None
                else "0x" + one.constructor_arguments.hex(),
            }
            for one in plan.contracts
        ],
    }


def arguments_text(contract: PlannedContract) -> str:
    """Return what a constructor would be told, for people."""
    arguments = contract.constructor_arguments
    return "the contracts before it" if arguments is None else arguments.hex() or "none"


def contract_text(contract: PlannedContract) -> str:
    """Return what would become of a contract, for people."""
    if contract.kept is not None:
        return f"keep      {contract.name}: unchanged at {contract.kept.address}, version {contract.version}"
    version = "" if contract.version == 1 else f", version {contract.version}"
    return (
        f"deploy    {contract.name}{version}: {contract.gas:,} gas, constructor arguments: {arguments_text(contract)}"
    )


def plan_text(plan: Plan, *, faucet: bool) -> str:
    """Return the plan for people."""
    if plan.deployer == ZERO_ADDRESS:
        payer = "not named: with --from ADDRESS this says whether it can pay"
    else:
        payer = f"{plan.deployer}, has {plan.balance / ETHER:.6f} ether"
    lines = [f"network   {plan.network}, chain {plan.chain_id}", f"deployer  {payer}"]
    lines += [contract_text(one) for one in plan.contracts]
    known = " (of development networks: everybody has its key)" if plan.is_for_development else ""
    lines += [f"member    {member}{known}" for member in plan.founding_members]
    lines.append(f"costs     {plan.gas:,} gas, at most {plan.cost / ETHER:.6f} ether")
    if plan.deployer != ZERO_ADDRESS and plan.balance < plan.cost:
        mend = "this development network gives it to him" if faucet else f"send some to {plan.deployer} first"
        lines.append(f"lacks     up to {(plan.cost - plan.balance) / ETHER:.6f} ether: {mend}")
    return "\n".join(lines)


def present_text(present: Deployment) -> str:
    """Return what is on file already, for people."""
    lines = [f"on file   deployment {present.deployment_id}: to use it there is nothing to do"]
    lines += [f"          {one.name} at {one.address}, version {one.version}" for one in present.contracts]
    lines.append(f"          to deploy what has changed since, and keep the rest: --update {present.deployment_id}")
    lines.append(f"          for new, empty contracts in its place: --replace {present.deployment_id}")
    return "\n".join(lines)


def result_text(chain: OpenChain, deployment: Deployment) -> str:
    """Return the result for people."""
    lines = [f"deployed  {one.name} at {one.address}, block {one.block_number}" for one in deployment.contracts]
    lines.append(f"written   {chain.deployment_file} (deployment {deployment.deployment_id})")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
