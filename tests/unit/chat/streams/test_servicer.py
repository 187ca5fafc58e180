"""Many turns over one call: shared messages, windows, deadlines, leaving, breaking and draining."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from google.rpc import status_pb2
from prometheus_client import CollectorRegistry
from queqiao.chat.v1 import chat_pb2
from structlog.testing import capture_logs

from services.chat.domain import Channel, Delta, Failed, Piece, Question, Started
from services.chat.ports import Show
from services.chat.streams.domain import TurnKey
from services.chat.streams.registry import TurnRegistry
from services.chat.streams.servicer import Exchanges
from services.runtime.endless import EndlessCalls
from services.runtime.errors import InvalidRequestError
from services.runtime.interceptors import RpcMetrics
from services.runtime.item_calls import ItemCalls
from services.runtime.status import from_status
from services.runtime.trace import Telemetry, current_traceparent
from tests.fakes.turn_log import DictLog
from tests.unit.chat.streams.test_registry import DONE, STOPPED, Script

SERVICE = "queqiao.chat.v1.ChatService"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@dataclass
class Caller:
    """Whoever is at the other end of one call."""

    exchanges: Exchanges
    responses: list[chat_pb2.ExchangeResponse] = field(default_factory=list)
    _asked: "asyncio.Queue[chat_pb2.ExchangeRequest | None]" = field(default_factory=asyncio.Queue)
    _task: "asyncio.Task[None] | None" = None

    def say(self, call: int, **step: Any) -> None:
        self._asked.put_nowait(chat_pb2.ExchangeRequest(calls=[chat_pb2.TurnCall(call=call, **step)]))

    def begin(self, call: int, name: str = "", **more: Any) -> None:
        request = {key: more.pop(key) for key in ("cancel_on_disconnect",) if key in more}
        self.say(call, begin=turn(name or f"turn-{call}", **request), **more)

    def end(self) -> None:
        self._asked.put_nowait(None)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(2):
            while not done():
                await asyncio.sleep(0.002)

    async def ended(self, *calls: int) -> None:
        await self.until(lambda: all(any(frame.ended for frame in self.frames(call)) for call in calls))

    def frames(self, call: int) -> list[chat_pb2.TurnFrame]:
        return [frame for response in self.responses for frame in response.frames if frame.call == call]

    def events(self, call: int) -> list[chat_pb2.StreamTurnResponse]:
        return [event for frame in self.frames(call) for event in frame.events]

    def text(self, call: int) -> str:
        return "".join(event.delta.text for event in self.events(call))

    def error(self, call: int) -> str:
        status = status_pb2.Status.FromString(self.frames(call)[-1].error_status)
        return from_status(status, "chat").wire_reason

    @asynccontextmanager
    async def calling(self) -> AsyncIterator["Caller"]:
        """The call is open inside; it breaks where it was not ended."""
        self._task = asyncio.create_task(self._read())
        try:
            yield self
        finally:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def over(self) -> None:
        assert self._task is not None
        async with asyncio.timeout(2):
            await self._task

    async def _read(self) -> None:
        async for response in self.exchanges.serve(self._requests()):
            self.responses.append(response)

    async def _requests(self) -> AsyncGenerator[chat_pb2.ExchangeRequest]:
        while (request := await self._asked.get()) is not None:
            yield request


def turn(name: str, **more: Any) -> chat_pb2.StreamTurnRequest:
    message = chat_pb2.Message(role=chat_pb2.ROLE_USER, content="hello")
    return chat_pb2.StreamTurnRequest(request_id=name, user_id="u", messages=[message], **more)


@dataclass
class Scene:
    """One replica of the chat service."""

    script: Script = field(default_factory=Script)
    log: DictLog = field(default_factory=DictLog)
    grace_s: float = 10
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)
    endless: EndlessCalls = field(default_factory=EndlessCalls)

    def __post_init__(self) -> None:
        self.registry = TurnRegistry(self.script, self.log, grace_s=self.grace_s, timeout_s=10)
        items = ItemCalls(RpcMetrics(self.metrics), Telemetry(None), SERVICE)
        self.exchanges = Exchanges(self.registry, self.endless, items)

    def caller(self) -> Caller:
        return Caller(self.exchanges)

    def handled(self, method: str, code: str) -> float | None:
        labels = {"grpc_method": f"/{SERVICE}/{method}", "grpc_code": code}
        return self.metrics.get_sample_value("grpc_server_handled_total", labels)


class Together(Script):
    """Turns that say each letter when they are told, all at one moment."""

    def __init__(self) -> None:
        super().__init__()
        self.shows: list[Show] = []
        self.over = asyncio.Event()

    async def run(self, question: Question, show: Show) -> None:
        show(Started("", "m"), 0)
        self.shows.append(show)
        await self.over.wait()
        show(DONE, 0)


async def test_what_happens_to_many_turns_at_one_moment_is_one_response() -> None:
    script = Together()
    async with Scene(script).caller().calling() as caller:
        for call in range(1, 51):
            caller.begin(call)
        await caller.until(lambda: all(map(caller.events, range(1, 51))))
        before = len(caller.responses)
        for position, letter in enumerate("天地玄黄", start=1):
            for show in script.shows:
                show(Delta(Piece(letter)), position)
            await asyncio.sleep(0.01)
        script.over.set()
        await caller.ended(*range(1, 51))
    assert [len(response.frames) for response in caller.responses[before:]] == [50] * 5
    assert {caller.text(call) for call in range(1, 51)} == {"天地玄黄"}


async def test_a_turn_is_begun_joined_and_resumed_as_over_calls_of_its_own() -> None:
    scene = Scene()
    async with scene.caller().calling() as caller:
        caller.begin(1, "turn")
        await caller.until(lambda: caller.text(1) == "ab")
        caller.begin(2, "turn")
        caller.say(3, resume=chat_pb2.ResumeTurnRequest(request_id="turn", user_id="u", after=2))
        await caller.ended(1, 2, 3)
        assert [caller.text(call) for call in (1, 2, 3)] == ["abcdef", "abcdef", "cdef"]
        assert [caller.events(call)[0].started.replayed for call in (1, 2, 3)] == [False, True, True]
        assert all(caller.events(call)[-1].HasField("completed") for call in (1, 2, 3))
        caller.end()
        await caller.over()
    assert len(scene.script.asked) == 1


async def test_a_turn_of_another_replica_is_followed() -> None:
    script, log = Script("x" * 9), DictLog()
    there, here = Scene(script, log), Scene(log=log)
    async with there.caller().calling() as first, here.caller().calling() as second:
        first.begin(1, "turn")
        await first.until(lambda: bool(first.text(1)))
        second.say(1, resume=chat_pb2.ResumeTurnRequest(request_id="turn", user_id="u"))
        second.say(2, resume=chat_pb2.ResumeTurnRequest(request_id="unknown", user_id="u"))
        await second.ended(1, 2)
    assert second.text(1) == "x" * 9
    assert second.error(2) == "TURN_NOT_FOUND"


@dataclass
class Long(Script):
    """Says a hundred times a hundred characters, at once."""

    channels: Sequence[Channel] = (Channel.TEXT,)

    async def run(self, question: Question, show: Show) -> None:
        show(Started("", "m"), 0)
        for number in range(1, 101):
            show(Delta(Piece("x" * 100, self.channels[number % len(self.channels)])), number * 100)
        show(DONE, 0)


async def test_no_more_is_sent_than_the_caller_can_take_and_the_rest_comes_in_few_pieces() -> None:
    async with Scene(Long()).caller().calling() as caller:
        caller.begin(1, "turn")
        for acknowledged, reached in ((0, 4100), (2048, 6200), (1000, 6200), (6200, 10_000)):
            caller.say(1, acknowledged=acknowledged)
            await asyncio.sleep(0.02)
            assert len(caller.text(1)) == reached
        await caller.ended(1)
    assert len(caller.events(1)) == 5


async def test_of_another_replicas_log_no_more_is_read_than_the_caller_can_take() -> None:
    there = Scene(Long(channels=(Channel.TEXT, Channel.REASONING)))
    async with there.caller().calling() as first, Scene(log=there.log).caller().calling() as caller:
        first.begin(1, "turn")
        await first.until(lambda: bool(first.events(1)))
        caller.begin(1, "turn")
        for acknowledged, reached in ((0, 4100), (2048, 6200), (6200, 10_000)):
            caller.say(1, acknowledged=acknowledged)
            await asyncio.sleep(0.02)
            assert caller.events(1)[-1].position == reached
        await caller.ended(1)


async def test_errors_are_those_of_their_turn_alone() -> None:
    class Refusing(Script):
        async def run(self, question: Question, show: Show) -> None:
            if question.request_id == "turn-2":
                show(Failed(7, "CONTENT_REFUSED", "no", next_attempt=1), 0)
            elif question.request_id == "turn-3":
                raise ValueError("secret")
            else:
                await super().run(question, show)

    scene = Scene(Refusing())
    async with scene.caller().calling() as caller:
        for call in (1, 2, 3):
            caller.begin(call)
        caller.begin(4, "not a name")
        await caller.ended(1, 2, 3, 4)
        assert (caller.text(1), caller.error(2), caller.error(3)) == ("abcdef", "CONTENT_REFUSED", "INTERNAL")
        assert caller.error(4) == "INVALID_REQUEST"
        assert b"secret" not in caller.frames(3)[-1].error_status
    codes = [scene.handled("StreamTurn", code) for code in ("OK", "PERMISSION_DENIED", "INTERNAL", "INVALID_ARGUMENT")]
    assert codes == [1, 1, 1, 1]


@pytest.mark.parametrize(("stops", "end"), [(True, STOPPED), (False, DONE)])
async def test_whoever_leaves_stops_the_turn_if_the_request_says_so(stops: bool, end: object) -> None:
    scene = Scene(Script(pause_s=0.02))
    async with scene.caller().calling() as caller:
        caller.begin(1, cancel_on_disconnect=stops)
        await caller.until(lambda: bool(caller.text(1)))
        caller.say(1, leave=True)
        key = TurnKey("u", "turn-1")
        await caller.until(lambda: scene.log.entries[key][-1].is_end)
        assert scene.log.entries[key][-1].event == end
        assert not any(frame.ended for frame in caller.frames(1))
    assert scene.handled("StreamTurn", "CANCELLED") == 1


async def test_a_call_that_breaks_stops_no_turn_at_once_and_another_goes_on() -> None:
    scene = Scene(Script(pause_s=0.02))
    async with scene.caller().calling() as caller:
        caller.begin(1, "turn", cancel_on_disconnect=True)
        await caller.until(lambda: caller.text(1) == "ab")
    async with scene.caller().calling() as again:
        again.say(9, resume=chat_pb2.ResumeTurnRequest(request_id="turn", user_id="u", after=2))
        await again.ended(9)
        assert again.text(9) == "cdef"


async def test_a_turn_that_nobody_comes_back_to_stops_after_its_grace() -> None:
    scene = Scene(Script(pause_s=0.02), grace_s=0.03)
    async with scene.caller().calling() as caller:
        caller.begin(1)
        await caller.until(lambda: bool(caller.text(1)))
    await asyncio.sleep(0.2)
    assert scene.log.entries[TurnKey("u", "turn-1")][-1].event == STOPPED


async def test_a_turn_is_left_at_its_deadline_and_told() -> None:
    scene = Scene(Script(pause_s=0.05))
    async with scene.caller().calling() as caller:
        caller.begin(1, timeout_ms=60)
        await caller.ended(1)
        assert status_pb2.Status.FromString(caller.frames(1)[-1].error_status).code == 4
    assert scene.handled("StreamTurn", "DEADLINE_EXCEEDED") == 1


async def test_a_drain_takes_no_new_turns_lets_those_that_run_end_and_ends_the_call() -> None:
    scene = Scene(Script(pause_s=0.02))
    async with scene.caller().calling() as caller, scene.caller().calling() as idle:
        caller.begin(1)
        await caller.until(lambda: bool(caller.text(1)))
        scene.endless.drain()
        await caller.until(lambda: caller.responses[-1].draining)
        caller.begin(2)
        await caller.ended(1, 2)
        assert (caller.text(1), caller.frames(2)[0].not_taken) == ("abcdef", True)
        await caller.over()
        await idle.over()
    async with scene.caller().calling() as late:
        await late.over()
        assert [response.draining for response in late.responses] == [True]
    assert len(scene.script.asked) == 1


async def test_a_caller_that_breaks_the_rules_loses_the_call() -> None:
    for wrong in ({"begin": turn("other")}, {}):
        async with Scene(Script(pause_s=0.02)).caller().calling() as caller:
            caller.begin(1)
            caller.say(1, **wrong)
            with pytest.raises(InvalidRequestError):
                await caller.over()


async def test_each_turn_runs_in_its_own_trace_and_is_logged_in_it() -> None:
    class Traced(Script):
        async def run(self, question: Question, show: Show) -> None:
            show(Started("", current_traceparent()), 0)
            show(DONE, 0)

    with capture_logs() as logged:
        async with Scene(Traced()).caller().calling() as caller:
            caller.begin(1, traceparent=f"00-{TRACE}-b7ad6b7169203331-00")
            caller.begin(2)
            await caller.ended(1, 2)
    traces = [caller.events(call)[0].started.model[3:35] for call in (1, 2)]
    assert traces[0] == TRACE
    assert traces[1] not in (TRACE, "")
    calls = [line for line in logged if line["event"] == "call"]
    assert [line["method"] for line in calls] == [f"/{SERVICE}/StreamTurn"] * 2
