"""Calling the billing service from a command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import grpc
import typer
from queqiao.billing.v1 import billing_pb2_grpc, books_pb2_grpc, payments_pb2_grpc

from services.billing.config import CommandSettings
from services.runtime.channels import Peer
from services.runtime.config import load
from services.runtime.tls import tls_files
from services.runtime.trace import Telemetry

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
ResultT = TypeVar("ResultT")

_TIMEOUT_S = 10.0

User = Annotated[str, typer.Option(help="The user's id, as GET /v1/me answers it.")]


class Billing:
    """What the billing service offers: `wallets`, `payments` and `books`."""

    def __init__(self, peer: Peer) -> None:
        """Call through this peer."""
        self._peer = peer
        self.wallets = billing_pb2_grpc.BillingServiceStub(peer.channel)
        self.payments = payments_pb2_grpc.PaymentServiceStub(peer.channel)
        self.books = books_pb2_grpc.BooksServiceStub(peer.channel)

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


def run(work: Callable[[Billing], Awaitable[ResultT]]) -> ResultT:
    """Do this with the service at BILLING_TARGET, in an event loop of its own.

    Raises:
        ServiceError: What the service answered, or UnavailableError when it did not.
    """
    settings = load(CommandSettings)

    async def connected() -> ResultT:
        peer = Peer("billing", settings.billing_target, Telemetry(None), tls=tls_files(settings))
        try:
            return await work(Billing(peer))
        finally:
            await peer.close()

    return asyncio.run(connected())
