"""How fast the chain's client is: always beside web3 or stock eth-tester, in turns, in the same run."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_typing import BlockNumber
from fresh_chain import FreshChain
from gas import BUNDLE, EXPIRES_AT, read_artifact
from scale import Scale
from standing import home_on, is_here, unlock
from web3 import Web3
from web3.contract import Contract
from web3.types import FilterParams, Nonce, TxParams

from medshare import Session, connect
from medshare.chain import load_network, open_chain
from medshare.chain.codec import hex_bytes
from medshare.chain.consent_registry import ConsentRegistryAdapter
from medshare.chain.logs import decode_event, event_topics, topic_of
from medshare.model.consent import liveness
from medshare.model.decision import Reason
from medshare.model.events import EventPlace
from medshare.model.grant import grant_word
from medshare.model.ids import Address, GrantId, TermsDigest, derive_grant_id
from medshare.model.purpose import Purpose
from medshare.services.index import LedgerIndex

Json = dict[str, Any]

NATIVE_CURVE = "eth_keys.backends.NativeECCBackend"
CURVE_VARIABLE = "ECC_BACKEND_CLASS"
ASKED_AT_ONCE = (10, 100, 1_000, 10_000)
IN_A_TRANSACTION = 100
CHAINS = {"medshare": None, "eth-tester": None, "eth-tester, no coincurve": NATIVE_CURVE}
"""By name, the curve that eth-keys is told to use."""


def figures(scale: Scale) -> Json:
    """Return the numbers at a scale; those that need a node are None where there is none."""
    return {
        "transactions": transactions(scale.of(40, 300), rounds=scale.of(1, 3)),
        "anvil": on_anvil(scale) if is_here("anvil") else None,
    }


# --------------------------------------------------------------------------------------------- the embedded chain


def transactions(count: int, rounds: int) -> Json:
    """Return transactions per second of each in-process chain, one at a time, its receipt awaited."""
    rates: dict[str, list[float]] = {name: [] for name in CHAINS}
    for _ in range(rounds):
        for name, curve in CHAINS.items():
            environment = {**os.environ, **({CURVE_VARIABLE: curve} if curve else {})}
            command = [sys.executable, __file__, "--worker", name.partition(",")[0], str(count)]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            rates[name].append(float(done.stdout))
    per_second = {name: round(statistics.median(found), 1) for name, found in rates.items()}
    return {"count": count, "rounds": rounds, "per_second": per_second}


def work(chain: str, count: int) -> float:
    """Send so many signed registrations to a chain of this process; return how many a second were mined."""
    account = Account.from_key(b"\x5a" * 32)
    if chain == "medshare":
        with tempfile.TemporaryDirectory() as folder, open_chain(load_network("embedded"), Path(folder)) as opened:
            registry = opened.ensure_deployed().contract("RecordRegistry").address
            opened.fund(Address(account.address))
            return _rate(opened.client.web3, registry, account, count)
    stock = FreshChain()
    w3: Web3 = stock.w3
    stock.send({"from": stock.accounts[0], "to": account.address, "value": Web3.to_wei(1, "ether")})
    contract = stock.place(read_artifact("RecordRegistry"), stock.accounts[1])
    return _rate(w3, contract.address, account, count)


def _rate(w3: Web3, registry: str, account: Any, count: int) -> float:  # noqa: ANN401 - eth_account has no type for it
    contract = w3.eth.contract(address=Web3.to_checksum_address(registry), abi=read_artifact("RecordRegistry")["abi"])
    first = w3.eth.get_transaction_count(account.address)
    signed = []
    for number in range(count):
        fields: TxParams = {"from": account.address, "nonce": Nonce(first + number), "gas": 100_000}
        fields |= {"maxFeePerGas": Web3.to_wei(10, "gwei"), "maxPriorityFeePerGas": Web3.to_wei(1, "gwei")}
        registering = contract.functions.register(os.urandom(32), account.address).build_transaction(fields)
        signed.append(account.sign_transaction(registering).raw_transaction)
    begun = time.perf_counter()
    for raw in signed:
        receipt = w3.eth.get_transaction_receipt(w3.eth.send_raw_transaction(raw))
        assert receipt["status"] == 1
    return count / (time.perf_counter() - begun)


# ------------------------------------------------------------------------------------------------------- anvil


def on_anvil(scale: Scale) -> Json:
    """Return the rates of checks, decoding and the index, on grants that are on an anvil."""
    grants, rounds = scale.of(1_000, 10_000), scale.of(3, 9)
    with home_on("anvil", ("hospital", "patient", "doctor")) as home, connect(home) as session:
        ids = _many_grants(session, grants)
        return {
            "grants": len(ids),
            "rounds": rounds,
            "is_live": _single_checks(session, ids, scale.of(50, 300), rounds),
            "are_live_per_second": {
                str(size): _batched_checks(session, ids[:size], rounds) for size in ASKED_AT_ONCE if size <= grants
            },
            **_events(session, home, rounds),
        }


def _many_grants(session: Session, count: int) -> list[GrantId]:
    """Grant as often as asked, each under other terms, many in one transaction; return the ids."""
    patient, doctor = unlock(session, "patient"), session.keyring.resolve("doctor")
    contract = _contract(session, "ConsentRegistry")
    wanted = grant_word(grantee=doctor, not_before=0, expires_at=EXPIRES_AT, purposes=Purpose.TREAT)
    terms = [TermsDigest(os.urandom(32)) for _ in range(count)]
    for start in range(0, count, IN_A_TRANSACTION):
        calls = [
            contract.encode_abi("grant", [each, BUNDLE, wanted]) for each in terms[start : start + IN_A_TRANSACTION]
        ]
        data = bytes.fromhex(contract.encode_abi("batch", [calls])[2:])
        session.chain.sender.send(patient.signer, to=Address(contract.address), data=data)
    return [derive_grant_id(patient.address, doctor, each) for each in terms]


def _contract(session: Session, name: str, w3: Web3 | None = None) -> Contract:
    """Return a contract as web3 knows it: on the session's own connection, if on no other."""
    address = Web3.to_checksum_address(session.chain.deployment.contract(name).address)
    return (w3 or session.chain.client.web3).eth.contract(address=address, abi=read_artifact(name)["abi"])


