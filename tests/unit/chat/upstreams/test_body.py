"""What a provider is sent."""

import msgspec

from services.chat.domain import Message, Model, Options, Role
from services.chat.upstreams.body import body

MODEL = Model("m", 1000, 100, "o200k_base")


def test_a_message_that_is_more_than_text_and_further_parameters_go_as_they_came() -> None:
    said = {
        "role": "user",
        "content": [
            {"type": "text", "text": "看"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
        ],
    }
    called = {"role": "assistant", "content": None, "tool_calls": [{"id": "call_a", "type": "function"}]}
    prompt = [
        Message(Role.SYSTEM, "规矩"),
        Message(Role.USER, "看", json=msgspec.json.encode(said).decode()),
        Message(Role.ASSISTANT, "", json=msgspec.json.encode(called).decode()),
    ]
    extra = {"tools": [{"type": "function", "function": {"name": "天气"}}], "response_format": {"type": "json_object"}}
    options = Options(extra_json=msgspec.json.encode(extra).decode())
    sent = body(MODEL, prompt, options, kind="generic", max_tokens_field="max_tokens")
    assert sent == {
        **extra,
        "messages": [{"role": "system", "content": "规矩"}, said, called],
        "stream_options": {"include_usage": True},
    }


def test_what_nobody_gave_is_left_to_the_provider_and_zero_is_not_nothing() -> None:
    options = Options(max_output_tokens=5, temperature=0.0, seed=0, stop=("x",))
    sent = body(MODEL, [], options, kind="generic", max_tokens_field="max_completion_tokens")
    del sent["messages"], sent["stream_options"]
    assert sent == {"max_completion_tokens": 5, "temperature": 0.0, "seed": 0, "stop": ["x"]}
