"""`/v1/moderations` by the official OpenAI client, over real gRPC."""

import json
from typing import Any

import openai
import pytest
from openai.types import ModerationCreateResponse
from queqiao.moderation.v1 import moderation_pb2

from services.runtime.errors import Code, RemoteError
from tests.integration.gateway.conftest import Gateway, StartGateway

INNOCENT = "今天天气很好"
OBSCENE = "某种露骨的话"
POLITICAL = "某种政治的话"


def found(layer: "moderation_pb2.Layer.ValueType", label: int, **scores: float) -> moderation_pb2.ModerationResult:
    """A refusal for these categories."""
    return moderation_pb2.ModerationResult(
        verdict=moderation_pb2.Verdict(refused=True, layer=layer, label=label),
        categories=[
            moderation_pb2.CategoryResult(category=category, flagged=True, score=score)
            for category, score in scores.items()
        ],
    )


def of_ours(result: object) -> dict[str, Any]:
    """What stands beside OpenAI's fields, which its client keeps and does not read."""
    extra: dict[str, Any] = result.queqiao  # type: ignore[attr-defined]  # not OpenAI's, as it says
    return extra


async def judged(gateway: Gateway, given: Any, **more: Any) -> ModerationCreateResponse:
    return await gateway.openai().moderations.create(input=given, **more)


async def test_an_innocent_text_is_not_flagged(gateway: Gateway) -> None:
    raw = await gateway.openai().moderations.with_raw_response.create(input=INNOCENT)
    answer = raw.parse()
    [request] = gateway.moderation.requests
    assert (request.user_id, list(request.texts)) == (gateway.user_id, [INNOCENT])
    assert raw.headers["x-request-id"] == request.request_id
    assert (answer.id, answer.model) == (f"modr-{request.request_id}", "omni-moderation-latest")
    [result] = answer.results
    assert result.flagged is False
    # The client's own models name every category: none is missing, and none is there that they do not know.
    for of, nothing in (("categories", False), ("category_scores", 0.0), ("category_applied_input_types", ["text"])):
        each = getattr(result, of)
        assert each.model_fields_set == type(each).model_fields.keys()
        known = {field.alias or name for name, field in type(each).model_fields.items()}
        assert json.loads(raw.text)["results"][0][of] == dict.fromkeys(known, nothing)


async def test_each_text_has_its_own_result_in_its_place(gateway: Gateway) -> None:
    gateway.moderation.found = {
        OBSCENE: found(moderation_pb2.LAYER_OPENAI, 20002, **{"sexual": 0.9, "sexual/minors": 0.6}),
        POLITICAL: found(moderation_pb2.LAYER_LEXICON, 20001, politics=1.0),
    }
    results = (await judged(gateway, [POLITICAL, INNOCENT, OBSCENE])).results
    assert [result.flagged for result in results] == [True, False, True]
    political, innocent, obscene = results
    assert (obscene.categories.sexual, obscene.category_scores.sexual_minors) == (True, 0.6)
    assert (of_ours(obscene)["layer"], of_ours(obscene)["label"]) == ("openai", 20002)
    assert of_ours(obscene)["message"] == "提问涉及敏感话题"
    assert not any(political.categories.model_dump().values())
    assert of_ours(political)["categories"]["politics"] is True
    assert of_ours(political)["message"] == "内容包含违规信息"
    assert of_ours(innocent)["message"] is None


async def test_parts_of_a_text_are_judged_together(gateway: Gateway) -> None:
    answer = await judged(gateway, [{"type": "text", "text": "一"}, {"type": "text", "text": "二"}])
    assert list(gateway.moderation.requests[0].texts) == ["一\n二"]
    assert len(answer.results) == 1


async def test_the_model_is_answered_as_it_was_named(gateway: Gateway) -> None:
    assert (await judged(gateway, INNOCENT, model="text-moderation-stable")).model == "text-moderation-stable"


async def test_a_refusal_is_said_in_the_users_language(gateway: Gateway) -> None:
    gateway.moderation.found = {OBSCENE: found(moderation_pb2.LAYER_WECHAT, 20002, sexual=1.0)}
    [result] = (await gateway.openai(language="en").moderations.create(input=OBSCENE)).results
    assert of_ours(result)["message"] == "Please change your question."


