"""Exchange over gRPC: many turns of one caller over one call.

Turns tell nobody but this what happens; it takes what happened to all of them when the call can carry it, so that a
moment in which a hundred turns have news is one message, and a caller that reads slowly gets few and larger events.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from functools import partial

from queqiao.chat.v1 import chat_pb2

from services.chat.convert import requests
from services.chat.convert.frames import frame
from services.chat.streams.carried import Carried
from services.chat.streams.registry import TurnRegistry
from services.runtime.endless import EndlessCalls
from services.runtime.errors import InvalidRequestError, ServiceError
from services.runtime.item_calls import ItemCalls

# What a response may have before it is sent without the rest; a caller takes 8 MiB.
_RESPONSE_BYTES = 1024 * 1024


class Exchanges:
    """Serves Exchange."""

    def __init__(self, registry: TurnRegistry, calls: EndlessCalls, items: ItemCalls) -> None:
        """Carry the turns of this registry."""
        self._registry = registry
        self._calls = calls
        self._items = items

    async def serve(self, call: AsyncIterable[chat_pb2.ExchangeRequest]) -> AsyncGenerator[chat_pb2.ExchangeResponse]:
        """Answer one call until its caller ends it, or the server drains and its turns are over.

        Raises:
            InvalidRequestError: The caller breaks the rules of the call.
        """
        exchange = _Exchange(self._registry, self._items)
        reading = asyncio.create_task(exchange.read(call))
        try:
            with self._calls.told(exchange.drain):
                async for response in exchange.responses():
                    yield response
        finally:
            exchange.leave()
            reading.cancel()
            # A call that broke breaks its reading, too.
            await asyncio.gather(reading, return_exceptions=True)


class _Exchange:
    """One call."""

    def __init__(self, registry: TurnRegistry, items: ItemCalls) -> None:
        self._registry = registry
        self._items = items
        self._turns: dict[int, Carried] = {}
        # Those with news, in the order in which they had them.
        self._fresh: dict[int, None] = {}
        self._not_taken: list[int] = []
        self._news = asyncio.Event()
        self._reading = True
        self._draining = False
        self._told = False
        self._failure: Exception | None = None

    async def read(self, call: AsyncIterable[chat_pb2.ExchangeRequest]) -> None:
        """Do what the caller asks, until it closes its half."""
        try:
            async for request in call:
                for item in request.calls:
                    self._heed(item)
        except ServiceError as error:
            self._failure = error
        finally:
            self._reading = False
            self._news.set()

    async def responses(self) -> AsyncGenerator[chat_pb2.ExchangeResponse]:
        """What happens, as soon as the call can carry it.

        Raises:
            InvalidRequestError: The caller breaks the rules of the call.
        """
        while self._reading or self._turns:
            await self._news.wait()
            self._news.clear()
            if self._failure is not None:
                raise self._failure
            response = self._response()
            if response.frames or response.draining:
                yield response
            if self._told and not self._turns:
                return

    def drain(self) -> None:
        """Take no new turns, and say so."""
        self._draining = True
        self._news.set()

    def leave(self) -> None:
        """The call is over, maybe before its turns: whoever had them may come back over another one."""
        for carried in self._turns.values():
            carried.leave(stop=False)
        self._turns.clear()

    def _heed(self, item: chat_pb2.TurnCall) -> None:
        carried = self._turns.get(item.call)
        match item.WhichOneof("step"):
            case "begin" | "resume" if carried is not None:
                raise InvalidRequestError("call names a turn that is under way.", fields={"call": "is in use"})
            case "begin" | "resume" if self._draining:
                self._not_taken.append(item.call)
                self._news.set()
            case "begin" | "resume":
                self._take(item)
            case "acknowledged" if carried is not None:
                carried.acknowledge(item.acknowledged)
            case "leave" if carried is not None:
                del self._turns[item.call]
                carried.leave(stop=True)
            case None:
                raise InvalidRequestError("A call says nothing.", fields={"step": "is missing"})

    def _take(self, item: chat_pb2.TurnCall) -> None:
        begins = item.HasField("begin")
        call = self._items.begin("StreamTurn" if begins else "ResumeTurn", item.traceparent)
        carried = Carried(call, partial(self._tell, item.call), timeout_s=item.timeout_ms / 1000)
        self._turns[item.call] = carried
        try:
            if begins:
                question, fingerprint = requests.question(item.begin), requests.fingerprint(item.begin)
                stops = item.begin.cancel_on_disconnect
                carried.begin(self._registry, question, fingerprint, stop_on_leave=stops)
            else:
                carried.resume(self._registry, requests.turn_key(item.resume), item.resume.after)
        except ServiceError as error:
            carried.fail(error)

    def _tell(self, number: int) -> None:
        self._fresh[number] = None
        self._news.set()

    def _response(self) -> chat_pb2.ExchangeResponse:
        """What has happened, or as much of it as a response may have."""
        frames = [chat_pb2.TurnFrame(call=number, ended=True, not_taken=True) for number in self._not_taken]
        self._not_taken.clear()
        size = 0
        while self._fresh and size < _RESPONSE_BYTES:
            number = next(iter(self._fresh))
            del self._fresh[number]
            if (carried := self._turns.get(number)) is None or (news := carried.take()) is None:
                continue
            if news.ended:
                del self._turns[number]
            frames.append(frame(number, news))
            size += frames[-1].ByteSize()
        if self._fresh:
            self._news.set()
        draining = self._draining and not self._told
        self._told = self._told or draining
        return chat_pb2.ExchangeResponse(frames=frames, draining=draining)
