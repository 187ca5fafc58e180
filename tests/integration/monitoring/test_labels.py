"""Metrics are those of docs/metrics.md, and no caller can make more of them."""

import asyncio
import re
import secrets
from collections import Counter

import aiohttp
import grpc
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from k8s.monitoring.metrics import SERVICES, of_service
from sandbox.observe.prometheus import targets_of
from tests.integration.monitoring.conftest import Watched
from tests.integration.monitoring.load import visitor

pytestmark = pytest.mark.xdist_group("watched")

# What a label may say. Nothing here is a user, a request or a text.
_VALUES = {
    "action": "block|end|retract|refused|referred|noted",
    "check": "balance|chain|projection|reservation|record",
    "channel": "jsapi|native|jsapi_v2|virtual",
    "consequence": "open|closed|next",
    "direction": "input|output",
    "event": "announced|paid|closed|held|done|cancelled|abnormal",
    "found": "process|redis|flight|miss|bypass",
    "grpc_code": "[A-Z_]+",
    "grpc_method": r"/queqiao\.(chat|moderation|billing)\.v1\.[A-Za-z]+/[A-Za-z]+",
    "key": r"all|\d+",
    "kind": "[A-Za-z]+",
    # Of the lexicon, and WeChat's numbers.
    "label": r"[a-z_]+|\d{5}",
    "layer": "lexicon|wechat|openai",
    "limit": "[a-z]+",
    "model": "simulated",
    "outcome": "[a-z_]+",
    "pool": "gateway|chat|moderation|billing|ledger",
    "problem": "[a-z_]+",
    "provider": "a|b|wechatpay|wechatpay-v2|virtual-payment",
    "python": r"3\.\d+\.\d+",
    "result": "[A-Za-z_]+",
    "route": r"/(v1/)?[a-z_/{}:.-]*|unmatched",
    "seen": "active|new|paying",
    "service": "gateway|chat|moderation|billing",
    "source": "provider|cache|own_model",
    "state": "used|idle",
    "status": r"[1-5]\d\d",
    "store": "postgres|redis",
    "transport": "sse|ws",
    "version": r"\d+\.\d+\.\d+.*",
    "why": "[a-z_0-9]+",
}
_SERIES_MAX = 1_500


async def scrape(watched: Watched, service: str) -> list[Metric]:
    """What a service exports of its own."""
    target = targets_of(watched.mesh.env)[service]
    async with aiohttp.ClientSession() as http, http.get(f"http://{target}/metrics") as answer:
        families = list(text_string_to_metric_families(await answer.text()))
    return [family for family in families if family.name.startswith(("queqiao_", "grpc_"))]


def own_labels(family: Metric) -> set[str]:
    return {label for sample in family.samples for label in sample.labels} - {"le"}


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_exports_what_is_documented_and_nothing_else(watched: Watched, service: str) -> None:
    documented = {metric.name: metric for metric in of_service(service)}
    exported = {
        # Beside each counter and histogram there is a gauge with the time of its creation.
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in await scrape(watched, service)
        if not family.name.endswith("_created")
    }
    assert exported.keys() == documented.keys()
    for name, family in exported.items():
        assert family.type == documented[name].type, name
        assert own_labels(family) <= set(documented[name].labels), name
        assert documented[name].meaning.endswith("."), name


@pytest.mark.parametrize("service", SERVICES)
async def test_labels_say_only_what_they_may(watched: Watched, service: str) -> None:
    wrong = {
        (family.name, label, value)
        for family in await scrape(watched, service)
        for sample in family.samples
        for label, value in sample.labels.items()
        if label != "le" and not re.fullmatch(_VALUES[label], value)
    }
    assert wrong == set()
    assert sum(len(family.samples) for family in await scrape(watched, service)) < _SERIES_MAX


async def test_no_caller_can_make_new_series(watched: Watched) -> None:
    async def counts() -> Counter[str]:
        return Counter(
            {service: len([s for f in await scrape(watched, service) for s in f.samples]) for service in SERVICES}
        )

    async def invent() -> None:
        word = secrets.token_hex(6)
        async with visitor(watched.mesh) as user:
            await user.get(f"/v1/{word}")
            await user.get(f"/v1/chat/streams/{word}")
            await user.get(f"/v1/models/{word}")
            await user.get(f"/v1/conversations/{word}")
            await user.ask("你好", model=word)
            for path, body in (
                ("/v1/orders", {"package_id": word, "channel": word}),
                (f"/v1/payments/{word}/notify", {}),
            ):
                async with user.http.post(watched.mesh.url + path, json=body) as answer:
                    await answer.read()
            async with user.http.request(word.upper(), f"{watched.mesh.url}/v1/me") as answer:
                await answer.read()
        async with grpc.aio.insecure_channel(watched.mesh.env["CHAT_TARGET"]) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary(f"/queqiao.chat.v1.ChatService/{word}")(b"")  # type: ignore[arg-type]  # no message at all

    await invent()
    before = await counts()
    await asyncio.gather(*(invent() for _ in range(5)))
    assert await counts() == before
