"""Random histories of a ledger, for hypothesis: what few actors may do, and a chain that it was done on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from medshare.errors import RejectedError
from medshare.hashing import sha256
from medshare.model.consent import GrantRequest
from medshare.model.ids import Address, BundleId, RecordId, TermsDigest, address, derive_grant_id
from medshare.model.purpose import Purpose
from medshare.testing import FakeClock, InMemoryChain, NamedSigner, in_memory_ledger

BEGIN = 1_800_000_000
ACTORS = tuple(address("0x" + f"{number:02x}" * 20) for number in range(1, 5))
DIGESTS = tuple(sha256(bytes([number])) for number in range(5))

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
    st.tuples(st.just("grant"), actors, actors, digests, seconds, seconds, purposes),
    st.tuples(st.just("grant"), actors, actors, digests, seconds, seconds, purposes),
    st.tuples(st.just("revoke"), actors, actors, actors, digests),
    st.tuples(st.just("revoke_all"), actors),
    st.tuples(st.just("wait"), st.integers(1, 20)),
    st.tuples(st.just("empty block")),
)
histories = st.lists(steps, max_size=25)


def take(chain: InMemoryChain, clock: FakeClock, step: Step) -> None:
    """Do one step; what the rules refuse is not done."""
    ledger_model = chain.model
    what, *rest = step
    try:
        match what, rest:
            case "wait", [length]:
                clock.advance(length)
            case "empty block", []:
                chain.mine()
            case "key", [caller, key]:
                chain.mine(lambda place: ledger_model.set_encryption_key(caller, key, place))
            case "register", [caller, record, patient]:
                chain.mine(lambda place: ledger_model.register(caller, RecordId(record), patient, place))
            case "supersede", [caller, record, previous]:
                chain.mine(lambda place: ledger_model.supersede(caller, RecordId(record), RecordId(previous), place))
            case "retract", [caller, record]:
                chain.mine(lambda place: ledger_model.retract(caller, RecordId(record), sha256(record), place))
            case "grant", [caller, grantee, terms, start, length, what_for]:
                request = request_of(grantee, terms, clock.now() + start, clock.now() + start + length, what_for)
                chain.mine(lambda place: ledger_model.grant(caller, request, place))
            case "revoke", [caller, patient, grantee, terms]:
                grant_id = derive_grant_id(patient, grantee, TermsDigest(terms))
                chain.mine(lambda place: ledger_model.revoke(caller, grant_id, place))
            case "revoke_all", [caller]:
                chain.mine(lambda place: ledger_model.revoke_all(caller, caller, place))
            case _:
                raise AssertionError(step)
    except RejectedError:
        return


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
    _, chain = in_memory_ledger(clock)
    for step in history:
        take(chain, clock, step)
    return chain, clock


def signer(number: int) -> NamedSigner:
    return NamedSigner(ACTORS[number])
