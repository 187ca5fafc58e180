"""Logs of turns that nobody writes any more: each gets an end.

Turns whose replica died: any other replica ends their logs and closes their reservations.

Who dies cannot say so. Each replica says that it lives, and whoever has been silent for some seconds is dead; one that
was only slow finds its turns ended, and the ledger keeps whichever bill came first.

Turns that a replica claimed without knowing it, because Redis' answer was lost: it ends their logs itself.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.chat.domain import Delta, Failed, Started
from services.chat.errors import TurnLostError, TurnNotFoundError
from services.chat.streams.domain import Entry, TurnKey
from services.chat.streams.log import RedisTurnLog
from services.chat.streams.names import REPLICAS, all_turns, named, stops, turns
from services.runtime.errors import Code, ServiceError

_BEAT_S = 0.5

# A turn that has not begun so long after somebody asked to stop it is over.
_EARLY_S = 5.0

# How often a replica looks for logs that it is said to write and does not.
_AUDIT_S = 5.0

_LOST = Failed(
    TurnLostError.code,
    TurnLostError.reason,
    "The process that wrote this answer died; what had come of it was charged. Ask for the rest.",
    retry_after_s=1,
)

# As that, of a turn that may be running here and is told to whoever listens here alone.
_UNKEPT = Failed(
    TurnLostError.code,
    TurnLostError.reason,
    "The events of this turn could not be kept. Ask again, with a new request_id.",
    retry_after_s=1,
)

log = structlog.get_logger()


class CloseLost(Protocol):
    """Closes the turn of a process that died."""

    async def __call__(self, user_id: str, started: Started, text: str) -> None:
        """Charge what was shown, or release.

        Raises:
            ServiceError: Billing does not answer now.
        """
        ...


class Recovery:
    """Says that this replica lives, hears which of its turns are to stop, and closes those of dead ones."""

    def __init__(
        self,
        redis: Redis,
        turn_log: RedisTurnLog,
        close: CloseLost,
        *,
        replica: str,
        stop: Callable[[TurnKey], bool],
        dead_after_s: int,
        audit_s: float = _AUDIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Count whoever was silent for `dead_after_s` as dead; `stop` stops a turn of this process, if it runs here.

        Look each `audit_s` for logs that this replica is said to write and does not.
        """
        self._redis = redis
        self._log = turn_log
        self._close = close
        self._replica = replica
        self._stop = stop
        self._dead_after_s = dead_after_s
        self._clock = clock
        self._beaten_s = self._steady_since_s = clock()
        # Words to stop turns: those that were heeded, which Redis is told at the next beat; and when the others came.
        self._heeded: list[bytes] = []
        self._unheeded: dict[bytes, float] = {}
        self._audit_s = audit_s
        self._audited_s = clock()
        self._orphans: set[bytes] = set()
        self._script = Path(__file__).with_name("beat.lua").read_text(encoding="utf-8")

    async def run(self) -> None:
        """Beat again and again, and bury beside that; run it as a task and cancel it."""
        burying: asyncio.Task[None] | None = None
        try:
            while True:
                try:
                    dead = await self.beat()
                    if self._clock() - self._audited_s > self._audit_s:
                        self._audited_s = self._clock()
                        await self.audit()
                except (RedisError, OSError, ServiceError) as error:
                    log.warning("replica's heart does not beat", error=type(error).__name__)
                else:
                    # Whoever buries must not seem dead meanwhile.
                    if dead and (burying is None or burying.done()):
                        burying = asyncio.create_task(self._bury(dead))
                await asyncio.sleep(_BEAT_S)
        finally:
            if burying is not None:
                burying.cancel()
                await asyncio.gather(burying, return_exceptions=True)

    async def beat(self) -> list[str]:
        """Say that we live, stop what is to be stopped, and answer who is dead.

        Nobody is, for all we know, until we have beaten for as long as they would have been silent: when Redis was
        away, no replica could say that it lives.
        """
        keys = (REPLICAS, stops(self._replica))
        dead, words = await cast(
            "Awaitable[tuple[list[bytes], list[bytes]]]",
            self._redis.eval(self._script, 2, *keys, self._replica, str(self._dead_after_s), *self._heeded),
        )
        now_s = self._clock()
        if now_s - self._beaten_s > max(self._dead_after_s / 2, 2 * _BEAT_S):
            self._steady_since_s = now_s
        self._beaten_s = now_s
        self._heed(words, now_s)
        return [replica.decode() for replica in dead] if now_s - self._steady_since_s > self._dead_after_s else []

    def _heed(self, words: list[bytes], now_s: float) -> None:
        """Stop what is to be stopped. A turn that does not run here may be about to: its word is heard again."""
        self._unheeded = {word: self._unheeded.get(word, now_s) for word in words}
        self._heeded = [
            word for word, since_s in self._unheeded.items() if self._stop(named(word)) or now_s - since_s > _EARLY_S
        ]

    async def audit(self) -> None:
        """End the logs that this replica is said to write and, twice in a row, does not.

        Raises:
            RedisError, OSError, UnavailableError: Redis does not answer.
        """
        members = await self._turns_of(self._replica)
        # One that was just claimed may not be known yet.
        orphans = {member for member in members if not self._log.writes(named(member))}
        for member in orphans & self._orphans:
            # One of another shape has no end that anybody here could read.
            with suppress(TurnNotFoundError):
                await self._log.end(named(member), _UNKEPT)
            await self._strike(self._replica, [member])
            log.warning("a log without a writer was ended")
        self._orphans = orphans

    async def leave(self) -> None:
        """Say that this replica ends with nothing left behind; if something is, others shall find it dead."""
        if not self._log.is_written:
            log.warning("turns are left behind: redis does not answer")
            return
        try:
            # Nothing is claimed any more: whatever is not known by now has no writer.
            for _ in range(2):
                await self.audit()
            await self._redis.zrem(REPLICAS, self._replica)
        except (RedisError, OSError, ServiceError) as error:
            log.warning("replica cannot say that it ends", error=type(error).__name__)

    async def _bury(self, dead: list[str]) -> None:
        for replica in dead:
            try:
                await self._close_turns(replica)
            except (RedisError, OSError, ServiceError) as error:
                log.warning("turns of a dead replica are not closed yet", replica=replica, error=type(error).__name__)

    async def _close_turns(self, replica: str) -> None:
        members = await self._turns_of(replica)
        closed = [await self._closed(named(member)) for member in members]
        done = [member for member, is_closed in zip(members, closed, strict=True) if is_closed]
        await self._strike(replica, done)
        if all(closed):
            await self._redis.zrem(REPLICAS, replica)
            log.warning("replica died", replica=replica, turns=len(members))

    async def _turns_of(self, replica: str) -> set[bytes]:
        """The names of the turns that a replica is said to write."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for names in all_turns(replica):
                pipe.smembers(names)
            return set[bytes]().union(*await pipe.execute())

    async def _strike(self, replica: str, members: Sequence[bytes]) -> None:
        """Say of these no more that a replica writes them."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for member in members:
                pipe.srem(turns(replica, named(member)), member)
            await pipe.execute()

    async def _closed(self, key: TurnKey) -> bool:
        """Close one turn; whether that is done with. One that cannot be closed now does not hold up the others."""
        try:
            await self._close_turn(key, await self._log.end(key, _LOST))
        except ServiceError as error:
            if error.wire_code is Code.UNAVAILABLE:
                return False
            # As a rule its own replica had closed it before it died: the first bill counts.
            log.warning("turn of a dead replica was not closed again", reason=error.wire_reason, **key._asdict())
        return True

    async def _close_turn(self, key: TurnKey, entries: list[Entry]) -> None:
        """Close what was kept of a turn, unless its own replica ended it; a second time changes nothing."""
        if not entries or entries[-1].event != _LOST:
            return
        started = next((entry.event for entry in reversed(entries) if isinstance(entry.event, Started)), None)
        if started is None:
            # It had not begun: what it may have reserved expires.
            return
        text = "".join(entry.event.piece.text for entry in entries if isinstance(entry.event, Delta))
        await self._close(key.user_id, started, text)
