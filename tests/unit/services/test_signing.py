"""Signing and verifying: nothing leaves that a contract would not take, and no bare hash is ever signed.

given a signer who signs what he is given
└── his signature should come back with message, domain and address
given a signer who signs something else, with another key, or nothing
└── it should be noticed, and nothing come back
given a contract wallet
└── the chain should be asked, and only where no key's signature fits
given a deadline, a contract or a signer that cannot be
└── the signer should not even be asked
given somebody else's signed message
└── chain, contract, deadline and signature should be checked
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from relay_doubles import DOMAIN, HOUR, NOW, FakeWallets, forged, person, revocation

from medshare.errors import (
    DeadlinePassedError,
    DeadlineTooFarError,
    InvalidInputError,
    SignatureInvalidError,
    SignatureMismatchError,
    SigningRefusedError,
    WrongDomainError,
)
from medshare.model.ids import Address
from medshare.model.typed_data import LONGEST_VALIDITY, SignableRevokeAll, to_typed_data
from medshare.services.signing import sign, verify

pytestmark = pytest.mark.unit

MARY, JOHN = person(1), person(2)
MESSAGE = SignableRevokeAll(patient=MARY.address, stamp=0, deadline=NOW + HOUR)


@dataclass
class Wallet:
    """Signs as it likes."""

    address: Address
    answer: Any
    asked: int = 0

    def sign_typed_data(self, typed_data):
        self.asked += 1
        return self.answer(typed_data)


def signed_by(wallet, message=MESSAGE, domain=DOMAIN, wallets=None, now=NOW):
    return sign(message, domain, signer=wallet, now=now, wallets=wallets or FakeWallets())


def test_sign__honest_signer__is_what_verifies() -> None:
    wallets = FakeWallets()

    signed = signed_by(MARY, wallets=wallets)

    assert (signed.message, signed.domain, signed.signer) == (MESSAGE, DOMAIN, MARY.address)
    verify(signed, DOMAIN, now=NOW, wallets=wallets)
    assert wallets.asked == 0


def test_sign__wallet_that_counts_v_from_zero__is_put_right() -> None:
    def answer(typed_data):
        signature = MARY.sign_typed_data(typed_data)
        return signature[:64] + bytes([signature[64] - 27])

    signed = signed_by(Wallet(MARY.address, answer))

    assert signed.signature[64] in (27, 28)


@pytest.mark.parametrize(
    "answer",
    [
        JOHN.sign_typed_data,
        lambda typed_data: MARY.sign_typed_data({**typed_data, "domain": {**typed_data["domain"], "chainId": 1}}),
        lambda typed_data: MARY.sign_typed_data({**typed_data, "message": {**typed_data["message"], "stamp": 1}}),
        lambda _: b"\1" * 65,
        lambda _: b"\1",
    ],
    ids=["another key", "another chain", "another message", "noise", "too short"],
)
def test_sign__wallet_that_signs_something_else__is_noticed(answer) -> None:
    with pytest.raises(SignatureMismatchError) as caught:
        signed_by(Wallet(MARY.address, answer))
    assert caught.value.expected == MARY.address


def test_sign__owner_says_no__passes_on() -> None:
    def refuse(_):
        raise SigningRefusedError("no")

    with pytest.raises(SigningRefusedError):
        signed_by(Wallet(MARY.address, refuse))


def test_sign__contract_wallet__is_what_the_chain_takes() -> None:
    wallets = FakeWallets(taken={MARY.address: b"by two of three"})

    assert (
        signed_by(Wallet(MARY.address, lambda _: b"by two of three"), wallets=wallets).signature == b"by two of three"
    )
    with pytest.raises(SignatureMismatchError):
        signed_by(Wallet(MARY.address, lambda _: b"by one of three"), wallets=wallets)


@pytest.mark.parametrize(
    ("message", "domain", "error"),
    [
        (replace(MESSAGE, deadline=NOW), DOMAIN, DeadlinePassedError),
        (replace(MESSAGE, deadline=NOW + LONGEST_VALIDITY + 1), DOMAIN, DeadlineTooFarError),
        (MESSAGE, replace(DOMAIN, name="medshare Directory"), WrongDomainError),
        (replace(MESSAGE, patient=JOHN.address), DOMAIN, InvalidInputError),
        (replace(MESSAGE, mandate=1), DOMAIN, InvalidInputError),
    ],
    ids=["late", "too far", "another contract", "another's word", "mandate of his own"],
)
def test_sign__what_cannot_be__the_signer_is_not_asked(message, domain, error) -> None:
    wallet = Wallet(MARY.address, MARY.sign_typed_data)

    with pytest.raises(error):
        signed_by(wallet, message, domain)
    assert wallet.asked == 0


@pytest.mark.parametrize(
    ("signed", "domain", "now", "error"),
    [
        (revocation(MARY), replace(DOMAIN, chain_id=1), NOW, WrongDomainError),
        (revocation(MARY), replace(DOMAIN, verifying_contract=MARY.address), NOW, WrongDomainError),
        (revocation(MARY), DOMAIN, NOW + HOUR, DeadlinePassedError),
        (revocation(MARY), DOMAIN, NOW + HOUR - LONGEST_VALIDITY - 1, DeadlineTooFarError),
        (forged(revocation(MARY)), DOMAIN, NOW, SignatureInvalidError),
        (replace(revocation(MARY), signature=revocation(JOHN).signature), DOMAIN, NOW, SignatureInvalidError),
    ],
)
def test_verify__what_a_contract_would_not_take__is_refused(signed, domain, now, error) -> None:
    with pytest.raises(error):
        verify(signed, domain, now=now, wallets=FakeWallets())


def test_sign__what_the_signer_is_given__is_the_whole_typed_data() -> None:
    given = []

    def answer(typed_data):
        given.append(typed_data)
        return MARY.sign_typed_data(typed_data)

    signed_by(Wallet(MARY.address, answer))
    assert given == [to_typed_data(MESSAGE, DOMAIN)]
