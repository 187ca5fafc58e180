"""A real nginx with the configuration that ships, in front of a gateway."""

import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox import nginx
from tests.integration.gateway.conftest import (  # noqa: F401  # fixtures
    Gateway,
    gateway,
    shared_gateway,
    start_gateway,
    wechat_url,
)


@dataclass(frozen=True)
class Edge:
    """A running nginx: its address, and what a client must trust to speak to it."""

    url: str
    http_url: str
    trust: ssl.SSLContext


@pytest.fixture
async def edge(gateway: Gateway, tmp_path: Path) -> AsyncIterator[Edge]:  # noqa: F811  # the fixture
    """nginx in front of the shared gateway."""
    async with nginx_before(gateway.server.port, tmp_path) as edge:
        yield edge


@asynccontextmanager
async def nginx_before(gateway_port: int, tmp_path: Path) -> AsyncIterator[Edge]:
    """nginx in front of the gateway at this port, with its files in this folder."""
    certificate, key = tmp_path / "edge.pem", tmp_path / "edge.key"
    make_certificate(certificate, key)
    pages = tmp_path / "pages"
    (pages / "assets").mkdir(parents=True)
    (pages / "index.html").write_text("<title>鹊桥</title>", encoding="utf-8")
    (pages / "assets" / "app-1a2b.js").write_text("start()", encoding="utf-8")
    address = f"127.0.0.1:{gateway_port}"
    started = await nginx.start(tmp_path, gateway=address, certificate=certificate, key=key, pages=pages)
    trust = ssl.create_default_context(cafile=str(certificate))
    try:
        yield Edge(f"https://127.0.0.1:{started.https_port}", f"http://127.0.0.1:{started.http_port}", trust)
    finally:
        await started.process.stop(grace_s=5)


def make_certificate(certificate: Path, key: Path) -> None:
    """A certificate of its own for the loopback."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
