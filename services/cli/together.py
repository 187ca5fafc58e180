"""`queqiao serve all`: the four services in one container, each a process of its own, for platforms that run one.

The gateway listens as it is told; the others on the loopback, where nobody else can speak to them. A service that ends
ends all: whoever runs the container starts it anew. A stop goes from the edge inwards, one layer after the other.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Mapping, Sequence

from services.runtime.config import environment
from services.runtime.errors import StartupError

# Inner services with their ports, in the order in which they stop: what stands on others goes first. Below the
# ports that the kernel gives to outgoing connections: 50051 might be one of those when a service wants to listen.
_LAYERS: Sequence[Mapping[str, int | None]] = (
    {"gateway": None},
    {"chat": 9051},
    {"moderation": 9052, "billing": 9053},
)
_INNER_HOST = "127.0.0.1"


def serve_all() -> None:
    """Run until stopped, or until a service ends.

    Raises:
        StartupError: A service ended by itself; it has said why.
    """
    asyncio.run(_serve_all())


def environment_of(service: str, port: int | None, given: Mapping[str, str]) -> dict[str, str]:
    """What a service is told: what the container is told, and where the others are."""
    env = dict(given)
    inner = {name: port for layer in _LAYERS for name, port in layer.items() if port is not None}
    env |= {f"{name.upper()}_TARGET": f"{_INNER_HOST}:{port}" for name, port in inner.items()}
    env["SERVICE_INSTANCE"] = f"{given.get('SERVICE_INSTANCE', 'all')}-{service}"
    if port is not None:
        env |= {"HOST": _INNER_HOST, "PORT": str(port)}
    if (base := given.get("METRICS_PORT", "")).isdigit():
        # One port each, from the one that is told on.
        position = [name for layer in _LAYERS for name in layer].index(service)
        env["METRICS_PORT"] = str(int(base) + position)
    return env


async def _serve_all() -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    running = {
        service: await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"services.{service}"), env=environment_of(service, port, environment())
        )
        for layer in reversed(_LAYERS)
        for service, port in layer.items()
    }
    ends: list[asyncio.Task[object]] = [
        asyncio.create_task(process.wait(), name=service) for service, process in running.items()
    ]
    stopped: asyncio.Task[object] = asyncio.create_task(stopping.wait())
    try:
        done, _ = await asyncio.wait((*ends, stopped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        for layer in _LAYERS:
            await _stop([running[service] for service in layer])
    if stopped not in done:
        service = done.pop().get_name()
        raise StartupError(f"{service} ended with status {running[service].returncode}, and all others were stopped.")


async def _stop(processes: Sequence[asyncio.subprocess.Process]) -> None:
    """Tell a layer to drain, and wait for it: each process ends by itself after its DRAIN_S."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    await asyncio.gather(*(process.wait() for process in processes))
