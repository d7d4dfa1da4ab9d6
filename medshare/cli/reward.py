"""``medshare reward``: what one has earned, and withdrawing it; where the money of a request is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from medshare.cli.console import App, Group
from medshare.cli.request import RequestIdValue, token_name
from medshare.cli.sending import Way, for_option, sending_options
from medshare.errors import NothingToWithdrawError
from medshare.model.ids import Address, RequestId, address
from medshare.model.request import NATIVE

if TYPE_CHECKING:
    from medshare.model.typed_data import Signable
    from medshare.services.drafting import Drafting


@click.group(cls=Group)
def reward() -> None:
    """Rewards: what is earned, and withdrawing it."""


@reward.command("show")
@click.option("--account", required=True, metavar="WHO", help="Whose: a name or an address, no key.")
@click.pass_obj
def show(app: App, account: str) -> None:
    """Show what an account has earned and can withdraw, by token, in its smallest unit."""
    whose = app.keyring.resolve(account)
    with app.session() as session:
        rows = [
            {
                "token": token_name(each.token),
                "can_withdraw": each.credit,
                "earned": each.earned,
                "withdrawn": each.withdrawn,
            }
            for each in session.rewarding.credits(whose)
        ]
    app.show_all(rows, nothing="nothing was earned")


@reward.command("withdraw")
@click.option("--as", "actor_name", required=True, metavar="NAME", help="Who earned it, or is in control of who did.")
@click.option("--to", "recipient", metavar="WHO", help="Where it goes. Public: an address of its own links nothing.")
@click.option("--token", metavar="ADDRESS", help="Which token; default: the chain's own coin.")
@for_option
@sending_options
@click.pass_obj
def withdraw(
    app: App,
    actor_name: str,
    recipient: str | None,
    token: str | None,
    on_behalf_of: str | None,
    way: Way,
) -> None:
    """Withdraw all that was earned in one token. Who has no coins signs it, and another pays.

    Given again, and nothing was earned since, it says where it was withdrawn.
    """
    actor = app.actor(actor_name)
    account = app.keyring.resolve(on_behalf_of) if on_behalf_of is not None else actor.address
    to = app.keyring.resolve(recipient) if recipient is not None else account
    which: Address = NATIVE if token is None else address(token)
    with way.session(app, actor) as session:

        def drafted(draft: Drafting) -> Signable:
            if not session.ledger.escrow.credit(account, which, block=session.ledger.chain.head()):
                raise NothingToWithdrawError(account, which)
            return draft.withdraw(account, which, to)

        if way.handed_out(app, session, actor, drafted):
            return
        done = session.rewarding.withdraw(account, which, to=to, actor=actor)
    app.show(
        {
            "account": account,
            "token": token_name(which),
            "amount": done.amount,
            "to": to,
            "block": done.on_chain.block.number,
            "already": done.on_chain.already,
        },
        title="withdrawn before; nothing was sent" if done.on_chain.already else "withdrawn",
    )


@reward.command("account")
@click.argument("number", metavar="REQUEST", type=RequestIdValue())
@click.pass_obj
def account_(app: App, number: RequestId) -> None:
    """Show where the money of a REQUEST is, in its token's smallest unit: what came in is what went out or is held."""
    with app.session() as session:
        found = session.rewarding.account_of(number)
    app.show(
        {
            "request": number,
            "token": token_name(found.token),
            "deposited": found.deposited,
            "to_patients": found.to_patients,
            "to_custodians": found.to_custodians,
            "to_consortium": found.to_consortium,
            "returned": found.returned,
            "held_for_deliveries": found.earning,
            "held_for_reservations": found.reserved,
            "held_for_nobody_yet": found.free,
        }
    )
