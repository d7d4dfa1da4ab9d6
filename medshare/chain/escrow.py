"""What AccessRequests holds, and the tokens it is paid in (ERC-20), as ``ports.EscrowLedger``."""

from __future__ import annotations

from medshare.chain.client import ChainClient
from medshare.chain.codec import WORD, address_word, bounded, decode_bool, selector, words
from medshare.chain.request_codec import decode_periods, decode_split
from medshare.chain.transactions import TransactionSender
from medshare.errors import InvalidInputError
from medshare.hashing import keccak256
from medshare.model.eip712 import encode_word
from medshare.model.events import BlockRef
from medshare.model.ids import Address
from medshare.model.request import NATIVE, Periods, Split
from medshare.ports import Receipt, Signer

CONTRACT = "AccessRequests"
_U32, _U256 = (1 << 32) - 1, (1 << 256) - 1
_APPROVE = keccak256(b"approve(address,uint256)")[:4]
_BALANCE_OF = keccak256(b"balanceOf(address)")[:4]


class EscrowAdapter:
    """Speaks to a deployed AccessRequests about money.

    Every method raises ``LedgerUnavailableError`` where the node fails, and writing raises as
    ``TransactionSender.send``.
    """

    def __init__(self, client: ChainClient, sender: TransactionSender, address: Address) -> None:
        self._client = client
        self._sender = sender
        self.address = address

    def withdraw(self, signer: Signer, account: Address, token: Address, to: Address) -> Receipt:
        """Withdraw all of an account's credit in one token, as the one in control of the account.

        Raises:
            WithdrawalNotAllowedError: the signer is not.
            NothingToWithdrawError: there is nothing.
            RecipientInvalidError, CallFailedError: it cannot go there.
            TokenFailedError: the token refuses.
        """
        data = selector(CONTRACT, "withdraw(address,address,address)")
        data += address_word(account) + address_word(token) + address_word(to)
        return self._sender.send(signer, to=self.address, data=data)

    def credit(self, account: Address, token: Address, *, block: BlockRef) -> int:
        """Return what an account can withdraw."""
        arguments = address_word(account) + address_word(token)
        return bounded(self._word("creditOf(address,address)", arguments, block), _U256)

    def withdrawals(self, account: Address, *, block: BlockRef) -> int:
        """Return how often an account has withdrawn: what it signs next names this count."""
        return bounded(self._word("withdrawalsOf(address)", address_word(account), block), _U32)

    def split(self, category: int, *, block: BlockRef) -> Split | None:
        """Return how rewards of a category are divided now; None where nobody said."""
        data = selector(CONTRACT, "getSplit(uint8)") + encode_word("uint8", category, "category")
        return decode_split(self._client.call(self.address, data, block=block))

    def periods(self, *, block: BlockRef) -> Periods:
        """Return the periods of a request that opens now."""
        return decode_periods(self._client.call(self.address, selector(CONTRACT, "periods()"), block=block))

    def is_token_allowed(self, token: Address, *, block: BlockRef) -> bool:
        """Return whether new requests may pay in this token."""
        return decode_bool(self._word("isTokenAllowed(address)", address_word(token), block))

    def allow(self, signer: Signer, token: Address, amount: int) -> Receipt:
        """Let the escrow take ``amount`` of the signer's tokens (ERC-20's approve).

        Raises:
            InvalidInputError: the native coin needs no such word, or the amount is none.
        """
        if token == NATIVE:
            raise InvalidInputError("the chain's own coin is sent along; nothing must be allowed before")
        data = _APPROVE + address_word(self.address) + encode_word("uint256", amount, "amount")
        return self._sender.send(signer, to=token, data=data)

    def balance(self, account: Address, token: Address, *, block: BlockRef) -> int:
        """Return what an account has itself, in a token or the native coin.

        Raises:
            InvalidInputError: there is no token at this address.
        """
        if token == NATIVE:
            return self._client.balance(account, block=block)
        answer = self._client.call(token, _BALANCE_OF + address_word(account), block=block)
        if len(answer) != WORD:
            raise InvalidInputError(f"{token} does not answer as a token does", hint="check the token's address")
        return int.from_bytes(answer, "big")

    def _word(self, function: str, arguments: bytes, block: BlockRef) -> bytes:
        (found,) = words(self._client.call(self.address, selector(CONTRACT, function) + arguments, block=block), 1)
        return found
