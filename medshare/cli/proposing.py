"""``medshare consortium propose``: what institutions can decide together, one command for each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from medshare.cli.asking import read_text
from medshare.cli.console import App, Group
from medshare.cli.consortium import KINDS, acting, kind_option, member_option
from medshare.cli.values import parse_span
from medshare.cli.voting import proposal_row, say_next
from medshare.errors import InvalidInputError
from medshare.files import refuse_existing, write_whole
from medshare.model.governed import (
    AdmitMember,
    ApproveStudy,
    CancelRequest,
    DecideDispute,
    GovernedCall,
    ReinstateAccreditation,
    ReinstateMember,
    RemoveMember,
    SetPeriods,
    SetSplit,
    SetTokenAllowed,
    SetVotingRules,
    SuspendAccreditation,
    SuspendMember,
    WithdrawTreasury,
)
from medshare.model.ids import Address, RequestId
from medshare.model.request import NATIVE, WHOLE, RequestCategory

if TYPE_CHECKING:
    from medshare.session import Session

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_CATEGORIES = {category.name.lower().replace("_", "-"): category for category in RequestCategory}
_COIN = "coin"
_NUMBER = click.IntRange(min=1)
_FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What the options of every proposal say."""

    member: str | None
    reason_file: Path | None
    export: Path | None

    def propose(self, app: App, drafted: Callable[[Session], GovernedCall]) -> None:
        """Propose what ``drafted`` returns, and tell what to do next.

        Raises:
            InvalidInputError: the file to write exists already; or there is no such call.
            MedshareError: as ``Governing.propose``.
        """
        refuse_existing(self.export)
        actor = app.actor(self.member) if self.member is not None else None
        reason = read_text(self.reason_file, "Why")
        with app.session() as session:
            made = session.governing.propose(drafted(session), reason, member=acting(session, actor))
        if self.export is not None:
            write_whole(self.export, made.reason.to_json(), replace=False)
        proposal = made.proposal
        app.show(
            {
                **proposal_row(app, proposal),
                "file": str(self.export) if self.export is not None else None,
                "block": proposal.proposed.place.block.number,
            },
            title="proposed, which is a vote for it" if made.receipt else "this is proposed already, and open",
        )
        say_next(app, proposal)


