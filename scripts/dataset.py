"""A folder of records that somebody may read, and dataset.json, which says under which grant, until when, and why not.

What ``fetch_records.py`` and ``fetch_dataset.py`` have in common. Each record is a file, written whole and verified or
not at all; files that are there and right are passed over, so that whoever was interrupted goes on where he was.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import medshare
from medshare.cli.console import moment
from medshare.cli.ending import ExitCode, exit_code
from medshare.errors import InvalidInputError, MedshareError
from medshare.files import write_whole, written_whole
from medshare.model.consent import Reason
from medshare.model.documents import Reader, decode_document
from medshare.model.grant import Grant
from medshare.model.ids import Address, RecordId
from medshare.model.purpose import Purpose
from medshare.model.record import Manifest, RecordEntry, RecordStatus, plaintext_digest
from medshare.services.auditing import GrantStanding
from medshare.services.retrieving import OpenRecord

VERSION = 1
"""Of dataset.json."""
MAX_DATASET_SIZE = 1 << 30
MAX_RECORDS = 1_000_000
GRANTED = "granted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """A record that may be read, verified up to its manifest."""

    opened: OpenRecord
    grant: Grant | None
    """By which it may be; None for who needs none."""
    also: dict[str, Any] = field(default_factory=dict)
    """What else dataset.json says of it."""


@dataclass(slots=True, kw_only=True)
class Dataset:
    """What is in the folder, as dataset.json says it: what was ever obtained, and whether it still may be used."""

    folder: Path
    about: dict[str, Any]
    """Whose it is: network, reader, purposes, and of a study its request."""
    records: dict[str, dict[str, Any]]
    """By record id."""
    more: dict[str, Any] = field(default_factory=dict)
    """What else dataset.json says; it is written anew each time."""
    grants: Counter[str] = field(default_factory=Counter)
    """How many grants to the reader are in which state for the purposes."""
    refused: list[dict[str, str]] = field(default_factory=list)
    """What did not come this time, and why."""
    checked_at: str | None = None
    """When it was written."""
    block: int = 0
    """As of which block of the chain."""
    newest: dict[Address, dict[RecordId, RecordId]] = field(default_factory=dict)
    """By custodian: the newest version of each record that was superseded."""

    @classmethod
    def load(cls, folder: Path, about: dict[str, Any]) -> Dataset:
        """Return the data set in a folder, which may be empty.

        Raises:
            InvalidInputError: its dataset.json is damaged, of another version, or another data set's.
        """
        for left in folder.glob(f".{'[0-9a-f]' * 64}.*.part"):
            left.unlink()  # half a record, from a time when the power was cut
        path = folder / "dataset.json"
        if not path.exists():
            return cls(folder=folder, about=about, records={})
        try:
            read = Reader(decode_document(path.read_bytes(), MAX_DATASET_SIZE), "dataset.json")
            read.version(VERSION)
            records = {}
            for each in read.objects("records", MAX_RECORDS):
                fields = each.rest()
                records[each.digest("record").hex()] = fields
                # What is looked up on the chain or compared is checked; the rest is only repeated.
                _ = each.address("patient"), each.address("custodian"), each.text("grant"), each.text("state")
                _ = each.optional_text("usable_until")
        except InvalidInputError as error:
            error.hint = f"move {path} away, and repeat: the files in the folder are checked and kept"
            raise
        if {key: read.rest().get(key) for key in about} != about:
            raise InvalidInputError(
                f"the folder holds a data set of another {_listed(list(about))}", hint="choose another folder"
            )
        return cls(folder=folder, about=about, records=records)

    def update(self, session: medshare.Session, standings: list[GrantStanding], purposes: Purpose) -> None:
        """Learn from the chain what may still be used of what was obtained before.

        Args:
            session: the chain.
            standings: the grants by which records of this data set may be used.
            purposes: the coarse purposes that it is for.
        """
        head = session.ledger.chain.head()
        now = max(head.time, session.clock.now())
        self.block = head.number
        states = {hex(each.grant.grant_id): state_of(each, purposes, now) for each in standings}
        self.grants = Counter(state for state, _ in states.values())
        stated = {
            (entry.custodian, entry.record_id.hex()): entry
            for patient in {record["patient"] for record in self.records.values()}
            for entry in session.auditing.records(patient)
        }
        for record_id, record in self.records.items():
            state, ended_at = states.get(record["grant"], (Reason.NO_GRANT.value, None))
            until = record.get("usable_until")
            if state == GRANTED and until is not None and until <= (moment(now) or ""):
                state, ended_at = Reason.ERASURE_DUE.value, None  # the grant lasts longer than what it obliges to
            entry = stated.get((record["custodian"], record_id))
            if entry is not None:
                record |= self._became(session, entry)
                if entry.status is RecordStatus.RETRACTED:
                    state, ended_at = Reason.RETRACTED.value, entry.ended_at
            if state != record["state"]:
                record["noticed_at"] = None if state == GRANTED else moment(session.clock.now())
            record["state"] = state
            record["ended_at"] = moment(ended_at)

    def take(
        self,
        session: medshare.Session,
        record_id: RecordId,
        opening: Callable[[], Permitted | None],
        *,
        tell: Callable[[str], object],
    ) -> ExitCode:
        """Fetch a record into the folder, unless it is there; return the exit code of what kept it from coming.

        One record that is withdrawn, damaged or made up keeps nobody from the others.

        Args:
            session: the chain.
            record_id: which record.
            opening: opens it; returns None where it does not belong to this data set.
            tell: told a line about what was done.

        Raises:
            MedshareError: store or chain cannot be reached: nothing else would come either.
        """
        try:
            permitted = opening()
            if permitted is None:
                return ExitCode.DONE
            sha256, fetched = obtain(permitted.opened, self.folder / record_id.hex())
        except MedshareError as error:
            code = exit_code(error)
            if code is ExitCode.UNAVAILABLE:
                raise
            self.refuse({"record": record_id.hex()}, error)
            return code
        self._add(session, permitted, sha256)
        tell(f"{record_id.hex()}  {permitted.opened.manifest.size:>12,} bytes  {fetched}")
        return ExitCode.DONE

    def _add(self, session: medshare.Session, permitted: Permitted, sha256: str) -> None:
        opened, grant = permitted.opened, permitted.grant
        entry, manifest = opened.entry, opened.manifest
        ends = [] if grant is None else [grant.expires_at]
        if opened.decision.erase_by is not None:
            ends.append(opened.decision.erase_by)
        self.records[entry.record_id.hex()] = {
            "record": entry.record_id.hex(),
            "file": entry.record_id.hex(),
            "present": True,
            "sha256": sha256,
            "bytes": manifest.size,
            "media_type": manifest.media_type,
            "category": manifest.category.value,
            "clinical_date": manifest.clinical_date,
            "patient": entry.patient,
            "custodian": entry.custodian,
            "version": entry.version,
            **self._became(session, entry),
            "grant": hex(grant.grant_id) if grant else "",
            "usable_until": moment(min(ends, default=None)),
            "state": GRANTED,
            "ended_at": None,
            "noticed_at": None,
            **permitted.also,
        }

    def _became(self, session: medshare.Session, entry: RecordEntry) -> dict[str, str | None]:
        if entry.custodian not in self.newest:
            self.newest[entry.custodian] = session.auditing.newest_versions(entry.custodian)
        newer = self.newest[entry.custodian].get(entry.record_id)
        return {"status": entry.status.name.lower(), "newest_version": newer.hex() if newer else None}

    def is_retracted(self, record_id: RecordId) -> bool:
        """Whether a record was obtained once and has been retracted since, so that nobody gets it again."""
        return self.records.get(record_id.hex(), {}).get("state") == Reason.RETRACTED

    def refuse(self, what: dict[str, str], error: MedshareError) -> None:
        """Note, and tell, that something did not come; ``what`` names it, the first of its values to a person."""
        self.refused.append({**what, "error": type(error).__name__, "message": str(error)})
        named = next(iter(what.values()))
        print(f"{named}: {error}" + (f"; {error.hint}" if error.hint else ""), file=sys.stderr)

    def save(self) -> None:
        """Write dataset.json, whole or not at all."""
        for record_id, record in self.records.items():
            record["present"] = (self.folder / record_id).is_file()
        self.checked_at = moment(int(time.time()))
        write_whole(self.folder / "dataset.json", json.dumps(self.document(), indent=2).encode(), replace=True)

    def document(self) -> dict[str, Any]:
        """Return what dataset.json says."""
        return {
            "version": VERSION,
            **self.about,
            **self.more,
            "checked_at": self.checked_at,
            "block": self.block,
            "grants": dict(self.grants),
            "records": list(self.records.values()),
            "refused": self.refused,
        }

    def summary(self, nothing: str) -> str:
        """Return what a person should know, in lines; ``nothing`` says why there is nothing to use, if that is so."""
        usable = [record for record in self.records.values() if record["state"] == GRANTED]
        ended = [record for record in self.records.values() if record["state"] != GRANTED and record["present"]]
        older = [record for record in usable if record.get("newest_version")]
        lines = [f"{len(usable)} records in {self.folder} may be used; dataset.json says until when"]
        if not usable:
            lines = [nothing]
        if older:
            lines.append(f"{len(older)} of them were superseded; the newest versions may need grants of their own:")
            lines += [f"  {record['record']} by {record['newest_version']}" for record in older]
        if ended:
            lines.append(f"{len(ended)} files may no longer be used, delete them:")
            lines += [f"  {self.folder / record['record']}: {_ended(record)}" for record in ended]
        return "\n".join(lines)


def obtain(opened: OpenRecord, target: Path) -> tuple[str, str]:
    """See to it that ``target`` is the record's plaintext; return its SHA-256 and, in words, what was done for it.

    Raises:
        InvalidInputError: something is in the place of the file that is no file, or cannot be read or replaced.
        MedshareError: as ``OpenRecord.stream``; what was there before stays as it was.
    """
    if target.exists() and not target.is_file():
        raise InvalidInputError("in the place of the record's file is something else", hint="move it away, and repeat")
    try:
        there = target.exists()
        if there and (found := sha256_of(target, opened.manifest)) is not None:
            return found.hex(), "there already"
        state = hashlib.sha256()
        with written_whole(target, replace=True) as file:
            for chunk in opened.stream():
                state.update(chunk)
                file.write(chunk)
    except OSError as error:
        raise InvalidInputError(
            f"the record's file cannot be read or written: {error.strerror}", hint="check the folder, and repeat"
        ) from error
    return state.hexdigest(), "fetched again: what was there was not it" if there else "fetched"


def sha256_of(path: Path, manifest: Manifest) -> bytes | None:
    """Return the SHA-256 of a file if it is what the manifest describes, else None."""
    if path.stat().st_size != manifest.size:
        return None
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").digest()
    return found if plaintext_digest(manifest.salt, found) == manifest.digest else None


def state_of(standing: GrantStanding, purposes: Purpose, now: int) -> tuple[str, int | None]:
    """Return what a grant is worth for some purposes, and since when it has ended, if it has."""
    grant = standing.grant
    match standing.reason:
        case Reason.REVOKED:
            return Reason.REVOKED.value, standing.revoked_at
        case Reason.NOT_YET:
            return Reason.NOT_YET.value, None
        case _ if now >= grant.expires_at:
            return Reason.EXPIRED.value, grant.expires_at
        case _ if not grant.purposes & purposes:
            return Reason.PURPOSE_NOT_GRANTED.value, None
        case _:
            return GRANTED, None


def _ended(record: dict[str, Any]) -> str:
    return f"{record['state']} {record['ended_at']}" if record["ended_at"] else str(record["state"])


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
