"""Which pages of other origins may use the API (Fetch standard, CORS protocol)."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

_EXPOSED = (
    "X-Request-Id",
    "X-Conversation-Id",
    "X-Cache",
    "X-Charged-Micro-Yuan",
    "X-Dropped-Parameters",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "Retry-After",
    "Idempotent-Replayed",
)
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PREFLIGHT_S = 600


class Cors(CORSMiddleware):
    """Starlette's middleware; who is not allowed is answered as if there were none.

    Any header may be sent: requests are authenticated by bearer tokens, which no browser sends by itself.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        """Allow pages of these origins."""
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=["*"],
            expose_headers=_EXPOSED,
            max_age=_PREFLIGHT_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no request of an allowed page."""
        origin = Headers(scope=scope).get("origin") if scope["type"] == "http" else None
        if origin is None or not self.is_allowed_origin(origin):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Say what is allowed, without a body."""
        answer = super().preflight_response(request_headers)
        headers = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        return Response(status_code=204 if answer.status_code == 200 else answer.status_code, headers=headers)
