"""``medshare request``: ask for access, approve, settle; what patients and custodians do is in ``participation``."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medshare.cli.asking import read_text
from medshare.cli.console import App, Group, moment
from medshare.errors import InvalidInputError, MedshareError, NotARecipientError, StoreUnavailableError
from medshare.model.attestation import BEST_SCORE, MAX_METHOD
from medshare.model.documents import decode_document, encode_document
from medshare.model.ids import RequestId
from medshare.model.quality_condition import QualityCondition
from medshare.model.request import NATIVE, WHOLE, RequestCategory
from medshare.model.study import MAX_STUDY_SIZE, Study

if TYPE_CHECKING:
    from medshare.model.request import RequestTerms
    from medshare.services.request_book import Part, RequestStanding
    from medshare.session import Session

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_MAX_REQUESTS = (1 << 63) - 1
_NUMBER = re.compile(r"[0-9]{1,19}")


class RequestIdValue(click.ParamType[RequestId]):
    """A request's number."""

    name = "request"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> RequestId:  # noqa: ANN401, ARG002 - click's signature
        """Return the number; raises ``InvalidInputError``."""
        text = str(value)
        if not _NUMBER.fullmatch(text) or not 0 < int(text) <= _MAX_REQUESTS:
            raise InvalidInputError(
                f"a request is named by its number: {text[:40]!r}", hint="see: medshare request list"
            )
        return RequestId(int(text))


@click.group(cls=Group)
def request() -> None:
    """Requests: ask for access, accept, deliver, confirm."""


def request_row(session: Session, standing: RequestStanding) -> dict[str, object]:
    """Return what a script or a person reads of a request."""
    asked = standing.request
    terms = asked.terms
    return {
        "request": asked.request_id,
        "state": standing.state(session.signing.now).value,
        "requester": asked.requester,
        "open_call": asked.is_open_call,
        "category": category_name(terms.category),
        "purposes": list(terms.purposes.codes),
        "accepted": len(standing.parts),
        "delivered": asked.delivered,
        "places": asked.places,
        "reward": terms.reward,
        "token": token_name(terms.token),
        "deadline": moment(terms.deadline),
        "access_until": moment(asked.access_until),
    }


def quality_row(terms: RequestTerms) -> dict[str, object]:
    """Return what a request asks of quality."""
    return {
        "minimum_score": terms.minimum_score,
        "quality_method": terms.quality_method,
        "quality_weight": terms.quality_weight,
    }


def category_name(category: int) -> str:
    """Return what a category is called."""
    known = {each.value: each.name.lower().replace("_", "-") for each in RequestCategory}
    return known.get(category, str(category))


def token_name(token: str) -> str:
    """Return what a token is called: its address, or the chain's own coin."""
    return "native" if token == NATIVE else token


@request.command("open")
@click.argument("study_file", type=_FILE)
@click.option("--as", "requester", required=True, metavar="NAME", help="The researcher's identity.")
@click.option("--patient", "patients", multiple=True, metavar="WHO", help="Ask this patient; default: an open call.")
@click.option("--patients-file", type=_FILE, help="File with who is asked, a name or address on each line.")
@click.option("--reader", "others", multiple=True, metavar="WHO", help="Who else may read it, such as who is to judge.")
@click.option("--min-score", type=click.IntRange(1, BEST_SCORE), help="Deliver only what assessors attest so much.")
@click.option("--quality-method", type=click.IntRange(1, MAX_METHOD), help="By which method scores count.")
@click.option(
    "--quality-weight",
    type=click.IntRange(1, WHOLE),
    help="Ten thousandths of the custodian's share that depend on the lowest score.",
)
@click.pass_obj
def open_(
    app: App,
    study_file: Path,
    requester: str,
    patients: tuple[str, ...],
    patients_file: Path | None,
    others: tuple[str, ...],
    min_score: int | None,
    quality_method: int | None,
    quality_weight: int | None,
) -> None:
    """Open a request for the study in STUDY_FILE, and deposit all its rewards at once.

    An open call is public, and awaits the approval of an ethics committee. For named patients the study is encrypted
    to them, and open at once; name as many as it has grants, or more. Given again, the same study is not opened again.
    docs/requests.md has the file's fields. What is said of quality here takes the place of what the file says of it.
    """
    actor = app.actor(requester)
    study = read_study(study_file, actor.address)
    said = {"method": quality_method, "minimum_score": min_score, "weight": quality_weight}
    study = _with_quality(study, {name: value for name, value in said.items() if value is not None})
    named = [*patients, *(read_names(patients_file) if patients_file is not None else ())]
    with app.session() as session:
        opened = session.requesting.open(
            study,
            requester=actor,
            invitees=[app.keyring.resolve(each) for each in named] or None,
            others=[app.keyring.resolve(each) for each in others],
        )
        standing = session.requesting.request(opened.request_id)
        row = request_row(session, standing) | quality_row(standing.request.terms)
    app.show(
        {**row, "deposited": study.reward * study.grants, "document": str(opened.cid), "already": opened.already},
        title="opened before; nothing was done" if opened.already else "opened",
    )
    if opened.request.is_open_call and not opened.already:
        app.say("it awaits the approval of an ethics committee, or a vote of the consortium")


