"""Moderation through the whole mesh: what a user is told, what is shown, taken back, and found in the audit."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import openai
import pytest
from queqiao.moderation.v1 import audit_pb2, audit_pb2_grpc, lexicon_pb2, lexicon_pb2_grpc

from sandbox.mesh import Mesh
from tests.e2e.conftest import People, User

pytestmark = pytest.mark.xdist_group("mesh")

LEXICON = "鹊桥违禁词示例"
WECHAT = "微信违规示例"
OPENAI = "暴力示例"
REFERRED = "鹊桥存疑词示例"


class Judges:
    """The stand-ins of both remote layers."""

    def __init__(self, mesh: Mesh, http: aiohttp.ClientSession) -> None:
        self._wechat = f"{mesh.env['WECHAT_API_BASE_URL']}/sandbox/security"
        self._openai = mesh.env["OPENAI_MODERATION_BASE_URL"].removesuffix("/v1") + "/sandbox/moderations"
        self._http = http

    async def behave(self, wechat: str, openai: str = "well", *, delay_s: float = 0.0) -> None:
        for url, manner in ((self._wechat, wechat), (self._openai, openai)):
            body = {"manner": manner, "delay_s": delay_s}
            async with self._http.post(url, json=body) as answer:
                assert answer.status == 200

    async def calls(self) -> tuple[int, int]:
        counts = []
        for url in (self._wechat, self._openai):
            async with self._http.get(url) as answer:
                counts.append((await answer.json())["calls"])
        return counts[0], counts[1]


@pytest.fixture
async def judges(mesh: Mesh) -> AsyncIterator[Judges]:
    async with aiohttp.ClientSession() as http:
        judges = Judges(mesh, http)
        await judges.behave("well")
        yield judges
        await judges.behave("well")


async def events(user: User, question: str) -> list[Any]:
    """The events of a streamed chat; [DONE] is left out."""
    async with user.ask(question, stream=True) as answer:
        lines = (await answer.text()).splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


async def refusal(user: User, question: str) -> Any:
    async with user.ask(question) as answer:
        assert answer.status == 403, await answer.text()
        return await answer.json()


@pytest.mark.parametrize(
    ("word", "layer", "message"),
    [(LEXICON, "lexicon", "内容包含违规信息"), (WECHAT, "wechat", "请修改您的提问")],
)
async def test_a_question_is_refused_by_layer_in_the_words_of_that_layer(
    judges: Judges, user: User, word: str, layer: str, message: str
) -> None:
    body = await refusal(user, f"请问什么是{word}")
    assert message in body["error"]["message"]
    assert body["moderation"]["layer"] == layer
    assert body["moderation"]["action"] == "block"


async def test_a_user_whom_wechat_cannot_judge_is_judged_by_the_next_layer(judges: Judges, user: User) -> None:
    await judges.behave("expired_visit")
    body = await refusal(user, f"请问{OPENAI}吗")
    assert body["moderation"]["layer"] == "openai"
    assert "提问涉及敏感话题" in body["error"]["message"]


@pytest.mark.parametrize("manner", ["error", "quota", "http_500", "garbage", "no_result"])
async def test_a_wechat_that_is_not_well_stops_nobody(judges: Judges, people: People, manner: str) -> None:
    await judges.behave(manner)
    user = await people.login()
    async with user.ask(f"平安的问题{manner}") as answer:
        assert answer.status == 200, await answer.text()
    await judges.behave("well")


async def test_an_answer_refused_after_it_was_shown_is_taken_back(judges: Judges, user: User) -> None:
    # The lexicon refers the answer to the remote layers; torn apart, their word is none to them in the question.
    answer = f"{REFERRED}。说说暴|力示例。"
    found = await events(user, f'复核 [[sim text="{answer}" first_ms=0 interval_ms=20]]')
    shown = "".join(choice["delta"].get("content") or "" for event in found for choice in event.get("choices", ()))
    assert OPENAI in shown
    assert found[-1]["moderation"] == {"action": "retract", "layer": "openai", "label": 20006}
    assert found[-1]["error"]["code"] == "content_policy_violation"


async def test_what_was_refused_is_in_the_audit_without_its_text(mesh: Mesh, judges: Judges, user: User) -> None:
    await refusal(user, f"我的秘密是{LEXICON}")
    async with grpc.aio.insecure_channel(mesh.env["MODERATION_TARGET"]) as channel:
        stub: audit_pb2_grpc.AuditServiceAsyncStub = audit_pb2_grpc.AuditServiceStub(channel)
        async with asyncio.timeout(5):
            while True:
                kept = await stub.ListRefusals(audit_pb2.ListRefusalsRequest(user_id=user.id))
                if kept.refusals:
                    break
                await asyncio.sleep(0.05)
    (refused,) = kept.refusals
    assert (refused.rule, refused.label) == (LEXICON, 21000)
    assert "秘密" not in str(refused)


async def test_a_word_that_is_added_refuses_from_then_on_and_one_that_is_removed_does_not(
    mesh: Mesh, judges: Judges, user: User
) -> None:
    word = f"新词{secrets.token_hex(6)}"
    async with grpc.aio.insecure_channel(mesh.env["MODERATION_TARGET"]) as channel:
        stub: lexicon_pb2_grpc.LexiconServiceAsyncStub = lexicon_pb2_grpc.LexiconServiceStub(channel)
        entry = lexicon_pb2.Entry(word=word, label=21000)
        await stub.AddEntries(lexicon_pb2.AddEntriesRequest(entries=[entry], author="test"))
        await until_answered(user, f"什么是{word}", 403)
        await stub.RemoveEntries(lexicon_pb2.RemoveEntriesRequest(words=[word], author="test"))
        await until_answered(user, f"什么是{word}", 200)


async def until_answered(user: User, question: str, status: int) -> None:
    async with asyncio.timeout(10):
        while True:
            async with user.ask(question) as answer:
                if answer.status == status:
                    return
            await asyncio.sleep(0.1)


async def test_texts_are_moderated_by_openais_own_client(mesh: Mesh, judges: Judges, user: User) -> None:
    async with openai.AsyncOpenAI(base_url=f"{mesh.url}/v1", api_key=user.token, max_retries=0) as client:
        answer = await client.moderations.create(input=["今天天气怎么样", f"一个{OPENAI}", f"一个{LEXICON}"])
    assert [result.flagged for result in answer.results] == [False, True, True]
    assert answer.results[1].categories.violence
