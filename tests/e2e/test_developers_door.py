"""The README's door for developers, word by word: from nothing to contracts on a testnet-like chain.

given geth --dev, and a folder in which there is nothing
└─ what the README says to type makes a keystore, gets it coins, deploys, verifies and uses the contracts
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from nodes import ROOT, require, running_geth

pytestmark = pytest.mark.e2e

_DOOR = re.compile(r"<!-- developer's door -->\n```sh\n(.*?)```", re.DOTALL)
_SAID = (
    "deploy    Consortium: ",
    "deployed  AccessRequests at 0x",
    "deployer 0x",
    "verified",
    "they give the code on chain",
)


def test_door__typed_as_the_readme_says__ends_with_contracts_in_use(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    geth = require("geth", "solc")
    (block,) = _DOOR.findall((ROOT / "README.md").read_text())
    with running_geth(tmp_path_factory.mktemp("geth")) as node:
        (tmp_path / "scripts").symlink_to(ROOT / "scripts")
        (tmp_path / "dev-chain").symlink_to(node.socket.parent)
        path = os.pathsep.join([str(Path(sys.executable).parent), str(geth.parent), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.replace("http://127.0.0.1:8545", node.url)],
            cwd=tmp_path,
            env={"PATH": path, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert [said for said in _SAID if said not in done.stdout] == []
    assert (tmp_path / "dev-home" / "deployments" / "dev.json").is_file()
