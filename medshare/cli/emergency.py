"""``medshare emergency``: break the glass, release keys, end, review, bar."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medshare.cli.asking import read_text
from medshare.cli.console import App, Group, moment
from medshare.cli.ending import exit_code, report
from medshare.cli.sending import Way, for_option, sending_options
from medshare.cli.values import parse_span
from medshare.errors import (
    LedgerBusyError,
    LedgerUnavailableError,
    StoreUnavailableError,
    UnknownEpisodeError,
)
from medshare.model.emergency import EmergencyReason, Verdict
from medshare.model.ids import EpisodeId, episode_id
from medshare.model.record import Category

if TYPE_CHECKING:
    from medshare.services.emergencies import EpisodeStanding, Served

_REASONS = {reason.name.lower().replace("_", "-"): reason for reason in EmergencyReason}
_VERDICTS = {verdict.name.lower(): verdict for verdict in Verdict if verdict is not Verdict.NONE}
_CATEGORIES = click.Choice([category.value for category in Category])
_on_receipt = click.option(
    "--on-receipt", is_flag=True, help="Only where the clinician has signed a read receipt: medshare receipt keep."
)


class EpisodeIdValue(click.ParamType[EpisodeId]):
    """An episode id."""

    name = "episode"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> EpisodeId:  # noqa: ANN401, ARG002 - click's signature
        """Return the episode id; raises ``InvalidInputError``."""
        return episode_id(value)


@click.group(cls=Group)
def emergency() -> None:
    """Emergencies: break the glass, release keys, review."""


@emergency.command("open")
@click.option("--as", "clinician", required=True, metavar="NAME", help="The clinician's identity.")
@click.option("--patient", required=True, metavar="WHO", help="Name or address of the patient.")
@click.option("--reason", type=click.Choice(list(_REASONS)), required=True, help="Goes on chain, for ever.")
@click.option("--duration", "span", default="1h", show_default=True, metavar="SPAN", help="How long: 30m, 2h.")
@click.option(
    "--details-file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="What happened, a text, or - for standard input; else it is asked for. It stays here: only a digest is sent.",
)
@click.pass_obj
def open_(app: App, clinician: str, patient: str, reason: str, span: str, details_file: Path | None) -> None:
    """Break the glass for a patient who cannot consent.

    Everybody sees it for ever, the patient is told first thing, and somebody else reviews it. Custodians answer within
    seconds; then: medshare record history --purpose BTG, or record fetch.
    """
    actor, account = app.actor(clinician), app.keyring.resolve(patient)
    details = read_text(details_file, "What happened")
    with app.session() as session:
        opened = session.emergencies.open(
            clinician=actor, patient=account, reason=_REASONS[reason], details=details, duration=parse_span(span)
        )
    app.show(
        {
            "episode": f"{opened.episode.episode_id:#x}",
            "patient": account,
            "reason": reason,
            "ends_at": moment(opened.episode.ends_at),
            "block": opened.receipt.block.number,
        },
        title="the glass is broken; everybody sees it, and it will be reviewed",
    )
    app.say(f"next: medshare record history --as {clinician} --patient {patient} --purpose BTG")


@emergency.command("release")
@click.argument("episode", type=EpisodeIdValue())
@click.option("--as", "custodian", required=True, metavar="NAME", help="The custodian's identity.")
@click.option("--category", "categories", multiple=True, type=_CATEGORIES, help="Only records of this kind.")
@_on_receipt
@click.pass_obj
def release(app: App, episode: EpisodeId, custodian: str, categories: tuple[str, ...], on_receipt: bool) -> None:
    """Release the keys of the patient's records to the clinician of an EPISODE that is in force."""
    actor = app.actor(custodian)
    with app.session(acts=actor) as session:
        released = session.emergencies.release(
            episode,
            custodian=actor,
            categories=[Category(each) for each in categories],
            on=session.receipts if on_receipt else None,
        )
    app.show(
        {
            "episode": f"{episode:#x}",
            "records": [each.hex() for each in released.records],
            "passed_over": [each.hex() for each in released.passed_over],
            "bundles": [str(each) for each in released.bundles],
        },
        title="released, for as long as the episode lasts; the patient sees it",
    )


@emergency.command("serve")
@click.option("--as", "custodian", required=True, metavar="NAME", help="The custodian's identity.")
@click.option("--category", "categories", multiple=True, type=_CATEGORIES, help="Only records of this kind.")
@click.option("--every", default="2s", show_default=True, metavar="SPAN", help="How often to look.")
@click.option("--once", is_flag=True, help="Look once, and end.")
@_on_receipt
@click.pass_obj
def serve(app: App, custodian: str, categories: tuple[str, ...], every: str, once: bool, on_receipt: bool) -> None:
    """Answer emergencies as they come, until stopped: release keys while an episode lasts, give up bundles after it.

    With --once the exit code is that of the first episode that could not be answered.
    """
    actor, seconds = app.actor(custodian), parse_span(every)
    wanted = [Category(each) for each in categories]
    while True:
        try:
            # A session for each look: the embedded chain is held by one process at a time, and others want it, too.
            with app.session(acts=actor) as session:
                on = session.receipts if on_receipt else None
                served = list(session.emergencies.serve(custodian=actor, categories=wanted, on=on))
        except (LedgerUnavailableError, LedgerBusyError, StoreUnavailableError) as error:
            if once:
                raise
            report(error, app.respelled(error.hint), as_json=app.as_json)
        else:
            _tell(app, served, once=once)
            if once:
                failed = [each.error for each in served if each.error is not None]
                if failed:
                    raise click.exceptions.Exit(exit_code(failed[0]))
                return
        time.sleep(seconds)


