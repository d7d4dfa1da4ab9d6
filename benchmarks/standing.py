"""Homes on each chain and store that this machine has: the tests' own grounds, with nodes that end with the block."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "tests"), str(ROOT / "scripts")]

from grounds import standing_on  # noqa: E402 - of the tests, which know how nodes are started and surely ended
from nodes import find, running_kubo  # noqa: E402

from medshare import Session, connect  # noqa: E402
from medshare.chain import LocalSigner  # noqa: E402
from medshare.envelope import Identity  # noqa: E402
from medshare.files import private_folder  # noqa: E402
from medshare.keyring import ACCOUNT_FILE, PUBLIC_FILE, SECRET_FILE  # noqa: E402
from medshare.model.accreditation import AccreditationKind  # noqa: E402
from medshare.model.consent import MAX_TIME  # noqa: E402
from medshare.ports import Actor  # noqa: E402

PASSPHRASE = "a passphrase for a benchmark"  # noqa: S105
LITTLE_WORK = 1 << 12
GROUNDS = {"embedded": (), "anvil": ("anvil",), "clique+kubo": ("geth", "kubo")}
"""By name, the programs that a ground needs."""


def is_here(ground: str) -> bool:
    """Whether this machine has what a ground needs."""
    return has(*GROUNDS[ground])


def has(*programs: str) -> bool:
    """Whether this machine has all of these programs."""
    return all(find(program) is not None for program in programs)


@contextmanager
def home_on(
    ground: str, people: Sequence[str], *, custodian: str = "hospital", within: Path | None = None
) -> Iterator[Path]:
    """Yield a home with people in it: funded, with keys on chain that are quick to unlock, the custodian accredited."""
    chain, _, store = ground.partition("+")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=within)))
        kubo = stack.enter_context(running_kubo(private_folder(folder / "kubo"))) if store else None
        standing = stack.enter_context(standing_on(chain, kubo))
        home = folder / "home"
        standing.found_home(home)
        with connect(home) as session:
            for name in people:
                actor = _make_identity(home, name)
                session.chain.fund(actor.address)
                session.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)
            session.ledger.accreditation.accredit(
                session.chain.development_member(),
                session.keyring.resolve(custodian),
                AccreditationKind.CUSTODIAN,
                MAX_TIME,
            )
        yield home


def unlock(session: Session, name: str) -> Actor:
    """Return one of the people, with keys."""
    return session.keyring.open(name, lambda _: PASSPHRASE)


def _make_identity(home: Path, name: str) -> Actor:
    signer, identity = LocalSigner.generate(), Identity.generate()
    folder = private_folder(home / "identities" / name)
    signer.save_keystore(folder / ACCOUNT_FILE, PASSPHRASE, work=LITTLE_WORK)
    identity.save(folder / SECRET_FILE, PASSPHRASE)
    identity.recipient.save(folder / PUBLIC_FILE)
    return Actor(signer=signer, identity=identity)
