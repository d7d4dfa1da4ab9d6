"""Build Kubo from the Go module proxy into the user's cache folder, unless it is there already.

Prints where the program is. Needs Go; takes a few minutes the first time, and nothing after that: the folder's name
holds the version, so a fresh checkout finds what another one built.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from platformdirs import user_cache_path

VERSION = "0.43.0"
MODULE = "github.com/ipfs/kubo"


def main(arguments: list[str] | None = None) -> int:
    """Build Kubo where it is missing; return 0 if it is there then."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(arguments)
    target = kubo_path()
    if not target.exists():
        if shutil.which("go") is None:
            print("Kubo is built with Go, which is not on the path", file=sys.stderr)
            return 1
        print(f"building Kubo {VERSION}, this takes a few minutes", file=sys.stderr)
        build(target)
    print(target)
    return 0


def kubo_path() -> Path:
    """Return where Kubo of this version is, or would be."""
    return user_cache_path("medshare") / f"kubo-{VERSION}" / "ipfs"


def build(target: Path) -> None:
    """Build Kubo in its own module, so that its own go.sum pins every dependency; place it whole or not at all."""
    go = shutil.which("go") or "go"
    environment = {**os.environ, "CGO_ENABLED": "0"}
    found = subprocess.run(
        [go, "mod", "download", "-json", f"{MODULE}@v{VERSION}"],
        check=True,
        capture_output=True,
        env=environment,
        cwd=tempfile.gettempdir(),
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"ipfs.{os.getpid()}")
    subprocess.run(
        [go, "build", "-trimpath", "-o", str(draft), "./cmd/ipfs"],
        check=True,
        env=environment,
        cwd=json.loads(found.stdout)["Dir"],
    )
    draft.replace(target)


if __name__ == "__main__":
    sys.exit(main())
