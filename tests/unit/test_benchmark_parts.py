"""What parts of the benchmarks compute by themselves, beside measuring

given a public key
└─ it is written as age, and BIP 173, write it
given times
└─ a percentile is the smallest time that so many per cent do not exceed
given a small ledger in memory
└─ the index is measured, and answers for one patient among others
given a batch of records
└─ its patient fetches a part of the catalogue, and its custodian all of his
given a store in a folder
└─ its rates are measured against their limits
"""

from __future__ import annotations

import batches
import ciphers
import clients
import growth
import pytest
import storage

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("prefix", "payload", "expected"),
    [
        ("a", "", "a12uel5l"),
        (
            "abcdef",
            "00443214c74254b635cf84653a56d7c675be77df",
            "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
        ),
    ],
)
def test_bech32__examples_of_bip_173__are_written_so(prefix, payload, expected):
    assert ciphers.bech32(prefix, bytes.fromhex(payload)) == expected


def test_spread__a_hundred_times__are_themselves():
    found = clients.spread([number / 1000 for number in range(100, 0, -1)])

    assert found == {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99, "count": 100}


def test_spread__one_time__is_all_of_them():
    assert clients.spread([0.002]) == {"p50_ms": 2, "p95_ms": 2, "p99_ms": 2, "count": 1}


def test_index__small_ledger__is_measured():
    found = growth.index_of(40)

    assert found["events"] == 40
    assert found["bytes"] > 0
    assert all(found[name] > 0 for name in found if name.endswith("_ms"))


def test_batch__small__is_measured(tmp_path):
    found = batches.measure(1_000, tmp_path)

    assert found["patients"] == 20
    assert 0 < found["found_bytes"] < found["catalogue_bytes"]
    assert found["custodians_file_bytes"] > 1_000 * 32
    assert found["book_bytes"] > 0


def test_store__one_mebibyte__is_measured_against_its_limits(tmp_path):
    found = storage.measure(size=storage.MIB, rounds=1, folder=tmp_path)

    assert set(found["ratios"]) == set(found["limits"]) < set(found["seconds"])
    assert list(tmp_path.iterdir()) == []
