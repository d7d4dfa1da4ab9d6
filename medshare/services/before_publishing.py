"""Before publishing: whether the chain takes the custodian's word, and whether all he has published is known here."""

from __future__ import annotations

from medshare.errors import ConfigurationError, CustodianNotAccreditedError
from medshare.model.accreditation import AccreditationKind
from medshare.model.ids import Address
from medshare.ports import Ledger
from medshare.services.auditing import Auditing
from medshare.services.journal import PublicationJournal


def published_unknown(journal: PublicationJournal, auditing: Auditing, custodian: Address) -> bool:
    """Whether a custodian has records or batches on chain, of which nothing is known here."""
    return not journal.knows(custodian) and bool(auditing.patients_of(custodian) or auditing.batches(custodian))


def require_known(journal: PublicationJournal, auditing: Auditing, custodian: Address) -> None:
    """Refuse to publish as a custodian of whose records on chain nothing is known here.

    The same record given again would stand there twice, for ever. That all is known is noted once something of his is
    in the journal, and not before: until then another home may be the first.

    Raises:
        ConfigurationError: there are such records, or batches.
    """
    if published_unknown(journal, auditing, custodian):
        raise ConfigurationError(
            "this custodian has published before, and not from here, or what was known of it here is lost: the same "
            "record given again would stand on chain twice",
            hint="let it be read from chain and store first: medshare record restore --as CUSTODIAN",
        )


def require_accredited(ledger: Ledger, custodian: Address) -> None:
    """Refuse to store what the chain would not take: who is no custodian now states no record of others.

    Raises:
        CustodianNotAccreditedError: nobody accredits him now.
        LedgerError: the chain failed.
    """
    if not ledger.accreditation.is_accredited(custodian, AccreditationKind.CUSTODIAN, block=ledger.chain.head()):
        raise CustodianNotAccreditedError(custodian)
