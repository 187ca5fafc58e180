"""Packages and orders: what is sold, and who is said to pay."""

import asyncio
from typing import Any

import asyncpg
import pytest
from queqiao.billing.v1 import payments_pb2

from services.gateway.edge.client_address import networks
from services.runtime.errors import Code, RemoteError
from tests.integration.gateway.conftest import Gateway, StartGateway

NATIVE = {"package_id": "starter", "channel": "native"}


async def test_packages_are_named_in_the_users_language(gateway: Gateway) -> None:
    gateway.payments.packages = [
        payments_pb2.Package(
            package_id="starter", name_zh="入门包", name_en="Starter", tokens=1_000_000, amount_fen=1420,
            channels=[payments_pb2.PAYMENT_CHANNEL_JSAPI_V2, payments_pb2.PAYMENT_CHANNEL_VIRTUAL],
            virtual_amount_fen=1500,
        )
    ]  # fmt: skip
    status, answer = await gateway.get("/v1/packages")
    assert status == 200
    assert answer == {
        "object": "list",
        "data": [
            {
                "id": "starter",
                "object": "package",
                "name": "入门包",
                "tokens": 1_000_000,
                "amount_fen": 1420,
                "amount": "14.20",
                "virtual_amount_fen": 1500,
                "currency": "CNY",
                "channels": ["jsapi_v2", "virtual"],
            }
        ],
        "channels": ["jsapi", "native"],
    }
    _, answer = await gateway.get("/v1/packages", language="en")
    assert answer["data"][0]["name"] == "Starter"


async def test_an_order_answers_what_the_client_pays_with(gateway: Gateway) -> None:
    status, order = await gateway.post("/v1/orders", NATIVE)
    assert status == 201
    assert order == {
        "id": f"Q{1:031}",
        "object": "order",
        "state": "paying",
        "channel": "native",
        "package_id": "starter",
        "tokens": 1_000_000,
        "amount_fen": 1420,
        "amount": "14.20",
        "currency": "CNY",
        "refunded_fen": 0,
        "created": 1_700_000_000,
        "expires_at": 1_700_001_800,
        "paid_at": None,
        "payment": {"code_url": "weixin://wxpay/bizpayurl?pr=x"},
    }
    assert await gateway.get(f"/v1/orders/{order['id']}") == (200, order)
    request = gateway.payments.created[0]
    assert request.user_id == gateway.user_id
    assert request.request_id.startswith("req_")
    assert request.payer == payments_pb2.Payer(client_ip="127.0.0.1")


async def test_a_number_of_tokens_is_bought(gateway: Gateway) -> None:
    status, order = await gateway.post("/v1/orders", {"tokens": 5_000, "channel": "native"})
    assert (status, order["tokens"], order["package_id"]) == (201, 5_000, None)


async def test_a_paid_order_has_nothing_left_to_pay(gateway: Gateway) -> None:
    _, order = await gateway.post("/v1/orders", NATIVE)
    stored = gateway.payments.orders[0]
    stored.state, stored.refunded_fen = payments_pb2.ORDER_STATE_PAID, 20
    stored.parameters.clear()
    stored.pay_time.FromSeconds(1_700_000_100)
    _, after = await gateway.get(f"/v1/orders/{order['id']}")
    assert [after[name] for name in ("state", "paid_at", "refunded_fen", "payment")] == [
        "paid",
        1_700_000_100,
        20,
        None,
    ]


async def test_the_same_key_makes_one_order(gateway: Gateway) -> None:
    keyed = {"Idempotency-Key": "once"}
    first, again = [await gateway.post("/v1/orders", NATIVE, **keyed) for _ in range(2)]
    assert first == again
    status, answer = await gateway.post("/v1/orders", {"tokens": 5_000, "channel": "native"}, **keyed)
    assert (status, answer["error"]["code"]) == (409, "idempotency_conflict")
    assert [request.request_id for request in gateway.payments.created] == ["once"]


async def test_orders_are_listed_page_by_page_and_nobody_elses(gateway: Gateway) -> None:
    ids = [(await gateway.post("/v1/orders", NATIVE))[1]["id"] for _ in range(3)]
    _, stranger = await gateway.login("code-of-a-stranger")
    assert (await gateway.get("/v1/orders", token=stranger))[1]["data"] == []
    _, first = await gateway.get("/v1/orders?limit=2")
    assert ([order["id"] for order in first["data"]], first["has_more"]) == ([ids[2], ids[1]], True)
    _, second = await gateway.get(f"/v1/orders?limit=2&after={first['next_cursor']}")
    assert ([order["id"] for order in second["data"]], second["next_cursor"]) == ([ids[0]], None)