def proposing_options(command: Decorated) -> Decorated:
    """Give a command ``--as``, ``--reason-file`` and ``--export``; it gets them as ``way``."""

    @functools.wraps(command)
    def with_way(
        *args: Any,  # noqa: ANN401 - whatever the command takes
        member: str | None,
        reason_file: Path | None,
        export: Path | None,
        **more: Any,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - as above
        return command(*args, way=Way(member=member, reason_file=reason_file, export=export), **more)

    decorated: Any = with_way
    for option in (
        click.option("--export", type=_FILE, help="New file with reason and salt, for the other members to check."),
        click.option(
            "--reason-file",
            type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
            help="Why, a text, or - for standard input; else it is asked for. It stays here: only a digest is sent.",
        ),
        member_option,
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


@click.group("propose", cls=Group)
def propose() -> None:
    """Propose, as a member: a seat, a rule, a suspension, a decision about requests and rewards.

    It is a vote for it, too. No proposal opens a record, gives a grant, or reaches an emergency.
    """


# ------------------------------------------------------------------------------------------ seats, rules


@propose.command("admit")
@click.argument("who")
@proposing_options
@click.pass_obj
def admit(app: App, who: str, way: Way) -> None:
    """Give the institution WHO a seat, its old one if it had one."""
    account = app.keyring.resolve(who)
    way.propose(app, lambda _: AdmitMember(member=account))


@propose.command("remove")
@click.argument("who")
@proposing_options
@click.pass_obj
def remove(app: App, who: str, way: Way) -> None:
    """Take the seat of WHO; whom it accredited is accredited no longer."""
    account = app.keyring.resolve(who)
    way.propose(app, lambda _: RemoveMember(member=account))


@propose.command("suspend")
@click.argument("who")
@proposing_options
@click.pass_obj
def suspend(app: App, who: str, way: Way) -> None:
    """Take the seat of WHO until it is reinstated."""
    account = app.keyring.resolve(who)
    way.propose(app, lambda _: SuspendMember(member=account))


@propose.command("reinstate")
@click.argument("who")
@proposing_options
@click.pass_obj
def reinstate(app: App, who: str, way: Way) -> None:
    """Give WHO, which was suspended, its seat again."""
    account = app.keyring.resolve(who)
    way.propose(app, lambda _: ReinstateMember(member=account))


@propose.command("rules")
@click.option("--quorum", type=click.IntRange(51, 100), required=True, help="How many of a hundred must vote.")
@click.option("--voting-period", metavar="SPAN", required=True, help="How long they can: 1h to 90d.")
@proposing_options
@click.pass_obj
def rules(app: App, quorum: int, voting_period: str, way: Way) -> None:
    """Set how many members must vote for a proposal, and for how long they can."""
    seconds = parse_span(voting_period)
    way.propose(app, lambda _: SetVotingRules(quorum=quorum, voting_period=seconds))


# ---------------------------------------------------------------------------------------------- actors


@propose.command("suspend-actor")
@click.argument("who")
@kind_option
@proposing_options
@click.pass_obj
def suspend_actor(app: App, who: str, kind: str, way: Way) -> None:
    """Suspend WHO, whichever member accredited him; only a vote lifts it."""
    account = app.keyring.resolve(who)
    way.propose(app, lambda _: SuspendAccreditation(actor=account, kind=KINDS[kind]))


@propose.command("reinstate-actor")
@click.argument("who")
@kind_option
@proposing_options
@click.pass_obj
def reinstate_actor(app: App, who: str, kind: str, way: Way) -> None:
    """Lift the suspension of WHO, whoever suspended him."""
    account = app.keyring.resolve(who)
    way.propose(app, lambda _: ReinstateAccreditation(actor=account, kind=KINDS[kind]))


# -------------------------------------------------------------------------------------------- requests


@propose.command("approve-study")
@click.argument("request", type=_NUMBER)
@proposing_options
@click.pass_obj
def approve_study(app: App, request: int, way: Way) -> None:
    """Approve REQUEST, a study on open call: patients can accept it from then on."""
    way.propose(app, lambda _: ApproveStudy(request_id=RequestId(request)))


@propose.command("cancel-request")
@click.argument("request", type=_NUMBER)
@proposing_options
@click.pass_obj
def cancel_request(app: App, request: int, way: Way) -> None:
    """End REQUEST before its time, whoever opened it."""
    way.propose(app, lambda _: CancelRequest(request_id=RequestId(request)))


@propose.command("decide")
@click.argument("request", type=_NUMBER)
@click.option("--patient", required=True, metavar="WHO", help="About whose delivery.")
@click.option("--pay/--return", "paid", required=True, help="Pay the reward, or return it to the requester.")
@proposing_options
@click.pass_obj
def decide(app: App, request: int, patient: str, paid: bool, way: Way) -> None:
    """Decide a dispute about what was delivered for REQUEST."""
    account = app.keyring.resolve(patient)
    way.propose(app, lambda _: DecideDispute(request_id=RequestId(request), patient=account, paid=paid))


# --------------------------------------------------------------------------------------------- rewards


@propose.command("token")
@click.argument("token")
@click.option("--allow/--disallow", "allowed", required=True, help="For new requests.")
@proposing_options
@click.pass_obj
def token(app: App, token: str, allowed: bool, way: Way) -> None:
    """Allow rewards in TOKEN, an ERC-20 contract's address, or allow no new ones."""
    account = app.keyring.resolve(token)
    way.propose(app, lambda _: SetTokenAllowed(token=account, allowed=allowed))


@propose.command("split")
@click.option("--category", type=click.Choice(list(_CATEGORIES)), required=True, help="Of requests.")
@click.option("--patient", type=click.FloatRange(0, 100), required=True, metavar="PERCENT", help="The patient's share.")
@click.option("--custodian", type=click.FloatRange(0, 100), required=True, metavar="PERCENT", help="The custodian's.")
@proposing_options
@click.pass_obj
def split(app: App, category: str, patient: float, custodian: float, way: Way) -> None:
    """Set how rewards are divided in requests that open from then on; the rest is the consortium's."""
    shares = _share(patient), _share(custodian)
    if sum(shares) > WHOLE:
        raise InvalidInputError("the shares add up to more than the whole", hint="what is left is the consortium's")
    call = SetSplit(category=_CATEGORIES[category], patient=shares[0], custodian=shares[1])
    way.propose(app, lambda _: call)


def _share(percent: float) -> int:
    share = round(percent * WHOLE / 100)
    if abs(share * 100 / WHOLE - percent) > 1 / WHOLE:
        raise InvalidInputError(f"a share has at most two decimals: {percent}", hint="write it in percent, as 72.5")
    return share


@propose.command("periods")
@click.option("--dispute", metavar="SPAN", required=True, help="How long a delivery can be disputed: 1h to 90d.")
@click.option("--decision", metavar="SPAN", required=True, help="How long a dispute waits for a decision: 1h to 90d.")
@proposing_options
@click.pass_obj
def periods(app: App, dispute: str, decision: str, way: Way) -> None:
    """Set the periods of requests that open from then on."""
    call = SetPeriods(dispute_period=parse_span(dispute), decision_period=parse_span(decision))
    way.propose(app, lambda _: call)


@propose.command("withdraw-treasury")
@click.option("--token", default=_COIN, show_default=True, help="An ERC-20 contract's address, or the chain's coin.")
@click.option("--to", "to", required=True, metavar="WHO", help="Where it goes.")
@proposing_options
@click.pass_obj
def withdraw_treasury(app: App, token: str, to: str, way: Way) -> None:
    """Send all that the consortium has earned in a token somewhere."""
    account = app.keyring.resolve(to)
    paid_in: Address = NATIVE if token == _COIN else app.keyring.resolve(token)
    way.propose(
        app, lambda session: WithdrawTreasury(account=session.ledger.consortium.address, token=paid_in, to=account)
    )
