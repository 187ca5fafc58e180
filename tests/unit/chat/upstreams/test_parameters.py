"""Which further parameters reach a provider."""

import msgspec
import pytest

from services.chat.domain import Model, Options
from services.chat.upstreams.parameters import USUAL, demand_accepted
from services.runtime.errors import InvalidRequestError

MODEL = Model("m", 1000, 100, "o200k_base", parameters=USUAL)
OPEN = Model("m", 1000, 100, "o200k_base", parameters=None)


def accept(model: Model, /, **parameters: object) -> None:
    demand_accepted(Options(extra_json=msgspec.json.encode(parameters).decode()), model)


def refusal(model: Model, /, **parameters: object) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        accept(model, **parameters)
    return caught.value


def test_the_usual_ones_pass() -> None:
    accept(MODEL, tools=[{"type": "function"}], tool_choice="auto", parallel_tool_calls=False, n=1)
    accept(MODEL, response_format={"type": "json_object"}, reasoning_effort="low", logit_bias={}, verbosity="low")
    demand_accepted(Options(), MODEL)


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
        demand_accepted(Options(extra_json=json), OPEN)


def test_a_name_without_an_end_is_not_repeated() -> None:
    assert len(refusal(MODEL, **{"x" * 100_000: 1}).metadata["parameter"]) == 64
