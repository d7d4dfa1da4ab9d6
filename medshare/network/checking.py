"""Whether an institution's files and running nodes are what the member file says.

Its own nodes are asked, on its own machine. Those that do not run are told, and are no fault of the files.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medshare.errors import MedshareError
from medshare.network.asking import GethNode, StoragePeer
from medshare.network.generating import find_drift
from medshare.network.genesis import genesis_hash
from medshare.network.geth import SOCKET
from medshare.network.keys import StorageSecrets, secrets_folder
from medshare.network.kubo import kubo_config
from medshare.network.members import Consensus, Institution, MemberFile, StorageNode, ValidatorNode
from medshare.network.standstill import patience
from medshare.services.examining import Finding, Health

_AGAIN = "write it anew: medshare network init; then start the node again"


def check_network(members: MemberFile, folder: Path, institutions: list[Institution]) -> list[Finding]:
    """Return what is right and wrong with the files and nodes of some institutions.

    Raises:
        ConfigurationError: a secret is another one than the member file means.
        KeyFileError: one cannot be read.
    """
    drift = find_drift(members, folder, institutions)
    found = [
        Finding(check=f"file {each.path}", health=Health.BAD, says=each.trouble.value, mend=_AGAIN) for each in drift
    ]
    if not drift:
        found.append(Finding(check="files", health=Health.GOOD, says="as the member file says", mend=""))
    for each in institutions:
        if members.consensus is Consensus.CLIQUE:
            for node in each.validators:
                found += _validator(members, node, folder / each.name / node.name / "data" / SOCKET)
        for peer in each.storage:
            mine = StorageSecrets(folder=secrets_folder(folder, each.name, peer.name))
            if mine.exist:
                found += _storage(members, peer, mine.read_token())
    return found


def _validator(members: MemberFile, node: ValidatorNode, socket: Path) -> Iterator[Finding]:
    asked = GethNode(socket)
    try:
        first, signers, peers, head = asked.genesis_hash(), asked.signers(), asked.peers(), asked.head()
    except MedshareError:
        yield _stands_still(node.name)
        return
    expected = genesis_hash(members)
    yield _compared(
        f"chain of {node.name}",
        good=first == expected,
        says=f"its first block is 0x{first.hex()}" + ("" if first == expected else f", not 0x{expected.hex()}"),
        mend="it is on another network: remove its data folder, and start it again",
    )
    wanted = frozenset(each.signer for each in members.validators)
    yield _compared(
        f"signers of {node.name}",
        good=signers == wanted,
        says=f"{len(signers)} may seal" + _difference(signers, wanted, members),
        mend="compare with the seats in Consortium, and vote: medshare network reconcile",
    )
    partners = {other.node_key: other.name for other in members.validators if other != node}
    yield _connected(node.name, partners, peers)
    age = max(round(time.time()) - head.time, 0)
    late = age > patience(members)
    yield Finding(
        check=f"blocks of {node.name}",
        health=Health.WARNING if late else Health.GOOD,
        says=f"number {head.number}" + (f" is the newest, {age} s old" if late else " has just come"),
        mend="if more than half of the validators run: medshare network give-way" if late else "",
    )


def _storage(members: MemberFile, peer: StorageNode, token: str) -> Iterator[Finding]:
    asked = StoragePeer(peer.api_address, token)
    try:
        running, peers = asked.config(), asked.peers()
    except MedshareError:
        yield _stands_still(peer.name)
        return
    finally:
        asked.close()
    wrong = sorted(_differing(kubo_config(members, peer), running))
    yield _compared(
        f"profile of {peer.name}",
        good=not wrong,
        says=f"not as the member file says: {', '.join(wrong)}" if wrong else "as the member file says",
        mend=_AGAIN,
    )
    partners = {other.peer_id: other.name for other in members.storage if other != peer}
    yield _connected(peer.name, partners, peers)


def _connected(name: str, partners: dict[str, str], peers: frozenset[str]) -> Finding:
    missing = sorted(partners[each] for each in partners.keys() - peers)
    foreign = len(peers - partners.keys())
    says = f"{len(partners) - len(missing)} of {len(partners)}"
    says += f", not {', '.join(missing)}" if missing else ""
    says += f", and {foreign} that no member knows" if foreign else ""
    if foreign:
        return Finding(
            check=f"partners of {name}",
            health=Health.BAD,
            says=says,
            mend="find out who they are; a swarm key that others have is to be replaced",
        )
    mend = "see that they run, and that their ports can be reached" if missing else ""
    return Finding(check=f"partners of {name}", health=Health.WARNING if missing else Health.GOOD, says=says, mend=mend)


def _compared(check: str, *, good: bool, says: str, mend: str) -> Finding:
    return Finding(check=check, health=Health.GOOD if good else Health.BAD, says=says, mend="" if good else mend)


def _stands_still(name: str) -> Finding:
    return Finding(check=name, health=Health.WARNING, says="does not answer", mend=f"start it: {name}/start.sh")


def _difference(signers: frozenset[Any], wanted: frozenset[Any], members: MemberFile) -> str:
    def names(accounts: frozenset[Any]) -> str:
        owners = [(account, members.owner(account)) for account in sorted(accounts)]
        return ", ".join(f"{account} ({owner.name if owner else 'no member'})" for account, owner in owners)

    said = f"; too many: {names(signers - wanted)}" if signers - wanted else ""
    return said + (f"; missing: {names(wanted - signers)}" if wanted - signers else "")


def _differing(wanted: dict[str, Any], running: dict[str, Any], where: str = "") -> Iterator[str]:
    """Yield where a running node's configuration says something else; what it says besides is its defaults."""
    for key, value in wanted.items():
        found = running.get(key)
        if isinstance(value, dict) and isinstance(found, dict):
            yield from _differing(value, found, f"{where}{key}.")
        elif found != value and (found or value):
            yield f"{where}{key}"
