"""The platform policy through the whole gateway: names, code, purchases, labels, minors."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from queqiao.billing.v1 import billing_pb2
from queqiao.chat.v1 import chat_pb2

from services.gateway.policy import policy as module
from services.runtime.errors import Code, RemoteError
from tests.fakes.chat import MODEL
from tests.integration.gateway.conftest import Gateway, StartGateway

IOS = {"X-Client": "mp-ios"}
BODY = {"messages": [{"role": "user", "content": "你好"}]}
CODE = ["看：\n`", "``py\nprint(", "1)\n``", "`\n完", "。"]


async def ask(gateway: Gateway, token: str, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": "zh-CN", **headers}
    async with gateway.http.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers) as answer:
        return answer.status, await answer.text(), answer.headers


def texts(stream: str) -> str:
    chunks = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


async def test_a_models_own_name_is_nowhere_and_its_alias_is_asked_for(gateway: Gateway) -> None:
    _, token = await gateway.login("policy-names")
    headers = {"Authorization": f"Bearer {token}", **IOS}
    async with gateway.http.get(f"{gateway.url}/v1/models", headers=headers) as answer:
        listed = await answer.text()
    assert MODEL not in listed
    assert "fake" not in listed
    alias = json.loads(listed)["data"][0]["id"]
    for stream in (False, True):
        _, answer_text, _ = await ask(gateway, token, BODY | {"model": alias, "stream": stream}, IOS)
        assert alias in answer_text
        assert MODEL not in answer_text
    assert {request.model for request in gateway.chat.requests} == {MODEL}
    async with gateway.http.get(f"{gateway.url}/v1/models/{alias}", headers=headers) as answer:
        assert (await answer.json())["id"] == alias
    async with gateway.http.get(f"{gateway.url}/v1/models", headers={"Authorization": f"Bearer {token}"}) as answer:
        assert MODEL in await answer.text()


async def test_receipts_usage_prices_and_errors_call_it_so_too(gateway: Gateway) -> None:
    user_id, token = await gateway.login("policy-receipts")
    price = billing_pb2.ModelPrice(model=MODEL)
    receipt = billing_pb2.Receipt(request_id="req_1", model=MODEL, state=billing_pb2.RECEIPT_STATE_SETTLED, price=price)
    gateway.billing.receipts[user_id, "req_1"] = receipt
    gateway.billing.transactions = [billing_pb2.Transaction(id=1, receipt=receipt)]
    gateway.billing.usage = [billing_pb2.UsageLine(day="2026-03-01", model=MODEL)]
    gateway.billing.prices = billing_pb2.ListPricesResponse(prices=[price])
    headers = {"Authorization": f"Bearer {token}", **IOS}
    for path in ("/v1/wallet/receipts/req_1", "/v1/wallet/transactions", "/v1/usage", "/v1/prices"):
        async with gateway.http.get(f"{gateway.url}{path}", headers=headers) as answer:
            text = await answer.text()
            assert (path, answer.status, MODEL in text) == (path, 200, False)
            assert "queqiao-" in text
    gateway.chat.refusal = RemoteError(Code.FAILED_PRECONDITION, "MODEL_NOT_PRICED", "x", metadata={"model": MODEL})
    _, refused, _ = await ask(gateway, token, BODY, IOS)
    assert "queqiao-" in refused
    assert MODEL not in refused


@pytest.mark.parametrize("stream", [False, True])
async def test_code_is_hidden_where_the_platform_demands_it(gateway: Gateway, stream: bool) -> None:
    _, token = await gateway.login("policy-code")
    gateway.chat.script = CODE
    _, shown, _ = await ask(gateway, token, BODY | {"stream": stream}, IOS)
    text = texts(shown) if stream else json.loads(shown)["choices"][0]["message"]["content"]
    assert text == "看：\n（为符合平台规则，这里的代码不显示）\n完。"
    _, shown, _ = await ask(gateway, token, BODY | {"stream": stream}, {})
    assert "print(" in shown


async def test_a_stream_without_its_code_is_resumed_behind_any_event(
    gateway: Gateway,
) -> None:
    _, token = await gateway.login("policy-resume")
    gateway.chat.script = CODE
    _, whole, headers = await ask(gateway, token, BODY | {"stream": True}, IOS)
    ids = re.findall(r"^id: (\S+)$", whole, re.MULTILINE)
    assert len(ids) > 3
    for last in ids[:-1]:
        seen = whole[: whole.index(f"id: {last}\n")] + whole[whole.index(f"id: {last}\n") :].split("\n\n")[0]
        async with gateway.http.get(
            f"{gateway.url}/v1/chat/streams/{headers['X-Request-Id']}",
            headers={"Authorization": f"Bearer {token}", "Last-Event-ID": last, "Accept-Language": "zh-CN", **IOS},
        ) as answer:
            rest = await answer.text()
        assert texts(seen) + texts(rest) == texts(whole)


async def test_answers_to_people_carry_the_visible_label_and_those_to_programs_none(gateway: Gateway) -> None:
    _, token = await gateway.login("policy-label")
    for stream in (False, True):
        _, labelled, _ = await ask(gateway, token, BODY | {"stream": stream}, {})
        assert labelled.count('"ai_label":"内容由 AI 生成') == 1
        _, plain, _ = await ask(gateway, gateway.key, BODY | {"stream": stream}, {})
        assert "ai_label" not in plain


@pytest.mark.parametrize(
    ("client", "channel", "status"),
    [("mp-ios", "virtual", 201), ("mp-ios", "jsapi", 403), ("app-ios", "native", 403), ("h5", "native", 201)],
)
async def test_what_cannot_be_bought_here_is_not_sold(gateway: Gateway, client: str, channel: str, status: int) -> None:
    _, token = await gateway.login(f"policy-buy-{client}-{channel}")
    order = {"package_id": "small", "channel": channel}
    found, answer = await gateway.post("/v1/orders", order, token=token, **{"X-Client": client})
    assert (found, answer.get("error", {}).get("code")) == (status, "permission_denied" if status == 403 else None)
    if client == "app-ios":
        headers = {"Authorization": f"Bearer {token}", "X-Client": client}
        async with gateway.http.get(f"{gateway.url}/v1/packages", headers=headers) as packages:
            assert (await packages.json())["data"] == []


async def test_me_tells_the_client_what_it_may(gateway: Gateway) -> None:
    _, token = await gateway.login("policy-me")
    async with gateway.http.get(f"{gateway.url}/v1/me", headers={"Authorization": f"Bearer {token}", **IOS}) as answer:
        policy = (await answer.json())["policy"]
    assert policy == {
        "client": "mp-ios",
        "model_names": "alias",
        "code": "hide",
        "purchase": "virtual",
        "ai_label": "内容由 AI 生成，请仔细甄别",
        "minor_mode": False,
    }


async def test_minors_chat_by_day_and_buy_nothing(start_gateway: StartGateway, tmp_path: Path) -> None:
    text = Path(module.__file__).with_name("policy.toml").read_text(encoding="utf-8")
    night = tmp_path / "policy.toml"
    night.write_text(text.replace('from = "06:00"', 'from = "00:00"').replace('to = "22:00"', 'to = "00:00"'), "utf-8")
    gateway = await start_gateway(platform_policy_file=night)
    _, token = await gateway.login("policy-minor")
    headers = {"Authorization": f"Bearer {token}"}
    assert (await ask(gateway, token, BODY, {}))[0] == 200
    async with gateway.http.patch(f"{gateway.url}/v1/me", json={"minor_mode": True}, headers=headers) as answer:
        me = await answer.json()
    assert (me["policy"]["minor_mode"], me["policy"]["purchase"]) == (True, "none")
    status, refused, _ = await ask(gateway, token, BODY, {})
    assert (status, "00:00" in refused) == (403, True)
    assert (await gateway.post("/v1/orders", {"package_id": "small", "channel": "native"}, token=token))[0] == 403
    async with gateway.http.patch(f"{gateway.url}/v1/me", json={"minor_mode": False}, headers=headers) as answer:
        assert answer.status == 200
    assert (await ask(gateway, token, BODY, {}))[0] == 200


async def test_history_is_shown_as_answers_are(gateway: Gateway) -> None:
    user_id, token = await gateway.login("policy-history")
    gateway.chat.conversations[user_id, "talk"] = chat_pb2.Conversation(id="talk")
    headers = {"Authorization": f"Bearer {token}", **IOS}
    async with gateway.http.get(f"{gateway.url}/v1/conversations/talk/messages", headers=headers) as answer:
        assert answer.status == 200
        assert MODEL not in await answer.text()
