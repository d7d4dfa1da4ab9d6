"""The wheel needs nothing but Python: no checkout, compiler, node or account.

given an empty environment into which the project is installed with `pip install .`
└─ outside the checkout and without node or npm on the path, `medshare demo` runs, and its folder can be gone on with
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import venv
from pathlib import Path

import pytest
from nodes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.install, pytest.mark.timeout(1200)]


def run(*command: str | Path, folder: Path, environment: dict[str, str], seconds: float = 120) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=seconds)
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
    return done.stdout.decode()


def test_wheel__in_an_empty_environment__runs_the_demo_outside_the_checkout(tmp_path: Path) -> None:
    place = tmp_path / "venv"
    venv.create(place, with_pip=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # pip's settings may name a mirror: they are the machine's, and stay. What leads into the checkout does not.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MEDSHARE"))}
    environment.pop("VIRTUAL_ENV", None)
    run(place / "bin" / "pip", "install", "--quiet", ROOT, folder=elsewhere, environment=environment, seconds=900)

    lean = {"PATH": str(place / "bin"), "HOME": str(elsewhere)}
    assert all(shutil.which(tool, path=lean["PATH"]) is None for tool in ("node", "npm", "solc", "anvil"))
    where = run(
        place / "bin" / "python", "-c", "import medshare; print(medshare.__file__)", folder=elsewhere, environment=lean
    )
    assert Path(where.strip()).is_relative_to(place)
    outcome = json.loads(run(place / "bin" / "medshare", "--json", "demo", folder=elsewhere, environment=lean))
    assert outcome["records"] == 13
    assert outcome["refused"] == {"stranger": "no-grant", "researcher": "expired", "specialist": "revoked"}

    home = elsewhere / "medshare-demo"
    lean |= {"MEDSHARE_HOME": str(home), "MEDSHARE_PASSPHRASE_FILE": str(home / "passphrase")}
    records = json.loads(
        run(
            place / "bin" / "medshare",
            "--json",
            "record",
            "list",
            "--patient",
            "patient",
            folder=elsewhere,
            environment=lean,
        )
    )
    assert len(records) == 13
    assert "BAD" not in run(place / "bin" / "medshare", "doctor", folder=elsewhere, environment=lean)
