"""What a person reads before he signs.

given any message
├── every member's value should be told once, with the contract and the chain
└── warnings should come first, and each kind have its act in words
given a grant or an appointment
├── whom it lets do what, for which purposes, and until when should be told in words, names beside addresses
└── an address without a name, a time longer than a year, bits that nobody knows: each is pointed out
given what cannot be undone
└── it should be said
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from messages import KINDS, anything

from medshare.errors import WrongDomainError
from medshare.model.delegation import Verbs
from medshare.model.describing import MEANINGS, WARNING, describe
from medshare.model.eip712 import Domain
from medshare.model.ids import ZERO_ADDRESS, address
from medshare.model.purpose import Purpose
from medshare.model.typed_data import (
    SignableAppoint,
    SignableEndEpisode,
    SignableGrant,
    SignableNameGuardians,
    SignableRecover,
    SignableRevoke,
    SignableRevokeAll,
    SignableSetBar,
    SignableWithdraw,
)

pytestmark = pytest.mark.unit

NOW = 1_800_000_000
DAY = 86_400
MARY = address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
DOCTOR = address("0x90F79bf6EB2c4f870365E785982E1f101E93b906")
PLACE = address("0x5FbDB2315678afecb367f032d93F642f64180aa3")
NAMES = {MARY: "mary", DOCTOR: "doctor"}.get
DOMAIN = Domain.of("ConsentRegistry", 31337, PLACE)
FOR, UNTIL = "for treatment (TREAT), research (HRESCH)", "until 2027-02-14 08:00:00 UTC (in 30 days)"
GRANT = SignableGrant(
    patient=MARY,
    grantee=DOCTOR,
    terms=b"\xa1" * 32,
    bundle=b"\xb1" * 32,
    purposes=Purpose.TREAT | Purpose.HRESCH,
    not_before=0,
    expires_at=NOW + 30 * DAY,
    stamp=0,
    epoch=2,
    deadline=NOW + 3_600,
)
APPOINT = SignableAppoint(
    patient=MARY,
    delegate=DOCTOR,
    verbs=Verbs.GRANT | Verbs.REVOKE,
    purposes=Purpose.TREAT,
    not_before=NOW + DAY,
    expires_at=NOW + 2 * DAY + 3_600,
    stamp=0,
    epoch=0,
    deadline=NOW + 3_600,
)


def told(message, **changes):
    return describe(message, DOMAIN, **{"names": NAMES, "now": NOW, **changes})


def warnings(message, **changes):
    return [line.text for line in told(message, **changes) if line.label == WARNING]


def test_describe__grant__is_read_like_this() -> None:
    assert told(GRANT) == (
        (
            "warning",
            f"This lets doctor ({DOCTOR}) read the records that the terms name, {FOR}, {UNTIL}.",
        ),
        ("warning", "What has been read cannot be taken back: revoking ends what comes after it."),
        ("you sign", "access for a reader"),
        ("patient", f"mary ({MARY})"),
        ("who shall read", f"doctor ({DOCTOR})"),
        ("salted digest of the terms", "0x" + "a1" * 32),
        ("digest of the key bundle", "0x" + "b1" * 32),
        ("purposes", "treatment (TREAT), research (HRESCH)"),
        ("from", "as soon as it is on chain"),
        ("until", "2027-02-14 08:00:00 UTC (in 30 days)"),
        ("how often everything was revoked", "0 (must still be so when it is sent)"),
        ("how often this was changed", "2 (must still be so when it is sent)"),
        ("signed with", "the patient's own key"),
        ("can be sent until", "2027-01-15 09:00:00 UTC (in 1 hour)"),
        ("at the contract", f"medshare ConsentRegistry, {PLACE}"),
        ("on the chain", "31337"),
    )


@given(anything)
def test_describe__any_message__tells_every_member_once_after_the_warnings(drawn) -> None:
    message, domain = drawn
    lines = describe(message, domain, names=NAMES, now=NOW)
    labels = [line.label for line in lines]
    rest = labels[labels.count(WARNING) :]

    assert WARNING not in rest
    assert len(set(rest)) == len(rest) == len(message.members()) + 3
    assert all(line.text.isprintable() and line.text for line in lines)
    assert (lines[-1].text, domain.verifying_contract in lines[-2].text) == (str(domain.chain_id), True)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.struct())
def test_describe__each_kind__has_its_act_in_words(kind) -> None:
    from medshare.model import describing

    assert describing._ACTS[kind]
    assert set(describing._ACTS) == set(KINDS)


def test_describe__domain_of_another_contract__is_refused() -> None:
    with pytest.raises(WrongDomainError):
        describe(GRANT, replace(DOMAIN, name="medshare Consortium"), names=NAMES, now=NOW)


def test_describe__stranger_or_long_time__is_pointed_out() -> None:
    stranger = replace(GRANT, grantee=PLACE, expires_at=NOW + 367 * DAY)

    assert any(PLACE in text and "no name" in text for text in warnings(stranger))
    assert any("longer than a year" in text for text in warnings(stranger))
    assert not any("no name" in text or "longer" in text for text in warnings(GRANT))


def test_describe__bits_that_nobody_knows__are_told() -> None:
    line = next(line for line in told(replace(GRANT, purposes=Purpose(1 << 15))) if line.label == "purposes")
    assert line.text == "purposes unknown here (bits 0x8000)"
    line = next(line for line in told(replace(APPOINT, verbs=Verbs(0x84))) if line.label == "may")
    assert line.text == "things unknown here (bits 0x84)"
    assert {line.text for line in told(replace(APPOINT, verbs=Verbs(0), purposes=Purpose(0)))} > {
        "nothing",
        "no purpose",
    }


def test_describe__appointment__says_what_the_delegate_may() -> None:
    granting, read, revoking = warnings(APPOINT)
    assert f"lets doctor ({DOCTOR}) open the patient's records to anybody" in granting
    assert "cannot be taken back" in read
    assert "take back what the patient has granted" in revoking
    assert len(warnings(replace(APPOINT, verbs=Verbs.REVOKE))) == 1
    assert ("from", "2027-01-16 08:00:00 UTC (in 1 day)") in told(APPOINT)
    assert ("until", "2027-01-17 09:00:00 UTC (in 2 days 1 hour)") in told(APPOINT)


def test_describe__by_mandate__says_for_whom() -> None:
    assert ("signed with", "mandate 3: you act for the patient") in told(replace(GRANT, mandate=3))


def test_describe__guardians__named_changed_or_given_up() -> None:
    named = SignableNameGuardians(patient=MARY, circle=b"\1" * 32, delay=3 * DAY, changes=0, deadline=NOW + 5)
    recover = SignableRecover(patient=MARY, controller=PLACE, attempt=1, deadline=NOW + 5)

    assert "3 days after they propose it" in warnings(named)[0]
    assert ("changes of guardians so far", "0") in told(named)
    assert "nobody can give you a new one" in warnings(replace(named, circle=bytes(32)))[0]
    assert f"into the hands of {PLACE}" in warnings(recover)[0]
    assert "no name" in warnings(recover)[1]


def test_describe__emergencies__say_what_is_at_stake() -> None:
    domain = Domain.of("EmergencyAccess", 31337, PLACE)
    bar = SignableSetBar(patient=MARY, barred=True, count=0, deadline=NOW + 5)
    end = SignableEndEpisode(episode_id=int(DOCTOR, 16) << 96 | 1, deadline=NOW + 5)

    barring, allowing, ending = (
        describe(message, domain, names=NAMES, now=NOW) for message in (bar, replace(bar, barred=False), end)
    )
    assert "unconscious" in barring[0].text
    assert ("break-glass", "barred") in barring
    assert "without asking you" in allowing[0].text
    assert ("break-glass", "allowed") in allowing
    assert any(line.label == "episode" and f"of clinician doctor ({DOCTOR})" in line.text for line in ending)


def test_describe__withdrawal__says_what_goes_where() -> None:
    domain = Domain.of("AccessRequests", 31337, PLACE)
    withdraw = SignableWithdraw(account=MARY, token=ZERO_ADDRESS, to=DOCTOR, count=1, deadline=NOW + 5)
    mine, other, own = (
        describe(message, domain, names=NAMES, now=NOW)
        for message in (withdraw, replace(withdraw, to=PLACE, token=PLACE), replace(withdraw, to=MARY))
    )
    assert mine[0].text == f"All of this credit goes to doctor ({DOCTOR}), and cannot be called back."
    assert ("paid in", "the chain's own coin") in mine
    assert ("paid in", PLACE) in other
    assert "no name" in other[1].text
    assert [line.label for line in own].count("warning") == 1


def test_describe__revoking__says_what_stays() -> None:
    revoke = SignableRevoke(patient=MARY, grant_id=int(MARY, 16) << 96 | 7, last_epoch=1, deadline=NOW - 90)

    assert warnings(revoke) == ["What has been read stays with the reader."]
    assert ("can be sent until", "2027-01-15 07:58:30 UTC (1 minute 30 seconds ago)") in told(revoke)
    assert "Everything" in warnings(SignableRevokeAll(patient=MARY, stamp=0, deadline=NOW))[0]


def test_meanings__of_every_purpose__are_there() -> None:
    assert {purpose.name for purpose in Purpose} == set(MEANINGS)
