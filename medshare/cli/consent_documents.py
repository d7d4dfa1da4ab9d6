"""``medshare consent export``, ``import``, ``receipt``, ``controller``: FHIR Consents, receipts (ISO/IEC TS 27560)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from medshare.cli.console import App, Command, moment
from medshare.cli.record import find
from medshare.cli.values import GrantIdValue, RecordIdValue
from medshare.errors import InvalidInputError, UnknownGrantError
from medshare.files import refuse_existing, write_whole
from medshare.model.documents import MAX_DOCUMENT_SIZE
from medshare.model.ids import Address, GrantId
from medshare.model.record import RecordRef
from medshare.ports import Actor
from medshare.standards.fhir_consent import BreakGlass, Known, Profile, Version, profile_of, r4, r5, read_consent
from medshare.standards.receipt_27560 import MAX_RECEIPT_SIZE, PiiController, Receipt

if TYPE_CHECKING:
    from medshare.receipting import KeptConsent
    from medshare.services.auditing import GrantStanding
    from medshare.session import Session

Meant = TypeVar("Meant")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)
_SEALED = b"crypt4gh"
_SEALED_MORE = 1 << 20
"""What sealing adds at most to a receipt: its header."""


@click.command("export", cls=Command)
@click.argument("grant_id", type=GrantIdValue())
@click.option("--as", "party", required=True, metavar="NAME", help="Identity of the patient, or of the reader.")
@click.option(
    "--format",
    "version",
    type=click.Choice([each.value for each in Version]),
    default=Version.R4.value,
    show_default=True,
    help="Which FHIR.",
)
@click.option("--profile", type=click.Choice([each.value for each in Profile]), help="Of IHE PCF; R4 only.")
@click.option("--organization", metavar="WHO", help="Who applies it: PCF wants that said.")
@click.option("--to", "target", type=_NEW_FILE, required=True, metavar="FILE", help="New file.")
@click.pass_obj
def export(
    app: App,
    grant_id: GrantId,
    party: str,
    version: str,
    profile: str | None,
    organization: str | None,
    target: Path,
) -> None:
    """Write a consent as FHIR Consent, so that it decides there as it does here.

    What FHIR or the profile has no place for is refused, with the provision's number. The file says what the patient
    consents to, in clear: keep it as confidential as the terms. docs/consent-standards.md says what stands where.
    """
    if profile is not None and version != Version.R4:
        raise click.UsageError("IHE PCF's profiles are of FHIR R4: --profile goes with --format fhir-r4")
    refuse_existing(target)
    actor = app.actor(party)
    applies = None if organization is None else app.keyring.resolve(organization)
    with app.session() as session:
        from medshare.services.bundles import open_terms

        standing = _standing(session, grant_id)
        terms = open_terms(session.store, standing, actor.identity)
        given = session.receipting.given(standing, terms, organization=applies)
    if version == Version.R5:
        resource, conforms = r5.to_fhir(given), None
    else:
        resource = r4.to_fhir(given, None if profile is None else Profile(profile))
        conforms = profile_of(resource).profile
    write_whole(target, json.dumps(resource, indent=2, ensure_ascii=False).encode(), replace=False)
    app.show(
        {
            "grant": f"{grant_id:#x}",
            "format": version,
            "profile": None if conforms is None else conforms.value,
            "status": resource["status"],
            "provisions": len(given.terms.provisions),
            "file": str(target),
        },
        title="written, in clear",
    )


@click.command("import", cls=Command)
@click.argument("file", type=_FILE)
@click.option("--to", "target", type=_NEW_FILE, required=True, metavar="FILE", help="New file of provisions.")
@click.option("--reader", metavar="WHO", help="For whom; default: the one whom the Consent names.")
@click.option(
    "--who", "people", multiple=True, metavar="REF=WHO", help="Whom a reference means: Practitioner/17=doctor."
)
@click.option("--record", "records", multiple=True, metavar="REF=ID", help="Which record a reference means.")
@click.option(
    "--policy", "policies", multiple=True, metavar="URI", help="I have read it: it says no more than the provisions."
)
@click.pass_obj
def import_(
    app: App,
    file: Path,
    target: Path,
    reader: str | None,
    people: tuple[str, ...],
    records: tuple[str, ...],
    policies: tuple[str, ...],
) -> None:
    """Read a FHIR Consent, R4 or R5, and write its provisions; nothing is granted.

    The file is for: medshare consent give --provisions FILE. What provisions cannot say is refused, with the element;
    nothing is left out or weakened.
    """
    refuse_existing(target)
    document = _read(file, MAX_DOCUMENT_SIZE)
    meant = _pairs(people, "--who", app.keyring.resolve)
    account = None if reader is None else app.keyring.resolve(reader)
    with app.session() as session:
        known = Known(
            chain_id=session.ledger.chain.chain_id,
            people=meant,
            records=_pairs(records, "--record", lambda text: _record(session, app, text)),
            policies=frozenset(policies),
        )
        now = session.clock.now()
    found = read_consent(document, known, account)
    if not found.permits:
        raise InvalidInputError(
            "the Consent permits this reader nothing: there is nothing to grant",
            hint="what stands ends with: medshare access revoke-all --as PATIENT; nothing is permitted then, but "
            "break-glass: medshare emergency bar --as PATIENT",
        )
    if found.expires_at is not None and found.expires_at <= now:
        raise InvalidInputError(f"the Consent ended at {moment(found.expires_at)}: there is nothing to grant")
    content = {"provisions": [each.fields() for each in found.provisions]}
    write_whole(target, json.dumps(content, indent=2, ensure_ascii=False).encode(), replace=False)
    app.show(
        {
            "patient": found.patient,
            "reader": found.reader,
            "provisions": [each.in_words() for each in found.provisions],
            "not_before": moment(found.not_before),
            "expires_at": moment(found.expires_at),
            "break_glass": found.break_glass.value,
            "file": str(target),
        },
        title="read; nothing is granted yet",
    )
    if found.not_before is not None and found.not_before > now:
        app.say(f"it begins later: give it with --from {moment(found.not_before)}")
    if found.expires_at is not None:
        app.say(f"it ends: give it with --until {moment(found.expires_at)}, or earlier")
    if found.break_glass is BreakGlass.REFUSED:
        app.say("it does not permit break-glass; a clinician can, unless the patient bars it: medshare emergency bar")


@click.command("receipt", cls=Command)
@click.argument("grant_id", type=GrantIdValue(), required=False)
@click.option("--as", "party", metavar="NAME", help="Identity of the patient or the reader, or of who is to open it.")
@click.option(
    "--controller", type=_FILE, help="JSON file with the PII controller's profile, in place of what the receipt says."
)
@click.option("--for", "others", multiple=True, metavar="WHO", help="Who else can open it, such as the controller.")
@click.option("--to", "target", type=_NEW_FILE, metavar="FILE", help="New file, Crypt4GH.")
@click.option("--verify", "file", type=_FILE, help="Compare this receipt with the chain.")
@click.pass_obj
def receipt(
    app: App,
    grant_id: GrantId | None,
    party: str | None,
    controller: Path | None,
    others: tuple[str, ...],
    target: Path | None,
    file: Path | None,
) -> None:
    """Show the receipt of a consent (ISO/IEC TS 27560), or those of all consents of a party; write or verify one.

    Each consent has one: it is made with the consent, and says how the consent stands now. It holds the terms with
    their salt: whoever can open it can compare it with the grant on chain, for ever. A receipt in a file that was true,
    and is no longer, does not verify: exit code 5.
    """
    if file is not None:
        if grant_id is not None or controller is not None or target is not None or others:
            raise click.UsageError("--verify goes with --as alone")
        _verify(app, file, party)
        return
    if party is None or (grant_id is None and (controller is not None or target is not None)):
        raise click.UsageError("say --as, and GRANT_ID for one consent; or --verify FILE")
    if others and target is None:
        raise click.UsageError("--for goes with --to")
    refuse_existing(target)
    actor = app.actor(party)
    if grant_id is None:
        with app.session() as session:
            found = session.receipting.all(actor)
        app.show_all([_kept_row(each) for each in found], nothing="no consents")
        return
    profile = None if controller is None else PiiController.from_json(_read(controller, MAX_DOCUMENT_SIZE))
    with app.session() as session:
        made = session.receipting.of(grant_id, party=actor, controller=profile)
        if target is None:
            app.show(_receipt(made, _standing(session, grant_id)), title="receipt")
            return
        readers = _write(app, session, made, actor, others, target)
    app.show({**_row(made), "readers": list(readers), "file": str(target)}, title="made; encrypted for its readers")


@click.command("controller", cls=Command)
@click.argument("file", type=_FILE)
@click.option(
    "--of", "account", required=True, metavar="WHO", help="Whose profile it is: the reader's name or address."
)
@click.pass_obj
def controller(app: App, file: Path, account: str) -> None:
    """Keep what a PII controller says of itself in a FILE, for the receipts of consents that are given it from now on.

    Without one a receipt says that it is not stated. docs/consent-standards.md has the fields.
    """
    who, document = app.keyring.resolve(account), _read(file, MAX_DOCUMENT_SIZE)
    with app.session() as session:
        kept = session.controllers.keep(who, document)
    app.show({"of": who, **kept.party}, title="kept")


COMMANDS = (export, import_, receipt, controller)


def _write(
    app: App, session: Session, made: Receipt, actor: Actor, others: Iterable[str], target: Path
) -> tuple[Address, ...]:
    """Write a receipt, encrypted for its parties, who writes it, and others; return for whom."""
    from medshare.envelope import Recipient
    from medshare.services.bundles import sealed_document

    named = [app.keyring.resolve(each) for each in others]
    readers = tuple(dict.fromkeys([made.terms.patient, made.terms.grantee, *named]))
    head = session.ledger.chain.head()
    keys = [Recipient(session.ledger.directory.encryption_key(each, block=head).key) for each in readers]
    pieces = sealed_document(made.to_json(), actor.identity, [*keys, actor.identity.recipient])
    write_whole(target, b"".join(pieces), replace=False)
    return readers


def _verify(app: App, file: Path, party: str | None) -> None:
    document = _read(file, MAX_RECEIPT_SIZE + _SEALED_MORE)
    actor = None if party is None else app.actor(party)
    if document.startswith(_SEALED):
        if actor is None:
            raise click.UsageError("this receipt is encrypted: say who opens it, with --as NAME")
        from medshare.services.bundles import open_sealed

        document, _ = open_sealed(document, actor.identity)
    found = Receipt.from_json(document)
    with app.session() as session:
        verified = session.receipting.verify(found, party=actor)
        shown = _receipt(found, verified.standing)
    if found.study is not None:
        shown["study_compared"] = verified.study_compared
    app.show(
        shown, title="the receipt agrees with the chain; what its controller says of itself is the controller's word"
    )


def _receipt(found: Receipt, now: GrantStanding) -> dict[str, object]:
    """Return a receipt for a person, with how its consent stands."""
    said = found.pii_controller
    shown: dict[str, object] = {
        **_row(found),
        "state": "live" if now.live else now.reason.value,
        "patient": found.terms.patient,
        "reader": found.terms.grantee,
        "provisions": [each.in_words() for each in found.terms.provisions],
        "not_before": moment(now.grant.not_before),
        "expires_at": moment(now.grant.expires_at),
        "controller": said.party["party_name"],
        "not_stated": list(said.not_stated),
    }
    if found.study is not None and found.terms.request is not None:
        study = found.study
        shown |= {
            "request": found.terms.request.request_id,
            "study": study.title,
            "institution": study.institution,
            "data_use": [each.in_words() for each in study.uses],
            "document": study.document.hex(),
        }
    return shown


def _kept_row(kept: KeptConsent) -> dict[str, object]:
    grant, made = kept.standing.grant, kept.receipt
    return {
        "grant": f"{grant.grant_id:#x}",
        "patient": grant.patient,
        "reader": grant.grantee,
        "state": "live" if kept.standing.live else kept.standing.reason.value,
        "receipt": None if made is None else made.fields["receipt_id"],
        "created": None if made is None else made.fields["created"],
        "consent_state": None if made is None else made.state.value,
        "controller": None if made is None else made.pii_controller.party["party_name"],
        "lacks": None if kept.error is None else str(kept.error),
    }


def _row(made: Receipt) -> dict[str, object]:
    return {
        "grant": f"{made.grant_id:#x}",
        "receipt": made.fields["receipt_id"],
        "record": made.fields["consent_record"]["record_id"],
        "created": made.fields["created"],
        "consent_state": made.state.value,
        "digest": made.digest().hex(),
    }


def _standing(session: Session, grant_id: GrantId) -> GrantStanding:
    standing = session.auditing.grant(grant_id)
    if standing is None:
        raise UnknownGrantError(grant_id)
    return standing


def _record(session: Session, app: App, text: str) -> RecordRef:
    return find(session, app, RecordIdValue().convert(text, None, None), None)


def _pairs(said: Iterable[str], option: str, meaning: Callable[[str], Meant]) -> dict[str, Meant]:
    found = {}
    for each in said:
        reference, _, text = each.rpartition("=")
        if not reference or not text:
            raise InvalidInputError(f"{option} is written REFERENCE=NAME", hint="as in Practitioner/17=doctor")
        found[reference] = meaning(text)
    return found


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise InvalidInputError(f"the file cannot be read: {error.strerror}") from error
