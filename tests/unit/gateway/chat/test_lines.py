"""Many turns over few lines to a real server: shared, spread, resumed when a line breaks, and told what was taken."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from queqiao.chat.v1 import chat_pb2, chat_pb2_grpc

from services.gateway.chat.domain import Completed, Delta, Event, Started
from services.gateway.chat.lines import Lines
from services.gateway.errors import TurnTimeoutError
from services.runtime.channels import Peer
from services.runtime.errors import Code, InvalidRequestError, RemoteError, UnavailableError
from services.runtime.status import to_status
from services.runtime.trace import ItemSpans, Telemetry, adopt_traceparent, current_traceparent

Frame = chat_pb2.TurnFrame
GONE = to_status(RemoteError(Code.NOT_FOUND, "TURN_NOT_FOUND", "gone")).SerializeToString()


def started(model: str = "m", *, replayed: bool = False) -> chat_pb2.StreamTurnResponse:
    return chat_pb2.StreamTurnResponse(started=chat_pb2.TurnStarted(model=model, replayed=replayed))


def delta(text: str, position: int) -> chat_pb2.StreamTurnResponse:
    return chat_pb2.StreamTurnResponse(delta=chat_pb2.TurnDelta(text=text), position=position)


def completed(position: int = 0) -> chat_pb2.StreamTurnResponse:
    return chat_pb2.StreamTurnResponse(completed=chat_pb2.TurnCompleted(), position=position)


class Call:
    """One call as the server sees it."""

    def __init__(self) -> None:
        self.items: list[chat_pb2.TurnCall] = []
        self.requests = 0
        self.ended = asyncio.Event()
        self.told: asyncio.Queue[chat_pb2.ExchangeResponse | None] = asyncio.Queue()

    def tell(self, *frames: Frame, draining: bool = False) -> None:
        self.told.put_nowait(chat_pb2.ExchangeResponse(frames=frames, draining=draining))

    def say(self, number: int, *events: chat_pb2.StreamTurnResponse, ended: bool = False, **more: Any) -> None:
        self.tell(Frame(call=number, events=events, ended=ended, **more))

    def break_off(self) -> None:
        self.told.put_nowait(None)


@dataclass
class Server:
    """Does nothing but what a test says; every call is kept."""

    calls: list[Call] = field(default_factory=list)

    async def exchange(
        self, request_iterator: AsyncIterator[chat_pb2.ExchangeRequest], context: Any
    ) -> AsyncIterator[chat_pb2.ExchangeResponse]:
        call = Call()
        self.calls.append(call)

        async def read() -> None:
            async for request in request_iterator:
                call.requests += 1
                call.items.extend(request.calls)
            call.ended.set()

        reading = asyncio.create_task(read())
        while (response := await call.told.get()) is not None:
            yield response
        reading.cancel()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "broken")

    async def call(self, index: int, items: int) -> Call:
        """A call, once it has brought so many items."""
        await until(lambda: len(self.calls) > index and len(self.calls[index].items) >= items)
        return self.calls[index]


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not done():
            await asyncio.sleep(0.002)


@dataclass
class Scene:
    """A gateway's lines and the server at their end."""

    server: Server
    peer: Peer
    closing: AsyncExitStack

    def lines(self, **limits: Any) -> Lines:
        stub: chat_pb2_grpc.ChatServiceAsyncStub = chat_pb2_grpc.ChatServiceStub(self.peer.channel)
        lines = Lines(self.peer, stub.Exchange, ItemSpans(Telemetry(None), "chat"), **limits)
        self.closing.push_async_callback(lines.close)
        return lines


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    server, grpc_server = Server(), grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(
        server.exchange,
        request_deserializer=chat_pb2.ExchangeRequest.FromString,
        response_serializer=chat_pb2.ExchangeResponse.SerializeToString,
    )
    service = "queqiao.chat.v1.ChatService"
    grpc_server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"Exchange": handler})])
    port = grpc_server.add_insecure_port("127.0.0.1:0")
    await grpc_server.start()
    peer = Peer("chat", f"127.0.0.1:{port}", Telemetry(None))
    async with AsyncExitStack() as closing:
        yield Scene(server, peer, closing)
    await peer.close()
    await grpc_server.stop(0)


def question(name: str = "turn", text: str = "hello") -> chat_pb2.StreamTurnRequest:
    message = chat_pb2.Message(role=chat_pb2.ROLE_USER, content=text)
    return chat_pb2.StreamTurnRequest(request_id=name, user_id="u", messages=[message])


