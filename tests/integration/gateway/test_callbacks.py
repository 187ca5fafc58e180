"""Callbacks of payment providers: handed to billing as they came, answered as billing says."""

import asyncio
import io
import os
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from queqiao.billing.v1 import payments_pb2

from services.runtime.errors import UnavailableError
from tests.integration.gateway.conftest import Gateway, StartGateway

pytestmark = pytest.mark.xdist_group("clock")

PATH = "/v1/payments/wechatpay/notify"
REFUSAL = payments_pb2.HandleCallbackResponse(
    status=401, content_type="application/json", body='{"code":"FAIL","message":"签名错误"}'.encode()
)


async def notify(gateway: Gateway, body: bytes = b"{}", path: str = PATH) -> int:
    async with gateway.http.post(f"{gateway.url}{path}", data=io.BytesIO(body)) as answer:
        await answer.read()
        return answer.status


async def test_a_callback_arrives_with_all_that_its_signature_covers(gateway: Gateway) -> None:
    headers = {
        "Wechatpay-Signature": "c2ln", "Wechatpay-Nonce": "n", "Content-Type": "application/json", "X-Twice": "last",
    }  # fmt: skip
    async with gateway.http.post(f"{gateway.url}{PATH}?a=%2F1&b=&a=2", data=b'{"id":1}', headers=headers) as answer:
        assert (answer.status, await answer.read()) == (204, b"")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Content-Type" not in answer.headers
    callback = gateway.payments.callbacks[0]
    assert (callback.provider, callback.method, callback.body) == ("wechatpay", "POST", b'{"id":1}')
    assert dict(callback.query) == {"a": "2", "b": ""}
    assert {name: callback.headers[name] for name in ("wechatpay-signature", "wechatpay-nonce", "x-twice")} == {
        "wechatpay-signature": "c2ln", "wechatpay-nonce": "n", "x-twice": "last",
    }  # fmt: skip
    assert all(name == name.lower() for name in callback.headers)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_answer_is_billings_to_the_byte(gateway: Gateway, method: str) -> None:
    gateway.payments.answer = REFUSAL
    async with gateway.http.request(method, f"{gateway.url}{PATH}?echostr=1") as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (401, "application/json", REFUSAL.body)
        assert answer.headers["Cache-Control"] == "no-store"
    assert gateway.payments.callbacks[0].method == method


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=2000))
async def test_any_body_arrives_byte_for_byte(gateway: Gateway, body: bytes) -> None:
    assert await notify(gateway, body) == 204
    assert gateway.payments.callbacks[-1].body == body


async def test_the_largest_body_arrives_and_a_larger_one_is_refused(gateway: Gateway) -> None:
    largest = os.urandom(1024 * 1024)
    assert await notify(gateway, largest) == 204
    assert gateway.payments.callbacks[0].body == largest
    assert await notify(gateway, largest + b"x") == 413
    assert await notify(gateway, b"x" * 2_000_000) == 413
    assert len(gateway.payments.callbacks) == 1


async def test_a_body_that_turns_out_too_large_is_refused(gateway: Gateway) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1025):
            yield b"x" * 1024

    async with gateway.http.post(f"{gateway.url}{PATH}", data=chunks()) as answer:
        assert answer.status == 413
    assert gateway.payments.callbacks == []


@pytest.mark.parametrize("provider", ["paypal", "WECHATPAY", "a%20b", "x" * 65, "%F0%9F%98%80"])
async def test_a_provider_that_does_not_exist_is_not_found(gateway: Gateway, provider: str) -> None:
    assert await notify(gateway, path=f"/v1/payments/{provider}/notify") == 404
    assert gateway.payments.callbacks == []


async def test_a_billing_that_is_away_makes_the_provider_come_again(gateway: Gateway) -> None:
    gateway.payments.trouble = UnavailableError("The ledger does not answer.", retry_after_s=1)
    async with gateway.http.post(f"{gateway.url}{PATH}", data=b"{}") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert (await answer.json())["error"]["code"] == "service_unavailable"


async def test_a_billing_that_nobody_reaches_makes_the_provider_come_again(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(billing_target="127.0.0.1:9")
    assert await notify(gateway) == 503


async def test_a_billing_that_hangs_is_given_up_before_wechat_does(gateway: Gateway) -> None:
    gateway.payments.answer_s = 60
    begin = asyncio.get_running_loop().time()
    assert await notify(gateway) == 503
    assert asyncio.get_running_loop().time() - begin < 5


async def test_more_callbacks_than_may_run_are_sent_away(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(callbacks_max=2)
    gateway.payments.answer_s = 0.5
    statuses = await asyncio.gather(*(notify(gateway) for _ in range(5)))
    assert sorted(statuses) == [204, 204, 503, 503, 503]
    gateway.payments.answer_s = 0
    assert await notify(gateway) == 204


async def test_callbacks_are_not_counted_against_anybody(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(rate_limit_key_per_minute=1)
    assert [await notify(gateway) for _ in range(3)] == [204] * 3


async def test_nothing_of_a_callback_is_logged(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.payments.answer = REFUSAL
    assert await notify(gateway, b'{"secret":"body"}', f"{PATH}?signature=query-secret") == 401
    logged = capsys.readouterr()
    for secret in ("query-secret", '"body"', "签名错误"):
        assert secret not in logged.out + logged.err