@pytest.mark.parametrize("order_id", ["Q0", "nothing-here", "x" * 33, "%00%00%00%00%00%00", "Q1234567"])
async def test_an_order_of_nobodys_is_not_found(gateway: Gateway, order_id: str) -> None:
    status, answer = await gateway.get(f"/v1/orders/{order_id}")
    assert (status, answer["error"]["code"], answer["error"]["message"]) == (404, "not_found", "订单不存在。")


@pytest.mark.parametrize("channel", ["jsapi", "jsapi_v2"])
async def test_a_user_of_wechat_pays_as_themselves(gateway: Gateway, channel: str) -> None:
    user_id, token = await gateway.login("code-of-payer")
    status, _ = await gateway.post("/v1/orders", NATIVE | {"channel": channel}, token=token)
    assert status == 201
    request = gateway.payments.created[0]
    assert request.user_id == user_id
    assert request.payer.openid.startswith("o")
    # Nothing is signed with it here.
    assert request.payer.session_key == ""


async def test_virtual_payment_is_given_the_key_of_the_last_login(gateway: Gateway) -> None:
    _, token = await gateway.login("code-of-virtual-payer")
    status, order = await gateway.post("/v1/orders", NATIVE | {"channel": "virtual"}, token=token)
    payer = gateway.payments.created[0].payer
    assert (status, len(payer.session_key)) == (201, 24)
    assert payer.openid
    assert payer.session_key not in str(order)


async def test_a_session_key_is_kept_encrypted_and_never_logged(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    user_id, token = await gateway.login("code-of-careful-payer")
    await gateway.post("/v1/orders", NATIVE | {"channel": "virtual"}, token=token)
    session_key = gateway.payments.created[0].payer.session_key
    connection = await asyncpg.connect(gateway.settings.database_url.get_secret_value())
    try:
        row = await connection.fetchrow("SELECT * FROM gateway.users WHERE id = $1", user_id)
    finally:
        await connection.close()
    assert row is not None
    assert len(row["wechat_session_key"]) == 12 + len(session_key) + 16
    assert session_key not in str(row)
    logged = capsys.readouterr()
    assert session_key not in logged.out + logged.err


async def test_a_key_that_is_gone_asks_for_a_new_login(gateway: Gateway) -> None:
    user_id, token = await gateway.login("code-of-patient-payer")
    connection = await asyncpg.connect(gateway.settings.database_url.get_secret_value())
    try:
        await connection.execute("UPDATE gateway.users SET wechat_session_key = NULL WHERE id = $1", user_id)
    finally:
        await connection.close()
    status, answer = await gateway.post("/v1/orders", NATIVE | {"channel": "virtual"}, token=token)
    assert (status, answer["error"]["param"]) == (400, "channel")
    assert "重新登录" in answer["error"]["message"]
    _, token = await gateway.login("code-of-patient-payer")
    assert (await gateway.post("/v1/orders", NATIVE | {"channel": "virtual"}, token=token))[0] == 201


@pytest.mark.parametrize("channel", ["jsapi", "jsapi_v2", "virtual"])
async def test_a_developer_can_only_scan(gateway: Gateway, channel: str) -> None:
    status, answer = await gateway.post("/v1/orders", NATIVE | {"channel": channel})
    assert (status, answer["error"]["param"]) == (400, "channel")
    assert "native" in answer["error"]["message"]
    assert gateway.payments.created == []


@pytest.mark.parametrize(
    ("trusted", "expected"), [("", "127.0.0.1"), ("127.0.0.0/8", "203.0.113.9"), ("10.0.0.0/8", "127.0.0.1")]
)
async def test_only_a_trusted_proxy_says_where_a_user_asks_from(
    start_gateway: StartGateway, trusted: str, expected: str
) -> None:
    gateway = await start_gateway(trusted_proxies=networks(trusted))
    status, _ = await gateway.post("/v1/orders", NATIVE, **{"X-Forwarded-For": "1.2.3.4, 203.0.113.9"})
    assert (status, gateway.payments.created[0].payer.client_ip) == (201, expected)


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b"", None, "not valid JSON"),
        (b"[]", None, "JSON object"),
        ({}, "channel", "required"),
        ({"channel": "native"}, "package_id", "required"),
        ({"channel": "native", "package_id": None, "tokens": None}, "package_id", "required"),
        ({**NATIVE, "tokens": 5_000}, "tokens", "Only one"),
        ({**NATIVE, "channel": "cash"}, "channel", "jsapi, native, jsapi_v2, virtual"),
        ({**NATIVE, "channel": "JSAPI"}, "channel", "one of"),
        ({**NATIVE, "channel": ""}, "channel", "one of"),
        ({**NATIVE, "channel": 1}, "channel", "string"),
        ({**NATIVE, "channel": ["native"]}, "channel", "string"),
        ({**NATIVE, "package_id": ""}, "package_id", "64"),
        ({**NATIVE, "package_id": "a b"}, "package_id", "64"),
        ({**NATIVE, "package_id": "x" * 65}, "package_id", "64"),
        ({**NATIVE, "package_id": 5}, "package_id", "string"),
        ({**NATIVE, "amount_fen": 1}, "amount_fen", "spelling"),
        (b'{"channel":"native","package_id":"a","package_id":"b"}', "package_id", "twice"),
        ({"channel": "native", "tokens": 999}, "tokens", "between 1000"),
        ({"channel": "native", "tokens": 0}, "tokens", "between 1000"),
        ({"channel": "native", "tokens": -5_000}, "tokens", "between 1000"),
        ({"channel": "native", "tokens": 100_000_001}, "tokens", "between 1000"),
        ({"channel": "native", "tokens": 2**63}, "tokens", "between 1000"),
        ({"channel": "native", "tokens": 10**200}, "tokens", ""),
        (b'{"channel":"native","tokens":1' + b"0" * 5000 + b"}", None, "number"),
        ({"channel": "native", "tokens": 5000.5}, "tokens", "integer"),
        ({"channel": "native", "tokens": "5000"}, "tokens", "integer"),
        ({"channel": "native", "tokens": True}, "tokens", "integer"),
        ({"channel": "native", "tokens": [5000]}, "tokens", "integer"),
    ],
)  # fmt: skip
async def test_a_bad_order_names_what_is_wrong(gateway: Gateway, body: object, param: str | None, words: str) -> None:
    status, answer = await gateway.post("/v1/orders", body, **{"Accept-Language": "en"})
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, "invalid_request_error", param)
    assert words in answer["error"]["message"]
    assert gateway.payments.created == []


