"""Ask patients for access: study file in, request id out (for researchers).

Opens a request for the study, after showing what it deposits; a study that was opened before is taken up, not opened
again. Then it tells how far the request has come. Give the same command again at any time, after any interruption.

    python scripts/request_access.py study.json --as me                               # an open call
    python scripts/request_access.py study.json --as me --patient 0x… --patient 0x…   # named patients
    python scripts/request_access.py study.json --as me --wait --confirm              # until all is settled

With --confirm every delivery is opened, and confirmed if all of it verifies: its reward is paid. What does not verify
is told, and can be disputed. docs/requests.md has the fields of a study.

Exit codes, as everywhere in medshare (docs/errors.md): 0 done; 1 error, or nothing was opened; 2 wrong usage or study;
3 not accredited, wrong passphrase, or a delivery that was revoked; 4 something is not there; 5 a delivery is not what
it should be; 6 try again; 130 stopped. Where deliveries fail in several ways it is the highest; the others are
confirmed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acting import find
from script_options import add_common, parser_of

import medshare
from medshare.cli.asking import passphrase_of
from medshare.cli.console import moment
from medshare.cli.ending import ExitCode, exit_code, run
from medshare.cli.request import read_names, read_study
from medshare.cli.sending import confirmed
from medshare.errors import (
    DeliveryGoneError,
    GrantNotLiveError,
    InvalidInputError,
    MedshareError,
    StoreUnavailableError,
)
from medshare.model.describing import Line
from medshare.model.ids import Address, RequestId
from medshare.model.request import NATIVE, AccessRequest, ReservationStatus
from medshare.model.study import Study
from medshare.model.telling import moment as told_moment
from medshare.ports import Actor
from medshare.services.request_book import Part, RequestStanding, RequestState
from medshare.services.request_words import category_in_words

_UNSETTLED = (ReservationStatus.DELIVERED, ReservationStatus.DISPUTED)
_CLOSED = (RequestState.USED_UP, RequestState.CANCELLED, RequestState.ENDED)
"""In which nobody can accept."""


def main(arguments: list[str] | None = None) -> int:
    """Open the request, or take it up; return the exit code."""
    options = _options().parse_args(arguments)
    return run(lambda: request_access(options), as_json=options.json)


def request_access(options: argparse.Namespace) -> int:
    """Open the request unless it is open, and follow it as far as was asked; return the exit code."""
    with medshare.connect(options.home, network=options.network) as session:
        requester = session.keyring.open(options.requester, lambda name: passphrase_of(name, options.passphrase_file))
        number = _opened(session, options, requester)
    return ExitCode.ERROR if number is None else Following(options, requester, number).follow()


def _opened(session: medshare.Session, options: argparse.Namespace, requester: Actor) -> RequestId | None:
    """Return the request for the study, which is opened if it was not; None where its requester does not want that."""
    study = read_study(options.study, requester.address)
    named = [*options.patients, *(read_names(options.patients_file) if options.patients_file is not None else ())]
    invitees = [session.keyring.resolve(each) for each in named] or None
    others = [session.keyring.resolve(each) for each in options.others]
    opened = session.requesting.opened_before(study, requester=requester, invitees=invitees, others=others)
    if opened is None:
        same = _with_the_same_study(session, study, requester)
        if same is not None and (not same.is_open_call or invitees is not None):
            raise InvalidInputError(
                f"request {same.request_id} has this very study, for other patients",
                hint="to go on with it name the same patients again; to ask others, too, change the study's deadline",
            )
        if same is not None:
            _say_opened(options, same.request_id, already=True)
            return same.request_id
        lines = _deposit(session, study, invitees)
        if not confirmed(lines, "Deposit this, and open the request?", yes=options.yes, as_json=options.json):
            print("nothing was opened", file=sys.stderr)
            return None
        opened = session.requesting.open(study, requester=requester, invitees=invitees, others=others)
    _say_opened(options, opened.request_id, already=opened.already)
    return opened.request_id


def _say_opened(options: argparse.Namespace, number: RequestId, *, already: bool) -> None:
    if not options.json:
        print(f"request {number}: {'opened before' if already else 'opened'}", flush=True)


def _with_the_same_study(session: medshare.Session, study: Study, requester: Actor) -> AccessRequest | None:
    """Return a request of this requester with these words: forgotten patients must not make a sealed study public."""
    for standing in session.requesting.requests():
        request = standing.request
        if request.requester != requester.address:
            continue
        try:
            if session.requesting.study(request, reader=requester) == study:
                return request
        except StoreUnavailableError:
            raise
        except MedshareError:
            continue  # gone, or sealed for an earlier key: it says nothing
    return None


def _deposit(session: medshare.Session, study: Study, invitees: list[Address] | None) -> list[Line]:
    """Return what opening comes to, line by line."""
    unit = "wei of the chain's own coin" if study.token == NATIVE else f"units of token {study.token}"
    asked = "everybody may accept, once an ethics committee or a vote has approved it; the study is public"
    now = session.signing.now
    return [
        Line("study", study.title),
        Line("who is asked", asked if invitees is None else f"{len(invitees)} named patients, to whom it is sealed"),
        Line("wants", study.wanted.in_words()),
        *([] if study.quality is None else [Line("quality", study.quality.in_words())]),
        Line("category", category_in_words(study.category)),
        Line("can be accepted until", told_moment(study.deadline, now)),
        Line("access lasts until", told_moment(study.access_until, now)),
        Line("deposit", f"{study.grants} x {study.reward} = {study.grants * study.reward} {unit}"),
        Line("of it comes back", "what nobody has earned by the deadline, and what a dispute decides for you"),
    ]


@dataclass(slots=True)
class Following:
    """A request that is followed: what was told of it already, and which deliveries could not be confirmed."""

    options: argparse.Namespace
    requester: Actor
    number: RequestId
    failures: dict[Address, MedshareError] = field(default_factory=dict)
    """By patient, of the last look."""
    told: dict[str, str] = field(default_factory=dict)
    """What was told last of what."""

    def follow(self) -> int:
        """Tell how far the request has come, until all is settled where that was asked; return the exit code."""
        while True:
            try:
                # Not kept open while nothing happens: the embedded chain serves one process at a time.
                with medshare.connect(self.options.home, network=self.options.network) as session:
                    progress, is_over = self._look(session)
            except MedshareError as error:
                if not self.options.wait or exit_code(error) is not ExitCode.UNAVAILABLE:
                    raise
                self._tell("trouble", f"{error}; trying again")
            else:
                if is_over or not self.options.wait:
                    if self.options.json:
                        print(json.dumps(progress, indent=2))
                    return max((exit_code(error) for error in self.failures.values()), default=ExitCode.DONE)
            time.sleep(self.options.every)

    def _look(self, session: medshare.Session) -> tuple[dict[str, Any], bool]:
        if self.options.confirm:
            find(session, self.requester, self.options.requester)
            self._confirm(session)
        standing = session.requesting.request(self.number)
        now = session.signing.now
        progress = _progress(standing, now)
        progress["not_confirmed"] = [
            {"patient": patient, "error": type(error).__name__, "message": str(error)}
            for patient, error in self.failures.items()
        ]
        self._tell("progress", _in_words(progress))
        is_over = _is_over(standing, now)
        if is_over and standing.unearned and now >= standing.request.terms.deadline:
            self._tell("next", f"have the rest back: medshare request return-unearned {self.number} --as NAME")
        return progress, is_over

    def _confirm(self, session: medshare.Session) -> None:
        """Confirm what was delivered and verifies; what is disputed is left to those who decide."""
        self.failures = {}
        for part in session.requesting.request(self.number).parts:
            if part.status is not ReservationStatus.DELIVERED:
                continue
            try:
                done = session.requesting.confirm(self.number, part.patient, requester=self.requester)
            except MedshareError as error:
                if exit_code(error) is ExitCode.UNAVAILABLE:
                    raise
                self.failures[part.patient] = error
                self._tell(part.patient, f"{part.patient}: not confirmed: {error}; {self._advice(part, error)}")
            else:
                opened = "" if done.found is None else f"confirmed, {len(done.found.records)} records open; "
                self._tell(part.patient, f"{part.patient}: {opened}paid")

    def _advice(self, part: Part, error: MedshareError) -> str:
        until = moment(part.released_at)
        dispute = f"medshare request dispute {self.number} --patient {part.patient} --as {self.options.requester}"
        if isinstance(error, GrantNotLiveError):
            return f"it was earned all the same, and anybody can have it paid from {until} on"
        if isinstance(error, DeliveryGoneError):
            return (
                f"it was earned all the same, unless you say until {until} why not: {dispute}; "
                "after that anybody can have it paid"
            )
        return f"until {until} you can say why: {dispute}"

    def _tell(self, about: str, text: str) -> None:
        """Tell something, once until it changes; a script that asked for JSON is told progress on standard error."""
        if self.told.get(about) != text:
            self.told[about] = text
            print(text, file=sys.stderr if self.options.json else sys.stdout, flush=True)


def _progress(standing: RequestStanding, now: int) -> dict[str, Any]:
    """Return how far a request has come, in numbers."""
    request, status = standing.request, ReservationStatus
    return {
        "request": request.request_id,
        "state": standing.state(now).value,
        "approved": request.is_open_call and standing.approved is not None,
        "grants": request.terms.grants,
        "accepted": standing.count(status.RESERVED, status.DELIVERED, status.DISPUTED, status.PAID, status.RETURNED),
        "to_be_delivered": standing.count(status.RESERVED),
        "to_be_confirmed": standing.count(status.DELIVERED),
        "disputed": standing.count(status.DISPUTED),
        "paid": standing.count(status.PAID),
        "returned": standing.count(status.RETURNED),
        "deposited": request.terms.budget,
        "deadline": moment(request.terms.deadline),
        "access_until": moment(request.access_until),
    }


def _in_words(progress: dict[str, Any]) -> str:
    counts = ("to_be_delivered", "to_be_confirmed", "disputed", "paid", "returned")
    said = ", ".join(f"{progress[name]} {name.replace('_', ' ')}" for name in counts)
    return (
        f"request {progress['request']}: {progress['state']}; {progress['accepted']} of {progress['grants']} accepted: "
        f"{said}"
    )


def _is_over(standing: RequestStanding, now: int) -> bool:
    """Whether nobody can accept any more, and nothing of what was accepted can still be delivered or settled."""
    has_ended = now >= standing.request.terms.deadline
    pending = _UNSETTLED if has_ended else (ReservationStatus.RESERVED, *_UNSETTLED)
    return standing.state(now) in _CLOSED and not standing.count(*pending)


def _options() -> argparse.ArgumentParser:
    parser = parser_of(__doc__)
    parser.add_argument("study", type=Path, metavar="STUDY", help="file with the study, JSON")
    parser.add_argument("--as", dest="requester", required=True, metavar="NAME", help="your identity")
    parser.add_argument(
        "--patient",
        dest="patients",
        action="append",
        default=[],
        metavar="WHO",
        help="ask this patient, as often as needed (default: an open call)",
    )
    parser.add_argument("--patients-file", type=Path, help="file with who is asked, a name or address on each line")
    parser.add_argument(
        "--reader",
        dest="others",
        action="append",
        default=[],
        metavar="WHO",
        help="who else may read a study for named patients, such as who is to judge a dispute",
    )
    parser.add_argument("--yes", action="store_true", help="deposit without asking")
    parser.add_argument("--confirm", action="store_true", help="confirm every delivery that verifies")
    parser.add_argument("--wait", action="store_true", help="go on until all is settled, telling what changes")
    parser.add_argument("--every", type=float, default=15.0, metavar="SECONDS", help="how often to look (default: 15)")
    add_common(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
