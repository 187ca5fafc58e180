"""The log of turns in Redis: a stream for each turn, kept for some minutes after its end.

    {chat:07}:turn:<user>/<request>      the stream: `0-1` is the claim, then an entry an event, its id the position
    {chat:07}:turns:<replica>            the turns of this share that a replica writes
    {chat:07}:follows:<user>/<request>   while somebody follows the turn at another replica
    {chat:replicas}:stops:<replica>      the turns that it is asked to stop

Events are appended together, some times a second: whoever resumes elsewhere sees them a moment later, and a chat
costs Redis a dozen calls instead of one a word. Everything here may vanish at any time: then a turn cannot be resumed,
and nothing else is lost, for the ledger alone says what was paid.
"""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.chat.domain import Event, Failed, Started
from services.chat.errors import TurnNotFoundError
from services.chat.streams.domain import Claim, Entry, TurnKey, decode, encode
from services.chat.streams.names import follows, member, of_stream, stops, stream, streams_of, turns
from services.runtime.errors import UnavailableError

# How often what happened is written down, and how often whoever follows from elsewhere looks.
_FLUSH_S = 0.1
_LOOK_S = 0.1

# How long a follower counts as one after its last look.
_FOLLOWED_MS = 3_000

# What could not be written is tried again, more and more slowly, for as long as the log could still be there.
_RETRY_S_MAX = 1.0

# A process that ends tries for so long; then others end what it could not.
_LAST_TRY_S = 2.0

# Parts of an entry's id behind the position: what ends a turn is behind everything. Turns that started often enough to
# reach that are not kept.
_DELTA, _STARTED, _END = 1, 2, 100

log = structlog.get_logger()


