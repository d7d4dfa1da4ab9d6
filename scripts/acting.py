"""Who acts in a script: unlocked, and what batches hold for him is found first, as the commands do."""

from __future__ import annotations

import sys
from pathlib import Path

import medshare
from medshare.cli.asking import passphrase_of
from medshare.ports import Actor


def acting(session: medshare.Session, name: str, passphrase_file: Path | None) -> Actor:
    """Unlock an identity, and find what batches hold for him.

    Raises:
        MedshareError: he cannot be unlocked, or the chain cannot be read.
    """
    actor = session.keyring.open(name, lambda who: passphrase_of(who, passphrase_file))
    find(session, actor, name)
    return actor


def find(session: medshare.Session, actor: Actor, name: str) -> None:
    """Find what batches hold for somebody; a catalogue that cannot be read is warned of, and keeps nobody.

    Raises:
        LedgerError: the chain cannot be read.
    """
    found = session.finding.find(actor, again=False)
    missed = found.passed_over + sum(each.custodian is not None for each in found.unread)
    if missed:
        print(
            f"{missed} batches could not be looked through, records may be missing: medshare record find --as {name}",
            file=sys.stderr,
        )
