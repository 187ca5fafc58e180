"""Who comes next among those who wait: start-time fair queueing between users, by weight. Pure.

Each ticket has a tag: when it would have been served if all users shared one server in proportion to their weights.
A user who asks a hundred times has their tickets spread over a hundred turns of the others; a weight of 4 makes the
steps a quarter as long. (Goyal, Vin, Cheng: Start-time Fair Queuing, SIGCOMM 1996.)
"""

from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Ticket:
    """A place in the queue: by its tag, and among equal ones by when it was drawn."""

    tag: float
    number: int
    user_id: str


class FairQueue:
    """Tickets in the order in which they are to be served."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._tickets: list[Ticket] = []
        self._drawn = 0
        # The virtual time: the tag of the ticket served last.
        self._now = 0.0
        self._last_tags: dict[str, float] = {}
        self._waiting: dict[str, int] = {}

    def __len__(self) -> int:
        """How many wait."""
        return len(self._tickets)

    def waiting_of(self, user_id: str) -> int:
        """How many tickets of this user wait."""
        return self._waiting.get(user_id, 0)

    def push(self, user_id: str, weight: float) -> Ticket:
        """Draw a ticket for a user of this weight, which is above 0."""
        tag = max(self._now, self._last_tags.get(user_id, 0.0)) + 1 / weight
        self._last_tags[user_id] = tag
        self._drawn += 1
        ticket = Ticket(tag, self._drawn, user_id)
        insort(self._tickets, ticket)
        self._waiting[user_id] = self.waiting_of(user_id) + 1
        return ticket

    def pop(self, may_run: Callable[[str], bool]) -> Ticket | None:
        """Take the first ticket whose user may run another turn; None when there is none."""
        ticket = next((each for each in self._tickets if may_run(each.user_id)), None)
        if ticket is not None:
            self._now = max(self._now, ticket.tag)
            self.remove(ticket)
        return ticket

    def remove(self, ticket: Ticket) -> None:
        """Give a ticket up that still waits."""
        del self._tickets[self.position(ticket) - 1]
        self._waiting[ticket.user_id] -= 1
        if not self._waiting[ticket.user_id]:
            del self._waiting[ticket.user_id]
        if not self._tickets:
            # Nobody waits, so nobody is ahead of anybody: tags begin anew, and no user is remembered for ever.
            self._now = 0.0
            self._last_tags.clear()

    def position(self, ticket: Ticket) -> int:
        """How many tickets are served before this one, and itself: 1 is next."""
        return bisect_left(self._tickets, ticket) + 1
