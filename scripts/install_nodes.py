"""Build geth and Kubo from the Go module proxy into the user's cache folder, unless they are there already.

Prints where the programs are. Needs Go; takes some minutes the first time, and nothing after that: a folder's name
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

from medshare.network.binaries import PROGRAMS, NodeProgram


def main(arguments: list[str] | None = None) -> int:
    """Build the programs that are missing; return 0 if all that were asked for are there then."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"{' or '.join(PROGRAMS)}; default: all")
    named = parser.parse_args(arguments).programs
    if unknown := [name for name in named if name not in PROGRAMS]:
        parser.error(f"there is no program {unknown[0]!r}, only {' and '.join(PROGRAMS)}")
    for program in (PROGRAMS[name] for name in named or PROGRAMS):
        if not program.built.exists():
            if shutil.which("go") is None:
                print(f"{program.name} is built with Go, which is not on the path", file=sys.stderr)
                return 1
            print(f"building {program.name} {program.version}, this takes a few minutes", file=sys.stderr)
            try:
                build(program)
            except subprocess.CalledProcessError as error:
                print(f"{program.name} was not built: {error}", file=sys.stderr)
                return 1
        print(program.built)
    return 0


def build(program: NodeProgram) -> None:
    """Build a program in its own module, so that its own go.sum pins every dependency; place it whole or not at all."""
    go = shutil.which("go") or "go"
    # No C compiler is needed, and what is built runs wherever the cache folder is carried to.
    environment = {**os.environ, "CGO_ENABLED": "0"}
    found = subprocess.run(
        [go, "mod", "download", "-json", f"{program.module}@v{program.version}"],
        check=True,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=tempfile.gettempdir(),
    )
    program.built.parent.mkdir(parents=True, exist_ok=True)
    draft = program.built.with_name(f"{program.program}.{os.getpid()}")
    try:
        subprocess.run(
            [go, "build", "-trimpath", *program.build_flags, "-o", str(draft), program.package],
            check=True,
            env=environment,
            cwd=json.loads(found.stdout)["Dir"],
        )
        draft.replace(program.built)
    finally:
        draft.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
