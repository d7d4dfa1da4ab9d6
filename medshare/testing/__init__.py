"""Public test doubles: a chain, a store and a clock in memory, under the same rules as the real ones.

clock = FakeClock(1_800_000_000)
hospital, researcher = new_actor(), new_actor()
ledger, chain = in_memory_ledger(clock, custodians=[hospital.address])
chain.accredit(researcher.address, AccreditationKind.RESEARCHER)
chain.give(researcher.address, 10**18)
store = MemoryStore()

Patients who do not exist, with records to publish, are in ``medshare.testing.synthetic``.
"""

from medshare.testing.chain import InMemoryChain
from medshare.testing.ledger import in_memory_ledger
from medshare.testing.people import FakeClock, NamedSigner, new_actor
from medshare.testing.store import MemoryStore

__all__ = ["FakeClock", "InMemoryChain", "MemoryStore", "NamedSigner", "in_memory_ledger", "new_actor"]
