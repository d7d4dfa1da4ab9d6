"""How what a person wants reaches the chain: sent by himself, or signed, for somebody else to send and pay for.

    @sending_options
    @click.pass_obj
    def revoke_all(app: App, patient: str, way: Way) -> None:
        actor = app.actor(patient)
        with way.session(app, actor) as session:
            if way.handed_out(app, session, actor, lambda draft: draft.revoke_all(actor.address)):
                return
            revoked = session.consenting.revoke_all(patient=actor)

With ``--paid-by`` the services of the session sign and have another pay, without knowing of it; with ``--sign-to``
nothing is sent, and the command ends when the file is written.
"""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from medshare.cli.console import App, escaped, moment
from medshare.cli.values import parse_span
from medshare.errors import ConfigurationError
from medshare.files import refuse_existing, write_whole
from medshare.ports import Actor, Signer
from medshare.services.progress import Progress, silent

if TYPE_CHECKING:
    from medshare.model.describing import Line
    from medshare.model.typed_data import Signable
    from medshare.services.drafting import Drafting
    from medshare.session import Session

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_SIGN_TO = click.option(
    "--sign-to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Only sign it, into this new file, for a relayer to send.",
)
_PAYING = (
    click.option("--paid-by", metavar="NAME", help="Only sign it; this identity of the keyring sends it and pays."),
    click.option("--valid-for", metavar="SPAN", help="How long what is signed can be sent: 12h, 2d. Default: 1d."),
    click.option("--yes", is_flag=True, help="Do not ask, for scripts."),
)
_DEFAULT_VALIDITY = "1d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What these options say."""

    sign_to: Path | None
    paid_by: str | None
    valid_for: int
    yes: bool

    @contextmanager
    def session(self, app: App, actor: Actor) -> Iterator[Session]:
        """Open a session; with ``--paid-by`` one whose services have ``actor`` sign, and another pays.

        Raises:
            SigningRefusedError: he would have to send it himself, and his key is in a wallet that signs messages only.
            InvalidInputError: the file to write exists already.
        """
        refuse_existing(self.sign_to)
        if self.paid_by is None:
            self.payer(app, actor)
            with app.session(acts=actor) as session:
                yield session
            return
        from medshare.services.paid import Paying

        paying = Paying(
            payer=app.actor(self.paid_by).signer,
            confirm=self.confirm(app),
            names=app.keyring.name_of,
            valid_for=self.valid_for,
        )
        with app.session(paying, acts=actor) as session:
            yield session

    @contextmanager
    def progress(self, app: App) -> Iterator[Progress]:
        """Show how far long work is; not where a person is asked in the middle of it."""
        if self.paid_by is not None and not self.yes:
            yield silent
            return
        with app.progress() as progress:
            yield progress

    def handed_out(
        self,
        app: App,
        session: Session,
        actor: Actor,
        drafted: Callable[[Drafting], Signable],
        *,
        also: Mapping[str, object] | None = None,
    ) -> bool:
        """With ``--sign-to``, write what ``drafted`` returns, signed by ``actor``, to the file; tell what to do next.

        Args:
            app: the options before the command.
            session: the chain.
            actor: who signs.
            drafted: what is signed.
            also: what else to show.

        Returns:
            False, and nothing is done, where it was not said: the caller sends.

        Raises:
            SigningError: it was not confirmed, or no signature came.
            InvalidInputError: the folder of the file does not exist.
            MedshareError: as ``drafted``.
        """
        if self.sign_to is None:
            return False
        message = drafted(session.signing.draft(actor.address, valid_for=self.valid_for))
        signed = session.signing.sign(message, actor.signer, confirm=self.confirm(app), names=app.keyring.name_of)
        write_whole(self.sign_to, signed.to_json(), replace=False)
        app.show(
            {
                "file": str(self.sign_to),
                "signed": message.struct(),
                "signer": signed.signer,
                "deadline": moment(signed.deadline),
                **(also or {}),
            },
            title="signed; nothing is sent yet",
        )
        app.say(
            f"next: give the file to a relayer, or: medshare relay send {shlex.quote(str(self.sign_to))} --as PAYER"
        )
        return True

    def payer(self, app: App, actor: Actor) -> Signer:
        """Return who sends and pays what ``actor`` signs: himself, unless ``--paid-by`` names another.

        Raises:
            SigningRefusedError: he would have to send it himself, and his key is in a wallet that signs messages only.
        """
        if self.paid_by is not None:
            return app.actor(self.paid_by).signer
        from medshare.chain import RemoteAccount

        if self.sign_to is None and isinstance(actor.signer, RemoteAccount):
            actor.signer.sign_transaction({})
        return actor.signer

    def confirm(self, app: App) -> Callable[[Sequence[Line]], bool]:
        """Return what shows a person the words of a message, and asks whether he wants it."""
        return lambda lines: confirmed(lines, "Sign this?", yes=self.yes, as_json=app.as_json)


def confirmed(lines: Sequence[Line], question: str, *, yes: bool, as_json: bool) -> bool:
    """Show a person, line by line, what is about to be done, and return whether he wants it.

    Args:
        lines: what it is.
        question: what to ask.
        yes: he has said so already.
        as_json: a script reads: who has said yes is shown nothing.

    Raises:
        ConfigurationError: nobody is at the keyboard.
    """
    if yes and as_json:
        return True
    for label, text in lines:
        click.echo(f"  {label}: {escaped(text)}", err=True)
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigurationError(f"nobody is there to be asked: {question}", hint="say --yes in a script")
    return click.confirm(question, err=True)


def for_option(command: Decorated) -> Decorated:
    """Give a command ``--for``: the patient, where another acts for him; it gets it as ``on_behalf_of``."""
    said = "The patient, where --as acts for him: a delegate, or the key that took over."
    return click.option("--for", "on_behalf_of", metavar="WHO", help=said)(command)


def sending_options(command: Decorated) -> Decorated:
    """Give a command ``--sign-to``, ``--paid-by``, ``--valid-for`` and ``--yes``; it gets them as ``way``."""
    return _decorated(command, (_SIGN_TO, *_PAYING))


def signing_options(command: Decorated) -> Decorated:
    """Give a command the same, where it always signs, whoever sends: ``--valid-for`` stands alone, too."""
    return _decorated(command, (_SIGN_TO, *_PAYING), always_signs=True)


def paying_options(command: Decorated) -> Decorated:
    """Give a command the same but ``--sign-to``: one that sends several things, or nothing that can be handed out."""
    return _decorated(command, _PAYING)


def _decorated(command: Decorated, options: Sequence[Callable[[Any], Any]], *, always_signs: bool = False) -> Decorated:
    ways = "--paid-by, or --sign-to" if _SIGN_TO in options else "--paid-by"

    @functools.wraps(command)
    def with_way(
        *args: Any,  # noqa: ANN401 - whatever the command takes
        paid_by: str | None,
        valid_for: str | None,
        yes: bool,
        sign_to: Path | None = None,
        **more: Any,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - as above
        if sign_to is not None and paid_by is not None:
            raise click.UsageError("say --sign-to or --paid-by, not both")
        if sign_to is None and paid_by is None and not always_signs and valid_for is not None:
            raise click.UsageError(f"--valid-for is about what is signed: say {ways}, too")
        way = Way(sign_to=sign_to, paid_by=paid_by, valid_for=parse_span(valid_for or _DEFAULT_VALIDITY), yes=yes)
        return command(*args, way=way, **more)

    decorated: Any = with_way
    for option in reversed(options):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]
