"""Signing a message: checked before, verified after, so that what leaves here is what a contract takes.

    signed = sign(message, domain, signer=wallet, now=ledger.chain.head().time, wallets=wallets)
    path.write_bytes(signed.to_json())

The signer gets typed data and never a bare hash. Whatever it answers, the digest is computed here and the signature
compared with it: a wallet that signed something else, or with another of its accounts, is noticed at once.
"""

from __future__ import annotations

from medshare.errors import SignatureInvalidError, SignatureMismatchError, WrongDomainError
from medshare.model.eip712 import Domain
from medshare.model.ids import Address
from medshare.model.signatures import normalised, recover
from medshare.model.typed_data import Signable, SignedMessage, check_deadline, check_signer, digest, to_typed_data
from medshare.ports import ContractWallets, TypedDataSigner


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
    if not _is_signature(signer.address, digest(message, domain), signature, wallets):
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
    if not _is_signature(signed.signer, signed.digest, signed.signature, wallets):
        raise SignatureInvalidError(signed.signer)


def _is_signature(signer: Address, digested: bytes, signature: bytes, wallets: ContractWallets) -> bool:
    # In the contracts' order: the key first, then the code at the signer's address.
    return recover(digested, signature) == signer or wallets.accepts(signer, digested, signature)


def _place(domain: Domain) -> str:
    return f"{domain.name} at {domain.verifying_contract} on chain {domain.chain_id}"
