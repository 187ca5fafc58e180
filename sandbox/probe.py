"""Whether what was started is there; over HTTP by the standard library: aiohttp is a quarter of what is imported."""

import asyncio
import http.client
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sandbox.ports import HOST, listens

# How long an answer over HTTP may be silent.
_SILENCE_S = 2


async def http_ok(url: str, headers: Mapping[str, str] | None = None) -> bool:
    """Whether a GET is answered with status 200."""
    return await http_get(url, headers) is not None


async def http_get(url: str, headers: Mapping[str, str] | None = None) -> bytes | None:
    """What a GET is answered with status 200; None when it is not."""
    address = urlsplit(url)
    if not await listens(address.hostname or HOST, address.port or 80):
        return None
    return await asyncio.to_thread(_get, address.netloc, address.path or "/", dict(headers or {}))


def _get(server: str, path: str, headers: Mapping[str, str]) -> bytes | None:
    connection = http.client.HTTPConnection(server, timeout=_SILENCE_S)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.read() if answer.status == http.client.OK else None
    except (http.client.HTTPException, OSError):
        return None
    finally:
        connection.close()


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
