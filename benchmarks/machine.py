"""What figures were measured on: enough to judge them, and nothing that names the machine, its user or its folders."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WRITTEN_ELSEWHERE = (":!benchmarks/results", ":!docs")
"""What a run itself writes: its first parts must not make the sources of the next ones look changed."""
LIBRARIES = ("coincurve", "crypt4gh", "cryptography", "eth-account", "eth-tester", "matplotlib", "py-evm", "web3")


def describe() -> dict[str, Any]:
    """Return cores, kernel, versions and the commit."""
    return {
        "commit": _commit(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        "processor": platform.machine(),
        "python": platform.python_version(),
    }


def _asked(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str:
    """Return the commit, with a plus sign where sources differ from it; an empty text outside of a repository."""
    try:
        commit = _asked("rev-parse", "--short=10", "HEAD")
        return commit + ("+" if _asked("status", "--porcelain", *WRITTEN_ELSEWHERE) else "")
    except (OSError, subprocess.CalledProcessError):
        return ""
