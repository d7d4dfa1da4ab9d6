"""What explorers want to be sent, so that they show a contract's sources: files to be sent by hand.

The sources are the compiler's whole input as it lies in the package, from which the packaged code was compiled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

from medshare.chain.deployments import ContractDeployment, Deployment
from medshare.files import private_folder, write_whole

Json: TypeAlias = dict[str, Any]

INPUT_FILE = "standard-input.json"
_APACHE = "12"
"""The licence's number at Etherscan."""
_FILE_MODE = 0o644


def standard_input() -> Json:
    """Return the compiler's whole input, as it lies in the package."""
    text = resources.files("medshare").joinpath("_data", "contracts", INPUT_FILE).read_text(encoding="utf-8")
    document: Json = json.loads(text)
    return document


def etherscan_form(deployment: Deployment, contract: ContractDeployment) -> Mapping[str, str]:
    """Return the form for ``POST https://api.etherscan.io/v2/api?chainid=…``; whoever sends it adds ``apikey``."""
    return {
        "chainid": str(deployment.chain_id),
        "module": "contract",
        "action": "verifysourcecode",
        "codeformat": "solidity-standard-json-input",
        "sourceCode": json.dumps(standard_input(), sort_keys=True),
        "contractaddress": contract.address,
        "contractname": _identifier(contract),
        "compilerversion": f"v{contract.compiler}",
        "constructorArguments": contract.constructor_arguments.hex(),
        "licenseType": _APACHE,
    }


def sourcify_body(contract: ContractDeployment) -> Json:
    """Return the JSON body for ``POST https://sourcify.dev/server/v2/verify/CHAIN_ID/ADDRESS``."""
    return {
        "stdJsonInput": standard_input(),
        "compilerVersion": contract.compiler,
        "contractIdentifier": _identifier(contract),
        "creationTransactionHash": "0x" + contract.tx_hash.hex(),
    }


def write_payloads(deployment: Deployment, folder: Path) -> tuple[Path, ...]:
    """Write both for each contract of a deployment; return the files.

    Args:
        deployment: checked by the caller: for other contracts than the packaged ones the sources would be others.
        folder: where; made if missing. What lies there from before is overwritten.

    Raises:
        InvalidInputError: the folder cannot be written to.
    """
    private_folder(folder)
    files = []
    for contract in deployment.contracts:
        for kind, document in (
            ("etherscan", etherscan_form(deployment, contract)),
            ("sourcify", sourcify_body(contract)),
        ):
            path = folder / f"{contract.name}.{kind}.json"
            write_whole(path, (json.dumps(document, indent=2) + "\n").encode(), replace=True, mode=_FILE_MODE)
            files.append(path)
    return tuple(files)


def _identifier(contract: ContractDeployment) -> str:
    return f"contracts/{contract.name}.sol:{contract.name}"
