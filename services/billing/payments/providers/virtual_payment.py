"""Virtual payment, which virtual goods in a mini-program must use: `wx.requestVirtualPayment` and `/xpay/*`.

A push that goods are to be delivered is only a hint, and the order is asked for before money is credited. Source:
WeChat's documents of virtual payment; the shape of the push is unsure. Statuses and error codes are those of the
platform's document of query_order.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from types import TracebackType
from typing import Self

import structlog

from services.billing.payments.domain import (
    Answer,
    BillRow,
    Callback,
    Channel,
    Notice,
    Order,
    Refund,
    RefundProgress,
    RefundStatus,
    Trade,
    TradeState,
)
from services.billing.payments.errors import (
    CallbackRefusedError,
    ChannelUnavailableError,
    PaymentRefusedError,
    PaymentUnavailableError,
)
from services.billing.payments.providers import translation
from services.billing.payments.providers.message_push import MessagePush
from services.billing.payments.providers.platform_client import (
    NAME,
    PlatformClient,
    VirtualPaymentSettings,
    hmac_sha256,
)
from services.billing.payments.providers.translation import MismatchError

_MODE = "short_series_goods"

_DELIVER = "xpay_goods_deliver_notify"
_REFUNDED = "xpay_refund_notify"

_REFUND_FAILED = 7
_STATES: Mapping[int, TradeState] = {
    0: TradeState.UNPAID,
    1: TradeState.UNPAID,
    # Paid, being delivered, delivered.
    2: TradeState.PAID,
    3: TradeState.PAID,
    4: TradeState.PAID,
    5: TradeState.REFUNDED,
    6: TradeState.CLOSED,
    _REFUND_FAILED: TradeState.PAID,
    # Refunded by the user, at Apple.
    8: TradeState.REFUNDED,
}

# A wrong parameter, which an order that no client has begun to pay is too; a resource that does not exist.
_UNKNOWN = frozenset({"268490002", "268500004"})

# The platform's numbers for "the user changed their mind" and "other".
_REFUND_REASON = "3"
_REFUND_FROM = "3"

log = structlog.get_logger()


class VirtualPayment:
    """Takes money through virtual payment; use it as a context manager, which holds its connections."""

    def __init__(self, settings: VirtualPaymentSettings) -> None:
        """Take money for this mini-program.

        Raises:
            ConfigurationError: The account cannot work as it is set.
        """
        self._settings = settings
        self._platform = PlatformClient(settings)
        self._push = MessagePush(
            appid=settings.appid, token=settings.message_token, encoding_aes_key=settings.encoding_aes_key
        )

    async def __aenter__(self) -> Self:
        """Ready at once."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        await self._platform.aclose()

    @property
    def name(self) -> str:
        """As in the callback's address."""
        return NAME

    @property
    def channels(self) -> frozenset[Channel]:
        """The ways to pay."""
        return frozenset({Channel.VIRTUAL})

    async def prepay(self, order: Order, now: datetime) -> Mapping[str, str]:
        """The arguments of `wx.requestVirtualPayment`; the platform hears of the order when the client uses them.

        Raises:
            ChannelUnavailableError: The order has no product there, or its user no fresh session.
        """
        translation.check_channel(order, self.channels)
        if not order.virtual_product_id:
            raise ChannelUnavailableError(
                "This package is no product of virtual payment: choose another way of paying.",
                metadata={"channel": order.channel.value},
            )
        if not order.payer.openid:
            raise translation.needs_openid(order)
        if not order.payer.session_key:
            raise ChannelUnavailableError(
                "Virtual payment needs a fresh session of the mini-program: log in again and order again.",
                metadata={"channel": order.channel.value},
            )
        sign_data = json.dumps(
            {
                "offerId": self._settings.offer_id,
                "buyQuantity": 1,
                "env": self._settings.env,
                "currencyType": "CNY",
                "productId": order.virtual_product_id,
                "goodsPrice": order.amount_fen,
                "outTradeNo": order.out_trade_no,
                "attach": "",
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )
        return {
            "mode": _MODE,
            "signData": sign_data,
            "paySig": hmac_sha256(self._settings.app_key, f"requestVirtualPayment&{sign_data}"),
            "signature": hmac_sha256(order.payer.session_key, sign_data),
        }

    def echo(self, query: Mapping[str, str]) -> str | None:
        """What to answer when the platform verifies the callback's address by GET; None refuses."""
        return self._push.echo(query)

    async def read(self, callback: Callback, now: datetime) -> Notice:
        """Verify a push and say which order or refund to ask for."""
        nonce, message = self._push.read(callback, now)
        try:
            if message.get("Event") == _DELIVER:
                number = translation.text(message, "OutTradeNo")
                # The order's state is what a query will say.
                return Notice(nonce=nonce, trade=Trade(number, TradeState.UNKNOWN), confirm=True)
            if message.get("Event") == _REFUNDED:
                number, order_number = translation.text(message, "MchRefundId"), translation.text(message, "MchOrderId")
                refund = RefundStatus(number, RefundProgress.PROCESSING, order_number)
                return Notice(nonce=nonce, refund=refund, confirm=True)
        except MismatchError as error:
            raise CallbackRefusedError(str(error)) from None
        return Notice(nonce=nonce)

    def accepted(self) -> Answer:
        """The goods are delivered, or the push was about nothing of ours."""
        return _answer(200, 0, "success")

    def refused(self) -> Answer:
        """The push is not believed."""
        return _answer(401, 1, "refused")

    def later(self) -> Answer:
        """The push should come again."""
        return _answer(503, 1, "busy")

    async def query(self, order: Order) -> Trade:
        """How the order stands."""
        try:
            return _trade(await self._order(order), order)
        except PaymentRefusedError as error:
            if translation.is_refused_with(error, _UNKNOWN):
                return Trade(order.out_trade_no, TradeState.UNKNOWN)
            raise
        except MismatchError as error:
            raise _unbelievable(error) from None

    async def deliver(self, order: Order) -> None:
        """The platform shows goods as undelivered until it is told, or a push about them was taken."""
        await self._platform.ask(
            "/xpay/notify_provide_goods", {"order_id": order.out_trade_no, "env": self._settings.env}
        )

    async def close(self, order: Order) -> None:
        """Make sure that it was not paid: the platform closes what nobody pays, and lets nobody else do it."""
        if (await self.query(order)).state in (TradeState.PAID, TradeState.REFUNDED):
            raise PaymentRefusedError(
                "The order was paid meanwhile.", metadata={"provider": NAME, "provider_code": "ORDER_PAID"}
            )

    async def refund(self, order: Order, refund: Refund) -> RefundStatus:
        """Begin to give money back; while another refund of the order is under way the platform says later."""
        answer = await self._platform.ask(
            "/xpay/refund_order",
            {
                "openid": order.payer.openid,
                "order_id": order.out_trade_no,
                "refund_order_id": refund.out_refund_no,
                "left_fee": order.amount_fen - order.refunded_fen,
                "refund_fee": refund.amount_fen,
                "refund_reason": _REFUND_REASON,
                "req_from": _REFUND_FROM,
                "env": self._settings.env,
            },
        )
        try:
            translation.check_ours(answer.get("refund_order_id"), refund.out_refund_no, "out_refund_no")
            translation.check_ours(answer.get("pay_order_id"), order.out_trade_no, "out_trade_no")
            refund_id = translation.text(answer, "refund_wx_order_id")
        except MismatchError as error:
            raise _unbelievable(error) from None
        return RefundStatus(
            refund.out_refund_no, RefundProgress.PROCESSING, order.out_trade_no, refund_id, refund.amount_fen
        )

    async def query_refund(self, order: Order, refund: Refund) -> RefundStatus:
        """How the refund stands, as far as its order tells: of one order, one refund at a time is under way."""
        document = await self._order(order)
        try:
            gone_fen = translation.fen(document.get("order_fee")) - translation.fen(document.get("left_fee"))
            state = _state(document)
        except MismatchError as error:
            raise _unbelievable(error) from None
        return RefundStatus(
            out_refund_no=refund.out_refund_no,
            progress=_progress(order, refund, gone_fen, state, document.get("status") == _REFUND_FAILED),
            out_trade_no=order.out_trade_no,
            amount_fen=refund.amount_fen,
        )

    async def bill(self, day: date) -> Sequence[BillRow] | None:
        """The bills of virtual payment are of another kind, by settlement: None."""
        return None

    async def _order(self, order: Order) -> Mapping[str, object]:
        answer = await self._platform.ask(
            "/xpay/query_order",
            {"openid": order.payer.openid, "order_id": order.out_trade_no, "env": self._settings.env},
        )
        try:
            document = translation.part(answer, "order")
            translation.check_ours(document.get("order_id"), order.out_trade_no, "out_trade_no")
            # Counted from 1 here. A trial's money is none.
            translation.check_ours(document.get("env_type", self._settings.env + 1), self._settings.env + 1, "env")
        except MismatchError as error:
            raise _unbelievable(error) from None
        return document


def _trade(document: Mapping[str, object], order: Order) -> Trade:
    out_trade_no = translation.text(document, "order_id")
    state = _state(document)
    if state not in (TradeState.PAID, TradeState.REFUNDED):
        return Trade(out_trade_no, state)
    return Trade(
        out_trade_no=out_trade_no,
        state=state,
        amount_fen=translation.fen(document.get("order_fee")),
        transaction_id=translation.text(document, "wx_order_id"),
        # It was asked for as an order of this user, and the client's arguments were signed with their session.
        openid=order.payer.openid,
        paid_at=translation.parse_epoch(document.get("paid_time")),
        channel=Channel.VIRTUAL,
    )


def _state(document: Mapping[str, object]) -> TradeState:
    status = document.get("status")
    if type(status) is not int or status not in _STATES:
        raise MismatchError("state")
    return _STATES[status]


def _progress(order: Order, refund: Refund, gone_fen: int, state: TradeState, has_failed: bool) -> RefundProgress:
    if has_failed:
        return RefundProgress.ABNORMAL
    expected_fen = order.refunded_fen + refund.amount_fen
    if gone_fen < expected_fen:
        return RefundProgress.UNKNOWN
    is_done = state is TradeState.REFUNDED and gone_fen == expected_fen
    return RefundProgress.DONE if is_done else RefundProgress.PROCESSING


def _answer(status: int, code: int, message: str) -> Answer:
    return Answer(status, body=json.dumps({"ErrCode": code, "ErrMsg": message}).encode())


def _unbelievable(error: MismatchError) -> PaymentUnavailableError:
    log.error("virtual payment's answer cannot be believed", problem=str(error))
    return translation.unavailable(NAME)
