"""Requests and responses over one long-lived bidirectional call.

A message on an open call costs a third of a unary call. It suits frequent, small, idempotent requests to a peer that
keeps no state; one call stays with one replica until it breaks or the peer's connections age out.
"""

import asyncio
import contextvars
from typing import Any, Generic, TypeVar

import grpc

from services.runtime.channels import Peer
from services.runtime.errors import UnavailableError
from services.runtime.status import from_rpc_error

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


class ExchangePool(Generic[RequestT, ResponseT]):
    """A few calls side by side, each with one request at a time: who finds all of them busy waits."""

    def __init__(
        self,
        peer: Peer,
        rpc: "grpc.aio.StreamStreamMultiCallable[RequestT, ResponseT]",
        *,
        calls: int,
        timeout_s: float,
    ) -> None:
        """Exchange with this peer over so many calls; a response must come within `timeout_s`."""
        self._idle = [Exchange(peer, rpc, timeout_s=timeout_s) for _ in range(calls)]
        self._free = asyncio.Semaphore(calls)

    async def send(self, request: RequestT) -> ResponseT:
        """As `Exchange.send`, on whichever call is idle.

        Raises:
            ServiceError: What the peer answered, or UnavailableError when it did not.
        """
        async with self._free:
            exchange = self._idle.pop()
            try:
                return await exchange.send(request)
            finally:
                self._idle.append(exchange)


class Exchange(Generic[RequestT, ResponseT]):
    """One call, opened when it is first needed and again when it broke. One request at a time."""

    def __init__(
        self, peer: Peer, rpc: "grpc.aio.StreamStreamMultiCallable[RequestT, ResponseT]", *, timeout_s: float
    ) -> None:
        """Exchange with this peer; a response must come within `timeout_s`."""
        self._peer = peer
        self._rpc = rpc
        self._timeout_s = timeout_s
        self._call: Any = None

    async def send(self, request: RequestT) -> ResponseT:
        """Send a request and wait for its response; a call that has broken meanwhile is opened anew, once.

        Raises:
            ServiceError: What the peer answered, or UnavailableError when it did not.
        """
        try:
            return await self._once(request)
        except UnavailableError:
            return await self._once(request)

    async def _once(self, request: RequestT) -> ResponseT:
        if self._call is None:
            # In a context of its own: the call outlives the request that opens it, and belongs to no trace.
            self._call = contextvars.Context().run(self._rpc)
        call, self._call = self._call, None
        try:
            async with asyncio.timeout(self._timeout_s):
                await call.write(request)
                response = await call.read()
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self._peer.name) from None
        except (TimeoutError, asyncio.InvalidStateError):
            call.cancel()
            raise UnavailableError(
                f"The {self._peer.name} service does not answer in time; try again.", retry_after_s=1
            ) from None
        except BaseException:
            call.cancel()
            raise
        if response is grpc.aio.EOF:
            raise UnavailableError(f"The {self._peer.name} service ended the call; try again.", retry_after_s=1)
        # Only a call that answered is used again: after anything else, its next response would not be ours.
        self._call = call
        result: ResponseT = response
        return result
