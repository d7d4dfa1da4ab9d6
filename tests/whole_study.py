"""The whole study, step by step, by scripts and commands alone: wherever a test makes a ``Place`` for it.

given institutions that founded the consortium, patients with keys and without coins, and a researcher
├─ each institution accredits its own; together they vote how rewards are divided
├─ the researcher asks, an ethics committee approves, patients answer by their policies: accepted, declined, asked
├─ one revokes before he is delivered and earns nothing; one revokes after it, and keeps what he earned
├─ deliveries are confirmed; one is disputed, and decided by vote; one is confirmed by nobody
├─ the data set holds exactly what is permitted, and verifies
└─ everybody is paid out: money in = money out and what is still held, to the wei, as the report's table says
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import approve_requests
import fetch_dataset
import pytest
import request_access
import study_report
from homes import PASSPHRASE, CommandLine, Home, make_identity
from side_by_side import run_together
from studies import write_study

from medshare import connect
from medshare.chain import LocalSigner
from medshare.cli import main
from medshare.files import private_folder
from medshare.model.ids import Address
from medshare.model.record import Category
from medshare.ports import Actor
from medshare.services.description import Description

Thing, Done = TypeVar("Thing"), TypeVar("Done")

INSTITUTIONS = ("north", "south", "west")
HOSPITALS = ("north_hospital", "south_hospital", "west_hospital")
OTHERS = ("researcher", "committee", "relief")
REWARD = 1_000_003


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """The patients by what their policies answer; some of them do more."""

    approving: tuple[str, ...]
    declining: tuple[str, ...]
    asking: tuple[str, ...]

    @classmethod
    def of(cls, approving: int, declining: int, asking: int) -> Cohort:
        """So many of each."""
        names = [f"p{number:02d}" for number in range(1, approving + declining + asking + 1)]
        return cls(
            approving=tuple(names[:approving]),
            declining=tuple(names[approving:-asking]),
            asking=tuple(names[-asking:]),
        )

    @property
    def patients(self) -> tuple[str, ...]:
        return (*self.approving, *self.declining, *self.asking)

    @property
    def disputed(self) -> str:
        return self.approving[0]

    @property
    def unconfirmed(self) -> str:
        return self.approving[1]

    @property
    def leaving(self) -> str:
        """He revokes after he was delivered."""
        return self.approving[2]

    @property
    def early(self) -> str:
        """He revokes before."""
        return self.approving[-1]

    @property
    def by_hand(self) -> str:
        """His policy asks him, and he accepts."""
        return self.asking[0]

    @property
    def delivered(self) -> tuple[str, ...]:
        return (*self.approving[:-1], self.by_hand)

    def hospital(self, name: str) -> str:
        return HOSPITALS[self.patients.index(name) % len(HOSPITALS)]


@dataclass
class Place:
    """Where the study happens."""

    home: Home
    captured: pytest.CaptureFixture[bytes]
    cohort: Cohort
    members: tuple[str, ...] = INSTITUTIONS
    at_once: int = 1
    """How many act at the same time, where the chain is shared."""
    paid: tuple[str, ...] = ("--paid-by", "relief")
    """By what options somebody without coins does something; nothing where it costs nothing."""
    warnings: str = "(?!)"
    """What commands may warn of."""
    records: dict[str, str] = field(default_factory=dict)
    """The laboratory record of each patient."""

    def __post_init__(self) -> None:
        self.cli = CommandLine(self.home, self.captured, self.warnings)

    def run(self, script: Any, *words: object, code: int = 0) -> str:
        """Run a script; return what it prints."""
        self.captured.readouterr()
        found = script.main([*(str(word) for word in words), *self.home.options])
        said = self.captured.readouterr()
        assert found == code, (said.out.decode(), said.err.decode())
        return said.out.decode()

    def json(self, script: Any, *words: object, code: int = 0) -> Any:
        return json.loads(self.run(script, *words, "--json", code=code))

    def together(self, *commands: Sequence[object]) -> list[Any]:
        """Run commands of ``medshare`` or scripts, at the same time where that can be; return the JSON of each."""
        if self.at_once == 1:
            return [
                self.cli.json(*command) if isinstance(command[0], str) else self.json(*command) for command in commands
            ]
        found = []
        for command, ended in zip(commands, run_together([*map(self._program, commands)]), strict=True):
            assert ended.code == 0, (command, ended)
            if isinstance(command[0], str):
                self.cli.check_warnings(ended.err)
            found.append(json.loads(ended.out))
        return found

    def _program(self, command: Sequence[object]) -> Callable[[], int]:
        program, *words = command
        if isinstance(program, str):
            return lambda: main([*self.home.options, "--json", *map(str, command)])
        return lambda: program.main([*map(str, words), "--json", *self.home.options])

    def each(self, act: Callable[[Thing], Done], things: Iterable[Thing]) -> list[Done]:
        """Do something with each, at the same time where that can be."""
        if self.at_once == 1:
            return [act(thing) for thing in things]
        with ThreadPoolExecutor(self.at_once) as pool:
            return list(pool.map(act, things))

    def vote(self, why: Path, proposer: str, *words: object) -> None:
        """Have as many of the members as are needed decide something."""
        found = self.cli.json("consortium", "propose", *words, "--reason-file", why, "--as", proposer)
        number, needed = found["proposal"], found["needed"] - found["votes"]
        others = [member for member in self.members if member != proposer][:needed]
        self.together(*(("consortium", "vote", number, "--as", other, "--yes") for other in others))
        assert self.cli.json("consortium", "execute", number, "--as", "relief")["state"] == "executed"

    def accredit(self, *wanted: tuple[str, str, str]) -> None:
        """Have members accredit: who, as what, by whom."""
        until = ("--until", "700d")
        self.together(
            *(("consortium", "accredit", who, "--kind", kind, *until, "--as", member) for who, kind, member in wanted)
        )

    def balances(self, accounts: Sequence[Address]) -> list[int]:
        with connect(self.home.path) as session:
            return [session.chain.client.balance(account) for account in accounts]

    def held(self) -> int:
        """What the contract of the requests has."""
        with connect(self.home.path) as session:
            return session.chain.client.balance(session.ledger.requests.address)


def new_home(path: Path, people: Sequence[str], signers: Mapping[str, LocalSigner]) -> tuple[Home, dict[str, Actor]]:
    """Make a folder with these people's keys, and no chain; those whose account is known have that one."""
    private_folder(path)
    (path / "passphrase").write_text(PASSPHRASE)
    (path / "passphrase").chmod(0o600)
    actors = {name: make_identity(path, name, signer=signers.get(name)) for name in people}
    return Home(path=path, addresses={name: actor.address for name, actor in actors.items()}), actors