async def whole(lines: Lines, name: str = "turn", *, timeout_s: float = 5) -> list[Event]:
    async with lines.follow(question(name), timeout_s=timeout_s) as events:
        return [event async for event in events]


def text(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


async def test_turns_of_one_moment_share_a_call_and_a_request_and_each_has_its_own_events(scene: Scene) -> None:
    lines = scene.lines()
    turns = [asyncio.create_task(whole(lines, f"turn-{number}")) for number in range(40)]
    call = await scene.server.call(0, 40)
    assert (len(scene.server.calls), call.requests) == (1, 1)
    frames = [
        Frame(call=item.call, events=[started(), delta(item.begin.request_id, 9), completed(9)], ended=True)
        for item in call.items
    ]
    call.tell(*frames)
    assert [text(events) for events in await asyncio.gather(*turns)] == [f"turn-{number}" for number in range(40)]


async def test_a_line_that_is_full_or_old_takes_no_more_and_ends_with_its_last_turn(scene: Scene) -> None:
    lines = scene.lines(turns_max=2, young_s=0.1)
    turns = [asyncio.create_task(whole(lines, str(number))) for number in range(3)]
    await until(lambda: sorted(len(call.items) for call in scene.server.calls) == [1, 2])
    full, second = scene.server.calls
    await asyncio.sleep(0.12)
    turns.append(asyncio.create_task(whole(lines, "later")))
    young = await scene.server.call(2, 1)
    assert sum(len(call.items) for call in scene.server.calls) == 4
    for each in (full, second):
        assert not each.ended.is_set()
        for item in each.items:
            each.say(item.call, started(), completed(), ended=True)
    await asyncio.wait_for(asyncio.gather(full.ended.wait(), second.ended.wait()), 2)
    assert not young.ended.is_set()
    young.say(1, started(), completed(), ended=True)
    await asyncio.gather(*turns)


async def test_deadline_and_trace_travel_with_the_turn(scene: Scene) -> None:
    adopt_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
    turn = asyncio.create_task(whole(scene.lines(), timeout_s=0.3))
    item = (await scene.server.call(0, 1)).items[0]
    assert item.traceparent == current_traceparent()
    assert 200 < item.timeout_ms <= 300
    with pytest.raises(TurnTimeoutError):
        await turn
    call = await scene.server.call(0, 2)
    assert (call.items[1].call, call.items[1].leave) == (item.call, True)


async def test_leaving_tells_the_server_unless_the_turn_is_over(scene: Scene) -> None:
    lines = scene.lines()
    async with lines.follow(question(), timeout_s=5) as events:
        call = await scene.server.call(0, 1)
        call.say(1, started(), delta("a", 1))
        assert isinstance(await anext(events), Started)
    over = asyncio.create_task(whole(lines))
    await scene.server.call(0, 3)
    call.say(2, started(), completed(), ended=True)
    await over
    await asyncio.sleep(0.05)
    assert [item.WhichOneof("step") for item in call.items] == ["begin", "leave", "begin"]


async def test_a_turn_that_had_not_begun_is_asked_again_when_its_line_breaks(scene: Scene) -> None:
    turn = asyncio.create_task(whole(scene.lines()))
    (await scene.server.call(0, 1)).break_off()
    again = await scene.server.call(1, 1)
    assert again.items[0].begin == question()
    # That it was asked twice is our affair, not the client's.
    again.say(1, started(replayed=True), completed(), ended=True)
    events = await turn
    assert events[0] == Started("", "m")
    assert isinstance(events[-1], Completed)


async def test_a_turn_that_ran_goes_on_where_it_was_over_another_line(scene: Scene) -> None:
    turns = [asyncio.create_task(whole(lines)) for lines in [scene.lines()] * 2]
    call = await scene.server.call(0, 2)
    call.say(1, started(), delta("ab", 2))
    call.say(2, started(), delta("abcd", 4))
    call.break_off()
    again = await scene.server.call(1, 2)
    assert [item.resume.after for item in again.items] == [2, 4]
    again.say(1, started(replayed=True), delta("cdef", 6), completed(6), ended=True)
    again.say(2, started(replayed=True), delta("ef", 6), completed(6), ended=True)
    for events in await asyncio.gather(*turns):
        assert text(events) == "abcdef"
        assert [isinstance(event, Started) for event in events].count(True) == 1


async def test_another_model_that_took_over_meanwhile_is_told(scene: Scene) -> None:
    turn = asyncio.create_task(whole(scene.lines()))
    call = await scene.server.call(0, 1)
    call.say(1, started("first"))
    call.break_off()
    again = await scene.server.call(1, 1)
    again.say(1, started("first"), started("second"), completed(), ended=True)
    assert [event.model for event in await turn if isinstance(event, Started)] == ["first", "second"]


async def test_a_turn_that_is_kept_nowhere_else_ends_with_what_broke_its_line(scene: Scene) -> None:
    turn = asyncio.create_task(whole(scene.lines()))
    call = await scene.server.call(0, 1)
    call.say(1, started())
    call.break_off()
    (await scene.server.call(1, 1)).say(1, ended=True, error_status=GONE)
    with pytest.raises(UnavailableError):
        await turn


async def test_a_server_that_breaks_every_line_is_asked_four_times_and_no_more(scene: Scene) -> None:
    turn = asyncio.create_task(whole(scene.lines()))
    for index in range(4):
        (await scene.server.call(index, 1)).break_off()
    with pytest.raises(UnavailableError):
        await turn
    assert len(scene.server.calls) == 4


async def test_a_server_that_stops_keeps_its_turns_and_is_given_no_new_ones(scene: Scene) -> None:
    lines = scene.lines()
    turns = [asyncio.create_task(whole(lines, "old"))]
    stopping = await scene.server.call(0, 1)
    stopping.say(1, started())
    stopping.tell(draining=True)
    await asyncio.sleep(0.05)
    turns.append(asyncio.create_task(whole(lines, "new")))
    other = await scene.server.call(1, 1)
    for call in (stopping, other):
        call.say(1, started(), completed(), ended=True)
    await asyncio.gather(*turns)
    await asyncio.wait_for(stopping.ended.wait(), 2)


async def test_a_turn_that_was_not_taken_is_asked_over_another_line(scene: Scene) -> None:
    turn = asyncio.create_task(whole(scene.lines()))
    (await scene.server.call(0, 1)).tell(Frame(call=1, ended=True, not_taken=True), draining=True)
    (await scene.server.call(1, 1)).say(1, started(), completed(), ended=True)
    assert len(await turn) == 2


async def test_errors_of_a_turn_are_its_own_and_final(scene: Scene) -> None:
    lines = scene.lines()
    refused, broken, fine = (asyncio.create_task(whole(lines, name)) for name in ("refused", "broken", "fine"))
    call = await scene.server.call(0, 3)
    status = to_status(RemoteError(Code.PERMISSION_DENIED, "CONTENT_REFUSED", "no")).SerializeToString()
    call.say(1, started(), ended=True, error_status=status)
    call.say(2, started(), ended=True)
    call.say(3, started(), completed(), ended=True)
    with pytest.raises(RemoteError, match="no"):
        await refused
    with pytest.raises(UnavailableError):
        await broken
    assert len(await fine) == 2
    assert len(scene.server.calls) == 1


async def test_the_server_hears_what_was_taken_of_a_long_answer_and_nothing_of_what_waits(scene: Scene) -> None:
    async with scene.lines().follow(question(), timeout_s=5) as events:
        call = await scene.server.call(0, 1)
        call.say(1, started(), *(delta("x" * 1000, 1000 * number) for number in range(1, 6)))
        await asyncio.sleep(0.05)
        assert len(call.items) == 1
        for _ in range(6):
            await anext(events)
        await scene.server.call(0, 2)
        await asyncio.sleep(0.05)
        assert [item.acknowledged for item in call.items[1:]] == [3000]


async def test_what_no_message_can_carry_is_refused_and_disturbs_nobody(scene: Scene) -> None:
    lines = scene.lines()
    turn = asyncio.create_task(whole(lines))
    call = await scene.server.call(0, 1)
    with pytest.raises(InvalidRequestError):
        async with lines.follow(question(text="x" * 8 * 1024 * 1024), timeout_s=5):
            pass
    large = [asyncio.create_task(whole(lines, text)) for text in ("a", "b")]
    await scene.server.call(0, 3)
    for item in call.items:
        call.say(item.call, started(), completed(), ended=True)
    await asyncio.gather(turn, *large)


@asynccontextmanager
async def nobody() -> AsyncIterator[Lines]:
    peer = Peer("chat", "127.0.0.1:1", Telemetry(None))
    stub: chat_pb2_grpc.ChatServiceAsyncStub = chat_pb2_grpc.ChatServiceStub(peer.channel)
    lines = Lines(peer, stub.Exchange, ItemSpans(Telemetry(None), "chat"))
    yield lines
    await lines.close()
    await peer.close()


async def test_when_nobody_listens_the_turn_fails_soon() -> None:
    async with nobody() as lines:
        with pytest.raises(UnavailableError):
            await asyncio.wait_for(whole(lines), 5)
