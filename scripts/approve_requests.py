"""Answer what patients are asked, by a policy that says in advance what is accepted, declined, or asked (for patients).

Each request is told in words: who asks, accredited by whom, what, why, how long, how much. What the policy approves is
accepted with the patient's signature, which grants access and reserves his reward; what it declines is left; of the
rest the person at the keyboard is asked, and where nobody is there it waits. For several patients in one run, or for
those for whom an agent may act. Give the same command again whenever there may be something new.

    python scripts/approve_requests.py --policy policy.toml --as me --dry-run
    python scripts/approve_requests.py --policy policy.toml --as mary --as paul --paid-by clinic
    python scripts/approve_requests.py --policy policy.toml --as agent --for 0x… --for 0x…

docs/requests.md has the fields of a policy. Without rules every request is asked about.

Exit codes, as everywhere in medshare (docs/errors.md): 0 done; 1 an acceptance failed; 2 wrong usage or policy, or it
has to be said who delivers; 3 who signs may not for this patient, or the requester is not accredited; 4 something is
not there; 5 a study is not what the chain says; 6 try again; 130 stopped. Where acceptances fail in several ways it is
the highest; the others are done.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acting import acting
from script_options import add_common, parser_of

import medshare
from medshare.cli.asking import passphrase_of
from medshare.cli.console import escaped
from medshare.cli.ending import ExitCode, exit_code, run
from medshare.cli.participation import read_policy
from medshare.cli.sending import confirmed
from medshare.errors import MedshareError
from medshare.model.describing import Line
from medshare.model.ids import Address
from medshare.model.policy import Answer
from medshare.ports import Actor
from medshare.services.accepting import Asking, Choice
from medshare.services.offering import Offer
from medshare.services.request_words import request_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatory:
    """Who answers, and for whom."""

    actor: Actor
    patient: Address
    name: str
    """What the patient is called here."""

    @property
    def on_behalf_of(self) -> Address | None:
        """The patient, where another acts for him."""
        return None if self.patient == self.actor.address else self.patient


def main(arguments: list[str] | None = None) -> int:
    """Answer the requests; return the exit code."""
    parser = _options()
    options = parser.parse_args(arguments)
    if options.patients and len(options.signatories) != 1:
        parser.error("--for goes with one --as: the one who acts for these patients")
    return run(lambda: approve_all(options), as_json=options.json)


def approve_all(options: argparse.Namespace) -> int:
    """Answer all that the patients are asked; return the exit code."""
    policy = read_policy(options.policy)
    rows: list[dict[str, Any]] = []
    codes = [ExitCode.DONE]
    with medshare.connect(options.home, network=options.network) as session:
        answering = Answering(session, options)
        try:
            for each in _signatories(session, options):
                offers = session.offering.offers(patient=each.actor, on_behalf_of=each.on_behalf_of, policy=policy)
                for offer in offers:
                    row, code = answering.answer(each, offer)
                    rows.append(row)
                    codes.append(code)
        finally:
            # What was done is told whatever stops it.
            _print(rows, as_json=options.json)
    return max(codes)


def _signatories(session: medshare.Session, options: argparse.Namespace) -> Iterator[Signatory]:
    """Unlock who answers, one after the other."""
    for name in options.signatories:
        actor = acting(session, name, options.passphrase_file)
        for patient in options.patients or [name]:
            yield Signatory(actor=actor, patient=session.keyring.resolve(patient), name=patient)


class Answering:
    """Answers as the policy says."""

    def __init__(self, session: medshare.Session, options: argparse.Namespace) -> None:
        self._session = session
        self._options = options
        self._payer: Actor | None = None
        if options.paid_by is not None and not options.dry_run:
            self._payer = session.keyring.open(options.paid_by, lambda who: passphrase_of(who, options.passphrase_file))
        self._custodian = None if options.deliverer is None else session.keyring.resolve(options.deliverer)

    def answer(self, signatory: Signatory, offer: Offer) -> tuple[dict[str, Any], ExitCode]:
        """Tell one request and answer it; return what was done, and the exit code of what went wrong."""
        row: dict[str, Any] = {
            "patient": signatory.patient,
            "request": offer.request.request_id,
            "study": None if offer.study is None else offer.study.title,
            "answer": None if offer.decision is None else offer.decision.answer.value,
            "explanation": None if offer.decision is None else offer.decision.explain(),
            "done": "left: its study cannot be read",
            "grant": None,
            "error": None if offer.fault is None else type(offer.fault).__name__,
        }
        lines = self._tell(signatory, offer)
        code = ExitCode.DONE if offer.fault is None else exit_code(offer.fault)
        if offer.decision is not None:
            try:
                row |= self._done(signatory, offer, offer.decision.answer, lines)
            except MedshareError as error:
                code = exit_code(error)
                if code is ExitCode.UNAVAILABLE:
                    raise
                row |= {"done": f"not accepted: {error}", "error": type(error).__name__}
                hint = f"; {error.hint}" if error.hint else ""
                print(f"{signatory.name}, request {row['request']}: {error}{hint}", file=sys.stderr)
        self._say(f"  => {row['done']}\n")
        return row, code

    def _tell(self, signatory: Signatory, offer: Offer) -> tuple[Line, ...]:
        """Tell a request in words; return what was told."""
        self._say(f"{signatory.name} is asked, request {offer.request.request_id}:")
        if offer.study is None:
            self._say(f"  its study cannot be read: {offer.fault}")
            return ()
        names = self._session.keyring.name_of
        now = self._session.signing.now
        lines = request_lines(offer.request, offer.study, accredited_by=offer.accredited_by, names=names, now=now)
        for label, text in lines:
            self._say(f"  {label}: {text}")
        if offer.decision is not None:
            self._say(f"  the policy: {offer.decision.explain()}")
        return lines

    def _done(self, signatory: Signatory, offer: Offer, answer: Answer, told: Sequence[Line]) -> dict[str, Any]:
        """Do what was answered; return what was done."""
        if answer is Answer.DECLINE:
            return {"done": "declined: nothing is signed"}
        if self._options.dry_run:
            return {"done": "would be accepted" if answer is Answer.APPROVE else "would be asked about"}
        number = offer.request.request_id
        is_asked = answer is Answer.ASK
        if is_asked and (self._options.json or not sys.stdin.isatty()):
            return {
                "done": f"waits for an answer: medshare request accept {number} --as {self._options.signatories[0]}"
            }
        wants: list[bool] = []

        def confirm(lines: Sequence[Line]) -> bool:
            new = [line for line in lines if line not in told]
            wants.append(not is_asked or confirmed(new, "Accept this?", yes=False, as_json=False))
            return wants[-1]

        try:
            accepted = self._session.accepting.accept(
                number,
                patient=signatory.actor,
                payer=(self._payer or signatory.actor).signer,
                asking=Asking(confirm=confirm, names=self._session.keyring.name_of),
                choice=Choice(custodian=self._custodian, on_behalf_of=signatory.on_behalf_of),
            )
        except MedshareError:
            if wants == [False]:
                return {"done": "not accepted: the answer was no"}
            raise
        return {"done": "accepted: access is granted, the reward reserved", "grant": f"{accepted.grant_id:#x}"}

    def _say(self, text: str) -> None:
        if not self._options.json:
            print(escaped(text))


def _print(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    count = Counter(row["done"].split(":")[0] for row in rows)
    print(", ".join(f"{number} {what}" for what, number in count.items()) or "nobody is asked for anything now")


def _options() -> argparse.ArgumentParser:
    parser = parser_of(__doc__)
    parser.add_argument("--policy", type=Path, required=True, metavar="FILE", help="the policy, TOML or JSON")
    parser.add_argument(
        "--as",
        dest="signatories",
        action="append",
        required=True,
        metavar="NAME",
        help="who answers and signs, as often as needed: patients, or with --for one who acts for them",
    )
    parser.add_argument(
        "--for", dest="patients", action="append", default=[], metavar="WHO", help="a patient for whom --as acts"
    )
    parser.add_argument("--paid-by", metavar="NAME", help="who sends and pays (default: who signs)")
    parser.add_argument(
        "--delivered-by",
        dest="deliverer",
        metavar="WHO",
        help="the custodian who shall deliver (default: the only one that can)",
    )
    parser.add_argument("--dry-run", action="store_true", help="tell what would be done, and do nothing")
    add_common(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