def settle(place: Place, actors: Mapping[str, Actor]) -> None:
    """Publish everybody's key, and a laboratory record of each patient; of every fifth a scan, too."""
    relief = actors["relief"].signer
    with connect(place.home.path) as session:

        def publish_key(name: str) -> None:
            if session.chain.has_faucet:
                session.chain.fund(actors[name].address)
            session.ledger.directory.set_encryption_key(actors[name].signer, actors[name].identity.recipient.key)

        place.each(publish_key, (*place.members, *HOSPITALS, *OTHERS))
        signed = [
            session.signing.sign(
                session.signing.draft(actors[name].address).set_encryption_key(actors[name].identity.recipient.key),
                actors[name].signer,
                confirm=lambda _: True,
                names=lambda _: None,
            )
            for name in place.cohort.patients
        ]
        assert all(relayed.state == "done" for relayed in session.relaying(relief).relay(signed))
    place.accredit(*((hospital, "custodian", member) for member, hospital in zip(INSTITUTIONS, HOSPITALS, strict=True)))

    def publish(each: tuple[str, Category]) -> str:
        name, kind = each
        with connect(place.home.path) as session:
            published = session.publishing.publish(
                content_of(name, kind),
                custodian=actors[place.cohort.hospital(name)],
                patient=actors[name].address,
                description=Description(media_type="application/fhir+json", category=kind),
            )
        return published.record_id.hex()

    patients = place.cohort.patients
    scans = [(name, Category.IMAGING) for name in patients[::5]]
    found = place.each(publish, [*((name, Category.LABORATORY) for name in patients), *scans])
    place.records = dict(zip(patients, found, strict=False))


def content_of(name: str, kind: Category) -> bytes:
    return json.dumps({"resourceType": "Observation", "subject": name, "code": kind.value}).encode()


