"""What may be asked at /v1/moderations, and OpenAI's shape of the answer."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.edge.languages import Language
from services.gateway.identity.domain import Principal
from services.gateway.moderation.convert import moderate_request
from services.gateway.moderation.domain import Category, Moderation
from services.gateway.moderation.moderations import (
    OPENAI_CATEGORIES,
    OWN_CATEGORIES,
    ModerationRequest,
    answer,
    moderation_request,
)
from services.runtime.errors import InvalidRequestError


def parsed(given: object, **more: object) -> ModerationRequest:
    return moderation_request(json.dumps({"input": given, **more}).encode())


def part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("一", ("一",)),
        (["一"], ("一",)),
        (["一", "二"], ("一", "二")),
        (["x"] * 32, ("x",) * 32),
        ([part("一")], ("一",)),
        # Parts are one text: there is one result.
        ([part("一"), part("二")], ("一\n二",)),
        ("x" * 65_536, ("x" * 65_536,)),
    ],
)
def test_every_shape_of_input_is_texts(given: object, texts: tuple[str, ...]) -> None:
    assert parsed(given).texts == texts


@pytest.mark.parametrize(
    "model",
    ["omni-moderation-latest", "omni-moderation-2024-09-26", "text-moderation-latest", "text-moderation-stable"],
)
def test_openais_models_are_taken_as_named(model: str) -> None:
    assert parsed("一", model=model).model == model


@pytest.mark.parametrize("model", [{}, {"model": None}])
def test_without_a_model_it_is_openais_default(model: dict[str, None]) -> None:
    assert parsed("一", **model).model == "omni-moderation-latest"


@pytest.mark.parametrize(
    ("body", "field", "problem"),
    [
        ({}, "input", "missing"),
        ({"input": None}, "input", "missing"),
        ({"input": ""}, "input", "empty"),
        ({"input": []}, "input", "empty"),
        ({"input": ["一", ""]}, "input[1]", "empty"),
        ({"input": [part("")]}, "input", "empty"),
        ({"input": 1}, "input", "type"),
        ({"input": [1]}, "input[0]", "type"),
        ({"input": ["x"] * 33}, "input", "too_many"),
        ({"input": "x" * 65_537}, "input", "too_long"),
        ({"input": [part("x" * 40_000)] * 2}, "input", "too_long"),
        ({"input": ["一", part("二")]}, "input", "mixed"),
        ({"input": [part("一"), {"type": "image_url", "image_url": {"url": "data:,"}}]}, "input[1].type", "part"),
        ({"input": [{"type": "text"}]}, "input[0].text", "missing"),
        ({"input": ["一", "a\x00b"]}, "input[1]", "characters"),
        ({"input": "\ud800"}, "input", "characters"),
        ({"input": "一", "model": "gpt-4o"}, "model", "one_of"),
        ({"input": "一", "modle": "x"}, "modle", "unknown"),
    ],
)
def test_what_cannot_be_judged_is_refused_by_name(body: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        moderation_request(json.dumps(body).encode())
    assert list(caught.value.fields) == [field]
    assert caught.value.metadata["problem"] == problem


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["type", "text"]), inner, max_size=2),
    max_leaves=10,
)


@given(body=st.fixed_dictionaries({"input": VALUES}, optional={"model": VALUES}))
def test_any_json_is_a_request_that_fits_the_wire_or_refused(body: dict[str, Any]) -> None:
    try:
        request = moderation_request(json.dumps(body).encode())
    except InvalidRequestError as error:
        assert error.metadata["problem"]  # noqa: PT017  # either outcome is right, each in its own way
    else:
        assert 1 <= len(request.texts) <= 32
        assert all(request.texts)
        moderate_request("req_1", Principal("usr_1"), request.texts).SerializeToString()


def result(moderation: Moderation, language: Language = Language.CHINESE) -> dict[str, Any]:
    [only] = msgspec.to_builtins(answer("req_1", "omni-moderation-latest", [moderation], language))["results"]
    found: dict[str, Any] = only
    return found


def test_an_innocent_text_has_every_category_and_none_is_flagged() -> None:
    found = result(Moderation(refused=False, layer="", label=0, categories={}))
    assert found["flagged"] is False
    assert found["categories"] == dict.fromkeys(OPENAI_CATEGORIES, False)
    assert found["category_scores"] == dict.fromkeys(OPENAI_CATEGORIES, 0.0)
    assert found["category_applied_input_types"] == {category: ["text"] for category in OPENAI_CATEGORIES}
    assert found["queqiao"] == {
        "layer": None,
        "label": None,
        "message": None,
        "categories": dict.fromkeys(OWN_CATEGORIES, False),
        "category_scores": dict.fromkeys(OWN_CATEGORIES, 0.0),
    }


def test_a_refused_text_says_who_refuses_it_and_what_the_user_is_told() -> None:
    categories = {"harassment": Category(flagged=False, score=0.25), "sexual": Category(flagged=True, score=0.75)}
    moderation = Moderation(refused=True, layer="openai", label=20002, categories=categories)
    found = result(moderation)
    assert found["flagged"] is True
    assert [name for name, flagged in found["categories"].items() if flagged] == ["sexual"]
    assert (found["category_scores"]["sexual"], found["category_scores"]["harassment"]) == (0.75, 0.25)
    assert (found["queqiao"]["layer"], found["queqiao"]["label"]) == ("openai", 20002)
    assert found["queqiao"]["message"] == "提问涉及敏感话题"
    assert result(moderation, Language.ENGLISH)["queqiao"]["message"] == "The question touches a sensitive topic."


def test_categories_that_openai_has_no_word_for_stay_out_of_its_names() -> None:
    moderation = Moderation(True, "lexicon", 20001, {"politics": Category(flagged=True, score=1.0)})
    found = result(moderation)
    assert found["flagged"] is True
    assert not any(found["categories"].values())
    assert "politics" not in found["categories"].keys() | found["category_scores"].keys()
    assert found["queqiao"]["categories"]["politics"] is True
    assert found["queqiao"]["category_scores"]["politics"] == 1.0


def test_a_layer_that_is_newer_than_this_gateway_is_a_refusal_all_the_same() -> None:
    found = result(Moderation(refused=True, layer="", label=0, categories={}))
    assert (found["flagged"], found["queqiao"]["message"]) == (True, "内容包含违规信息")
