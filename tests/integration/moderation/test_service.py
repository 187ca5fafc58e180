"""ModerationService over real gRPC."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from google.rpc import status_pb2
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from queqiao.moderation.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    moderation_pb2,
    moderation_pb2_grpc,
    screener_pb2,
    screener_pb2_grpc,
)
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from services.moderation.app import app
from services.moderation.config import ModerationSettings
from services.moderation.learned.model import SHIPPED, read_weights, write_weights
from services.runtime.channels import Peer
from services.runtime.errors import RemoteError
from services.runtime.exchange import Exchange
from services.runtime.process import Runtime
from services.runtime.status import from_status
from services.runtime.trace import Telemetry

CANARY = "鹊桥违禁词示例"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def settings(database_url: str, redis_database_url: str) -> ModerationSettings:
    return ModerationSettings(
        port=0, drain_s=0, database_url=SecretStr(database_url), redis_url=SecretStr(redis_database_url)
    )


@pytest.fixture
async def peer(settings: ModerationSettings, registry: CollectorRegistry) -> AsyncIterator[Peer]:
    telemetry = Telemetry(None)
    async with app(settings, Runtime("moderation", settings, registry, telemetry)) as server:
        peer = Peer("moderation", f"127.0.0.1:{server.port}", telemetry)
        yield peer
        await peer.close()
        await server.drain()


async def check(peer: Peer, text: str) -> moderation_pb2.Verdict:
    stub = moderation_pb2_grpc.ModerationServiceStub(peer.channel)
    request = moderation_pb2.CheckInputRequest(request_id="r", user_id="u", text=text)
    return (await peer.unary(stub.CheckInput, request, timeout_s=5)).verdict


def screening(peer: Peer) -> Exchange[moderation_pb2.ScreenOutputRequest, moderation_pb2.ScreenOutputResponse]:
    stub: moderation_pb2_grpc.ModerationServiceAsyncStub = moderation_pb2_grpc.ModerationServiceStub(peer.channel)
    return Exchange(peer, stub.ScreenOutput, timeout_s=5)


async def test_a_question_is_refused_by_layer_and_label(peer: Peer) -> None:
    verdict = await check(peer, f"请解释{CANARY}")
    assert (verdict.refused, verdict.layer, verdict.label) == (True, moderation_pb2.LAYER_LEXICON, 21000)
    assert not (await check(peer, "请解释牛郎织女的故事")).refused


async def test_windows_of_many_answers_are_judged_in_one_call_each_by_itself(peer: Peer) -> None:
    windows = [
        moderation_pb2.OutputWindow(request_id="a", text="平安了吗"),
        moderation_pb2.OutputWindow(request_id="b", text="这是鹊桥违禁"),
        moderation_pb2.OutputWindow(request_id="c", text=f"这是{CANARY}啊"),
        moderation_pb2.OutputWindow(request_id="d", text="这是鹊桥违禁", last=True),
    ]
    request = moderation_pb2.ScreenOutputRequest(windows=windows)
    response = await screening(peer).send(request)
    assert [(r.released_characters, r.verdict.refused) for r in response.results] == [
        (4, False),
        (2, False),
        (2, True),
        (6, False),
    ]


async def test_questions_of_many_turns_are_judged_in_one_call_each_by_itself_in_its_own_trace(peer: Peer) -> None:
    stub: moderation_pb2_grpc.ModerationServiceAsyncStub = moderation_pb2_grpc.ModerationServiceStub(peer.channel)
    exchange = Exchange(peer, stub.CheckInputs, timeout_s=5)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    texts = {"a": "平安了吗", "b": f"请解释{CANARY}", "c": "", "d": "好" * 16_385}
    questions = [
        moderation_pb2.CheckInputRequest(
            request_id=request_id, user_id="u", text=text, traceparent=f"00-{trace}-00f067aa0ba902b7-01"
        )
        for request_id, text in texts.items()
    ]
    with capture_logs(processors=[merge_contextvars]) as events:
        response = await exchange.send(moderation_pb2.CheckInputsRequest(questions=questions))
    judged, failed = response.results[:2], response.results[2:]
    assert [result.check.verdict.refused for result in judged] == [False, True]
    assert judged[0].check.version == judged[1].check.version != ""
    errors = [from_status(status_pb2.Status.FromString(result.error_status), "moderation") for result in failed]
    assert [error.fields for error in errors] == [
        {"text": "is required"},
        {"text": "must be at most 16384 characters"},
    ]
    (refusal,) = (event for event in events if event["event"] == "refused")
    assert (refusal["request_id"], refusal["trace_id"]) == ("b", trace)


async def test_weights_that_are_put_in_force_under_load_drop_no_check_and_cut_no_stream(peer: Peer) -> None:
    other = write_weights(replace(read_weights(SHIPPED.read_bytes()), about="other words about the same"))
    screener: screener_pb2_grpc.ScreenerServiceAsyncStub = screener_pb2_grpc.ScreenerServiceStub(peer.channel)
    in_force = (await peer.unary(screener.GetScreener, screener_pb2.GetScreenerRequest(), timeout_s=5)).version
    answered = 0
    stopping = asyncio.Event()

    async def ask() -> None:
        nonlocal answered
        while not stopping.is_set():
            assert not (await check(peer, "宝妈手机兼职，每天结算，想了解的私聊")).refused
            answered += 1

    async def read() -> None:
        windows = screening(peer)
        while not stopping.is_set():
            window = moderation_pb2.OutputWindow(request_id="a", text="平安了吗。")
            response = await windows.send(moderation_pb2.ScreenOutputRequest(windows=[window]))
            assert response.results[0].released_characters == len(window.text)

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        for work in (ask, ask, read):
            tasks.create_task(work())
        request = screener_pb2.PutWeightsRequest(content=other, author="clerk")
        put = await peer.unary(screener.PutWeights, request, timeout_s=10)
        before = answered
        while in_force != put.version:
            await asyncio.sleep(0.05)
            in_force = (await peer.unary(screener.GetScreener, screener_pb2.GetScreenerRequest(), timeout_s=5)).version
        stopping.set()
    assert answered > before


async def test_what_does_not_fit_is_named_field_by_field(peer: Peer) -> None:
    with pytest.raises(RemoteError) as caught:
        await check(peer, "")
    assert (caught.value.wire_reason, caught.value.fields) == ("INVALID_REQUEST", {"text": "is required"})
    with pytest.raises(RemoteError) as caught:
        await screening(peer).send(moderation_pb2.ScreenOutputRequest())
    assert "windows" in caught.value.fields
    stub: moderation_pb2_grpc.ModerationServiceAsyncStub = moderation_pb2_grpc.ModerationServiceStub(peer.channel)
    with pytest.raises(RemoteError) as caught:
        await Exchange(peer, stub.CheckInputs, timeout_s=5).send(moderation_pb2.CheckInputsRequest())
    assert "questions" in caught.value.fields


async def test_every_field_that_is_wrong_is_named(peer: Peer) -> None:
    stub = moderation_pb2_grpc.ModerationServiceStub(peer.channel)
    request = moderation_pb2.CheckInputRequest(text="好" * 1_048_577)
    with pytest.raises(RemoteError) as caught:
        await peer.unary(stub.CheckInput, request, timeout_s=5)
    assert set(caught.value.fields) == {"request_id", "user_id", "text"}
    windows = [moderation_pb2.OutputWindow(text="好" * 65_537, preceding="x" * 257)]
    with pytest.raises(RemoteError) as caught:
        await screening(peer).send(moderation_pb2.ScreenOutputRequest(windows=windows))
    assert set(caught.value.fields) == {"windows[0].request_id", "windows[0].text", "windows[0].preceding"}


async def test_the_longest_question_is_judged(peer: Peer) -> None:
    assert not (await check(peer, "好" * 1_048_576)).refused
    assert (await check(peer, "好" * (1_048_576 - len(CANARY)) + CANARY)).refused


async def test_judgements_and_findings_are_counted_and_timed(peer: Peer, registry: CollectorRegistry) -> None:
    await check(peer, CANARY)
    await check(peer, "平安无事")
    refused = {"direction": "input", "layer": "lexicon", "label": "21000", "action": "refused"}
    assert registry.get_sample_value("queqiao_moderation_checks_total", {"direction": "input"}) == 2
    assert registry.get_sample_value("queqiao_moderation_findings_total", refused) == 1
    assert registry.get_sample_value("queqiao_moderation_lexicon_seconds_count", {"direction": "input"}) == 2


async def test_a_refusal_is_logged_without_what_was_written(peer: Peer) -> None:
    with capture_logs() as events:
        await check(peer, f"私密的话和{CANARY}")
    refusal = next(event for event in events if event["event"] == "refused")
    assert (refusal["request_id"], refusal["label"], refusal["start"], refusal["end"]) == ("r", 21000, 5, 12)
    assert CANARY not in repr(events)
    assert "私密" not in repr(events)


async def test_without_accounts_the_lexicon_judges_alone(peer: Peer) -> None:
    stub = moderation_pb2_grpc.ModerationServiceStub(peer.channel)
    asked = moderation_pb2.CheckInputRequest(request_id="r", user_id="u", text="平安无事", openid="o")
    response = await peer.unary(stub.CheckInput, asked, timeout_s=5)
    assert (response.review, response.output.review) == (0, 0)
    texts = moderation_pb2.ModerateRequest(request_id="r", user_id="u", texts=["平安无事", f"和{CANARY}"])
    moderated = await peer.unary(stub.Moderate, texts, timeout_s=5)
    assert [result.verdict.refused for result in moderated.results] == [False, True]
    assert [c.category for c in moderated.results[1].categories if c.flagged] == ["other"]


async def test_what_was_refused_is_in_the_audit_after_a_drain(settings: ModerationSettings) -> None:
    telemetry = Telemetry(None)
    for expected in (0, 1):
        async with app(settings, Runtime("moderation", settings, CollectorRegistry(), telemetry)) as server:
            peer = Peer("moderation", f"127.0.0.1:{server.port}", telemetry)
            audit = audit_pb2_grpc.AuditServiceStub(peer.channel)
            kept = await peer.unary(audit.ListRefusals, audit_pb2.ListRefusalsRequest(), timeout_s=5)
            assert len(kept.refusals) == expected
            await check(peer, CANARY)
            await peer.close()
            await server.drain()
