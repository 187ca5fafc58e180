"""The official OpenAI client against the gateway."""

import json
from typing import cast

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from queqiao.chat.v1 import chat_pb2

from services.runtime.errors import Code, RemoteError, ServiceError
from tests.fakes.chat import MODEL
from tests.integration.gateway.conftest import Gateway

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "你好"}]


async def test_models_are_listed_and_read(gateway: Gateway) -> None:
    models = (await gateway.openai().models.list()).data
    assert [(model.id, model.object, model.created, model.owned_by) for model in models] == [
        (MODEL, "model", 1_700_000_000, "fake"),
        ("lab/fake-2", "model", 0, "fake"),
    ]
    assert (await gateway.openai().models.retrieve("lab/fake-2")).id == "lab/fake-2"
    with pytest.raises(openai.NotFoundError) as caught:
        await gateway.openai().models.retrieve("none")
    assert caught.value.code == "not_found"
    assert caught.value.param == "model"
    assert "none" in caught.value.message


async def test_a_whole_answer(gateway: Gateway) -> None:
    raw = await gateway.openai().chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
    answer = raw.parse()
    request = gateway.chat.requests[0]
    assert answer.id == f"chatcmpl-{request.request_id}"
    assert raw.headers["x-request-id"] == request.request_id
    assert raw.headers["x-cache"] == "miss"
    assert "x-conversation-id" not in raw.headers
    assert answer.object == "chat.completion"
    assert answer.model == MODEL
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == "你好，世界"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (7, 5, 12)
    assert request.user_id == gateway.user_id


async def test_what_is_asked_arrives_at_the_chat_service(gateway: Gateway) -> None:
    await gateway.openai().chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "developer", "content": "简短"},
            {"role": "user", "content": [{"type": "text", "text": "一"}, {"type": "text", "text": "二"}]},
            {"role": "assistant", "content": "三"},
            {"role": "user", "content": "四", "name": "甲"},
        ],
        max_completion_tokens=9,
        temperature=0.5,
        top_p=1,
        presence_penalty=-1,
        frequency_penalty=2,
        seed=42,
        stop=["。", "\n"],
        user="somebody",
        n=1,
        extra_body={"conversation_id": "talk-1"},
    )
    request = gateway.chat.requests[0]
    named = '{"role":"user","content":"四","name":"甲"}'
    assert [(message.role, message.content, message.json) for message in request.messages] == [
        (chat_pb2.ROLE_SYSTEM, "简短", ""),
        (chat_pb2.ROLE_USER, "一\n二", ""),
        (chat_pb2.ROLE_ASSISTANT, "三", ""),
        (chat_pb2.ROLE_USER, "", named),
    ]
    assert request.conversation_id == "talk-1"
    parameters = request.parameters
    assert parameters.max_output_tokens == 9
    assert parameters.temperature == 0.5
    assert parameters.top_p == 1
    assert parameters.presence_penalty == -1
    assert parameters.frequency_penalty == 2
    assert parameters.seed == 42
    assert list(parameters.stop) == ["。", "\n"]


async def test_what_is_not_asked_is_left_to_the_provider(gateway: Gateway) -> None:
    await gateway.openai().chat.completions.create(model="", messages=HELLO, temperature=None)
    request = gateway.chat.requests[0]
    assert not request.model
    assert request.parameters.ListFields() == []


async def test_a_streamed_answer(gateway: Gateway) -> None:
    gateway.chat.finish_reason = chat_pb2.FINISH_REASON_LENGTH
    stream = await gateway.openai().chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, extra_body={"conversation_id": "talk-1"}
    )
    assert stream.response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.response.headers["x-accel-buffering"] == "no"
    assert stream.response.headers["x-conversation-id"] == "talk-1"
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[0].choices[0].delta.content == ""
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "你好，世界"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, None, "length"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 12
    assert {chunk.id for chunk in chunks} == {f"chatcmpl-{gateway.chat.requests[0].request_id}"}


