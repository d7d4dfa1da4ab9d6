"""A ledger on which one signs and another pays: every verb that can be signed is drafted, shown, signed and sent.

    paying = Paying(payer=father.signer, confirm=ask, names=keyring.name_of)
    ledger = paid_ledger(ledger, signing=signing, pay=relaying.pay, paying=paying)
    Consenting(ledger=ledger, ...).revoke(grant_id, patient=me)

The services know nothing of it: whom they name as the signer of a transaction signs a message in its place. Reading is
the ledger's own; a verb that has no signed form is sent by the signer himself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from medshare.errors import RejectedError
from medshare.model.delegation import Circle, DelegationRequest
from medshare.model.grant import GrantRequest
from medshare.model.ids import Address, CatalogueId, EpisodeId, GrantId, RecordId
from medshare.model.record_acts import Enter, RecordAct, Retract, Supersede
from medshare.model.record_batch import Inclusion
from medshare.model.telling import Names
from medshare.model.typed_data import Signable, SignedMessage
from medshare.ports import (
    AuthorityLedger,
    CallOutcome,
    ConsentLedger,
    DirectoryLedger,
    EmergencyLedger,
    EscrowLedger,
    Ledger,
    Receipt,
    RecordLedger,
    Signer,
)
from medshare.services.drafting import Drafting
from medshare.services.signing import DAY, Confirm, Signing


@dataclass(frozen=True, slots=True, kw_only=True)
class Paying:
    """How another pays for what somebody signs."""

    payer: Signer
    """Whose coins pay."""
    confirm: Confirm
    """Shown each message before it is signed."""
    names: Names
    """The names that the person who signs has given addresses."""
    valid_for: int = DAY
    """Seconds until a message's deadline."""


def paid_ledger(ledger: Ledger, *, signing: Signing, pay: Callable[[SignedMessage], Receipt], paying: Paying) -> Ledger:
    """Return ``ledger`` with its signable verbs signed by whom the caller names, and paid for by ``paying.payer``.

    A verb raises, beside its own errors, ``SigningError`` where nothing was signed.

    Args:
        ledger: the contracts.
        signing: drafts, shows and signs.
        pay: sends a signed message.
        paying: who pays, and who is asked.
    """

    def carry_out(signer: Signer, drafted: Callable[[Drafting], Signable]) -> Receipt:
        message = drafted(signing.draft(signer.address, valid_for=paying.valid_for))
        return pay(signing.sign(message, signer, confirm=paying.confirm, names=paying.names))

    return replace(
        ledger,
        directory=cast("DirectoryLedger", _Directory(ledger.directory, carry_out)),
        records=cast("RecordLedger", _Records(ledger.records, carry_out, paying.payer)),
        consents=cast("ConsentLedger", _Consents(ledger.consents, carry_out)),
        authority=cast("AuthorityLedger", _Authority(ledger.authority, carry_out, paying.payer)),
        emergencies=cast("EmergencyLedger", _Emergencies(ledger.emergencies, carry_out)),
        escrow=cast("EscrowLedger", _Escrow(ledger.escrow, carry_out)),
    )


_CarryOut = Callable[[Signer, Callable[[Drafting], Signable]], Receipt]


class _Port:
    """A port with some verbs replaced; the rest is the port's own."""

    def __init__(self, port: object, carry_out: _CarryOut) -> None:
        self._port = port
        self._carry_out = carry_out

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the port has
        return getattr(self._port, name)


class _Directory(_Port):
    def set_encryption_key(self, signer: Signer, key: bytes) -> Receipt:
        return self._carry_out(signer, lambda draft: draft.set_encryption_key(key))


