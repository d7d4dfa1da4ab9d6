"""The cases, each played as a reader of docs/cases plays it: what each party saw, what was denied, what it cost.

given a home of its own, and for three of them the chain and store that ``--on`` names
├─ each case ends well, and its result is the one that its page tells
├─ what everybody sees on chain is what docs/cases/costs.md counts, and costs as much
├─ nothing that identifies a patient, and no text of a record, is on chain, in the store or in any file, nor a digest
├─ it can be played again in the same folder
└─ what is not as a case tells is an error, with an exit code
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import case as cases
import pytest
from canaries import contents, digests, found
from costs import COSTS
from grounds import Ground

from medshare import connect
from medshare.content import Cid, walk
from medshare.errors import InvalidInputError
from medshare.testing.synthetic import Chart, terms

SNAPSHOTS = Path(__file__).resolve().parents[2] / "snapshots"

pytestmark = pytest.mark.integration

RESULTS: dict[str, Any] = {
    "referral": {
        "published": 27,
        "permitted": 20,
        "read": 20,
        "kinds_read": ["care-plan", "condition", "laboratory", "observation", "prescription"],
        "report_readers": ["general practitioner"],
        "report_is_whole": True,
        "denied": {"vaccination": "key-not-released", "stranger": "no-grant", "after_revoking": "revoked"},
    },
    "cross_region": {
        "custodians": 4,
        "records": 20,
        "without_the_lost": 19,
        "missing": ["BlobNotFoundError"],
        "complete": 20,
        "in_order_of_time": True,
        "grants": 1,
    },
    "cohort": {
        "accepted": ["patient_one", "patient_two", "patient_three", "patient_five", "patient_six"],
        "values": [6.1, 6.8, 7.4, 8.0, 9.5],
        "mean": 7.56,
        "mean_after_revoking": 7.08,
        "money": {
            "deposited": 5_000_015,
            **dict.fromkeys(("patient_one", "patient_two", "patient_three", "patient_five", "patient_six"), 700_003),
            "north_hospital": 600_000,
            "south_hospital": 400_000,
            "consortium": 500_000,
        },
    },
    "telemedicine": {
        "permitted": 23,
        "published": 32,
        "denied": {"before": "not-yet", "after": "expired", "after_renewal": "expired"},
        "prolonging_it_himself": "NotAllowedToActError",
        "grants_in_the_trail": 2,
    },
    "emergency": {
        "released": {"city_hospital": 24, "lake_hospital": 1},
        "denied": {"before": "no-episode", "for_research": "no-grant", "after": "no-episode"},
        "notices": ["EpisodeInForce", "KeysReleased", "KeysReleased"],
        "release_after_the_end": "EpisodeOverError",
        "verdict": "justified",
        "disclosures": ["emergency", "emergency keys", "emergency keys"],
    },
    "repeat_exam": {
        "without_a_right": "no-grant",
        "hba1c": {"answer": "exists", "value": 7.2, "days_old": 40, "score": 98},
        "chest_x_ray": {"answer": "none", "because": ["too-old"]},
        "chest_x_ray_later": {"answer": "exists", "of": "west hospital"},
    },
    "coming_of_age": {
        "refused": {
            "longer": "BeyondDelegationError",
            "revoke_everything": "NotAllowedToActError",
            "after_dismissal": "NotAllowedToActError",
        },
        "granted_in_her_name": 3,
        "denied": {"school_nurse": "revoked", "mother": "revoked"},
        "kept_by_her_own_word": ["paediatrician"],
    },
    "drug_recall": {
        "hospitals_that_received_it": ["city_hospital", "lake_hospital"],
        "affected": ["patient_four", "patient_one", "patient_six", "patient_three"],
        "found_by_the_agency": ["patient_four", "patient_one"],
        "reached": ["patient_four", "patient_one", "patient_six", "patient_three"],
        "manufacturer_learns": {"city_hospital": 2, "lake_hospital": 2},
        "denied": {
            "manufacturer": "no-grant",
            "agency": "purpose-not-granted",
            "manufacturer_reads_a_patient": "no-grant",
        },
    },
}
GAS = {name: cost["gas"] for name, cost in json.loads((SNAPSHOTS / "gas.json").read_text())["gas"].items()}
NEW_ACCOUNT = 25_000
"""What more it costs to pay somebody who never had anything."""
ON_NODES = ("referral", "cross_region", "cohort", "emergency")
"""Those that need no clock put forward, and are played wherever ``--on`` says."""
IN_THE_RECORDS = (b"resourceType", b"http://snomed.info/sct", b"application/fhir+json", b"epcisBody")
_SPELLED = 10
"""Bytes from which on a word is looked for in every spelling: the pieces of a shorter one occur by chance."""

Play = Callable[..., dict[str, Any]]


@pytest.fixture
def play(capsys: pytest.CaptureFixture[str]) -> Play:
    """Plays a case in a home, and returns what it prints as JSON."""

    def play(name: str, home: Path) -> dict[str, Any]:
        capsys.readouterr()
        code = import_module(name).main(["--home", str(home), "--json"])
        said = capsys.readouterr()
        assert (code, said.err) == (0, "")
        return json.loads(said.out)

    return play


def check(name: str, told: dict[str, Any], home: Path) -> None:
    """Check what a case tells, and that nothing else was left anywhere."""
    assert {key: told["result"][key] for key in RESULTS[name]} == RESULTS[name]
    assert all(step["title"] for step in told["steps"])
    events = Counter(line.partition("(")[0] for step in told["steps"] for line in step["public"])
    counted: Counter[str] = Counter()
    for cost in COSTS[name]:
        counted[cost.event] += cost.times
    assert {kind: events[kind] for kind in counted} == dict(counted)
    spent = sum(step["gas"] for step in told["steps"][1:])
    expected = sum(cost.times * GAS[cost.gas] for cost in COSTS[name])
    assert abs(spent - expected) <= expected // 50 + counted["Withdrawn"] * NEW_ACCOUNT
    places = everything(home)
    planted = [word.encode() for word in told["planted"]]
    assert planted
    assert [
        (word, place) for word in (*planted, *IN_THE_RECORDS) for place, text in places.items() if word in text
    ] == []
    registered = [root for root in places if root.startswith("below") and b"crypt4gh" in places[root]]
    assert len(registered) >= events["RecordRegistered"], "the search looks where the records are"
    assert any(Cid.parse(registered[0].split()[1]).digest in places[at] for at in places if at.startswith("block"))
    long = [word for word in planted if len(word) >= _SPELLED]
    assert found({str(number): word for number, word in enumerate(long)}, places) == []
    guesses = {f"{number} of {word!r}": guess for word in planted for number, guess in enumerate(digests(word))}
    assert [name for name, guess in guesses.items() if any(guess in text for text in places.values())] == []


def everything(home: Path) -> dict[str, bytes]:
    """Return what everybody can read: chain and store; and what is in the folder, where they are elsewhere."""
    places = contents(home)
    with connect(home) as session:
        head = session.ledger.chain.head().number
        for number in range(head + 1):
            block = session.chain.client.request("eth_getBlockByNumber", hex(number), True)
            logs = session.chain.client.request("eth_getLogs", {"fromBlock": hex(number), "toBlock": hex(number)})
            raw = b"".join(bytes.fromhex(text) for text in _hexadecimal([block, logs]))
            places[f"block {number}"] = raw
        for root in session.store.pins():
            places[f"below {root}"] = b"".join(block.data for block in walk(session.store.get, root))
    return places


def _hexadecimal(value: object) -> list[str]:
    """Return the bytes that a node writes, wherever they are in its answer."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in _hexadecimal(each)]
    if isinstance(value, list):
        return [text for each in value for text in _hexadecimal(each)]
    return [value[2:]] if isinstance(value, str) and value.startswith("0x") and not len(value) % 2 else []


