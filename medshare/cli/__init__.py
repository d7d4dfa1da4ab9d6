"""The command line: parse, call one service, print. The one place that exits and the one that prints.

Exit codes: 0 done, 1 error, 2 usage or input, 3 denied, 4 not found, 5 integrity, 6 unavailable (try again).
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from contextlib import suppress
from enum import IntEnum

import click

from medshare import errors
from medshare.cli.access import access
from medshare.cli.audit import audit
from medshare.cli.console import App, escaped
from medshare.cli.demonstrate import demo
from medshare.cli.identity import identity
from medshare.cli.network import network
from medshare.cli.place import doctor, init
from medshare.cli.record import record
from medshare.cli.storage import storage


class ExitCode(IntEnum):
    """What a script may conclude."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    DENIED = 3
    NOT_FOUND = 4
    INTEGRITY = 5
    UNAVAILABLE = 6


# The first class that fits counts.
_EXIT_CODES: tuple[tuple[type[errors.MedshareError], ExitCode], ...] = (
    (errors.AccessDeniedError, ExitCode.DENIED),
    (errors.NotThePatientError, ExitCode.DENIED),
    (errors.NotARecipientError, ExitCode.DENIED),
    (errors.WrongPassphraseError, ExitCode.DENIED),
    (errors.InvalidInputError, ExitCode.USAGE),
    (errors.GranteeIsZeroError, ExitCode.USAGE),
    (errors.GranteeIsPatientError, ExitCode.USAGE),
    (errors.PeriodEmptyError, ExitCode.USAGE),
    (errors.PurposesEmptyError, ExitCode.USAGE),
    (errors.UnknownNetworkError, ExitCode.NOT_FOUND),
    (errors.UnknownIdentityError, ExitCode.NOT_FOUND),
    (errors.DeploymentNotFoundError, ExitCode.NOT_FOUND),
    (errors.BlobNotFoundError, ExitCode.NOT_FOUND),
    (errors.UnknownRecordError, ExitCode.NOT_FOUND),
    (errors.UnknownGrantError, ExitCode.NOT_FOUND),
    (errors.EncryptionKeyNotSetError, ExitCode.NOT_FOUND),
    (errors.DeploymentMismatchError, ExitCode.INTEGRITY),
    (errors.WrongChainError, ExitCode.INTEGRITY),
    (errors.IntegrityError, ExitCode.INTEGRITY),
    (errors.EnvelopeError, ExitCode.INTEGRITY),
    (errors.BlobMismatchError, ExitCode.INTEGRITY),
    (errors.MalformedBlobError, ExitCode.INTEGRITY),
    (errors.BlobTooLargeError, ExitCode.INTEGRITY),
    (errors.StoreError, ExitCode.UNAVAILABLE),
    (errors.LedgerUnavailableError, ExitCode.UNAVAILABLE),
    (errors.LedgerBusyError, ExitCode.UNAVAILABLE),
)


def exit_code(error: errors.MedshareError) -> ExitCode:
    """Return the exit code for an error."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), ExitCode.ERROR)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=__doc__.split("\n\n")[1])
@click.version_option(package_name="medshare")
@click.option("--home", type=click.Path(file_okay=False), help="Folder with settings, keys, chain and store.")
@click.option("--network", "network_name", help="Network to use, in place of the one in the settings.")
@click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False),
    envvar="MEDSHARE_PASSPHRASE_FILE",
    help="File with the passphrase of the identities, for scripts; else it is asked for.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@click.option("-v", "--verbose", is_flag=True, help="Show where an error came from.")
@click.pass_context
def cli(
    context: click.Context,
    home: str | None,
    network_name: str | None,
    passphrase_file: str | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Patients own who reads their medical records."""
    context.obj = App(
        home=home, network=network_name, passphrase_file=passphrase_file, as_json=as_json, verbose=verbose
    )


for command in (init, demo, doctor, identity, record, access, audit, storage, network):
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; ``medshare`` on the shell does ``sys.exit(main())``."""
    words = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in words
    try:
        # A code is what a command ended with by itself, as doctor does.
        code = cli.main(args=words, prog_name="medshare", standalone_mode=False)
        sys.stdout.flush()
    except errors.MedshareError as error:
        if "-v" in words or "--verbose" in words:
            traceback.print_exc()
        _report(error, error.hint, as_json=as_json)
        return exit_code(error)
    except click.Abort:
        click.echo("stopped", err=True)
        return ExitCode.ERROR
    except click.ClickException as error:
        if as_json:
            _report(error, "medshare --help", as_json=True)
        else:
            error.show()
        return ExitCode.USAGE
    except BrokenPipeError:
        # Whoever read our output has enough of it. What is left in the buffer must not fail once more at exit.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.ERROR
    except OSError as error:
        if "-v" in words or "--verbose" in words:
            traceback.print_exc()
        _report(error, "check the files and folders that you have named", as_json=as_json)
        return ExitCode.ERROR
    return code if isinstance(code, int) else ExitCode.DONE


def _report(error: Exception, hint: str, *, as_json: bool) -> None:
    message = error.format_message() if isinstance(error, click.ClickException) else str(error)
    if as_json:
        click.echo(json.dumps({"error": _name(error), "message": message, "hint": hint}), err=True)
        return
    click.echo(f"error: {escaped(message)}", err=True)
    if hint:
        click.echo(f"hint: {escaped(hint)}", err=True)


def _name(error: Exception) -> str:
    """Return the documented name: an adapter's own refinement of an error is no word to rely on."""
    public = (kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
    return next(public, type(error).__name__)
