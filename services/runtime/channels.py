"""Calling another service: one channel, the trace on every call, errors as ours."""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any, TypeVar

import grpc

from services.runtime.status import from_rpc_error
from services.runtime.tls import RotatingChannel, TlsFiles
from services.runtime.trace import TRACEPARENT, Telemetry, current_traceparent

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


class Peer:
    """A service that we call."""

    def __init__(
        self,
        name: str,
        target: str,
        telemetry: Telemetry,
        *,
        idempotent: Sequence[str] = (),
        tls: TlsFiles | None = None,
    ) -> None:
        """Open a channel lazily.

        Args:
            name: What error sentences call the peer.
            target: `host:port`, or `dns:///name:port` for every replica behind a headless service.
            telemetry: Records client spans when it is on.
            idempotent: Fully qualified services whose unary methods may be retried when the peer is unreachable.
            tls: Certificates for mutual TLS; None speaks in the clear.

        Raises:
            StartupError: The certificates cannot be read.
        """
        self.name = name
        self.channel = _channel(target, _options(idempotent), _interceptors(telemetry), tls)

    async def unary(
        self,
        rpc: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
        *,
        timeout_s: float,
    ) -> ResponseT:
        """Call once.

        Raises:
            ServiceError: What the peer answered, or UnavailableError when it did not.
        """
        try:
            return await rpc(request, timeout=timeout_s, metadata=_metadata())
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self.name) from None

    async def stream(
        self,
        rpc: "grpc.aio.UnaryStreamMultiCallable[RequestT, ResponseT]",
        request: RequestT,
        *,
        timeout_s: float,
    ) -> AsyncGenerator[ResponseT]:
        """Call once and yield each answer; closing the iterator cancels the call.

        Raises:
            ServiceError: What the peer answered, or UnavailableError when it did not.
        """
        call: Any = rpc(request, timeout=timeout_s, metadata=_metadata())
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self.name) from None
        finally:
            call.cancel()

    async def close(self) -> None:
        """Close the channel."""
        await self.channel.close()


def _channel(target: str, options: Any, interceptors: Any, tls: TlsFiles | None) -> grpc.aio.Channel:
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options, interceptors=interceptors)

    def secure(credentials: grpc.ChannelCredentials) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(target, credentials, options=options, interceptors=interceptors)

    # What generated stubs ask of a channel, it has.
    return RotatingChannel(tls, secure)  # type: ignore[return-value]


def _interceptors(telemetry: Telemetry) -> Any:
    """What records a span of each call; nothing when tracing is off."""
    if telemetry.provider is None:
        return None
    # Imported late: an untraced process need not pay for it.
    from opentelemetry.instrumentation.grpc import aio_client_interceptors

    return aio_client_interceptors(tracer_provider=telemetry.provider)  # type: ignore[no-untyped-call]  # publishes no types


def _metadata() -> tuple[tuple[str, str], ...]:
    traceparent = current_traceparent()
    return ((TRACEPARENT, traceparent),) if traceparent else ()


def _options(idempotent: Sequence[str]) -> list[tuple[str, str | int]]:
    retry = {
        "name": [{"service": service} for service in idempotent],
        "retryPolicy": {
            "maxAttempts": 3,
            "initialBackoff": "0.05s",
            "maxBackoff": "0.5s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        },
    }
    service_config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [retry] if idempotent else [],
    }
    return [
        ("grpc.service_config", json.dumps(service_config)),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # A peer that restarts should be found again within a second, not after the default's two minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        # When replicas go, whoever came in their place is looked up at once, not half a minute after the last look.
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
        ("grpc.max_receive_message_length", 8 * 1024 * 1024),
    ]
