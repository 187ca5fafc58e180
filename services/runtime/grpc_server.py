"""A gRPC server with health, reflection, metrics and a graceful drain."""

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.runtime.endless import EndlessCalls
from services.runtime.errors import StartupError
from services.runtime.interceptors import Observe, RpcMetrics
from services.runtime.item_calls import ItemCalls
from services.runtime.tls import TlsFiles, server_credentials
from services.runtime.trace import Telemetry

_OPTIONS = (
    # Without this a second process would share the port in silence instead of being told that it is in use.
    ("grpc.so_reuseport", 0),
    # Clients re-resolve now and then, so new replicas get their share.
    ("grpc.max_connection_age_ms", 300_000),
    ("grpc.max_connection_age_grace_ms", 600_000),
    # A proxy or a mobile network between services may drop silent connections; pings every 30 s are welcome.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
    ("grpc.max_receive_message_length", 8 * 1024 * 1024),
)


class GrpcServer:
    """Serves gRPC on one port. Register servicers on `.grpc` before `start`; `.endless` is for calls without an end."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        drain_s: float,
        metrics: RpcMetrics,
        telemetry: Telemetry,
        tls: TlsFiles | None = None,
    ) -> None:
        """Build the server; nothing listens yet. With `tls` it takes callers with a certificate of the mesh only."""
        self._tls = tls
        self._metrics, self._telemetry = metrics, telemetry
        interceptors: list[grpc.aio.ServerInterceptor] = [Observe(metrics)]
        if telemetry.provider is not None:
            # Imported late: an untraced process need not pay for it.
            from opentelemetry.instrumentation.grpc import aio_server_interceptor, filters

            # The library publishes no types. Probes are no requests of anybody's.
            tracing = aio_server_interceptor(  # type: ignore[no-untyped-call]
                tracer_provider=telemetry.provider,
                filter_=filters.negate(filters.health_check()),
            )
            interceptors.insert(0, tracing)
        self.endless = EndlessCalls()
        self.grpc = grpc.aio.server(interceptors=interceptors, options=_OPTIONS)
        self._address = f"{host}:{port}"
        self._drain_s = drain_s
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.grpc)
        self.port = port

    def item_calls(self, service: str) -> ItemCalls:
        """What observes the calls of a fully qualified service that travel many to a message."""
        return ItemCalls(self._metrics, self._telemetry, service)

    async def start(self, *service_names: str) -> None:
        """Listen, and answer SERVING for each fully qualified service name and for the server as a whole.

        Raises:
            StartupError: The port is taken.
        """
        reflection.enable_server_reflection([*service_names, health.SERVICE_NAME, reflection.SERVICE_NAME], self.grpc)
        try:
            self.port = self._listen()
        except RuntimeError:
            raise StartupError(
                f"Nothing can listen on {self._address}: the port is in use or not allowed. Set PORT to a free one."
            ) from None
        await self.grpc.start()
        for name in ("", *service_names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    def _listen(self) -> int:
        if self._tls is None:
            return self.grpc.add_insecure_port(self._address)
        return self.grpc.add_secure_port(self._address, server_credentials(self._tls))

    async def drain(self) -> None:
        """Tell probes and clients to go elsewhere, let running calls finish for `drain_s`, then stop."""
        await self._health.enter_graceful_shutdown()
        self.endless.drain()
        await self.grpc.stop(self._drain_s)
