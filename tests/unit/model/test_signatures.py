"""Whose signature it is: exactly as the contracts see it.

given a signature by a key
├── it should recover to that key's address, and to no other for another digest
├── its malleable twin (the order less s, the other v) should be nobody's
└── v counted from 0 should be nobody's, until it is normalised
given bytes that are no signature
└── they should be nobody's, without an error
"""

from __future__ import annotations

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from medshare.hashing import keccak256
from medshare.model.signatures import normalised, recover

pytestmark = pytest.mark.unit

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ACCOUNT = Account.from_key(b"\x07" * 32)
DIGEST = keccak256(b"what was signed")
SIGNATURE = bytes(ACCOUNT.unsafe_sign_hash(DIGEST).signature)

keys = st.integers(1, ORDER - 1).map(lambda number: Account.from_key(number.to_bytes(32, "big")))
digests = st.binary(min_size=32, max_size=32)


def made(r: int, s: int, v: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v])


R, S, V = int.from_bytes(SIGNATURE[:32], "big"), int.from_bytes(SIGNATURE[32:64], "big"), SIGNATURE[64]


@given(keys, digests, digests)
def test_recover__signature_of_a_key__is_that_key_s_for_that_digest(account, digest, other) -> None:
    signature = bytes(account.unsafe_sign_hash(digest).signature)

    assert recover(digest, signature) == account.address
    assert (recover(other, signature) == account.address) == (other == digest)


@pytest.mark.parametrize(
    "signature",
    [
        made(R, ORDER - S, 55 - V),
        made(R, S, V - 27),
        made(R, S, 55 - V),
        made(R, S, 29),
        made(R, S, 255),
        made(0, S, V),
        made(R, 0, V),
        made(ORDER, S, V),
        made(R, ORDER, V),
        made(5, S, V),
        made(2**256 - 1, 2**256 - 1, 27),
        bytes(65),
        b"",
        SIGNATURE[:64],
        SIGNATURE + b"\0",
        SIGNATURE * 2,
    ],
)
def test_recover__no_signature_of_his__is_not_his(signature) -> None:
    assert recover(DIGEST, signature) != ACCOUNT.address


@given(
    st.binary(max_size=70)
    | st.tuples(st.binary(min_size=64, max_size=64), st.integers(27, 28)).map(
        lambda drawn: drawn[0] + bytes([drawn[1]])
    )
)
def test_recover__any_bytes__is_somebody_or_nobody_without_an_error(signature) -> None:
    found = recover(DIGEST, signature)

    assert found is None or len(found) == 42


def test_normalised__v_from_zero__counts_from_27_and_the_rest_stays() -> None:
    assert normalised(made(R, S, V - 27)) == SIGNATURE
    assert normalised(SIGNATURE) == SIGNATURE
    assert normalised(b"a contract wallet's") == b"a contract wallet's"
    assert recover(DIGEST, normalised(made(R, S, V - 27))) == ACCOUNT.address