async def test_a_user_of_wechat_is_judged_as_one(gateway: Gateway) -> None:
    user_id, token = await gateway.login("code-of-a-moderated-user")
    await gateway.openai(token).moderations.create(input=INNOCENT)
    await judged(gateway, INNOCENT)
    theirs, developers = gateway.moderation.requests
    assert (theirs.user_id, theirs.openid[:1]) == (user_id, "o")
    assert (developers.user_id, developers.openid) == (gateway.user_id, "")


@pytest.mark.parametrize(
    ("asked", "param", "words"),
    [
        ({"input": [{"type": "image_url", "image_url": {"url": "data:,"}}]}, "input[0].type", "text only"),
        ({"input": INNOCENT, "model": "gpt-4o"}, "model", "omni-moderation-latest"),
        ({"input": []}, "input", "empty"),
        ({"input": ["x"] * 33}, "input", "32"),
        ({"input": "x" * 65_537}, "input", "65536"),
        ({"input": ["x", {"type": "text", "text": "y"}]}, "input", "all be strings"),
    ],
)
async def test_what_cannot_be_judged_says_why(gateway: Gateway, asked: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(openai.BadRequestError, match=words) as caught:
        await gateway.openai(language="en").moderations.create(**asked)
    assert (caught.value.code, caught.value.param) == ("invalid_request_error", param)
    assert gateway.moderation.requests == []


async def test_strangers_are_not_served(gateway: Gateway) -> None:
    with pytest.raises(openai.AuthenticationError):
        await gateway.openai("sk-qq-" + "x" * 40).moderations.create(input=INNOCENT)
    assert gateway.moderation.requests == []


async def test_every_text_counts_as_a_request(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(rate_limit_key_per_minute=5)
    await judged(gateway, [INNOCENT] * 4)
    with pytest.raises(openai.RateLimitError) as caught:
        await judged(gateway, [INNOCENT] * 2)
    assert caught.value.code == "rate_limit_exceeded"
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60
    assert len(gateway.moderation.requests) == 1


@pytest.mark.parametrize(
    ("language", "message"),
    [("zh-CN", "内容审核服务暂时没有响应，请稍后再试。"), ("en", "Moderation does not answer: try again shortly.")],
)
async def test_a_layer_that_is_down_by_a_policy_of_refusing_is_a_503(
    gateway: Gateway, language: str, message: str
) -> None:
    gateway.moderation.trouble = RemoteError(
        Code.UNAVAILABLE, "MODERATION_UNAVAILABLE", "secret detail", metadata={"layer": "wechat"}, retry_after_s=5
    )
    with pytest.raises(openai.InternalServerError) as caught:
        await gateway.openai(language=language).moderations.create(input=INNOCENT)
    assert caught.value.status_code == 503
    assert caught.value.response.headers["retry-after"] == "5"
    assert caught.value.response.json() == {
        "error": {"message": message, "type": "server_error", "code": "service_unavailable", "param": None}
    }


async def test_a_text_without_a_judgement_is_not_taken_for_innocent(gateway: Gateway) -> None:
    gateway.moderation.forgets = True
    with pytest.raises(openai.InternalServerError) as caught:
        await judged(gateway, [INNOCENT, OBSCENE])
    assert (caught.value.status_code, caught.value.code) == (503, "service_unavailable")


async def test_without_the_service_nothing_is_judged_and_all_else_is_served(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(moderation_target="127.0.0.1:9")
    with pytest.raises(openai.InternalServerError) as caught:
        await judged(gateway, INNOCENT)
    assert (caught.value.status_code, caught.value.code) == (503, "service_unavailable")
    assert caught.value.response.headers["retry-after"] == "1"
    assert (await gateway.openai().models.list()).data


async def test_neither_texts_nor_openids_are_logged(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    _, token = await gateway.login("code-of-a-private-user")
    gateway.moderation.found = {OBSCENE: found(moderation_pb2.LAYER_LEXICON, 20002, sexual=1.0)}
    await gateway.openai(token).moderations.create(input=OBSCENE)
    output = "".join(capsys.readouterr())
    assert "/v1/moderations" in output
    assert OBSCENE not in output
    assert gateway.moderation.requests[0].openid not in output
