"""The contract SoleAccreditor, as ``ports.AccreditationLedger``."""

from __future__ import annotations

from medshare.chain.client import ChainClient
from medshare.chain.codec import address_word, bounded, decode_bool, selector, to_address, word, words
from medshare.chain.transactions import TransactionSender
from medshare.errors import InvalidInputError
from medshare.model.accreditation import AccreditationKind
from medshare.model.events import BlockRef
from medshare.model.ids import Address
from medshare.ports import Receipt, Signer

CONTRACT = "SoleAccreditor"
_U40 = (1 << 40) - 1


class SoleAccreditorAdapter:
    """Speaks to a deployed SoleAccreditor.

    Every method raises ``LedgerUnavailableError`` where the node fails, and writing raises as
    ``TransactionSender.send``.
    """

    def __init__(self, client: ChainClient, sender: TransactionSender, address: Address) -> None:
        self._client = client
        self._sender = sender
        self.address = address

    def accredit(self, signer: Signer, actor: Address, kind: AccreditationKind, valid_until: int) -> Receipt:
        """Accredit an actor until a time, or suspend him with 0, as the accreditor.

        Raises:
            NotTheAccreditorError: the signer is somebody else.
            AccreditationInvalidError: the actor is the zero address.
            InvalidInputError: no time that the chain could hold.
        """
        if not 0 <= valid_until <= _U40:
            raise InvalidInputError("a time on chain is a number of seconds since 1970")
        data = (
            selector(CONTRACT, "accredit(address,uint8,uint40)") + address_word(actor) + word(kind) + word(valid_until)
        )
        return self._sender.send(signer, to=self.address, data=data)

    def accreditor(self, *, block: BlockRef) -> Address:
        """Return who accredits."""
        (accreditor,) = words(self._client.call(self.address, selector(CONTRACT, "accreditor()"), block=block), 1)
        return to_address(accreditor)

    def accredited_until(self, actor: Address, kind: AccreditationKind, *, block: BlockRef) -> int:
        """Return until when an actor is accredited, Unix seconds; 0 for never."""
        data = selector(CONTRACT, "validUntil(address,uint8)") + address_word(actor) + word(kind)
        (until,) = words(self._client.call(self.address, data, block=block), 1)
        return bounded(until, _U40)

    def is_accredited(self, actor: Address, kind: AccreditationKind, *, block: BlockRef) -> bool:
        """Return the contract's own answer at that block's time."""
        data = selector(CONTRACT, "isAccredited(address,uint8)") + address_word(actor) + word(kind)
        (accredited,) = words(self._client.call(self.address, data, block=block), 1)
        return decode_bool(accredited)
