"""Guardians' approvals, lined up.

given what some guardians of a circle signed
├─ there is one signature for each guardian, in their order, empty for who has not signed
└─ when it is not one recovery, or not of the circle, it is refused
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from medshare.errors import InvalidInputError
from medshare.model.approvals import line_up
from medshare.model.delegation import Circle
from medshare.model.eip712 import Domain
from medshare.model.ids import Address, address
from medshare.model.typed_data import SignableRecover, SignableSetBar, SignedMessage

pytestmark = pytest.mark.unit

MARY, NEW_KEY, STRANGER = (address("0x" + f"{number:02x}" * 20) for number in (1, 2, 3))
GUARDIANS = ONE, TWO, THREE = tuple(address("0x" + f"{number:02x}" * 20) for number in (0xA1, 0xA2, 0xA3))
CIRCLE = Circle(guardians=GUARDIANS, threshold=2, salt=bytes(32))
MESSAGE = SignableRecover(patient=MARY, controller=NEW_KEY, attempt=1, deadline=9)
DOMAIN = Domain.of("ConsentRegistry", 5, STRANGER)


def by(signer: Address, **change) -> SignedMessage:
    return SignedMessage(message=replace(MESSAGE, **change), domain=DOMAIN, signer=signer, signature=signer.encode())


def test_line_up__some_have_signed__one_place_for_each_in_their_order() -> None:
    message, signatures = line_up(CIRCLE, [by(THREE), by(ONE)])
    assert message == MESSAGE
    assert signatures == (ONE.encode(), b"", THREE.encode())


@pytest.mark.parametrize(
    "approvals",
    [
        [],
        [by(ONE), by(TWO, attempt=2)],
        [by(ONE), by(TWO, deadline=10)],
        [by(ONE), by(TWO, controller=STRANGER)],
        [by(ONE), replace(by(TWO), domain=replace(DOMAIN, chain_id=6))],
        [by(ONE), by(STRANGER)],
        [by(ONE), replace(by(ONE), signature=b"another")],
    ],
    ids=["nothing", "attempts", "deadlines", "keys", "chains", "a stranger's", "twice one's"],
)
def test_line_up__not_one_recovery_of_the_circle__is_refused(approvals: list[SignedMessage]) -> None:
    with pytest.raises(InvalidInputError):
        line_up(CIRCLE, approvals)


def test_line_up__another_message__is_refused() -> None:
    message = SignableSetBar(patient=MARY, barred=True, count=0, deadline=9)
    domain = Domain.of("EmergencyAccess", 5, STRANGER)
    with pytest.raises(InvalidInputError, match="SetBar"):
        line_up(CIRCLE, [SignedMessage(message=message, domain=domain, signer=ONE, signature=b"\1")])
