"""A deployment that is killed anywhere and repeated is one deployment.

given a network without contracts and an account with coins, and `scripts/deploy.py` in a process of its own; or
`medshare init`, for the embedded chain
when the process is killed, at points spread over its steps, in the deep profile at each of them, and the command is
given again
├─ each contract was deployed once, by the account's first transactions, and its code is what it should be
└─ where the deployment was on file already, it is as good
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import ADDRESS_OF_NOBODY, LITTLE_WORK, PASSPHRASE, CommandLine, Home
from killing import Sweep
from nodes import AnvilNode, running_anvil
from zygote import Zygote, running_zygote

from medshare.chain import LocalSigner, load_network, open_chain, verify_deployment
from medshare.chain.artifacts import CONTRACTS
from medshare.chain.opening import genesis_signer

pytestmark = [pytest.mark.e2e, pytest.mark.deep, pytest.mark.timeout(7_200)]

NETWORK = """
[networks.dev]
kind = "rpc"
url = "{url}"
chain_id = 31337

[networks.dev.deployment]
members = ["{member}"]
"""


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with running_zygote(tmp_path_factory.mktemp("zygote")) as running:
        yield running


@pytest.fixture(scope="module")
def node() -> Iterator[AnvilNode]:
    with running_anvil() as node:
        yield node


@pytest.fixture
def empty(tmp_path: Path) -> Home:
    """A home with a passphrase and nothing else."""
    home = Home(path=tmp_path / "empty", addresses={})
    home.path.mkdir(mode=0o700)
    home.passphrase_file.write_text(PASSPHRASE + "\n")
    home.passphrase_file.chmod(0o600)
    return home


@pytest.mark.anvil
def test_deploy__killed_anywhere_and_repeated__deploys_each_contract_once(
    empty: Home, zygote: Zygote, node: AnvilNode, tmp_path: Path
) -> None:
    networks = empty.path / "networks.toml"
    networks.write_text(NETWORK.format(url=node.url, member=ADDRESS_OF_NOBODY))
    profile = load_network("dev", networks)

    def deploy(home: Home) -> list[str]:
        keystore = home.path / "deployer.json"
        if not keystore.exists():
            signer = LocalSigner.generate()
            signer.save_keystore(keystore, PASSPHRASE, work=LITTLE_WORK)
            with open_chain(profile, tmp_path / "funding") as chain:
                chain.client.request("anvil_setBalance", signer.address, hex(10**20))
        locked = ["--keystore", str(keystore), "--passphrase-file", str(home.passphrase_file)]
        return ["--network", "dev", "--home", str(home.path), *locked, "--yes", "--json"]

    for home in Sweep(zygote=zygote, folder=tmp_path, few=24, program="deploy").over(empty, deploy):
        with open_chain(profile, home.path) as chain:
            on_file = chain.deployment_file.exists()
        again = zygote.run(deploy(home), program="deploy")
        assert again.code == int(on_file), again.err
        with open_chain(profile, home.path) as chain:
            verify_deployment(chain.client, chain.deployment)
            deployer = LocalSigner.from_keystore(home.path / "deployer.json", PASSPHRASE)
            assert chain.client.nonce(deployer.address, pending=True) == len(CONTRACTS)


def test_init__killed_anywhere_and_repeated__deploys_each_contract_once(
    empty: Home, zygote: Zygote, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    cli = CommandLine(empty, capsysbinary)

    def init(home: Home) -> list[str]:
        return ["--home", str(home.path), "--json", "init"]

    for home in Sweep(zygote=zygote, folder=tmp_path, few=24).over(empty, init):
        again = zygote.run(init(home))
        assert (again.code, json.loads(again.out)["network"]) == (0, "embedded"), again.err
        assert cli.json("audit", "verify", home=home)["differences"] == []
        with open_chain(load_network("embedded"), home.path) as chain:
            verify_deployment(chain.client, chain.deployment)
            assert chain.client.nonce(genesis_signer().address, pending=True) == len(CONTRACTS)
