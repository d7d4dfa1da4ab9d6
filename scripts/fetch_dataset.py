"""Fetch every record that the patients of a study permit, verified (for researchers).

What was delivered for a request, and is permitted now, becomes files in a folder, one for each record; dataset.json
beside them says what was obtained, under which grant, with which duties, until when, and what may no longer be used
(revoked, expired, retracted), and why. Give the same command again to go on after an interruption, and from time to
time: files that are there and right are passed over, others are fetched again.

    python scripts/fetch_dataset.py REQUEST --as me --to dataset/

Exit codes, as everywhere in medshare (docs/errors.md): 0 done, although nothing may have been delivered yet; 1 error;
2 wrong usage; 3 nothing may be fetched, for every grant has ended, or it is another's request, or a passphrase was
wrong; 4 something is not there; 5 something is not what it should be: do not use it; 6 try again; 130 stopped. Where
records fail in several ways it is the highest; the others have come.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from acting import acting
from dataset import GRANTED, Dataset, Permitted, state_of
from script_options import add_common, add_request, parser_of

import medshare
from medshare.cli.console import moment
from medshare.cli.ending import ExitCode, exit_code, run
from medshare.errors import AccessDeniedError, RequestNotAllowedError
from medshare.files import private_folder
from medshare.model.grant import Grant
from medshare.model.ids import RecordId
from medshare.model.purpose import PurposeOfUse
from medshare.model.study import Study
from medshare.ports import Actor
from medshare.services.auditing import GrantStanding
from medshare.services.request_book import Part, RequestStanding
from medshare.services.retrieving import OpenRecord, PendingRecord


def main(arguments: list[str] | None = None) -> int:
    """Fetch the data set; return the exit code."""
    options = _options().parse_args(arguments)
    return run(lambda: fetch_dataset(options), as_json=options.json)


def fetch_dataset(options: argparse.Namespace) -> int:
    """Bring the folder up to what is permitted now, and say in dataset.json what is in it; return the exit code."""
    with medshare.connect(options.home, network=options.network) as session:
        reader = acting(session, options.reader, options.passphrase_file)
        standing = session.requesting.request(options.request)
        if standing.request.requester != reader.address:
            raise RequestNotAllowedError(reader.address)
        study = session.requesting.study(standing.request, reader=reader)
        about = {
            "network": session.settings.network,
            "reader": reader.address,
            "request": standing.request.request_id,
            "purposes": [purpose.value for purpose in study.wanted.purposes],
        }
        dataset = Dataset.load(private_folder(options.to), about)
        granted = _grants(session, standing)
        dataset.update(session, list(granted.values()), study.purposes)
        dataset.more = {
            "title": study.title,
            "participants": [_participant(session, part, granted.get(part.patient), study) for part in standing.parts],
        }
        codes = [ExitCode.DONE]
        try:
            for part in standing.parts:
                if part.delivered is not None and part.patient in granted:
                    grant = granted[part.patient].grant
                    codes += _take_all(session, dataset, grant, reader, study, quiet=options.json)
        finally:
            dataset.save()
    _report(dataset, as_json=options.json)
    if _all_ended(dataset):
        codes.append(ExitCode.DENIED)
    return max(codes)


def _grants(session: medshare.Session, standing: RequestStanding) -> dict[str, GrantStanding]:
    """Return the grants by which patients accepted the request, by patient, as they stand."""
    contract = session.ledger.requests.address
    wanted = {part.grant_id(contract): part.patient for part in standing.parts}
    found = session.auditing.grants(grantee=standing.request.requester)
    return {wanted[each.grant.grant_id]: each for each in found if each.grant.grant_id in wanted}


def _participant(session: medshare.Session, part: Part, granted: GrantStanding | None, study: Study) -> dict[str, Any]:
    """Return what dataset.json says of one who accepted."""
    now = session.signing.now
    state, ended_at = ("no-grant", None) if granted is None else state_of(granted, study.purposes, now)
    return {
        "patient": part.patient,
        "custodian": part.reserved.custodian,
        "delivery": "declined" if part.declined is not None else part.status.name.lower(),
        "grant": None if granted is None else hex(granted.grant.grant_id),
        "state": state,
        "usable_until": None if granted is None else moment(granted.grant.expires_at),
        "ended_at": moment(ended_at),
    }


def _take_all(
    session: medshare.Session, dataset: Dataset, grant: Grant, reader: Actor, study: Study, *, quiet: bool
) -> list[ExitCode]:
    """Fetch what one patient permits, by the grant with which he accepted; return the exit codes."""
    codes = []
    possible: dict[RecordId, list[tuple[PurposeOfUse, PendingRecord]]] = {}
    for purpose in study.wanted.purposes:
        pending = session.retrieving.pending(grant.patient, reader=reader, purpose=purpose)
        for each in pending.records:
            possible.setdefault(each.entry.record_id, []).append((purpose, each))
        for unreadable, error in pending.unreadable:
            if unreadable == grant.grant_id:
                dataset.refuse({"patient": grant.patient, "grant": hex(unreadable)}, error)
                codes.append(exit_code(error))
    for record_id, for_purposes in possible.items():
        opening = partial(_permitted, for_purposes, grant)
        codes.append(dataset.take(session, record_id, opening, tell=lambda line: None if quiet else print(line)))
    return codes


def _permitted(for_purposes: list[tuple[PurposeOfUse, PendingRecord]], grant: Grant) -> Permitted | None:
    """Return a record that this grant permits for some of the purposes; None where it does so for none."""
    found: list[OpenRecord] = []
    purposes: list[str] = []
    for purpose, pending in for_purposes:
        try:
            opened = pending.open()
        except AccessDeniedError:
            continue  # by what only its manifest tells; or it came after the keys were released
        if any(ref.grant_id == grant.grant_id for ref in opened.decision.decided_by):
            found.append(opened)
            purposes.append(purpose.value)
    if not found:
        return None
    duties = dict.fromkeys(duty.in_words() for opened in found for duty in opened.decision.obligations)
    return Permitted(opened=found[0], grant=grant, also={"purposes": purposes, "obligations": list(duties)})


def _report(dataset: Dataset, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(dataset.document(), indent=2))
        return
    delivered = _delivered(dataset)
    ended = [each for each in delivered if each["state"] != GRANTED]
    waiting = sum(each["delivery"] == "reserved" for each in dataset.more["participants"])
    print(
        dataset.summary(f"nothing of request {dataset.about['request']} may be used: {len(delivered)} were delivered")
    )
    if waiting:
        print(f"{waiting} who accepted are not delivered yet")
    if ended:
        print(f"{len(ended)} of {len(delivered)} who were delivered permit nothing any more:")
    for each in ended:
        print(f"  {each['patient']}: {each['state']}" + (f" {each['ended_at']}" if each["ended_at"] else ""))


def _delivered(dataset: Dataset) -> list[dict[str, Any]]:
    return [each for each in dataset.more["participants"] if each["delivery"] not in ("reserved", "declined")]


def _all_ended(dataset: Dataset) -> bool:
    """Whether there was something to fetch, and none of it may be fetched any more."""
    delivered = _delivered(dataset)
    return bool(delivered) and all(each["state"] != GRANTED for each in delivered)


def _options() -> argparse.ArgumentParser:
    parser = parser_of(__doc__)
    add_request(parser)
    parser.add_argument("--as", dest="reader", required=True, metavar="NAME", help="your identity, which asked")
    parser.add_argument("--to", type=Path, required=True, help="folder for the records, one for each request")
    add_common(parser, prints="print what dataset.json says")
    return parser


if __name__ == "__main__":
    sys.exit(main())
