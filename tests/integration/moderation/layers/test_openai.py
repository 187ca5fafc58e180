"""OpenAI's moderation over the wire: its scores by the owner's thresholds, and what is no verdict."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import aiohttp
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from services.moderation.domain import OTHER, Direction, Subject
from services.moderation.errors import LayerDownError
from services.moderation.layers.openai import OpenAILayer
from services.moderation.layers.policy import OpenAIPolicy
from tests.fakes.remote_layers import OpenAIPlatform

DEFAULTS = OpenAIPolicy()


def question(text: str) -> Subject:
    return Subject(Direction.INPUT, "req_1", "usr_1", text)


class MakeLayer(Protocol):
    """Makes the layer with a policy and a clock."""

    def __call__(self, policy: OpenAIPolicy = ..., clock: Callable[[], float] = ...) -> OpenAILayer: ...


@pytest.fixture
async def make_layer(openai_server: OpenAIPlatform) -> AsyncIterator[MakeLayer]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5)) as session:

        def make(policy: OpenAIPolicy = DEFAULTS, clock: Callable[[], float] = time.monotonic) -> OpenAILayer:
            return OpenAILayer(session, openai_server.url, SecretStr("sk-secret"), policy, clock)

        yield make


@pytest.fixture
def layer(make_layer: MakeLayer) -> OpenAILayer:
    return make_layer()


async def test_a_flagged_text_is_refused_by_its_category_and_wechats_label(layer: OpenAILayer) -> None:
    opinion = await layer.judge(question("some violence"))
    assert (opinion.refused, opinion.rule, opinion.label, opinion.flagged) == (True, "violence", 20006, ("violence",))
    assert opinion.scores["violence"] == 0.9
    assert not (await layer.judge(question("a walk"))).refused


@pytest.mark.parametrize(
    ("threshold", "text", "refused"),
    [(0.3, "a doubt", True), (0.5, "a doubt", False), (0.95, "some violence", False), (0.9, "some violence", True)],
)
async def test_the_owners_threshold_counts_instead_of_openais_own(
    make_layer: MakeLayer, threshold: float, text: str, refused: bool
) -> None:
    layer = make_layer(OpenAIPolicy(thresholds={"violence": threshold}))
    assert (await layer.judge(question(text))).refused == refused


async def test_a_long_text_is_judged_in_pieces_by_one_call(
    make_layer: MakeLayer, openai_server: OpenAIPlatform
) -> None:
    layer = make_layer(OpenAIPolicy(text_characters_max=100, overlap_characters=10))
    assert (await layer.judge(question("x" * 95 + "violence" + "x" * 200))).refused
    (asked,) = openai_server.asked
    assert isinstance(asked["input"], list)
    assert max(map(len, asked["input"])) <= 100
    with pytest.raises(LayerDownError, match="too_long"):
        await layer.judge(question("x" * 10_000))


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"status": 500}, "error"),
        ({"status": 401}, "error"),
        ({"status": 429}, "quota"),
        ({"reply": "<html>"}, "error"),
        ({"reply": {"id": "modr-1", "results": []}}, "error"),
        ({"reply": {"id": "modr-1", "results": [{"flagged": False}]}}, "error"),
        ({"reply": {"error": {"message": "no"}}}, "error"),
        ({"delay_s": 5.0}, "timeout"),
    ],
)
async def test_what_is_no_verdict_is_no_pass(
    layer: OpenAILayer, openai_server: OpenAIPlatform, fault: dict[str, Any], why: str
) -> None:
    for name, value in fault.items():
        setattr(openai_server, name, value)
    with pytest.raises(LayerDownError) as caught:
        await layer.judge(question("a walk"))
    assert caught.value.why == why


async def test_a_connection_that_was_closed_unannounced_is_asked_once_more(
    layer: OpenAILayer, openai_server: OpenAIPlatform
) -> None:
    openai_server.dropped = 1
    assert (await layer.judge(question("some violence"))).refused


async def test_after_a_used_up_quota_it_is_left_alone_for_as_long_as_it_asks(
    make_layer: MakeLayer, openai_server: OpenAIPlatform
) -> None:
    now = [0.0]
    layer = make_layer(clock=lambda: now[0])
    openai_server.status, openai_server.headers = 429, {"Retry-After": "7"}
    with pytest.raises(LayerDownError):
        await layer.judge(question("a walk"))
    openai_server.status = 200
    with pytest.raises(LayerDownError, match="quota"):
        await layer.judge(question("a walk"))
    assert len(openai_server.asked) == 1
    now[0] = 7.1
    assert not (await layer.judge(question("a walk"))).refused


async def test_a_flag_without_a_category_is_refused_as_other(layer: OpenAILayer, openai_server: OpenAIPlatform) -> None:
    openai_server.reply = {"id": "m", "results": [{"flagged": True, "categories": {}, "category_scores": {}}]}
    opinion = await layer.judge(question("a walk"))
    assert (opinion.refused, opinion.label) == (True, OTHER)


async def test_no_log_holds_a_text_or_the_key(layer: OpenAILayer, openai_server: OpenAIPlatform) -> None:
    openai_server.status = 500
    with capture_logs() as logs, pytest.raises(LayerDownError):
        await layer.judge(question("my secret walk"))
    assert logs
    assert "secret" not in repr(logs)
