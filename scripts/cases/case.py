"""What the cases have in common: people, what each of them sees, and what everybody can see on chain for ever.

A case plays on the embedded chain in a folder of its own that is gone afterwards, unless another is named; or, with
--home and --network, on any development network on which contracts are deployed. Nobody's keys are kept: the people of
a case live as long as it plays.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medshare import Session, connect
from medshare.chain import LocalSigner
from medshare.cli.ending import ExitCode, run
from medshare.demo import public_view
from medshare.envelope import Identity
from medshare.errors import AccessDeniedError, IntegrityError, RejectedError
from medshare.ingesting import OnePatient
from medshare.model.accreditation import AccreditationKind
from medshare.model.events import LedgerEvent
from medshare.model.ids import Address
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import RecordRef
from medshare.ports import Actor
from medshare.services.registering import Published
from medshare.session import make_home
from medshare.settings import Settings

DAY = 86_400
HOUR = 3_600
MINUTE = 60
YEAR = 365 * DAY
_SHORT = 12
"""Seconds that a short right lasts where no clock can be put forward: longer than some transactions take to count."""
_MARGIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What happened at once, and who saw what of it."""

    title: str
    seen: list[dict[str, str]] = field(default_factory=list)
    public: list[LedgerEvent] = field(default_factory=list)
    gas: int = 0

    def document(self) -> dict[str, Any]:
        """Return it as ``--json`` prints it."""
        return {
            "title": self.title,
            "seen": self.seen,
            "public": [public_view(event) for event in self.public],
            "gas": self.gas,
        }


class Case:
    """A case that is playing.

    Args:
        session: where.
        say: told each line.
    """

    def __init__(self, session: Session, say: Callable[[str], object]) -> None:
        self.session = session
        self.people: dict[str, Actor] = {}
        self.steps: list[Step] = []
        self.result: dict[str, Any] = {}
        """What came of it, in figures and words that a script can compare."""
        self.planted: set[str] = set()
        """What is in the records and must be nowhere in clear."""
        self._say = say
        self._told = session.ledger.chain.head().number

    @property
    def now(self) -> int:
        """The chain's time, or the clock's where that is later, Unix seconds."""
        return self.session.signing.now

    # ---------------------------------------------------------------------------------------------- people

    def people_are(self, **kinds: AccreditationKind | None) -> None:
        """Make the people: coins, a published encryption key, and where one is named an accreditation for a year."""
        with self.step(f"The people: {', '.join(_words(name) for name in kinds)}"):
            for name, kind in kinds.items():
                actor = Actor(signer=LocalSigner.generate(), identity=Identity.generate())
                self.people[name] = actor
                self.session.chain.fund(actor.address)
                key = actor.identity.recipient.key
                self.session.ledger.directory.set_encryption_key(actor.signer, key)
                if kind is not None:
                    self.accredit(name, kind)

    def accredit(self, name: str, kind: AccreditationKind) -> None:
        """Have the founding member of the network's consortium say that somebody is what he says, for a year."""
        member, account = self.session.chain.development_member(), self.address(name)
        self.session.ledger.accreditation.accredit(member, account, kind, self.now + YEAR)
        self.sees(name, f"the consortium accredits {_words(name)} as {kind.name.lower().replace('_', ' ')}")

    def address(self, name: str) -> Address:
        """Return somebody's address."""
        return self.people[name].address

    def name_of(self, account: Address | None) -> str:
        """Return in words whose address it is."""
        found = (name for name, actor in self.people.items() if actor.address == account)
        return _words(next(found, "somebody else"))

    # ----------------------------------------------------------------------------------------------- telling

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Tell a step, and at its end what it has made public."""
        self._say("")
        self._say(title)
        step = Step(title=title)
        self.steps.append(step)
        yield
        head = self.session.ledger.chain.head().number
        step.public.extend(self.session.ledger.chain.events(self._told + 1, head))
        self._told = head
        self.steps[-1] = Step(title=title, seen=step.seen, public=step.public, gas=self._gas(step.public))
        kinds = Counter(type(event).__name__ for event in step.public)
        if not kinds:
            self._say("  public: nothing")
        for kind, count in kinds.items():
            first = next(event for event in step.public if type(event).__name__ == kind)
            self._say(f"  public: {count} x {public_view(first)}")

    def sees(self, who: str, what: str) -> None:
        """Tell what somebody sees, who is one of the people or stands for several."""
        self.steps[-1].seen.append({"who": who, "what": what})
        self._say(f"  {_words(who)}: {what}")

    def plant(self, words: Sequence[str]) -> None:
        """Note what identifies somebody or is medical, and is to be found in no public place."""
        self.planted.update(words)

    # ---------------------------------------------------------------------------------------------- what they do

    def publishes(self, custodian: str, patient: str, bundle: bytes) -> list[Published]:
        """Publish each resource of a Bundle, checked as everything that arrives; all of it belongs to one patient."""
        arrived = self.session.ingesting.ingest(
            bundle, custodian=self.people[custodian], patients=OnePatient(self.address(patient)), name="bundle.json"
        )
        published = []
        for each in arrived:
            if each.published is None:
                raise each.refusal or IntegrityError("a record was neither published nor refused")
            published.append(each.published)
        self.sees(custodian, f"encrypts and registers {counted(len(published), 'record')} of {_words(patient)}")
        return published

    def reads(self, reader: str, record: RecordRef, purpose: PurposeOfUse = PurposeOfUse.TREAT) -> bytes:
        """Return a record's plaintext, verified to the last byte."""
        opened = self.session.retrieving.open(record, reader=self.people[reader], purpose=purpose)
        return b"".join(opened.stream())

    def denied(self, reader: str, record: RecordRef, purpose: PurposeOfUse = PurposeOfUse.TREAT) -> str:
        """See that a record does not open; return and tell why."""
        try:
            self.session.retrieving.open(record, reader=self.people[reader], purpose=purpose)
        except AccessDeniedError as error:
            reason = error.decision.reason.value
            self.sees(reader, f"is denied: {reason}")
            return reason
        raise IntegrityError(f"{_words(reader)} opened what he may not")

    def refused(self, who: str, act: Callable[[], object]) -> str:
        """See that the rules of the contracts refuse something; return and tell by which."""
        try:
            act()
        except RejectedError as error:
            self.sees(who, f"is refused: {error}")
            return type(error).__name__
        raise IntegrityError(f"{_words(who)} did what nobody may")

    # ------------------------------------------------------------------------------------------------- time

    def lasting(self, seconds: int) -> int:
        """Return for how long something lasts: so long where the clock can be put forward, elsewhere a moment."""
        return seconds if self.session.chain.node is not None else min(seconds, _SHORT)

    def wait_until(self, time_: int) -> None:
        """Let time pass: the embedded chain's clock is put forward, elsewhere it is waited for."""
        seconds = max(0, time_ - self.now)
        if self.session.chain.node is not None:
            self.session.chain.node.warp(seconds)
            return
        time.sleep(seconds + _MARGIN)
        # A chain on which nothing happens stands still: any transaction makes a block of this time.
        anybody = next(iter(self.people.values())).signer
        self.session.chain.sender.send(anybody, to=anybody.address)

    # --------------------------------------------------------------------------------------------- its end

    def document(self, name: str) -> dict[str, Any]:
        """Return the case as ``--json`` prints it."""
        return {
            "case": name,
            "network": self.session.settings.network,
            "steps": [step.document() for step in self.steps],
            "result": self.result,
            "planted": sorted(self.planted),
        }

    def check_public(self) -> None:
        """See that nothing that identifies anybody is in what everybody can see on chain."""
        public = "\n".join(repr(event) for step in self.steps for event in step.public)
        check(not any(word in public for word in self.planted), "no name, number or date of birth is on chain")
        self._say("")
        self._say(
            f"Gas, all in all: {sum(step.gas for step in self.steps):,}. Each of these steps was checked as told."
        )

    def _gas(self, events: Sequence[LedgerEvent]) -> int:
        """Return what the transactions of these events have cost."""
        total = 0
        for tx_hash in dict.fromkeys(event.place.tx_hash for event in events):
            receipt = self.session.chain.client.receipt(tx_hash)
            total += 0 if receipt is None else receipt.gas_used
        return total


