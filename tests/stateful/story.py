"""What every story shares: doing the same on both sides, moving time, and comparing all that can be asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import pytest
from bare_evm import Log
from eth_utils import to_checksum_address
from evm import ZERO_ADDRESS, RefusedError
from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine, invariant
from letters import Letter
from people import BTG, REVIEW_PERIOD
from stage import END_OF_TIME, NAMES, PURPOSES, START, Place, empty_words, new_model, stage, words_of
from told import Moved, Refused, Told, moves, read_logs

from medshare.errors import RejectedError
from medshare.model import events
from medshare.model.accreditation import AccreditationKind, MemberStatus
from medshare.model.delegation import Control, Delegation, Guardianship, Verbs
from medshare.model.events import BlockRef, EventPlace, LedgerEvent
from medshare.model.ids import Address, GrantId, clinician_of, patient_of
from medshare.model.ledger import LAST_COUNT
from medshare.model.purpose import Purpose

ZERO = bytes(32)
HORIZON = START + 3 * 365 * 86_400
"""Stories do not travel further; grants and deadlines can lie beyond."""

REACHES = {"accept": "ConsentRegistry", "execute": "AccessRequests"}
"""Calls that have another of our contracts do something."""

Verb = Callable[[EventPlace], Sequence[LedgerEvent]]


@dataclasses.dataclass(frozen=True)
class Before:
    """Who might do what, before a call."""

    controls: dict[Address, Control]
    delegations: dict[tuple[Address, Address], Delegation]
    guardianships: dict[Address, Guardianship]
    stamps: dict[Address, int]
    now: int

    def controller(self, patient: Address) -> Address:
        return self.controls[patient].controller if patient in self.controls else patient

    def mandate(self, patient: Address, actor: Address, verb: Verbs) -> Delegation | None:
        """Return the delegation under which somebody may do this now, if he may."""
        held = self.delegations.get((patient, actor))
        if held is None or held.stamp != self.stamps.get(patient, 0) or not held.verbs & verb:
            return None
        return held if held.not_before <= self.now < held.expires_at else None


class Story(RuleBasedStateMachine):
    """The contracts and the model, in one state."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = stage()
        self.mark = self.stage.evm.snapshot()
        self.model = new_model()
        self.replayed = new_model()
        self.tokens: dict[tuple[str, int], int] = {}
        """What a reader of TransferSingle alone believes: account and token."""
        self.now = START
        self.block = 0
        self.deadlines: set[int] = set()
        self.used: set[bytes] = set()
        """Signatures that had their effect."""
        self.answered: dict[object, object] = {}
        """What each view was last asked about: it is asked again where something it reads has changed."""

    def teardown(self) -> None:
        try:
            self._storage_agrees({**empty_words(), **words_of(self.model)})
        finally:
            self.stage.evm.revert(self.mark)

    def begin_with(self) -> None:
        """Let the contracts hold what the model holds, as if it had happened before."""
        for place, word in words_of(self.model).items():
            self.stage.store(place, word)
        for grant in self.model.grants.values():
            self.tokens[grant.grantee, grant.grant_id] = 1
        self.replayed = deepcopy(self.model)

    # ------------------------------------------------------------------------------------------------- doing it

    def both(
        self, contract: str, caller: Address, call: tuple[Any, ...], verb: Verb, author: Address, *, value: int = 0
    ) -> bool:
        """Let contract and model do the same; return whether they did or both refused.

        Args:
            contract: whose verb.
            caller: who sends it.
            call: the verb on chain, and its arguments.
            verb: the same on the model.
            author: whose word it is: who sends or who signed.
            value: the chain's own coin that is sent along.
        """
        place = self._place()
        note(f"{self.now - START:+d}s {NAMES[caller]}: {call[0]} {call[1:]}")
        before = self.before()
        try:
            expected = self._carry_out(verb, place, author, before)
        except RejectedError as error:
            note(f"    refused: {type(error).__name__}")
            self.refused(contract, caller, call, _values_of(error), value=value)
            return False
        self._done(contract, caller, call, place, expected, value=value)
        return True

    def together(self, contract: str, caller: Address, letters: Sequence[Letter]) -> None:
        """Let contract and model do the same messages in one transaction."""
        place = first = self._place()
        expected: list[Told] = []
        note(f"{self.now - START:+d}s {NAMES[caller]}: batch of {len(letters)}")
        for index, letter in enumerate(letters):
            note(f"    {letter}")
            try:
                told = self._carry_out(relaying(self, letter), place, letter.signer, self.before())
                self._use(letter)
            except RejectedError as error:
                told = [Refused(index, _values_of(error))]
            ours = [one for one in told if not isinstance(one, Moved | Refused)]
            place = dataclasses.replace(place, log_index=place.log_index + len(ours))
            expected += told
        calls = [self.stage.contracts[contract].data(*letter.call) for letter in letters]
        self._done(contract, caller, ("batch", calls), first, expected)

    def send(self, letter: Letter, sender: Address) -> None:
        """Let somebody send what another signed."""
        if self.both(letter.contract, sender, letter.call, relaying(self, letter), letter.signer):
            self._use(letter)

    def _use(self, letter: Letter) -> None:
        """I2: a signature works once; at the last count, where nothing can begin any more, ending can be repeated."""
        assert letter.is_genuine
        assert self.now < letter.message.deadline
        if getattr(letter.message, "last_epoch", 0) < LAST_COUNT and getattr(letter.message, "stamp", 0) < LAST_COUNT:
            assert letter.signature not in self.used
        self.used.add(letter.signature)

    def before(self) -> Before:
        model = self.model
        copies = (dict(each) for each in (model.controls, model.delegations, model.guardianships, model.stamps))
        return Before(*copies, self.now)

    def _place(self) -> EventPlace:
        self.block += 1
        return EventPlace(block=BlockRef(number=self.block, hash=ZERO, time=self.now), log_index=0, tx_hash=ZERO)

    def _carry_out(self, verb: Verb, place: EventPlace, author: Address, before: Before) -> list[Told]:
        """Let the model do it; return all that the contract must tell."""
        holders = {grant_id: grant.grantee for grant_id, grant in self.model.grants.items() if grant.purposes}
        holders |= {episode_id: clinician_of(episode_id) for episode_id in self.model.episodes}
        happened = verb(place)
        for event in happened:
            self._judge(event, author, before)
        return [one for event in happened for one in (event, *moves(event, holders.get))]

    def refused(
        self, contract: str, caller: Address, call: tuple[Any, ...], said: tuple[Any, ...], *, value: int = 0
    ) -> None:
        """Let the contract refuse, with this error."""
        with pytest.raises(RefusedError) as refused:
            self.stage.contracts[contract].do(caller, self.now, *call, value=value)
        assert refused.value.args == said

    def _done(
        self,
        contract: str,
        caller: Address,
        call: tuple[Any, ...],
        place: EventPlace,
        expected: list[Told],
        *,
        value: int = 0,
    ) -> None:
        logs = self.stage.contracts[contract].do(caller, self.now, *call, value=value)
        self.foreign([log for log in logs if log.address not in self.stage.names])
        logs = tuple(log for log in logs if log.address in self.stage.names)
        assert {self.stage.names[log.address] for log in logs} <= {contract, REACHES.get(call[0], contract)}
        told = read_logs(self.stage, logs, place)
        assert told == expected
        for one in told:
            match one:
                case Moved():
                    self._count(one)
                case Refused():
                    pass
                case _:
                    self.replayed.apply(one)
                    self._dead_at_once(one)

    def foreign(self, logs: Sequence[Log]) -> None:
        """Look at what contracts that are not ours have told."""
        assert not logs

    def _count(self, move: Moved) -> None:
        for account, change in ((move.sender, -1), (move.receiver, 1)):
            if account != ZERO_ADDRESS:
                self.tokens[account, move.token] = self.tokens.get((account, move.token), 0) + change

    # ------------------------------------------------------------------------------------------- I1: by whose word

    def _judge(self, event: LedgerEvent, author: Address, before: Before) -> None:
        """Whatever happened was the author's to do: said once more, without regard to how it is checked."""
        match event:
            case events.AccessGranted(grant=grant):
                if author != before.controller(grant.patient):
                    held = before.mandate(grant.patient, author, Verbs.GRANT)
                    assert held is not None
                    assert grant.expires_at <= held.expires_at
                    assert not int(grant.purposes) & ~int(held.purposes)
            case events.AccessRevoked(grant_id=grant_id):
                patient = patient_of(grant_id)
                is_his = author in (patient, before.controller(patient))
                assert is_his or before.mandate(patient, author, Verbs.REVOKE) is not None
            case events.DelegateDismissed(patient=patient, delegate=delegate):
                assert author in (before.controller(patient), delegate)
            case events.DelegateAppointed(delegation=delegation):
                assert author == before.controller(delegation.patient)
            case (
                events.AllAccessRevoked(patient=patient)
                | events.GuardiansNamed(patient=patient)
                | events.RecoveryObjected(patient=patient)
                | events.BarSet(patient=patient)
            ):
                assert author == before.controller(patient)
            case events.ControlMoved(patient=patient, controller=controller):
                waited = before.guardianships[patient]
                assert (waited.proposed, 0 < waited.ready_at <= self.now) == (controller, True)
                assert controller != patient
            case events.ActedFor() | events.EncryptionKeySet():
                assert author == event.actor
            case events.RecordRegistered() | events.RecordSuperseded() | events.RecordRetracted():
                assert author == event.custodian
            case events.BatchAnchored(custodian=custodian):
                assert author == custodian
            case events.RegisteredFromBatch():
                assert author == event.custodian
                assert (event.custodian, event.root) in self.model.batches
            case _:
                self._judge_emergency(event, author, before)

    def _judge_emergency(self, event: LedgerEvent, author: Address, before: Before) -> None:
        model = self.model
        match event:
            case events.GlassBroken(clinician=clinician, patient=patient):
                assert author == clinician != patient
                assert model.is_accredited(clinician, AccreditationKind.CLINICIAN, self.now)
                assert not model.bar(patient).barred
            case events.EpisodeEnded(episode_id=episode_id, by=by):
                patient = model.episode(episode_id).patient
                assert author == by
                assert by in (clinician_of(episode_id), before.controller(patient))
            case events.EpisodeReviewed(episode_id=episode_id, reviewer=reviewer):
                patient = model.episode(episode_id).patient
                assert author == reviewer
                assert model.is_accredited(reviewer, AccreditationKind.REVIEWER, self.now)
                assert reviewer not in (clinician_of(episode_id), patient, before.controller(patient))
            case events.Accredited(member=member):
                assert author == member
                assert model.member(member).status is MemberStatus.SEATED
            case events.KeysReleased(custodian=custodian):
                assert author == custodian

    # ------------------------------------------------------------------------------------------- I2, I3: the ends

    def _dead_at_once(self, event: LedgerEvent) -> None:
        """What ended is dead for every purpose, now and in every second to come."""
        match event:
            case events.AccessRevoked(grant_id=grant_id):
                self._assert_dead([grant_id])
            case events.AllAccessRevoked(patient=patient):
                self._assert_dead([grant_id for grant_id in self.model.grants if patient_of(grant_id) == patient])

    def _assert_dead(self, grant_ids: Sequence[GrantId]) -> None:
        # A batch may have granted again since.
        ended = [each for each in sorted(grant_ids) if not self._may_come(each)]
        edges = {
            edge
            for each in ended
            for edge in (self.model.grants[each].not_before, self.model.grants[each].expires_at - 1)
        }
        for time in sorted({self.now, END_OF_TIME, *(edge for edge in edges if edge > self.now)}) if ended else ():
            for purpose in (Purpose.TREAT, Purpose.HRESCH):
                assert not any(self.ask("ConsentRegistry", "areLive", ended, purpose, at=time))

    def _may_come(self, grant_id: GrantId) -> bool:
        grant = self.model.grants[grant_id]
        return bool(grant.purposes) and grant.stamp == self.model.stamp(grant.patient)

    # ----------------------------------------------------------------------------------------------------- time

    def edges(self) -> set[int]:
        """Return the first seconds in which something that is pending begins, ends or is due."""
        model = self.model
        found = set(self.deadlines)
        for period in (*model.grants.values(), *model.delegations.values()):
            found |= {period.not_before, period.expires_at}
        for standing in model.guardianships.values():
            found |= {standing.next_from, standing.ready_at}
        for episode in model.episodes.values():
            found |= {episode.ends_at, episode.opened_at + model.limits.longest_episode}
            found |= {episode.opened_at + REVIEW_PERIOD}
        return found | {said.valid_until for said in model.accreditations.values()}

    def moments(self) -> list[int]:
        """Return the seconds ahead in which such a thing happens, those before and those after."""
        around = {edge + shift for edge in self.edges() for shift in (-1, 0, 1)}
        return sorted(moment for moment in around if self.now < moment < HORIZON)

    def travel(self, time: int) -> None:
        """Let time go on: it begins what was dated ahead, and never brings back what somebody ended (I2, I3)."""
        before = {grant_id for grant_id in self.model.grants if self._live_for_something(grant_id)}
        note(f"-- {time - START:+d}s")
        self.now = time
        for grant_id, grant in self.model.grants.items():
            if grant_id not in before and self._live_for_something(grant_id):
                assert grant.not_before <= time < grant.expires_at
                assert self._may_come(grant_id)

    def _live_for_something(self, grant_id: GrantId) -> bool:
        purposes = self.model.grants[grant_id].purposes
        return bool(purposes) and self.model.is_live(grant_id, purposes, self.now)

    # --------------------------------------------------------------------------------------------- they agree

    def ask(self, contract: str, name: str, *arguments: Any, at: int | None = None) -> Any:
        return self.stage.contracts[contract].ask(self.now if at is None else at, name, *arguments)

    def is_new(self, view: object, *reads: object) -> bool:
        """Whether a view has to be asked: what it reads has changed since."""
        if self.answered.get(view) == reads:
            return False
        self.answered[view] = reads
        return True

    @invariant()
    def storage_is_as_the_model_has_it(self):
        """Where something was written; that nothing else was is looked at in the end."""
        self._storage_agrees(words_of(self.model))

    def _storage_agrees(self, expected: dict[Place, int]) -> None:
        assert {place: self.stage.load(place) for place in expected} == expected

    @invariant()
    def events_are_the_state(self):
        """I6, after every step and so at the end."""
        assert self.replayed == self.model

    @invariant()
    def grants_agree(self):
        model, now = self.model, self.now
        for grant_id, grant in model.grants.items():
            if self.is_new(("getGrant", grant_id), grant):
                grantee, *fields = self.ask("ConsentRegistry", "getGrant", grant_id)
                dates = [grant.not_before, grant.expires_at]
                assert to_checksum_address(grantee) == grant.grantee
                assert fields == [*dates, grant.purposes, grant.stamp, grant.epoch]
        asked = [
            grant_id
            for grant_id, grant in sorted(model.grants.items())
            if self.is_new(("live", grant_id), grant, model.stamp(grant.patient), now)
        ]
        for purpose in PURPOSES if asked else ():
            live = self.ask("ConsentRegistry", "areLive", asked, purpose)
            assert list(live) == [model.is_live(grant_id, purpose, now) for grant_id in asked]
        self._balances_are_liveness(asked)

    def _balances_are_liveness(self, asked: Sequence[GrantId]) -> None:
        """I4: one for the grantee while it is live, and nothing for anybody else."""
        grants = [self.model.grants[grant_id] for grant_id in asked]
        pairs = [(account, each.grant_id) for each in grants for account in {each.grantee, each.patient}]
        if not pairs:
            return
        accounts, ids = zip(*pairs, strict=True)
        balances = self.ask("ConsentRegistry", "balanceOfBatch", accounts, ids)
        for (account, grant_id), balance in zip(pairs, balances, strict=True):
            holds = self.model.grants[grant_id].grantee == account and self._live_for_something(grant_id)
            assert balance == int(holds)

    @invariant()
    def tokens_are_counted_once(self):
        """I4: who reads TransferSingle alone knows who was granted what, and which episodes were not ended early."""
        granted = {(grant.grantee, grant_id) for grant_id, grant in self.model.grants.items() if grant.purposes}
        counted = {token for token, count in self.tokens.items() if count}
        assert {token for token in counted if token[1] not in self.model.episodes} == granted
        assert set(self.tokens.values()) <= {0, 1}

    @invariant()
    def authority_agrees(self):
        model, now = self.model, self.now
        for patient in model.stamps.keys() | model.controls.keys():
            control, stamp = model.controller_of(patient), model.stamp(patient)
            if self.is_new(("control", patient), control, stamp):
                controller, tenure = self.ask("ConsentRegistry", "controllerOf", patient)
                assert (to_checksum_address(controller), tenure) == (control.controller, control.tenure)
                assert self.ask("ConsentRegistry", "getStamp", patient) == stamp
        for pair, held in model.delegations.items():
            if self.is_new(("getDelegation", pair), held):
                fields = (held.not_before, held.expires_at, held.purposes, held.verbs, held.stamp, held.epoch)
                assert self.ask("ConsentRegistry", "getDelegation", *pair) == fields
            if self.is_new(("isDelegate", pair), held, model.stamp(pair[0]), now):
                for verbs, purposes in ((Verbs.GRANT, Purpose.TREAT), (Verbs.REVOKE, Purpose(0))):
                    wanted = dataclasses.replace(held, verbs=verbs, purposes=purposes)
                    answer = self.ask("ConsentRegistry", "isDelegate", *pair, verbs, purposes)
                    assert answer is model.is_delegate(wanted, now)
        for patient, standing in model.guardianships.items():
            if self.is_new(("getGuardianship", patient), standing):
                *fields, proposed = self.ask("ConsentRegistry", "getGuardianship", patient)
                turns = (standing.delay, standing.next_delay, standing.next_from)
                counts = (standing.ready_at, standing.attempt, standing.changes)
                assert fields == [standing.circle, standing.next_circle, *turns, *counts]
                assert to_checksum_address(proposed) == standing.proposed

    @invariant()
    def emergencies_agree(self):
        model, now = self.model, self.now
        for (actor, kind), said in model.accreditations.items():
            if self.is_new(("isAccredited", actor, kind), said, model.seated, now):
                is_accredited = model.is_accredited(actor, kind, now)
                assert self.ask("Consortium", "isAccredited", actor, kind) is is_accredited
                assert not is_accredited or (now < said.valid_until and not said.suspension)
            if self.is_new(("getAccreditation", actor, kind), said):
                fields = (said.valid_until, said.seat, said.suspension)
                assert self.ask("Consortium", "getAccreditation", actor, kind) == fields
        for episode_id, episode in model.episodes.items():
            is_clinician = model.is_accredited(episode.clinician, AccreditationKind.CLINICIAN, now)
            if self.is_new(("getEpisode", episode_id), episode):
                patient, *fields = self.ask("EmergencyAccess", "getEpisode", episode_id)
                assert to_checksum_address(patient) == episode.patient
                assert fields == [episode.opened_at, episode.ends_at, episode.reason, episode.verdict]
            if self.is_new(("episode", episode_id), episode, is_clinician, now):
                live = model.is_episode_live(episode_id, now)
                assert self.ask("EmergencyAccess", "isLive", episode_id, BTG) is live
                assert self.ask("EmergencyAccess", "isLive", episode_id, BTG | Purpose.TREAT) is False
                assert self.ask("EmergencyAccess", "balanceOf", episode.clinician, episode_id) == int(live)
                assert not live or (is_clinician and episode.opened_at <= now < episode.ends_at)
        for clinician, standing in model.standings.items():
            if self.is_new(("getStanding", clinician), standing):
                fields = (standing.episodes, standing.reviewed)
                assert self.ask("EmergencyAccess", "getStanding", clinician) == fields
        for patient, bar in model.bars.items():
            if self.is_new(("getBar", patient), bar):
                assert self.ask("EmergencyAccess", "getBar", patient) == (bar.barred, bar.count)

    @invariant()
    def records_and_keys_agree(self):
        for (custodian, record_id), entry in self.model.records.items():
            if self.is_new(("getRecord", custodian, record_id), entry):
                patient, *fields = self.ask("RecordRegistry", "getRecord", custodian, record_id)
                assert to_checksum_address(patient) == entry.patient
                assert fields == [entry.registered_at, entry.ended_at, entry.version, entry.status]
        for (custodian, root), batch in self.model.batches.items():
            if self.is_new(("getBatch", custodian, root), batch):
                assert self.ask("RecordRegistry", "getBatch", custodian, root) == (batch.anchored_at, batch.count)
        for actor, key in self.model.keys.items():
            if self.is_new(("getEncryptionKey", actor), key):
                assert self.ask("Consortium", "getEncryptionKey", actor) == (key.key, key.version, key.set_at)


def relaying(story: Story, letter: Letter) -> Verb:
    """Return what a signed message does to the model."""
    return lambda place: story.model.relay(letter.message, letter.signer, place, valid=letter.is_genuine)


def _values_of(error: RejectedError) -> tuple[Any, ...]:
    return (error.solidity, *(getattr(error, field.name) for field in dataclasses.fields(error)))
