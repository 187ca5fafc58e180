"""What kind of user asks: on trial, one who has paid, or a program with a key. Each kind has limits of its own."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cachetools import TTLCache

from services.gateway.identity.domain import Caller
from services.runtime.errors import ServiceError

# A user who has just paid has a trial's limits for at most this long.
_TTL_S = 60.0
_USERS_MAX = 50_000


class Tier(StrEnum):
    """Kinds of users."""

    TRIAL = "trial"
    PAID = "paid"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class TierLimits:
    """Requests a minute of each kind of user, and how much a turn of theirs weighs in the queue."""

    trial_per_minute: int
    paid_per_minute: int
    key_per_minute: int
    paid_weight: float

    def per_minute(self, tier: Tier) -> int:
        """Requests that a user of this kind may make in a minute."""
        return {
            Tier.TRIAL: self.trial_per_minute,
            Tier.PAID: self.paid_per_minute,
            Tier.KEY: self.key_per_minute,
        }[tier]

    def weight(self, tier: Tier) -> float:
        """A trial's weight is 1."""
        return 1.0 if tier is Tier.TRIAL else self.paid_weight


class Payments(Protocol):
    """Knows who has paid."""

    async def topped_up(self, user_id: str) -> bool:
        """Whether the user has paid for a top-up, ever.

        Raises:
            ServiceError: Nobody knows now.
        """
        ...


class Tiers:
    """Tells users' kinds, and asks once a minute at most."""

    def __init__(self, payments: Payments, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask there; `clock` in seconds."""
        self._payments = payments
        self._known: TTLCache[str, Tier] = TTLCache(_USERS_MAX, ttl=_TTL_S, timer=clock)

    async def tier(self, caller: Caller) -> Tier:
        """The kind of this caller. Whoever cannot be told, because billing does not answer, is on trial for now."""
        if caller.by_key:
            return Tier.KEY
        tier = self._known.get(caller.user_id)
        if tier is None:
            try:
                paid = await self._payments.topped_up(caller.user_id)
            except ServiceError:
                return Tier.TRIAL
            tier = self._known[caller.user_id] = Tier.PAID if paid else Tier.TRIAL
        return tier
