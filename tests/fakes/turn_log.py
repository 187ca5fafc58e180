"""The log of turns, in memory: one for several replicas."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from services.chat.errors import TurnNotFoundError
from services.chat.streams.domain import Claim, Entry, TurnKey


@dataclass
class DictLog:
    """Does what the port `TurnLog` promises; `away` is a Redis that does not answer."""

    fingerprints: dict[TurnKey, str] = field(default_factory=dict)
    attempts: dict[TurnKey, int] = field(default_factory=dict)
    entries: dict[TurnKey, list[Entry]] = field(default_factory=dict)
    followers: set[TurnKey] = field(default_factory=set)
    stops: list[TurnKey] = field(default_factory=list)
    disowned: list[TurnKey] = field(default_factory=list)
    away: bool = False
    claim_s: float = 0

    async def claim(self, key: TurnKey, fingerprint: str) -> Claim:
        await asyncio.sleep(self.claim_s)
        if self.away:
            return Claim(mine=True, kept=False)
        entries = self.entries.get(key, [])
        if key in self.fingerprints and not (entries and entries[-1].is_free_end):
            return Claim(mine=False, fingerprint=self.fingerprints[key])
        self.fingerprints[key], self.entries[key] = fingerprint, []
        return Claim(mine=True, attempt=self.attempts.get(key, 0))

    def disown(self, key: TurnKey) -> None:
        self.disowned.append(key)

    def append(self, key: TurnKey, entry: Entry) -> None:
        if key not in self.entries:
            return
        self.entries[key].append(entry)
        if entry.is_free_end:
            self.attempts[key] = getattr(entry.event, "next_attempt", 0)

    async def follow(self, key: TurnKey) -> AsyncGenerator[Sequence[Entry]]:
        seen = 0
        while True:
            if key not in self.entries:
                raise TurnNotFoundError("no such turn")
            if batch := self.entries[key][seen:]:
                seen += len(batch)
                yield batch
                if batch[-1].is_end:
                    return
            self.followers.add(key)
            await asyncio.sleep(0.002)

    async def is_followed(self, key: TurnKey) -> bool:
        followed = key in self.followers
        self.followers.discard(key)
        return followed

    async def turns_of(self, user_id: str) -> list[TurnKey]:
        return [key for key in self.entries if key.user_id == user_id]

    async def forget(self, key: TurnKey) -> None:
        self.entries.pop(key, None)
        self.fingerprints.pop(key, None)

    async def ask_to_stop(self, key: TurnKey) -> bool:
        if key not in self.entries:
            raise TurnNotFoundError("no such turn")
        self.stops.append(key)
        return not (self.entries[key] and self.entries[key][-1].is_end)