def _script(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


class RedisTurnLog:
    """The port `TurnLog`."""

    def __init__(self, redis: Redis, *, replica: str, ttl_s: int) -> None:
        """Write as this replica, and keep a turn for `ttl_s` after its last event."""
        self._redis = redis
        self._replica = replica
        self._ttl_s = ttl_s
        self._claim, self._append, self._fence = _script("claim.lua"), _script("append.lua"), _script("fence.lua")
        # The turns whose end is still to be written.
        self._writing: set[TurnKey] = set()
        self._waiting: dict[TurnKey, list[Entry]] = defaultdict(list)
        self._flushing: asyncio.Task[None] | None = None

    async def claim(self, key: TurnKey, fingerprint: str) -> Claim:
        """Begin a turn, or learn that it was begun."""
        try:
            arguments = (fingerprint, self._replica, self._ttl_s, member(key), secrets.token_hex(8))
            mine, known = await self._eval(self._claim, 2, stream(key), turns(self._replica, key), *arguments)
        except (RedisError, OSError) as error:
            log.warning("turn cannot be resumed: redis does not answer", error=type(error).__name__)
            return Claim(mine=True, kept=False)
        if not mine:
            return Claim(mine=False, fingerprint=known.decode())
        self._writing.add(key)
        return Claim(mine=True, attempt=known)

    @property
    def is_written(self) -> bool:
        """Whether every turn that was claimed here has its end."""
        return not self._writing

    def writes(self, key: TurnKey) -> bool:
        """Whether a turn was claimed here and its end is still to come."""
        return key in self._writing

    def disown(self, key: TurnKey) -> None:
        """Write nothing of a turn that was claimed: its log is ended in its stead, later."""
        self._writing.discard(key)

    def append(self, key: TurnKey, entry: Entry) -> None:
        """Write an event down at the next flush."""
        self._waiting[key].append(entry)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush_soon())

    async def flush(self) -> None:
        """Write everything down; what cannot be written within seconds is left to others."""
        if self._flushing is not None:
            await asyncio.wait({self._flushing}, timeout=_LAST_TRY_S)
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.wait({self._flushing})

    async def follow(self, key: TurnKey) -> AsyncGenerator[list[Entry]]:
        """Every event, and more as they come."""
        last = "-"
        while True:
            found = await self._read(key, last)
            if not found and (last == "-" or not await self._exists(key)):
                raise _unknown()
            if found:
                last = f"({found[-1][0].decode()}"
            if batch := _entries(found):
                yield batch
                if batch[-1].is_end:
                    return
            await asyncio.sleep(_LOOK_S)

    async def is_followed(self, key: TurnKey) -> bool:
        """Whether somebody has looked lately; nobody has, for all we know, while Redis is away."""
        try:
            return bool(await self._redis.exists(follows(key)))
        except (RedisError, OSError):
            return False

    async def ask_to_stop(self, key: TurnKey) -> bool:
        """Leave word for the replica that runs it."""
        entries = await self._read(key, "-")
        if not entries:
            raise _unknown()
        if any(b"end" in fields or b"free" in fields for _, fields in entries):
            return False
        writer = entries[0][1][b"writer"].decode()
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                # Each word is another: who heeded the last one has not heeded this.
                pipe.rpush(stops(writer), f"{member(key)}/{secrets.token_hex(4)}")
                pipe.expire(stops(writer), self._ttl_s)
                await pipe.execute()
        except (RedisError, OSError):
            raise _away() from None
        return True

    async def turns_of(self, user_id: str) -> list[TurnKey]:
        """The turns of a user: looks through all keys, for it is asked once in a user's life."""
        try:
            keys = [of_stream(name) async for name in self._redis.scan_iter(match=streams_of(user_id), count=1000)]
        except (RedisError, OSError):
            raise _away() from None
        return [key for key in keys if key.user_id == user_id]

    async def forget(self, key: TurnKey) -> None:
        """Delete the stream: what its writer still has to say finds nothing to be appended to."""
        try:
            await self._redis.delete(stream(key), follows(key))
        except (RedisError, OSError):
            raise _away() from None

    async def end(self, key: TurnKey, event: Failed) -> list[Entry]:
        """End a turn whose writer is dead, unless it has ended; answers all of it.

        Raises:
            UnavailableError: Redis does not answer.
        """
        try:
            await self._eval(self._fence, 1, stream(key), encode(event), self._ttl_s)
        except (RedisError, OSError):
            raise _away() from None
        return _entries(await self._read(key, "-"))

    async def _flush_soon(self) -> None:
        """Flush until nothing waits; while Redis is away, what waits is tried again, so that no log has a gap."""
        pause_s, loop = _FLUSH_S, asyncio.get_running_loop()
        written_s = loop.time()
        try:
            while self._waiting:
                await asyncio.sleep(pause_s)
                batch, self._waiting = self._waiting, defaultdict(list)
                try:
                    failed = await self._write(batch)
                except asyncio.CancelledError:
                    self._put_back(batch)
                    raise
                self._writing -= {key for key in batch.keys() - failed if batch[key][-1].is_end}
                if not failed:
                    written_s = loop.time()
                elif loop.time() - written_s < self._ttl_s:
                    self._put_back({key: batch[key] for key in failed})
                else:
                    # By now Redis has let these logs go, if it has them at all.
                    self._writing -= failed
                    log.warning("turns not kept: redis does not take them", turns=len(failed))
                # One log that is not taken holds up no other.
                pause_s = min(2 * pause_s, _RETRY_S_MAX) if len(failed) == len(batch) else _FLUSH_S
        finally:
            self._flushing = None

    def _put_back(self, batch: dict[TurnKey, list[Entry]]) -> None:
        for key, entries in batch.items():
            self._waiting[key] = entries + self._waiting[key]

    async def _write(self, batch: dict[TurnKey, list[Entry]]) -> set[TurnKey]:
        """Append to each log; answers which ones did not take it."""
        try:
            results = await self._append_all(batch)
        except (RedisError, OSError):
            return set(batch)
        return {key for key, result in zip(batch, results, strict=True) if isinstance(result, Exception)}

    async def _append_all(self, batch: dict[TurnKey, list[Entry]]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for key, entries in batch.items():
                written = [part for entry in entries for part in _written(entry)]
                keys = (stream(key), turns(self._replica, key))
                pipe.eval(self._append, len(keys), *keys, str(self._ttl_s), member(key), *written)
            return await pipe.execute(raise_on_error=False)

    async def _read(self, key: TurnKey, after: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xrange(stream(key), after, "+")
                pipe.set(follows(key), b"1", px=_FOLLOWED_MS)
                entries, _ = await pipe.execute()
        except (RedisError, OSError):
            raise _away() from None
        return cast("list[tuple[bytes, dict[bytes, bytes]]]", entries)

    async def _exists(self, key: TurnKey) -> bool:
        try:
            return bool(await self._redis.exists(stream(key)))
        except (RedisError, OSError):
            raise _away() from None

    async def _eval(self, script: str, keys: int, *arguments: str | bytes | int) -> Any:
        return await cast("Any", self._redis.eval(script, keys, *map(_argument, arguments)))


def _argument(value: str | bytes | int) -> str | bytes:
    return str(value) if isinstance(value, int) else value


def _written(entry: Entry) -> tuple[str, str, bytes, str]:
    """An event as the script takes it."""
    event = entry.event
    attempt = str(event.next_attempt) if isinstance(event, Failed) else "0"
    kind = "free" if entry.is_free_end else "end" if entry.is_end else "event"
    part = _END if entry.is_end else _STARTED + event.attempt if isinstance(event, Started) else _DELTA
    return f"{entry.position}-{part}", kind, encode(event), attempt


def _entries(found: list[tuple[bytes, dict[bytes, bytes]]]) -> list[Entry]:
    """The events among what was read; the claim is none."""
    entries = []
    for entry_id, fields in found:
        data = fields.get(b"event") or fields.get(b"end") or fields.get(b"free")
        if data is None:
            continue
        try:
            event: Event = decode(data)
        except msgspec.DecodeError:
            # Of a version that is newer, or gone.
            log.warning("redis holds an event of another shape")
            raise _unknown() from None
        entries.append(Entry(int(entry_id.partition(b"-")[0]), event))
    return entries


def _unknown() -> TurnNotFoundError:
    return TurnNotFoundError(
        "There is no such turn, or its events are not kept any more.", fields={"request_id": "names no turn"}
    )


def _away() -> UnavailableError:
    return UnavailableError("The log of turns does not answer; try again shortly.", retry_after_s=1)
