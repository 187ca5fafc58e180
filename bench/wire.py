"""How the simulated provider puts the events of a stream on the wire, well or as badly as it is asked to."""

from collections.abc import Iterator, Sequence

from bench.directive import Behaviour

_BROKEN_JSON = b'data: {"id":"chatcmpl-sim","choices":[{"index":0,"delta":{"content":\n\n'


def framed(event: bytes) -> bytes:
    """`event` as one chunk of HTTP's chunked transfer coding."""
    return b"%x\r\n%b\r\n" % (len(event), event)


class Wire:
    """Writes events as one request's behaviour wants them."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    @property
    def in_pieces(self) -> bool:
        """Whether each chunk must travel by itself."""
        return self._behaviour.piece_bytes is not None

    def dressed(self, event: bytes) -> bytes:
        """An event with the line ends and the comments that were asked for; server-sent events allow both."""
        if self._behaviour.comments:
            event = b": still here\n\n" + b"event: message\n" + event
        if self._behaviour.crlf:
            event = event.replace(b"\n", b"\r\n")
        return event

    def chunks(self, events: Sequence[bytes]) -> Iterator[bytes]:
        """The chunks that carry these events: one each, or pieces that know nothing of events and characters."""
        size = self._behaviour.piece_bytes
        if size is None:
            yield from map(framed, map(self.dressed, events))
            return
        body = b"".join(map(self.dressed, events))
        for begin in range(0, len(body), size):
            yield framed(body[begin : begin + size])

    def torn(self, event: bytes) -> bytes:
        """The beginning of an event, up to the middle of a character where it has one of several bytes."""
        wide = next((index for index, byte in enumerate(event) if byte >= 0x80), None)
        return framed(event[: len(event) // 2 if wide is None else wide + 1])

    def ending(self, last: Sequence[bytes], finish: bytes, usage: Sequence[bytes], done: bytes) -> list[bytes]:
        """The events behind the text, less or more than they should be."""
        behaviour = self._behaviour
        events = [*last] if behaviour.no_finish else [*last, finish]
        events += usage
        if behaviour.bad_json:
            events.insert(0, _BROKEN_JSON)
        if not behaviour.no_done:
            events += [done, done] if behaviour.done_twice else [done]
        return events
