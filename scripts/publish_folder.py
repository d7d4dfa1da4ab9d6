"""Publish every FHIR resource, HL7 v2 message and DICOM object of a folder as records (for integrators).

Each *.json, *.hl7 and *.dcm file is checked and becomes a record; a Bundle that only carries resources and a batch of
messages become a record for each. Where they are about several patients, name who is who in a CSV file with the columns
reference and patient: --patients FILE. Give the same command again after an interruption, or when files have come: what
is published is not published twice. A file that was changed becomes a record of its own; to put it in the place of the
earlier one use: medshare record publish FILE --supersedes RECORD. What is not what its name says, or does not conform,
is refused by name and does not stop the rest; medshare record check FILE says all that is wrong with it.

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
from medshare.errors import InvalidInputError, MedshareError
from medshare.ingesting import Arrived, Assigned, OnePatient, Patients, Said, read_mapping
from medshare.services.registering import ENDS_ALL
from medshare.standards import dicom, fhir, hl7v2

MEDIA_TYPES = {".json": fhir.MEDIA_TYPE, ".hl7": hl7v2.MEDIA_TYPE, ".dcm": dicom.MEDIA_TYPE}


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
        account = session.keyring.resolve(options.patient) if options.patient else None
        if options.patients:
            assigned = read_mapping(options.patients, session.keyring.resolve)
            patients: Patients = Assigned(by_reference=assigned, otherwise=account)
        elif account:
            patients = OnePatient(account)
        else:
            raise InvalidInputError("whose records are they?", hint="say --patient or --patients")
        try:
            for path in sorted(each for each in options.folder.iterdir() if each.suffix in MEDIA_TYPES):
                said = Said(media_type=MEDIA_TYPES[path.suffix])
                try:
                    several = session.ingesting.ingest(path, custodian=custodian, patients=patients, said=said)
                    rows.extend(_row(path, arrived) for arrived in several)
                except ENDS_ALL:
                    raise
                except MedshareError as error:
                    rows.append({"file": path.name, "refused": str(error)})
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


def _row(path: Path, arrived: Arrived) -> dict[str, str | bool]:
    name = f"{path.name} {arrived.place}".rstrip()
    if arrived.published is None:
        return {"file": name, "refused": str(arrived.refusal)}
    return {
        "file": name,
        "record": arrived.published.record_id.hex(),
        "cid": str(arrived.published.cid),
        "already_published": arrived.published.already,
    }


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
    parser.add_argument("folder", type=Path, help="folder with *.json (FHIR R4), *.hl7 and *.dcm files")
    parser.add_argument("--as", dest="custodian", required=True, metavar="NAME", help="the custodian's identity")
    parser.add_argument("--patient", metavar="WHO", help="name or address of the patient")
    parser.add_argument("--patients", type=Path, metavar="FILE", help="CSV file: reference,patient")
    add_common(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
