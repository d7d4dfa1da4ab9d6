"""The read receipts that a custodian keeps: each once, and at most in one batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medshare.files import private_folder
from medshare.model.ids import Address
from medshare.model.merkle import nodes_of
from medshare.model.read_receipt import leaf_of, receipt_from_json, receipt_of
from medshare.model.typed_data import SignedMessage
from medshare.services.database import opened

_HINT = "restore receipts.sqlite from a backup: what readers have signed is nowhere else"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS receipts (
    digest BLOB PRIMARY KEY, custodian TEXT NOT NULL, entitled TEXT NOT NULL, document BLOB NOT NULL, batch BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS receipts_entitled ON receipts (custodian, entitled);
CREATE INDEX IF NOT EXISTS receipts_batch ON receipts (custodian, batch);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReceipt:
    """A receipt, and the root of the batch it is in."""

    signed: SignedMessage
    batch: bytes | None
    """None as long as it is in none."""


class ReceiptJournal:
    """The receipts of one home on one deployment.

    Every method raises ``ConfigurationError`` where its file is damaged, and ``StoreFullError`` on a full disk.

    Args:
        folder: where the journal is; created where missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "receipts.sqlite"

    def keep(self, signed: SignedMessage) -> bool:
        """Keep a receipt; durable when this returns. Return whether it is new."""
        receipt = receipt_of(signed)
        row = (signed.digest, receipt.custodian, _text(receipt.right), signed.to_json())
        with self._open() as database, database:
            done = database.execute("INSERT OR IGNORE INTO receipts VALUES (?, ?, ?, ?, NULL)", row)
            return done.rowcount == 1

    def all(self, custodian: Address, *, right: int | None = None) -> list[KeptReceipt]:
        """Return the receipts of a custodian, or those for one grant or episode."""
        query = "SELECT document, batch FROM receipts WHERE custodian = ?"
        given: list[str] = [custodian]
        if right is not None:
            query += " AND entitled = ?"
            given.append(_text(right))
        with self._open() as database:
            rows = database.execute(query + " ORDER BY digest", given).fetchall()
        return [KeptReceipt(signed=receipt_from_json(document), batch=batch) for document, batch in rows]

    def custodians(self) -> list[Address]:
        """Return whose receipts are kept here."""
        with self._open() as database:
            rows = database.execute("SELECT DISTINCT custodian FROM receipts ORDER BY custodian").fetchall()
        return [Address(custodian) for (custodian,) in rows]

    def close_batch(self, custodian: Address) -> tuple[bytes, int] | None:
        """Put a custodian's receipts that are in no batch into a new one; return its root and how many they are.

        Durable when this returns; None where all are in one.
        """
        with self._open() as database, database:
            database.execute("BEGIN IMMEDIATE")
            query = "SELECT digest, document FROM receipts WHERE custodian = ? AND batch IS NULL"
            rows = database.execute(query, (custodian,)).fetchall()
            if not rows:
                return None
            root = nodes_of(leaf_of(receipt_from_json(document)) for _, document in rows)[0]
            changed = [(root, digest) for digest, _ in rows]
            database.executemany("UPDATE receipts SET batch = ? WHERE digest = ?", changed)
            return root, len(rows)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        private_folder(self._folder)
        with opened(self._path, "the journal of receipts", hint=_HINT) as database:
            database.executescript(_SCHEMA)
            yield database


def _text(right: int) -> str:
    return f"{right:064x}"
