"""Member institutions: their verbs in short, on the chains of ``evm.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils import keccak
from evm import ALWAYS, QUORUM, VOTING_PERIOD, Call, Chain, Contract, Receipt, deploy

UNKNOWN, SEATED, SUSPENDED, REMOVED = range(4)
NOT_SUSPENDED, BY_MEMBER, BY_VOTE = range(3)
REASON = b"\xe1" * 32
INSTITUTIONS = (
    "0xBcd4042DE499D14e55001CcbB24a551F3b954096",
    "0x71bE63f3384f5fb98995898A86B02Fb2426c5788",
    "0xFABB0ac9d68B0B445fB7357272Ff202C5651694a",
    "0x1CBd3b2770909D4e10f157cABC84C7264073C9Ec",
    "0xdF3e18d64BC6A983f673Ab319CCaE4f1a57C7097",
    "0xcd3B766CCDd6AE721141F452C550Ca635964ce71",
    "0x2546BcD3c84621e976D8185a91A922aE77ECEc30",
)
"""The eleventh to seventeenth account of the nodes' mnemonic, with ether."""


@dataclass(frozen=True, slots=True)
class ProposalView:
    """IConsortium.Proposal."""

    proposer: str
    deadline: int
    executed: bool
    target: str
    call_digest: bytes
    votes: int


@dataclass(frozen=True, slots=True)
class Institutions:
    """A consortium: who is a member, whom they accredited, and what they decide."""

    chain: Chain
    contract: Contract

    def _send(self, name: str, sender: str, *arguments: Any, **when: int) -> Receipt:
        return self.chain.send(self.contract.functions[name](*arguments), sender=sender, **when)

    def _ask(self, name: str, *arguments: Any) -> Any:
        return self.chain.call(self.contract.functions[name](*arguments))

    # accrediting

    def accredit(self, member: str, actor: str, kind: int, until: int = ALWAYS, **when: int) -> Receipt:
        return self._send("accredit", member, actor, kind, until, **when)

    def suspend_accreditation(self, sender: str, actor: str, kind: int, **when: int) -> Receipt:
        return self._send("suspendAccreditation", sender, actor, kind, **when)

    def reinstate_accreditation(self, sender: str, actor: str, kind: int, **when: int) -> Receipt:
        return self._send("reinstateAccreditation", sender, actor, kind, **when)

    def is_accredited(self, actor: str, kind: int) -> bool:
        return self._ask("isAccredited", actor, kind)

    def accreditation(self, actor: str, kind: int) -> tuple[int, int, int]:
        """Return until when, by which seat, and how it is suspended."""
        return tuple(self._ask("getAccreditation", actor, kind))

    # members

    def member(self, account: str) -> tuple[int, int]:
        """Return seat and status."""
        return tuple(self._ask("getMember", account))

    def seats(self) -> tuple[int, int]:
        """Return how many seats were given, and how many are taken now."""
        return tuple(self._ask("seats"))

    def call(self, name: str, *arguments: Any) -> Call:
        """Return a call of the consortium that only a vote may make."""
        return self.contract.functions[name](*arguments)

    # deciding

    def propose(self, member: str, function: Call, *, target: str | None = None, **when: int) -> int:
        """Propose a call and return its number."""
        return self.propose_data(member, target or function.address, data_of(function), **when)

    def propose_data(self, member: str, target: str, data: bytes, **when: int) -> int:
        sent = self._send("propose", member, target, data, REASON, **when)
        return sent.events[0].values["id"]

    def vote(self, member: str, proposal: int, **when: int) -> Receipt:
        return self._send("vote", member, proposal, **when)

    def execute(self, sender: str, proposal: int, function: Call, **when: int) -> Receipt:
        return self._send("execute", sender, proposal, data_of(function), **when)

    def decide(self, members: Sequence[str], function: Call, **when: int) -> Receipt:
        """Propose as the first, vote as the others, execute as the last; `at` which time, if it matters."""
        proposal = self.propose(members[0], function)
        for member in members[1:]:
            self.vote(member, proposal)
        return self.execute(members[-1], proposal, function, **when)

    def proposal(self, number: int) -> ProposalView:
        return ProposalView(*self._ask("getProposal", number))

    def tally(self, number: int) -> tuple[int, int]:
        """Return how many votes count now, and how many are needed."""
        return tuple(self._ask("tally", number))


def data_of(function: Call) -> bytes:
    """Return the calldata of a call."""
    return function.data


def call_digest_of(function: Call) -> bytes:
    """Return what a proposal keeps of its call."""
    return keccak(data_of(function))


def found(
    chain: Chain, members: Sequence[str], *, sender: str, quorum: int = QUORUM, period: int = VOTING_PERIOD
) -> Institutions:
    """Deploy a consortium of these members."""
    return Institutions(chain, deploy(chain, "Consortium", list(members), quorum, period, sender=sender))
