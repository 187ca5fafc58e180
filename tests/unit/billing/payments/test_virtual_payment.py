"""Virtual payment: what a client may sign, and what an answer means."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from services.billing.payments.domain import Channel, Payer, RefundProgress, TradeState
from services.billing.payments.errors import (
    ChannelUnavailableError,
    PaymentRefusedError,
    PaymentUnavailableError,
)
from services.billing.payments.providers.platform_client import VirtualPaymentSettings
from services.billing.payments.providers.virtual_payment import VirtualPayment
from services.runtime.errors import StartupError
from tests.fakes.payment_stand_in import a_refund, an_order

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
SETTINGS = VirtualPaymentSettings(
    base_url="https://api.weixin.qq.com",
    appid="wxd678efh567hg6787",
    offer_id="1450000001",
    secret="not-a-secret",
    app_key="app-key",
    message_token="message-token",
)
PAYER = Payer(openid="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", session_key="c2Vzc2lvbi1rZXk=")
ORDER = an_order(Channel.VIRTUAL, payer=PAYER)


class Platform:
    """A scripted `api.weixin.qq.com`; tokens are `token-1`, `token-2` and so on."""

    def __init__(self) -> None:
        self.order: dict[str, object] = {"errcode": 0, "order": an_answer()}
        self.tokens = 0
        self.refused_tokens: set[str] = set()
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/cgi-bin/stable_token":
            self.tokens += 1
            return httpx.Response(200, json={"access_token": f"token-{self.tokens}", "expires_in": 7200})
        self.requests.append(request)
        if request.url.params["access_token"] in self.refused_tokens:
            return httpx.Response(200, json={"errcode": 40001, "errmsg": "invalid credential"})
        return httpx.Response(200, json=self.order)


def an_answer(**changes: object) -> dict[str, object]:
    """A paid order as the platform tells it."""
    return {
        "order_id": ORDER.out_trade_no,
        "wx_order_id": "4200000000000000000000000001",
        "status": 2,
        "order_fee": 1000,
        "paid_fee": 1000,
        "left_fee": 1000,
        "paid_time": 1_795_000_000,
        "env_type": 1,
    } | changes


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
async def virtual(platform: Platform) -> AsyncIterator[VirtualPayment]:
    async with VirtualPayment(SETTINGS) as provider:
        await provider._platform._http.aclose()
        network = httpx.MockTransport(platform)
        provider._platform._http = httpx.AsyncClient(base_url=SETTINGS.base_url, transport=network)
        yield provider


async def test_a_client_gets_arguments_signed_twice(virtual: VirtualPayment) -> None:
    arguments = await virtual.prepay(ORDER, NOW)
    assert json.loads(arguments["signData"]) == {
        "offerId": "1450000001",
        "buyQuantity": 1,
        "env": 0,
        "currencyType": "CNY",
        "productId": ORDER.virtual_product_id,
        "goodsPrice": 1000,
        "outTradeNo": ORDER.out_trade_no,
        "attach": "",
    }
    assert arguments["mode"] == "short_series_goods"
    for name, key, message in (
        ("paySig", "app-key", f"requestVirtualPayment&{arguments['signData']}"),
        ("signature", PAYER.session_key, arguments["signData"]),
    ):
        assert arguments[name] == hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()
    assert PAYER.session_key not in str(arguments)


@pytest.mark.parametrize(
    "order",
    [
        replace(ORDER, virtual_product_id=""),
        replace(ORDER, payer=replace(PAYER, session_key="")),
        replace(ORDER, payer=replace(PAYER, openid="")),
        replace(ORDER, channel=Channel.JSAPI),
    ],
)
async def test_what_cannot_be_paid_so_says_why(virtual: VirtualPayment, order: object) -> None:
    with pytest.raises(ChannelUnavailableError):
        await virtual.prepay(order, NOW)  # type: ignore[arg-type]  # pytest forgets the type


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (0, TradeState.UNPAID),
        (1, TradeState.UNPAID),
        (2, TradeState.PAID),
        (4, TradeState.PAID),
        (5, TradeState.REFUNDED),
        (6, TradeState.CLOSED),
        (7, TradeState.PAID),
        (8, TradeState.REFUNDED),
    ],
)
async def test_how_an_order_stands(platform: Platform, virtual: VirtualPayment, status: int, state: TradeState) -> None:
    platform.order = {"order": an_answer(status=status)}
    assert (await virtual.query(ORDER)).state is state


async def test_a_request_is_signed_with_the_app_key(platform: Platform, virtual: VirtualPayment) -> None:
    await virtual.query(ORDER)
    (request,) = platform.requests
    message = b"/xpay/query_order&" + request.content
    assert request.url.params["pay_sig"] == hmac.new(b"app-key", message, hashlib.sha256).hexdigest()
    assert json.loads(request.content) == {"openid": PAYER.openid, "order_id": ORDER.out_trade_no, "env": 0}


async def test_a_token_is_kept_and_replaced_once_it_is_refused(platform: Platform, virtual: VirtualPayment) -> None:
    await virtual.query(ORDER)
    await virtual.query(ORDER)
    assert platform.tokens == 1
    platform.refused_tokens = {"token-1"}
    await virtual.query(ORDER)
    assert platform.tokens == 2
    platform.refused_tokens |= {"token-2", "token-3"}
    platform.requests.clear()
    with pytest.raises(PaymentUnavailableError):
        await virtual.query(ORDER)
    assert len(platform.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        {"order": an_answer(order_id="another")},
        {"order": an_answer(env_type=2)},
        {"order": an_answer(status=99)},
        {"order": an_answer(status="2")},
        {"order": an_answer(order_fee=10.0)},
        {"order": an_answer(paid_time=10**15)},
        {"order": None},
        {"errcode": "what"},
        {"errcode": -1},
        {"errcode": 268490015},
        {},
    ],
)
async def test_an_answer_that_cannot_be_believed_is_no_answer(
    platform: Platform, virtual: VirtualPayment, answer: dict[str, object]
) -> None:
    platform.order = answer
    with pytest.raises(PaymentUnavailableError):
        await virtual.query(ORDER)


async def test_what_the_platform_refuses(platform: Platform, virtual: VirtualPayment) -> None:
    platform.order = {"errcode": 268490003, "errmsg": "秘密"}
    with pytest.raises(PaymentRefusedError) as error:
        await virtual.query(ORDER)
    assert error.value.metadata["provider_code"] == "268490003"
    assert "秘密" not in str(error.value)
    platform.order = {"errcode": 268490002, "errmsg": "订单不存在"}
    assert (await virtual.query(ORDER)).state is TradeState.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "progress"),
    [
        ({"status": 4, "left_fee": 1000}, RefundProgress.UNKNOWN),
        ({"status": 4, "left_fee": 700}, RefundProgress.PROCESSING),
        ({"status": 5, "left_fee": 700}, RefundProgress.DONE),
        ({"status": 5, "left_fee": 500}, RefundProgress.PROCESSING),
        ({"status": 7, "left_fee": 700}, RefundProgress.ABNORMAL),
    ],
)
async def test_how_a_refund_stands(
    platform: Platform, virtual: VirtualPayment, changes: dict[str, object], progress: RefundProgress
) -> None:
    platform.order = {"order": an_answer(**changes)}
    assert (await virtual.query_refund(ORDER, a_refund(ORDER, 300))).progress is progress


async def test_a_refund_is_asked_with_what_is_left(platform: Platform, virtual: VirtualPayment) -> None:
    order = replace(ORDER, refunded_fen=400)
    refund = a_refund(order, 300)
    platform.order = {
        "refund_order_id": refund.out_refund_no,
        "refund_wx_order_id": "5030",
        "pay_order_id": order.out_trade_no,
    }
    status = await virtual.refund(order, refund)
    assert (status.progress, status.refund_id) == (RefundProgress.PROCESSING, "5030")
    said = json.loads(platform.requests[0].content)
    assert (said["left_fee"], said["refund_fee"], said["refund_order_id"]) == (600, 300, refund.out_refund_no)


async def test_there_are_no_bills(virtual: VirtualPayment) -> None:
    assert await virtual.bill(NOW.date()) is None


def test_answers_are_as_the_platform_wants_them() -> None:
    provider = VirtualPayment(SETTINGS)
    assert json.loads(provider.accepted().body) == {"ErrCode": 0, "ErrMsg": "success"}
    assert [json.loads(one.body)["ErrCode"] for one in (provider.refused(), provider.later())] == [1, 1]


def test_a_wrong_aes_key_is_said_at_the_start() -> None:
    with pytest.raises(StartupError):
        VirtualPayment(replace(SETTINGS, encoding_aes_key="too short"))
    assert "not-a-secret" not in repr(SETTINGS)
