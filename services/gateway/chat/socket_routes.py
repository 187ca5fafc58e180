"""`/v1/ws`: turns over a WebSocket, for clients that cannot read a chunked answer."""

from collections import Counter

from starlette.websockets import WebSocket

from services.gateway.admission.gate import Gate
from services.gateway.chat.client import ChatClient
from services.gateway.chat.socket import Socket
from services.gateway.chat.turns import Turns
from services.gateway.edge import languages
from services.gateway.errors import TooManySocketsError
from services.gateway.metrics import GatewayMetrics
from services.gateway.policy.view import Views

# How long a client may take to say who it is, in seconds.
_AUTH_S = 10.0

# The subprotocol that is spoken, and the one that carries a token: a browser can send no headers.
_PROTOCOL = "queqiao.v1"
_BEARER = "bearer."

# In a URL a token would end up in logs and histories.
_TOKEN_PARAMETERS = ("token", "access_token", "api_key", "key")
_POLICY_VIOLATION = 1008


class ChatSockets:
    """Accepts sockets."""

    def __init__(
        self,
        gate: Gate,
        turns: Turns,
        views: Views,
        chat: ChatClient,
        metrics: GatewayMetrics,
        *,
        per_user_max: int,
    ) -> None:
        """Use these; a user may have so many sockets open in this replica."""
        self._gate = gate
        self._turns = turns
        self._views = views
        self._chat = chat
        self._metrics = metrics
        self._per_user_max = per_user_max
        self._open: Counter[str] = Counter()

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one."""
        if any(name in websocket.query_params for name in _TOKEN_PARAMETERS):
            await websocket.close(_POLICY_VIOLATION, "the token belongs into the first frame, never into the URL")
            return
        protocols: list[str] = websocket.scope["subprotocols"]
        token = next((each.removeprefix(_BEARER) for each in protocols if each.startswith(_BEARER)), "")
        await websocket.accept(_PROTOCOL if _PROTOCOL in protocols else None)
        user_ids: list[str] = []

        def occupy(user_id: str) -> None:
            if self._open[user_id] >= self._per_user_max:
                raise TooManySocketsError(
                    "Too many sockets of one user are open.",
                    metadata={"limit": str(self._per_user_max)},
                    retry_after_s=1,
                )
            self._open[user_id] += 1
            user_ids.append(user_id)

        socket = Socket(
            websocket,
            languages.language(websocket.headers.get("accept-language")),
            self._gate,
            self._turns,
            self._views,
            self._chat,
            self._metrics,
            auth_s=_AUTH_S,
            on_user=occupy,
        )
        try:
            with self._metrics.sockets_open.track_inprogress():
                await socket.serve(token)
        finally:
            for user_id in user_ids:
                self._open[user_id] -= 1
                if not self._open[user_id]:
                    del self._open[user_id]
