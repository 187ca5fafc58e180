"""From a service's name to a running process: configuration, logs, traces, metrics, signals, drain."""

import asyncio
import gc
import platform
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any, Protocol, TypeVar

import structlog
import uvloop
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Info,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)

from services.runtime.channels import Peer
from services.runtime.config import ServiceSettings, load
from services.runtime.errors import ConfigurationError, StartupError
from services.runtime.event_loop import LoopLag
from services.runtime.grpc_server import GrpcServer
from services.runtime.interceptors import RpcMetrics
from services.runtime.logs import configure_logging
from services.runtime.stores import Stores
from services.runtime.tls import TlsFiles, tls_files
from services.runtime.trace import Telemetry

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


class Server(Protocol):
    """What a process serves with."""

    @property
    def port(self) -> int:
        """The port it listens on."""
        ...

    async def drain(self) -> None:
        """Refuse new work, finish what runs, stop."""
        ...


@dataclass(frozen=True)
class Runtime:
    """What every service is handed: where it reports to, and how it serves and calls."""

    name: str
    settings: ServiceSettings
    registry: CollectorRegistry
    telemetry: Telemetry

    @property
    def tls(self) -> TlsFiles | None:
        """Certificates for mutual TLS; None when there are none."""
        return tls_files(self.settings)

    @cached_property
    def stores(self) -> Stores:
        """Where connections to PostgreSQL and Redis are reported."""
        return Stores(self.registry, self.telemetry)

    def grpc_server(self) -> GrpcServer:
        """A gRPC server on this service's port."""
        return GrpcServer(
            tls=self.tls,
            host=self.settings.host,
            port=self.settings.port,
            drain_s=self.settings.drain_s,
            metrics=RpcMetrics(self.registry),
            telemetry=self.telemetry,
        )

    def peer(self, name: str, target: str, *, idempotent: tuple[str, ...] = ()) -> Peer:
        """A service to call."""
        return Peer(name, target, self.telemetry, idempotent=idempotent, tls=self.tls)


# Builds a service's adapters, starts its server and yields it; what it opened it closes on exit.
App = Callable[[SettingsT, Runtime], AbstractAsyncContextManager[Server]]


def run(name: str, settings_class: type[SettingsT], app: App[SettingsT]) -> None:
    """Run a service until it is told to stop (SIGTERM, SIGINT), then drain it.

    When the service cannot start it says why on standard error, and exits with status 2 when it was configured wrongly,
    with status 1 when something that it needs is away.
    """
    try:
        settings = load(settings_class)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(name, settings, app))
    except StartupError as error:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201  # said to the person or log that started us
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run something beside the service for as long as the context is open.

    Work that ends by itself was not meant to: the process says so and stops, so that whoever watches it starts it anew.
    """
    task = asyncio.create_task(work)
    task.add_done_callback(_stop_unless_cancelled)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _stop_unless_cancelled(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        structlog.get_logger().critical("background work ended; stopping", exc_info=task.exception())
        signal.raise_signal(signal.SIGTERM)


async def _serve(name: str, settings: SettingsT, app: App[SettingsT]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    configure_logging(name, settings.service_instance, settings.log_level)
    log = structlog.get_logger()
    registry = _metrics_registry(name)
    telemetry = Telemetry.start(name, settings.service_instance, settings.otel_exporter_otlp_endpoint)
    try:
        async with (
            running(LoopLag(registry).run()),
            app(settings, Runtime(name, settings, registry, telemetry)) as server,
        ):
            _serve_metrics(settings, registry)
            # What has been built so far lives as long as the process: the collector need never look at it again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 50, 50)
            log.info("serving", port=server.port, metrics_port=settings.metrics_port)
            await stopping.wait()
            log.info("draining", seconds_at_most=settings.drain_s)
            await server.drain()
    finally:
        telemetry.stop()
    log.info("stopped")


def _metrics_registry(service: str) -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    build = Info("queqiao_build", "What runs here; always 1.", registry=registry)
    build.info({"service": service, "version": version("queqiao"), "python": platform.python_version()})
    return registry


def _serve_metrics(settings: ServiceSettings, registry: CollectorRegistry) -> None:
    if settings.metrics_port is None:
        return
    try:
        start_http_server(settings.metrics_port, addr=settings.host, registry=registry)
    except OSError:
        raise StartupError(
            f"Metrics cannot listen on {settings.host}:{settings.metrics_port}: set METRICS_PORT to a free port."
        ) from None
