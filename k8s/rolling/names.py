"""The cluster's name server: a headless service's name leads to its ready pods, as of a while ago."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from sandbox.ports import HOST

DOMAIN = "queqiao.svc.cluster.local"

# What CoreDNS keeps an answer for where nobody configured it (`ttl 30`, `cache 30`).
CACHE_S = 30


class Endpoints:
    """The addresses of each service's ready pods, as the API server has them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._ready: dict[str, list[str]] = {}

    def add(self, service: str, address: str) -> None:
        """A pod is ready."""
        if address not in (known := self._ready.setdefault(service, [])):
            known.append(address)

    def remove(self, service: str, address: str) -> None:
        """A pod is not ready, or is deleted."""
        if address in (known := self._ready.get(service, [])):
            known.remove(address)

    def of(self, service: str) -> Sequence[str]:
        """Who is ready now."""
        return tuple(self._ready.get(service, ()))


class NameServer(asyncio.DatagramProtocol):
    """Answers `SERVICE.queqiao.svc.cluster.local`; what was looked up is said again for `cache_s`, to whoever asks."""

    def __init__(self, endpoints: Endpoints, *, cache_s: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Serve these endpoints."""
        self._endpoints = endpoints
        self._cache_s = cache_s
        self._clock = clock
        self._kept: dict[str, tuple[float, Sequence[str]]] = {}

    async def listen(self) -> tuple[asyncio.BaseTransport, str]:
        """Listen on a free port; answers what to close, and the address."""
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=(HOST, 0))
        host, port = transport.get_extra_info("sockname")
        return transport, f"{host}:{port}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer by this."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | bytes, int]) -> None:
        """Answer a question; what is none is left alone."""
        try:
            asked = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return
        self._transport.sendto(self.answer(asked).to_wire(), addr)

    def answer(self, asked: dns.message.Message) -> dns.message.Message:
        """The addresses of whoever was ready when this was last looked up."""
        answer = dns.message.make_response(asked, recursion_available=True)
        answer.flags |= dns.flags.AA
        for question in asked.question:
            service, _, domain = str(question.name.derelativize(dns.name.root)).rstrip(".").partition(".")
            left_s, addresses = self._looked_up(service) if domain == DOMAIN else (0, ())
            if not addresses:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            elif question.rdtype == dns.rdatatype.A:
                answer.answer.append(dns.rrset.from_text(question.name, left_s, "IN", "A", *addresses))
        return answer

    def _looked_up(self, service: str) -> tuple[int, Sequence[str]]:
        now = self._clock()
        since, addresses = self._kept.get(service, (-float("inf"), ()))
        # An absence is kept for a moment only.
        if now - since >= self._cache_s or not addresses:
            since, addresses = self._kept[service] = (now, self._endpoints.of(service))
        return int(self._cache_s - (now - since)), addresses


def target(told: str, server: str, services: Mapping[str, object]) -> str:
    """An address as the manifests have it, `dns:///chat.queqiao…:50051`, asked of this name server."""
    name = told.removeprefix("dns:///")
    return f"dns://{server}/{name}" if name != told and name.split(".")[0] in services else told
