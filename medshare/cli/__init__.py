"""The command line: parse, call one service, print. The one place that exits and the one that prints."""

from __future__ import annotations

import sys

_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; ``medshare`` on the shell does ``sys.exit(main())``."""
    try:
        # Here and not above: who stops it from the keyboard while it is still being read gets no traceback, either.
        from medshare.cli.ending import run
        from medshare.cli.hints import respelled
        from medshare.cli.root import cli
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return _INTERRUPTED
    words = sys.argv[1:] if arguments is None else arguments

    def as_called(hint: str) -> str:
        given = cli.make_context("medshare", [*words], resilient_parsing=True).params
        return respelled(hint, home=given["home"], network=given["network_name"])

    return run(
        # A code is what a command ended with by itself, as doctor does.
        lambda: cli.main(args=words, prog_name="medshare", standalone_mode=False),
        as_json="--json" in words,
        verbose="-v" in words or "--verbose" in words,
        respell=as_called,
    )
