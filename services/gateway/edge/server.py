"""Uvicorn inside our own event loop, stopped by our own process and not by signals."""

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable, Generator

import uvicorn
from starlette.types import ASGIApp

from services.gateway.edge.protocol import Protocol, SocketProtocol
from services.runtime.errors import StartupError

_BACKLOG = 2048

# Longer than the keep-alive of common proxies (nginx: 60 s), so that none reuses a connection that we just closed.
_KEEP_ALIVE_S = 65


class HttpServer:
    """Serves an ASGI application on one port."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        port: int,
        port_shared: bool = False,
        drain_s: float,
        notice_s: float,
        on_drain: Callable[[], None],
        frame_bytes_max: int = 1024 * 1024,
    ) -> None:
        """Build the server; nothing listens yet.

        Args:
            app: What to serve.
            host: Address to listen on.
            port: Port to listen on; 0 for a free one.
            port_shared: Whether other processes listen on it, too.
            drain_s: How long running requests may take to finish in a drain.
            notice_s: How long a drain still takes new requests after `on_drain`.
            on_drain: Called when a drain begins.
            frame_bytes_max: Largest frame of a WebSocket.
        """
        self.port = port
        self._host = host
        self._port_shared = port_shared
        self._notice_s = notice_s
        self._on_drain = on_drain
        self._server = _Server(
            uvicorn.Config(
                app,
                http=Protocol,
                ws=SocketProtocol,
                ws_max_size=frame_bytes_max,
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=math.ceil(drain_s),
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            StartupError: The port is taken.
        """
        listener = self._bind()
        self.port = listener.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started and not self._serving.done():  # noqa: ASYNC110  # uvicorn has a flag, no event
            await asyncio.sleep(0.001)

    async def drain(self) -> None:
        """Say so, refuse new connections, let running requests finish for `drain_s`, stop."""
        self._on_drain()
        await asyncio.sleep(self._notice_s)
        await self._stop()

    async def close(self) -> None:
        """Stop now, if it has not been drained."""
        self._server.force_exit = True
        await self._stop()

    async def _stop(self) -> None:
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving

    def _bind(self) -> socket.socket:
        """A listening socket of our own: uvicorn would exit the process where we can explain."""
        listener = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        try:
            # A restart need not wait for old connections to time out.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._port_shared:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((self._host, self.port))
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise StartupError(
                f"Nothing can listen on {self._host}:{self.port}: the port is in use or not allowed. "
                "Set PORT to a free one."
            ) from None
        return listener


class _Server(uvicorn.Server):
    """Leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield
