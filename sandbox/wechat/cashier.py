"""Where a person pays on a small page, and a test over JSON: the stand-in's own, WeChat has neither.

- `GET /pay`: orders that wait for payment; `GET /pay/{out_trade_no}`: one of them, with buttons.
- `POST /sandbox/pay/{out_trade_no}` with `{"how": …, "openid": …}`, both optional.
- `GET /sandbox/orders`: orders, refunds, and every try to announce them.
- `PUT /sandbox/settings` with any of `misbehaviour.Settings`; answers all of them.
"""

from html import escape
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.wechat.checkout import Checkout
from sandbox.wechat.misbehaviour import Control, How
from sandbox.wechat.notifier import Notifier
from sandbox.wechat.orders import Order, TradeRefusedError, TradeState

_STATES = {
    TradeState.NOTPAY: "待支付 Unpaid",
    TradeState.SUCCESS: "已支付 Paid",
    TradeState.REFUND: "已退款 Refunded",
    TradeState.CLOSED: "已关闭 Closed",
}

_STYLE = (
    "body{font:16px/1.6 system-ui,sans-serif;max-width:32rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "button{font:inherit;padding:.5rem 1.5rem;border:0;border-radius:.4rem;background:#07c160;color:#fff}"
    ".amount{font-size:2.4rem;margin:.2rem 0}a{color:#576b95}small{color:#666}"
)


class _Payment(msgspec.Struct, forbid_unknown_fields=True):
    how: How = How.NORMAL
    openid: str = ""


class Cashier:
    """The pages and the control API."""

    def __init__(self, checkout: Checkout, notifier: Notifier, control: Control) -> None:
        """Serve one merchant's payers."""
        self._checkout = checkout
        self._notifier = notifier
        self._control = control

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/pay", self._list),
            Route("/pay/{out_trade_no}", self._show),
            Route("/pay/{out_trade_no}", self._pay_by_form, methods=["POST"]),
            Route("/sandbox/pay/{out_trade_no}", self._pay, methods=["POST"]),
            Route("/sandbox/orders", self._orders),
            Route("/sandbox/settings", self._settings, methods=["GET", "PUT"]),
        ]

    async def _list(self, request: Request) -> Response:
        book = self._checkout.book
        orders = [book.find(number) for number in book.orders]
        rows = "".join(
            f'<li><a href="/pay/{escape(order.out_trade_no)}">{escape(order.description)}</a> ¥{_yuan(order)}</li>'
            for order in reversed(orders)
            if order.state is TradeState.NOTPAY
        )
        return _page(
            "待支付订单 Unpaid orders", f"<ul>{rows}</ul>" if rows else "<p>没有待支付的订单。Nothing to pay.</p>"
        )

    async def _show(self, request: Request) -> Response:
        try:
            order = self._checkout.book.find(request.path_params["out_trade_no"])
        except TradeRefusedError as refusal:
            return _page(refusal.problem, _BACK, 404)
        return _page("微信支付（沙箱） WeChat Pay stand-in", _order(order))

    async def _pay_by_form(self, request: Request) -> Response:
        """The buttons; who cancels leaves the order as it is, as with WeChat."""
        number = request.path_params["out_trade_no"]
        said = parse_qs((await request.body()).decode(errors="replace"))
        if said.get("do") != ["pay"]:
            return RedirectResponse("/pay", 303)
        try:
            how = How(said.get("how", ["normal"])[0])
            if not how.occurs_in(self._checkout.book.find(number).api):
                return _page("这种通知方式不适用于该订单 Not for this order", _BACK, 400)
            self._checkout.pay(number, how=how)
        except (TradeRefusedError, ValueError) as refusal:
            return _page(str(refusal), _BACK, 400)
        return RedirectResponse(f"/pay/{number}", 303)

    async def _pay(self, request: Request) -> Response:
        try:
            wish = msgspec.json.decode(await request.body() or b"{}", type=_Payment)
            api = self._checkout.book.find(request.path_params["out_trade_no"]).api
            if not wish.how.occurs_in(api):
                return _json({"error": f"{wish.how} does not occur in notices of {api}: choose another."}, 400)
            return _json(self._checkout.pay(request.path_params["out_trade_no"], wish.openid, wish.how))
        except (msgspec.DecodeError, TradeRefusedError) as refusal:
            return _json({"error": str(refusal)}, 400)

    async def _orders(self, request: Request) -> Response:
        book = self._checkout.book
        return _json(
            {
                "orders": [book.find(number) for number in book.orders],
                "refunds": list(book.refunds.values()),
                "attempts": list(self._notifier.attempts),
            }
        )

    async def _settings(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                self._control.change(msgspec.json.decode(await request.body(), type=dict[str, object]))
            except msgspec.DecodeError as error:
                return _json({"error": str(error)}, 400)
        return _json(self._control.settings)


_BACK = '<p><a href="/pay">返回 Back</a></p>'


def _yuan(order: Order) -> str:
    return f"{order.amount_fen // 100}.{order.amount_fen % 100:02d}"


def _order(order: Order) -> str:
    about = (
        f"<p>{escape(order.description)}</p><p class=amount>¥{_yuan(order)}</p>"
        f"<p><small>{escape(order.out_trade_no)} · {_STATES[order.state]}</small></p>"
    )
    if order.state is not TradeState.NOTPAY:
        return about + _BACK
    manners = "".join(f"<option>{how}</option>" for how in How if how.occurs_in(order.api))
    return (
        f"{about}<form method=post><p><label>通知方式 Notice <select name=how>{manners}</select></label></p>"
        "<p><button name=do value=pay>支付 Pay</button> <button name=do value=cancel>取消 Cancel</button></p></form>"
    )


def _page(title: str, body: str, status: int = 200) -> Response:
    return HTMLResponse(
        "<!doctype html><html lang=zh-CN><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>{body}</html>",
        status,
    )


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
