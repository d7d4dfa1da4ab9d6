"""Read receipts as they are told to patients, and as an account of them is compared with the chain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medshare.cli.console import App, moment
from medshare.errors import IntegrityError
from medshare.model.describing_access import what_of_it, who_signed
from medshare.model.ids import Address, EpisodeId
from medshare.model.receipt_account import ReceiptAccount
from medshare.model.telling import who
from medshare.services.receipt_accounts import Faulty, ToldReceipt

if TYPE_CHECKING:
    from medshare.model.telling import Names
    from medshare.session import Session

_FIRST_FIELD = re.compile(rb'\s*\{\s*"custodian"')
_NONE_KNOWN = "  none that is known here; a custodian can give you his: medshare receipt export --patient PATIENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Who signed that he was about to read, as far as accounts of custodians tell."""

    receipts: tuple[ToldReceipt, ...]
    """Emergencies first."""
    without: tuple[tuple[Address, EpisodeId], ...]
    """Which of these custodians gave keys in which emergency without a receipt."""


def is_receipt_account(document: bytes) -> bool:
    """Whether a document is one of read receipts, by its first field: the other exports have no such field."""
    return _FIRST_FIELD.match(document) is not None


def told(session: Session, accounts: Sequence[ReceiptAccount], *, since: int) -> Signed:
    """Return what accounts of one patient's receipts tell, each receipt once.

    Raises:
        IntegrityError: the chain does not bear one of them out.
        LedgerError: the chain failed.
    """
    found: dict[bytes, ToldReceipt] = {}
    without: dict[tuple[Address, EpisodeId], None] = {}
    for account in accounts:
        compared = session.receipt_accounts.compare(account)
        _refuse(compared.faults)
        found |= {each.digest: each for each in compared.told if each.said.signed_at >= since}
        without |= {(account.custodian, each): None for each in compared.without}
    receipts = sorted(found.values(), key=lambda each: (not each.is_emergency, each.said.signed_at))
    signed_for = {(each.said.custodian, each.said.right) for each in receipts}
    return Signed(
        receipts=tuple(receipts), without=tuple(each for each in without if (each[0], int(each[1])) not in signed_for)
    )


def receipt_rows(signed: Signed) -> dict[str, object]:
    """Return read receipts for a program."""
    return {
        "receipts": [_row(each) for each in signed.receipts],
        "released_without_receipt": [
            {"custodian": custodian, "episode": f"{episode:#x}"} for custodian, episode in signed.without
        ],
    }


def receipt_lines(signed: Signed, names: Names) -> list[str]:
    """Return read receipts in words, emergencies first."""
    lines = [
        f"{'! ' if each.is_emergency else '  '}{who_signed(each.said, names)}.\n    {_of_it(each, names)}."
        for each in signed.receipts
    ]
    lines += [
        f"! {who(custodian, names)} gave keys in emergency {episode:#x} without a receipt."
        for custodian, episode in signed.without
    ]
    return lines or [_NONE_KNOWN]


def check_receipts(app: App, account: ReceiptAccount) -> None:
    """Compare an account of receipts with the chain, and say what comes of it; raises ``IntegrityError``."""
    with app.session() as session:
        compared = session.receipt_accounts.compare(account)
        anchored = {each.root for each in session.auditing.anchored(account.custodian)}
    app.show(
        {
            "custodian": account.custodian,
            "patient": account.patient,
            "receipts": len(account.receipts),
            "in_no_batch": sum(each.root is None for each in account.receipts),
            "batches": len(account.batches),
            "not_anchored": [root.hex() for root in account.batches if root not in anchored],
            "released_without_receipt": [f"{each:#x}" for each in compared.without],
            "discrepancies": [_fault(app, each) for each in compared.faults],
        },
        title="compared",
    )
    _refuse(compared.faults)


def _refuse(faults: Sequence[Faulty]) -> None:
    if faults:
        noun = "place" if len(faults) == 1 else "places"
        raise IntegrityError(
            f"the read receipts are not what the chain tells, in {len(faults)} {noun}: {faults[0].fault.value}",
            hint="somebody edited them, or left something out: have the custodian export them anew",
        )


def _fault(app: App, one: Faulty) -> dict[str, object] | str:
    if app.as_json:
        return {"finding": one.fault.value, "entry": one.what}
    return f"{one.fault.value} ({one.what})"


def _of_it(one: ToldReceipt, names: Names) -> str:
    said = what_of_it(
        one.said, records=len(one.records), released_at=one.released_at, anchored_at=one.anchored_at, names=names
    )
    return said[0].upper() + said[1:]


def _row(one: ToldReceipt) -> dict[str, object]:
    said = one.said
    return {
        "receipt": one.digest.hex(),
        "emergency": one.is_emergency,
        "reader": said.reader,
        "custodian": said.custodian,
        "purposes": list(said.purposes.codes),
        "episode" if one.is_emergency else "grant": f"{said.right:#x}",
        "signed_at": moment(said.signed_at),
        "released_at": moment(one.released_at),
        "records": [each.record_id.hex() for each in one.records],
        "batch": None if one.root is None else one.root.hex(),
        "anchored_at": moment(one.anchored_at),
    }
