"""Messages to be signed, of every kind and with any values, for tests."""

from __future__ import annotations

from typing import Any

from eth_utils import to_checksum_address
from hypothesis import strategies as st

from medshare.model.delegation import Verbs
from medshare.model.eip712 import Domain, field_name
from medshare.model.purpose import Purpose
from medshare.model.typed_data import SIGNABLES, Signable

KINDS = tuple(SIGNABLES.values())
FLAGS = {"purposes": Purpose, "verbs": Verbs}

addresses = st.binary(min_size=20, max_size=20).map(to_checksum_address)
digests = st.binary(min_size=32, max_size=32)


def values_of(member: str, kind: str) -> st.SearchStrategy[Any]:
    """Return any values of a struct's member, its limits among them."""
    if kind == "address":
        return addresses
    if kind == "bytes32":
        return digests
    if kind == "bool":
        return st.booleans()
    last = (1 << int(kind.removeprefix("uint"))) - 1
    numbers = st.integers(0, last) | st.sampled_from([0, 1, min(last, 2**53 - 1), min(last, 2**53), last])
    return numbers.map(FLAGS.get(member, int))


def messages(kind: type[Signable]) -> st.SearchStrategy[Signable]:
    """Return any messages of a kind."""
    fields = {field_name(name): values_of(name, solidity) for name, solidity in kind.members()}
    if "grant_id" in fields:
        low = st.integers(0, (1 << 96) - 1)
        fields.pop("grant_id")
        return st.tuples(st.fixed_dictionaries(fields), low).map(
            lambda drawn: kind(**drawn[0], grant_id=int(drawn[0]["patient"], 16) << 96 | drawn[1])
        )
    return st.fixed_dictionaries(fields).map(lambda drawn: kind(**drawn))


def domains(contract: str) -> st.SearchStrategy[Domain]:
    """Return any domains of a contract."""
    chain_ids = st.integers(1, (1 << 64) - 1) | st.sampled_from([1, 31337, 2**53, (1 << 64) - 1])
    places = addresses.filter(lambda one: int(one, 16) != 0)
    return st.builds(lambda chain, place: Domain.of(contract, chain, place), chain_ids, places)


def placed(kind: type[Signable]) -> st.SearchStrategy[tuple[Signable, Domain]]:
    """Return any messages of a kind, each with a domain of its contract."""
    return st.tuples(messages(kind), domains(kind.contract))


anything = st.sampled_from(KINDS).flatmap(placed)
"""Any message with its domain."""
