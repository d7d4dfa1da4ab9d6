"""What an inbox tells of what a custodian does not know.

A patient is told of custodians whom he met after he had granted; a custodian, for whom of his patients another key took
over.

No key is needed, and so nothing sealed is read: whether a grant's terms named the custodian already, only the patient's
key tells.
"""

from __future__ import annotations

from collections.abc import Iterator

from medshare.model.events import AccessGranted, BlockRef, RecordRegistered, RecordSuperseded
from medshare.model.ids import Address
from medshare.model.record import RecordStatus
from medshare.services.auditing import Auditing
from medshare.services.notices import Notice, Urgency


def custodians_met(
    auditing: Auditing, patient: Address, block: BlockRef, *, after: int, acting: str
) -> Iterator[Notice]:
    """Yield whose first record of ``patient`` came after the newest grant to somebody whose grants are live.

    Args:
        auditing: the chain's events.
        patient: of whom.
        block: the newest, up to which events have been read.
        after: the last block that was seen.
        acting: what of the command says for whom one acts.

    Raises:
        LedgerError: the chain failed.
    """
    standings = auditing.grants(patient=patient, at=block.time, head=block)
    live = {each.grant.grant_id for each in standings if each.live}
    granted: dict[Address, int] = {}
    met: dict[Address, BlockRef] = {}
    for event in auditing.trail(patient) if live else ():
        match event:
            case AccessGranted(grant=grant) if grant.grant_id in live:
                granted[grant.grantee] = event.place.block.number
            case RecordRegistered() | RecordSuperseded():
                met.setdefault(event.custodian, event.place.block)
            case _:
                pass
    for custodian, first in met.items():
        # What is granted in the block of the record was prepared before it.
        readers = [reader for reader, number in granted.items() if number <= first.number and reader != custodian]
        if readers and first.number > after:
            yield Notice(
                urgency=Urgency.NEWS,
                kind="CustodianMet",
                at=first.time,
                says="a first record of this patient came from a custodian who may know nothing of what was granted to "
                f"{len(readers)} {'reader' if len(readers) == 1 else 'readers'} before: until he is told, what he "
                "publishes does not reach them",
                who=custodian,
                patient=patient,
                answer=f"medshare consent renew --as {{me}}{acting}",
            )


def recovered(auditing: Auditing, custodian: Address, *, after: int) -> Iterator[Notice]:
    """Yield whose key was recovered, of whom ``custodian`` has records that the new key does not open.

    Args:
        auditing: the chain's events.
        custodian: whose records.
        after: the last block that was seen.

    Raises:
        LedgerError: the chain failed.
    """
    # Of a patient who was recovered twice the last one counts.
    moved = {event.patient: event for event in auditing.recoveries() if event.place.block.number > after}
    for patient, event in moved.items():
        if patient != custodian and any(
            entry.custodian == custodian
            and entry.status is RecordStatus.ACTIVE
            and entry.registered_at <= event.place.block.time
            for entry in auditing.records(patient)
        ):
            yield Notice(
                urgency=Urgency.CONTROL,
                kind="ControlMoved",
                at=event.place.block.time,
                says="another key took over for this patient, and does not open what you published before",
                who=event.controller,
                patient=patient,
                answer=f"medshare record rotate --as {{me}} --patient {patient}",
            )