def _single_checks(session: Session, ids: list[GrantId], count: int, rounds: int) -> Json:
    """Ask whether one grant is live, again and again: by our adapter and by web3, on its connection and on ours."""
    consents, block = session.ledger.consents, session.ledger.chain.head()
    asked = list(islice(cycle(ids), count))

    def ours() -> None:
        for each in asked:
            assert consents.is_live(each, Purpose.TREAT, block=block)

    def by(contract: Contract) -> Callable[[], None]:
        def theirs() -> None:
            for each in asked:
                asking = contract.functions.isLive(each, int(Purpose.TREAT))
                assert asking.call(block_identifier=BlockNumber(block.number))

        return theirs

    stock = Web3(Web3.HTTPProvider(session.chain.client.profile.url))
    return {
        "stock": _in_turns(ours, by(_contract(session, "ConsentRegistry", stock)), count, rounds),
        "same_connection": _in_turns(ours, by(_contract(session, "ConsentRegistry")), count, rounds),
    }


def _batched_checks(session: Session, asked: list[GrantId], rounds: int) -> float:
    """Ask about many grants at once, a thousand in a call; return answers per second."""
    block, consents = session.ledger.chain.head(), session.ledger.consents
    assert isinstance(consents, ConsentRegistryAdapter)
    times = [_seconds(lambda: consents.are_live(asked, Purpose.TREAT, block=block)) for _ in range(rounds)]
    return round(len(asked) / statistics.median(times))


def _events(session: Session, home: Path, rounds: int) -> Json:
    """Decode the logs of a deployment, read them into an index, and ask the index."""
    deployment, client, chain = session.chain.deployment, session.chain.client, session.ledger.chain
    addresses = [each.address for each in deployment.contracts]
    head = chain.head()
    logs = client.logs(addresses, event_topics(), deployment.first_block, head.number)
    grants = [log for log in logs if log["topics"][0] == "0x" + topic_of("ConsentRegistry", "AccessGranted").hex()]
    contract = _contract(session, "ConsentRegistry")
    # web3's own logs for web3's own decoder, fetched before: only the decoding is measured.
    wanted: FilterParams = {"address": contract.address, "fromBlock": BlockNumber(deployment.first_block)}
    raw = client.web3.eth.get_logs(wanted | {"topics": [grants[0]["topics"][0]]})

    def ours() -> None:
        for log in grants:
            place = EventPlace(
                block=head, log_index=int(log["logIndex"], 16), tx_hash=hex_bytes(log["transactionHash"])
            )
            decode_event(place, [hex_bytes(topic) for topic in log["topics"]], hex_bytes(log["data"]))

    def theirs() -> None:
        for log in raw:
            contract.events.AccessGranted().process_log(log)

    def into_an_index() -> None:
        (home / "index.bench").unlink(missing_ok=True)
        LedgerIndex(home / "index.bench", chain).sync()

    decoding = _in_turns(ours, theirs, len(grants), rounds)
    replay = statistics.median(_seconds(into_an_index) for _ in range(rounds))
    session.auditing.sync()
    patient = session.keyring.resolve("patient")
    standings = session.auditing.grants(patient=patient)
    asking = statistics.median(_seconds(lambda: session.auditing.grants(patient=patient)) for _ in range(rounds))

    def answer() -> None:
        for each in standings:
            assert liveness(each.grant, stamp=0, purpose=Purpose.TREAT, now=head.time) is Reason.PERMITTED

    answering = statistics.median(_seconds(answer) for _ in range(rounds))
    return {
        "decoding": decoding,
        "events": len(logs),
        "replay_per_second": round(len(logs) / replay),
        "index_standings_per_second": round(len(standings) / asking),
        "answers_from_a_replayed_state_per_second": round(len(standings) / answering),
    }


def _in_turns(ours: Callable[[], object], theirs: Callable[[], object], count: int, rounds: int) -> Json:
    """Return the medians of both rates, and of the ratios of the rounds."""
    mine, others = [], []
    for _ in range(rounds):
        mine.append(count / _seconds(ours))
        others.append(count / _seconds(theirs))
    return {
        "medshare_per_second": round(statistics.median(mine)),
        "web3_per_second": round(statistics.median(others)),
        "ratio": round(statistics.median(one / other for one, other in zip(mine, others, strict=True)), 2),
    }


def _seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few of each")
    parser.add_argument("--worker", nargs=2, metavar=("CHAIN", "COUNT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(work(arguments.worker[0], int(arguments.worker[1])))
    else:
        print(json.dumps(figures(Scale.QUICK if arguments.quick else Scale.NORMAL), indent=2))


if __name__ == "__main__":
    main()
