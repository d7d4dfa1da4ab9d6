"""Who could read, in plain words, for the patient whose records they are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from medshare.model.describing import MEANINGS
from medshare.model.disclosure import Capacity, Disclosure, Ending, Manner, Series
from medshare.model.emergency import EmergencyReason, Verdict
from medshare.model.purpose import Purpose
from medshare.model.read_receipt import SignableReadReceipt
from medshare.model.telling import Names, who

LIMITS = (
    "This is who could read. Who did read, the chain does not see: a reader opens what he was given at his own place.",
    "What was read stays read: ending access works forward only.",
    "Which records a grant covers stands in its terms, which the chain has as a digest only: medshare consent show.",
    "Whoever pays for a transaction has no say in it, and is not listed.",
)
"""What an accounting cannot tell, for people."""

_REASONS: Mapping[EmergencyReason | None, str] = {
    EmergencyReason.UNCONSCIOUS: "the patient was unconscious",
    EmergencyReason.INCAPABLE: "the patient could not decide",
    EmergencyReason.THREAT_TO_LIFE: "a threat to the patient's life",
    EmergencyReason.THREAT_TO_OTHERS: "a threat to others",
}
_VERDICTS = {
    Verdict.NONE: "not reviewed yet",
    Verdict.JUSTIFIED: "reviewed: justified",
    Verdict.UNJUSTIFIED: "reviewed: NOT justified",
}
_ENDINGS = {
    Ending.REVOKED: "then it was revoked",
    Ending.REPLACED: "then it was granted anew",
    Ending.ENDED: "then the emergency was ended",
}
_MANNERS = {
    Manner.EMERGENCY: "emergency",
    Manner.EMERGENCY_KEYS: "keys given in an emergency",
    Manner.GRANT: "access granted",
    Manner.DELIVERY: "delivered to a study or request",
}


def purposes_in_words(purposes: Purpose) -> str:
    """Return purposes in words a patient knows."""
    return ", ".join(MEANINGS[code] for code in purposes.codes) or "nothing"


def who_could_read(one: Disclosure, names: Names) -> str:
    """Return who could read by a disclosure, what for, and by whose word."""
    recipient, giver, wanted = who(one.recipient, names), who(one.given_by, names), purposes_in_words(one.purposes)
    match one.manner:
        case Manner.EMERGENCY:
            return f"{recipient} broke the glass: {_REASONS[one.reason]}; {_VERDICTS[one.verdict]}"
        case Manner.EMERGENCY_KEYS:
            return f"{giver} gave {recipient} the keys for it"
        case Manner.DELIVERY:
            _, request = one.reference
            return f"{recipient}, for {wanted}: {giver} delivered what was granted for request {request}"
        case Manner.GRANT:
            said = f"{recipient}, for {wanted}: {_granted(one, giver)}"
            return said if one.by_right else f"{said}. HE MIGHT NOT DO SO: do not trust this"


def when(one: Disclosure, now: int) -> str:
    """Return from when until when a disclosure let somebody read."""
    if not one.ever:
        return f"never: it would have begun on {day_and_time(one.begins_at)}, and ended before"
    said = f"from {day_and_time(one.begins_at)} until {day_and_time(one.until)}"
    if one.ending is not None:
        return f"{said}; {_ENDINGS[one.ending]}"
    return said if now >= one.until else f"{said}, unless it is ended before"


def what(one: Disclosure) -> str:
    """Return which data a disclosure was about, as far as the chain tells."""
    match one.manner:
        case Manner.GRANT:
            return (
                f"records that terms {one.content.hex()} permit, later ones included; {_count(one.records)} registered"
            )
        case Manner.DELIVERY:
            return f"bundle {one.content.hex()}: at most {_count(one.records)} of this custodian"
        case Manner.EMERGENCY_KEYS:
            return f"bundle {one.content.hex()}: at most {_count(one.records)} of this custodian"
        case Manner.EMERGENCY:
            return f"whatever custodians release; {_count(one.records)} registered"


def who_signed(said: SignableReadReceipt, names: Names) -> str:
    """Return who signed that he was about to read, what for, and for whom."""
    reader, custodian = who(said.reader, names), who(said.custodian, names)
    return f"{reader}, for {purposes_in_words(said.purposes)}, to {custodian} on {day_and_time(said.signed_at)}"


def what_of_it(
    said: SignableReadReceipt, *, records: int, released_at: int | None, anchored_at: int | None, names: Names
) -> str:
    """Return what a read receipt is about, what became of it, and whether the chain holds it.

    Args:
        said: what the reader signed.
        records: how many records of the patient the custodian had stated by then.
        released_at: when the custodian gave the keys, Unix seconds; None where the chain tells of none.
        anchored_at: when the root of its batch came on chain, Unix seconds; None as long as it is not.
        names: asked for each address.
    """
    keys = "no keys were given on it" if released_at is None else f"keys were given on {day_and_time(released_at)}"
    proof = "not on chain yet" if anchored_at is None else f"on chain since {day_and_time(anchored_at)}"
    return f"of at most {_count(records)} of {who(said.custodian, names)}; {keys}; {proof}"


def in_summary(series: Series, names: Names) -> str:
    """Return several disclosures in one sentence: the first, how many, the last."""
    times = "once" if series.count == 1 else f"{series.count} times"
    said = (
        f"{who(series.recipient, names)}: {_MANNERS[series.manner]} {times}, for {purposes_in_words(series.purposes)}"
    )
    if series.count == 1:
        return f"{said}, on {day_and_time(series.first)}"
    return f"{said}, first on {day_and_time(series.first)}, last on {day_and_time(series.last)}"


def day_and_time(at: int) -> str:
    """Return Unix seconds as a day and a time."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _granted(one: Disclosure, giver: str) -> str:
    match one.capacity:
        case Capacity.PATIENT:
            return "granted by the patient"
        case Capacity.SUCCESSOR:
            return f"granted by {giver}, the key that took over for the patient"
        case _:
            return f"granted for the patient by the delegate {giver}"


def _count(records: int) -> str:
    return "1 record" if records == 1 else f"{records} records"
