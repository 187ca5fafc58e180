"""Three hundred clients that nobody wants, over plain sockets: they dribble, or they never read."""

import asyncio
import base64
import contextlib
import os
import socket
import struct
from collections.abc import Sequence
from urllib.parse import urlsplit

# As small as the kernel allows: whoever does not read soon makes the server wait.
_RECEIVE_BYTES = 4096


class Crowd:
    """Connections to one server while the context is open."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._sockets: list[socket.socket] = []

    async def __aenter__(self) -> "Crowd":
        return self

    async def __aexit__(self, *error: object) -> None:
        for each in self._sockets:
            each.close()

    async def join(self, begin: bytes) -> socket.socket:
        """Connect, and say this."""
        each = socket.socket()
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        each.setblocking(False)
        self._sockets.append(each)
        await asyncio.get_running_loop().sock_connect(each, self._address)
        await asyncio.get_running_loop().sock_sendall(each, begin)
        return each

    async def upgrade(self, path: str, protocols: Sequence[str]) -> socket.socket:
        """Open a WebSocket."""
        each = await self.join(handshake(path, protocols))
        answer = await asyncio.get_running_loop().sock_recv(each, 1024)
        assert answer.startswith(b"HTTP/1.1 101"), answer
        return each

    async def dribble(self, seconds: int) -> None:
        """Everybody sends one byte a second, as long as they may."""
        for _ in range(seconds):
            for each in self._sockets:
                # A server that has hung up is what this is for.
                with contextlib.suppress(OSError):
                    each.send(b"x")
            await asyncio.sleep(1)

    def flood(self, each: socket.socket, data: bytes, bytes_max: int) -> int:
        """Send this again and again until nobody takes any more; answers how many bytes were taken."""
        sent = 0
        while sent < bytes_max:
            try:
                sent += each.send(data)
            except OSError:
                break
        return sent

    def held(self) -> int:
        """How many connections the server has not ended."""
        return sum(_open(each) for each in self._sockets)


def _open(each: socket.socket) -> bool:
    try:
        while data := each.recv(65536):
            del data
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def request(method: str, path: str, token: str = "", body: bytes = b"", length: int | None = None) -> bytes:
    """The bytes of a request; `length` is what it claims to bring."""
    head = [f"{method} {path} HTTP/1.1", "Host: mesh", "Content-Type: application/json"]
    if token:
        head.append(f"Authorization: Bearer {token}")
    if body or length:
        head.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*head, "", ""]).encode() + body


def handshake(path: str, protocols: Sequence[str]) -> bytes:
    """The bytes that open a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    head = [f"GET {path} HTTP/1.1", "Host: mesh", "Upgrade: websocket", "Connection: Upgrade"]
    head += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
    head += [f"Sec-WebSocket-Protocol: {', '.join(protocols)}"] if protocols else []
    return "\r\n".join([*head, "", ""]).encode()


def frame(text: bytes) -> bytes:
    """The bytes of a text frame, of at most 125 bytes, masked with zeros."""
    return struct.pack("!BB", 0x81, 0x80 | len(text)) + bytes(4) + text
