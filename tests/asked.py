"""What requests mean for an account, as the inboxes of the tests need it."""

from __future__ import annotations

from world import World

from medshare.services.index import LedgerIndex
from medshare.services.request_book import RequestBook
from medshare.services.request_journal import RequestJournal
from medshare.services.request_notices import RequestNotices
from medshare.services.requesting import Requesting
from medshare.services.safe import Safe


def request_notices(world: World, safe: Safe) -> RequestNotices:
    book = RequestBook(index=LedgerIndex(world.folder / "index.sqlite", world.ledger.chain))
    requesting = Requesting(
        ledger=world.ledger,
        store=world.store,
        clock=world.clock,
        auditing=world.auditing,
        book=book,
        journal=RequestJournal(world.folder),
        safe=safe,
        retrieving=world.retrieving,
    )
    return RequestNotices(ledger=world.ledger, auditing=world.auditing, book=book, requesting=requesting)
