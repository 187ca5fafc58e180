"""Traces, metrics and logs of requests."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from yarl import URL

from services.runtime.trace import Telemetry
from tests.integration.gateway.conftest import Gateway, StartGateway

BODY = {"messages": [{"role": "user", "content": "一个秘密"}]}
TRACE = "0af7651916cd43dd8448eb211c80319c"


async def ask(gateway: Gateway) -> None:
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", **gateway.auth}
    async with gateway.http.post(f"{gateway.url}/v1/chat/completions", json=BODY, headers=headers) as answer:
        assert answer.status == 200


async def test_the_callers_trace_goes_on_without_an_exporter(gateway: Gateway) -> None:
    await ask(gateway)
    assert gateway.chat.traceparents[0][3:35] == TRACE


async def test_spans_join_http_and_grpc(start_gateway: StartGateway) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    gateway = await start_gateway(Telemetry(provider))
    await ask(gateway)
    async with gateway.http.get(f"{gateway.url}/readyz"):
        pass
    spans = exporter.get_finished_spans()
    server = [span for span in spans if span.kind is SpanKind.SERVER]
    assert [span.name for span in server] == ["POST /v1/chat/completions"]
    call = next(span for span in spans if span.kind is SpanKind.CLIENT and span.name.endswith("StreamTurn"))
    assert server[0].context is not None
    assert call.parent is not None
    assert call.parent.span_id == server[0].context.span_id
    assert f"{server[0].context.trace_id:032x}" == TRACE
    assert gateway.chat.traceparents[0][3:35] == TRACE


async def test_spans_hold_no_query_strings_and_requests_keep_theirs(start_gateway: StartGateway) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    gateway = await start_gateway(Telemetry(provider))
    url = URL(f"{gateway.url}/v1/payments/wechatpay/notify?openid=a-payer&x=%ff", encoded=True)
    async with gateway.http.post(url, data=b"{}") as answer:
        assert answer.status == 204
    assert gateway.payments.callbacks[0].query["openid"] == "a-payer"
    server = [span for span in exporter.get_finished_spans() if span.kind is SpanKind.SERVER]
    assert [span.name for span in server] == ["POST /v1/payments/wechatpay/notify"]
    assert "a-payer" not in str(dict(server[0].attributes or {}))


async def test_requests_are_counted_by_route_and_status(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    await ask(gateway)
    for path in ("/v1/models/some-name", "/secret/path"):
        async with gateway.http.get(f"{gateway.url}{path}", headers=gateway.auth):
            pass

    def count(route: str, status: int) -> float | None:
        labels = {"route": route, "status": str(status)}
        return gateway.registry.get_sample_value("queqiao_http_requests_total", labels)

    assert count("/v1/chat/completions", 200) == 1
    assert count("/v1/models/{model_id:path}", 404) == 1
    assert count("unmatched", 404) == 1


async def test_logs_hold_neither_texts_nor_keys(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    await ask(gateway)
    body = {"messages": [{"role": "user", "content": "一个秘密\x00"}], "一个秘密": 1}
    async with gateway.http.post(f"{gateway.url}/v1/chat/completions", json=body, headers=gateway.auth) as answer:
        assert answer.status == 400
    logged = capsys.readouterr()
    assert "INVALID_REQUEST" in logged.out
    for secret in ("一个秘密", "\\u4e00", gateway.key):
        assert secret not in logged.out + logged.err
