"""A service that demands certificates: its probe and its commands show them, and nobody else is heard."""

import asyncio
import sys
from pathlib import Path

import trustme

from sandbox.ports import free_ports
from sandbox.processes import Process, minimal_env
from services.runtime.tls import TlsFiles
from tests.integration.runtime.test_tls import issue, serving


def told(files: TlsFiles | None) -> dict[str, str]:
    """The variables that name these files."""
    if files is None:
        return {}
    names = {"TLS_CERT_FILE": files.certificate, "TLS_KEY_FILE": files.key, "TLS_CA_FILE": files.authorities}
    return {name: str(file) for name, file in names.items()}


async def python(*arguments: str, **env: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        env=minimal_env() | env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode().strip()


async def probe(port: str, files: TlsFiles | None, *service: str) -> tuple[int | None, str]:
    return await python("services.runtime.probe", *service, PORT=port, **told(files))


async def test_a_service_with_mutual_tls_is_probed_with_its_own_certificate(tmp_path: Path) -> None:
    files = issue(tmp_path / "server", trustme.CA())
    async with serving(files) as target:
        port = target.rsplit(":", 1)[1]
        certified, naked, unknown = await asyncio.gather(
            probe(port, files), probe(port, None), probe(port, files, "queqiao.chat.v1.TeaService")
        )
    assert certified == (0, "SERVING")
    assert naked[0] == 1
    assert unknown == (1, "no answer: NOT_FOUND")


async def test_nobody_who_listens_is_not_ready() -> None:
    assert await probe("1", None) == (1, "no answer: UNAVAILABLE")


async def test_commands_reach_a_service_that_demands_certificates(tmp_path: Path, database_url: str) -> None:
    authority = trustme.CA()
    server, commands = issue(tmp_path / "billing", authority), issue(tmp_path / "commands", authority)
    port = str(free_ports(1)[0])
    env = minimal_env() | told(server) | {"PORT": port, "DATABASE_URL": database_url}
    argv = [sys.executable, "-m", "services.billing"]
    billing = await Process.start("billing", argv, log=tmp_path / "billing.log", env=env)

    async def serves() -> bool:
        return (await probe(port, server, "queqiao.billing.v1.BillingService"))[0] == 0

    try:
        await billing.ready(serves, timeout_s=30)
        verify = ("services.cli", "ledger", "verify")
        certified, naked = await asyncio.gather(
            python(*verify, BILLING_TARGET=f"localhost:{port}", **told(commands)),
            python(*verify, BILLING_TARGET=f"localhost:{port}"),
        )
    finally:
        await billing.stop(grace_s=10)
    assert certified[0] == 0
    assert "The ledger is right." in certified[1]
    assert naked[0] == 1
    assert "The billing service does not answer" in naked[1]
