"""Whether a service that was started is there."""

from collections.abc import Mapping
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sandbox.ports import listens


async def grpc_serving(target: str, env: Mapping[str, str]) -> bool:
    """Whether a service says that it serves; one that shows certificates is asked with its own."""
    host, _, port = target.rpartition(":")
    if not await listens(host, int(port)):
        return False
    async with _channel(target, env) as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(  # type: ignore[attr-defined]  # the stubs forget it
                health_pb2.HealthCheckRequest(), timeout=1
            )
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _channel(target: str, env: Mapping[str, str]) -> grpc.aio.Channel:
    if not env.get("TLS_CA_FILE"):
        return grpc.aio.insecure_channel(target)
    authorities, key, certificate = (
        Path(env[name]).read_bytes() for name in ("TLS_CA_FILE", "TLS_KEY_FILE", "TLS_CERT_FILE")
    )
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(authorities, key, certificate))
