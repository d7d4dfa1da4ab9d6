"""Fetch every record that patients have granted you for a purpose, verified (for researchers).

Each record becomes a file; dataset.json beside them says what was obtained, under which grant, until when, and what may
no longer be used. Give the same command again to go on after an interruption, and from time to time to learn what was
revoked, has expired or was superseded: files that are there and right are passed over, others are fetched again.

    python scripts/fetch_records.py --as me --purpose HRESCH --to dataset/

Exit codes, as everywhere in medshare (docs/errors.md): 0 done, although nothing may have been granted; 1 error; 2 wrong
usage; 3 a record, or your passphrase, was refused; 4 something is not there; 5 something is not what it should be: do
not use it; 6 try again; 130 stopped. Where records fail in several ways it is the highest; the others have come.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from acting import acting
from dataset import GRANTED, Dataset, Permitted
from script_options import add_common, parser_of

import medshare
from medshare.cli.ending import ExitCode, run
from medshare.files import private_folder
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import RecordRef
from medshare.ports import Actor


def main(arguments: list[str] | None = None) -> int:
    """Fetch the records; return the exit code."""
    options = _options().parse_args(arguments)
    return run(lambda: fetch_all(options), as_json=options.json)


def fetch_all(options: argparse.Namespace) -> int:
    """Bring the folder up to what is granted now, and say in dataset.json what is in it; return the exit code."""
    purpose = PurposeOfUse.parse(options.purpose)
    codes = [ExitCode.DONE]
    with medshare.connect(options.home, network=options.network) as session:
        reader = acting(session, options.reader, options.passphrase_file)
        about = {"network": session.settings.network, "reader": reader.address, "purposes": [purpose]}
        dataset = Dataset.load(private_folder(options.to), about)
        dataset.update(session, session.auditing.grants(grantee=reader.address), purpose.coarse)
        readable = session.retrieving.readable(reader=reader, purpose=purpose)
        try:
            for record in readable.records:
                if dataset.is_retracted(record.record_id):
                    continue
                codes.append(
                    dataset.take(
                        session,
                        record.record_id,
                        partial(permitted, session, record, reader, purpose),
                        tell=lambda line: None if options.json else print(line),
                    )
                )
        finally:
            dataset.save()
    if options.json:
        print(json.dumps(dataset.document(), indent=2))
    else:
        print(dataset.summary(f"nothing is granted for {purpose}: {why(dataset)}"))
    if readable.unreadable:
        print(f"{len(readable.unreadable)} grants passed over: their bundles cannot be read", file=sys.stderr)
    return max(codes)


def permitted(session: medshare.Session, record: RecordRef, reader: Actor, purpose: PurposeOfUse) -> Permitted:
    """Open a record after every check; return it with the grant by which it may be read."""
    opened = session.retrieving.open(record, reader=reader, purpose=purpose)
    return Permitted(opened=opened, grant=opened.decision.grant)


def why(dataset: Dataset) -> str:
    """Return why nothing may be used, as far as the chain tells."""
    reader = dataset.about["reader"]
    if not dataset.grants:
        return f"nobody has granted anything to {reader}; give patients this address"
    if dataset.grants[GRANTED]:
        return f"{dataset.grants[GRANTED]} live grants to {reader}, and no record of them could be had"
    states = ", ".join(f"{number} {state}" for state, number in sorted(dataset.grants.items()))
    return f"of the grants to {reader}: {states}"


def _options() -> argparse.ArgumentParser:
    parser = parser_of(__doc__)
    parser.add_argument("--as", dest="reader", required=True, metavar="NAME", help="your identity")
    parser.add_argument("--purpose", default="HRESCH", help="HL7 PurposeOfUse (default: HRESCH, research)")
    parser.add_argument("--to", type=Path, required=True, help="folder for the records, one for each purpose")
    add_common(parser, prints="print what dataset.json says")
    return parser


if __name__ == "__main__":
    sys.exit(main())
