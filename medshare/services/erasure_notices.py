"""What erasures mean for an account: what a custodian has to finish, what patient and readers are asked to do.

No key is needed. Whom a grant covered, the chain does not tell: every reader whose grant lasted when the record was
there is asked, and says so where he had nothing of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from medshare.model.grant import MAX_TIME
from medshare.model.ids import Address
from medshare.model.record import RecordEntry, RecordStatus
from medshare.services.auditing import Auditing
from medshare.services.erasure_book import ErasureBook
from medshare.services.erasure_journal import ErasureJournal, ErasureStage
from medshare.services.notices import Notice, Urgency


class ErasureNotices:
    """Tells what erasures mean for an account.

    Args:
        auditing: marks on chain, and who could have read.
        book: how erasures of this home stand.
        journal: what accounts of this home were told by notices, and to what they have answered.
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
            for record, told_at in self._newest_erased(patient):
                if (record.custodian, record.record_id) in answered or account == record.custodian:
                    continue
                if patient in own:
                    yield self._to_patient(account, record, told_at)
                elif self._could_read(account, record):
                    yield _to_reader(record, told_at)

    def _newest_erased(self, patient: Address) -> Iterator[tuple[RecordEntry, int]]:
        """Yield the newest version of each record that was erased, and when that was told: by a mark, or a notice."""
        erased, notices = self._auditing.erasures(patient), self._journal.notices()
        for entry in self._auditing.records(patient):
            if entry.status is not RecordStatus.RETRACTED:
                continue
            if entry.record_id in self._auditing.newest_versions(entry.custodian):
                continue
            marks = [erased[each.ref] for each in self._auditing.lineage(entry) if each.ref in erased]
            notice = notices.get((entry.custodian, entry.record_id))
            if marks:
                yield entry, marks[0].place.block.time
            elif notice is not None:
                yield entry, notice.issued_at

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

    def _to_patient(self, account: Address, record: RecordEntry, at: int) -> Notice:
        whom = "" if account == record.patient else f" --for {record.patient}"
        return Notice(
            urgency=Urgency.DUE,
            kind="RecordErased",
            at=at,
            says=f"record {record.record_id.hex()} was erased: take its keys out of what was granted",
            who=record.custodian,
            patient=record.patient,
            waits=True,
            answer=f"medshare record forget {record.record_id.hex()} --as {{me}}{whom}",
        )


def _to_reader(record: RecordEntry, at: int) -> Notice:
    return Notice(
        urgency=Urgency.DUE,
        kind="ErasureToAcknowledge",
        at=at,
        says=f"record {record.record_id.hex()} was erased: erase what you have of it, and say so",
        who=record.custodian,
        patient=record.patient,
        waits=True,
        answer=f"medshare record acknowledge-erasure {record.record_id.hex()} --as {{me}} --to FILE",
    )
