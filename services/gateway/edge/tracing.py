"""A span around every request, once an exporter is configured.

Query strings stay out of spans: a callback's names its payer and carries its signature.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from services.runtime.trace import Telemetry

# Where the query string waits while the middleware looks at the request.
_QUERY = "queqiao.query_string"


def traced(app: ASGIApp, telemetry: Telemetry) -> ASGIApp:
    """The application with spans, or as it is when tracing is off."""
    if not telemetry.on:
        return app
    # Imported late: an untraced process need not pay for it.
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    async def whole(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "query_string": scope.get(_QUERY, b"")}, receive, send)

    middleware = OpenTelemetryMiddleware(
        whole,
        excluded_urls="healthz,readyz,/openapi.json,/docs",
        tracer_provider=telemetry.provider,
        # A span for each chunk of a stream would cost more than the chunk.
        exclude_spans=["send", "receive"],
    )

    async def without_query(scope: Scope, receive: Receive, send: Send) -> None:
        await middleware({**scope, "query_string": b"", _QUERY: scope.get("query_string", b"")}, receive, send)

    return without_query
