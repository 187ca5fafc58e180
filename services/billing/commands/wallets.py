"""`queqiao credit grant`, `queqiao wallet show`."""

from typing import Annotated

import typer
from queqiao.billing.v1 import billing_pb2

from services.billing.commands.client import User, run
from services.billing.commands.texts import yuan
from services.billing.money import micros_from_yuan

app = typer.Typer()
credit = typer.Typer(help="Give credit.", no_args_is_help=True)
wallet = typer.Typer(help="Look at wallets.", no_args_is_help=True)
app.add_typer(credit, name="credit")
app.add_typer(wallet, name="wallet")


@credit.command()
def grant(
    user: User,
    yuan: Annotated[str, typer.Option(help="How much, in yuan, such as 9.99.")],
    request_id: Annotated[str, typer.Option(help="Makes the grant happen once: repeat it with the same id.")],
    reason: Annotated[str, typer.Option(help="Why, for the books.")] = "",
) -> None:
    """Give a user credit that was not paid for."""
    try:
        amount_micros = micros_from_yuan(yuan)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--yuan") from None
    request = billing_pb2.GrantCreditRequest(
        request_id=request_id, user_id=user, amount_micros=amount_micros, reason=reason
    )
    typer.echo(state(run(lambda billing: billing.call(billing.wallets.GrantCredit, request)).wallet))


@wallet.command()
def show(user: User) -> None:
    """Show a user's wallet."""
    request = billing_pb2.GetWalletRequest(user_id=user)
    typer.echo(state(run(lambda billing: billing.call(billing.wallets.GetWallet, request)).wallet))


def state(wallet: billing_pb2.Wallet) -> str:
    """A wallet in one line."""
    return (
        f"{wallet.user_id}: balance {yuan(wallet.balance_micros)}, "
        f"reserved {yuan(wallet.reserved_micros)}, "
        f"available {yuan(wallet.available_micros)}"
    )
