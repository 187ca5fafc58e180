"""A model provider that is not there: OpenAI's chat protocol over HTTP with exact, chosen timings.

`python -m bench.simulator --port 9000` serves `/v1/models`, `/v1/chat/completions` and, for tests, `/sim/stats`,
on 127.0.0.1 alone, and prints its base URL as its first line. Any API key and any model name are accepted.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import uvloop
from aiohttp import web

from bench.answer import DONE, Answer, ChunkWriter, completion, compose, error_body
from bench.directive import Behaviour, DirectiveError, behaviour_of, last_user_text
from bench.seen import Seen, Sighting
from bench.wire import Wire

MODEL = "simulated"
_MAX_BODY_BYTES = 32 * 1024 * 1024
_KEEPALIVE_S = 300


@dataclass(frozen=True, slots=True)
class Request:
    """The fields of a chat completion request that shape the answer."""

    model: str
    messages: list[dict[str, object]]
    stream: bool
    include_usage: bool
    max_tokens: int | None
    body: dict[str, object]


class RequestError(ValueError):
    """The request's body is not a chat completion request; answered with status 400."""


def read_request(body: bytes) -> Request:
    """Reads a request's body.

    Raises:
        RequestError: it is not JSON, or the model or the messages are missing.
    """
    try:
        fields = json.loads(body)
    except ValueError:
        raise RequestError("the body is not JSON") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("model"), str):
        raise RequestError("you must provide a model parameter")
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise RequestError("messages must be a list of at least one message")
    limit = fields.get("max_completion_tokens", fields.get("max_tokens"))
    return Request(
        model=fields["model"],
        messages=messages,
        stream=fields.get("stream") is True,
        include_usage=bool((fields.get("stream_options") or {}).get("include_usage")),
        max_tokens=limit if isinstance(limit, int) else None,
        body=fields,
    )


class Delivery:
    """Writes the deltas of one stream to its connection, each when it is due.

    Timers and plain transport writes instead of a task per stream: a delta costs a few microseconds, so the
    provider stays far from being what a measurement measures. Due times are absolute: delays do not add up.
    """

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        writer: ChunkWriter,
        wire: Wire,
        behaviour: Behaviour,
        reasoning: Sequence[str],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._writer = writer
        self._wire = wire
        self._beginning = [writer.role(), *map(writer.reasoning, reasoning)]
        self._first_due = self._loop.time() + behaviour.first_ms / 1000
        self._interval_s = behaviour.interval_ms / 1000
        self._timer: asyncio.TimerHandle | None = None

    async def send(self, deltas: Sequence[str], ending: Sequence[bytes], sighting: Sighting) -> None:
        """Sends the role and the reasoning, `deltas` at their times, and `ending` right behind the last one."""
        done = self._loop.create_future()

        def emit() -> None:
            if self._transport.is_closing():
                return  # the client has left, which is about to cancel this
            events = [] if sighting.deltas_sent else [*self._beginning]
            now = self._loop.time() + 0.0005  # timers have a resolution of a millisecond
            while sighting.deltas_sent < len(deltas) and self._due(sighting.deltas_sent) <= now:
                events.append(self._writer.content(deltas[sighting.deltas_sent]))
                sighting.deltas_sent += 1
            if sighting.deltas_sent == len(deltas):
                events += ending
                done.set_result(None)
            else:
                self._timer = self._loop.call_at(self._due(sighting.deltas_sent), emit)
            self._write(events)

        self._timer = self._loop.call_at(self._first_due, emit)
        try:
            await done
        finally:
            self._timer.cancel()

    def tear(self, delta: str) -> None:
        """Sends the beginning of the event of one more delta."""
        self._transport.write(self._wire.torn(self._writer.content(delta)))

    def _write(self, events: Sequence[bytes]) -> None:
        chunks = self._wire.chunks(events)
        if not self._wire.in_pieces:
            self._transport.write(b"".join(chunks))
            return
        for chunk in chunks:
            self._transport.write(chunk)

    def _due(self, index: int) -> float:
        return self._first_due + index * self._interval_s


