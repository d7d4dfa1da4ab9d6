"""The proof that who deployed has no right: asked of the contracts now, and of all that they ever told."""

from __future__ import annotations

from medshare.chain.client import ChainClient
from medshare.chain.codec import address_word, selector, word
from medshare.chain.consortium_codec import decode_accreditation, decode_member
from medshare.chain.events import ChainEvents
from medshare.errors import DeploymentMismatchError
from medshare.model.accreditation import Accreditation, AccreditationKind, Member
from medshare.model.events import Accredited, BlockRef, ControlMoved, Credited, LedgerEvent, MemberAdmitted
from medshare.model.ids import Address

_CONSORTIUM = "Consortium"
_SEAT, _ACCREDITATION, _CONTROL, _CREDIT = (
    "no member of the consortium, and never was",
    "accredited for nothing, and never was",
    "in control of no other account, and never was",
    "no credit, and never had any",
)


def prove_no_rights(client: ChainClient, deployer: Address, consortium: Address, events: ChainEvents) -> list[str]:
    """Return one line for each right that ``deployer`` is proved not to have.

    Args:
        client: the chain.
        deployer: who deployed.
        consortium: the contract that knows members and accreditations.
        events: all that the contracts of the deployment ever told.

    Raises:
        DeploymentMismatchError: he has it, or had it once.
        LedgerUnavailableError: the chain cannot be read.
    """
    head = client.head()
    found = {_given(event, deployer) for event in events.events(events.first_block, head.number)}
    if _member(client, deployer, consortium, head) != Member():
        found.add(_SEAT)
    if any(_accreditation(client, deployer, consortium, kind, head) != Accreditation() for kind in AccreditationKind):
        found.add(_ACCREDITATION)
    lines = []
    for right in (_SEAT, _ACCREDITATION, _CONTROL, _CREDIT):
        if right in found:
            raise DeploymentMismatchError(_CONSORTIUM, consortium, f"untrue of the deployer {deployer}: {right}")
        lines.append(f"deployer {deployer}: {right}")
    return lines


def _given(event: LedgerEvent, account: Address) -> str | None:
    """Return which right an event gave an account."""
    match event:
        case MemberAdmitted() if event.member == account:
            return _SEAT
        case Accredited() if event.actor == account:
            return _ACCREDITATION
        case ControlMoved() if event.controller == account:
            return _CONTROL
        case Credited() if event.account == account:
            return _CREDIT
        case _:
            return None


def _member(client: ChainClient, account: Address, consortium: Address, block: BlockRef) -> Member:
    asked = selector(_CONSORTIUM, "getMember(address)") + address_word(account)
    return decode_member(client.call(consortium, asked, block=block))


def _accreditation(
    client: ChainClient, actor: Address, consortium: Address, kind: AccreditationKind, block: BlockRef
) -> Accreditation:
    asked = selector(_CONSORTIUM, "getAccreditation(address,uint8)") + address_word(actor) + word(kind)
    return decode_accreditation(client.call(consortium, asked, block=block))