def _with_quality(study: Study, said: dict[str, int]) -> Study:
    """Return the study with what was said of quality; raises ``InvalidInputError``."""
    if not said:
        return study
    if study.quality is not None:
        return replace(study, quality=replace(study.quality, **said))
    if "method" not in said:
        raise InvalidInputError("whose scores count is not said", hint="name the method, with --quality-method")
    return replace(study, quality=QualityCondition(**said))


@request.command("list")
@click.option("--requester", metavar="WHO", help="Those that this one opened.")
@click.option("--patient", metavar="WHO", help="Those that this patient accepted.")
@click.option("--custodian", metavar="WHO", help="Those in which this custodian delivers.")
@click.pass_obj
def list_(app: App, requester: str | None, patient: str | None, custodian: str | None) -> None:
    """List requests as they stand."""
    who, whom, by = (None if each is None else app.keyring.resolve(each) for each in (requester, patient, custodian))
    with app.session() as session:
        rows = [
            request_row(session, standing)
            for standing in session.requesting.requests()
            if who in (None, standing.request.requester)
            and (whom is None or standing.part(whom) is not None)
            and (by is None or any(part.reservation.custodian == by for part in standing.parts))
        ]
    app.show_all(rows, nothing="no requests")


@request.command("show")
@click.argument("number", metavar="REQUEST", type=RequestIdValue())
@click.option("--as", "reader", metavar="NAME", help="Who reads the study, where it is for named patients.")
@click.pass_obj
def show(app: App, number: RequestId, reader: str | None) -> None:
    """Show a REQUEST: who asks, accredited by whom, what, why, how long, how much, and each patient's part."""
    actor = app.actor(reader) if reader is not None else None
    with app.session() as session:
        standing = session.requesting.request(number)
        asked = standing.request
        shown: dict[str, object] = {
            **request_row(session, standing),
            **quality_row(asked.terms),
            "accredited_by": session.requesting.accredited_by(asked.requester),
            "approved_by": standing.approved.by if standing.approved is not None else None,
            "shares": _shares(standing),
        }
        try:
            study = session.requesting.study(asked, reader=actor)
        except StoreUnavailableError:
            raise
        except NotARecipientError as error:
            shown["study"] = f"sealed: {error}"
        except MedshareError as error:
            shown["study"] = f"{type(error).__name__}: {error}"
        else:
            shown |= study_row(study)
        parts = [_part_row(part) for part in standing.parts]
    if app.as_json:
        app.show({**shown, "parts": parts})
        return
    app.show(shown)
    app.show_all(parts, nothing="nobody has accepted yet")


def study_row(study: Study) -> dict[str, object]:
    """Return what a study says."""
    return {
        "study": study.title,
        "summary": study.summary,
        "institution": study.institution,
        "contact": study.contact,
        "wants": study.wanted.in_words(),
        "intended_use": _use_in_words(study),
        "reward_in_words": study.reward_in_words,
        "ethics_reference": study.ethics_reference,
        "on_receipt": study.on_receipt,
    }


def _use_in_words(study: Study) -> str:
    said = study.intended_use.fields()
    return "; ".join(
        f"{name.replace('_', ' ')}: {', '.join(map(str, value)) if isinstance(value, list) else _word(value)}"
        for name, value in said.items()
    )


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _shares(standing: RequestStanding) -> str:
    split = standing.request.split
    rest = 10_000 - split.patient - split.custodian
    each = (("patient", split.patient), ("custodian", split.custodian), ("consortium", rest))
    return ", ".join(f"{who} {share / 100:g} %" for who, share in each)


def _part_row(part: Part) -> dict[str, object]:
    return {
        "patient": part.patient,
        "state": part.status.name.lower() if part.declined is None or part.status else "declined",
        "custodian": part.reservation.custodian,
        "since": moment(part.reservation.since),
        "released_from": moment(part.released_at),
        "bundle": part.bundle.hex() if part.bundle is not None else None,
        "score": part.delivered.score if part.delivered is not None else None,
    }


# --------------------------------------------------------------------------------------------- approving, ending


@request.command("approve")
@click.argument("number", metavar="REQUEST", type=RequestIdValue())
@click.option("--as", "committee", required=True, metavar="NAME", help="The ethics committee's identity.")
@click.pass_obj
def approve(app: App, number: RequestId, committee: str) -> None:
    """Approve a study on open call, as an accredited ethics committee; read it first, with: medshare request show."""
    actor = app.actor(committee)
    with app.session() as session:
        done = session.requesting.approve(number, committee=actor)
    app.show(
        {"request": number, "block": done.block.number, "already": done.already},
        title="approved before; nothing was sent" if done.already else "approved; patients can accept it",
    )


