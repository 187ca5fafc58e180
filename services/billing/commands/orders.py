"""`queqiao orders list`, `show`, `refund`, `reconcile`."""

from datetime import date
from enum import StrEnum
from typing import Annotated

import typer
from queqiao.billing.v1 import payments_pb2

from services.billing.commands.client import Billing, User, run
from services.billing.commands.texts import day as parse_day
from services.billing.commands.texts import facts, moment, scaled, table, word, yuan_of_fen

app = typer.Typer()
orders = typer.Typer(help="Top-ups, refunds, and the provider's bill.", no_args_is_help=True)
app.add_typer(orders, name="orders")

_PAGE_MAX = 1_000
_FEN_PLACES = 2
# The payment provider is asked on the way.
_PROVIDER_TIMEOUT_S = 60.0


class State(StrEnum):
    """Where an order stands, as it is typed."""

    CREATED = "created"
    PAYING = "paying"
    PAID = "paid"
    REFUNDED = "refunded"
    CLOSED = "closed"


def _fen(text: str) -> int:
    fen = scaled(text, _FEN_PLACES)
    if not fen:
        raise typer.BadParameter("a refund is at least 0.01 yuan; leave --yuan out to give back all that is left.")
    return fen


Number = Annotated[str, typer.Argument(metavar="OUT_TRADE_NO", help="The order's id, ours and the provider's.")]


@orders.command(name="list")
def list_(
    user: Annotated[str, typer.Option(help="Only this user's.", show_default="everyone's")] = "",
    state: Annotated[State | None, typer.Option(help="Only those in this state.", show_default="all")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
) -> None:
    """List orders, the newest first."""
    number = payments_pb2.OrderState.Value(f"ORDER_STATE_{state.name if state else 'UNSPECIFIED'}")
    request = payments_pb2.ListOrdersRequest(user_id=user, state=number)
    found = run(lambda billing: _newest(billing, request, limit + 1))
    rows = [
        (
            order.out_trade_no,
            order.user_id,
            word(order, "channel"),
            word(order, "state"),
            yuan_of_fen(order.amount_fen),
            yuan_of_fen(order.refunded_fen),
            moment(order, "create_time"),
            moment(order, "pay_time"),
        )
        for order in found[:limit]
    ]
    typer.echo(table(("order", "user", "channel", "state", ">amount", ">refunded", "created", "paid"), rows))
    if len(found) > limit:
        typer.echo(f"\nThere are more than {limit}: say --limit.")


@orders.command()
def show(user: User, out_trade_no: Number) -> None:
    """Show an order; one that waits for its payment is looked up at the provider."""
    request = payments_pb2.GetOrderRequest(user_id=user, out_trade_no=out_trade_no)
    order = run(lambda billing: billing.call(billing.payments.GetOrder, request, timeout_s=_PROVIDER_TIMEOUT_S)).order
    typer.echo(
        facts(
            ("order", order.out_trade_no),
            ("user", order.user_id),
            ("channel", word(order, "channel")),
            ("state", word(order, "state")),
            ("package", order.package_id or "-"),
            ("tokens", str(order.tokens)),
            ("amount", yuan_of_fen(order.amount_fen)),
            ("refunded", yuan_of_fen(order.refunded_fen)),
            ("transaction", order.transaction_id or "-"),
            ("created", moment(order, "create_time")),
            ("expires", moment(order, "expire_time")),
            ("paid", moment(order, "pay_time")),
        )
    )


@orders.command()
def refund(
    out_trade_no: Number,
    request_id: Annotated[str, typer.Option(help="Makes the refund happen once: repeat it with the same id.")],
    reason: Annotated[str, typer.Option(help="Why, for the books and the payer.")],
    amount_fen: Annotated[
        int | None,
        typer.Option("--yuan", parser=_fen, metavar="YUAN", help="How much.", show_default="all that is left"),
    ] = None,
) -> None:
    """Give a top-up back, whole or in part; the exit status is 1 when the money cannot reach the payer."""
    request = payments_pb2.CreateRefundRequest(
        request_id=request_id, out_trade_no=out_trade_no, amount_fen=amount_fen or 0, reason=reason
    )
    refund = run(
        lambda billing: billing.call(billing.payments.CreateRefund, request, timeout_s=_PROVIDER_TIMEOUT_S)
    ).refund
    typer.echo(
        f"Refund {refund.out_refund_no} of order {refund.out_trade_no}: "
        f"{yuan_of_fen(refund.amount_fen)} to {refund.user_id}, {_said_of(refund)}."
    )
    if refund.state in (payments_pb2.REFUND_STATE_ABNORMAL, payments_pb2.REFUND_STATE_CANCELLED):
        raise typer.Exit(1)


@orders.command()
def reconcile(
    provider: Annotated[str, typer.Option(help="The payment provider, such as wechatpay.")],
    day: Annotated[
        date,
        typer.Option(parser=parse_day, metavar="YYYY-MM-DD", help="The day in UTC+8; its bill exists from 10:00 on."),
    ],
) -> None:
    """Compare a day with the provider's bill; the exit status is 1 when they differ. Nothing is repaired."""
    request = payments_pb2.ReconcileRequest(provider=provider, day=day.isoformat())
    report = run(lambda billing: billing.call(billing.payments.Reconcile, request, timeout_s=_PROVIDER_TIMEOUT_S))
    sides = (
        ("bill", report.bill_payments, report.bill_paid_fen, report.bill_refunds, report.bill_refunded_fen),
        ("books", report.book_payments, report.book_paid_fen, report.book_refunds, report.book_refunded_fen),
    )
    rows = [
        (side, str(payments), yuan_of_fen(paid), str(refunds), yuan_of_fen(refunded))
        for side, payments, paid, refunds, refunded in sides
    ]
    typer.echo(table((day.isoformat(), ">payments", ">paid", ">refunds", ">refunded"), rows))
    if not report.differences:
        typer.echo("\nThe books agree with the bill.")
        return
    differences = [
        (
            word(difference, "kind"),
            difference.out_trade_no,
            difference.out_refund_no or "-",
            yuan_of_fen(difference.bill_fen),
            yuan_of_fen(difference.book_fen),
        )
        for difference in report.differences
    ]
    typer.echo("\n" + table(("difference", "order", "refund", ">bill", ">books"), differences))
    typer.echo(f"\nThe books differ from the bill: {len(differences)} times.")
    raise typer.Exit(1)


async def _newest(billing: Billing, request: payments_pb2.ListOrdersRequest, limit: int) -> list[payments_pb2.Order]:
    found: list[payments_pb2.Order] = []
    while len(found) < limit:
        request.page_size = min(limit - len(found), _PAGE_MAX)
        page = await billing.call(billing.payments.ListOrders, request)
        found += page.orders
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    return found


def _said_of(refund: payments_pb2.Refund) -> str:
    return {
        payments_pb2.REFUND_STATE_HELD: "held in the wallet until the provider has finished",
        payments_pb2.REFUND_STATE_ABNORMAL: "stuck: the money could not reach the payer, act at the provider",
        payments_pb2.REFUND_STATE_DONE: "done",
        payments_pb2.REFUND_STATE_CANCELLED: "refused by the provider, and the wallet has the money again",
    }.get(refund.state, word(refund, "state"))
