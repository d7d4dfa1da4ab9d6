"""What requests for access and erasures mean for an account, as the inboxes of the tests need it."""

from __future__ import annotations

from world import World

from medshare.services.erasure_book import ErasureBook
from medshare.services.erasure_journal import ErasureJournal
from medshare.services.erasure_notices import ErasureNotices
from medshare.services.index import LedgerIndex
from medshare.services.judging import Judging
from medshare.services.request_book import RequestBook
from medshare.services.request_journal import RequestJournal
from medshare.services.request_notices import RequestNotices
from medshare.services.requesting import Requesting
from medshare.services.safe import Safe
from medshare.services.slip_journal import SlipJournal
from medshare.services.slips import Slips


class NoWallets:
    def accepts(self, *_: object) -> bool:
        return False


def erasure_notices(world: World) -> ErasureNotices:
    journal = ErasureJournal(world.folder)
    book = ErasureBook(
        ledger=world.ledger,
        clock=world.clock,
        auditing=world.auditing,
        journal=journal,
        places={"here": world.store},
        domain=world.chain.domains["RecordRegistry"],
        wallets=NoWallets(),
    )
    return ErasureNotices(auditing=world.auditing, book=book, journal=journal)


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
        judging=Judging(auditing=world.auditing),
        slips=Slips(ledger=world.ledger, store=world.store, auditing=world.auditing, journal=SlipJournal(world.folder)),
    )
    return RequestNotices(ledger=world.ledger, auditing=world.auditing, book=book, requesting=requesting)
