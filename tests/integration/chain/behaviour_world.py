"""One face for the ledger in memory and on real chains: fresh people with keys, and time that passes."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from grounds import Chain, running_chain
from token_contract import deploy_token, mint

from medshare.chain import LocalSigner, OpenChain, open_chain
from medshare.chain.opening import DEFAULT_FUNDS
from medshare.chain.signing import domains_of
from medshare.model.accreditation import AccreditationKind
from medshare.model.eip712 import Domain
from medshare.model.governed import GovernedCall, encode_call
from medshare.model.ids import Address, address
from medshare.model.typed_data import Signable, SignedMessage, to_typed_data
from medshare.ports import Ledger, Receipt, Signer
from medshare.testing import FakeClock, in_memory_ledger

HOUR = 3_600


class Scene(ABC):
    """A ledger that nobody used before, or whose people nobody used before."""

    ledger: Ledger
    domains: Mapping[str, Domain]
    member: Signer
    """The founding member of the consortium, who has coins."""
    token: Address
    """A token as it should be."""

    @abstractmethod
    def person(self) -> LocalSigner:
        """Return somebody who can sign, and pay."""

    @abstractmethod
    def give(self, account: Address, amount: int) -> None:
        """Let an account have so much more of the token."""

    @abstractmethod
    def wait(self, seconds: int) -> None:
        """Let time pass: the next block is that much later."""

    @abstractmethod
    def sent(self, signer: Signer) -> int:
        """Count the transactions of somebody. Blocks tell nothing: some come because time passes."""

    def accredited(self, kind: AccreditationKind) -> LocalSigner:
        """Return somebody whom the founding member has accredited."""
        person = self.person()
        self.ledger.accreditation.accredit(self.member, person.address, kind, self.now + 3 * 365 * 86_400)
        return person

    def decided(self, call: GovernedCall) -> Receipt:
        """Propose a call, as the founding member, which is all votes that there are; execute it."""
        proposal_id = self.ledger.consortium.propose(self.member, call, bytes(32)).proposal_id
        return self.ledger.consortium.execute(self.person(), proposal_id, encode_call(call))

    @property
    def now(self) -> int:
        """Time of the newest block."""
        return self.ledger.chain.head().time

    def sign(self, signer: LocalSigner, kind: type[Signable], **values: object) -> SignedMessage:
        """Return a message that is good for an hour, signed."""
        message = kind(**{"deadline": self.now + HOUR, **values})
        domain = self.domains[kind.contract]
        signature = signer.sign_typed_data(to_typed_data(message, domain))
        return SignedMessage(message=message, domain=domain, signer=signer.address, signature=signature)


class InMemory(Scene):
    """The double, under the same rules."""

    def __init__(self) -> None:
        self._clock = FakeClock(1_800_000_000)
        self.ledger, self._chain = in_memory_ledger(self._clock)
        self.domains = self._chain.domains
        self.member = self._chain.member
        self.token = address("0x" + "7f" * 20)

    def person(self) -> LocalSigner:
        person = LocalSigner.generate()
        self._chain.give(person.address, DEFAULT_FUNDS)
        return person

    def give(self, account: Address, amount: int) -> None:
        self._chain.give(account, amount, self.token)

    def wait(self, seconds: int) -> None:
        self._clock.time = max(self._clock.time, self.now) + seconds
        self._chain.mine()

    def sent(self, signer: Signer) -> int:
        del signer  # here a block is a transaction, and nobody else is here
        return self.ledger.chain.head().number


class OnChain(Scene):
    """The adapters, on a chain that others may be on, too."""

    def __init__(self, chain: OpenChain, place: Chain) -> None:
        self._chain = chain
        self._place = place
        self.ledger = chain.ledger
        self.domains = domains_of(chain.deployment)
        self.member = chain.development_member()

    @cached_property
    def token(self) -> Address:
        return deploy_token(self._chain, self.member)

    def give(self, account: Address, amount: int) -> None:
        mint(self._chain, self.member, self.token, account, amount)

    def person(self) -> LocalSigner:
        signer = LocalSigner.generate()
        self._chain.fund(signer.address)
        return signer

    def wait(self, seconds: int) -> None:
        self._place.put_forward(self._chain, seconds)
        self._chain.sender.send(self.member, to=self.member.address)

    def sent(self, signer: Signer) -> int:
        return self._chain.client.nonce(signer.address, pending=True)


@contextmanager
def scene_of(kind: str) -> Iterator[Scene]:
    """Open the scene of this name: memory, embedded, anvil or clique. A node is its own: its time is put forward."""
    if kind == "memory":
        yield InMemory()
        return
    with ExitStack() as stack:
        place = stack.enter_context(running_chain(kind))
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        chain = stack.enter_context(open_chain(place.profile, home))
        deployer = LocalSigner.generate()
        chain.fund(deployer.address)
        chain.deploy(deployer)
        yield OnChain(chain, place)
