"""Whether one provision speaks of one record and one purpose (rules R4 to R7 of docs/consent.md)."""

from __future__ import annotations

from medshare.model.decision import Reason
from medshare.model.labels import all_named, any_carried
from medshare.model.provision import Effect, Provision
from medshare.model.purpose import PurposeOfUse
from medshare.model.subject import Subject


def mismatch(provision: Provision, subject: Subject, purpose: PurposeOfUse, *, hoping: bool) -> Reason | None:
    """Return why ``provision`` does not speak of ``subject`` and ``purpose``, or None where it does.

    Args:
        provision: permits or denies; a denial is read wide, a permission narrow.
        subject: the record; where its manifest has not been opened, what the manifest would say is unknown.
        purpose: what for.
        hoping: take what is unknown in the reader's favour; otherwise, against him.
    """
    if not _is_about(provision, subject):
        return Reason.RECORD_NOT_COVERED
    permit = provision.effect is Effect.PERMIT
    if not any(named.covers(purpose) if permit else named.spans(purpose) for named in provision.purposes):
        return Reason.PURPOSE_NOT_GRANTED
    if not subject.is_described:
        known = hoping == permit or not _needs_manifest(provision, subject)
        return None if known else Reason.MANIFEST_DECIDES
    if provision.categories and subject.category not in provision.categories:
        return Reason.RECORD_NOT_COVERED
    if not _dates_fit(provision, subject):
        return Reason.DATE_NOT_COVERED
    return None if _labels_fit(provision, subject) else Reason.LABEL_NOT_NAMED


def _is_about(provision: Provision, subject: Subject) -> bool:
    if not provision.records:
        return provision.concerns(subject.record.custodian)
    return subject.record in provision.records or any(map(subject.descends_from, provision.records))


def _names_itself(provision: Provision, subject: Subject) -> bool:
    """Whether it permits the very record: then its patient knew the record's labels."""
    return provision.effect is Effect.PERMIT and subject.record in provision.records


def _needs_manifest(provision: Provision, subject: Subject) -> bool:
    if provision.categories or provision.is_windowed:
        return True
    if provision.effect is Effect.DENY:
        return bool(provision.labels)
    return not _names_itself(provision, subject)


def _dates_fit(provision: Provision, subject: Subject) -> bool:
    if not provision.is_windowed:
        return True
    permit = provision.effect is Effect.PERMIT
    days = subject.days
    if days is None:
        return not permit
    begin = provision.since.toordinal() if provision.since is not None else days.start
    end = provision.until.toordinal() if provision.until is not None else days.stop
    if permit:
        return begin <= days.start and days.stop <= end
    return begin < days.stop and days.start < end


def _labels_fit(provision: Provision, subject: Subject) -> bool:
    if provision.effect is Effect.DENY:
        return not provision.labels or any_carried(subject.labels, provision.labels)
    return _names_itself(provision, subject) or all_named(subject.labels, provision.labels)
