"""What a kept turn is made of. Pure."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from services.chat.domain import Completed, Delta, Event, Failed, Piece
from services.runtime.errors import Code, RemoteError, UnavailableError


class TurnKey(NamedTuple):
    """Names a turn: a request_id is unique per user."""

    user_id: str
    request_id: str


class Entry(NamedTuple):
    """An event, and how far in the answer it reaches."""

    position: int
    event: Event

    @property
    def is_end(self) -> bool:
        """Whether nothing follows."""
        return isinstance(self.event, Completed | Failed)

    @property
    def is_free_end(self) -> bool:
        """Whether it ends a turn that was charged nothing and showed nothing: it may be begun again."""
        return isinstance(self.event, Failed) and self.event.next_attempt is not None


@dataclass(frozen=True, slots=True)
class Claim:
    """Who runs a turn.

    `mine` when nobody does or did; then `attempt` is how many reservations were given back for it before, and `kept`
    says whether its events will be. Else `fingerprint` is that of the input which it was begun with.
    """

    mine: bool
    attempt: int = 0
    kept: bool = True
    fingerprint: str = ""


class TurnLog(Protocol):
    """Keeps the events of turns where every replica finds them."""

    async def claim(self, key: TurnKey, fingerprint: str) -> Claim:
        """Begin a turn, or learn that it was begun, unless it ended freely.

        While the log is away every turn is ours, and none is kept.
        """
        ...

    def disown(self, key: TurnKey) -> None:
        """Write nothing of a turn that was claimed: its log is ended in its stead, later."""
        ...

    def append(self, key: TurnKey, entry: Entry) -> None:
        """Keep an event, soon."""
        ...

    def follow(self, key: TurnKey) -> AsyncGenerator[Sequence[Entry]]:
        """Every event from the first one on, in what batches they come, those that are still to come included.

        Raises:
            TurnNotFoundError: There is no such turn, or it is not kept any more.
            UnavailableError: The log does not answer.
        """
        ...

    async def is_followed(self, key: TurnKey) -> bool:
        """Whether somebody follows it at another replica."""
        ...

    async def ask_to_stop(self, key: TurnKey) -> bool:
        """Ask the replica that runs the turn to stop it; answers whether it was running.

        Raises:
            TurnNotFoundError, UnavailableError: As `follow`.
        """
        ...

    async def turns_of(self, user_id: str) -> Sequence[TurnKey]:
        """The turns of a user that are kept.

        Raises:
            UnavailableError: The log does not answer.
        """
        ...

    async def forget(self, key: TurnKey) -> None:
        """Keep no event of a turn any more, nor one that is still to come.

        Raises:
            UnavailableError: The log does not answer.
        """
        ...


class Listener(Protocol):
    """Somebody who listens to a turn without a task of their own: told of news, they take it when they can."""

    @property
    def ended(self) -> bool:
        """Whether the last event has been taken."""
        ...

    def take(self, before: float = ...) -> list[Entry]:
        """What is new, up to the first event that reaches a position or further; see `resumed`.

        Raises:
            ServiceError: The turn cannot be followed any more, and this is why.
        """
        ...

    def leave(self, *, stop: bool = False) -> None:
        """Listen no more; whoever is the last may be the one who stops the turn."""
        ...


def unbegun(attempt: int) -> Failed:
    """The end of a turn that was stopped before anything was asked: the same attempt may be made again."""
    message = "The turn was stopped before it began."
    return Failed(UnavailableError.code, UnavailableError.reason, message, retry_after_s=1, next_attempt=attempt)


def failure(event: Failed) -> RemoteError:
    """What a turn ended with, as callers are told."""
    return RemoteError(
        Code(event.code),
        event.reason,
        event.message,
        metadata=event.metadata,
        fields=event.fields,
        retry_after_s=event.retry_after_s,
    )


def resumed(entries: Iterable[Entry], after: int) -> Iterator[Entry]:
    """What is to be sent of some events to somebody who has everything up to a position.

    What began and what ends the turn is always sent. Texts that follow each other come as one.
    """
    waiting: Entry | None = None
    for entry in entries:
        if not isinstance(entry.event, Delta):
            if waiting is not None:
                yield waiting
                waiting = None
            yield entry
        elif entry.position > after:
            joined = _joined(waiting, entry)
            if joined is None and waiting is not None:
                yield waiting
            waiting = joined or entry
    if waiting is not None:
        yield waiting


def _joined(first: Entry | None, second: Entry) -> Entry | None:
    """Two texts of one channel as one; None when they are not."""
    if first is None or not isinstance(first.event, Delta) or not isinstance(second.event, Delta):
        return None
    one, two = first.event.piece, second.event.piece
    if one.tool is not None or two.tool is not None or one.channel is not two.channel:
        return None
    return Entry(second.position, Delta(Piece(one.text + two.text, one.channel)))


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Event).decode
