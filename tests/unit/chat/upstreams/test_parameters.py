"""Which further parameters reach a provider."""

import msgspec
import pytest

from services.chat.domain import Model, Options
from services.chat.upstreams.kinds import kinds
from services.chat.upstreams.parameters import accepted, taken
from services.runtime.errors import InvalidRequestError

MODEL = Model("m", 1000, 100, "o200k_base", parameters=kinds().takes["generic"])
OPEN = Model("m", 1000, 100, "o200k_base", parameters=None, own_parameters=True)


def options(**parameters: object) -> Options:
    return Options(extra_json=msgspec.json.encode(parameters).decode())


def accept(model: Model, /, **parameters: object) -> None:
    assert accepted(options(**parameters), model) == (options(**parameters), ())


def refusal(model: Model, /, **parameters: object) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        accept(model, **parameters)
    return caught.value


def test_the_usual_ones_pass() -> None:
    accept(MODEL, tools=[{"type": "function"}], tool_choice="auto", parallel_tool_calls=False, n=1)
    accept(MODEL, response_format={"type": "json_object"}, reasoning_effort="low", logit_bias={}, verbosity="low")
    assert accepted(Options(), MODEL) == (Options(), ())


def test_an_unknown_one_is_refused_by_name_with_those_that_pass() -> None:
    error = refusal(MODEL, tools=[], guided_regex="秘密")
    assert error.metadata == {"problem": "parameter", "parameter": "guided_regex"}
    assert list(error.fields) == ["guided_regex"]
    assert "response_format" in error.message
    assert "秘密" not in error.message


def test_the_owner_can_let_all_pass_or_none() -> None:
    accept(OPEN, guided_regex="x", anything={"at": "all"})
    assert "none" in refusal(Model("m", 1000, 100, "o200k_base"), tools=[]).message


@pytest.mark.parametrize(
    "name",
    ["model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "stop"],
)
def test_what_is_ours_never_passes_as_a_further_parameter(name: str) -> None:
    assert refusal(OPEN, **{name: 1}).metadata["parameter"] == name


@pytest.mark.parametrize("answers", [2, 0, True, "1", None])
def test_one_answer_is_all_there_is(answers: object) -> None:
    assert refusal(OPEN, n=answers).fields == {"n": "can only be 1"}


@pytest.mark.parametrize("json", ["[]", "{", "3", '"x"'])
def test_what_is_no_object_is_refused(json: str) -> None:
    with pytest.raises(InvalidRequestError):
        accepted(Options(extra_json=json), OPEN)


def test_a_name_without_an_end_is_not_repeated() -> None:
    assert len(refusal(MODEL, **{"x" * 100_000: 1}).metadata["parameter"]) == 64


# What real clients send, and to which kinds of providers it goes on; others leave it out, or refuse it (None).
@pytest.mark.parametrize(
    ("name", "value", "takers", "harmless"),
    [
        ("enable_thinking", False, {"qwen"}, True),
        ("thinking", {"type": "disabled"}, {"deepseek", "glm", "moonshot", "doubao"}, True),
        ("chat_template_kwargs", {"enable_thinking": False}, {"vllm", "llama.cpp"}, True),
        ("top_k", 5, {"qwen", "vllm", "llama.cpp"}, True),
        ("metadata", {"a": "b"}, {"openai"}, True),
        ("store", True, {"openai"}, True),
        ("prediction", {"type": "content", "content": "x"}, {"openai"}, True),
        ("reasoning_effort", "low", {"openai", "vllm", "generic"}, True),
        ("logprobs", True, {"openai", "deepseek", "qwen", "doubao", "vllm", "llama.cpp", "generic"}, False),
        ("tools", [{"type": "function"}], set(kinds().takes), False),
        ("response_format", {"type": "json_object"}, set(kinds().takes), False),
        ("guided_regex", "x", set(), False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_parameter_reaches_the_kinds_that_take_it(
    name: str, value: object, takers: set[str], harmless: bool
) -> None:
    for kind, takes in kinds().takes.items():
        model = Model("m", 1000, 100, "o200k_base", parameters=takes)
        if kind in takers:
            assert accepted(options(**{name: value}), model) == (options(**{name: value}), ())
        elif harmless:
            assert accepted(options(**{name: value}, tool_choice="none"), model) == (
                options(tool_choice="none"),
                (name,),
            )
        else:
            assert refusal(model, **{name: value}).metadata["parameter"] == name


def test_a_provider_of_another_kind_that_takes_over_is_sent_what_it_takes() -> None:
    model = Model("m", 1000, 100, "o200k_base", parameters=kinds().takes["qwen"] | kinds().takes["glm"])
    extra = options(enable_thinking=False, tools=[1], n=1).extra_json
    assert taken(extra, model, "qwen") == {"enable_thinking": False, "tools": [1], "n": 1}
    assert taken(extra, model, "glm") == {"tools": [1], "n": 1}
    assert taken(extra, OPEN, "glm") == {"enable_thinking": False, "tools": [1], "n": 1}
    assert taken("", model, "glm") == {}


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://api.deepseek.com/v1", "deepseek"),
        ("https://dashscope.aliyuncs.com/compatible-mode/v1", "qwen"),
        ("https://open.bigmodel.cn/api/paas/v4", "glm"),
        ("https://api.moonshot.cn/v1", "moonshot"),
        ("https://ark.cn-beijing.volces.com/api/v3", "doubao"),
        ("http://127.0.0.1:8000/v1", "generic"),
        ("https://api.openai.com.evil.example/v1", "generic"),
    ],
)
def test_a_provider_is_told_by_its_address(address: str, kind: str) -> None:
    assert kinds().of_address(address) == kind
