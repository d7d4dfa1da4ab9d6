"""Releasing: whether what a patient has granted a reader, or is about to, releases the key of a record to him."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from medshare.model.consent import Consent, decide
from medshare.model.decision import Reason
from medshare.model.ids import GrantId
from medshare.model.provision import Effect
from medshare.model.purpose import PurposeOfUse
from medshare.model.subject import Subject
from medshare.model.terms import Excerpt


def releases(consents: Sequence[Consent], subject: Subject, at: int, *, waiting: Collection[GrantId]) -> bool:
    """Whether the first of ``consents`` releases a record's key: the decision permits it, and so would it alone.

    Before the manifest is opened: whether it could.

    Args:
        consents: all to one reader, that of which it is asked first.
        subject: the record, as far as it is known.
        at: Unix seconds.
        waiting: those whose keys wait for a read receipt: what they permit does not count.
    """
    first = consents[0]
    counting = [_denying(each, subject) if each.grant.grant_id in waiting else each for each in consents]
    for purpose in permitted_purposes([first]):
        # Alone it says no of most records, and that is decided sooner.
        both = (
            decide(pool, subject=subject, purpose=purpose, reader=first.grant.grantee, now=at)
            for pool in ([first], counting)
        )
        if all(each.reason is Reason.PERMITTED or each.undecided for each in both):
            return True
    return False


def permitted_purposes(consents: Sequence[Consent]) -> list[PurposeOfUse]:
    """Return the purposes that ``consents`` permit by name, in HL7's order."""
    said = {
        purpose
        for consent in consents
        for _, provision in consent.terms.numbered
        if provision.effect is Effect.PERMIT
        for purpose in provision.purposes
    }
    return [purpose for purpose in PurposeOfUse if purpose in said]


def _denying(consent: Consent, subject: Subject) -> Consent:
    terms = consent.terms
    excerpt = terms if isinstance(terms, Excerpt) else terms.excerpt_for(subject.record.custodian)
    return replace(consent, terms=excerpt.denying())
