"""Mutual TLS between services, with certificates of the test's own."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from services.runtime import tls
from services.runtime.channels import Peer
from services.runtime.errors import StartupError, UnavailableError
from services.runtime.grpc_server import GrpcServer
from services.runtime.interceptors import RpcMetrics
from services.runtime.tls import TlsFiles
from services.runtime.trace import Telemetry


def issue(folder: Path, authority: trustme.CA, trusted: trustme.CA | None = None) -> TlsFiles:
    """A certificate for the loopback, signed by this authority, for a service that trusts that one."""
    folder.mkdir(exist_ok=True)
    issued = authority.issue_cert("127.0.0.1", "localhost")
    files = TlsFiles(folder / "tls.crt", folder / "tls.key", folder / "ca.crt")
    issued.private_key_pem.write_to_path(files.key)
    files.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    (trusted or authority).cert_pem.write_to_path(files.authorities)
    return files


@asynccontextmanager
async def serving(files: TlsFiles | None) -> AsyncIterator[str]:
    server = GrpcServer(
        host="127.0.0.1",
        port=0,
        drain_s=0,
        metrics=RpcMetrics(CollectorRegistry()),
        telemetry=Telemetry(None),
        tls=files,
    )
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.drain()


async def ask(peer: Peer) -> bool:
    """Whether the peer says that it serves.

    Raises:
        UnavailableError: It does not answer.
    """
    # The stub's types know its methods only on a synchronous channel.
    stub: Any = health_pb2_grpc.HealthStub(peer.channel)
    answer = await peer.unary(stub.Check, health_pb2.HealthCheckRequest(), timeout_s=3)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


@asynccontextmanager
async def calling(target: str, files: TlsFiles | None) -> AsyncIterator[Peer]:
    peer = Peer("health", target, Telemetry(None), tls=files)
    try:
        yield peer
    finally:
        await peer.close()


async def test_services_of_one_authority_speak_and_nobody_else_does(tmp_path: Path) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    async with serving(issue(tmp_path / "server", ours)) as target:
        async with calling(target, issue(tmp_path / "client", ours)) as peer:
            assert await ask(peer)
        async with calling(target, issue(tmp_path / "stranger", theirs, trusted=ours)) as peer:
            with pytest.raises(UnavailableError):
                await ask(peer)
        async with calling(target, None) as peer:
            with pytest.raises(UnavailableError):
                await ask(peer)
    async with serving(issue(tmp_path / "impostor", theirs, trusted=ours)) as target:
        async with calling(target, TlsFiles(*_paths(tmp_path / "client"))) as peer:
            with pytest.raises(UnavailableError):
                await ask(peer)


async def test_certificates_are_replaced_while_services_speak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_LOOK_S", 0.0)
    old, new = trustme.CA(), trustme.CA()
    server, client = issue(tmp_path / "server", old), issue(tmp_path / "client", old)
    async with serving(server) as target, calling(target, client) as peer:
        assert await ask(peer)
        for folder in ("server", "client"):
            files = issue(tmp_path / folder, new)
            later = files.stamp()[0] / 1e9 + 10
            for path in (files.certificate, files.key, files.authorities):
                os.utime(path, (later, later))
        assert await ask(peer)
        async with calling(target, issue(tmp_path / "late", old, trusted=new)) as outdated:
            with pytest.raises(UnavailableError):
                await ask(outdated)
        async with calling(target, issue(tmp_path / "fresh", new)) as fresh:
            assert await ask(fresh)


async def test_half_replaced_files_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_LOOK_S", 0.0)
    authority = trustme.CA()
    server, client = issue(tmp_path / "server", authority), issue(tmp_path / "client", authority)
    async with serving(server) as target, calling(target, client) as peer:
        assert await ask(peer)
        for files in (server, client):
            files.key.unlink()
        assert await ask(peer)
        await asyncio.sleep(0)
        assert await ask(peer)


def _paths(folder: Path) -> tuple[Path, Path, Path]:
    return folder / "tls.crt", folder / "tls.key", folder / "ca.crt"


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"tls\.crt"):
        TlsFiles(*_paths(tmp_path)).read()