async def test_images_tools_and_the_shape_of_an_answer_arrive_untouched(gateway: Gateway) -> None:
    image: ChatCompletionMessageParam = {
        "role": "user",
        "content": [
            {"type": "text", "text": "这是什么？"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
        ],
    }
    tools: list[ChatCompletionToolParam] = [
        {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    ]
    await gateway.openai().chat.completions.create(
        model=MODEL,
        messages=[image],
        tools=tools,
        tool_choice="required",
        response_format={"type": "json_object"},
        reasoning_effort="low",
        n=1,
        extra_body={"enable_thinking": False},
    )
    request = gateway.chat.requests[0]
    assert json.loads(request.messages[0].json) == image
    assert json.loads(request.parameters.extra_json) == {
        "tools": tools,
        "tool_choice": "required",
        "response_format": {"type": "json_object"},
        "reasoning_effort": "low",
        "enable_thinking": False,
    }


async def test_calls_of_tools_are_put_together_by_the_client_and_their_results_taken(gateway: Gateway) -> None:
    gateway.chat.finish_reason = chat_pb2.FINISH_REASON_TOOL_CALLS
    gateway.chat.script = [
        chat_pb2.TurnDelta(reasoning="查天气"),
        chat_pb2.TurnDelta(tool_call=chat_pb2.ToolCallDelta(index=0, id="call_1", name="weather")),
        chat_pb2.TurnDelta(tool_call=chat_pb2.ToolCallDelta(index=0, arguments='{"city":')),
        chat_pb2.TurnDelta(tool_call=chat_pb2.ToolCallDelta(index=0, arguments='"杭州"}')),
    ]
    tools: list[ChatCompletionToolParam] = [{"type": "function", "function": {"name": "weather"}}]
    async with gateway.openai().chat.completions.stream(model=MODEL, messages=HELLO, tools=tools) as stream:
        message = (await stream.get_final_completion()).choices[0].message
    assert message.tool_calls
    (call,) = message.tool_calls
    assert (call.id, call.function.name, call.function.arguments) == ("call_1", "weather", '{"city":"杭州"}')
    back = cast("ChatCompletionMessageParam", message.model_dump(exclude_none=True))
    result: ChatCompletionMessageParam = {"role": "tool", "tool_call_id": "call_1", "content": "晴"}
    await gateway.openai().chat.completions.create(model=MODEL, messages=[*HELLO, back, result], tools=tools)
    _, answer, outcome = gateway.chat.requests[1].messages
    assert json.loads(answer.json)["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"杭州"}'}
    assert (outcome.role, json.loads(outcome.json)) == (chat_pb2.ROLE_TOOL, result)


async def test_usage_that_is_asked_for_has_a_chunk_of_its_own(gateway: Gateway) -> None:
    stream = await gateway.openai().chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    *others, last = [chunk async for chunk in stream]
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.prompt_tokens_details is not None
    assert last.usage.prompt_tokens_details.cached_tokens == 2
    assert all("usage" in chunk.model_fields_set and chunk.usage is None for chunk in others)


@pytest.mark.parametrize(
    ("refusal", "raised", "code"),
    [
        (RemoteError(Code.PERMISSION_DENIED, "CONTENT_REFUSED", "no", metadata={"layer": "lexicon"}),
         openai.PermissionDeniedError, "content_policy_violation"),
        (RemoteError(Code.NOT_FOUND, "MODEL_NOT_FOUND", "no", metadata={"model": "x"}),
         openai.NotFoundError, "not_found"),
        (RemoteError(Code.INVALID_ARGUMENT, "CONTEXT_TOO_LONG", "no"), openai.BadRequestError, "invalid_request_error"),
        (RemoteError(Code.ALREADY_EXISTS, "REQUEST_CONFLICT", "no"), openai.ConflictError, "idempotency_conflict"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
async def test_errors_before_the_first_byte_are_the_clients_own_exceptions(
    gateway: Gateway, refusal: ServiceError, raised: type[openai.APIStatusError], code: str, stream: bool
) -> None:
    gateway.chat.refusal = refusal
    with pytest.raises(raised) as caught:
        await gateway.openai().chat.completions.create(model=MODEL, messages=HELLO, stream=stream)
    assert caught.value.code == code


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("code", "reason", "status", "word"),
    [
        (Code.FAILED_PRECONDITION, "INSUFFICIENT_QUOTA", 402, "insufficient_quota"),
        (Code.UNAVAILABLE, "UPSTREAM_ERROR", 502, "upstream_error"),
        (Code.UNAVAILABLE, "UPSTREAM_BUSY", 503, "service_unavailable"),
        (Code.DEADLINE_EXCEEDED, "UPSTREAM_TIMEOUT", 504, "upstream_timeout"),
    ],
)
async def test_other_errors_have_their_status_and_code(
    gateway: Gateway, code: Code, reason: str, status: int, word: str, stream: bool
) -> None:
    gateway.chat.refusal = RemoteError(code, reason, "no", retry_after_s=3)
    with pytest.raises(openai.APIStatusError) as caught:
        await gateway.openai().chat.completions.create(model=MODEL, messages=HELLO, stream=stream)
    assert (caught.value.status_code, caught.value.code) == (status, word)
    assert caught.value.response.headers["retry-after"] == "3"


@pytest.mark.parametrize(
    ("layer", "text"),
    [("lexicon", "内容包含违规信息"), ("wechat", "请修改您的提问"), ("openai", "提问涉及敏感话题")],
)
async def test_a_refusal_is_said_in_the_words_of_its_layer(gateway: Gateway, layer: str, text: str) -> None:
    gateway.chat.refusal = RemoteError(Code.PERMISSION_DENIED, "CONTENT_REFUSED", "no", metadata={"layer": layer})
    with pytest.raises(openai.PermissionDeniedError) as caught:
        await gateway.openai().chat.completions.create(model=MODEL, messages=HELLO)
    assert caught.value.body == {
        "message": text, "type": "invalid_request_error", "code": "content_policy_violation", "param": None,
    }  # fmt: skip


@pytest.mark.parametrize("key", ["sk-qq-unknown", "sk-qq-" + "x" * 40, "nonsense", "a.b.c"])
async def test_a_wrong_key_is_an_authentication_error_that_tells_nothing(gateway: Gateway, key: str) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        await gateway.openai(key, language="en").models.list()
    assert caught.value.code == "invalid_api_key"
    assert caught.value.body == {
        "message": "The token is missing or not valid: log in again, or send a valid API key as Authorization: Bearer.",
        "type": "authentication_error",
        "code": "invalid_api_key",
        "param": None,
    }


async def test_an_error_after_the_first_byte_is_raised_by_the_stream(gateway: Gateway) -> None:
    refusal = RemoteError(Code.PERMISSION_DENIED, "CONTENT_REFUSED", "no", metadata={"layer": "lexicon"})
    gateway.chat.script = ["好的", refusal]
    stream = await gateway.openai().chat.completions.create(model=MODEL, messages=HELLO, stream=True)
    chunks = aiter(stream)
    assert [(await anext(chunks)).choices[0].delta.content for _ in range(2)] == ["", "好的"]
    with pytest.raises(openai.APIError, match="内容包含违规信息") as caught:
        await anext(chunks)
    assert caught.value.code == "content_policy_violation"
