"""``medshare quality``: how good records are in form, by the word of accredited assessors."""

from __future__ import annotations

import click

from medshare.cli.console import App, Group, moment
from medshare.cli.values import RecordIdValue
from medshare.model.attestation import BEST_SCORE, MAX_METHOD
from medshare.model.ids import RecordId
from medshare.services.assessing import Quality


@click.group(cls=Group)
def quality() -> None:
    """Quality: assessors attest it, everybody sees it."""


@quality.command("attest")
@click.argument("record_id", metavar="RECORD", type=RecordIdValue())
@click.option("--as", "assessor", required=True, metavar="NAME", help="The assessor's identity.")
@click.option("--score", required=True, type=click.IntRange(0, BEST_SCORE), help="0 to 100; public, for ever.")
@click.option("--method", required=True, type=click.IntRange(1, MAX_METHOD), help="By which of your methods.")
@click.pass_obj
def attest(app: App, record_id: RecordId, assessor: str, score: int, method: int) -> None:
    """Attest the quality of a RECORD, or attest it anew, as an accredited assessor. Nothing is said of its content."""
    actor = app.actor(assessor)
    with app.session(acts=actor) as session:
        receipt = session.assessing.attest(record_id, score=score, method=method, assessor=actor)
    app.show(
        {"record": record_id.hex(), "score": score, "method": method, "block": receipt.block.number}, title="attested"
    )


@quality.command("withdraw")
@click.argument("record_id", metavar="RECORD", type=RecordIdValue())
@click.option("--as", "assessor", required=True, metavar="NAME", help="The assessor's identity.")
@click.pass_obj
def withdraw(app: App, record_id: RecordId, assessor: str) -> None:
    """Withdraw what you attested of a RECORD."""
    actor = app.actor(assessor)
    with app.session() as session:
        receipt = session.assessing.withdraw(record_id, assessor=actor)
    app.show({"record": record_id.hex(), "block": receipt.block.number}, title="withdrawn")


@quality.command("show")
@click.argument("record_id", metavar="RECORD", type=RecordIdValue())
@click.pass_obj
def show(app: App, record_id: RecordId) -> None:
    """Show what assessors attested of a RECORD, and whether it counts now."""
    with app.session() as session:
        found = session.assessing.of(record_id)
    app.show_all([_row(one) for one in found], nothing="nobody has attested the quality of this record")


def _row(one: Quality) -> dict[str, object]:
    attestation = one.attestation
    return {
        "assessor": attestation.assessor,
        "score": attestation.score,
        "method": attestation.method,
        "attested_at": moment(attestation.attested_at),
        "withdrawn_at": moment(attestation.withdrawn_at),
        "accredited": one.accredited,
        "counts": one.counts,
    }
