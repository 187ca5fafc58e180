"""Calling the moderation service from a command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc
from queqiao.moderation.v1 import audit_pb2_grpc, lexicon_pb2_grpc, moderation_pb2_grpc, screener_pb2_grpc

from services.moderation.config import CommandSettings
from services.runtime.channels import Peer
from services.runtime.config import load
from services.runtime.tls import tls_files
from services.runtime.trace import Telemetry

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
ResultT = TypeVar("ResultT")

_TIMEOUT_S = 10.0


class Moderation:
    """What the moderation service offers: `moderation`, `lexicon`, `screener` and `audit`."""

    def __init__(self, peer: Peer) -> None:
        """Call through this peer."""
        self._peer = peer
        self.moderation = moderation_pb2_grpc.ModerationServiceStub(peer.channel)
        self.lexicon = lexicon_pb2_grpc.LexiconServiceStub(peer.channel)
        self.screener = screener_pb2_grpc.ScreenerServiceStub(peer.channel)
        self.audit = audit_pb2_grpc.AuditServiceStub(peer.channel)

    async def call(
        self,
        rpc: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
        *,
        timeout_s: float = _TIMEOUT_S,
    ) -> ResponseT:
        """Call once.

        Raises:
            ServiceError: What the service answered, or UnavailableError when it did not.
        """
        return await self._peer.unary(rpc, request, timeout_s=timeout_s)


def run(work: Callable[[Moderation], Awaitable[ResultT]]) -> ResultT:
    """Do this with the service at MODERATION_TARGET, in an event loop of its own.

    Raises:
        ServiceError: What the service answered, or UnavailableError when it did not.
    """
    settings = load(CommandSettings)

    async def connected() -> ResultT:
        peer = Peer("moderation", settings.moderation_target, Telemetry(None), tls=tls_files(settings))
        try:
            return await work(Moderation(peer))
        finally:
            await peer.close()

    return asyncio.run(connected())
