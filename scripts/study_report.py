"""Tell where the money of a study is and who takes part, from the chain (for researchers, auditors, and the curious).

What was deposited, spent, reserved and given back, to the last unit; each participant with the state and the end of his
grant. It takes no key: all of it is public. With --as the study's own words are told, where it is for named patients.

    python scripts/study_report.py REQUEST

Exit codes, as everywhere in medshare (docs/errors.md): 0 done; 1 error; 2 wrong usage; 3 wrong passphrase; 4 there is
no such request; 5 the money does not add up; 6 try again; 130 stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from dataset import state_of
from script_options import add_common, add_request, parser_of

import medshare
from medshare.cli.asking import passphrase_of
from medshare.cli.console import moment, one_line
from medshare.cli.ending import ExitCode, run
from medshare.errors import MedshareError, StoreUnavailableError
from medshare.model.events import RewardPaid, RewardReturned
from medshare.model.request import NATIVE
from medshare.services.request_book import Part, RequestStanding
from medshare.services.rewarding import RequestAccount

_WHERE_TO = (
    *("to_patients", "to_custodians", "to_consortium", "refunded"),
    *("held_for_deliveries", "reserved", "free"),
)

_UNSAID = {"study": "- (sealed, or gone: --as says who reads it)", "accredited_by": "nobody now"}


def main(arguments: list[str] | None = None) -> int:
    """Tell how a study stands; return the exit code."""
    options = _options().parse_args(arguments)
    return run(lambda: report(options), as_json=options.json)


def report(options: argparse.Namespace) -> int:
    """Print the report; return the exit code."""
    with medshare.connect(options.home, network=options.network) as session:
        standing = session.requesting.request(options.request)
        request = standing.request
        found = {
            "request": request.request_id,
            "study": _title(session, standing, options),
            "state": standing.state(session.signing.now).value,
            "requester": request.requester,
            "accredited_by": session.requesting.accredited_by(request.requester),
            "deadline": moment(request.terms.deadline),
            "access_until": moment(request.access_until),
            "token": None if request.terms.token == NATIVE else request.terms.token,
            "reward": request.terms.reward,
            "grants": request.terms.grants,
            "money": _money(session.rewarding.account_of(request.request_id)),
            "participants": _participants(session, standing),
        }
        names: dict[Any, str] = dict(session.keyring.known())
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        _print(found, names)
    return ExitCode.DONE


def _title(session: medshare.Session, standing: RequestStanding, options: argparse.Namespace) -> str | None:
    """Return what the study is called, as far as it can be read."""
    reader = None
    if options.reader is not None:
        reader = session.keyring.open(options.reader, lambda name: passphrase_of(name, options.passphrase_file))
    try:
        return session.requesting.study(standing.request, reader=reader).title
    except StoreUnavailableError:
        raise
    except MedshareError:
        return None  # sealed, or gone: the chain tells the rest


def _money(account: RequestAccount) -> dict[str, int]:
    """Return where the money is; ``account_of`` has seen to it that it adds up."""
    return {
        "deposited": account.deposited,
        "to_patients": account.to_patients,
        "to_custodians": account.to_custodians,
        "to_consortium": account.to_consortium,
        "spent": account.paid,
        "refunded": account.returned,
        "held_for_deliveries": account.earning,
        "reserved": account.reserved,
        "free": account.free,
    }


def _participants(session: medshare.Session, standing: RequestStanding) -> list[dict[str, Any]]:
    contract = session.ledger.requests.address
    granted = {each.grant.grant_id: each for each in session.auditing.grants(grantee=standing.request.requester)}
    rows = []
    for part in standing.parts:
        grant_id = part.grant_id(contract)
        access, ended_at, until = "no-grant", None, None
        if grant_id in granted:
            stands = granted[grant_id]
            access, ended_at = state_of(stands, standing.request.terms.purposes, session.signing.now)
            until = stands.grant.expires_at
        rows.append(
            {
                "patient": part.patient,
                "custodian": part.reserved.custodian,
                "delivery": "declined" if part.declined is not None else part.status.name.lower(),
                **_settled(part),
                "grant": hex(grant_id),
                "access": access,
                "until": moment(ended_at or until),
            }
        )
    return rows


def _settled(part: Part) -> dict[str, int]:
    """Return what became of one reward."""
    match part.settled:
        case RewardPaid() as paid:
            shares = (paid.to_patient, paid.to_custodian, paid.to_consortium, paid.to_requester)
        case RewardReturned():
            shares = (0, 0, 0, part.request.terms.reward)
        case _:
            shares = (0, 0, 0, 0)
    return dict(zip(("to_patient", "to_custodian", "to_consortium", "refunded"), shares, strict=True))


def _print(found: dict[str, Any], names: dict[Any, str]) -> None:
    """Print the report for a person; ``names`` are those of the keyring, by address."""
    for what in ("request", "study", "state", "requester", "accredited_by", "deadline", "access_until"):
        said = found[what]
        print(one_line(f"{what.replace('_', ' '):<14} {names.get(said, said) if said is not None else _UNSAID[what]}"))
    money, participants = found["money"], found["participants"]
    unit = "wei of the chain's own coin" if found["token"] is None else f"units of token {found['token']}"
    paid = sum(row["delivery"] == "paid" for row in participants)
    print(f"\nmoney, in {unit}: {found['grants']} rewards of {found['reward']}")
    _table(
        [
            ("in", "deposited by the requester", money["deposited"]),
            ("out", f"spent: to {paid} patients", money["to_patients"]),
            ("", "spent: to their custodians", money["to_custodians"]),
            ("", "spent: to the consortium", money["to_consortium"]),
            ("", "refunded to the requester", money["refunded"]),
            ("held", "delivered, not settled", money["held_for_deliveries"]),
            ("", "reserved, not delivered", money["reserved"]),
            ("", "free", money["free"]),
            ("in - out - held", "", money["deposited"] - sum(money[each] for each in _WHERE_TO)),
        ]
    )
    print(f"\n{len(participants)} have accepted")
    if participants:
        head = {"until": "access until", "to_patient": "to patient", "to_custodian": "to custodian"}
        columns = ("patient", "custodian", "delivery", "access", "until", "to_patient", "to_custodian", "refunded")
        rows = [tuple(names.get(row[each], row[each]) for each in columns) for row in participants]
        _table([tuple(head.get(each, each) for each in columns), *rows])


def _table(rows: Sequence[Sequence[object]]) -> None:
    """Print rows in columns, numbers to the right."""
    texts = [[f"{each:,}" if isinstance(each, int) else one_line(str(each or "")) for each in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row, said in zip(rows, texts, strict=True):
        cells = [
            text.rjust(width) if isinstance(value, int) else text.ljust(width)
            for value, text, width in zip(row, said, widths, strict=True)
        ]
        print(f"  {'  '.join(cells)}".rstrip())


def _options() -> argparse.ArgumentParser:
    parser = parser_of(__doc__)
    add_request(parser)
    parser.add_argument("--as", dest="reader", metavar="NAME", help="who reads a study that is for named patients")
    add_common(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
