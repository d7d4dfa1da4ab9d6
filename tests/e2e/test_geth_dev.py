"""From nothing to contracts on a development chain of geth's, as the README's door for developers says.

given geth --dev, a fresh keystore and coins from the node's own account
└─ scripts deploy and verify, paying fees by EIP-1559
"""

from __future__ import annotations

from pathlib import Path

import deploy
import pytest
import verify_deployment
from nodes import running_geth

from medshare.chain import LocalSigner
from medshare.network.asking import GethNode

pytestmark = [pytest.mark.e2e, pytest.mark.network]


def test_scripts__on_geth_dev_with_a_fresh_keystore__deploy_and_verify(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    deployer, member = LocalSigner.generate(), LocalSigner.generate()
    keystore, passphrase, networks = (tmp_path / name for name in ("account.json", "passphrase", "networks.toml"))
    passphrase.touch(0o600)
    passphrase.write_text("open sesame\n")
    deployer.save_keystore(keystore, "open sesame", work=1 << 10)
    with running_geth(tmp_path_factory.mktemp("geth")) as node:
        networks.write_text(
            f'[networks.dev]\nkind = "rpc"\nurl = "{node.url}"\nchain_id = 1337\n'
            f'[networks.dev.deployment]\nmembers = ["{member.address}"]\n'
        )
        geth = GethNode(node.socket)
        rich = geth.ask("eth_accounts")[0]
        geth.ask("eth_sendTransaction", {"from": rich, "to": deployer.address, "value": hex(10**18)})
        where = ["--network", "dev", "--networks", str(networks), "--home", str(tmp_path / "home")]
        paying = ["--keystore", str(keystore), "--passphrase-file", str(passphrase), "--yes"]
        assert deploy.main([*where, *paying]) == 0
        assert verify_deployment.main(where) == 0
