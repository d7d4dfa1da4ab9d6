"""A provision: one sentence of a consent, permitting or denying, in the words of FHIR Consent."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Self

from medshare.errors import InvalidInputError
from medshare.model.documents import Reader
from medshare.model.grant import MAX_TIME
from medshare.model.ids import Address, RecordId
from medshare.model.labels import MAX_LABELS, is_label
from medshare.model.purpose import PurposeOfUse
from medshare.model.record import Category, RecordRef

MAX_RECORDS = 1000
"""Records in one grant: the directory of their headers stays one block that no IPFS node splits."""
MAX_CUSTODIANS = 100


class Effect(StrEnum):
    """What a provision does."""

    PERMIT = "permit"
    DENY = "deny"


class Duty(StrEnum):
    """What a reader must do, or refrain from: HL7 v3-ActCode's obligation and refrain policies, and ``erase-by``."""

    ERASE_BY = "erase-by"
    """Ours: nothing obtained may be kept from a date on."""

    ANONY = "ANONY"
    AOD = "AOD"
    AUDIT = "AUDIT"
    AUDTR = "AUDTR"
    CPLYCC = "CPLYCC"
    CPLYCD = "CPLYCD"
    CPLYPOL = "CPLYPOL"
    DEID = "DEID"
    DELAU = "DELAU"
    ENCRYPT = "ENCRYPT"
    ENCRYPTR = "ENCRYPTR"
    ENCRYPTT = "ENCRYPTT"
    ENCRYPTU = "ENCRYPTU"
    HUAPRV = "HUAPRV"
    LABEL = "LABEL"
    MASK = "MASK"
    MINEC = "MINEC"
    PERSISTLABEL = "PERSISTLABEL"
    PRIVMARK = "PRIVMARK"
    PSEUD = "PSEUD"
    REDACT = "REDACT"

    NOAUTH = "NOAUTH"
    NOCOLLECT = "NOCOLLECT"
    NODSCLCD = "NODSCLCD"
    NODSCLCDS = "NODSCLCDS"
    NOINTEGRATE = "NOINTEGRATE"
    NOLIST = "NOLIST"
    NOMOU = "NOMOU"
    NOORGPOL = "NOORGPOL"
    NOPAT = "NOPAT"
    NOPERSISTP = "NOPERSISTP"
    NORDSCLCD = "NORDSCLCD"
    NORDSCLCDS = "NORDSCLCDS"
    NORDSCLW = "NORDSCLW"
    NORELINK = "NORELINK"
    NOREUSE = "NOREUSE"
    NOVIP = "NOVIP"
    ORCON = "ORCON"


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """A duty that comes with a permission."""

    duty: Duty
    by: int | None = None
    """First second in which nothing may be kept any more, Unix time; for ``erase-by`` and nothing else."""

    def __post_init__(self) -> None:
        if (self.duty is Duty.ERASE_BY) != (self.by is not None):
            raise InvalidInputError("erase-by has a time, and no other obligation has")
        if self.by is not None and not 0 < self.by <= MAX_TIME:
            raise InvalidInputError("erase-by lies outside of what the chain can count: 1970 to 2106-02-07")

    def in_words(self) -> str:
        """Return it as words for a person."""
        if self.by is None:
            return self.duty
        return f"erase by {datetime.fromtimestamp(self.by, UTC).strftime('%Y-%m-%d %H:%M:%S UTC')}"

    @classmethod
    def read(cls, read: Reader) -> Self:
        """Return the obligation that ``read`` holds; raises ``InvalidInputError``."""
        obligation = cls(duty=read.choice("duty", Duty), by=read.optional_integer("by", 1, MAX_TIME))
        read.end()
        return obligation

    def fields(self) -> dict[str, Any]:
        """Return the fields of a document that ``read`` reads."""
        return _present({"duty": self.duty, "by": self.by})


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """One sentence of a consent: permit or deny, for which purposes, of what, with which labels, from which time.

    It is about exactly one of: named records (and their later versions), categories, or everything.
    """

    effect: Effect
    purposes: tuple[PurposeOfUse, ...]
    records: tuple[RecordRef, ...] = ()
    categories: tuple[Category, ...] = ()
    everything: bool = False
    custodians: tuple[Address, ...] = ()
    """Records of these custodians only; none: of any. Not with named records, which have one."""
    labels: tuple[str, ...] = ()
    """A permission names the sensitive labels that it covers; a denial, the labels that it is about."""
    since: date | None = None
    """First clinical day that it is about."""
    until: date | None = None
    """First clinical day that it is no longer about."""
    obligations: tuple[Obligation, ...] = ()

    def __post_init__(self) -> None:
        self._check_purposes()
        if sum((bool(self.records), bool(self.categories), self.everything)) != 1:
            raise InvalidInputError("a provision is about records, about categories, or about everything: one of them")
        if len(self.records) > MAX_RECORDS:
            raise InvalidInputError(
                f"a provision names at most {MAX_RECORDS} records",
                hint=f"make several grants, each of up to {MAX_RECORDS}",
            )
        if self.records and self.custodians:
            raise InvalidInputError("a provision about records names their custodians already")
        if len(self.custodians) > MAX_CUSTODIANS:
            raise InvalidInputError(f"a provision names at most {MAX_CUSTODIANS} custodians")
        if len(self.labels) > MAX_LABELS or not all(is_label(label) for label in self.labels):
            raise InvalidInputError(f"a provision has at most {MAX_LABELS} labels, each a code of HL7's")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise InvalidInputError("a provision's clinical dates end before they begin")
        if self.obligations and self.effect is Effect.DENY:
            raise InvalidInputError("a denial brings no obligations")
        duties = [obligation.duty for obligation in self.obligations]
        for said in (self.purposes, self.records, self.categories, self.custodians, self.labels, duties):
            _without_repetition(said)

    def _check_purposes(self) -> None:
        if not self.purposes:
            raise InvalidInputError("a provision names at least one purpose")
        if PurposeOfUse.BTG in self.purposes:
            raise InvalidInputError(
                "no consent permits or denies break-glass (BTG)",
                hint="an emergency episode alone opens it; the patient can bar episodes on chain",
            )

    @property
    def is_windowed(self) -> bool:
        """Whether it is about some clinical dates only."""
        return self.since is not None or self.until is not None

    @property
    def erase_by(self) -> int | None:
        """First second in which nothing obtained under it may be kept any more."""
        return next((each.by for each in self.obligations if each.duty is Duty.ERASE_BY), None)

    def concerns(self, custodian: Address) -> bool:
        """Whether it can be about records of this custodian."""
        if self.records:
            return any(record.custodian == custodian for record in self.records)
        return not self.custodians or custodian in self.custodians

    @property
    def named(self) -> tuple[Address, ...]:
        """The custodians it names; none: it is about whatever any custodian states."""
        return self.custodians or tuple(dict.fromkeys(record.custodian for record in self.records))

    def narrowed_to(self, custodian: Address) -> Provision:
        """Return what of it concerns this custodian, without a word of others."""
        return replace(
            self,
            records=tuple(record for record in self.records if record.custodian == custodian),
            custodians=(custodian,) if self.custodians else (),
        )

    def in_words(self) -> str:
        """Return it as a line for a person."""
        what = "everything"
        if self.records:
            what = "record " + ", ".join(f"{record.record_id.hex()[:8]}…" for record in self.records)
        elif self.categories:
            what = ", ".join(self.categories)
        said = f"{self.effect} {', '.join(self.purposes)}: {what}"
        if self.custodians:
            said += f" of {', '.join(self.custodians)}"
        if self.labels:
            said += f", labelled {', '.join(self.labels)}" + (" too" if self.effect is Effect.PERMIT else "")
        if self.since is not None:
            said += f", from {self.since} on"
        if self.until is not None:
            said += f", before {self.until}"
        return said + "".join(f"; {obligation.in_words()}" for obligation in self.obligations)

    @classmethod
    def read(cls, read: Reader) -> Self:
        """Return the provision that ``read`` holds.

        Raises:
            InvalidInputError: malformed, or with a field we do not know, which could be a condition.
        """
        provision = cls(
            effect=read.choice("effect", Effect),
            purposes=read.choices("purposes", PurposeOfUse),
            records=tuple(_read_record(each) for each in read.objects("records", MAX_RECORDS))
            if read.present("records")
            else (),
            categories=read.choices("categories", Category),
            everything=read.flag("everything"),
            custodians=read.addresses("custodians", MAX_CUSTODIANS),
            labels=read.texts("labels", MAX_LABELS),
            since=read.optional_day("since"),
            until=read.optional_day("until"),
            obligations=tuple(Obligation.read(each) for each in read.objects("obligations", len(Duty)))
            if read.present("obligations")
            else (),
        )
        read.end()
        return provision

    def fields(self) -> dict[str, Any]:
        """Return the fields of a document that ``read`` reads; what is not said is left out."""
        return _present(
            {
                "effect": self.effect,
                "purposes": list(self.purposes),
                "records": [
                    {"custodian": record.custodian, "record_id": record.record_id.hex()} for record in self.records
                ],
                "categories": list(self.categories),
                "everything": self.everything,
                "custodians": list(self.custodians),
                "labels": list(self.labels),
                "since": self.since.isoformat() if self.since is not None else None,
                "until": self.until.isoformat() if self.until is not None else None,
                "obligations": [obligation.fields() for obligation in self.obligations],
            }
        )


def _read_record(read: Reader) -> RecordRef:
    record = RecordRef(custodian=read.address("custodian"), record_id=RecordId(read.digest("record_id")))
    read.end()
    return record


def _without_repetition(said: Sequence[Hashable]) -> None:
    if len(set(said)) != len(said):
        raise InvalidInputError("a provision says the same twice")


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, [], False)}
