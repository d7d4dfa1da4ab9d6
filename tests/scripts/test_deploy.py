"""The scripts that deploy and verify, run as a person would.

deploy.py
├── a dry run should print the plan and send nothing
├── it should ask, and send nothing without the right answer
├── with --yes it should deploy, write the file, and say where
├── a second run should be refused, with a hint
└── keys should come from a keystore, a variable or a prompt, and be printed nowhere
verify_deployment.py
├── a true deployment should give 0, an untrue or missing one 1
└── wrong usage should give 2
"""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import deploy
import pytest
import verify_deployment
from nodes import AnvilNode

from medshare.chain import LocalSigner, load_network, open_chain
from medshare.chain.artifacts import CONTRACTS

pytestmark = pytest.mark.integration

KEY = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
"""The second account of the development mnemonic."""


def _embedded(home: Path) -> list[str]:
    return ["--network", "embedded", "--home", str(home)]


def test_deploy__dry_run__prints_the_plan_and_sends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main([*_embedded(tmp_path), "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in plan["contracts"]] == list(CONTRACTS)
    assert plan["chain_id"] == load_network("embedded").chain_id
    assert not (tmp_path / "deployments").exists()


@pytest.mark.parametrize(("answer", "code"), [("embedded", 0), ("yes", 1), ("", 1)])
def test_deploy__asks__and_obeys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, code: int
) -> None:
    monkeypatch.setattr("builtins.input", lambda _question: answer)
    assert deploy.main(_embedded(tmp_path)) == code
    assert (tmp_path / "deployments/embedded.json").exists() == (code == 0)
    assert ("written" in capsys.readouterr().out) == (code == 0)


def test_deploy_and_verify__all_well__then_refuses_a_second(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main([*_embedded(tmp_path), "--yes"]) == 0
    assert verify_deployment.main(_embedded(tmp_path)) == 0
    assert "verified" in capsys.readouterr().out
    assert verify_deployment.main([*_embedded(tmp_path), "--json"]) == 0
    verified = json.loads(capsys.readouterr().out)
    assert verified["verified"]
    assert len(verified["findings"]) == len(CONTRACTS)

    assert deploy.main([*_embedded(tmp_path), "--yes"]) == 1
    assert verified["deployment_id"] in capsys.readouterr().err
    assert deploy.main([*_embedded(tmp_path), "--yes", "--json", "--replace", verified["deployment_id"]]) == 0
    assert verify_deployment.main(_embedded(tmp_path)) == 0


def test_verify__untrue_or_missing__is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_deployment.main(_embedded(tmp_path)) == 1
    assert "scripts/deploy.py" in capsys.readouterr().err
    assert deploy.main([*_embedded(tmp_path), "--yes"]) == 0
    path = tmp_path / "deployments/embedded.json"
    document = json.loads(path.read_text())
    document["contracts"][1]["address"] = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    path.write_text(json.dumps(document))
    capsys.readouterr()
    assert verify_deployment.main([*_embedded(tmp_path), "--json"]) == 1
    problem = json.loads(capsys.readouterr().out)
    assert not problem["verified"]
    assert "no code" in problem["problem"]


@pytest.mark.anvil
def test_deploy__anvil_with_each_kind_of_key__prints_no_key(
    anvil: AnvilNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    networks = tmp_path / "networks.toml"
    networks.write_text(f'[networks.anvil]\nurl = "{anvil.url}"\n')
    signer = LocalSigner.from_key(bytes.fromhex(KEY))
    keystore = tmp_path / "key.json"
    signer.save_keystore(keystore, "open sesame", work=1 << 10)
    monkeypatch.setenv("DEPLOYER_KEY", KEY)
    answers = {"passphrase of the keystore: ": "open sesame", "key of the deployer (hex): ": KEY}
    monkeypatch.setattr("getpass.getpass", lambda question: answers[question])
    with open_chain(load_network("anvil", networks), tmp_path / "funds") as chain:
        chain.fund(signer.address)
    for number, key in enumerate((["--keystore", str(keystore)], ["--key-env", "DEPLOYER_KEY"], [])):
        common = ["--network", "anvil", "--networks", str(networks), "--home", str(tmp_path / str(number))]
        assert deploy.main([*common, *key, "--yes"]) == 0
        assert verify_deployment.main(common) == 0
        said = capsys.readouterr()
        assert signer.address in said.out
        assert KEY not in said.out + said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--network", "nowhere"],
        ["--network", "embedded", "--key-env", "NOT_SET_ANYWHERE"],
        ["--network", "embedded", "--networks", "/nonexistent"],
    ],
)
def test_deploy__cannot_be__is_1_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert deploy.main([*arguments, "--home", str(tmp_path), "--yes"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("script", ["deploy", "verify_deployment"])
@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), ([], 2), (["--network"], 2), (["--what"], 2)])
def test_script__run_as_a_program__help_and_wrong_usage(
    script: str, arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(deploy.__file__).with_name(f"{script}.py")
    monkeypatch.setattr("sys.argv", [script, *arguments])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(path), run_name="__main__")
    assert caught.value.code == code
    said = capsys.readouterr()
    assert "--network" in said.out + said.err
