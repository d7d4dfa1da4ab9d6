"""``medshare inbox``: what happened since one last looked, and what waits; emergencies first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from medshare.cli.console import App, Command, escaped, moment

if TYPE_CHECKING:
    from medshare.services.notices import Notice


@click.command("inbox", cls=Command)
@click.option("--as", "name", required=True, metavar="NAME", help="Whose inbox: a name or an address, no key.")
@click.option("--all", "everything", is_flag=True, help="All that ever happened.")
@click.pass_obj
def inbox(app: App, name: str, everything: bool) -> None:
    """Show what happened since you last looked, and what waits for you; emergencies first.

    It is read from the chain, so that nobody can hold a message back. What waits for an answer is shown until it is
    answered.
    """
    account = app.keyring.resolve(name)
    with app.session() as session:
        mail = session.inbox.read(account, everything=everything)
        rows = [_row(notice, name) for notice in mail.notices]
        if app.as_json:
            app.show_all(rows, nothing="")
        else:
            _tell(app, mail.notices, name)
        # Only now: what was not shown is not seen.
        session.inbox.mark_seen(account, mail)


def _row(notice: Notice, name: str) -> dict[str, object]:
    return {
        "urgency": notice.urgency.name.lower(),
        "kind": notice.kind,
        "at": moment(notice.at),
        "says": notice.says,
        "who": notice.who,
        "patient": notice.patient,
        "until": moment(notice.until),
        "waits": notice.waits,
        "episode": f"{notice.episode_id:#x}" if notice.episode_id is not None else None,
        "request": notice.request_id,
        "proposal": notice.proposal_id,
        "answer": notice.answer.format(me=name) or None,
    }


def _tell(app: App, notices: tuple[Notice, ...], name: str) -> None:
    if not notices:
        click.echo("nothing new")
    for notice in notices:
        mark = "!" if notice.waits else " "
        who = f" — {app.name_of(notice.who)}" if notice.who is not None else ""
        of = f", patient {app.name_of(notice.patient)}" if notice.patient is not None else ""
        until = f", until {moment(notice.until)}" if notice.until is not None else ""
        click.echo(escaped(f"{mark} {notice.urgency.name:<9}  {moment(notice.at)}  {notice.says}{who}{of}{until}"))
        if notice.answer:
            click.echo(f"    {app.respelled(notice.answer.format(me=name))}")
