"""Signing a message: checked before, verified after, so that what leaves here is what a contract takes.

    signed = sign(message, domain, signer=wallet, now=ledger.chain.head().time, wallets=wallets)
    path.write_bytes(signed.to_json())

The signer gets typed data and never a bare hash. Whatever it answers, the digest is computed here and the signature
compared with it: a wallet that signed something else, or with another of its accounts, is noticed at once.

``Signing`` does it for one deployment, and shows a person in words what he is about to sign.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from medshare.errors import SignatureInvalidError, SignatureMismatchError, SigningRefusedError, WrongDomainError
from medshare.model.describing import Line, describe
from medshare.model.eip712 import Domain
from medshare.model.ids import Address
from medshare.model.signatures import normalised, recover
from medshare.model.telling import Names
from medshare.model.typed_data import Signable, SignedMessage, check_deadline, check_signer, digest, to_typed_data
from medshare.ports import Clock, ContractWallets, Ledger, Signer, TypedDataSigner
from medshare.services.drafting import Drafting

DAY = 86_400
"""Seconds until the deadline, unless somebody says otherwise."""

Confirm: TypeAlias = Callable[[Sequence[Line]], bool]
"""Shown what is about to be signed; whether the person wants it."""


class Signing:
    """Drafts, shows, signs and checks messages for one deployment.

    Args:
        ledger: the contracts.
        domains: their domains by name.
        wallets: asked where a signature is no key's.
        clock: the time of day.
    """

    def __init__(
        self, *, ledger: Ledger, domains: Mapping[str, Domain], wallets: ContractWallets, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._domains = domains
        self._wallets = wallets
        self._clock = clock

    @property
    def now(self) -> int:
        """The chain's time, or the time of day where that is later: a chain on which nothing happens stands still."""
        return max(self._clock.now(), self._ledger.chain.head().time)

    def draft(self, signer: Address, *, valid_for: int = DAY) -> Drafting:
        """Return drafts of messages that ``signer`` may sign now, and that can be sent for ``valid_for`` seconds."""
        return Drafting(self._ledger, signer=signer, deadline=self.now + valid_for)

    def words(self, message: Signable, names: Names) -> tuple[Line, ...]:
        """Return what a message means, line by line, warnings first."""
        return describe(message, self._domains[message.contract], names=names, now=self.now)

    def sign(self, message: Signable, signer: Signer, *, confirm: Confirm, names: Names) -> SignedMessage:
        """Show a person what he is about to sign, and have it signed if he wants it.

        Args:
            message: what is signed.
            signer: whose word it is; one that can sign typed data.
            confirm: shown the words.
            names: the names that the person has given addresses.

        Raises:
            SigningRefusedError: he does not want it, or the signer signs no messages.
            MedshareError: as ``sign``.
        """
        if not isinstance(signer, TypedDataSigner):
            raise SigningRefusedError(f"{signer.address} signs transactions only")
        check_signer(message, signer.address)
        check_deadline(message, self.now)
        if not confirm(self.words(message, names)):
            raise SigningRefusedError("it was not confirmed")
        domain = self._domains[message.contract]
        return sign(message, domain, signer=signer, now=self.now, wallets=self._wallets)

    def check(self, signed: SignedMessage) -> None:
        """Check a message that somebody else signed; raises as ``verify``."""
        verify(signed, self._domains[signed.message.contract], now=self.now, wallets=self._wallets)


def sign(
    message: Signable, domain: Domain, *, signer: TypedDataSigner, now: int, wallets: ContractWallets
) -> SignedMessage:
    """Have ``signer`` sign ``message`` for ``domain``.

    Args:
        message: what is signed; its counts are those that the chain shows.
        domain: for which contract, on which chain.
        signer: who signs.
        now: the chain's time, Unix seconds.
        wallets: asked where the signature is no key's.

    Raises:
        WrongDomainError: the message is for another contract.
        DeadlinePassedError, DeadlineTooFarError: the deadline cannot be.
        InvalidInputError: the signer is not the one whose word it is, and has no mandate.
        SigningRefusedError, SignerUnavailableError: no signature came.
        SignatureMismatchError: what came is not this signer's signature of this message.
        LedgerUnavailableError: the chain could not be asked about a contract wallet.
    """
    check_deadline(message, now)
    check_signer(message, signer.address)
    signature = normalised(signer.sign_typed_data(to_typed_data(message, domain)))
    if not is_signature(signer.address, digest(message, domain), signature, wallets):
        raise SignatureMismatchError(signer.address)
    return SignedMessage(message=message, domain=domain, signer=signer.address, signature=signature)


def verify(signed: SignedMessage, domain: Domain, *, now: int, wallets: ContractWallets) -> None:
    """Check a message that somebody else signed, as far as can be told without its effect.

    Args:
        signed: the message.
        domain: the contract that is meant, on the chain that is meant.
        now: the chain's time, Unix seconds.
        wallets: asked where the signature is no key's.

    Raises:
        WrongDomainError: it is for another chain or contract.
        DeadlinePassedError, DeadlineTooFarError: it comes too late, or could be sent for absurdly long.
        SignatureInvalidError: the signature is not the signer's.
        LedgerUnavailableError: the chain could not be asked about a contract wallet.
    """
    if signed.domain != domain:
        raise WrongDomainError(_place(domain), _place(signed.domain))
    check_deadline(signed.message, now)
    if not is_signature(signed.signer, signed.digest, signed.signature, wallets):
        raise SignatureInvalidError(signed.signer)


def is_signature(signer: Address, digested: bytes, signature: bytes, wallets: ContractWallets) -> bool:
    """Whether it is ``signer``'s signature of this digest; raises ``LedgerUnavailableError``."""
    # In the contracts' order: the key first, then the code at the signer's address.
    return recover(digested, signature) == signer or wallets.accepts(signer, digested, signature)


def _place(domain: Domain) -> str:
    return f"{domain.name} at {domain.verifying_contract} on chain {domain.chain_id}"
