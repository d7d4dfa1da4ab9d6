"""``medshare init`` and ``medshare doctor``: a place to work in, and whether it is sound."""

from __future__ import annotations

from dataclasses import replace

import click

from medshare.cli.console import App, Command
from medshare.envelope import Recipient
from medshare.errors import HomeNotFoundError, MedshareError
from medshare.services.examining import Finding, Health
from medshare.settings import Settings, StoreKind, StoreSettings

_MARKS = {Health.GOOD: "ok  ", Health.WARNING: "warn", Health.BAD: "BAD "}


@click.command(cls=Command)
@click.option("--store", type=click.Choice([kind.value for kind in StoreKind]), help="Default: as it is, else local.")
@click.option("--kubo", "address", metavar="MULTIADDR", help="Kubo's RPC, with --store kubo.")
@click.option("--kubo-token", "token", metavar="VARIABLE", help="Environment variable with Kubo's bearer token.")
@click.option("--gateway", metavar="URL", help="A gateway to only read from, with --store gateway.")
@click.pass_obj
def init(app: App, store: str | None, address: str | None, token: str | None, gateway: str | None) -> None:
    """Make a place to work in: settings, store, and on the embedded chain the contracts.

    On another network the contracts must be deployed first (scripts/deploy.py). A Kubo node must answer. Given again,
    it changes what it is told to change, and nothing else.
    """
    from medshare.session import make_home

    if (store == StoreKind.KUBO) != (address is not None) or (token is not None and address is None):
        raise click.UsageError(
            "--store kubo needs --kubo MULTIADDR, such as /ip4/127.0.0.1/tcp/5001/http; "
            "--kubo and --kubo-token go with nothing else"
        )
    if (store == StoreKind.GATEWAY) != (gateway is not None):
        raise click.UsageError("--store gateway needs --gateway URL, which goes with nothing else")
    settings = Settings.begin(app.folder).on(app.network)
    if store is not None:
        chosen = StoreSettings(
            kind=StoreKind(store), address=address or gateway, token=token, gateways=settings.store.gateways
        )
        settings = replace(settings, store=chosen)
    make_home(settings)
    with app.session() as session:
        head = session.ledger.chain.head()
    app.show(
        {
            "home": str(settings.home),
            "network": settings.network,
            "store": settings.store.kind.value,
            "block": head.number,
        },
        title="ready; next: medshare identity new NAME",
    )


@click.command(cls=Command)
@click.option("--deep", is_flag=True, help="Read and hash every block of the records published from here, too.")
@click.pass_obj
def doctor(app: App, deep: bool) -> None:
    """Say what is wrong with chain, store, space, keys and clock, and how to mend it.

    The exit code is 1 if a line says BAD.
    """
    show_findings(app, _findings(app, deep=deep))


def show_findings(app: App, findings: list[Finding]) -> None:
    """Print what was found; the program ends with 1 where something is bad."""
    if app.as_json:
        app.show_all([_row(app, finding) for finding in findings], nothing="")
    else:
        for finding in findings:
            app.say(f"{_MARKS[finding.health]}  {finding.check}: {finding.says}")
            if finding.mend:
                app.say(f"      {finding.mend}")
    if any(finding.health is Health.BAD for finding in findings):
        raise click.exceptions.Exit(1)


def _findings(app: App, *, deep: bool) -> list[Finding]:
    found: list[Finding] = []
    identities = []
    try:
        keyring = app.keyring
        for name in keyring.names():
            try:
                keyring.check(name)
                key = Recipient.load(keyring.key_files(name)[1]).key
                identities.append((name, keyring.resolve(name), key))
            except MedshareError as error:
                mend = error.hint or f"restore {keyring.key_files(name)[0].parent} from a backup"
                found.append(Finding(check=f"identity {name}", health=Health.BAD, says=str(error), mend=mend))
        with app.session() as session, app.progress() as progress:
            return [*session.examining.examine(identities, deep=deep, progress=progress), *found]
    except HomeNotFoundError:
        raise
    except MedshareError as error:
        # Without a session there is nothing more to examine: this is the finding.
        return [Finding(check="session", health=Health.BAD, says=str(error), mend=error.hint), *found]
    except OSError as error:
        mend = "see that this user may read and write in the home"
        return [Finding(check="session", health=Health.BAD, says=str(error), mend=mend), *found]


def _row(app: App, finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "health": finding.health.value,
        "says": finding.says,
        "mend": app.respelled(finding.mend),
    }
