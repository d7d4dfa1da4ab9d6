"""``medshare``: what stands before every command, and the commands."""

from __future__ import annotations

import click

from medshare.cli.access import access
from medshare.cli.accounting import COMMANDS as ACCOUNTING
from medshare.cli.arriving import publish
from medshare.cli.audit import audit
from medshare.cli.consent import consent
from medshare.cli.consent_documents import COMMANDS as CONSENT_DOCUMENTS
from medshare.cli.console import App
from medshare.cli.consortium import consortium
from medshare.cli.delegate import delegate
from medshare.cli.demonstrate import demo
from medshare.cli.emergency import emergency
from medshare.cli.erasure import COMMANDS as ERASURE
from medshare.cli.exam import exam
from medshare.cli.examining import check, score_
from medshare.cli.guardian import guardian
from medshare.cli.history import history
from medshare.cli.identity import identity
from medshare.cli.inbox import inbox
from medshare.cli.network import network
from medshare.cli.participation import accept, decline, deliver, offers, submit
from medshare.cli.place import doctor, init
from medshare.cli.proposing import propose
from medshare.cli.quality import quality
from medshare.cli.receipt import receipt
from medshare.cli.record import record
from medshare.cli.relay import relay
from medshare.cli.request import request
from medshare.cli.reward import reward
from medshare.cli.rotate import rotate
from medshare.cli.signed import signed
from medshare.cli.storage import storage
from medshare.cli.voting import execute, proposal, proposals, vote

_EXIT_CODES = (
    "Exit codes: 0 done, 1 error, 2 usage or input, 3 denied, 4 not found, 5 integrity, 6 unavailable (try again), 130 "
    "stopped from the keyboard."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXIT_CODES)
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


for document in CONSENT_DOCUMENTS:
    consent.add_command(document)
for arriving in (publish, check, score_):
    record.add_command(arriving)
record.add_command(history)
record.add_command(rotate)
for erasing in ERASURE:
    record.add_command(erasing)
for accounting in ACCOUNTING:
    audit.add_command(accounting)
for verb in (propose, proposals, proposal, vote, execute):
    consortium.add_command(verb)
for taking_part in (offers, accept, submit, deliver, decline):
    request.add_command(taking_part)
for command in (
    init,
    demo,
    doctor,
    identity,
    record,
    consent,
    access,
    delegate,
    guardian,
    emergency,
    receipt,
    quality,
    exam,
    consortium,
    request,
    reward,
    inbox,
    relay,
    signed,
    audit,
    storage,
    network,
):
    cli.add_command(command)