def _tell(app: App, served: list[Served], *, once: bool) -> None:
    for each in served:
        if each.error is not None:
            report(
                each.error,
                app.respelled(each.error.hint),
                as_json=app.as_json,
                about={"episode": f"{each.episode_id:#x}"},
            )
    rows = [
        {"episode": f"{each.episode_id:#x}", "records": len(each.released.records)}
        for each in served
        if each.released is not None
    ]
    if rows or once:
        app.show_all(rows, nothing="no emergency waits for keys")
        sys.stdout.flush()


@emergency.command("end")
@click.argument("episode", type=EpisodeIdValue())
@click.option("--as", "actor_name", required=True, metavar="NAME", help="The clinician's identity, or the patient's.")
@sending_options
@click.pass_obj
def end(app: App, episode: EpisodeId, actor_name: str, way: Way) -> None:
    """End an EPISODE now."""
    actor = app.actor(actor_name)
    with way.session(app, actor) as session:
        if way.handed_out(app, session, actor, lambda draft: draft.end_episode(episode)):
            return
        receipt = session.emergencies.end(episode, actor=actor)
    app.show({"episode": f"{episode:#x}", "block": receipt.block.number}, title="ended; what was read stays read")


@emergency.command("review")
@click.argument("episode", type=EpisodeIdValue())
@click.option("--as", "reviewer", required=True, metavar="NAME", help="The reviewer's identity.")
@click.option("--verdict", type=click.Choice(list(_VERDICTS)), required=True, help="Goes on chain, for ever.")
@click.option(
    "--note-file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Why, a text, or - for standard input; else it is asked for. It stays here: only a digest is sent.",
)
@click.pass_obj
def review(app: App, episode: EpisodeId, reviewer: str, verdict: str, note_file: Path | None) -> None:
    """Say whether an EPISODE was justified, as an accredited reviewer who is neither clinician nor patient."""
    actor = app.actor(reviewer)
    note = read_text(note_file, "Why")
    with app.session() as session:
        receipt = session.emergencies.review(episode, _VERDICTS[verdict], note, reviewer=actor)
    app.show({"episode": f"{episode:#x}", "verdict": verdict, "block": receipt.block.number}, title="reviewed")


@emergency.command("bar")
@click.option("--as", "patient", required=True, metavar="NAME", help="The patient's identity.")
@click.option("--lift", is_flag=True, help="Allow it again.")
@for_option
@sending_options
@click.pass_obj
def bar(app: App, patient: str, lift: bool, on_behalf_of: str | None, way: Way) -> None:
    """Bar break-glass: who comes in unconscious is then treated without these records. Episodes in force go on."""
    actor = app.actor(patient)
    subject = app.keyring.resolve(on_behalf_of) if on_behalf_of is not None else actor.address
    with way.session(app, actor) as session:
        if way.handed_out(app, session, actor, lambda draft: draft.set_bar(subject, barred=not lift)):
            return
        receipt = session.emergencies.set_bar(patient=actor, barred=not lift, on_behalf_of=subject)
    app.show(
        {"patient": subject, "barred": not lift, "block": receipt.block.number},
        title="break-glass is allowed again" if lift else "break-glass is barred",
    )


@emergency.command("list")
@click.option("--patient", metavar="WHO", help="Of this patient.")
@click.option("--clinician", metavar="WHO", help="Of this clinician.")
@click.pass_obj
def list_(app: App, patient: str | None, clinician: str | None) -> None:
    """List emergency episodes, all there are, or of one patient or clinician."""
    with app.session() as session:
        found = session.emergencies.episodes(
            patient=app.keyring.resolve(patient) if patient else None,
            clinician=app.keyring.resolve(clinician) if clinician else None,
        )
    app.show_all([_row(each) for each in found], nothing="no emergencies")


@emergency.command("show")
@click.argument("episode", type=EpisodeIdValue())
@click.option("--as", "owner", metavar="NAME", help="Show the text that this identity wrote here, too.")
@click.pass_obj
def show(app: App, episode: EpisodeId, owner: str | None) -> None:
    """Show an EPISODE: who, why, until when, who released keys, what the review found."""
    actor = app.actor(owner) if owner is not None else None
    with app.session() as session:
        found = [each for each in session.emergencies.episodes() if each.emergency.episode.episode_id == episode]
        if not found:
            raise UnknownEpisodeError(episode)
        (standing,) = found
        told = standing.emergency
        texts: dict[str, object] = {}
        if actor is not None:
            texts["details"] = session.emergencies.text_of(told.opened.details, owner=actor)
            texts["note"] = (
                session.emergencies.text_of(told.reviewed.note, owner=actor) if told.reviewed is not None else None
            )
    app.show(
        {
            **_row(standing),
            "opened_at": moment(told.episode.opened_at),
            "released_by": [event.custodian for event in told.released],
            "ended_by": told.ended.by if told.ended is not None else None,
            "reviewed_by": told.reviewed.reviewer if told.reviewed is not None else None,
            **texts,
        }
    )


def _row(standing: EpisodeStanding) -> dict[str, object]:
    episode = standing.emergency.episode
    state = "in force" if standing.in_force else "over"
    return {
        "episode": f"{episode.episode_id:#x}",
        "state": state,
        "patient": episode.patient,
        "clinician": episode.clinician,
        "reason": episode.reason.name.lower().replace("_", "-"),
        "ends_at": moment(episode.ends_at),
        "review": "overdue" if standing.overdue else episode.verdict.name.lower(),
        "review_due_at": moment(standing.review_due_at),
    }
