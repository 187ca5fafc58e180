"""Ports of this machine."""

import contextlib
import errno
import socket

HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        # All are held at once: one after the other, the same port could be found twice.
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


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