class Simulator:
    """The provider's HTTP handlers."""

    def __init__(self, default: Behaviour, seed: int, seen: Seen, name: str, models: Sequence[str]) -> None:
        self._default = default
        self._name = name
        self._listed = models
        self._seed = seed
        self._seen = seen

    def application(self) -> web.Application:
        """The routes, ready to be served."""
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/sim/stats", self._stats)
        return app

    async def _models(self, _: web.Request) -> web.Response:
        listed = [
            {"id": model, "object": "model", "created": 1_700_000_000, "owned_by": "bench"} for model in self._listed
        ]
        return web.json_response({"object": "list", "data": listed})

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response(self._seen.stats())

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        try:
            request = read_request(await http.read())
            behaviour = behaviour_of(last_user_text(request.messages), self._default, (self._name, _key_name(http)))
        except (RequestError, DirectiveError) as error:
            return web.json_response(error_body(400, str(error)), status=400)
        headers = {name.lower(): value for name, value in http.headers.items()}
        sighting = self._seen.start(request.model, len(request.messages), request.stream, headers)
        try:
            response = await self._answer(http, request, behaviour, sighting)
        except (asyncio.CancelledError, ConnectionError) as error:
            self._seen.cancel(sighting)
            # For aiohttp a cancelled handler is a client that left; a failed write would be logged as our fault.
            raise asyncio.CancelledError from error
        finally:
            self._seen.finish(sighting)
        return response

    async def _answer(
        self, http: web.Request, request: Request, behaviour: Behaviour, sighting: Sighting
    ) -> web.StreamResponse:
        if behaviour.status != 200:
            await asyncio.sleep(behaviour.first_ms / 1000 if behaviour.first_ms != self._default.first_ms else 0)
            sighting.status = behaviour.status
            return _refusal(behaviour)
        answer = compose(behaviour, request.messages, request.max_tokens, self._seed, request.body)
        if request.stream:
            return await self._stream(http, request, behaviour, answer, sighting)
        pauses = behaviour.interval_ms * max(len(answer.deltas) - 1, 0)
        await asyncio.sleep((behaviour.first_ms + pauses) / 1000)
        if behaviour.halts:
            await self._halt(http, behaviour, sighting)
        sighting.deltas_sent = len(answer.deltas)
        body = completion(_id_of(sighting), int(time.time()), request.model, answer, not behaviour.no_usage)
        return web.json_response(body, dumps=lambda value: json.dumps(value, ensure_ascii=False))

    async def _stream(
        self, http: web.Request, request: Request, behaviour: Behaviour, answer: Answer, sighting: Sighting
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Cache-Control": "no-cache"})
        response.content_type = "text/event-stream"
        response.charset = "utf-8"
        response.enable_chunked_encoding()
        await response.prepare(http)
        transport = http.transport
        if transport is None:
            raise ConnectionResetError("the client left before the first byte")
        usage = request.include_usage and not behaviour.no_usage
        writer = ChunkWriter(_id_of(sighting), int(time.time()), request.model, usage)
        wire = Wire(behaviour)
        delivery = Delivery(transport, writer, wire, behaviour, answer.reasoning)
        if behaviour.halts:
            await delivery.send(answer.deltas[: behaviour.halts_after], [], sighting)
            if behaviour.torn:
                delivery.tear(answer.deltas[-1])
            await self._halt(http, behaviour, sighting)
        ending = wire.ending(
            writer.tool_call(answer.tool) if answer.tool else [],
            writer.finish(answer.finish_reason),
            [writer.usage(answer)] if usage else [],
            DONE,
        )
        await delivery.send(answer.deltas, ending, sighting)
        await response.write_eof()
        return response

    async def _halt(self, http: web.Request, behaviour: Behaviour, sighting: Sighting) -> NoReturn:
        """Drops the connection, or goes silent until the client leaves; either way this handler is cancelled."""
        if behaviour.cut_after is not None:
            self._seen.finish(sighting)
            if http.transport is not None:
                http.transport.close()
        await asyncio.Event().wait()
        raise AssertionError("nothing sets that event")


def _refusal(behaviour: Behaviour) -> web.Response:
    retry = behaviour.retry_after_s
    return web.json_response(
        error_body(behaviour.status, f"the simulated provider was asked for status {behaviour.status}"),
        status=behaviour.status,
        headers={} if retry is None else {"Retry-After": str(retry)},
    )


def _key_name(http: web.Request) -> str:
    """What stands behind the last dash of the API key, for directives that are for one key alone."""
    return http.headers.get("Authorization", "").rpartition("-")[2]


def _id_of(sighting: Sighting) -> str:
    return f"chatcmpl-sim{id(sighting):x}{int(sighting.started_at * 1e6):x}"


async def serve(simulator: Simulator, port: int, until_stdin_closes: bool) -> None:
    """Serves on 127.0.0.1 until SIGTERM, SIGINT or, when asked, the end of standard input."""
    # A handler is cancelled as soon as its client leaves: that is how a cancelled answer is noticed.
    runner = web.AppRunner(
        simulator.application(),
        handler_cancellation=True,
        access_log=None,
        keepalive_timeout=_KEEPALIVE_S,
        shutdown_timeout=1,
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if until_stdin_closes:
        loop.add_reader(sys.stdin.fileno(), stop.set)
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    """The command line."""
    usual = Behaviour()
    parser = argparse.ArgumentParser(prog="python -m bench.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--first-token-ms", type=int, default=usual.first_ms)
    parser.add_argument("--interval-ms", type=int, default=usual.interval_ms)
    parser.add_argument("--deltas", type=int, default=usual.deltas)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--name", default="", help="what directives that are for one provider alone call this one")
    parser.add_argument("--models", default=MODEL, help="what it lists, with commas between; it answers to any name")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end together with whoever started it")
    options = parser.parse_args()
    default = Behaviour(options.deltas, options.first_token_ms, options.interval_ms)
    simulator = Simulator(default, options.seed, Seen(), options.name, options.models.split(","))
    uvloop.run(serve(simulator, options.port, options.until_stdin_closes))


if __name__ == "__main__":
    main()
