"""Signed messages as calls of their contracts' ``…Signed`` verbs."""

from __future__ import annotations

from collections.abc import Sequence

from medshare.chain.codec import (
    WORD,
    address_word,
    digest_word,
    encode_bytes,
    encode_bytes_list,
    pack_delegation_request,
    pack_request,
    selector,
    word,
)
from medshare.errors import NotRelayableError
from medshare.model.delegation import DelegationRequest, Verbs
from medshare.model.eip712 import encode_word
from medshare.model.grant import GrantRequest
from medshare.model.typed_data import (
    SignableAnchorBatch,
    SignableAppoint,
    SignableDismiss,
    SignableEndEpisode,
    SignableGrant,
    SignableNameGuardians,
    SignableObjectToRecovery,
    SignableRegister,
    SignableRetract,
    SignableRevoke,
    SignableRevokeAll,
    SignableSetBar,
    SignableSetEncryptionKey,
    SignableSupersede,
    SignableWithdraw,
    SignedMessage,
)


def encode_signed(signed: SignedMessage) -> bytes:
    """Return the calldata that carries a message and its signature to its contract.

    Raises:
        NotRelayableError: no verb takes this message by itself.
        InvalidInputError: a time that the chain cannot hold.
    """
    verb, arguments = _call(signed)
    head = b"".join(arguments)
    return selector(signed.message.contract, verb) + head + word(len(head) + WORD) + encode_bytes(signed.signature)


def encode_batch(contract: str, calls: Sequence[bytes]) -> bytes:
    """Return the calldata of many calls of one contract in one."""
    return selector(contract, "batch(bytes[])") + word(WORD) + encode_bytes_list(calls)


def _call(signed: SignedMessage) -> tuple[str, Sequence[bytes]]:  # noqa: C901 - a table
    """Return the verb's signature and its arguments, all of one word, without the signature of the message."""
    message = signed.message
    match message:
        case SignableSetEncryptionKey():
            return "setEncryptionKeySigned(address,bytes32,uint32,uint32,bytes)", _members(signed)
        case SignableRegister():
            return "registerSigned(address,bytes32,address,uint32,bytes)", _members(signed)
        case SignableSupersede():
            return "supersedeSigned(address,bytes32,bytes32,uint32,bytes)", _members(signed)
        case SignableRetract():
            return "retractSigned(address,bytes32,bytes32,uint32,bytes)", _members(signed)
        case SignableAnchorBatch():
            return "anchorBatchSigned(address,bytes32,bytes32,uint32,uint32,bytes)", _members(signed)
        case SignableGrant():
            request = GrantRequest(
                grantee=message.grantee,
                terms=message.terms,
                bundle=message.bundle,
                not_before=message.not_before,
                expires_at=message.expires_at,
                purposes=message.purposes,
            )
            return "grantSigned(address,bytes32,bytes32,uint256,uint256,bytes)", (
                address_word(message.patient),
                digest_word(message.terms),
                digest_word(message.bundle),
                pack_request(request, stamp=message.stamp, epoch=message.epoch),
                authorization_word(signed),
            )
        case SignableRevoke():
            return "revokeSigned(uint256,uint8,uint256,bytes)", (
                word(message.grant_id),
                word(message.last_epoch),
                authorization_word(signed),
            )
        case SignableRevokeAll():
            return "revokeAllSigned(address,uint8,uint256,bytes)", (
                address_word(message.patient),
                word(message.stamp),
                authorization_word(signed),
            )
        case SignableAppoint():
            wanted = DelegationRequest(
                delegate=message.delegate,
                verbs=Verbs(message.verbs),
                purposes=message.purposes,
                not_before=message.not_before,
                expires_at=message.expires_at,
            )
            return "appointSigned(address,address,uint256,uint256,bytes)", (
                address_word(message.patient),
                address_word(message.delegate),
                pack_delegation_request(wanted, stamp=message.stamp, epoch=message.epoch),
                authorization_word(signed),
            )
        case SignableDismiss():
            return "dismissSigned(address,address,uint8,uint256,bytes)", (
                address_word(message.patient),
                address_word(message.delegate),
                word(message.last_epoch),
                authorization_word(signed),
            )
        case SignableNameGuardians():
            return "nameGuardiansSigned(address,bytes32,uint32,uint32,uint256,bytes)", (
                address_word(message.patient),
                digest_word(message.circle),
                word(message.delay),
                word(message.changes),
                authorization_word(signed),
            )
        case SignableObjectToRecovery():
            return "objectToRecoverySigned(address,uint256,bytes)", (
                address_word(message.patient),
                authorization_word(signed),
            )
        case SignableEndEpisode():
            return "endSigned(uint256,address,uint32,bytes)", (
                word(message.episode_id),
                address_word(signed.signer),
                word(message.deadline),
            )
        case SignableSetBar():
            return "setBarSigned(address,bool,uint32,address,uint32,bytes)", (
                address_word(message.patient),
                word(int(message.barred)),
                word(message.count),
                address_word(signed.signer),
                word(message.deadline),
            )
        case SignableWithdraw():
            return "withdrawSigned(address,address,address,uint32,address,uint32,bytes)", (
                address_word(message.account),
                address_word(message.token),
                address_word(message.to),
                word(message.count),
                address_word(signed.signer),
                word(message.deadline),
            )
        case _:
            raise NotRelayableError(
                f"a signed {message.struct()} does nothing by itself",
                hint="gather those of enough guardians, and propose the recovery with them",
            )


def _members(signed: SignedMessage) -> Sequence[bytes]:
    """Return the struct's members, where the verb takes exactly these."""
    return [encode_word(kind, value, name) for name, kind, value in signed.message.values()]


def authorization_word(signed: SignedMessage) -> bytes:
    """Return the word ``Authorization``: who signed is left out where it is the patient himself."""
    signer = 0 if signed.is_authors else int(signed.signer, 16)
    return word(signer << 96 | signed.deadline << 8 | signed.mandate)