@request.command("cancel")
@click.argument("number", metavar="REQUEST", type=RequestIdValue())
@click.option("--as", "requester", required=True, metavar="NAME", help="The requester's identity.")
@click.pass_obj
def cancel(app: App, number: RequestId, requester: str) -> None:
    """End a request before its deadline: nobody else can accept, and what nobody has reserved goes back at once.

    Who has accepted keeps his reservation. Grants stay as they are.
    """
    actor = app.actor(requester)
    with app.session() as session:
        done = session.requesting.cancel(number, requester=actor)
    app.show(
        {"request": number, "block": done.block.number, "already": done.already},
        title="cancelled before; nothing was sent" if done.already else "cancelled",
    )
    app.say(f"withdraw what came back with: medshare reward withdraw --as {requester}")


@request.command("return-unearned")
@click.argument("number", metavar="REQUEST", type=RequestIdValue())
@click.option("--as", "payer", required=True, metavar="NAME", help="Who sends it and pays for it: anybody.")
@click.pass_obj
def return_unearned(app: App, number: RequestId, payer: str) -> None:
    """Give back to the requester what was not earned by the deadline."""
    actor = app.actor(payer)
    with app.session() as session:
        done = session.requesting.return_unearned(number, payer=actor.signer)
    app.show(
        {"request": number, "block": done.block.number, "already": done.already},
        title="returned before; nothing was sent" if done.already else "returned; the requester can withdraw it",
    )


# --------------------------------------------------------------------------------------------------- settling


@request.command("confirm")
@click.argument("number", metavar="REQUEST", type=RequestIdValue())
@click.option("--patient", required=True, metavar="WHO", help="Whose delivery.")
@click.option("--as", "requester", required=True, metavar="NAME", help="The requester's identity.")
@click.pass_obj
def confirm(app: App, number: RequestId, patient: str, requester: str) -> None:
    """Confirm a delivery, after opening every record of it: the reward is paid. Ends a dispute, too."""
    actor, whose = app.actor(requester), app.keyring.resolve(patient)
    with app.session(acts=actor) as session:
        done = session.requesting.confirm(number, whose, requester=actor)
    found = done.found
    app.show(
        {
            "request": number,
            "patient": whose,
            "records": None if found is None else len(found.records),
            "score": None if found is None else found.part.reservation.score,
            "bundle_replaced": None if found is None else found.replaced,
            "block": done.on_chain.block.number,
            "already": done.on_chain.already,
        },
        title="paid before; nothing was sent" if done.on_chain.already else "confirmed; the reward is paid",
    )
    if found is not None and found.replaced:
        app.say("the patient has put another bundle in the place of the delivered one: what opens is what is in that")


@request.command("dispute")
@click.argument("number", metavar="REQUEST", type=RequestIdValue())
@click.option("--patient", required=True, metavar="WHO", help="Whose delivery.")
@click.option("--reason-file", type=click.Path(path_type=Path), help="Text, kept here; - is standard input.")
@click.option("--as", "requester", required=True, metavar="NAME", help="The requester's identity.")
@click.pass_obj
def dispute(app: App, number: RequestId, patient: str, reason_file: Path | None, requester: str) -> None:
    """Dispute a delivery, while the period for it lasts. The consortium decides; undecided, the reward is paid."""
    actor, whose = app.actor(requester), app.keyring.resolve(patient)
    reason = read_text(reason_file, "What is wrong with the delivery")
    with app.session() as session:
        done = session.requesting.dispute(number, whose, reason, requester=actor)
        part = session.requesting.request(number).part(whose)
    until = None if part is None else moment(part.released_at)
    app.show(
        {"request": number, "patient": whose, "paid_unless_decided_by": until, "already": done.already},
        title="disputed before; nothing was sent" if done.already else "disputed",
    )


@request.command("release")
@click.argument("number", metavar="REQUEST", type=RequestIdValue())
@click.option("--patient", required=True, metavar="WHO", help="Whose reward.")
@click.option("--as", "payer", required=True, metavar="NAME", help="Who sends it and pays for it: anybody.")
@click.pass_obj
def release(app: App, number: RequestId, patient: str, payer: str) -> None:
    """Have a reward paid that nobody disputed, or whose dispute nobody decided, in time."""
    actor, whose = app.actor(payer), app.keyring.resolve(patient)
    with app.session() as session:
        done = session.requesting.release(number, whose, payer=actor.signer)
    app.show(
        {"request": number, "patient": whose, "block": done.block.number, "already": done.already},
        title="paid before; nothing was sent" if done.already else "paid",
    )


def read_study(path: Path, requester: str) -> Study:
    """Return the study in a file; where it names no requester, it is the one who opens it. ``InvalidInputError``."""
    document = path.read_bytes()
    if len(document) > MAX_STUDY_SIZE:
        raise InvalidInputError(f"a study has at most {MAX_STUDY_SIZE} bytes")
    return Study.from_json(encode_document({"requester": requester, **decode_document(document)}))


def read_names(path: Path) -> list[str]:
    """Return who is asked, by a file with a name or an address on each line; raises ``InvalidInputError``."""
    try:
        lines = path.read_bytes().decode().splitlines()
    except UnicodeDecodeError as error:
        raise InvalidInputError("the file with who is asked is no text") from error
    return [line.strip() for line in lines if line.strip()]