class WholeStudy:
    """A study in a place where everybody is settled; each method is a step, in this order."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.folder = folder
        self.why = folder / "why.txt"
        self.why.write_text("As we agreed.")
        self.dataset = folder / "dataset"
        self.number = 0
        self.grants: dict[str, str] = {}

    @property
    def paying(self) -> tuple[str, ...]:
        """By what options a command of somebody without coins is paid for."""
        return (*self.place.paid, "--yes") if self.place.paid else ()

    # ------------------------------------------------------------------------------------------- asking

    def govern(self) -> None:
        """Institutions govern together, and answer for their own."""
        self.place.accredit(("researcher", "researcher", "north"), ("committee", "ethics-committee", "south"))
        split = ("split", "--category", "non-profit", "--patient", 60, "--custodian", 25)
        self.place.vote(self.why, "north", *split)

    def open(self) -> None:
        """A study is opened and approved."""
        study = write_study(
            private_folder(self.folder / "studies"),
            wanted={
                "effect": "permit",
                "purposes": ["BIORCH"],
                "categories": ["laboratory"],
                "obligations": [{"duty": "NORELINK"}],
            },
            grants=self.places,
            reward=REWARD,
        )
        self.asking = (study, "--as", "researcher", "--yes")
        self.number = self.place.json(request_access, *self.asking)["request"]
        self.place.cli.json("request", "approve", self.number, "--as", "committee")

    @property
    def places(self) -> int:
        return len(self.place.cohort.patients)

    def answer(self) -> None:
        """Patients answer by their policies; one whom his policy asks accepts."""
        cohort = self.place.cohort
        rules = {
            "approve": 'data_use = { permission = "HMB" }\n[[rules]]\nanswer = "approve"\nduo = ["allowed"]\n'
            f'accredited_by = ["{self.place.home.addresses["north"]}"]\nlabels = []\nreward_at_least = 600000\n',
            "decline": f'[[rules]]\nanswer = "decline"\nreward_below = {10**18}\n',
            "ask": "",
        }
        for name, text in rules.items():
            (self.folder / name).write_text(f"version = 1\n{text}")
        assert self._answered("approve", cohort.approving) == ["accepted"] * len(cohort.approving)
        assert self._answered("decline", cohort.declining) == ["declined"] * len(cohort.declining)
        assert self._answered("ask", cohort.asking) == ["waits for an answer"] * len(cohort.asking)
        self.place.cli.json("request", "accept", self.number, "--as", cohort.by_hand, *self.place.paid, "--yes")
        assert self._answered("approve", cohort.approving[:2]) == []
        participants = self.place.json(study_report, self.number)["participants"]
        self.grants = {row["patient"]: row["grant"] for row in participants}

    def _answered(self, policy: str, names: Sequence[str]) -> list[str]:
        """Answer for these patients by a policy; return what was done."""
        signatories = [("--as", name) for name in names]
        if self.place.at_once == 1:
            signatories = [tuple(chain.from_iterable(signatories))]
        answering = (approve_requests, "--policy", self.folder / policy, *self.place.paid)
        answers = self.place.together(*((*answering, *each) for each in signatories))
        return [row["done"].split(":")[0] for row in chain.from_iterable(answers)]

    # --------------------------------------------------------------------------------------- delivering

    def deliver(self) -> None:
        """Custodians deliver, all but one and whom nobody can deliver: he revoked before."""
        cohort = self.place.cohort
        self._revoke(cohort.early)
        refused = self.place.cli("--json", *self._delivery(cohort.early))
        assert (refused.code, refused.error["error"]) == (3, "GrantNotLiveError")
        self.place.together(*(self._delivery(name) for name in cohort.delivered if name != cohort.unconfirmed))

    def confirm(self) -> None:
        """What is delivered is confirmed; one is disputed, and decided; one is delivered when that is over."""
        cohort, cli = self.place.cohort, self.place.cli
        about = (self.number, "--patient", cohort.disputed)
        cli.json("request", "dispute", *about, "--reason-file", self.why, "--as", "researcher")
        progress = self.place.json(request_access, *self.asking, "--confirm")
        found = {name: progress[name] for name in ("accepted", "paid", "disputed", "to_be_delivered")}
        assert found == {
            "accepted": len(cohort.delivered) + 1,
            "paid": len(cohort.delivered) - 2,
            "disputed": 1,
            "to_be_delivered": 2,
        }
        self.place.vote(self.why, "west", "decide", *about, "--return")
        cli.json(*self._delivery(cohort.unconfirmed))

    def _delivery(self, name: str) -> tuple[object, ...]:
        return ("request", "deliver", self.number, "--patient", name, "--as", self.place.cohort.hospital(name))

    def _revoke(self, name: str) -> None:
        grant = self.grants[self.place.home.addresses[name]]
        self.place.cli.json("access", "revoke", grant, "--as", name, *self.paying)

    # ----------------------------------------------------------------------------------------- fetching

    @property
    def fetching(self) -> tuple[object, ...]:
        return (self.number, "--as", "researcher", "--to", self.dataset)

    def fetch(self) -> None:
        """The data set is what is permitted, verified, until it is no more."""
        place, cohort = self.place, self.place.cohort
        assert self.fetched() == {place.records[name] for name in cohort.delivered}
        for name in cohort.delivered:
            content = (self.dataset / place.records[name]).read_bytes()
            assert content == content_of(name, Category.LABORATORY)
        self._revoke(cohort.leaving)
        said = place.run(fetch_dataset, *self.fetching)
        assert f"{self.dataset / place.records[cohort.leaving]}: revoked 20" in said
        assert f"{place.home.addresses[cohort.leaving]}: revoked 20" in said
        staying = {place.records[name] for name in cohort.delivered if name != cohort.leaving}
        assert self.fetched() == staying
        other = self.folder / "later"
        assert obtained(place.json(fetch_dataset, *self.fetching[:-1], other), other) == staying

    def fetched(self) -> set[str]:
        """Bring the data set up to date; return which records it says may be used."""
        return obtained(self.place.json(fetch_dataset, *self.fetching), self.dataset)

    # ------------------------------------------------------------------------------------------- paying

    def pay_out(self, *, held: Sequence[str] = (), reserved: Sequence[str] = ()) -> None:
        """Everybody withdraws, to where nobody has been before; nothing is lost, and only what is held is left.

        Args:
            held: whose delivery has not been paid yet.
            reserved: who has accepted, and can still be delivered.
        """
        place, cohort = self.place, self.place.cohort
        paid = [name for name in cohort.delivered if name != cohort.disputed and name not in held]
        payees = {name: LocalSigner.generate().address for name in (*paid, *HOSPITALS, "researcher", "consortium")}
        withdrawing = ("reward", "withdraw", "--as")
        place.together(
            *((*withdrawing, name, "--to", payees[name], *self.paying) for name in paid),
            *((*withdrawing, name, "--to", payees[name]) for name in (*HOSPITALS, "researcher")),
        )
        place.vote(self.why, "south", "withdraw-treasury", "--to", payees["consortium"])
        arrived = dict(zip(payees, place.balances(list(payees.values())), strict=True))
        self._check_money(arrived, paid, held=len(held), reserved=len(reserved))

    def _check_money(self, arrived: Mapping[str, int], paid: Sequence[str], *, held: int, reserved: int) -> None:
        """Compare the report, its table, and what arrived."""
        place, cohort, deposited = self.place, self.place.cohort, REWARD * self.places
        to_custodian, to_consortium = REWARD * 25 // 100, REWARD * 15 // 100
        to_patient = REWARD - to_custodian - to_consortium
        assert to_patient > REWARD * 60 // 100  # rounding is the patient's gain
        assert {arrived[name] for name in paid} == {to_patient}
        for hospital in HOSPITALS:
            assert arrived[hospital] == to_custodian * sum(cohort.hospital(name) == hospital for name in paid)
        assert arrived["consortium"] == to_consortium * len(paid)
        assert arrived["researcher"] == REWARD * (self.places - len(paid) - held - reserved)
        assert sum(arrived.values()) == deposited - REWARD * (held + reserved)

        money = place.json(study_report, self.number)["money"]
        assert money == {
            "deposited": deposited,
            "to_patients": sum(arrived[name] for name in paid),
            "to_custodians": sum(arrived[name] for name in HOSPITALS),
            "to_consortium": arrived["consortium"],
            "spent": REWARD * len(paid),
            "refunded": arrived["researcher"],
            "held_for_deliveries": REWARD * held,
            "reserved": REWARD * reserved,
            "free": 0,
        }
        table = place.run(study_report, self.number)
        print(table)
        shown = {
            line.split("  ")[0] if line.startswith("in -") else line: int(line.split()[-1].replace(",", ""))
            for line in (line.strip() for line in table.splitlines())
            if re.match(r"(in|out|spent|refunded|held|reserved|free)\b.* [\d,]+$", line)
        }
        assert shown["in - out - held"] == 0
        assert sum(shown.values()) == 2 * deposited  # once in, once out


def obtained(document: dict[str, Any], folder: Path) -> set[str]:
    """Return which records a data set says may be used; each is there, and has the digest that it says."""
    usable = {row["record"]: row for row in document["records"] if row["state"] == "granted"}
    for record, row in usable.items():
        assert hashlib.sha256((folder / record).read_bytes()).hexdigest() == row["sha256"]
    assert document["refused"] == []
    return set(usable)
