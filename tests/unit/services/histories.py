"""Random histories of a ledger, for hypothesis: what few actors may do, and a chain that it was done on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st

from medshare.errors import RejectedError
from medshare.hashing import sha256
from medshare.model.accreditation import AccreditationKind
from medshare.model.consent import GrantRequest
from medshare.model.events import EventPlace, LedgerEvent
from medshare.model.governed import SetSplit, encode_call
from medshare.model.ids import (
    Address,
    BundleId,
    CatalogueId,
    DocumentId,
    RecordId,
    TermsDigest,
    address,
    derive_grant_id,
)
from medshare.model.ledger import LedgerModel
from medshare.model.purpose import Purpose
from medshare.model.record_batch import RecordBatch
from medshare.model.request import RequestTerms
from medshare.testing import FakeClock, InMemoryChain, NamedSigner, in_memory_ledger

BEGIN = 1_800_000_000
ACTORS = tuple(address("0x" + f"{number:02x}" * 20) for number in range(1, 5))
CUSTODIANS = ACTORS[:2]
DIGESTS = tuple(sha256(bytes([number])) for number in range(5))

BATCH = RecordBatch.of(((RecordId(DIGESTS[at]), ACTORS[at % 3]) for at in range(4)), secret=DIGESTS[4])

actors = st.sampled_from(ACTORS)
digests = st.sampled_from(DIGESTS)
seconds = st.integers(0, 60)
purposes = st.integers(0, 7).map(Purpose)

Step = tuple[Any, ...]
steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("key"), actors, digests),
    st.tuples(st.just("register"), actors, digests, actors),
    st.tuples(st.just("supersede"), actors, digests, digests),
    st.tuples(st.just("retract"), actors, digests),
    st.tuples(st.just("anchor"), actors),
    st.tuples(st.just("from batch"), actors, st.integers(0, 3)),
    st.tuples(st.just("grant"), actors, actors, digests, seconds, seconds, purposes),
    st.tuples(st.just("grant"), actors, actors, digests, seconds, seconds, purposes),
    st.tuples(st.just("revoke"), actors, actors, actors, digests),
    st.tuples(st.just("revoke_all"), actors),
    st.tuples(st.just("accredit"), actors, st.sampled_from(AccreditationKind)),
    st.tuples(st.just("split"), st.integers(0, 4), st.integers(0, 9_000)),
    st.tuples(st.just("open"), actors, st.integers(0, 3)),
    st.tuples(st.just("wait"), st.integers(1, 20)),
    st.tuples(st.just("empty block")),
)
histories = st.lists(steps, max_size=25)


def take(chain: InMemoryChain, clock: FakeClock, step: Step) -> None:
    """Do one step; what the rules refuse is not done."""
    match step:
        case "wait", length:
            clock.advance(length)
        case ("empty block",):
            chain.mine()
        case _:
            with suppress(RejectedError):
                chain.mine(lambda place: _do(chain.model, step, place))


def _do(model: LedgerModel, step: Step, place: EventPlace) -> Sequence[LedgerEvent]:
    now = place.block.time
    match step:
        case "register" | "supersede" | "retract" | "anchor" | "from batch", *_:
            return _of_records(model, step, place)
        case "key", caller, key:
            return model.set_encryption_key(caller, key, place)
        case "grant", caller, grantee, terms, start, length, what_for:
            return model.grant(caller, request_of(grantee, terms, now + start, now + start + length, what_for), place)
        case "revoke", caller, patient, grantee, terms:
            return model.revoke(caller, derive_grant_id(patient, grantee, TermsDigest(terms)), place)
        case "revoke_all", caller:
            return model.revoke_all(caller, caller, place)
        case "accredit", actor, kind:
            return model.accredit(InMemoryChain.member.address, actor, kind, now + 50, place)
        case "split", category, patient:
            return _decided(model, category, patient, place)
        case "open", caller, grants:
            return model.open_request(caller, terms_of(grants, now + 40), place)
        case _:
            raise AssertionError(step)


def _of_records(model: LedgerModel, step: Step, place: EventPlace) -> Sequence[LedgerEvent]:
    match step:
        case "register", caller, record, patient:
            return model.register(caller, RecordId(record), patient, place)
        case "supersede", caller, record, previous:
            return model.supersede(caller, RecordId(record), RecordId(previous), place)
        case "retract", caller, record:
            return model.retract(caller, RecordId(record), sha256(record), place)
        case "anchor", caller:
            return model.anchor_batch(caller, BATCH.root, CatalogueId(DIGESTS[0]), BATCH.count, place)
        case "from batch", custodian, which:
            return model.register_from_batch(list(BATCH.inclusions(custodian))[which], place)
        case _:
            raise AssertionError(step)


def _decided(model: LedgerModel, category: int, patient: int, place: EventPlace) -> tuple[LedgerEvent, ...]:
    """Propose and execute a split, as the only member, in one block."""
    call = encode_call(SetSplit(category=category, patient=patient, custodian=1_000))
    proposed = model.propose(InMemoryChain.member.address, model.escrow, call, bytes(32), place)
    try:
        done = model.execute(ACTORS[0], proposed[0].proposal_id, call, place.after(len(proposed)))
    except RejectedError:
        return proposed
    return (*proposed, *done)


def terms_of(grants: int, deadline: int) -> RequestTerms:
    return RequestTerms(
        purposes=Purpose.HRESCH,
        category=1,
        grants=grants,
        deadline=deadline,
        access_days=1,
        reward=7,
        document=DocumentId(DIGESTS[0]),
    )


def request_of(grantee: Address, terms: bytes, not_before: int, expires_at: int, what_for: Purpose) -> GrantRequest:
    return GrantRequest(
        grantee=grantee,
        terms=TermsDigest(terms),
        bundle=BundleId(sha256(terms + expires_at.to_bytes(8, "big"))),
        not_before=not_before,
        expires_at=expires_at,
        purposes=what_for,
    )


def chain_of(history: Sequence[Step]) -> tuple[InMemoryChain, FakeClock]:
    clock = FakeClock(BEGIN)
    _, chain = in_memory_ledger(clock, CUSTODIANS)
    for step in history:
        take(chain, clock, step)
    return chain, clock


def signer(number: int) -> NamedSigner:
    return NamedSigner(ACTORS[number])
