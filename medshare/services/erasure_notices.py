"""What erasures mean for an account: what a custodian has to finish, what patient and readers are asked to do.

No key is needed. Whom a grant covered, the chain does not tell: every reader whose grant lasted when the record was
there is asked, and says so where he had nothing of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from medshare.model.events import RecordRetracted
from medshare.model.grant import MAX_TIME
from medshare.model.ids import Address
from medshare.model.record import RecordEntry
from medshare.services.auditing import Auditing
from medshare.services.erasure_book import ErasureBook
from medshare.services.erasure_journal import ErasureJournal, ErasureStage
from medshare.services.notices import Notice, Urgency


class ErasureNotices:
    """Tells what erasures mean for an account.

    Args:
        auditing: marks on chain, and who could have read.
        book: how erasures of this home stand.
        journal: to what accounts of this home have answered.
    """

    def __init__(self, *, auditing: Auditing, book: ErasureBook, journal: ErasureJournal) -> None:
        self._auditing = auditing
        self._book = book
        self._journal = journal

    def of(self, account: Address, patients: Collection[Address]) -> Iterator[Notice]:
        """Yield what waits for ``account``.

        Args:
            account: whose inbox.
            patients: for whom he answers, himself among them.

        Raises:
            LedgerError: the chain failed.
        """
        yield from self._as_custodian(account)
        answered = self._journal.answered(account)
        own = dict.fromkeys(patients)
        granters = {standing.grant.patient for standing in self._auditing.grants(grantee=account)}
        clinicians = {each.episode.patient for each in self._auditing.emergencies(clinician=account)}
        for patient in [*own, *sorted((granters | clinicians) - set(own))]:
            for record, mark in self._newest_erased(patient):
                if (record.custodian, record.record_id) in answered or account == record.custodian:
                    continue
                if patient in own:
                    yield self._to_patient(account, record, mark)
                elif self._could_read(account, record):
                    yield _to_reader(record, mark)

    def _newest_erased(self, patient: Address) -> Iterator[tuple[RecordEntry, RecordRetracted]]:
        erased = self._auditing.erasures(patient)
        for entry in self._auditing.records(patient):
            if entry.ref in erased and entry.record_id not in self._auditing.newest_versions(entry.custodian):
                yield entry, erased[entry.ref]

    def _could_read(self, account: Address, record: RecordEntry) -> bool:
        first = min(entry.registered_at for entry in self._auditing.lineage(record))
        granted = any(
            min(standing.revoked_at or MAX_TIME, standing.grant.expires_at) >= first
            for standing in self._auditing.grants(patient=record.patient, grantee=account)
        )
        return granted or any(
            release.custodian == record.custodian
            for emergency in self._auditing.emergencies(patient=record.patient, clinician=account)
            for release in emergency.released
        )

    def _as_custodian(self, account: Address) -> Iterator[Notice]:
        for each in self._book.standings(account):
            plan = each.entry.plan
            if each.entry.stage is not ErasureStage.ERASED:
                yield Notice(
                    urgency=Urgency.DUE,
                    kind="ErasureUnfinished",
                    at=each.marked_at or 0,
                    says=f"the erasure of record {plan.record_id.hex()} is not finished",
                    patient=plan.patient,
                    waits=True,
                    answer=f"medshare record erase {plan.record_id.hex()} --as {{me}} --reason-file ...",
                )
            elif each.overdue:
                yield Notice(
                    urgency=Urgency.DUE,
                    kind="AcknowledgementOverdue",
                    at=each.marked_at or 0,
                    says=f"{len(each.missing)} readers have not said what became of their copies of record "
                    f"{plan.record_id.hex()}",
                    patient=plan.patient,
                    until=each.acknowledge_by,
                    waits=True,
                    answer="medshare record erasures --as {me}",
                )

    def _to_patient(self, account: Address, record: RecordEntry, mark: RecordRetracted) -> Notice:
        whom = "" if account == record.patient else f" --for {record.patient}"
        return Notice(
            urgency=Urgency.DUE,
            kind="RecordErased",
            at=mark.place.block.time,
            says=f"record {record.record_id.hex()} was erased: take its keys out of what was granted",
            who=record.custodian,
            patient=record.patient,
            waits=True,
            answer=f"medshare record forget {record.record_id.hex()} --as {{me}}{whom}",
        )


def _to_reader(record: RecordEntry, mark: RecordRetracted) -> Notice:
    return Notice(
        urgency=Urgency.DUE,
        kind="ErasureToAcknowledge",
        at=mark.place.block.time,
        says=f"record {record.record_id.hex()} was erased: erase what you have of it, and say so",
        who=record.custodian,
        patient=record.patient,
        waits=True,
        answer=f"medshare record acknowledge-erasure {record.record_id.hex()} --as {{me}} --to FILE",
    )
