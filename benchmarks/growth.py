"""What grows with the number of entries, and what does not: gas, the index, and an answer out of it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gas
from scale import Scale
from web3 import Web3

from medshare.model.grant import GrantRequest
from medshare.model.ids import Address, BundleId, RecordId, TermsDigest
from medshare.model.purpose import Purpose
from medshare.services.auditing import Auditing
from medshare.services.index import LedgerIndex
from medshare.testing import FakeClock, NamedSigner, in_memory_ledger

Json = dict[str, Any]

OF_ONE_PATIENT = 10
"""Records and grants of the patient who asks, among all others: her answer should not grow with theirs."""
YEAR = 365 * 86_400


def figures(scale: Scale) -> Json:
    """Return the numbers at a scale."""
    return {
        "gas": grown_gas(scale.of((100,), (100, 1_000, 10_000))),
        "index": [
            index_of(size)
            for size in scale.of((100, 1_000), (100, 1_000, 10_000, 100_000), (100, 1_000, 10_000, 100_000, 1_000_000))
        ],
    }


def grown_gas(sizes: tuple[int, ...]) -> Json:
    """Return what a grant and a registration cost after so many of each."""
    return {
        str(size): {name: cost.gas for name, cost in costs.items()} for size, costs in gas.measure_grown(sizes).items()
    }


def index_of(entries: int) -> Json:
    """Read a ledger of so many events, half records and half grants, of as many patients as make ten each."""
    clock = FakeClock(YEAR)
    hospital, doctor = NamedSigner(_address(1)), _address(2)
    ledger, chain = in_memory_ledger(clock, [hospital.address])
    wanted = GrantRequest(
        grantee=doctor,
        terms=TermsDigest(bytes(32)),
        bundle=BundleId(os.urandom(32)),
        not_before=0,
        expires_at=clock.now() + YEAR,
        purposes=Purpose.TREAT,
    )
    for number in range(entries // 2):
        patient = NamedSigner(_address(3 + number // OF_ONE_PATIENT))
        ledger.records.register(hospital, RecordId(os.urandom(32)), patient.address)
        ledger.consents.grant(patient, replace(wanted, terms=TermsDigest(os.urandom(32))))
    with tempfile.TemporaryDirectory() as folder:
        index = LedgerIndex(Path(folder) / "index", chain)
        replaying = _seconds(index.sync)
        auditing = Auditing(index=index)
        someone = _address(3)
        assert len(auditing.grants(patient=someone)) == min(OF_ONE_PATIENT, entries // 2)
        return {
            "events": entries,
            "replay_seconds": round(replaying, 3),
            "bytes": sum(path.stat().st_size for path in Path(folder).iterdir()),
            "grants_of_one_patient_ms": round(_seconds(lambda: auditing.grants(patient=someone)) * 1000, 3),
            "records_of_one_patient_ms": round(_seconds(lambda: auditing.records(someone)) * 1000, 3),
            "synced_again_ms": round(_seconds(index.sync) * 1000, 3),
        }


def _address(number: int) -> Address:
    return Address(Web3.to_checksum_address(number.to_bytes(20, "big")))


def _seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun
