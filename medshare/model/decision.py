"""A decision, with its grounds: it explains itself, and can be kept and compared with what is decided anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.grant import MAX_TIME, Grant
from medshare.model.ids import Address, EpisodeId, GrantId, episode_id, grant_id
from medshare.model.provision import Duty, Obligation
from medshare.model.purpose import Purpose, PurposeOfUse
from medshare.model.subject import Subject
from medshare.model.terms import MAX_PROVISIONS

DECISION_VERSION = 1
MAX_DECISION_SIZE = 16 << 20
_MAX_LOST = 1 << 16


class Reason(StrEnum):
    """Why a decision fell as it did, or why a provision did not prevail. Each belongs to a rule of docs/consent.md.

    ``KEY_NOT_RELEASED`` is not decided but found: the reader's client has looked for his header, and there is none.
    """

    PERMITTED = "permitted"
    OWN_RECORD = "own-record"
    EMERGENCY = "emergency"
    NO_GRANT = "no-grant"
    RETRACTED = "retracted"
    NO_EPISODE = "no-episode"
    RECORD_NOT_COVERED = "record-not-covered"
    PURPOSE_NOT_GRANTED = "purpose-not-granted"
    DATE_NOT_COVERED = "date-not-covered"
    LABEL_NOT_NAMED = "label-not-named"
    REVOKED = "revoked"
    EXPIRED = "expired"
    NOT_YET = "not-yet"
    PURPOSE_NOT_ON_CHAIN = "purpose-not-on-chain"
    ERASURE_DUE = "erasure-due"
    MANIFEST_DECIDES = "manifest-decides"
    KEY_NOT_RELEASED = "key-not-released"
    OUTRANKED = "outranked"
    REFUSED = "refused"

    @property
    def rule(self) -> str:
        """The rule of docs/consent.md."""
        return _WORDS[self][0]


_PERMITTING = frozenset({Reason.PERMITTED, Reason.OWN_RECORD, Reason.EMERGENCY})

# Rule; what a reader is told of the decision; what is told of a provision that did not prevail; what he can do.
_WORDS: dict[Reason, tuple[str, str, str, str]] = {
    Reason.PERMITTED: ("R3", "the patient's grant permits it", "", ""),
    Reason.OWN_RECORD: ("R0", "the reader is the record's patient or custodian", "", ""),
    Reason.EMERGENCY: ("R9", "an emergency episode is in force", "", "expect a review, and record what was done"),
    Reason.NO_GRANT: (
        "R1",
        "the patient has granted this reader nothing",
        "it is another patient's, or to another reader",
        "ask the patient for access",
    ),
    Reason.RETRACTED: ("R0", "its custodian has withdrawn the record", "", "ask the custodian for a corrected one"),
    Reason.NO_EPISODE: (
        "R9",
        "no emergency episode of this reader for this patient is in force",
        "",
        "open an emergency episode, if this is one",
    ),
    Reason.RECORD_NOT_COVERED: (
        "R5",
        "the grant does not cover this record",
        "it is not about this record",
        "ask the patient to include the record",
    ),
    Reason.PURPOSE_NOT_GRANTED: (
        "R4",
        "the grant does not cover this purpose",
        "it is not about this purpose",
        "state the purpose that was granted, or ask the patient for this one",
    ),
    Reason.DATE_NOT_COVERED: (
        "R7",
        "the grant covers other clinical dates than the record's",
        "it is about other clinical dates",
        "ask the patient to include the record's date",
    ),
    Reason.LABEL_NOT_NAMED: (
        "R6",
        "the record is labelled sensitive, and the grant does not name all of its labels",
        "its labels do not fit the record's",
        "ask the patient to include records so labelled",
    ),
    Reason.REVOKED: (
        "R2",
        "the patient has revoked the grant",
        "its grant is revoked",
        "ask the patient; what was fetched before must be treated as the terms say",
    ),
    Reason.EXPIRED: ("R2", "the grant has expired", "its grant has expired", "ask the patient to grant access anew"),
    Reason.NOT_YET: (
        "R2",
        "the grant is not live yet",
        "its grant is not live yet",
        "try again when the grant has begun",
    ),
    Reason.PURPOSE_NOT_ON_CHAIN: (
        "R2",
        "the grant on chain does not carry this purpose, whatever its terms say",
        "its grant on chain does not carry this purpose",
        "ask the patient to grant access anew, for this purpose",
    ),
    Reason.ERASURE_DUE: (
        "R8",
        "what this grant gave had to be erased by now",
        "what it gave had to be erased by now",
        "erase what was obtained, and ask the patient to grant access anew",
    ),
    Reason.MANIFEST_DECIDES: (
        "R3",
        "category, labels or date decide it, and the manifest has not been opened",
        "it needs the manifest, which has not been opened",
        "open the record: the manifest is read before the text",
    ),
    Reason.KEY_NOT_RELEASED: (
        "R3",
        "no key was released to this reader: the record's category, labels or date are not covered, or it came later",
        "",
        "ask the patient to grant access anew",
    ),
    Reason.OUTRANKED: (
        "R3",
        "another provision decides",
        "a denial, or a provision about this very record, decides",
        "",
    ),
    Reason.REFUSED: (
        "R3",
        "a provision of the patient's denies it",
        "",
        "respect it; only the patient can change it",
    ),
}

# The nearer a provision came to permitting, the more its reason tells the reader.
NEARNESS = (
    Reason.NO_GRANT,
    Reason.RECORD_NOT_COVERED,
    Reason.PURPOSE_NOT_GRANTED,
    Reason.DATE_NOT_COVERED,
    Reason.LABEL_NOT_NAMED,
    Reason.PURPOSE_NOT_ON_CHAIN,
    Reason.REVOKED,
    Reason.EXPIRED,
    Reason.NOT_YET,
    Reason.ERASURE_DUE,
    Reason.MANIFEST_DECIDES,
    Reason.REFUSED,
    Reason.PERMITTED,
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ProvisionRef:
    """A provision by the grant it belongs to and its number in the terms, from 0."""

    grant_id: GrantId
    number: int

    def __str__(self) -> str:
        return f"provision {self.number} of grant {self.grant_id:#x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A provision that did not prevail, or a whole grant, and why."""

    grant_id: GrantId
    number: int | None
    """The provision; None for the whole grant."""
    reason: Reason

    def explain(self) -> str:
        """Return one line for a person, with the rule."""
        what = f"grant {self.grant_id:#x}"
        if self.number is not None:
            what = f"provision {self.number} of {what}"
        return f"{what}: {_WORDS[self.reason][2]} ({self.reason.rule})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer to "may this reader use this record for this purpose at this time?", with its grounds.

    It holds the record's labels: keep it as confidential as the record.
    """

    reason: Reason
    subject: Subject
    reader: Address
    purpose: PurposeOfUse
    at: int
    """The time it speaks of, Unix seconds."""
    grant: Grant | None = None
    """The grant that decided, or came nearest; of several, the one that lasts longest."""
    decided_by: tuple[ProvisionRef, ...] = ()
    """The provisions that decided, all to the same effect, those of ``grant`` first."""
    lost: tuple[Lost, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    """What a permitted reader must do and refrain from."""
    episode_id: EpisodeId | None = None
    """The emergency episode that permitted."""
    block: int | None = None
    """The block whose state was asked; None where no chain was."""

    @property
    def permitted(self) -> bool:
        """Whether access is permitted."""
        return self.reason in _PERMITTING

    @property
    def undecided(self) -> bool:
        """Whether the manifest has to be opened to decide. Not permitted until then."""
        return self.reason is Reason.MANIFEST_DECIDES

    @property
    def erase_by(self) -> int | None:
        """First second in which nothing obtained may be kept any more, Unix time."""
        return next((each.by for each in self.obligations if each.duty is Duty.ERASE_BY), None)

    def explain(self) -> str:
        """Return a sentence or two for a person: what was decided, why, by which provision, and as of when."""
        verdict = "permitted" if self.permitted else "undecided" if self.undecided else "denied"
        since = ""
        if self.grant is not None and self.reason is Reason.EXPIRED:
            since = f" on {_moment(self.grant.expires_at)}"
        elif self.grant is not None and self.reason is Reason.NOT_YET:
            since = f", it begins on {_moment(self.grant.not_before)}"
        block = f", block {self.block}" if self.block is not None else ""
        said = f"{verdict} for {self.purpose}: {_WORDS[self.reason][1]}{since} (as of {_moment(self.at)}{block})"
        if self.decided_by:
            said += f"; decided by {self.decided_by[0]}"
        if self.obligations:
            said += f"; obligations: {', '.join(each.in_words() for each in self.obligations)}"
        return said

    def grounds(self) -> list[str]:
        """Return a line for each provision that did not prevail, with the rule."""
        return [each.explain() for each in self.lost]

    def advice(self) -> str:
        """Return what the reader can do about it, or nothing."""
        return _WORDS[self.reason][3]

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the decision that ``document`` holds; raises ``InvalidInputError``."""
        read = Reader(decode_document(document, MAX_DECISION_SIZE), "decision")
        read.version(DECISION_VERSION)
        decision = cls(
            reason=read.choice("reason", Reason),
            subject=Subject.read(read.child("subject")),
            reader=read.address("reader"),
            purpose=read.choice("purpose", PurposeOfUse),
            at=read.integer("at", 0, 1 << 53),
            grant=_read_grant(read.child("grant")) if read.present("grant") else None,
            decided_by=tuple(_read_provision_ref(each) for each in read.objects("decided_by", _MAX_LOST)),
            lost=tuple(_read_lost(each) for each in read.objects("lost", _MAX_LOST)),
            obligations=tuple(Obligation.read(each) for each in read.objects("obligations", len(Duty))),
            episode_id=episode_id(read.text("episode_id")) if read.present("episode_id") else None,
            block=read.optional_integer("block", 0, 1 << 64),
        )
        read.end()
        return decision

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads."""
        return encode_document(
            {
                "version": DECISION_VERSION,
                "reason": self.reason,
                "subject": {name: value for name, value in self.subject.fields().items() if value is not None},
                "reader": self.reader,
                "purpose": self.purpose,
                "at": self.at,
                "grant": _grant_fields(self.grant) if self.grant is not None else None,
                "decided_by": [{"grant_id": hex(each.grant_id), "number": each.number} for each in self.decided_by],
                "lost": [_lost_fields(each) for each in self.lost],
                "obligations": [each.fields() for each in self.obligations],
                "episode_id": None if self.episode_id is None else hex(self.episode_id),
                "block": self.block,
            }
        )


def _read_grant(read: Reader) -> Grant:
    grant = Grant(
        grant_id=grant_id(read.text("grant_id")),
        grantee=read.address("grantee"),
        not_before=read.integer("not_before", 0, MAX_TIME),
        expires_at=read.integer("expires_at", 0, MAX_TIME),
        purposes=Purpose(read.integer("purposes", 0, 0xFFFF)),
        stamp=read.integer("stamp", 0, 0xFFFF),
        epoch=read.integer("epoch", 0, 0xFFFF),
    )
    read.end()
    return grant


def _grant_fields(grant: Grant) -> dict[str, Any]:
    return {
        "grant_id": hex(grant.grant_id),
        "grantee": grant.grantee,
        "not_before": grant.not_before,
        "expires_at": grant.expires_at,
        "purposes": int(grant.purposes),
        "stamp": grant.stamp,
        "epoch": grant.epoch,
    }


def _read_provision_ref(read: Reader) -> ProvisionRef:
    ref = ProvisionRef(grant_id=grant_id(read.text("grant_id")), number=read.integer("number", 0, MAX_PROVISIONS - 1))
    read.end()
    return ref


def _read_lost(read: Reader) -> Lost:
    lost = Lost(
        grant_id=grant_id(read.text("grant_id")),
        number=read.optional_integer("number", 0, MAX_PROVISIONS - 1),
        reason=read.choice("reason", Reason),
    )
    read.end()
    return lost


def _lost_fields(lost: Lost) -> dict[str, Any]:
    fields: dict[str, Any] = {"grant_id": hex(lost.grant_id), "reason": lost.reason}
    return fields if lost.number is None else {**fields, "number": lost.number}


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
