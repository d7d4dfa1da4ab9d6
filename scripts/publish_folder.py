"""Publish every FHIR resource of a folder as a patient's records (for integrators).

Give the same command again after an interruption: what is published is passed over. Files that are not FHIR resources
are reported and do not stop the rest.

    python scripts/publish_folder.py FOLDER --as hospital --patient 0x...
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import medshare
from medshare.errors import InvalidInputError, MedshareError
from medshare.keyring import read_passphrase
from medshare.services.publishing import Description
from medshare.standards import fhir


def main(arguments: list[str] | None = None) -> int:
    """Publish the folder; return 0 if all of it is published, 1 if a file was refused or the work broke off."""
    options = _options().parse_args(arguments)
    rows: list[dict[str, str]] = []
    try:
        if not options.folder.is_dir():
            raise InvalidInputError("there is no such folder", hint="check the path")
        with medshare.connect(options.home, network=options.network) as session:
            custodian = session.keyring.open(options.custodian, lambda _: read_passphrase(options.passphrase_file))
            patient = session.keyring.resolve(options.patient)
            for path in sorted(options.folder.glob("*.json")):
                try:
                    document = path.read_bytes()
                    found = fhir.describe(document)
                except (InvalidInputError, OSError) as error:
                    why = error.strerror if isinstance(error, OSError) else str(error)
                    rows.append({"file": path.name, "refused": why or "it cannot be read"})
                    continue
                published = session.publishing.publish(
                    document,
                    custodian=custodian,
                    patient=patient,
                    description=Description(
                        media_type=fhir.MEDIA_TYPE,
                        category=found.category,
                        resource_type=found.resource_type,
                        clinical_date=found.clinical_date,
                    ),
                )
                rows.append({"file": path.name, "record": published.record_id.hex(), "cid": str(published.cid)})
    except MedshareError as error:
        print(f"error: {error}\nhint: {error.hint}", file=sys.stderr)
        return 1
    finally:
        _print(rows, as_json=options.json)
    return 1 if any("refused" in row for row in rows) else 0


def _print(rows: list[dict[str, str]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(f"{row['file']}: {row.get('record') or 'refused, ' + row['refused']}")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with FHIR resources, one JSON file each")
    parser.add_argument("--as", dest="custodian", required=True, metavar="NAME", help="the custodian's identity")
    parser.add_argument("--patient", required=True, metavar="WHO", help="name or address of the patient")
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
