"""How many turns a user may have running at once, in this replica."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from services.gateway.errors import TooManyTurnsError


class TurnSlots:
    """How many turns each user may have running at once, in this process."""

    def __init__(self, *, per_user_max: int) -> None:
        """Allow so many."""
        self._per_user_max = per_user_max
        self._running: Counter[str] = Counter()

    @contextmanager
    def occupy(self, user_id: str) -> Iterator[None]:
        """Hold a slot while a turn runs.

        Raises:
            TooManyTurnsError: All of the user's slots are taken.
        """
        if self._running[user_id] >= self._per_user_max:
            raise TooManyTurnsError(
                "Too many turns are running; wait for one to end.",
                metadata={"limit": str(self._per_user_max)},
                retry_after_s=1,
            )
        self._running[user_id] += 1
        try:
            yield
        finally:
            self._running[user_id] -= 1
            if not self._running[user_id]:
                del self._running[user_id]
