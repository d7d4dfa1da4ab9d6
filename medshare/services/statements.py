"""Statements that are signed and given to others, and that no contract takes: what is said of erasures."""

from __future__ import annotations

from medshare.errors import SignatureInvalidError, SignatureMismatchError, SigningRefusedError, WrongDomainError
from medshare.model.eip712 import Domain
from medshare.model.erasure import Stated, Statement
from medshare.model.signatures import normalised
from medshare.model.typed_data import digest, to_typed_data
from medshare.ports import ContractWallets, Signer, TypedDataSigner
from medshare.services.signing import is_signature


def state(stated: Stated, domain: Domain, *, signer: Signer, wallets: ContractWallets) -> Statement[Stated]:
    """Have its author sign a statement.

    Args:
        stated: what is said.
        domain: in which it is signed.
        signer: the author.
        wallets: asked where the signature is no key's.

    Raises:
        SigningRefusedError, SignerUnavailableError: no signature came.
        SignatureMismatchError: what came is not the author's signature of this statement.
        LedgerUnavailableError: the chain could not be asked about a contract wallet.
    """
    if not isinstance(signer, TypedDataSigner):
        raise SigningRefusedError(f"{signer.address} signs transactions only")
    signature = normalised(signer.sign_typed_data(to_typed_data(stated.struct, domain)))
    if not is_signature(stated.author, digest(stated.struct, domain), signature, wallets):
        raise SignatureMismatchError(stated.author)
    return Statement(stated=stated, domain=domain, signature=signature)


def check(statement: Statement[Stated], domain: Domain, *, wallets: ContractWallets) -> None:
    """Check whose word a statement is.

    Raises:
        WrongDomainError: it was signed for another chain or deployment.
        SignatureInvalidError: the signature is not its author's.
        LedgerUnavailableError: the chain could not be asked about a contract wallet.
    """
    if statement.domain != domain:
        expected, found = (
            f"{each.name} at {each.verifying_contract} on chain {each.chain_id}" for each in (domain, statement.domain)
        )
        raise WrongDomainError(expected, found)
    if not is_signature(statement.stated.author, statement.digest, statement.signature, wallets):
        raise SignatureInvalidError(statement.stated.author)
