"""What is said of a record of a batch whose custodian signs, and somebody else sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medshare.cli.console import App
from medshare.model.ids import Address, RecordId
from medshare.model.record import RecordRef

if TYPE_CHECKING:
    from medshare.session import Session


def tell_own_entry(app: App, session: Session, custodian: Address, record_id: RecordId) -> None:
    """Say that a record of a batch needs an entry of its own before what its custodian signed of it can be sent."""
    if session.batches.showing([RecordRef(custodian=custodian, record_id=record_id)]):
        app.say(
            "it was published in a batch: before the file is sent, unless it has an entry of its own: "
            f"medshare record register {record_id.hex()} --as PAYER"
        )