class _Records(_Port):
    # An intent is of no use here: the relayer's journal takes up what was on its way, message by message.

    def __init__(self, port: RecordLedger, carry_out: _CarryOut, payer: Signer) -> None:
        super().__init__(port, carry_out)
        self._records = port
        self._payer = payer

    def register(
        self,
        signer: Signer,
        record_id: RecordId,
        patient: Address,
        *,
        intent: str | None = None,  # noqa: ARG002 - see above
    ) -> Receipt:
        return self._carry_out(signer, lambda draft: draft.register(record_id, patient))

    def supersede(
        self,
        signer: Signer,
        record_id: RecordId,
        previous_id: RecordId,
        *,
        intent: str | None = None,  # noqa: ARG002 - see above
    ) -> Receipt:
        return self._carry_out(signer, lambda draft: draft.supersede(record_id, previous_id))

    def retract(self, signer: Signer, record_id: RecordId, reason: bytes) -> Receipt:
        return self._carry_out(signer, lambda draft: draft.retract(record_id, reason))

    def anchor_batch(
        self,
        signer: Signer,
        root: bytes,
        catalogue: CatalogueId,
        count: int,
        *,
        intent: str | None = None,  # noqa: ARG002 - see above
    ) -> Receipt:
        return self._carry_out(signer, lambda draft: draft.anchor_batch(root, catalogue, count))

    # Anybody may send this one: so does the payer.

    def register_from_batch(self, payer: Signer, inclusion: Inclusion, *, intent: str | None = None) -> Receipt:  # noqa: ARG002
        return self._records.register_from_batch(self._payer, inclusion, intent=intent)

    def do_all(
        self,
        signer: Signer,
        acts: Sequence[RecordAct],
        *,
        intent: str | None = None,  # noqa: ARG002 - see above
    ) -> tuple[CallOutcome, ...]:
        """Do each by itself: what is signed is shown to a person, and sent, one by one."""
        return tuple(self._done(signer, act) for act in acts)

    def _done(self, signer: Signer, act: RecordAct) -> CallOutcome:
        try:
            return CallOutcome(receipt=self._do(signer, act), refusal=None)
        except RejectedError as refusal:
            return CallOutcome(receipt=None, refusal=refusal)

    def _do(self, signer: Signer, act: RecordAct) -> Receipt:
        match act:
            case Enter(inclusion=inclusion):
                return self.register_from_batch(signer, inclusion)
            case Supersede(record_id=record_id, previous_id=previous_id):
                return self.supersede(signer, record_id, previous_id)
            case Retract(record_id=record_id, reason=reason):
                return self.retract(signer, record_id, reason)


class _Consents(_Port):
    def grant(
        self,
        signer: Signer,
        request: GrantRequest,
        *,
        intent: str | None = None,
    ) -> Receipt:
        return self.grant_for(signer, signer.address, request, intent=intent)

    def grant_for(
        self,
        signer: Signer,
        patient: Address,
        request: GrantRequest,
        *,
        intent: str | None = None,  # noqa: ARG002 - as for records
    ) -> Receipt:
        return self._carry_out(signer, lambda draft: draft.grant(patient, request))

    def revoke(self, signer: Signer, grant_id: GrantId) -> Receipt:
        return self._carry_out(signer, lambda draft: draft.revoke(grant_id))

    def revoke_all(self, signer: Signer, patient: Address) -> Receipt:
        return self._carry_out(signer, lambda draft: draft.revoke_all(patient))


class _Authority(_Port):
    def __init__(self, port: AuthorityLedger, carry_out: _CarryOut, payer: Signer) -> None:
        super().__init__(port, carry_out)
        self._authority = port
        self._payer = payer

    def appoint(self, signer: Signer, patient: Address, request: DelegationRequest) -> Receipt:
        return self._carry_out(signer, lambda draft: draft.appoint(patient, request))

    def dismiss(self, signer: Signer, patient: Address, delegate: Address) -> Receipt:
        return self._carry_out(signer, lambda draft: draft.dismiss(patient, delegate))

    def name_guardians(self, signer: Signer, patient: Address, circle: bytes, delay: int) -> Receipt:
        return self._carry_out(signer, lambda draft: draft.name_guardians(patient, circle, delay))

    def object_to_recovery(self, signer: Signer, patient: Address) -> Receipt:
        return self._carry_out(signer, lambda draft: draft.object_to_recovery(patient))

    # Anybody may send these two: so does the payer.

    def propose_recovery(self, payer: Signer, circle: Circle, approvals: Sequence[SignedMessage]) -> Receipt:  # noqa: ARG002
        return self._authority.propose_recovery(self._payer, circle, approvals)

    def complete_recovery(self, payer: Signer, patient: Address) -> Receipt:  # noqa: ARG002
        return self._authority.complete_recovery(self._payer, patient)


class _Emergencies(_Port):
    def end(self, signer: Signer, episode_id: EpisodeId) -> Receipt:
        return self._carry_out(signer, lambda draft: draft.end_episode(episode_id))

    def set_bar(self, signer: Signer, patient: Address, *, barred: bool) -> Receipt:
        return self._carry_out(signer, lambda draft: draft.set_bar(patient, barred=barred))


class _Escrow(_Port):
    def withdraw(self, signer: Signer, account: Address, token: Address, to: Address) -> Receipt:
        return self._carry_out(signer, lambda draft: draft.withdraw(account, token, to))
