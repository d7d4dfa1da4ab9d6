"""Options that the scripts have in common, said and read in the same way everywhere."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from medshare.model.ids import RequestId
from medshare.model.request import MAX_REQUEST_ID

_NUMBER = re.compile(r"[0-9]{1,19}")


def parser_of(documentation: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help is a script's own documentation."""
    return argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)


def add_common(parser: argparse.ArgumentParser, *, prints: str = "print JSON") -> None:
    """Add what every script takes; ``prints`` is what ``--json`` does."""
    parser.add_argument("--home", type=Path, help="medshare's folder (default: MEDSHARE_HOME)")
    parser.add_argument("--network", help="network, in place of the one in the settings")
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        default=os.environ.get("MEDSHARE_PASSPHRASE_FILE") or None,
        help="file with the identity's passphrase (default: MEDSHARE_PASSPHRASE_FILE, else it is asked for)",
    )
    parser.add_argument("--json", action="store_true", help=prints)


def add_request(parser: argparse.ArgumentParser) -> None:
    """Add the number of a request."""
    parser.add_argument("request", type=_request_id, metavar="REQUEST", help="the request's number")


def _request_id(text: str) -> RequestId:
    if not _NUMBER.fullmatch(text) or not 0 < int(text) <= MAX_REQUEST_ID:
        raise argparse.ArgumentTypeError("a request is named by its number; see: medshare request list")
    return RequestId(int(text))
