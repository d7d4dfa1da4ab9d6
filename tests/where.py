"""Where the integration suite stands, chosen by one setting: ``pytest --on clique+kubo``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Self

CHAINS = ("embedded", "anvil", "clique")
STORES = ("local", "kubo")
WORDS = (*CHAINS, "kubo")
"""What ``--on`` knows: the local store is where no other is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What ``--on`` says."""

    chain: str = "embedded"
    store: str = "local"

    @classmethod
    def of(cls, text: str) -> Self:
        """Return what these words mean, joined by ``+``: a chain, the store ``kubo``, or both."""
        found: dict[str, str] = {}
        for word in text.split("+"):
            part = "chain" if word in CHAINS else "store"
            if word not in WORDS or part in found:
                raise argparse.ArgumentTypeError(
                    f"{text!r} is none of {', '.join(WORDS)}, nor a chain and kubo together, as clique+kubo"
                )
            found[part] = word
        return cls(**found)

    def has(self, word: str) -> bool:
        """Whether this chain or store is what tests stand on."""
        return word in (self.chain, self.store)
