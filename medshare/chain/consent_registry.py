"""The contract ConsentRegistry, as ``ports.ConsentLedger``."""

from __future__ import annotations

from collections.abc import Sequence

from medshare.chain.client import ChainClient
from medshare.chain.codec import (
    address_word,
    bounded,
    decode_bool,
    decode_bools,
    decode_grant,
    digest_word,
    encode_are_live,
    pack_request,
    selector,
    word,
    words,
)
from medshare.chain.transactions import TransactionSender
from medshare.model.consent import Grant, GrantRequest
from medshare.model.events import BlockRef
from medshare.model.ids import Address, GrantId
from medshare.model.purpose import Purpose
from medshare.ports import Receipt, Signer

CONTRACT = "ConsentRegistry"
_MAX_STAMP = 255
_MAX_ASKED = 1000
"""Grants in one call: some 5 million gas, below what nodes allow a call."""


class ConsentRegistryAdapter:
    """Speaks to a deployed ConsentRegistry.

    Every method raises ``LedgerUnavailableError`` where the node fails, and writing raises as
    ``TransactionSender.send``.
    """

    def __init__(self, client: ChainClient, sender: TransactionSender, address: Address) -> None:
        self._client = client
        self._sender = sender
        self.address = address

    def grant(self, signer: Signer, request: GrantRequest, *, intent: str | None = None) -> Receipt:
        """Grant access, as the signer.

        Raises:
            GranteeIsZeroError, GranteeIsPatientError, PurposesEmptyError, PeriodEmptyError: the request cannot be.
            GrantIdTakenError, GrantExhaustedError: new terms with a new salt are needed.
            PatientExhaustedError: the signer can grant nothing more.
            NotAllowedToActError: another key is in control of the signer's records since his was recovered.
        """
        data = selector(CONTRACT, "grant(bytes32,bytes32,uint256)") + _wanted(request)
        return self._sender.send(signer, to=self.address, data=data, intent=intent)

    def grant_for(
        self, signer: Signer, patient: Address, request: GrantRequest, *, intent: str | None = None
    ) -> Receipt:
        """Grant access to a patient's records, as somebody who may act for him.

        Raises:
            NotAllowedToActError: the signer is neither in control of the patient nor a delegate who may grant now.
            BeyondDelegationError: for other purposes or for longer than the delegate is appointed.
            RejectedError: as ``grant``.
        """
        data = (
            selector(CONTRACT, "grantFor(address,bytes32,bytes32,uint256)") + address_word(patient) + _wanted(request)
        )
        return self._sender.send(signer, to=self.address, data=data, intent=intent)

    def revoke(self, signer: Signer, grant_id: GrantId) -> Receipt:
        """Take a grant back, as the patient or somebody who may revoke for him; raises ``NotAllowedToActError``."""
        return self._sender.send(signer, to=self.address, data=selector(CONTRACT, "revoke(uint256)") + word(grant_id))

    def revoke_all(self, signer: Signer, patient: Address) -> Receipt:
        """Take everything back, as the one in control of the patient; raises ``NotAllowedToActError``."""
        data = selector(CONTRACT, "revokeAll(address)") + address_word(patient)
        return self._sender.send(signer, to=self.address, data=data)

    def get_grant(self, grant_id: GrantId, *, block: BlockRef) -> Grant:
        """Return a grant as it stands; raises ``UnknownGrantError``."""
        data = selector(CONTRACT, "getGrant(uint256)") + word(grant_id)
        return decode_grant(grant_id, self._client.call(self.address, data, block=block))

    def stamp(self, patient: Address, *, block: BlockRef) -> int:
        """Return how often the patient has revoked everything."""
        data = selector(CONTRACT, "getStamp(address)") + address_word(patient)
        (stamp,) = words(self._client.call(self.address, data, block=block), 1)
        return bounded(stamp, _MAX_STAMP)

    def is_live(self, grant_id: GrantId, purpose: Purpose, *, block: BlockRef) -> bool:
        """Return the contract's own answer at that block's time; raises ``PurposesEmptyError``."""
        data = selector(CONTRACT, "isLive(uint256,uint16)") + word(grant_id) + word(int(purpose))
        (live,) = words(self._client.call(self.address, data, block=block), 1)
        return decode_bool(live)

    def are_live(self, grant_ids: Sequence[GrantId], purpose: Purpose, *, block: BlockRef) -> tuple[bool, ...]:
        """Return the contract's answer for each of many grants, asked a thousand at a time.

        Raises:
            PurposesEmptyError: no purpose was named, and there is a grant to ask about.
        """
        found: tuple[bool, ...] = ()
        for start in range(0, len(grant_ids), _MAX_ASKED):
            asked = grant_ids[start : start + _MAX_ASKED]
            data = selector(CONTRACT, "areLive(uint256[],uint16)") + encode_are_live(asked, purpose)
            found += decode_bools(self._client.call(self.address, data, block=block), len(asked))
        return found


def _wanted(request: GrantRequest) -> bytes:
    return digest_word(request.terms) + digest_word(request.bundle) + pack_request(request)
