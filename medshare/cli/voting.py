"""``medshare consortium proposals``, ``proposal``, ``vote``, ``execute``: what was proposed, and what becomes of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medshare.cli.console import App, Command, moment
from medshare.cli.consortium import KIND_NAMES, acting, member_option
from medshare.cli.sending import confirmed
from medshare.errors import InvalidInputError, SigningRefusedError
from medshare.files import refuse_existing, write_whole
from medshare.model.accreditation import AccreditationKind
from medshare.model.ids import ProposalId

if TYPE_CHECKING:
    from medshare.model.describing import Line
    from medshare.services.governing import ProposalStanding
    from medshare.session import Session

_NUMBER = click.IntRange(min=1)
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("proposals", cls=Command)
@click.option("--open", "only_open", is_flag=True, help="Only those that can be voted for or executed.")
@click.pass_obj
def proposals(app: App, only_open: bool) -> None:
    """List what was proposed, and how it stands."""
    with app.session() as session:
        found = session.governing.proposals()
    app.show_all(
        [proposal_row(app, each) for each in found if each.is_open or not only_open], nothing="nothing is proposed"
    )


@click.command("proposal", cls=Command)
@click.argument("number", type=_NUMBER)
@click.option("--as", "owner", metavar="NAME", help="Show the reason, where this identity proposed it from here.")
@click.option("--export", type=_FILE, help="With --as: new file with reason and salt, for the other members.")
@click.option("--reason", "reason_file", type=_FILE, help="Such a file, to be checked and shown.")
@click.pass_obj
def proposal(app: App, number: int, owner: str | None, export: Path | None, reason_file: Path | None) -> None:
    """Show proposal NUMBER: what it does, in words and as it is sent, who voted, and why it was proposed."""
    if export is not None and owner is None:
        raise click.UsageError("say --as, too: whose reason it is")
    refuse_existing(export)
    actor = app.actor(owner) if owner is not None else None
    with app.session() as session:
        found = session.governing.proposal(ProposalId(number))
        reason = _checked(session, found, reason_file)
        kept = session.governing.reason_of(found, owner=actor) if actor is not None else None
    if export is not None:
        if kept is None:
            raise InvalidInputError("the reason is not kept here", hint="ask the member that proposed it")
        write_whole(export, kept.to_json(), replace=False)
    proposed = found.proposed
    app.show(
        {
            **proposal_row(app, found),
            "proposed_at": moment(proposed.place.block.time),
            "contract": found.contract,
            "target": proposed.target,
            "function": found.call.signature if found.call is not None else None,
            "arguments": _arguments(found),
            "calldata": f"0x{proposed.call_data.hex()}",
            "voted": [each.member for each in found.ballots if each.counts],
            "voted_and_lost_seat": [each.member for each in found.ballots if not each.counts],
            "executed_by": found.executed.by if found.executed is not None else None,
            "warnings": [text for label, text in _lines(app, found) if label == "warning"],
            "reason_digest": f"0x{proposed.reason.hex()}",
            "reason": reason if reason is not None else (kept.text if kept is not None else None),
            "file": str(export) if export is not None else None,
        }
    )
    say_next(app, found)


@click.command("vote", cls=Command)
@click.argument("number", type=_NUMBER)
@member_option
@click.option("--reason", "reason_file", type=_FILE, help="The proposer's file with the reason, to be shown.")
@click.option("--yes", is_flag=True, help="Vote without asking, for scripts.")
@click.pass_obj
def vote(app: App, number: int, member: str | None, reason_file: Path | None, yes: bool) -> None:
    """Vote for proposal NUMBER, after it was shown in words. Who is against it does not vote."""
    from medshare.model.describing import Line

    actor = app.actor(member) if member is not None else None
    with app.session() as session:
        found = session.governing.proposal(ProposalId(number))
        reason = _checked(session, found, reason_file)
        lines = [*_lines(app, found), *([Line("because", reason)] if reason is not None else [])]
        if not confirmed(lines, "Vote for this?", yes=yes, as_json=app.as_json):
            raise SigningRefusedError("the vote was not confirmed")
        receipt = session.governing.vote(found, member=acting(session, actor))
        found = session.governing.proposal(found.proposal_id)
    app.show({**proposal_row(app, found), "block": receipt.block.number}, title="voted")
    say_next(app, found)


@click.command("execute", cls=Command)
@click.argument("number", type=_NUMBER)
@click.option("--as", "payer", metavar="NAME", help="Who sends it and pays; anybody may. Development: not needed.")
@click.pass_obj
def execute(app: App, number: int, payer: str | None) -> None:
    """Execute proposal NUMBER, which has passed; anybody may, until its deadline."""
    actor = app.actor(payer) if payer is not None else None
    with app.session() as session:
        receipt = session.governing.execute(ProposalId(number), payer=acting(session, actor))
        found = session.governing.proposal(ProposalId(number))
    app.show({**proposal_row(app, found), "block": receipt.block.number}, title="executed")


def proposal_row(app: App, each: ProposalStanding) -> dict[str, object]:
    """Return what a script or a person reads of a proposal."""
    from medshare.model.describing_calls import in_words, unknown_in_words

    names = app.keyring.name_of
    call_data = each.proposed.call_data
    return {
        "proposal": each.proposal_id,
        "state": each.state.value,
        "what": unknown_in_words(call_data) if each.call is None else in_words(each.call, names),
        "proposer": each.proposed.proposer,
        # How many would count and be needed now says nothing about what is over.
        "votes": each.tally.votes if each.is_open else len(each.ballots),
        "needed": each.tally.needed if each.is_open else None,
        "deadline": moment(each.proposed.deadline),
    }


def _arguments(each: ProposalStanding) -> dict[str, object] | None:
    if each.call is None:
        return None
    found = asdict(each.call)
    return {name: KIND_NAMES[value] if isinstance(value, AccreditationKind) else value for name, value in found.items()}


def _lines(app: App, each: ProposalStanding) -> tuple[Line, ...]:
    from medshare.model.describing_calls import describe_call

    return describe_call(
        each.call,
        each.proposed.call_data,
        contract=each.contract,
        target=each.proposed.target,
        names=app.keyring.name_of,
    )


def _checked(session: Session, found: ProposalStanding, reason_file: Path | None) -> str | None:
    """Return the reason in a file, if one was named and it is the one on chain."""
    if reason_file is None:
        return None
    from medshare.services.kept_texts import MAX_DOCUMENT

    try:
        with reason_file.open("rb") as stream:
            document = stream.read(MAX_DOCUMENT + 1)
    except OSError as error:
        raise InvalidInputError(f"the reason cannot be read: {error.strerror}", hint=f"check {reason_file}") from error
    return session.governing.check_reason(found, document)


def say_next(app: App, each: ProposalStanding) -> None:
    """Tell a person what can be done with a proposal now."""
    from medshare.services.governing import ProposalState

    if each.state is ProposalState.PENDING:
        app.say(f"next, until the deadline: medshare consortium vote {each.proposal_id} --as MEMBER")
    elif each.state is ProposalState.PASSED:
        app.say(
            f"it has passed; until the deadline anybody may: medshare consortium execute {each.proposal_id} --as PAYER"
        )
