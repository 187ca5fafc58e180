"""The probe of a pod: it shows the service's own certificate, and its exit status is the verdict."""

import asyncio
import sys
from pathlib import Path

import trustme

from sandbox.processes import minimal_env
from services.runtime.tls import TlsFiles
from tests.integration.runtime.test_tls import issue, serving


async def probe(port: str, files: TlsFiles | None, *service: str) -> tuple[int | None, str]:
    env = {"PORT": port}
    if files is not None:
        env |= {"TLS_CERT_FILE": str(files.certificate), "TLS_KEY_FILE": str(files.key)}
        env |= {"TLS_CA_FILE": str(files.authorities)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.runtime.probe", *service),
        env=minimal_env() | env,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode().strip()


async def test_a_service_with_mutual_tls_is_probed_with_its_own_certificate(tmp_path: Path) -> None:
    files = issue(tmp_path / "server", trustme.CA())
    async with serving(files) as target:
        port = target.rsplit(":", 1)[1]
        told, naked, unknown = await asyncio.gather(
            probe(port, files), probe(port, None), probe(port, files, "queqiao.chat.v1.TeaService")
        )
    assert told == (0, "SERVING")
    assert naked[0] == 1
    assert unknown == (1, "no answer: NOT_FOUND")


async def test_nobody_who_listens_is_not_ready() -> None:
    assert await probe("1", None) == (1, "no answer: UNAVAILABLE")
