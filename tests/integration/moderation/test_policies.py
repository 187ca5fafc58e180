"""Each policy does what it says when a remote layer is down, slow, wrong or out of quota: the whole service, and both
stand-ins on the wire.
"""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from queqiao.moderation.v1 import moderation_pb2, moderation_pb2_grpc

from sandbox import parts
from sandbox.ports import free_ports
from sandbox.state import State
from sandbox.supervisor import Supervisor
from services.moderation.app import app
from services.moderation.config import ModerationSettings
from services.runtime.channels import Peer
from services.runtime.errors import RemoteError
from services.runtime.process import Runtime
from services.runtime.trace import Telemetry

pytestmark = pytest.mark.alone

WECHAT_WORD, OPENAI_WORD, REFERRED = "微信违规示例", "暴力示例", "鹊桥存疑词示例"
OPENID = "o" + "x" * 27
BUDGET_S = 0.4
WECHAT_FAULTS = ("error", "quota", "http_500", "garbage", "no_result", "token_expired", "silent")
OPENAI_FAULTS = ("http_500", "busy", "garbage", "wrong_shape", "silent")


class Judges:
    """Both remote layers."""

    def __init__(self, env: dict[str, str], http: aiohttp.ClientSession) -> None:
        self.env = env
        self._http = http

    async def behave(self, *, wechat: str = "well", openai: str = "well") -> None:
        wechat_url = f"{self.env['WECHAT_API_BASE_URL']}/sandbox/security"
        openai_url = self.env["OPENAI_MODERATION_BASE_URL"].removesuffix("/v1") + "/sandbox/moderations"
        for url, manner in ((wechat_url, wechat), (openai_url, openai)):
            async with self._http.post(url, json={"manner": manner, "delay_s": 0}) as answer:
                assert answer.status == 200


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Judges]:
    supervisor, state = Supervisor(), State(tmp_path_factory.mktemp("judges"))
    wechat_port, openai_port = free_ports(2)
    try:
        wechat = await parts.start_wechat({}, state, supervisor, wechat_port)
        openai = await parts.start_moderations({}, state, supervisor, openai_port)
        async with aiohttp.ClientSession() as http:
            yield Judges({**wechat.env, **openai.env}, http)
    finally:
        await supervisor.stop()


@pytest.fixture
async def judges(running: Judges) -> Judges:
    await running.behave()
    return running


class Moderation:
    """The service under a policy."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._stub = moderation_pb2_grpc.ModerationServiceStub(peer.channel)

    async def review(self, text: str, *, openid: str = OPENID) -> str:
        """Which layer refuses; "" for none, or why that cannot be said. Every text is a new one."""
        request = moderation_pb2.ReviewInputRequest(
            request_id="r", user_id="u", text=f"{text}{secrets.token_hex(4)}", openid=openid
        )
        try:
            response = await self._peer.unary(self._stub.ReviewInput, request, timeout_s=5)
        except RemoteError as error:
            return error.wire_reason if error.retry_after_s else "no word about when to try again"
        return (
            moderation_pb2.Layer.Name(response.verdict.layer).removeprefix("LAYER_").lower().replace("unspecified", "")
        )


@asynccontextmanager
async def serving(
    judges: Judges, folder: Path, database_url: str, redis_url: str, policy: str
) -> AsyncIterator[Moderation]:
    file = folder / "policy.toml"
    file.write_text(policy, encoding="utf-8")
    settings = ModerationSettings(
        port=0,
        drain_s=0,
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        policy_file=file,
        wechat_api_base_url=judges.env["WECHAT_API_BASE_URL"],
        wechat_appid=judges.env["WECHAT_APPID"],
        wechat_secret=SecretStr(judges.env["WECHAT_SECRET"]),
        openai_moderation_base_url=judges.env["OPENAI_MODERATION_BASE_URL"],
        openai_moderation_api_key=SecretStr(judges.env["OPENAI_MODERATION_API_KEY"]),
    )
    telemetry = Telemetry(None)
    async with app(settings, Runtime("moderation", settings, CollectorRegistry(), telemetry)) as server:
        peer = Peer("moderation", f"127.0.0.1:{server.port}", telemetry)
        yield Moderation(peer)
        await peer.close()
        await server.drain()


def policy(when_wechat_is_down: str, when_openai_is_down: str = "open") -> str:
    return (
        "[learned]\ninput = false\n"
        f'[wechat]\nwhen_down = "{when_wechat_is_down}"\ntimeout_s = {BUDGET_S}\n'
        f'[openai]\nwhen_down = "{when_openai_is_down}"\ntimeout_s = {BUDGET_S}\n'
    )


@pytest.mark.parametrize("fault", WECHAT_FAULTS)
@pytest.mark.parametrize(
    ("when_down", "outcome"), [("open", ""), ("closed", "MODERATION_UNAVAILABLE"), ("next", "openai")]
)
async def test_a_wechat_that_is_not_well_is_followed_by_what_the_policy_says(
    judges: Judges,
    tmp_path: Path,
    database_url: str,
    redis_database_url: str,
    fault: str,
    when_down: str,
    outcome: str,
) -> None:
    async with serving(judges, tmp_path, database_url, redis_database_url, policy(when_down)) as moderation:
        assert await moderation.review(WECHAT_WORD) == "wechat"
        await judges.behave(wechat=fault)
        begin = time.perf_counter()
        assert await moderation.review(OPENAI_WORD) == outcome
        # A layer's budget, and what the next one takes.
        assert time.perf_counter() - begin < BUDGET_S + 0.6


@pytest.mark.parametrize("fault", OPENAI_FAULTS)
@pytest.mark.parametrize(("when_down", "outcome"), [("open", ""), ("closed", "MODERATION_UNAVAILABLE"), ("next", "")])
async def test_an_openai_that_is_not_well_is_followed_by_what_the_policy_says(
    judges: Judges,
    tmp_path: Path,
    database_url: str,
    redis_database_url: str,
    fault: str,
    when_down: str,
    outcome: str,
) -> None:
    async with serving(judges, tmp_path, database_url, redis_database_url, policy("next", when_down)) as moderation:
        assert await moderation.review(f"{REFERRED}{OPENAI_WORD}") == "openai"
        await judges.behave(openai=fault)
        assert await moderation.review(f"{REFERRED}{OPENAI_WORD}") == outcome
        # What another layer refuses is certain, whoever is silent.
        assert await moderation.review(f"{REFERRED}{WECHAT_WORD}") == "wechat"


async def test_who_is_not_from_wechat_is_judged_by_the_next_layer(
    judges: Judges, tmp_path: Path, database_url: str, redis_database_url: str
) -> None:
    async with serving(judges, tmp_path, database_url, redis_database_url, policy("closed")) as moderation:
        assert await moderation.review(OPENAI_WORD, openid="") == "openai"
        assert await moderation.review(WECHAT_WORD, openid="") == ""
        await judges.behave(wechat="expired_visit")
        assert await moderation.review(OPENAI_WORD) == "openai"
