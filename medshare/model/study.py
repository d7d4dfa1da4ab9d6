"""A study: what a requester tells those whom he asks. Its digest is on chain, and whoever reads it compares the two.

For an open call it is public; for named patients it is encrypted to them. ``medshare.services.studies`` stores it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from medshare.errors import IntegrityError, InvalidInputError
from medshare.model.documents import Reader, decode_document, encode_document
from medshare.model.grant import MAX_TIME
from medshare.model.ids import Address, DocumentId
from medshare.model.intended_use import IntendedUse
from medshare.model.provision import Effect, Provision
from medshare.model.purpose import Purpose
from medshare.model.quality_condition import QualityCondition
from medshare.model.request import DAY, NATIVE, NO_INVITEES, AccessRequest, RequestTerms

STUDY_VERSION = 1
MAX_STUDY_SIZE = 256 << 10
MAX_GRANTS = (1 << 16) - 1
MAX_CATEGORY = (1 << 8) - 1
MAX_ACCESS_DAYS = (1 << 16) - 1
MAX_REWARD = (1 << 128) - 1
_MAX_LINE, _MAX_SUMMARY = 200, 8_000
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_NEVER_ASKED_FOR = Purpose.ETREAT | Purpose.BTG


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What is asked, by whom, what for, for how long, and what is held out for it."""

    requester: Address
    """Whose request it is: nobody else can open one with this document."""
    title: str
    summary: str
    """What will be done, in words that those who are asked understand."""
    institution: str
    """For whom the requester acts."""
    contact: str
    """Where questions are answered."""
    wanted: Provision
    """What a patient permits by accepting, as a consent says it: purposes, kinds of records, dates, labels, duties."""
    intended_use: IntendedUse
    """In the terms of DUO; its ethics reference is the study's."""
    category: int
    """By which rewards are divided, see ``RequestCategory``."""
    grants: int
    """How many patients at most."""
    deadline: int
    """First second in which it is too late to accept or deliver, Unix time."""
    access_days: int
    """How many days after the deadline each grant must at least last."""
    token: Address = NATIVE
    reward: int = 0
    """For each patient, custodian and consortium together, in the token's smallest unit."""
    reward_in_words: str | None = None
    on_receipt: bool = False
    """Whether custodians release what was granted only when the requester has signed a read receipt for it."""
    quality: QualityCondition | None = None
    """What is asked of the quality of records; None where nothing is."""

    def __post_init__(self) -> None:
        for name, limit in (
            ("title", _MAX_LINE),
            ("summary", _MAX_SUMMARY),
            ("institution", _MAX_LINE),
            ("contact", _MAX_LINE),
            ("reward_in_words", _MAX_SUMMARY),
        ):
            text = getattr(self, name)
            if text is not None and not 0 < len(text.strip()) <= len(text) <= limit:
                raise InvalidInputError(f"a study's {name} has 1 to {limit} characters")
        if self.wanted.effect is not Effect.PERMIT or self.wanted.records:
            raise InvalidInputError("a study wants a permission, and names no records: it knows none")
        if not self.purposes or self.purposes & _NEVER_ASKED_FOR:
            raise InvalidInputError("nobody can be asked for access in emergencies: that is for break-glass")
        for name, low, high in (
            ("category", 1, MAX_CATEGORY),
            ("grants", 1, MAX_GRANTS),
            ("deadline", 1, MAX_TIME),
            ("access_days", 0, MAX_ACCESS_DAYS),
            ("reward", 0, MAX_REWARD),
        ):
            if not low <= getattr(self, name) <= high:
                raise InvalidInputError(f"a study's {name} is a number from {low} to {high}")
        if self.access_until > MAX_TIME:
            raise InvalidInputError("access would last longer than the chain can count: 2106-02-07")

    @property
    def purposes(self) -> Purpose:
        """The coarse bits that each grant needs on chain."""
        bits = Purpose(0)
        for purpose in self.wanted.purposes:
            bits |= purpose.coarse
        return bits

    @property
    def access_until(self) -> int:
        """First second up to which each grant must at least last, Unix time."""
        return self.deadline + self.access_days * DAY

    @property
    def ethics_reference(self) -> str | None:
        """By which the ethics approval is found at the board that gave it."""
        return self.intended_use.ethics_reference

    def terms(self, document: DocumentId, invitees: bytes = NO_INVITEES) -> RequestTerms:
        """Return what goes on chain.

        Args:
            document: digest of the CID of the directory with this study.
            invitees: root of those who are asked; default: an open call.
        """
        return RequestTerms(
            purposes=self.purposes,
            category=self.category,
            grants=self.grants,
            deadline=self.deadline,
            access_days=self.access_days,
            token=self.token,
            reward=self.reward,
            document=document,
            invitees=invitees,
            minimum_score=0 if self.quality is None else self.quality.minimum_score,
            quality_method=0 if self.quality is None else self.quality.method,
            quality_weight=0 if self.quality is None else self.quality.weight,
        )

    def check_against(self, request: AccessRequest) -> None:
        """Compare with what the chain holds.

        Raises:
            IntegrityError: the study says something else than the request on chain; the message names the first field.
        """
        for field in self._differing(request):
            raise IntegrityError(f"the study of request {request.request_id} says another {field} than the chain")

    def _differing(self, request: AccessRequest) -> Iterator[str]:
        if self.requester != request.requester:
            yield "requester"
        said = self.terms(request.terms.document, request.terms.invitees)
        for name in ("purposes", "category", "grants", "deadline", "access_days", "token", "reward"):
            if getattr(said, name) != getattr(request.terms, name):
                yield name
        if self.quality != request.terms.quality:
            yield "quality"

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """Return the study that ``document`` holds, checked.

        Raises:
            InvalidInputError: malformed, or with a field we do not know, which could be a condition.
        """
        read = Reader(decode_document(document, MAX_STUDY_SIZE), "study")
        read.version(STUDY_VERSION)
        quality = read.optional_child("quality")
        study = cls(
            requester=read.address("requester"),
            title=read.text("title", _MAX_LINE),
            summary=read.text("summary", _MAX_SUMMARY),
            institution=read.text("institution", _MAX_LINE),
            contact=read.text("contact", _MAX_LINE),
            wanted=Provision.read(read.child("wanted")),
            intended_use=IntendedUse.read(read.child("intended_use")),
            category=read.integer("category", 1, MAX_CATEGORY),
            grants=read.integer("grants", 1, MAX_GRANTS),
            deadline=_moment(read.text("deadline")),
            access_days=read.integer("access_days", 0, MAX_ACCESS_DAYS),
            token=read.address("token") if read.present("token") else NATIVE,
            reward=read.integer("reward", 0, MAX_REWARD),
            reward_in_words=read.optional_text("reward_in_words"),
            on_receipt=read.flag("on_receipt"),
            quality=None if quality is None else QualityCondition.read(quality),
        )
        read.end()
        return study

    def to_json(self) -> bytes:
        """Return the document that ``from_json`` reads."""
        fields: dict[str, Any] = {
            "version": STUDY_VERSION,
            "requester": self.requester,
            "title": self.title,
            "summary": self.summary,
            "institution": self.institution,
            "contact": self.contact,
            "wanted": self.wanted.fields(),
            "intended_use": self.intended_use.fields(),
            "category": self.category,
            "grants": self.grants,
            "deadline": datetime.fromtimestamp(self.deadline, UTC).strftime(_MOMENT),
            "access_days": self.access_days,
            "token": self.token,
            "reward": self.reward,
            "reward_in_words": self.reward_in_words,
            "on_receipt": self.on_receipt,
            "quality": self.quality.fields() if self.quality is not None else None,
        }
        return encode_document(fields)


def _moment(text: str) -> int:
    try:
        at = datetime.strptime(text, _MOMENT).replace(tzinfo=UTC)
    except ValueError:
        at = None
    # A shorter way to write it would be another document with the same meaning.
    if at is None or at.strftime(_MOMENT) != text:
        raise InvalidInputError("a study's deadline is written as 2026-12-31T00:00:00Z")
    return int(at.timestamp())
