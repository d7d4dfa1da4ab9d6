"""Doubles for the services' tests: a world that crashes at a chosen call, and ledgers with one change of behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from world import DAY, World, publishing_on, resealing_on

from medshare.errors import InvalidInputError
from medshare.model.purpose import PurposeOfUse
from medshare.ports import Ledger
from medshare.services.consenting import Consenting, Prepared
from medshare.services.publishing import Publishing
from medshare.services.registering import Published
from medshare.services.resealing import Resealing
from medshare.services.standing import StandingConsents


class CrashError(BaseException):
    """The process is gone: nothing of ours may catch it."""


@dataclass
class Faults:
    """Counts the calls into a world and fails at one of them, before or after it did its work."""

    at: int | None = None
    after: bool = False
    error: Callable[[], BaseException] = CrashError
    calls: int = 0

    def wrap(self, target: object, *names: str) -> object:
        return _Faulty(self, target, frozenset(names))

    def run(self, call: Callable[[], object]) -> object:
        self.calls += 1
        now = self.calls == self.at
        if now and not self.after:
            raise self.error()
        try:
            return call()
        finally:
            if now:
                raise self.error()  # the answer is lost, whatever it was


class _Faulty:
    def __init__(self, faults: Faults, target: object, names: frozenset[str]) -> None:
        self._faults, self._target, self._names = faults, target, names

    def __getattr__(self, name: str):
        found = getattr(self._target, name)
        if name not in self._names:
            return found
        return lambda *args, **more: self._faults.run(lambda: found(*args, **more))


class Overriding:
    """A port with some verbs replaced; the rest is the port's own."""

    def __init__(self, target: object, **verbs: Callable) -> None:
        self._target = target
        self.__dict__.update(verbs)

    def __getattr__(self, name: str):
        return getattr(self._target, name)


def faulty_store(world: World, faults: Faults):
    return faults.wrap(world.store, "get", "put", "has", "pin", "unpin", "pins")


def faulty_ledger(world: World, faults: Faults) -> Ledger:
    ledger = world.ledger
    return replace(
        ledger,
        directory=faults.wrap(ledger.directory, "encryption_key"),
        records=faults.wrap(ledger.records, "record", "register", "supersede", "retract", "do_all"),
        consents=faults.wrap(ledger.consents, "grant", "revoke", "revoke_all", "get_grant", "stamp"),
        chain=faults.wrap(ledger.chain, "head", "block", "events"),
    )


def faulty_publishing(world: World, faults: Faults) -> Publishing:
    return publishing_on(**_faulty_parts(world, faults))


def faulty_resealing(world: World, faults: Faults) -> Resealing:
    return resealing_on(**_faulty_parts(world, faults))


def _faulty_parts(world: World, faults: Faults) -> dict[str, object]:
    journal = faults.wrap(
        world.journal, "publication_id", "claimed", "find", "unfinished", "write", "forget", "resealed"
    )
    ledger, store = faulty_ledger(world, faults), faulty_store(world, faults)
    standing = StandingConsents(ledger=ledger, store=store, clock=world.clock, auditing=world.auditing)
    return {"ledger": ledger, "store": store, "journal": journal, "auditing": world.auditing, "standing": standing}


def faulty_consenting(world: World, faults: Faults) -> Consenting:
    return Consenting(ledger=faulty_ledger(world, faults), store=faulty_store(world, faults), auditing=world.auditing)


def publishing_with(world: World, **parts: object) -> Publishing:
    """Return the world's publishing service with some parts replaced."""
    return publishing_on(**{**_parts(world), **parts})


def resealing_with(world: World, **parts: object) -> Resealing:
    """Return the world's resealing service with some parts replaced."""
    return resealing_on(**{**_parts(world), **parts})


def consenting_with(world: World, **parts: object) -> Consenting:
    """Return the world's consenting service with some parts replaced, or added."""
    return Consenting(**{"ledger": world.ledger, "store": world.store, "auditing": world.auditing, **parts})


def prepared(world: World, published: Published) -> Prepared:
    """Return what was prepared and never sent, as a process leaves it that dies in between."""
    return world.consenting.prepare(
        patient=world.patient,
        grantee=world.doctor.address,
        records=[world.ref(published)],
        purposes=PurposeOfUse.TREAT,
        expires_at=world.clock.now() + DAY,
    )


def _parts(world: World) -> dict[str, object]:
    return {name: getattr(world, name) for name in ("ledger", "store", "journal", "auditing", "standing")}


def with_records(world: World, **verbs: Callable) -> Ledger:
    return replace(world.ledger, records=Overriding(world.ledger.records, **verbs))


def with_consents(world: World, **verbs: Callable) -> Ledger:
    return replace(world.ledger, consents=Overriding(world.ledger.consents, **verbs))


def with_intents_kept(world: World) -> Ledger:
    """The world's ledger, with an outbox's memory: one intent is one transaction, for ever."""
    done: dict[str, tuple[object, object]] = {}

    def keeping(verb: Callable) -> Callable:
        def send(signer, record_id, other, *, intent):
            if intent in done:
                content, receipt = done[intent]
                if content != (record_id, other):
                    raise InvalidInputError(f"the intent {intent!r} was used for something else")
                return receipt
            receipt = verb(signer, record_id, other, intent=intent)
            done[intent] = (record_id, other), receipt
            return receipt

        return send

    records = world.ledger.records
    return with_records(world, register=keeping(records.register), supersede=keeping(records.supersede))
