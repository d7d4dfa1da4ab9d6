"""The scripts that deploy and verify, run as a person would.

deploy.py
├── a dry run should print the plan, need no key, write and send nothing, and say what is on file
├── it should ask, and send nothing without the right answer
├── with --yes it should deploy, write the file, and say where
├── a second run should be refused before any passphrase is asked for, with a hint
├── it should say that a payer lacks coins, give them on a development network, and show confirmations
└── keys should come from a keystore, a variable or the keyboard, and be printed nowhere
verify_deployment.py
├── a true deployment should give 0, an untrue one 5, a missing one 4
└── where there is no home it should make none
both
└── wrong usage should give 2, and an interruption 130
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import deploy
import pytest
import verify_deployment
from nodes import AnvilNode, require, running_anvil

from medshare.chain import LocalSigner, load_network, payloads
from medshare.chain.artifacts import CONTRACTS
from medshare.chain.development import member_signer
from medshare.settings import Settings

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
    assert (plan["deployment_on_file"], plan["balance_wei"] > 0) == (None, True)
    assert list(tmp_path.iterdir()) == []


def test_deploy__dry_run_where_one_is_on_file__says_so_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy.main([*_embedded(tmp_path), "--yes"]) == 0
    present = json.loads((tmp_path / "deployments/embedded.json").read_text())["deployment_id"]
    capsys.readouterr()
    assert deploy.main([*_embedded(tmp_path), "--dry-run"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"on file   deployment {present}: ")
    assert any(line.endswith(f"--replace {present}") for line in said)
    assert deploy.main([*_embedded(tmp_path), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deployment_on_file"] == present


@pytest.mark.parametrize(("answer", "code"), [("embedded", 0), ("yes", 1), ("", 1)])
def test_deploy__asks__and_obeys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, code: int
) -> None:
    monkeypatch.setattr("builtins.input", lambda: answer)
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
    assert len(verified["findings"]) == len(CONTRACTS) + 4
    assert sum(finding.startswith("deployer ") for finding in verified["findings"]) == 4

    assert deploy.main([*_embedded(tmp_path), "--yes"]) == 1
    assert f"--replace {verified['deployment_id']}" in capsys.readouterr().err
    assert deploy.main([*_embedded(tmp_path), "--yes", "--json", "--replace", verified["deployment_id"]]) == 0
    assert verify_deployment.main(_embedded(tmp_path)) == 0


def test_deploy__replacing_what_is_not_there__is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main([*_embedded(tmp_path), "--yes", "--replace", "0123456789ab"]) == 1
    assert "hint: leave --replace out" in capsys.readouterr().err


def test_deploy__contract_of_another_version_on_file__dry_run_names_it_and_update_makes_only_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy.main([*_embedded(tmp_path), "--yes"]) == 0
    path = tmp_path / "deployments/embedded.json"
    document = json.loads(path.read_text())
    before = {one["name"]: one["address"] for one in document["contracts"]}
    present = document["deployment_id"]
    assert deploy.main([*_embedded(tmp_path), "--yes", "--update", present]) == 0
    assert "nothing has changed" in capsys.readouterr().err
    changed = next(one for one in document["contracts"] if one["name"] == "AccessRequests")
    changed |= {"creation_hash": "0x" + "11" * 32, "runtime_hash": "0x" + "22" * 32}
    path.write_text(json.dumps(document))
    assert deploy.main([*_embedded(tmp_path), "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    done = {one["name"]: (one["action"], one["version"], one["address"]) for one in plan["contracts"]}
    assert done == {name: ("keep", 1, at) for name, at in before.items()} | {"AccessRequests": ("deploy", 2, None)}
    assert deploy.main([*_embedded(tmp_path), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "keep      Consortium: unchanged at " in said
    assert "deploy    AccessRequests, version 2: " in said
    assert f"--update {present}" in said
    assert deploy.main([*_embedded(tmp_path), "--yes", "--update", present]) == 0
    now = json.loads(path.read_text())
    assert {one["name"] for one in now["contracts"] if one["address"] != before[one["name"]]} == {"AccessRequests"}
    assert [one["address"] for one in now["earlier"]] == [before["AccessRequests"]]
    assert verify_deployment.main(_embedded(tmp_path)) == 0


def test_verify__payloads__are_what_explorers_take_and_compile_to_the_code_on_chain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    require("solc")
    folder = tmp_path / "payloads"
    assert deploy.main([*_embedded(tmp_path), "--yes"]) == 0
    capsys.readouterr()
    assert verify_deployment.main([*_embedded(tmp_path), "--payloads", str(folder), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["recompiled"], len(said["payloads"])) == (True, 2 * len(CONTRACTS))
    deployment = json.loads((tmp_path / "deployments/embedded.json").read_text())
    for contract in deployment["contracts"]:
        form = json.loads((folder / f"{contract['name']}.etherscan.json").read_text())
        assert form["contractaddress"] == contract["address"]
        assert form["constructorArguments"] == contract["constructor_arguments"][2:]
        assert form["compilerversion"] == "v" + contract["compiler"]
        assert form["chainid"] == str(deployment["chain_id"])
        body = json.loads((folder / f"{contract['name']}.sourcify.json").read_text())
        assert body["stdJsonInput"] == json.loads(form["sourceCode"])
        assert body["contractIdentifier"] == form["contractname"]
        assert body["creationTransactionHash"] == contract["tx_hash"]


def test_verify__payload_with_other_sources__is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    require("solc")
    assert deploy.main([*_embedded(tmp_path), "--yes"]) == 0
    other = payloads.standard_input()
    unit = other["sources"]["contracts/Consortium.sol"]
    unit["content"] = unit["content"] + "// another comment\n"
    monkeypatch.setattr(payloads, "standard_input", lambda: other)
    assert verify_deployment.main([*_embedded(tmp_path), "--payloads", str(tmp_path / "payloads")]) == 5
    assert "the packaged sources give another code" in capsys.readouterr().err


def test_verify__no_compiler__payloads_are_written_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDSHARE_SOLC", "/nonexistent")
    assert deploy.main([*_embedded(tmp_path), "--yes"]) == 0
    assert verify_deployment.main([*_embedded(tmp_path), "--payloads", str(tmp_path / "payloads")]) == 0
    said = capsys.readouterr()
    assert "not compiled" in said.out
    assert "/nonexistent" in said.err
    assert len(list((tmp_path / "payloads").iterdir())) == 2 * len(CONTRACTS)


def test_verify__untrue_or_missing__is_5_or_4_and_does_not_name_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify_deployment.main(_embedded(tmp_path / "mistyped")) == 4
    assert "no medshare home" in capsys.readouterr().err
    assert not (tmp_path / "mistyped").exists()
    Settings(home=tmp_path).save()
    assert verify_deployment.main(_embedded(tmp_path)) == 4
    assert "scripts/deploy.py" in capsys.readouterr().err
    assert deploy.main([*_embedded(tmp_path), "--yes"]) == 0
    path = tmp_path / "deployments/embedded.json"
    document = json.loads(path.read_text())
    document["contracts"][1]["address"] = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    path.write_text(json.dumps(document))
    capsys.readouterr()
    assert verify_deployment.main([*_embedded(tmp_path), "--json"]) == 5
    said = capsys.readouterr()
    problem = json.loads(said.err)
    assert (said.out, problem["error"]) == ("", "DeploymentMismatchError")
    assert "no code" in problem["message"]
    assert "verify_deployment" not in problem["hint"]


@pytest.fixture
def networks(anvil: AnvilNode, tmp_path: Path) -> Path:
    path = tmp_path / "networks.toml"
    path.write_text(f'[networks.anvil]\nurl = "{anvil.url}"\n')
    return path


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    LocalSigner.from_key(bytes.fromhex(KEY)).save_keystore(path, "open sesame", work=1 << 10)
    return path


def _anvil(networks: Path, home: Path) -> list[str]:
    return ["--network", "anvil", "--networks", str(networks), "--home", str(home)]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What somebody at the keyboard answers to questions for secrets."""
    answers: list[str] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _question: answers.pop(0))
    yield answers
    assert answers == []