def check(held: bool, what: str) -> None:  # noqa: FBT001 - a claim and its name
    """Raise ``IntegrityError`` where something is not as it was told."""
    if not held:
        raise IntegrityError(f"it is not so: {what}")


def counted(number: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def ref(published: Published) -> RecordRef:
    """Return a record as grants name it."""
    return published.entry.ref


def run_case(documentation: str | None, name: str, play: Callable[[Case], None], arguments: list[str] | None) -> int:
    """Play a case from the command line; return the exit code."""
    options = _options(documentation).parse_args(arguments)
    return run(lambda: _played(options, name, play), as_json=options.json)


def _played(options: argparse.Namespace, name: str, play: Callable[[Case], None]) -> int:
    with _home(options.home) as home, connect(home, network=options.network) as session:
        case = Case(session, _silent if options.json else print)
        play(case)
        case.check_public()
        if options.json:
            print(json.dumps(case.document(name), indent=2))
    return ExitCode.DONE


@contextmanager
def _home(named: Path | None) -> Iterator[Path]:
    if named is not None:
        if not named.exists():
            make_home(Settings.begin(named))
        yield named
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        make_home(Settings.begin(home))
        yield home


def _silent(_: str) -> None:
    pass


def _words(name: str) -> str:
    return name.replace("_", " ")


def _options(documentation: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--home", type=Path, help="medshare's folder, made where it is not there (default: one that is gone afterwards)"
    )
    parser.add_argument("--network", help="development network, in place of the one in the folder's settings")
    parser.add_argument("--json", action="store_true", help="print all of it as JSON at the end, and nothing else")
    return parser
