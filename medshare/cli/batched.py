"""What is said of records of batches: whose custodian signs and somebody else sends, and who states them otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medshare.cli.console import App, moment
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


def warn_of_other_entries(app: App, session: Session, patient: Address) -> None:
    """Warn of records that a batch states of a patient, and that are not listed as his: their entries are another's."""
    for one in session.auditing.stated_otherwise(patient):
        batch, entry = one.batch, one.entry
        app.warn(
            f"{batch.custodian} states two things of record {entry.record_id.hex()}: by the batch {batch.root.hex()}, "
            f"{moment(batch.place.block.time)}, that it is of {patient}; by its own entry of "
            f"{moment(entry.place.block.time)}, which counts, that it is of somebody else",
            hint="ask the custodian; what shows that the batch states it is kept in this home, in batches.sqlite",
        )
