"""What happens around every HTTP request: its id, its trace, its metrics, one log line, and errors in OpenAI's shape.

Pure ASGI: a middleware that buffers or wraps bodies would cost each chunk of a stream and hide disconnects.
"""

import time
from collections.abc import Mapping

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import Router
from starlette.types import Message, Receive, Scope, Send

from services.gateway.edge import http_errors, languages
from services.gateway.edge.caching import with_caching
from services.gateway.edge.response_headers import added_headers
from services.gateway.errors import ClientGoneError, InternalError, MethodNotAllowedError, RouteNotFoundError
from services.gateway.identity.ids import new_request_id
from services.gateway.metrics import GatewayMetrics
from services.runtime.errors import ServiceError
from services.runtime.trace import TRACEPARENT, adopt_traceparent, current_traceparent

# What nginx logs for a client that closed the connection before it was answered.
_CLIENT_GONE = 499

# Mini-programs cannot send PATCH: they POST, and say in this header what they mean.
_METHOD_OVERRIDE = "x-http-method-override"

# The label of requests that match no route: their paths are not ours to name.
_UNMATCHED = "unmatched"

log = structlog.get_logger()


class Edge:
    """The outermost ASGI application."""

    def __init__(self, router: Router, labels: Mapping[object, str], metrics: GatewayMetrics, *, traced: bool) -> None:
        """Wrap a router.

        Args:
            router: Answers requests, or raises.
            labels: The path template of each endpoint.
            metrics: Counts.
            traced: Whether a tracing middleware around this one has opened a span.
        """
        self._router = router
        self._labels = labels
        self._metrics = metrics
        self._traced = traced

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket, whose turns have ids and traces of their own."""
        begin = time.perf_counter()
        scope.update(app=self, state={})
        try:
            await self._router(scope, receive, send)
        except HTTPException:
            # There is nothing at this path; before the socket is accepted, closing it answers 403.
            await send({"type": "websocket.close", "code": 1000})
        route = self._labels.get(scope.get("endpoint"), _UNMATCHED)
        self._metrics.seconds.labels(route).observe(time.perf_counter() - begin)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = new_request_id()
        begin = time.perf_counter()
        headers = Headers(scope=scope)
        trace_id = current_traceparent()[3:35] if self._traced else adopt_traceparent(headers.get(TRACEPARENT))
        structlog.contextvars.bind_contextvars(trace_id=trace_id, request_id=request_id)
        # With "app" in it the router raises what it would otherwise answer in plain text.
        scope.update(app=self, state={"request_id": request_id, "begin": begin}, path=_without_slash(scope["path"]))
        if scope["method"] == "POST" and headers.get(_METHOD_OVERRIDE, "").upper() == "PATCH":
            scope["method"] = "PATCH"
        response = _Response(send, scope)
        code = None
        try:
            await self._router(scope, receive, response.send)
        except ClientGoneError:
            response.status = _CLIENT_GONE
        except Exception as raised:  # noqa: BLE001  # whatever it is, the caller gets an answer and no stack trace
            error = _as_ours(raised)
            code = error.wire_reason
            if not response.started:
                await response.fail(error, languages.language(headers.get("accept-language")))
        self._report(scope, response.status, time.perf_counter() - begin, code)

    def _report(self, scope: Scope, status: int, duration_s: float, code: str | None) -> None:
        route = self._labels.get(scope.get("endpoint"), _UNMATCHED)
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(duration_s)
        (log.info if status >= 400 else log.debug)(
            "request",
            method=scope["method"],
            route=route,
            status=status,
            reason=code,
            duration_ms=round(duration_s * 1000, 2),
        )


class _Response:
    """Adds the request's id to the answer and who may keep it, and remembers its status."""

    def __init__(self, send: Send, request: Scope) -> None:
        self._send = send
        self._request = request
        self.started = False
        self.status = 500

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            request_id = (b"x-request-id", self._request["state"]["request_id"].encode())
            headers = with_caching(message.get("headers", ()))
            message["headers"] = [*headers, request_id, *added_headers(self._request)]
        await self._send(message)

    async def fail(self, error: ServiceError, language: languages.Language) -> None:
        """Answer with an error."""
        body = http_errors.body(error, language)
        found = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "content-language": language,
            **http_errors.headers(error),
        }
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in found.items()]
        status = http_errors.form(error).status
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _without_slash(path: str) -> str:
    """A path with a slash behind it is the path without: redirecting would lose a POST's body."""
    return path.rstrip("/") or "/"


def _as_ours(error: Exception) -> ServiceError:
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, HTTPException) and error.status_code == 404:
        return RouteNotFoundError("There is nothing at this path.")
    if isinstance(error, HTTPException) and error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "")
        return MethodNotAllowedError("The path takes other methods.", metadata={"allow": allow})
    log.error("unexpected error", exc_info=error)
    return InternalError("An unexpected error happened; it has been logged.")
