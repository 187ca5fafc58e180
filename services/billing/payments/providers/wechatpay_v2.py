"""WeChat Pay v2, the older API with XML: JSAPI payments, through wechatpy.

Source: WeChat Pay's v2 documents.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from types import TracebackType
from typing import Self

import requests
import structlog
from wechatpy.exceptions import WeChatPayException
from wechatpy.pay.utils import dict_to_xml

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
from services.billing.payments.providers import bill, signed_xml, translation
from services.billing.payments.providers.signed_xml import Fields
from services.billing.payments.providers.translation import MismatchError
from services.billing.payments.providers.wechatpay_v2_client import Client, WeChatPayV2Settings

_NAME = "wechatpay-v2"

_WHOLE_TIMEOUT_S = 8.0
_DOWNLOAD_TIMEOUT_S = 60.0

log = structlog.get_logger()


class WeChatPayV2:
    """Takes money through v2; use it as a context manager, which holds its connections."""

    def __init__(self, settings: WeChatPayV2Settings) -> None:
        """Take money for this account.

        Raises:
            ConfigurationError: The account cannot work as it is set.
        """
        self._settings = settings
        self._client = Client(settings)

    async def __aenter__(self) -> Self:
        """Ready at once."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        self._client.disconnect()

    @property
    def name(self) -> str:
        """As in the callback's address."""
        return _NAME

    @property
    def channels(self) -> frozenset[Channel]:
        """The ways to pay."""
        return frozenset({Channel.JSAPI_V2})

    async def prepay(self, order: Order, now: datetime) -> Mapping[str, str]:
        """Parameters of `wx.requestPayment`.

        Raises:
            ChannelUnavailableError: The order names no openid.
        """
        translation.check_channel(order, self.channels)
        if not order.payer.openid:
            raise translation.needs_openid(order)
        answer = await self._ask(
            lambda: self._client.order.create(
                trade_type="JSAPI",
                body=order.description,
                total_fee=order.amount_fen,
                notify_url=self._settings.notify_url,
                # Left out, wechatpy would look for an address of ours.
                client_ip=order.payer.client_ip or "127.0.0.1",
                user_id=order.payer.openid,
                out_trade_no=order.out_trade_no,
                time_start=order.created_at.astimezone(translation.BEIJING),
                time_expire=order.expires_at.astimezone(translation.BEIJING),
            )
        )
        try:
            return self._payment_parameters(translation.text(answer, "prepay_id"), now)
        except MismatchError as error:
            raise _unbelievable(error) from None

    def _payment_parameters(self, prepay_id: str, now: datetime) -> Mapping[str, str]:
        parameters = {
            "appId": self._settings.appid,
            "timeStamp": str(int(now.timestamp())),
            "nonceStr": secrets.token_hex(16),
            "package": f"prepay_id={prepay_id}",
            "signType": self._settings.sign_type,
        }
        return parameters | {"paySign": signed_xml.sign(parameters, self._settings.api_key, self._settings.sign_type)}

    async def read(self, callback: Callback, now: datetime) -> Notice:
        """Verify and bind to this account.

        A v2 notice is signed with a shared key and does not say when, and that of a refund is encrypted but not signed:
        both are only hints.
        """
        translation.check_body(callback.body)
        try:
            said = signed_xml.parse(callback.body)
            translation.check_ours(said.get("return_code"), "SUCCESS", "return_code")
            if "req_info" in said:
                self._check_account(said)
                nonce = hashlib.sha256(said["req_info"].encode()).hexdigest()
                return Notice(nonce=nonce, refund=self._told_refund(said), confirm=True)
            signed_xml.check_signed(said, self._settings.api_key)
            self._check_account(said)
            trade = self._trade(said, "SUCCESS") if said.get("result_code") == "SUCCESS" else None
            return Notice(nonce=translation.text(said, "nonce_str"), trade=trade, confirm=True)
        except MismatchError as error:
            raise CallbackRefusedError(str(error)) from None

    def _told_refund(self, said: Fields) -> RefundStatus:
        told = self._client.opened_refund(said)
        return RefundStatus(
            out_refund_no=translation.text(told, "out_refund_no"),
            progress=translation.meaning(translation.REFUND_STATES, told.get("refund_status")),
            out_trade_no=translation.text(told, "out_trade_no"),
            refund_id=translation.text(told, "refund_id"),
            amount_fen=translation.fen(told.get("refund_fee")),
        )

    def echo(self, query: Mapping[str, str]) -> str | None:
        """WeChat Pay does not verify addresses."""
        return None

    def accepted(self) -> Answer:
        """The notice was taken."""
        return _answer(200, "SUCCESS", "OK")

    def refused(self) -> Answer:
        """The notice is not believed."""
        return _answer(401, "FAIL", "签名失败")

    def later(self) -> Answer:
        """The notice should come again."""
        return _answer(503, "FAIL", "系统繁忙")

    async def query(self, order: Order) -> Trade:
        """How the order stands."""
        try:
            answer = await self._ask(lambda: self._client.order.query(out_trade_no=order.out_trade_no))
            translation.check_ours(answer.get("out_trade_no"), order.out_trade_no, "out_trade_no")
            return self._trade(answer, answer.get("trade_state"))
        except PaymentRefusedError as error:
            if translation.is_refused_with(error, translation.ORDER_UNKNOWN):
                return Trade(order.out_trade_no, TradeState.UNKNOWN)
            raise
        except MismatchError as error:
            raise _unbelievable(error) from None

    async def deliver(self, order: Order) -> None:
        """WeChat Pay does not want to know."""

    async def close(self, order: Order) -> None:
        """Close it; one that is closed, or that WeChat never heard of, is content."""
        try:
            await self._ask(lambda: self._client.order.close(order.out_trade_no))
        except PaymentRefusedError as error:
            if not translation.is_refused_with(error, translation.ORDER_CLOSED | translation.ORDER_UNKNOWN):
                raise

    async def refund(self, order: Order, refund: Refund) -> RefundStatus:
        """Give money back, which needs the merchant's certificate."""
        if not self._client.can_refund:
            raise PaymentRefusedError(
                "Refunds over WeChat Pay v2 need the merchant's certificate: set its file and its key's file.",
                metadata={"provider": _NAME, "provider_code": "NO_CERTIFICATE"},
            )
        answer = await self._ask(
            lambda: self._client.refund.apply(
                total_fee=order.amount_fen,
                refund_fee=refund.amount_fen,
                out_refund_no=refund.out_refund_no,
                out_trade_no=order.out_trade_no,
                # For merchants of the oldest kind alone.
                refund_account=None,
                refund_desc=refund.reason or None,
                notify_url=self._settings.notify_url,
            )
        )
        # It was taken; how it ends, a query or a notice tells.
        return _refund_status(answer, refund, "", RefundProgress.PROCESSING)

    async def query_refund(self, order: Order, refund: Refund) -> RefundStatus:
        """How the refund stands."""
        try:
            answer = await self._ask(lambda: self._client.refund.query(out_refund_no=refund.out_refund_no))
            number = next((name for name, value in answer.items() if value == refund.out_refund_no), "")
            suffix = number.removeprefix("out_refund_no")
            progress = translation.meaning(translation.REFUND_STATES, answer.get(f"refund_status{suffix}"))
        except PaymentRefusedError as error:
            if translation.is_refused_with(error, translation.REFUND_UNKNOWN):
                return RefundStatus(refund.out_refund_no, RefundProgress.UNKNOWN, refund.out_trade_no)
            raise
        except MismatchError as error:
            raise _unbelievable(error) from None
        return _refund_status(answer, refund, suffix, progress)

    async def bill(self, day: date) -> Sequence[BillRow]:
        """The trade bill of the merchant, of whichever API."""
        try:
            content = await self._call(lambda: self._client.tools.download_bill(day), _DOWNLOAD_TIMEOUT_S)
            return await asyncio.to_thread(self._bill_rows, content)
        except PaymentRefusedError as error:
            if translation.is_refused_with(error, translation.BILL_EMPTY):
                return ()
            raise
        except MismatchError as error:
            raise _unbelievable(error) from None

    def _bill_rows(self, content: Fields | bytes) -> Sequence[BillRow]:
        if not isinstance(content, bytes):
            raise MismatchError("malformed")
        return bill.parse(bill.decode(content), mchid=self._settings.mchid, appid=self._settings.appid)

    async def _ask(self, call: Callable[[], Fields | bytes]) -> Fields:
        answer = await self._call(call, _WHOLE_TIMEOUT_S)
        if isinstance(answer, bytes):
            raise _unbelievable(MismatchError("malformed"))
        return answer

    async def _call(self, call: Callable[[], Fields | bytes], timeout_s: float) -> Fields | bytes:
        """wechatpy is synchronous: it runs in a thread, which its own timeouts end."""
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.to_thread(call)
        except MismatchError as error:
            raise _unbelievable(error) from None
        except WeChatPayException as error:
            log.warning("wechatpay v2 refuses", code=error.errcode)
            raise (
                translation.refusal(_NAME, error.errcode) if error.errcode else translation.unavailable(_NAME)
            ) from None
        except (requests.RequestException, TimeoutError) as error:
            log.warning("wechatpay v2 does not answer", error=type(error).__name__)
            raise translation.unavailable(_NAME) from None

    def _check_account(self, said: Fields) -> None:
        translation.check_ours(said.get("appid"), self._settings.appid, "appid")
        translation.check_ours(said.get("mch_id"), self._settings.mchid, "mchid")

    def _trade(self, fields: Fields, said: str | None) -> Trade:
        out_trade_no = translation.text(fields, "out_trade_no")
        state = translation.meaning(translation.TRADE_STATES, said)
        if state not in (TradeState.PAID, TradeState.REFUNDED):
            return Trade(out_trade_no, state)
        return Trade(
            out_trade_no=out_trade_no,
            state=state,
            amount_fen=translation.fen(fields.get("total_fee")),
            currency=fields.get("fee_type", "CNY"),
            transaction_id=translation.text(fields, "transaction_id"),
            openid=translation.text(fields, "openid"),
            paid_at=translation.parse_compact(translation.text(fields, "time_end")),
            channel=Channel.JSAPI_V2 if fields.get("trade_type") == "JSAPI" else None,
        )


def _refund_status(answer: Fields, refund: Refund, suffix: str, progress: RefundProgress) -> RefundStatus:
    """A refund's status from fields whose names end in its number."""
    try:
        status = RefundStatus(
            out_refund_no=translation.text(answer, f"out_refund_no{suffix}"),
            progress=progress,
            out_trade_no=translation.text(answer, "out_trade_no"),
            refund_id=translation.text(answer, f"refund_id{suffix}"),
            amount_fen=translation.fen(answer.get(f"refund_fee{suffix}")),
        )
        return translation.checked(status, refund)
    except MismatchError as error:
        raise _unbelievable(error) from None


def _answer(status: int, code: str, message: str) -> Answer:
    body = str(dict_to_xml({"return_code": code, "return_msg": message})).encode()
    return Answer(status, "text/xml; charset=utf-8", body)


def _unbelievable(error: MismatchError) -> PaymentUnavailableError:
    log.error("wechatpay v2's answer cannot be believed", problem=str(error))
    return translation.unavailable(_NAME)
