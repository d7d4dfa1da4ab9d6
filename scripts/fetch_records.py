"""Fetch every record that patients have granted you for a purpose, verified (for researchers).

Each record becomes a file; dataset.json beside them says what was obtained, under which grant, until when, and what may
no longer be used. Give the same command again to go on after an interruption, and from time to time to learn what was
revoked, has expired or was superseded: files that are there and right are passed over, others are fetched again.

    python scripts/fetch_records.py --as me --purpose HRESCH --to dataset/

Exit codes, as everywhere in medshare (docs/errors.md): 0 done, although nothing may have been granted; 1 error; 2 wrong
usage; 3 a record, or your passphrase, was refused; 4 something is not there; 5 something is not what it should be: do
not use it; 6 try again; 130 stopped. Where records fail in several ways it is the highest; the others have come.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import medshare
from medshare.cli.asking import passphrase_of
from medshare.cli.console import moment
from medshare.cli.ending import ExitCode, exit_code, run
from medshare.errors import InvalidInputError, MedshareError
from medshare.files import private_folder, write_whole, written_whole
from medshare.model.consent import Reason
from medshare.model.documents import Reader, decode_document
from medshare.model.ids import Address, RecordId
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Manifest, RecordEntry, RecordStatus, plaintext_digest
from medshare.services.auditing import GrantStanding
from medshare.services.retrieving import OpenRecord

VERSION = 1
"""Of dataset.json."""
MAX_DATASET_SIZE = 1 << 30
MAX_RECORDS = 1_000_000
GRANTED = "granted"


def main(arguments: list[str] | None = None) -> int:
    """Fetch the records; return the exit code."""
    options = _options().parse_args(arguments)
    return run(lambda: fetch_all(options), as_json=options.json)


def fetch_all(options: argparse.Namespace) -> int:
    """Bring the folder up to what is granted now, and say in dataset.json what is in it; return the exit code."""
    purpose = PurposeOfUse.parse(options.purpose)
    codes = [ExitCode.DONE]
    with medshare.connect(options.home, network=options.network) as session:
        reader = session.keyring.open(options.reader, lambda name: passphrase_of(name, options.passphrase_file))
        about = {"network": session.settings.network, "reader": reader.address, "purposes": [purpose]}
        dataset = Dataset.load(private_folder(options.to), about)
        dataset.update(session, session.auditing.grants(grantee=reader.address), purpose)
        readable = session.retrieving.readable(reader=reader, purpose=purpose)
        try:
            for record in readable.records:
                if dataset.is_retracted(record.record_id):
                    continue
                # One record that is withdrawn, damaged or made up keeps nobody from the others.
                try:
                    opened = session.retrieving.open(record, reader=reader, purpose=purpose)
                    sha256, fetched = obtain(opened, dataset.folder / record.record_id.hex())
                except MedshareError as error:
                    if exit_code(error) is ExitCode.UNAVAILABLE:
                        raise
                    codes.append(exit_code(error))
                    dataset.refuse(record.record_id, error)
                    continue
                dataset.add(session, opened, sha256)
                if not options.json:
                    print(f"{record.record_id.hex()}  {opened.manifest.size:>12,} bytes  {fetched}")
        finally:
            dataset.save()
    if options.json:
        print(json.dumps(dataset.document(), indent=2))
    else:
        print(dataset.summary())
    if readable.unreadable:
        print(f"{len(readable.unreadable)} grants passed over: their bundles cannot be read", file=sys.stderr)
    return max(codes)


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


@dataclass(slots=True, kw_only=True)
class Dataset:
    """What is in the folder, as dataset.json says it: what was ever obtained, and whether it still may be used."""

    folder: Path
    about: dict[str, Any]
    """Whose it is: network, reader, purposes."""
    records: dict[str, dict[str, Any]]
    """By record id."""
    grants: Counter[str] = field(default_factory=Counter)
    """How many grants to the reader are in which state for the purpose."""
    refused: list[dict[str, str]] = field(default_factory=list)
    """What did not come this time, and why."""
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
                # What is looked up on the chain is checked; the rest is only repeated.
                _ = each.address("patient"), each.address("custodian"), each.text("grant"), each.text("state")
        except InvalidInputError as error:
            error.hint = f"move {path} away, and repeat: the files in the folder are checked and kept"
            raise
        if {key: read.rest().get(key) for key in about} != about:
            raise InvalidInputError(
                "the folder holds a data set of another network, reader or purpose", hint="choose another folder"
            )
        return cls(folder=folder, about=about, records=records)

    def update(self, session: medshare.Session, standings: list[GrantStanding], purpose: PurposeOfUse) -> None:
        """Learn from the chain what may still be used of what was obtained before."""
        head = session.ledger.chain.head()
        now = max(head.time, session.clock.now())
        self.block = head.number
        states = {hex(each.grant.grant_id): state_of(each, purpose, now) for each in standings}
        self.grants = Counter(state for state, _ in states.values())
        stated = {
            (entry.custodian, entry.record_id.hex()): entry
            for patient in {record["patient"] for record in self.records.values()}
            for entry in session.auditing.records(patient)
        }
        for record_id, record in self.records.items():
            state, ended_at = states.get(record["grant"], (Reason.NO_GRANT.value, None))
            entry = stated.get((record["custodian"], record_id))
            if entry is not None:
                record |= self._became(session, entry)
                if entry.status is RecordStatus.RETRACTED:
                    state, ended_at = Reason.RETRACTED.value, entry.ended_at
            if state != record["state"]:
                record["noticed_at"] = None if state == GRANTED else moment(session.clock.now())
            record["state"] = state
            record["ended_at"] = moment(ended_at)

    def add(self, session: medshare.Session, opened: OpenRecord, sha256: str) -> None:
        """Note a record that was obtained."""
        entry, manifest, grant = opened.entry, opened.manifest, opened.decision.grant
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
            "usable_until": moment(grant.expires_at) if grant else None,
            "state": GRANTED,
            "ended_at": None,
            "noticed_at": None,
        }

    def _became(self, session: medshare.Session, entry: RecordEntry) -> dict[str, str | None]:
        if entry.custodian not in self.newest:
            self.newest[entry.custodian] = session.auditing.newest_versions(entry.custodian)
        newer = self.newest[entry.custodian].get(entry.record_id)
        return {"status": entry.status.name.lower(), "newest_version": newer.hex() if newer else None}

    def is_retracted(self, record_id: RecordId) -> bool:
        """Whether a record was obtained once and has been retracted since, so that nobody gets it again."""
        return self.records.get(record_id.hex(), {}).get("state") == Reason.RETRACTED

    def refuse(self, record_id: RecordId, error: MedshareError) -> None:
        """Note, and tell, that a record did not come."""
        self.refused.append({"record": record_id.hex(), "error": type(error).__name__, "message": str(error)})
        print(f"{record_id.hex()}: {error}" + (f"; {error.hint}" if error.hint else ""), file=sys.stderr)

    def save(self) -> None:
        """Write dataset.json, whole or not at all."""
        for record_id, record in self.records.items():
            record["present"] = (self.folder / record_id).is_file()
        write_whole(self.folder / "dataset.json", json.dumps(self.document(), indent=2).encode(), replace=True)

    def document(self) -> dict[str, Any]:
        """Return what dataset.json says."""
        return {
            "version": VERSION,
            **self.about,
            "checked_at": moment(int(time.time())),
            "block": self.block,
            "grants": dict(self.grants),
            "records": list(self.records.values()),
            "refused": self.refused,
        }

    def summary(self) -> str:
        """Return what a person should know, in lines."""
        usable = [record for record in self.records.values() if record["state"] == GRANTED]
        ended = [record for record in self.records.values() if record["state"] != GRANTED and record["present"]]
        older = [record for record in usable if record.get("newest_version")]
        lines = [f"{len(usable)} records in {self.folder} may be used; dataset.json says until when"]
        if not usable:
            lines = [f"nothing is granted for {', '.join(self.about['purposes'])}: {self._why()}"]
        if older:
            lines.append(f"{len(older)} of them were superseded; the newest versions may need grants of their own:")
            lines += [f"  {record['record']} by {record['newest_version']}" for record in older]
        if ended:
            lines.append(f"{len(ended)} files may no longer be used, delete them:")
            lines += [f"  {self.folder / record['record']}: {_ended(record)}" for record in ended]
        return "\n".join(lines)

    def _why(self) -> str:
        if not self.grants:
            return f"nobody has granted anything to {self.about['reader']}; give patients this address"
        if self.grants[GRANTED]:
            return f"{self.grants[GRANTED]} live grants to {self.about['reader']}, and no record of them could be had"
        states = ", ".join(f"{number} {state}" for state, number in sorted(self.grants.items()))
        return f"of the grants to {self.about['reader']}: {states}"


def state_of(standing: GrantStanding, purpose: PurposeOfUse, now: int) -> tuple[str, int | None]:
    """Return what a grant is worth for a purpose, and since when it has ended, if it has."""
    grant = standing.grant
    match standing.reason:
        case Reason.REVOKED:
            return Reason.REVOKED.value, standing.revoked_at
        case Reason.NOT_YET:
            return Reason.NOT_YET.value, None
        case _ if now >= grant.expires_at:
            return Reason.EXPIRED.value, grant.expires_at
        case _ if purpose.coarse not in grant.purposes:
            return Reason.PURPOSE_NOT_GRANTED.value, None
        case _:
            return GRANTED, None


def _ended(record: dict[str, Any]) -> str:
    return f"{record['state']} {record['ended_at']}" if record["ended_at"] else str(record["state"])


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as", dest="reader", required=True, metavar="NAME", help="your identity")
    parser.add_argument("--purpose", default="HRESCH", help="HL7 PurposeOfUse (default: HRESCH, research)")
    parser.add_argument("--to", type=Path, required=True, help="folder for the records, one for each purpose")
    parser.add_argument("--home", type=Path, help="medshare's folder (default: MEDSHARE_HOME)")
    parser.add_argument("--network", help="network, in place of the one in the settings")
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        default=os.environ.get("MEDSHARE_PASSPHRASE_FILE") or None,
        help="file with the identity's passphrase (default: MEDSHARE_PASSPHRASE_FILE, else it is asked for)",
    )
    parser.add_argument("--json", action="store_true", help="print what dataset.json says")
    return parser


if __name__ == "__main__":
    sys.exit(main())