@pytest.mark.parametrize("name", ON_NODES)
def test_case__on_any_chain_and_store__is_as_told(name: str, tmp_path: Path, ground: Ground, play: Play) -> None:
    ground.begin()
    home = tmp_path / "home"
    ground.found_home(home)
    check(name, play(name, home), home)


@pytest.mark.parametrize("name", sorted(RESULTS.keys() - set(ON_NODES)))
def test_case__on_the_embedded_chain__is_as_told(name: str, tmp_path: Path, play: Play) -> None:
    check(name, play(name, tmp_path / "home"), tmp_path / "home")


def test_case__again_in_the_same_folder__is_as_told(tmp_path: Path, play: Play) -> None:
    first, second = (play("repeat_exam", tmp_path / "home") for _ in range(2))
    assert first["result"] == second["result"]
    assert [step["seen"] for step in first["steps"]] == [step["seen"] for step in second["steps"]]


def test_case__without_a_folder__leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cases.tempfile, "tempdir", str(tmp_path))
    assert import_module("coming_of_age").main([]) == 0
    told = capsys.readouterr().out
    places = [told.index(text) for text in ("appoints her mother", "dismisses", "Gas, all in all")]
    assert places == sorted(places)
    assert list(tmp_path.iterdir()) == []


def test_case__not_as_told__ends_with_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def pigs_fly(_: cases.Case) -> None:
        cases.check(held=False, what="pigs fly")

    assert cases.run_case("", "pigs", pigs_fly, ["--home", str(tmp_path / "home")]) == 5
    assert "it is not so: pigs fly" in capsys.readouterr().err


def test_case__a_name_on_chain__ends_with_5(tmp_path: Path) -> None:
    def tells(case: cases.Case) -> None:
        case.people_are(patient=None)
        case.plant([case.address("patient")])

    assert cases.run_case("", "tells", tells, ["--home", str(tmp_path / "home")]) == 5


def test_case__opened_or_done_against_the_rules__ends_with_5(tmp_path: Path) -> None:
    def opens(case: cases.Case) -> None:
        case.people_are(patient=None)
        chart = Chart(1, 1)
        with case.step("a patient publishes a record of her own, and reads it"):
            chart.condition(terms.ASTHMA, date(2026, 3, 4))
            (published,) = case.publishes("patient", "patient", chart.bundle_of(chart.resources[1:]))
            case.denied("patient", cases.ref(published))

    def nothing(case: cases.Case) -> None:
        with case.step("nothing is refused"):
            case.refused("anybody", lambda: None)

    def otherwise(case: cases.Case) -> None:
        with case.step("it breaks for another reason"):
            case.refused("anybody", lambda: (_ for _ in ()).throw(InvalidInputError("something else")))

    for number, (wrong, code) in enumerate(((opens, 5), (nothing, 5), (otherwise, 2))):
        assert cases.run_case("", "wrong", wrong, ["--home", str(tmp_path / str(number))]) == code
