"""``medshare identity``: who acts from this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from medshare.cli.console import App, Group
from medshare.cli.sending import Way, sending_options
from medshare.envelope import Identity, Recipient
from medshare.errors import KeyFileError, MedshareError
from medshare.model.ids import address

if TYPE_CHECKING:
    from medshare.chain import LocalSigner, RemoteAccount

_KINDS = ("standard", "web3signer", "clef")


@click.group(cls=Group)
def identity() -> None:
    """Who acts from this machine: signing and encryption keys."""


@identity.command("new")
@click.argument("name")
@click.option("--keystore", type=click.Path(dir_okay=False, path_type=Path), help="Import this keystore (v3) file.")
@click.option(
    "--encryption-key", type=click.Path(dir_okay=False, path_type=Path), help="Import this Crypt4GH secret key file."
)
@click.option(
    "--mnemonic-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Import an account of the wallet whose mnemonic phrase is in this file.",
)
@click.option("--hd-path", metavar="PATH", help="Which account, with --mnemonic-file. Default: m/44'/60'/0'/0/0.")
@click.option("--offline", is_flag=True, help="Only make the keys: no coins, nothing published.")
@click.option(
    "--signer-url", metavar="URL", help="The signing key stays in this wallet; ${NAME} is from the environment."
)
@click.option("--address", "account", metavar="ADDRESS", help="The wallet's account, with --signer-url.")
@click.option("--signer-kind", type=click.Choice(list(_KINDS)), help="How the wallet is asked. Default: standard.")
@click.pass_obj
def new(
    app: App,
    name: str,
    keystore: Path | None,
    encryption_key: Path | None,
    mnemonic_file: Path | None,
    hd_path: str | None,
    offline: bool,
    signer_url: str | None,
    account: str | None,
    signer_kind: str | None,
) -> None:
    """Make an identity, and publish its encryption key in the Directory.

    Imported files must be locked with the same passphrase that the identity gets. On development networks the new
    account gets coins; elsewhere send it some and run: medshare identity publish NAME

    No coins are needed where others relay what it signs: make it with --offline, then say --paid-by or --sign-to. With
    --signer-url its key is in a wallet, or its account a contract, and it signs messages only.
    """
    from medshare.chain import LocalSigner, load_network
    from medshare.chain.accounts import FIRST_ACCOUNT

    if (signer_url is None) != (account is None) or (signer_url is None and signer_kind is not None):
        raise click.UsageError("say --signer-url and --address together")
    if sum(given is not None for given in (keystore, mnemonic_file, signer_url)) > 1:
        raise click.UsageError("say one of --keystore, --mnemonic-file and --signer-url")
    if hd_path is not None and mnemonic_file is None:
        raise click.UsageError("--hd-path goes with --mnemonic-file")

    # Asked first: on a network that is not known no keys are made.
    settings = app.settings
    faucet = load_network(settings.network, settings.networks_file).has_faucet
    passphrase = app.new_passphrase(name)
    signer: LocalSigner | RemoteAccount | None = None
    if signer_url is not None and account is not None:
        signer = _remote(signer_url, account, signer_kind)
    elif keystore is not None:
        signer = LocalSigner.from_keystore(keystore, passphrase)
    elif mnemonic_file is not None:
        signer = LocalSigner.from_mnemonic_file(mnemonic_file, hd_path or FIRST_ACCOUNT)
    actor = app.keyring.create(
        name,
        passphrase,
        signer=signer,
        identity=Identity.load(encryption_key, passphrase) if encryption_key else None,
    )
    coins = f"medshare identity fund {name}" if faucet else f"send coins to {actor.address}"
    then = (
        f"{coins} && medshare identity publish {name}" if faucet else f"{coins}, then: medshare identity publish {name}"
    )
    if signer_url is not None:
        then = f"medshare identity publish {name} --paid-by NAME"
    published = False
    if faucet and not offline and signer_url is None:
        try:
            with app.session() as session:
                session.chain.fund(actor.address)
                session.ledger.directory.set_encryption_key(actor.signer, actor.identity.recipient.key)
                published = True
        except MedshareError as error:
            error.hint = f"the keys are made; then: {then}"
            raise
    app.show(
        {
            "name": name,
            "address": actor.address,
            "encryption_key": actor.identity.recipient.fingerprint,
            "published": published,
        },
        title="new identity",
    )
    if not published:
        app.say(f"next: {then}")


def _remote(url: str, account: str, kind: str | None) -> RemoteAccount:
    from medshare.chain import Dialect, RemoteAccount

    return RemoteAccount(address=address(account), url=url, dialect=Dialect[(kind or _KINDS[0]).upper()])


@identity.command("publish")
@click.argument("name")
@sending_options
@click.pass_obj
def publish(app: App, name: str, way: Way) -> None:
    """Publish an identity's encryption key in the Directory, or put it in the place of an earlier one."""
    actor = app.actor(name)
    key = actor.identity.recipient.key
    with way.session(app, actor) as session:
        if way.handed_out(app, session, actor, lambda draft: draft.set_encryption_key(key)):
            return
        receipt = session.ledger.directory.set_encryption_key(actor.signer, key)
    app.show(
        {"name": name, "encryption_key": actor.identity.recipient.fingerprint, "block": receipt.block.number},
        title="published",
    )


@identity.command("fund")
@click.argument("who")
@click.pass_obj
def fund(app: App, who: str) -> None:
    """Give an account coins, on development networks only."""
    account = app.keyring.resolve(who)
    with app.session() as session:
        session.chain.fund(account)
    app.show({"address": account}, title="funded")


@identity.command("list")
@click.pass_obj
def list_(app: App) -> None:
    """List the identities on this machine."""
    keyring = app.keyring
    rows: list[dict[str, object]] = []
    for name in keyring.names():
        try:
            rows.append({"name": name, "address": keyring.resolve(name), "damaged": None})
        except KeyFileError as error:
            rows.append({"name": name, "address": None, "damaged": str(error)})
    app.show_all(
        rows,
        nothing="no identities yet; make one with: medshare identity new NAME",
        named=False,
    )


@identity.command("show")
@click.argument("who")
@click.pass_obj
def show(app: App, who: str) -> None:
    """Show an identity or address, and the encryption keys it has published."""
    account = app.keyring.resolve(who)
    with app.session() as session:
        keys = session.auditing.encryption_keys(account)
    app.show(
        {
            "address": account,
            "name": app.keyring.name_of(account),
            "encryption_keys": [f"v{key.version} {Recipient(key.key).fingerprint}" for key in keys],
        }
    )


@identity.command("export")
@click.argument("name")
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.pass_obj
def export(app: App, name: str, folder: Path) -> None:
    """Copy an identity's encryption key to a folder, in Crypt4GH's own format; the secret stays locked."""
    passphrase = app.passphrase(name)
    secret, _ = app.keyring.key_files(name)
    key = Identity.load(secret, passphrase)
    key.save(folder / f"{name}.sec", passphrase)
    key.recipient.save(folder / f"{name}.pub")
    app.show({"secret": str(folder / f"{name}.sec"), "public": str(folder / f"{name}.pub")}, title="exported")
