"""One trace per turn, unbroken across HTTP, gRPC and the model's call."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.simulator_process import SimulatorProcess
from sandbox.mesh import Mesh
from sandbox.processes import minimal_env
from tests.fakes.collector import Collector

pytestmark = pytest.mark.xdist_group("mesh")

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

# Who calls whom in one turn.
EDGES = {("gateway", "chat"), ("chat", "moderation"), ("chat", "billing")}
# Who asks which store; a transaction of the ledger is shared by many turns.
STORES = {("gateway", "postgresql"), ("gateway", "redis"), ("chat", "postgresql"), ("chat", "redis")} | {
    ("moderation", "redis")
}


async def test_one_turn_is_one_trace_from_the_clients_request_to_the_models(
    simulator: SimulatorProcess, mesh_folder: Path
) -> None:
    async with Collector() as collector:
        given = {"OPENAI_BASE_URL": simulator.url, "OPENAI_API_KEY": "sk-x"}
        given["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        async with Mesh(mesh_folder, given=minimal_env() | given, port=0) as mesh, aiohttp.ClientSession() as http:
            headers = {"Authorization": f"Bearer {mesh.api_key}", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            body = {
                "model": "simulated",
                "stream": True,
                "conversation_id": "traced",
                "messages": [{"role": "user", "content": "[[sim deltas=20 interval_ms=5]]"}],
            }
            async with http.post(f"{mesh.url}/v1/chat/completions", json=body, headers=headers) as answer:
                assert answer.status == 200
                assert "[DONE]" in await answer.text()
            for service in ("gateway", "chat"):
                assert f'trace_id="{TRACE}"' in await _open_metrics(mesh, service, http)
            async with asyncio.timeout(10):
                while collector.edges(TRACE) != EDGES or not (
                    collector.stores(TRACE) >= STORES and _has_model(collector)
                ):
                    await asyncio.sleep(0.1)

        assert collector.edges(TRACE) == EDGES
        assert collector.stores(TRACE) == STORES
        # What background tasks ask of stores and peers begins no trace.
        roots = {span.name for span in collector.spans if not span.parent_id}
        assert {name for name in roots if not name.startswith(("POST", "GET", "/queqiao", "queqiao"))} == set(), roots
        in_trace = [span for span in collector.spans if span.trace_id == TRACE]
        known = {span.span_id for span in in_trace} | {"00f067aa0ba902b7"}
        assert [span.name for span in in_trace if span.parent_id not in known] == []
        written = {span.name for span in in_trace if span.service == "billing"}
        assert written == {f"queqiao.billing.v1.BillingService/{write}" for write in ("Reserve", "Settle")}
        model = next(span for span in in_trace if span.attributes.get("gen_ai.operation.name") == "chat")
        assert (model.service, model.name) == ("chat", "chat simulated")
        assert model.attributes["gen_ai.request.model"] == "simulated"
        assert model.attributes["gen_ai.usage.output_tokens"] > 0
        requests: Any = (await simulator.stats())["requests"]
        arrived = [r["headers"]["traceparent"] for r in requests if TRACE in r["headers"].get("traceparent", "")]
        assert [value.split("-")[2] for value in arrived] == [model.span_id]


async def _open_metrics(mesh: Mesh, service: str, http: aiohttp.ClientSession) -> str:
    """What a service exports to a Prometheus that understands exemplars."""
    url = f"http://127.0.0.1:{mesh.env[f'{service.upper()}_METRICS_PORT']}/metrics"
    async with http.get(url, headers={"Accept": "application/openmetrics-text; version=1.0.0"}) as answer:
        return await answer.text()


def _has_model(collector: Collector) -> bool:
    return any("gen_ai.operation.name" in span.attributes for span in collector.spans if span.trace_id == TRACE)


async def test_without_an_exporter_the_trace_still_reaches_the_model_and_the_logs(
    mesh: Mesh, simulator: SimulatorProcess
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"Authorization": f"Bearer {mesh.api_key}", "traceparent": f"00-{trace}-b7ad6b7169203331-00"}
    headers["Cache-Control"] = "no-store"
    body = {"model": "simulated", "messages": [{"role": "user", "content": "[[sim text=好]]"}]}
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{mesh.url}/v1/chat/completions", json=body, headers=headers) as answer:
            assert answer.status == 200
    requests: Any = (await simulator.stats())["requests"]
    assert any(trace in request["headers"].get("traceparent", "") for request in requests)
    for service in ("gateway", "chat", "moderation", "billing"):
        log = (mesh.state.folder / "logs" / f"{service}.log").read_text(encoding="utf-8")
        assert f'"trace_id":"{trace}"' in log, service
