"""Ports of this machine."""

import asyncio
import contextlib
import errno
import random
import socket

HOST = "127.0.0.1"

# Below those that the kernel gives to outgoing connections (from 32768 on Linux), and above well-known servers'.
_PORTS = range(15_000, 32_768)


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody listens on now, and that no outgoing connection is given meanwhile."""
    with contextlib.ExitStack() as stack:
        # All are held at once: one after the other, the same port could be found twice.
        return [_held(stack) for _ in range(count)]


def _held(stack: contextlib.ExitStack) -> int:
    for port in random.sample(_PORTS, 100):
        probe = stack.enter_context(socket.socket())
        with contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise OSError(errno.EADDRINUSE, "no port is free")


async def listens(host: str, port: int) -> bool:
    """Whether anybody takes connections there; a hundredth of what a client costs that asks more."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


def cannot_listen(host: str, port: int) -> str:
    """Why a server cannot listen there, as one sentence that says what to do; empty when it can."""
    try:
        if not 0 < port < 65536:
            raise OSError(errno.ERANGE, "no such port")  # noqa: TRY301  # getaddrinfo would wrap it around
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"Port {port} is in use: stop what listens there, or choose another: PORT=8090 make run."
        return (
            f"Nothing can listen on {host}:{port} ({error.strerror}): "
            "set HOST to an address of this machine and PORT to a number from 1024 to 65535."
        )
    return ""
