"""WeChat Pay APIv3: JSAPI and NATIVE payments, through wechatpayv3.

Source: WeChat Pay's APIv3 documents.
"""

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from types import TracebackType
from typing import Self

import structlog
from wechatpayv3.async_.type import WeChatPayType

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
from services.billing.payments.errors import CallbackRefusedError, PaymentRefusedError, PaymentUnavailableError
from services.billing.payments.providers import bill, translation
from services.billing.payments.providers.translation import MismatchError
from services.billing.payments.providers.wechatpay_client import NAME, WeChatPayClient, WeChatPayV3Settings

_DOWNLOAD_TIMEOUT_S = 60.0

_CHANNELS = {"JSAPI": Channel.JSAPI, "NATIVE": Channel.NATIVE}

log = structlog.get_logger()


class WeChatPayV3:
    """Takes money through APIv3; use it as a context manager, which holds its connections."""

    def __init__(self, settings: WeChatPayV3Settings) -> None:
        """Take money for this account.

        Raises:
            ConfigurationError: The account cannot work as it is set.
        """
        self._settings = settings
        self._client = WeChatPayClient(settings)
        self._api = self._client.api

    async def __aenter__(self) -> Self:
        """Open connections; asks nobody."""
        await self._api.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        await self._api.__aexit__(kind, error, trace)

    @property
    def name(self) -> str:
        """As in the callback's address."""
        return NAME

    @property
    def channels(self) -> frozenset[Channel]:
        """The ways to pay."""
        return frozenset(_CHANNELS.values())

    async def prepay(self, order: Order, now: datetime) -> Mapping[str, str]:
        """Parameters of `wx.requestPayment`, or `code_url` for a QR code.

        Raises:
            ChannelUnavailableError: JSAPI without an openid.
        """
        translation.check_channel(order, self.channels)
        jsapi = order.channel is Channel.JSAPI
        if jsapi and not order.payer.openid:
            raise translation.needs_openid(order)
        # Only what the order says, so that repeating it says the same.
        answer = await self._client.ask(
            self._api.pay(
                description=order.description,
                out_trade_no=order.out_trade_no,
                amount={"total": order.amount_fen, "currency": "CNY"},
                payer={"openid": order.payer.openid} if jsapi else None,
                time_expire=translation.rfc3339(order.expires_at),
                scene_info={"payer_client_ip": order.payer.client_ip} if order.payer.client_ip else None,
                pay_type=WeChatPayType.JSAPI if jsapi else WeChatPayType.NATIVE,
            )
        )
        try:
            if not jsapi:
                return {"code_url": translation.text(answer, "code_url")}
            return self._payment_parameters(translation.text(answer, "prepay_id"), now)
        except MismatchError as error:
            raise self._unbelievable(error) from None

    def _payment_parameters(self, prepay_id: str, now: datetime) -> Mapping[str, str]:
        timestamp, nonce, package = str(int(now.timestamp())), secrets.token_hex(16), f"prepay_id={prepay_id}"
        return {
            "appId": self._settings.appid,
            "timeStamp": timestamp,
            "nonceStr": nonce,
            "package": package,
            "signType": "RSA",
            "paySign": self._api.sign([self._settings.appid, timestamp, nonce, package]),
        }

    async def read(self, callback: Callback, now: datetime) -> Notice:
        """Verify, decrypt, and bind to this account."""
        headers = callback.headers
        timestamp, nonce = headers.get("wechatpay-timestamp", ""), headers.get("wechatpay-nonce", "")
        translation.check_body(callback.body)
        translation.check_fresh(timestamp, now)
        if not nonce:
            raise CallbackRefusedError("nonce")
        event = await self._client.open(callback)
        try:
            trade, refund = self._told(event)
        except MismatchError as error:
            raise CallbackRefusedError(str(error)) from None
        return Notice(nonce=f"{timestamp}.{nonce}", trade=trade, refund=refund)

    def _told(self, event: Mapping[str, object]) -> tuple[Trade | None, RefundStatus | None]:
        kind, resource = str(event.get("event_type")), translation.part(event, "resource")
        if kind == "TRANSACTION.SUCCESS":
            return self._trade(resource), None
        if kind.startswith("REFUND."):
            translation.check_ours(resource.get("mchid"), self._settings.mchid, "mchid")
            return None, _refund_status(resource, "refund_status")
        return None, None

    def echo(self, query: Mapping[str, str]) -> str | None:
        """WeChat Pay does not verify addresses."""
        return None

    def accepted(self) -> Answer:
        """The notice was taken."""
        return _answer(200, "SUCCESS", "成功")

    def refused(self) -> Answer:
        """The notice is not believed."""
        return _answer(401, "FAIL", "验证失败")

    def later(self) -> Answer:
        """The notice should come again."""
        return _answer(503, "FAIL", "系统繁忙，请稍后重试")

    async def query(self, order: Order) -> Trade:
        """How the order stands."""
        try:
            answer = await self._client.ask(self._api.query(out_trade_no=order.out_trade_no))
            trade = self._trade(answer)
            translation.check_ours(trade.out_trade_no, order.out_trade_no, "out_trade_no")
        except PaymentRefusedError as error:
            if translation.is_refused_with(error, translation.ORDER_UNKNOWN):
                return Trade(order.out_trade_no, TradeState.UNKNOWN)
            raise
        except MismatchError as error:
            raise self._unbelievable(error) from None
        return trade

    async def deliver(self, order: Order) -> None:
        """WeChat Pay does not want to know."""

    async def close(self, order: Order) -> None:
        """Close it; one that is closed, or that WeChat never heard of, is content."""
        try:
            await self._client.ask(self._api.close(order.out_trade_no))
        except PaymentRefusedError as error:
            if not translation.is_refused_with(error, translation.ORDER_CLOSED | translation.ORDER_UNKNOWN):
                raise

    async def refund(self, order: Order, refund: Refund) -> RefundStatus:
        """Give money back."""
        answer = await self._client.ask(
            self._api.refund(
                out_refund_no=refund.out_refund_no,
                out_trade_no=order.out_trade_no,
                amount={"refund": refund.amount_fen, "total": order.amount_fen, "currency": "CNY"},
                reason=refund.reason or None,
            )
        )
        return self._checked_refund(answer, refund)

    async def query_refund(self, order: Order, refund: Refund) -> RefundStatus:
        """How the refund stands."""
        try:
            answer = await self._client.ask(self._api.query_refund(refund.out_refund_no))
        except PaymentRefusedError as error:
            if translation.is_refused_with(error, translation.REFUND_UNKNOWN):
                return RefundStatus(refund.out_refund_no, RefundProgress.UNKNOWN, refund.out_trade_no)
            raise
        return self._checked_refund(answer, refund)

    async def bill(self, day: date) -> Sequence[BillRow]:
        """The trade bill of the merchant, of whichever API."""
        try:
            offer = await self._client.ask(
                self._api.trade_bill(bill_date=day.isoformat(), bill_type="ALL", tar_type="GZIP")
            )
            url, sha1 = translation.text(offer, "download_url"), translation.text(offer, "hash_value")
            translation.check_ours(offer.get("hash_type"), "SHA1", "hash_type")
            # wechatpayv3 can fetch from one host alone.
            translation.check_ours(url[: len(self._client.base_url) + 1], f"{self._client.base_url}/", "download_url")
            content = await self._client.download(self._api.download_bill(url), _DOWNLOAD_TIMEOUT_S)
            return await asyncio.to_thread(self._bill_rows, content, sha1)
        except PaymentRefusedError as error:
            if translation.is_refused_with(error, translation.BILL_EMPTY):
                return ()
            raise
        except MismatchError as error:
            raise self._unbelievable(error) from None

    def _bill_rows(self, content: bytes, sha1: str) -> Sequence[BillRow]:
        return bill.parse(bill.unpack(content, sha1), mchid=self._settings.mchid, appid=self._settings.appid)

    def _trade(self, document: Mapping[str, object]) -> Trade:
        translation.check_ours(document.get("appid"), self._settings.appid, "appid")
        translation.check_ours(document.get("mchid"), self._settings.mchid, "mchid")
        out_trade_no = translation.text(document, "out_trade_no")
        state = translation.meaning(translation.TRADE_STATES, document.get("trade_state"))
        if state not in (TradeState.PAID, TradeState.REFUNDED):
            return Trade(out_trade_no, state)
        amount = translation.part(document, "amount")
        return Trade(
            out_trade_no=out_trade_no,
            state=state,
            amount_fen=translation.fen(amount.get("total")),
            currency=translation.text(amount, "currency"),
            transaction_id=translation.text(document, "transaction_id"),
            openid=translation.text(translation.part(document, "payer"), "openid"),
            paid_at=translation.parse_rfc3339(translation.text(document, "success_time")),
            channel=_CHANNELS.get(str(document.get("trade_type"))),
        )

    def _checked_refund(self, answer: Mapping[str, object], refund: Refund) -> RefundStatus:
        try:
            return translation.checked(_refund_status(answer, "status"), refund)
        except MismatchError as error:
            raise self._unbelievable(error) from None

    def _unbelievable(self, error: MismatchError) -> PaymentUnavailableError:
        log.error("wechatpay's answer cannot be believed", problem=str(error))
        return translation.unavailable(NAME)


def _refund_status(document: Mapping[str, object], status: str) -> RefundStatus:
    return RefundStatus(
        out_refund_no=translation.text(document, "out_refund_no"),
        progress=translation.meaning(translation.REFUND_STATES, document.get(status)),
        out_trade_no=translation.text(document, "out_trade_no"),
        refund_id=translation.text(document, "refund_id"),
        amount_fen=translation.fen(translation.part(document, "amount").get("refund")),
    )


def _answer(status: int, code: str, message: str) -> Answer:
    return Answer(status, body=json.dumps({"code": code, "message": message}, ensure_ascii=False).encode())
