"""How what a person wants reaches the chain: sent by himself, or signed, for somebody else to send and pay for.

    @sending_options
    @click.pass_obj
    def revoke_all(app: App, patient: str, way: Way) -> None:
        actor = app.actor(patient)
        with way.session(app) as session:
            if way.handed_out(app, session, actor, lambda draft: draft.revoke_all(actor.address)):
                return
            revoked = session.consenting.revoke_all(patient=actor)

With ``--paid-by`` the services of the session sign and have another pay, without knowing of it; with ``--sign-to``
nothing is sent, and the command ends when the file is written.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from medshare.cli.console import App, escaped, moment
from medshare.cli.values import parse_span
from medshare.errors import ConfigurationError, InvalidInputError
from medshare.files import write_whole
from medshare.ports import Actor

if TYPE_CHECKING:
    from medshare.model.describing import Line
    from medshare.model.typed_data import Signable
    from medshare.services.drafting import Drafting
    from medshare.session import Session

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--sign-to",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Only sign it, into this new file, for a relayer to send.",
    ),
    click.option("--paid-by", metavar="NAME", help="Only sign it; this identity of the keyring sends it and pays."),
    click.option(
        "--valid-for", metavar="SPAN", default="1d", show_default=True, help="How long it can be sent: 2d, 12h."
    ),
    click.option("--yes", is_flag=True, help="Sign without asking, for scripts."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What these options say."""

    sign_to: Path | None
    paid_by: str | None
    valid_for: int
    yes: bool

    @contextmanager
    def session(self, app: App) -> Iterator[Session]:
        """Open a session; with ``--paid-by`` one whose services sign, and another pays."""
        if self.paid_by is None:
            with app.session() as session:
                yield session
            return
        from medshare.services.paid import Paying

        paying = Paying(
            payer=app.actor(self.paid_by).signer,
            confirm=self.confirm(app),
            names=app.keyring.name_of,
            valid_for=self.valid_for,
        )
        with app.session(paying) as session:
            yield session

    def handed_out(self, app: App, session: Session, actor: Actor, drafted: Callable[[Drafting], Signable]) -> bool:
        """With ``--sign-to``, write what ``drafted`` returns, signed by ``actor``, to the file; tell what to do next.

        Returns:
            False, and nothing is done, where it was not said: the caller sends.

        Raises:
            SigningError: it was not confirmed, or no signature came.
            InvalidInputError: the file exists already, or its folder does not.
            MedshareError: as ``drafted``.
        """
        if self.sign_to is None:
            return False
        if self.sign_to.exists():
            raise InvalidInputError("the file to write exists already", hint="choose another name")
        message = drafted(session.signing.draft(actor.address, valid_for=self.valid_for))
        signed = session.signing.sign(message, actor.signer, confirm=self.confirm(app), names=app.keyring.name_of)
        write_whole(self.sign_to, signed.to_json(), replace=False)
        app.show(
            {
                "file": str(self.sign_to),
                "signed": message.struct(),
                "signer": signed.signer,
                "deadline": moment(signed.deadline),
            },
            title="signed; nothing is sent yet",
        )
        app.say(f"next: give the file to a relayer, or: medshare relay send {self.sign_to} --as PAYER")
        return True

    def confirm(self, app: App) -> Callable[[Sequence[Line]], bool]:
        """Return what shows a person the words of a message, and asks whether he wants it."""

        def asked(lines: Sequence[Line]) -> bool:
            if self.yes and app.as_json:
                return True
            for label, text in lines:
                click.echo(f"  {label}: {escaped(text)}", err=True)
            if self.yes:
                return True
            if not sys.stdin.isatty():
                raise ConfigurationError("nobody is there to be asked whether to sign", hint="say --yes in a script")
            return click.confirm("Sign this?", err=True)

        return asked


def sending_options(command: Decorated) -> Decorated:
    """Give a command ``--sign-to``, ``--paid-by``, ``--valid-for`` and ``--yes``; it gets them as ``way``."""

    @functools.wraps(command)
    def with_way(*args: Any, sign_to: Path | None, paid_by: str | None, valid_for: str, yes: bool, **more: Any) -> Any:  # noqa: ANN401 - whatever the command takes
        if sign_to is not None and paid_by is not None:
            raise click.UsageError("say --sign-to or --paid-by, not both")
        way = Way(sign_to=sign_to, paid_by=paid_by, valid_for=parse_span(valid_for), yes=yes)
        return command(*args, way=way, **more)

    decorated: Any = with_way
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]
