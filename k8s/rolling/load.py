"""People who ask through the edge while pods come and go, and what became of each turn."""

import asyncio
import json
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from sandbox.processes import PartError

_SHORT = "一二三四五六七八"
_SHORT_INTERVAL_MS = 60
_LONG_INTERVAL_MS = 500
# Everybody's answers take about half a second: so many ask 10 questions a second.
_PEOPLE = 6
_LONG_STREAMS = 2
_RESUMPTIONS_MAX = 5


@dataclass
class Turn:
    """One question: what came of it, and how often its stream had to be taken up again."""

    expected: str
    asked_at: float = field(default_factory=time.monotonic)
    took_s: float = 0.0
    request_id: str = ""
    last_event: str = ""
    text: str = ""
    done: bool = False
    resumed: int = 0
    trouble: str = ""

    @property
    def whole(self) -> bool:
        """Whether all of the answer came, once."""
        return self.done and self.text == self.expected and not self.trouble

    def take(self, event_id: str, data: str) -> None:
        """Add an event."""
        self.last_event = event_id or self.last_event
        if data == "[DONE]":
            self.done = True
            return
        said = json.loads(data)
        if "error" in said:
            self.trouble = data
        self.text += "".join(choice["delta"].get("content") or "" for choice in said.get("choices", ()))


class Load:
    """Everybody's questions."""

    def __init__(self, url: str, trust: ssl.SSLContext) -> None:
        """Ask at this address."""
        self.short: list[Turn] = []
        self.long: list[Turn] = []
        self._url = url
        self._trust = trust
        self._listeners: Sequence[str] = ()

    @property
    def failed(self) -> Sequence[Turn]:
        """Turns that have ended and are not whole."""
        return [turn for turn in (*self.short, *self.long) if turn.took_s and not turn.whole]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everybody asks meanwhile, again as soon as they are answered, and is answered before it ends."""
        stop = asyncio.Event()
        # A new connection each time: a person is one of many.
        connector = aiohttp.TCPConnector(ssl=self._trust, force_close=True, limit=0)
        async with aiohttp.ClientSession(connector=connector) as http:
            tokens = [await self._login(http) for _ in range(_PEOPLE + _LONG_STREAMS)]
            self._listeners = tokens[_PEOPLE:]
            async with asyncio.TaskGroup() as group:
                for token in tokens[:_PEOPLE]:
                    group.create_task(self._ask_on(http, token, stop))
                yield
                stop.set()

    async def listen(self, seconds: float) -> None:
        """Begin some long streams, and listen to their ends."""
        text = "字" * round(seconds * 1000 / _LONG_INTERVAL_MS)
        turns = [Turn(text) for _ in self._listeners]
        self.long += turns
        connector = aiohttp.TCPConnector(ssl=self._trust, force_close=True, limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as http:
            asking = (
                self._ask(http, token, turn, _LONG_INTERVAL_MS, resume=True)
                for token, turn in zip(self._listeners, turns, strict=True)
            )
            await asyncio.gather(*asking)

    async def _login(self, http: aiohttp.ClientSession) -> str:
        async with http.post(f"{self._url}/v1/auth/wechat", json={"code": secrets.token_hex(8)}) as answer:
            if answer.status != 200:
                raise PartError(f"Nobody can log in ({answer.status}): {await answer.text()}")
            token: str = (await answer.json())["access_token"]
            return token

    async def _ask_on(self, http: aiohttp.ClientSession, token: str, stop: asyncio.Event) -> None:
        while not stop.is_set():
            turn = Turn(_SHORT)
            self.short.append(turn)
            await self._ask(http, token, turn, _SHORT_INTERVAL_MS, resume=False)

    async def _ask(
        self, http: aiohttp.ClientSession, token: str, turn: Turn, interval_ms: int, *, resume: bool
    ) -> None:
        headers = {"Authorization": f"Bearer {token}", "Cache-Control": "no-store"}
        question = f"[[sim text={'|'.join(turn.expected)} interval_ms={interval_ms}]]"
        body = {"model": "simulated", "stream": True, "messages": [{"role": "user", "content": question}]}
        url = f"{self._url}/v1/chat/completions"
        try:
            async with http.post(url, json=body, headers=headers) as answer:
                turn.request_id = answer.headers.get("X-Request-Id", "")
                await _read(answer, turn)
        except aiohttp.ClientError as error:
            turn.trouble = "" if resume and turn.request_id else repr(error)
        if resume:
            await self._resume(http, headers, turn)
        turn.took_s = time.monotonic() - turn.asked_at

    async def _resume(self, http: aiohttp.ClientSession, headers: dict[str, str], turn: Turn) -> None:
        """Go on where a stream was cut, as the client does."""
        while not turn.done and not turn.trouble and turn.resumed < _RESUMPTIONS_MAX:
            turn.resumed += 1
            url = f"{self._url}/v1/chat/streams/{turn.request_id}"
            try:
                async with http.get(url, headers=headers | {"Last-Event-ID": turn.last_event}) as answer:
                    await _read(answer, turn)
            except aiohttp.ClientError:
                continue


async def _read(answer: aiohttp.ClientResponse, turn: Turn) -> None:
    if answer.status != 200:
        turn.trouble = f"{answer.status}: {await answer.text()}"
        return
    event_id = ""
    async for line in answer.content:
        if line.startswith(b"id:"):
            event_id = line[3:].strip().decode()
        elif line.startswith(b"data:"):
            turn.take(event_id, line[5:].strip().decode())
