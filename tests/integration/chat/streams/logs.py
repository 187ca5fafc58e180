"""Turns in a log, and the replicas that write, follow and bury them."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from services.chat.domain import Completed, Delta, Event, Failed, FinishReason, Piece, Started, Usage
from services.chat.errors import RequestConflictError
from services.chat.streams.domain import Entry, TurnKey
from services.chat.streams.log import RedisTurnLog
from services.chat.streams.recovery import Recovery
from services.runtime.errors import UnavailableError
from services.runtime.process import running
from tests.cut_line import CutLine

KEY = TurnKey("u", "r")
STARTED = Started("", "m", ledger_id="r", input_tokens=7)
DONE = Completed(FinishReason.STOP, Usage(1, 1), 2)
FREE = Failed(14, "UPSTREAM_BUSY", "busy", next_attempt=3)


def log_of(client: redis.asyncio.Redis, replica: str = "a") -> RedisTurnLog:
    return RedisTurnLog(client, replica=replica, ttl_s=600)


def write(log: RedisTurnLog, *events: Event, key: TurnKey = KEY, begin: int = 0) -> None:
    position = begin
    for event in events:
        if isinstance(event, Delta):
            position += len(event.piece.text)
        log.append(key, Entry(position, event))


async def followed(log: RedisTurnLog, key: TurnKey = KEY) -> list[Event]:
    async with aclosing(log.follow(key)) as batches:
        return [entry.event async for batch in batches for entry in batch]


def text(events: Sequence[Event]) -> str:
    return "".join(event.piece.text for event in events if isinstance(event, Delta))


def delta(text: str) -> Delta:
    return Delta(Piece(text))


def cut_client(line: CutLine) -> redis.asyncio.Redis:
    """A client that tries nothing twice, so that what is lost is lost."""
    return redis.asyncio.from_url(line.url, protocol=3, retry=Retry(NoBackoff(), 0))


class Books:
    """Closes lost turns, on paper."""

    def __init__(self) -> None:
        self.closed: list[tuple[str, str, str]] = []
        self.away = False

    async def close(self, user_id: str, started: Started, text: str) -> None:
        if self.away:
            raise UnavailableError("billing is away")
        if started.ledger_id == "settled":
            raise RequestConflictError("it was settled with another figure")
        self.closed.append((user_id, started.ledger_id, text))


def recovery(client: redis.asyncio.Redis, replica: str, books: Books, stopped: list[TurnKey]) -> Recovery:
    def stop(key: TurnKey) -> bool:
        stopped.append(key)
        return True

    return Recovery(client, log_of(client, replica), books.close, replica=replica, stop=stop, dead_after_s=1)


async def buried(living: Recovery) -> None:
    """Let a replica live until it has known for long enough who does not, and has seen to them."""
    async with running(living.run()):
        await asyncio.sleep(2.5)
