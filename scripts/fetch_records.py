"""Fetch every record that patients have granted you for a purpose, verified (for researchers).

Each record becomes a file; dataset.json beside them says what was obtained, under which grant, and until when. Give the
same command again to go on after an interruption: files that are there and complete are passed over.

    python scripts/fetch_records.py --as me --purpose HRESCH --to dataset/
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import medshare
from medshare.errors import LedgerUnavailableError, MedshareError, StoreFullError, StoreUnavailableError
from medshare.files import private_folder, write_whole
from medshare.keyring import read_passphrase
from medshare.model.purpose import Purpose


def main(arguments: list[str] | None = None) -> int:
    """Fetch the records; return 0 if all came, 1 if the work broke off, 3 if a record did not come."""
    options = _options().parse_args(arguments)
    obtained: list[dict[str, object]] = []
    refused = 0
    try:
        purpose = Purpose.parse(options.purpose)
        folder = private_folder(options.to)
        with medshare.connect(options.home, network=options.network) as session:
            reader = session.keyring.open(options.reader, lambda _: read_passphrase(options.passphrase_file))
            readable = session.retrieving.readable(reader=reader, purpose=purpose)
            if readable.unreadable:
                print(f"{len(readable.unreadable)} grants passed over: their bundles cannot be read", file=sys.stderr)
            for record in readable.records:
                target = folder / record.record_id.hex()
                try:
                    opened = session.retrieving.open(record, reader=reader, purpose=purpose)
                    # A file is there only if it was whole and verified; its name is the record's id.
                    if not target.exists():
                        opened.save(target)
                except (LedgerUnavailableError, StoreUnavailableError, StoreFullError):
                    raise
                except MedshareError as error:
                    # One record that is withdrawn, damaged or made up keeps nobody from the others.
                    print(f"{record.record_id.hex()}: {error}", file=sys.stderr)
                    refused += 1
                    continue
                grant = opened.decision.grant
                obtained.append(
                    {
                        "file": target.name,
                        "bytes": opened.manifest.size,
                        "media_type": opened.manifest.media_type,
                        "category": opened.manifest.category.value,
                        "clinical_date": opened.manifest.clinical_date,
                        "patient": opened.entry.patient,
                        "custodian": opened.entry.custodian,
                        "grant": hex(grant.grant_id) if grant else None,
                        "usable_until": _moment(grant.expires_at) if grant else None,
                    }
                )
                if not options.json:
                    print(f"{target.name}  {opened.manifest.size:>12,} bytes  {opened.manifest.category.value}")
        write_whole(folder / "dataset.json", json.dumps(obtained, indent=2).encode(), replace=True)
    except MedshareError as error:
        print(f"error: {error}\nhint: {error.hint}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(obtained, indent=2))
    else:
        print(f"{len(obtained)} records in {folder}")
    return 3 if refused else 0


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as", dest="reader", required=True, metavar="NAME", help="your identity")
    parser.add_argument("--purpose", default="HRESCH", help="HL7 PurposeOfUse (default: HRESCH, research)")
    parser.add_argument("--to", type=Path, required=True, help="folder for the records")
    parser.add_argument("--home", type=Path, help="medshare's folder (default: MEDSHARE_HOME)")
    parser.add_argument("--network", help="network, in place of the one in the settings")
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        default=os.environ.get("MEDSHARE_PASSPHRASE_FILE"),
        required="MEDSHARE_PASSPHRASE_FILE" not in os.environ,
        help="file with the identity's passphrase (default: MEDSHARE_PASSPHRASE_FILE)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