@pytest.mark.anvil
def test_deploy__anvil_with_each_kind_of_key__prints_no_key(
    networks: Path,
    keystore: Path,
    typed: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    signer = LocalSigner.from_key(bytes.fromhex(KEY))
    monkeypatch.setenv("DEPLOYER_KEY", KEY)
    passphrase = tmp_path / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text("open sesame\n")
    cases: list[tuple[list[str], list[str]]] = [
        (["--keystore", str(keystore)], ["open sesame"]),
        (["--keystore", str(keystore), "--passphrase-file", str(passphrase)], []),
        (["--key-env", "DEPLOYER_KEY"], []),
        ([], [KEY]),
    ]
    for number, (key, answers) in enumerate(cases):
        typed += answers
        common = _anvil(networks, tmp_path / str(number))
        assert deploy.main([*common, *key, "--yes"]) == 0
        assert typed == []
        assert verify_deployment.main(common) == 0
        said = capsys.readouterr()
        assert signer.address in said.out
        assert KEY not in said.out + said.err


@pytest.mark.anvil
def test_deploy__dry_run_without_a_key__needs_none_and_writes_nothing(
    networks: Path, keystore: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    poor = "0x00000000000000000000000000000000000000AA"
    whose = LocalSigner.from_key(bytes.fromhex(KEY)).address
    for key, says in (
        ([], "deployer  not named"),
        (["--from", poor], f"deployer  {poor}, has 0.000000 ether"),
        (["--keystore", str(keystore)], f"deployer  {whose}, has "),
    ):
        assert deploy.main([*_anvil(networks, home), "--dry-run", *key]) == 0
        said = capsys.readouterr().out
        assert says in said
        assert ("lacks" in said) == (poor in key)
    assert deploy.main([*_anvil(networks, home), "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["deployer"], plan["balance_wei"], plan["gas"] > 0) == (None, None, True)
    assert plan["founding_members"] == [member_signer().address]
    told = {one["name"]: one["constructor_arguments"] for one in plan["contracts"]}
    assert member_signer().address[2:].lower() in told.pop("Consortium")
    assert told.pop("ConsentRegistry") == "0x"
    assert told == dict.fromkeys(("RecordRegistry", "EmergencyAccess", "AccessRequests", "Attestations"))
    assert not home.exists()


@pytest.mark.anvil
def test_deploy__new_account_on_a_development_network__gets_coins(
    networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOYER_KEY", "7e" * 32)
    assert deploy.main([*_anvil(networks, tmp_path / "home"), "--key-env", "DEPLOYER_KEY", "--yes"]) == 0


@pytest.mark.anvil
def test_deploy__second_time__is_refused_before_a_passphrase_is_asked_for(
    networks: Path, keystore: Path, typed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed += ["open sesame"]
    words = [*_anvil(networks, tmp_path / "home"), "--keystore", str(keystore), "--yes"]
    assert deploy.main(words) == 0
    assert typed == []
    assert deploy.main(words) == 1
    assert "--replace " in capsys.readouterr().err


@pytest.mark.anvil
def test_deploy__confirmations__are_shown_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEPLOYER_KEY", KEY)
    networks = tmp_path / "networks.toml"
    with running_anvil("--block-time", "1") as node:
        networks.write_text(f'[networks.anvil]\nurl = "{node.url}"\nconfirmations = 2\n')
        assert deploy.main([*_anvil(networks, tmp_path / "home"), "--key-env", "DEPLOYER_KEY", "--yes"]) == 0
    waited = [line for line in capsys.readouterr().err.splitlines() if line.startswith("waiting   ")]
    assert waited
    assert len(set(waited)) == len(waited) <= len(CONTRACTS)
    assert all(line.endswith(" has 1 of 2 confirmations") for line in waited)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--network", "nowhere"], 4),
        (["--network", "embedded", "--key-env", "NOT_SET_ANYWHERE"], 1),
        (["--network", "embedded", "--keystore", "/nonexistent"], 1),
        (["--network", "embedded", "--networks", "/nonexistent"], 1),
        (["--network", "embedded", "--dry-run", "--from", "0x12"], 2),
        (["--network", "anvil"], 1),
    ],
)
def test_deploy__cannot_be__says_why_and_asks_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert deploy.main([*arguments, "--home", str(tmp_path), "--yes"]) == code
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "hint: " in said or "NOT_SET_ANYWHERE" in said or "not an address" in said


def test_deploy__typed_key_is_none__is_refused_without_quoting_it(
    tmp_path: Path, typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    typed += ["canary"]
    assert deploy.main(["--network", "anvil", "--home", str(tmp_path), "--yes"]) == 1
    said = capsys.readouterr().err
    assert "no key in hex" in said
    assert "canary" not in said


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (EOFError, 1)])
def test_deploy__stopped_at_the_question__sends_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: type[BaseException],
    code: int,
) -> None:
    def stop() -> str:
        raise error

    monkeypatch.setattr("builtins.input", stop)
    assert deploy.main(_embedded(tmp_path)) == code
    assert "stopped" in capsys.readouterr().err
    assert not (tmp_path / "deployments").exists()


def test_deploy__from_without_dry_run__is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        deploy.main([*_embedded(tmp_path), "--from", "0x00000000000000000000000000000000000000AA"])
    assert caught.value.code == 2
    assert "--dry-run" in capsys.readouterr().err


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
