"""``medshare consent export``, ``import``, ``receipt``: FHIR Consents, and receipts of ISO/IEC TS 27560."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from medshare.cli.console import App, Command, moment
from medshare.cli.record import find
from medshare.cli.values import GrantIdValue, RecordIdValue
from medshare.errors import IntegrityError, InvalidInputError, UnknownGrantError
from medshare.files import write_whole
from medshare.model.documents import MAX_DOCUMENT_SIZE
from medshare.model.ids import Address, GrantId
from medshare.model.record import RecordRef
from medshare.model.terms import Terms
from medshare.ports import Actor
from medshare.standards.fhir_consent import BreakGlass, Known, Profile, Version, profile_of, r4, r5, read_consent
from medshare.standards.given import GivenConsent
from medshare.standards.receipt_27560 import MAX_RECEIPT_SIZE, ConsentState, PiiController, Receipt

if TYPE_CHECKING:
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
    actor = app.actor(party)
    applies = None if organization is None else app.keyring.resolve(organization)
    with app.session() as session:
        standing = _standing(session, grant_id)
        given = _given(session, standing, actor, organization=applies)
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
    "--controller", type=_FILE, help="JSON file with the PII controller's profile; docs/consent-standards.md."
)
@click.option("--for", "others", multiple=True, metavar="WHO", help="Who else can open it, such as the controller.")
@click.option("--to", "target", type=_NEW_FILE, metavar="FILE", help="New file, Crypt4GH.")
@click.option("--verify", "file", type=_FILE, help="Compare this receipt with the chain, in place of making one.")
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
    """Make the receipt of a consent (ISO/IEC TS 27560), encrypted for patient and reader; or verify one.

    It holds the terms with their salt: whoever can open it can compare it with the grant on chain, for ever. A receipt
    that was true, and is no longer, does not verify: exit code 5.
    """
    if file is not None:
        if grant_id is not None or controller is not None or target is not None or others:
            raise click.UsageError("--verify goes with --as alone")
        _verify(app, file, party)
        return
    if grant_id is None or party is None or controller is None or target is None:
        raise click.UsageError("say GRANT_ID, --as, --controller and --to; or --verify FILE")
    actor = app.actor(party)
    profile = PiiController.from_json(_read(controller, MAX_DOCUMENT_SIZE))
    named = [app.keyring.resolve(each) for each in others]
    with app.session() as session:
        from medshare.envelope import Recipient
        from medshare.services.bundles import sealed_document

        given = _given(session, _standing(session, grant_id), actor)
        made = Receipt.of(given, profile)
        readers = tuple(dict.fromkeys([given.terms.patient, given.terms.grantee, *named]))
        head = session.ledger.chain.head()
        keys = [Recipient(session.ledger.directory.encryption_key(each, block=head).key) for each in readers]
    pieces = sealed_document(made.to_json(), actor.identity, [*keys, actor.identity.recipient])
    write_whole(target, b"".join(pieces), replace=False)
    app.show({**_row(made), "readers": list(readers), "file": str(target)}, title="made; encrypted for its readers")


COMMANDS = (export, import_, receipt)


def _verify(app: App, file: Path, party: str | None) -> None:
    document = _read(file, MAX_RECEIPT_SIZE + _SEALED_MORE)
    if document.startswith(_SEALED):
        if party is None:
            raise click.UsageError("this receipt is encrypted: say who opens it, with --as NAME")
        from medshare.services.bundles import open_sealed

        document, _ = open_sealed(document, app.actor(party).identity)
    found = Receipt.from_json(document)
    with app.session() as session:
        if (found.chain_id, found.registry) != _place(session):
            raise InvalidInputError(
                "the receipt is of a grant on another chain, or in another contract", hint="name it with --network"
            )
        now = _standing(session, found.grant_id)
        if found.state is ConsentState.GIVEN and now.revoked_at is not None:
            raise IntegrityError(f"the receipt says given, and the consent was withdrawn at {moment(now.revoked_at)}")
        if now.granted_at > found.created_at:
            raise IntegrityError(f"the consent was given anew at {moment(now.granted_at)}, after the receipt was made")
        if now.terms != found.terms.digest():
            raise IntegrityError("the terms in the receipt are not those on chain")
        found.check_against(_of(session, now, found.terms))
    app.show(
        {
            **_row(found),
            "state": "live" if now.live else now.reason.value,
            "patient": found.terms.patient,
            "reader": found.terms.grantee,
            "provisions": [each.in_words() for each in found.terms.provisions],
            "not_before": moment(now.grant.not_before),
            "expires_at": moment(now.grant.expires_at),
            "controller": found.pii_controller.party["party_name"],
        },
        title="the receipt agrees with the chain; what its controller says of itself is the controller's word",
    )


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


def _given(
    session: Session, standing: GrantStanding, actor: Actor, organization: Address | None = None
) -> GivenConsent:
    """Return a consent whose terms one of its parties opens."""
    from medshare.services.bundles import open_terms

    return _of(session, standing, open_terms(session.store, standing, actor.identity), organization)


def _of(session: Session, standing: GrantStanding, terms: Terms, organization: Address | None = None) -> GivenConsent:
    chain_id, registry = _place(session)
    return GivenConsent(
        terms=terms,
        grant=standing.grant,
        given_at=standing.granted_at,
        given_by=standing.granted_by,
        revoked_at=standing.revoked_at,
        as_of=session.ledger.chain.head().time,
        chain_id=chain_id,
        registry=registry,
        bundle=standing.bundle,
        organization=organization,
    )


def _place(session: Session) -> tuple[int, Address]:
    """Return the chain's id, and the contract that holds grants."""
    deployment = session.chain.deployment
    return deployment.chain_id, Address(deployment.contract("ConsentRegistry").address)


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
