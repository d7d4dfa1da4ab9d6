"""From what a hospital's systems write to published records: recognised, checked, described, and published one by one.

    with connect() as session:
        for arrived in session.ingesting.ingest(
            Path("export.ndjson"), custodian=hospital, patients=Assigned(by_reference={"Patient/1": mary})
        ):
            print(arrived.place, arrived.published or arrived.refusal)

What a record says of itself goes into its encrypted manifest. A custodian may say otherwise, for a reason that goes
there too. Each record is the bytes that came; of what holds several, the slice of each. Whatever happens on the way,
ingesting the same again publishes only what is missing.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from medshare.errors import (
    InvalidInputError,
    MedshareError,
)
from medshare.files import open_plaintext, unreadable_is_typed
from medshare.model.ids import Address, RecordId
from medshare.model.labels import is_label
from medshare.model.record import MAX_PATIENT_REFERENCE, Category, days_of
from medshare.ports import Actor
from medshare.services.description import Description
from medshare.services.progress import Progress, silent
from medshare.services.publishing import Publishing
from medshare.services.registering import ENDS_ALL, Published
from medshare.standards import ndjson
from medshare.standards.ingest import Examined, Part, parts, recognise

_MAX_MAPPING = 256 << 20
_COLUMNS = ["reference", "patient"]
_SEVERAL_HINT = "name who is who, in a file of references and patients: --patients FILE"
_NO_PATIENT = "no patient is named to whom this belongs"


class Patients(Protocol):
    """Says whose a record is."""

    def of(self, references: Sequence[str]) -> Address:
        """Return the patient of a record.

        Args:
            references: whom the record says it is about.

        Raises:
            InvalidInputError: it cannot be said.
        """
        ...

    def check_together(self, references: Sequence[str]) -> None:
        """Refuse records that came together, before any of them is published.

        Args:
            references: whom they say they are about, all of them.

        Raises:
            InvalidInputError: they are about others than can be.
        """
        ...


class OnePatient:
    """All of it belongs to one patient, by whatever name; what is about a second one is refused.

    One for all that comes at once: what it has seen it compares with what comes after.

    Args:
        address: the patient.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._seen: str | None = None

    def of(self, references: Sequence[str]) -> Address:
        """Return the patient; raises ``InvalidInputError`` for another than the first who was named."""
        for reference in references:
            if self._seen is None:
                self._seen = reference
            if reference != self._seen:
                raise InvalidInputError("it is about another patient than what came before it", hint=_SEVERAL_HINT)
        return self._address

    def check_together(self, references: Sequence[str]) -> None:
        """Refuse records of several patients."""
        if len(set(references)) > 1:
            raise InvalidInputError("it holds records of several patients", hint=_SEVERAL_HINT)
        self.of(references)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """Each record belongs to whom it says it is about."""

    by_reference: Mapping[str, Address]
    """The patients, as records refer to them."""
    otherwise: Address | None = None
    """Whose those are that name nobody."""

    def of(self, references: Sequence[str]) -> Address:
        """Return the patient; raises ``InvalidInputError`` for one who is not assigned, or several."""
        found = {self.by_reference.get(reference) for reference in references}
        if not found:
            found = {self.otherwise}
        if len(found) > 1:
            raise InvalidInputError("it is one record, and speaks of several patients")
        (patient,) = found
        if patient is None:
            raise InvalidInputError(_NO_PATIENT, hint="add whom it refers to, to the file of --patients")
        return patient

    def check_together(self, references: Sequence[str]) -> None:
        """Let anything pass: each record is looked at by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the custodian says of what arrives, beside what it says itself."""

    media_type: str | None = None
    category: Category | None = None
    clinical_date: str | None = None
    labels: tuple[str, ...] = ()
    """Labels to add."""
    dropped_labels: tuple[str, ...] = ()
    """Labels to leave out; needs a reason."""
    anyway: bool = False
    """Publish what does not conform to its standard, too; needs a reason."""
    because: str | None = None
    """The reason for saying otherwise than the record does; it is kept in the encrypted manifest."""

    def __post_init__(self) -> None:
        if self.clinical_date is not None:
            days_of(self.clinical_date)
        if not all(is_label(label) for label in (*self.labels, *self.dropped_labels)):
            raise InvalidInputError("a label is a code of HL7's: letters, digits, - and _")

    def describe(self, examined: Examined) -> Description:
        """Return what the manifest is to say.

        Raises:
            NonConformantError: the record does not conform to its standard, and nobody says it is to be published.
            InvalidInputError: it is said otherwise than the record does, without a reason.
        """
        if not self.anyway:
            examined.must_conform()
        dropped = {label.upper() for label in self.dropped_labels}
        kept = (label for label in (*examined.labels, *self.labels) if label.upper() not in dropped)
        labels = tuple(dict.fromkeys(kept))
        otherwise = {
            "conformance": bool(examined.errors),
            "category": self.category not in (None, examined.category) and examined.category is not Category.OTHER,
            "clinical_date": self.clinical_date not in (None, examined.clinical_date)
            and examined.clinical_date is not None,
            "labels": any(label.upper() in dropped for label in examined.labels),
        }
        overridden = [name for name, is_so in otherwise.items() if is_so]
        if overridden and not self.because:
            raise InvalidInputError(
                f"it says otherwise of its {', '.join(name.replace('_', ' ') for name in overridden)}",
                hint="to override what a record says, give a reason with --because",
            )
        reference = examined.patients[0] if len(examined.patients) == 1 else None
        return Description(
            media_type=examined.media_type,
            category=self.category or examined.category,
            resource_type=examined.resource_type,
            labels=labels,
            clinical_date=self.clinical_date or examined.clinical_date,
            patient_reference=reference if len(reference or "") <= MAX_PATIENT_REFERENCE else None,
            overrides=dict.fromkeys(overridden, self.because or ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What became of one record of what arrived."""

    place: str
    """Where it is in what arrived: ``line 7``, ``entry 3``, ``message 2``; empty for all of it."""
    examined: Examined | None
    description: Description | None = None
    published: Published | None = None
    refusal: MedshareError | None = field(default=None, compare=False)
    """Why it was not published; the rest was gone on with."""


class Ingesting:
    """Publishes what arrives, as a custodian.

    Args:
        publishing: what publishes each record.
    """

    def __init__(self, *, publishing: Publishing) -> None:
        self._publishing = publishing

    def ingest(
        self,
        source: Path | bytes,
        *,
        custodian: Actor,
        patients: Patients,
        name: str | None = None,
        said: Said | None = None,
        supersedes: RecordId | None = None,
        progress: Progress = silent,
    ) -> Iterator[Arrived]:
        """Publish the records of a file one by one, and yield what became of each as soon as it is known.

        A record that cannot be published is told, and keeps no other from being published.

        Args:
            source: a file, or its bytes.
            custodian: who publishes.
            patients: whose the records are.
            name: what the file is called, where ``source`` does not say it; its ending may say what it is.
            said: what the custodian says beside what records say themselves.
            supersedes: the custodian's active record in whose place this one comes.
            progress: told how far it is.

        Raises:
            InvalidInputError: the file cannot be read or taken apart, or holds records of others than it may.
            MedshareError: one of ``ENDS_ALL``: the chain or the store failed, and would for each further record.
        """
        wanted = said or Said()
        size = source.stat().st_size if isinstance(source, Path) and source.is_file() else None
        for part in arriving(source, patients=patients, name=name, said=wanted):
            if supersedes is not None and part.place:
                raise InvalidInputError("it holds several records: only one can take another's place")
            examined = part.examined
            description = None
            try:
                if part.refusal is not None:
                    raise part.refusal
                if examined is None:
                    raise InvalidInputError("it cannot be read")
                description = wanted.describe(examined)
                published = self._publishing.publish(
                    part.document,
                    custodian=custodian,
                    patient=patients.of(examined.patients),
                    description=description,
                    supersedes=supersedes,
                    progress=silent if part.place else progress,
                )
            except ENDS_ALL:
                raise
            except MedshareError as error:
                yield Arrived(place=part.place, examined=examined, description=description, refusal=error)
            else:
                yield Arrived(place=part.place, examined=examined, description=description, published=published)
            if part.end is not None:
                progress("publishing", part.end, size)


def arriving(
    source: Path | bytes, *, patients: Patients | None = None, name: str | None = None, said: Said | None = None
) -> Iterator[Part]:
    """Yield the records of a file one by one, examined and not published.

    Args:
        source: a file, or its bytes.
        patients: whose they are to be, where that is to be checked for those that came together.
        name: what the file is called, where ``source`` does not say it.
        said: what the custodian says: here only the media type counts.

    Raises:
        InvalidInputError: the file cannot be read or taken apart, or holds records of others than it may.
    """
    stated = said.media_type if said is not None else None
    called = name if name is not None else source.name if isinstance(source, Path) else ""
    media_type = stated or recognise(source, called)
    if media_type == ndjson.MEDIA_TYPE:
        # As many as there are: they are never together in memory.
        yield from parts(source, media_type)
        return
    together = list(parts(source, media_type))
    if patients is not None:
        patients.check_together([each for part in together if part.examined for each in part.examined.patients])
    yield from together


def read_mapping(path: Path, resolve: Callable[[str], Address]) -> dict[str, Address]:
    """Return which patient each reference means, from a CSV file.

    Args:
        path: UTF-8, with the columns ``reference`` and ``patient`` in its first line.
        resolve: returns the address of a name.

    Raises:
        InvalidInputError: it is no such file, or one reference means two patients.
        UnknownIdentityError: nobody is called so.
    """
    with open_plaintext(path) as stream, unreadable_is_typed():
        text = stream.read(_MAX_MAPPING + 1)
    if len(text) > _MAX_MAPPING:
        raise InvalidInputError(f"the file of patients is larger than {_MAX_MAPPING} bytes")
    found: dict[str, Address] = {}
    accounts: dict[str, Address] = {}
    try:
        rows = csv.reader(text.decode("utf-8-sig").splitlines(), strict=True)
        if next(rows, None) != _COLUMNS:
            raise InvalidInputError("the file of patients does not begin with the line: reference,patient")
        for number, row in enumerate(rows, 2):
            if not row:
                continue
            row = [value.strip() for value in row]
            if len(row) != len(_COLUMNS) or not all(row):
                raise InvalidInputError(f"line {number} of the file of patients has not two fields that say something")
            reference, who = row
            account = accounts.get(who) or accounts.setdefault(who, resolve(who))
            if found.setdefault(reference, account) != account:
                raise InvalidInputError(f"line {number} of the file of patients gives a reference to a second patient")
    except (UnicodeDecodeError, csv.Error):
        # Their messages quote the file.
        raise InvalidInputError("the file of patients is no CSV in UTF-8") from None
    return found
