"""What models stand on: gas and bytes from the committed snapshot, rates from the committed results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOT = ROOT / "tests" / "snapshots" / "gas.json"
RESULTS = ROOT / "benchmarks" / "results"

Json = dict[str, Any]

BATCHED = 1_000
"""Records in a Merkle batch."""
BATCH_VERB = "anchorBatch"
GAS_GOALS_OF_A_BATCH = {1_000: 60, 10_000: 10}
"""What the design asks: at most so much gas for each record, by how many are in a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """What a verb takes of a chain."""

    gas: float
    transaction: float
    """Bytes."""
    receipt: float
    """Bytes."""
    slots: float
    """Bytes of state."""

    @property
    def ledger(self) -> float:
        """Bytes that every node keeps for ever."""
        return self.transaction + self.receipt + self.slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Verbs:
    """The verbs that models count with."""

    register: Verb
    batched: Verb
    """One record's part of a Merkle batch."""
    grant: Verb
    """Signed by the patient, relayed by another, for the first time."""
    revoke: Verb


def snapshot() -> Json:
    """Return the committed snapshot of gas, floors, bytes and code sizes."""
    found: Json = json.loads(SNAPSHOT.read_text("utf-8"))
    return found


def result(part: str) -> Json | None:
    """Return what was measured of a part, or None where it has not been."""
    path = RESULTS / f"{part}.json"
    if not path.is_file():
        return None
    found: Json = json.loads(path.read_text("utf-8"))
    return found


def verbs(snapshot: Json) -> Verbs:
    """Return the verbs by what a snapshot says of them."""
    gas, sizes = snapshot["gas"], snapshot["ledgerBytes"]

    def verb(name: str) -> Verb:
        return Verb(gas=gas[name]["gas"], **sizes[name])

    batch = verb(BATCH_VERB)
    return Verbs(
        register=verb("register"),
        batched=Verb(
            gas=batch.gas / BATCHED,
            transaction=batch.transaction / BATCHED,
            receipt=batch.receipt / BATCHED,
            slots=batch.slots / BATCHED,
        ),
        grant=verb("grantSigned, first"),
        revoke=verb("revokeSigned"),
    )
