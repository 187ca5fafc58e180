"""What clients are told to do with a turn that moderation refuses."""

from typing import Any

import openai
import pytest

from services.runtime.errors import Code, RemoteError
from tests.integration.gateway.conftest import Gateway
from tests.sent_events import sent_events

QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "你好"}]}
MESSAGES = {"lexicon": "内容包含违规信息", "wechat": "请修改您的提问", "openai": "提问涉及敏感话题"}


def refused(layer: str, action: str) -> RemoteError:
    metadata = {"layer": layer, "label": "20006", "action": action}
    return RemoteError(Code.PERMISSION_DENIED, "CONTENT_REFUSED", "no", metadata=metadata)


def told(layer: str, action: str) -> dict[str, Any]:
    return {
        "error": {
            "message": MESSAGES[layer],
            "type": "invalid_request_error",
            "code": "content_policy_violation",
            "param": None,
        },
        "moderation": {"action": action, "layer": layer, "label": 20006},
    }


async def events(gateway: Gateway) -> list[Any]:
    body = QUESTION | {"stream": True}
    async with gateway.http.post(f"{gateway.url}/v1/chat/completions", json=body, headers=gateway.auth) as answer:
        assert answer.status == 200
        return [event.json for event in sent_events(await answer.text())]


@pytest.mark.parametrize(("layer", "action"), [("lexicon", "block"), ("wechat", "retract"), ("openai", "retract")])
async def test_the_last_event_of_a_refused_stream_says_what_becomes_of_what_was_shown(
    gateway: Gateway, layer: str, action: str
) -> None:
    gateway.chat.script = ["已经", "显示", refused(layer, action)]
    *shown, last = await events(gateway)
    assert ["".join(each["choices"][0]["delta"].values()) for each in shown] == [
        "assistant", "已经", "显示",
    ]  # fmt: skip
    assert last == told(layer, action)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("layer", MESSAGES)
async def test_a_question_that_is_refused_is_a_403_with_nothing_to_take_back(
    gateway: Gateway, layer: str, stream: bool
) -> None:
    gateway.chat.refusal = refused(layer, "block")
    assert await gateway.post("/v1/chat/completions", QUESTION | {"stream": stream}) == (403, told(layer, "block"))


async def test_a_whole_answer_that_is_refused_is_a_403_without_a_word_of_it(gateway: Gateway) -> None:
    gateway.chat.script = ["已经产生", refused("openai", "retract")]
    assert await gateway.post("/v1/chat/completions", QUESTION) == (403, told("openai", "retract"))


async def test_the_official_client_finds_its_error_and_beside_it_what_to_do(gateway: Gateway) -> None:
    gateway.chat.refusal = refused("wechat", "block")
    with pytest.raises(openai.PermissionDeniedError) as caught:
        await gateway.openai().chat.completions.create(model="", **QUESTION)
    assert caught.value.body == told("wechat", "block")["error"]
    assert caught.value.response.json()["moderation"]["action"] == "block"


async def test_the_official_client_raises_its_error_at_a_retraction(gateway: Gateway) -> None:
    gateway.chat.script = ["已经显示", refused("openai", "retract")]
    stream = await gateway.openai().chat.completions.create(model="", stream=True, **QUESTION)
    shown = []
    with pytest.raises(openai.APIError, match=MESSAGES["openai"]) as caught:
        async for chunk in stream:
            shown.append(chunk.choices[0].delta.content)
    assert shown == ["", "已经显示"]
    assert caught.value.code == "content_policy_violation"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_turn_that_cannot_be_judged_is_a_503_to_be_tried_again(gateway: Gateway, stream: bool) -> None:
    gateway.chat.refusal = RemoteError(
        Code.UNAVAILABLE, "MODERATION_UNAVAILABLE", "no", metadata={"layer": "wechat"}, retry_after_s=5
    )
    with pytest.raises(openai.InternalServerError) as caught:
        await gateway.openai().chat.completions.create(model="", stream=stream, **QUESTION)
    assert (caught.value.status_code, caught.value.code) == (503, "service_unavailable")
    assert caught.value.response.headers["retry-after"] == "5"
    assert list(caught.value.response.json()) == ["error"]