@pytest.mark.parametrize("key", ["a b", "x" * 65, "a/b", "é", ""])
async def test_a_bad_idempotency_key_is_explained(gateway: Gateway, key: str) -> None:
    status, answer = await gateway.post("/v1/orders", NATIVE, **{"Idempotency-Key": key})
    assert (status, answer["error"]["param"]) == (400, "Idempotency-Key")


@pytest.mark.parametrize(
    ("code", "reason", "metadata", "status", "word", "sentence"),
    [
        (Code.NOT_FOUND, "PACKAGE_NOT_FOUND", {}, 404, "not_found", "套餐"),
        (Code.FAILED_PRECONDITION, "CHANNEL_UNAVAILABLE", {}, 400, "invalid_request_error", "支付方式"),
        (Code.FAILED_PRECONDITION, "PAYMENT_REFUSED", {}, 400, "invalid_request_error", "拒绝"),
        (Code.FAILED_PRECONDITION, "ORDER_CLOSED", {}, 409, "idempotency_conflict", "重新下单"),
        (Code.RESOURCE_EXHAUSTED, "TOO_MANY_ORDERS", {"limit": "10"}, 429, "rate_limit_exceeded", "10"),
        (Code.UNAVAILABLE, "PAYMENT_UNAVAILABLE", {}, 503, "service_unavailable", "Idempotency-Key"),
    ],
)
async def test_what_billing_refuses_is_explained(
    gateway: Gateway, code: Code, reason: str, metadata: dict[str, str], status: int, word: str, sentence: str
) -> None:
    gateway.payments.trouble = RemoteError(code, reason, "x", metadata=metadata)
    answered, answer = await gateway.post("/v1/orders", NATIVE)
    assert (answered, answer["error"]["code"]) == (status, word)
    assert sentence in answer["error"]["message"]


async def test_orders_at_once_are_orders_each(gateway: Gateway) -> None:
    answers: list[tuple[int, Any]] = await asyncio.gather(*(gateway.post("/v1/orders", NATIVE) for _ in range(8)))
    assert [status for status, _ in answers] == [201] * 8
    assert len({order["id"] for _, order in answers}) == 8


async def test_another_method_names_the_right_ones(gateway: Gateway) -> None:
    async with gateway.http.delete(f"{gateway.url}/v1/orders", headers=gateway.auth) as answer:
        assert answer.status == 405
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}
