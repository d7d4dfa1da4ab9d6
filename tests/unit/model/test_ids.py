"""Ids are written in one way, and the library derives them as the chain does.

given text from a person or a document
├─ when it is an address with the right checksum, or in one case, it is taken
├─ when a character was mistyped, it is refused
└─ when an id holds blanks, signs or anything but hexadecimal digits, it is refused
"""

from __future__ import annotations

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from medshare.errors import InvalidInputError
from medshare.hashing import keccak256
from medshare.model.ids import (
    TermsDigest,
    address,
    checksummed,
    derive_grant_id,
    digest32,
    grant_id,
    patient_of,
    record_id,
)

pytestmark = pytest.mark.unit

# The examples of EIP-55 itself.
CHECKSUMMED = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]
accounts = st.binary(min_size=20, max_size=20).map(lambda raw: address("0x" + raw.hex()))
words = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize("text", CHECKSUMMED)
def test_address__with_its_checksum__is_taken_as_it_is(text: str) -> None:
    assert address(text) == text
    assert address(text.lower()) == address("0x" + text[2:].upper()) == text


@given(st.binary(min_size=20, max_size=20))
def test_checksummed__any_account__is_what_eth_utils_writes(raw: bytes) -> None:
    assert checksummed(raw) == to_checksum_address(raw)


@pytest.mark.parametrize("text", CHECKSUMMED[4:])
def test_address__one_letter_in_the_wrong_case__is_refused(text: str) -> None:
    for place in range(2, 42):
        if text[place].isalpha():
            with pytest.raises(InvalidInputError, match="checksum") as caught:
                address(text[:place] + text[place].swapcase() + text[place + 1 :])
            assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0X5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaedd",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed\n",
        " 0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaeg",
        "0x" + "٣" * 40,
        "vitalik.eth",
        "0x" + "a" * 10_000_000,
    ],
    ids=lambda text: repr(text)[:20],
)
def test_address__anything_else__is_refused_in_a_short_message(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        address(text)
    assert len(str(caught.value)) < 200


@given(raw=words)
def test_digest32__hex_in_any_case__is_its_bytes(raw: bytes) -> None:
    for text in (raw.hex(), raw.hex().upper(), "0x" + raw.hex(), raw):
        assert digest32(text) == record_id(text) == raw


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "ab" * 31,
        "ab" * 33,
        "ab" * 31 + "a",
        "zz" * 32,
        "0x0x" + "ab" * 32,
        " ".join(["ab"] * 32),
        "ab" * 32 + "\n",
        "\t" + "ab" * 32,
        "٣" * 64,
        b"",
        b"x" * 31,
        b"x" * 33,
    ],
    ids=lambda text: repr(text)[:20],
)
def test_digest32__anything_else__is_refused_by_its_name(text: str | bytes) -> None:
    with pytest.raises(InvalidInputError, match="moon stone"):
        digest32(text, "moon stone")


@given(patient=accounts, grantee=accounts, terms=words)
def test_derive_grant_id__any__is_the_formula_and_names_the_patient(patient, grantee, terms) -> None:
    derived = derive_grant_id(patient, grantee, TermsDigest(terms))
    hashed = keccak256(bytes.fromhex("00" * 12 + grantee[2:]) + terms)
    assert derived.to_bytes(32, "big") == bytes.fromhex(patient[2:]) + hashed[-12:]
    assert patient_of(derived) == patient == to_checksum_address(patient)
    assert grant_id(f"{derived:#x}") == grant_id(f"{derived:064x}") == grant_id(derived) == derived


def test_derive_grant_id__terms_are_no_digest__is_refused() -> None:
    with pytest.raises(InvalidInputError):
        derive_grant_id(address(CHECKSUMMED[0]), address(CHECKSUMMED[1]), TermsDigest(b"short"))


@pytest.mark.parametrize(
    "text",
    ["", "0x", "0", 0, -1, "-0x1", "+0x1", "0x1_0", " 0x1", "0x1\n", "٣", "0xzz", "0x" + "f" * 65, 1 << 256],
    ids=repr,
)
def test_grant_id__anything_else__is_refused(text: str | int) -> None:
    with pytest.raises(InvalidInputError):
        grant_id(text)


def test_grant_id__the_largest__is_taken() -> None:
    assert grant_id("0x" + "f" * 64) == (1 << 256) - 1
