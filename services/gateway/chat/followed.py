"""A turn that the gateway follows: how to ask for it, how far it has come, and how to ask for the rest."""

import math
from collections.abc import Callable
from dataclasses import replace

from google.rpc import status_pb2
from queqiao.chat.v1 import chat_pb2

from services.gateway.chat import convert
from services.gateway.chat.domain import Completed, Event, Started
from services.gateway.chat.turn_events import TurnEvents
from services.gateway.errors import TurnTimeoutError
from services.runtime.errors import Code, ServiceError, UnavailableError
from services.runtime.status import from_status

# After how many positions that its reader has taken the chat service hears of it: half of what it sends without.
_ACKNOWLEDGED_EVERY = 2048

# How often a turn is asked for again before anything came of it.
_ATTEMPTS = 3
_BACKOFF_S = 0.05

_LOST = "TURN_NOT_FOUND"


class Followed:
    """One turn, over whatever line carries it at the moment."""

    def __init__(
        self, request: chat_pb2.StreamTurnRequest | chat_pb2.ResumeTurnRequest, *, traceparent: str, deadline: float
    ) -> None:
        """Ask this, in a trace, by a deadline on the event loop's clock."""
        self.events = TurnEvents(self._took)
        self.deadline = deadline
        self._request = request
        self._traceparent = traceparent
        self._started: Started | None = None
        self._position = request.after if isinstance(request, chat_pb2.ResumeTurnRequest) else 0
        self._acknowledged = self._position
        self._completed = False
        self._attempts = 0
        # What broke the line before, where it did.
        self._broken: ServiceError | None = None
        # Tells the line that carries it.
        self.acknowledge: Callable[[int], None] | None = None

    def asking(self, number: int, now: float) -> chat_pb2.TurnCall:
        """What to say to have the turn, or the rest of it, under this number."""
        call = chat_pb2.TurnCall(call=number, traceparent=self._traceparent)
        call.timeout_ms = max(1, math.ceil((self.deadline - now) * 1000))
        request = self._request
        if self._started is not None:
            self._acknowledged = self._position
            request = chat_pb2.ResumeTurnRequest(
                user_id=request.user_id, request_id=request.request_id, after=self._position
            )
        if isinstance(request, chat_pb2.ResumeTurnRequest):
            call.resume.CopyFrom(request)
        else:
            call.begin.CopyFrom(request)
        return call

    def heed(self, frame: chat_pb2.TurnFrame, now: float) -> None:
        """Something happened."""
        for response in frame.events:
            if (event := convert.event(response)) is not None:
                self._heed(event)
        if frame.ended:
            self.events.end(self._error(frame.error_status, now))

    def retry_s(self, error: ServiceError, now: float) -> float | None:
        """In how many seconds to ask again, now that the line broke; None when the turn ends with it."""
        self._broken = error
        delay_s: float = _BACKOFF_S * 2**self._attempts
        if error.wire_code is not Code.UNAVAILABLE or self._attempts >= _ATTEMPTS or now + delay_s >= self.deadline:
            self.events.end(error)
            return None
        self._attempts += 1
        return delay_s

    def expire(self) -> None:
        """Its time is over."""
        self.events.end(_late())

    def _heed(self, event: Event) -> None:
        self._attempts = 0
        if isinstance(event, Started):
            # Whoever comes back hears again how it started.
            if self._started is not None and self._started.model == event.model:
                return
            if self._started is None and self._broken is not None:
                event = replace(event, replayed=False)
            self._started = event
        else:
            self._position = event.position
            self._completed = isinstance(event, Completed)
        self.events.put(event)

    def _error(self, status: bytes, now: float) -> ServiceError | None:
        if not status:
            return None if self._completed else broke_off()
        error = from_status(status_pb2.Status.FromString(status), "chat")
        if error.wire_code is Code.UNAVAILABLE and now >= self.deadline:
            return _late()
        # The turn was kept nowhere else: what broke the line is what went wrong.
        return self._broken if self._broken is not None and error.wire_reason == _LOST else error

    def _took(self, position: int) -> None:
        if position - self._acknowledged >= _ACKNOWLEDGED_EVERY and self.acknowledge is not None:
            self._acknowledged = position
            self.acknowledge(position)


def broke_off() -> UnavailableError:
    """The turn ended without an end."""
    return UnavailableError("The chat service broke off.", metadata={"service": "chat"}, retry_after_s=1)


def _late() -> TurnTimeoutError:
    return TurnTimeoutError("The turn took too long; ask for less, or ask again.")
