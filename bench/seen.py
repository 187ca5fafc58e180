"""What the simulated provider saw: the requests that reached it, and which of them were cancelled."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

# Never the API key: only what a test asserts about tracing and retries.
_KEPT_HEADERS = ("traceparent", "tracestate", "user-agent", "x-request-id", "idempotency-key")


@dataclass(slots=True)
class Sighting:
    """One request. Times are seconds since the epoch; `cancelled` means the client left before the end."""

    model: str
    messages_count: int
    streamed: bool
    headers: dict[str, str]
    started_at: float = field(default_factory=time.time)
    finished_at: float | None = None
    cancelled: bool = False
    deltas_sent: int = 0
    status: int = 200


class Seen:
    """Counts every request and remembers the newest ones."""

    def __init__(self, remembered: int = 50) -> None:
        self._newest: deque[Sighting] = deque(maxlen=remembered)
        self._started = 0
        self._finished = 0
        self._cancelled = 0
        self._last_cancel_after_ms: float | None = None

    def start(self, model: str, messages_count: int, streamed: bool, headers: Mapping[str, str]) -> Sighting:
        """Notes a request that has just arrived."""
        kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
        sighting = Sighting(model, messages_count, streamed, kept)
        self._newest.append(sighting)
        self._started += 1
        return sighting

    def finish(self, sighting: Sighting) -> None:
        """Notes that the provider ended the request itself: with an answer, an error or a cut.

        A request that has already ended stays as it was noted first.
        """
        if sighting.finished_at is not None:
            return
        sighting.finished_at = time.time()
        self._finished += 1

    def cancel(self, sighting: Sighting) -> None:
        """Notes that the client left before the answer's end, unless the request has already ended."""
        if sighting.finished_at is not None:
            return
        sighting.finished_at = time.time()
        sighting.cancelled = True
        self._cancelled += 1
        self._last_cancel_after_ms = (sighting.finished_at - sighting.started_at) * 1000

    def stats(self) -> dict[str, object]:
        """The body of `GET /sim/stats`; `last_cancel_after_ms` runs from that request's arrival."""
        return {
            "started": self._started,
            "finished": self._finished,
            "cancelled": self._cancelled,
            "live": self._started - self._finished - self._cancelled,
            "last_cancel_after_ms": self._last_cancel_after_ms,
            "requests": [asdict(sighting) for sighting in self._newest],
        }
