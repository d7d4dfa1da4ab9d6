"""Publish every FHIR resource of a folder as a patient's records (for integrators).

Each *.json file becomes a record. Give the same command again after an interruption, or when files have come: what is
published is not published twice. A file that was changed becomes a record of its own; to put it in the place of the
earlier one use: medshare record publish FILE --supersedes RECORD. Files that are not FHIR resources are refused by name
and do not stop the rest.

    python scripts/publish_folder.py FOLDER --as hospital --patient 0x...

Exit codes, as everywhere in medshare (docs/errors.md): 0 all of it is published; 2 a file was refused (the rest is
published), or wrong usage; 3 wrong passphrase; 4 an identity, a key or a network is not there; 5 integrity; 6 try
again; 1 another error; 130 stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from script_options import add_common, parser_of

import medshare
from medshare.cli.asking import passphrase_of
from medshare.cli.console import one_line
from medshare.cli.ending import ExitCode, run
from medshare.errors import InvalidInputError
from medshare.services.publishing import Description
from medshare.standards import fhir


def main(arguments: list[str] | None = None) -> int:
    """Publish the folder; return the exit code."""
    options = _options().parse_args(arguments)
    return run(lambda: publish_all(options), as_json=options.json)


def publish_all(options: argparse.Namespace) -> int:
    """Publish each file of the folder; return the exit code."""
    if not options.folder.is_dir():
        raise InvalidInputError("there is no such folder", hint="check the path")
    rows: list[dict[str, str | bool]] = []
    with medshare.connect(options.home, network=options.network) as session:
        custodian = session.keyring.open(options.custodian, lambda name: passphrase_of(name, options.passphrase_file))
        patient = session.keyring.resolve(options.patient)
        try:
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
                rows.append(
                    {
                        "file": path.name,
                        "record": published.record_id.hex(),
                        "cid": str(published.cid),
                        "already_published": published.already,
                    }
                )
        finally:
            # What was done is told whatever stops it.
            _print(rows, as_json=options.json)
            if session.shortfalls:
                print(
                    f"warning: {len(session.shortfalls)} of them are pinned by fewer storage nodes than wanted; "
                    "later: medshare storage repair",
                    file=sys.stderr,
                )
    return ExitCode.USAGE if any("refused" in row for row in rows) else ExitCode.DONE


def _print(rows: list[dict[str, str | bool]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    count = Counter[str]()
    for row in rows:
        what = "refused" if "refused" in row else "there already" if row["already_published"] else "new"
        count[what] += 1
        print(one_line(f"{row['file']}: {what}, {row.get('record') or row['refused']}"))
    print(f"{count['new']} new, {count['there already']} published before and unchanged, {count['refused']} refused")


def _options() -> argparse.ArgumentParser:
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, help="folder with FHIR resources, one in each *.json file")
    parser.add_argument("--as", dest="custodian", required=True, metavar="NAME", help="the custodian's identity")
    parser.add_argument("--patient", required=True, metavar="WHO", help="name or address of the patient")
    add_common(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
