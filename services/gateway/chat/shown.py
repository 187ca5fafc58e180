"""The events of an answer as the policy lets this client see them."""

from collections.abc import Iterable

from msgspec.structs import replace

from services.gateway.chat.domain import Completed, Delta, Event
from services.gateway.policy.code_filter import CodeFilter
from services.gateway.policy.view import View


class Shown:
    """Takes the events of one answer, one after the other, and shows them without code where that is hidden."""

    def __init__(self, view: View, received: int = 0) -> None:
        """Show what this client may see.

        Args:
            view: What the client sees. Where code is hidden, all events of the answer are wanted from its beginning:
                whether a block is open, only what came before tells.
            received: The position up to which the client has the answer; what comes before is not repeated.
        """
        self._code_filter = view.code_filter()
        self._received = received

    def __call__(self, event: Event) -> Iterable[Event]:
        """What is shown when this happens."""
        if self._code_filter is None:
            return (event,)
        if isinstance(event, Delta):
            return self._filtered(event, self._code_filter)
        if isinstance(event, Completed) and (rest := self._code_filter.finish()):
            return (Delta(rest, position=event.position), event)
        return (event,)

    def _filtered(self, delta: Delta, code_filter: CodeFilter) -> Iterable[Event]:
        """What is shown of a delta; a part that the client has is only read."""
        if delta.position <= self._received:
            code_filter.feed(delta.text)
            return ()
        had = max(0, len(delta.text) - (delta.position - self._received)) if self._received else 0
        code_filter.feed(delta.text[:had])
        text = code_filter.feed(delta.text[had:])
        return (replace(delta, text=text),) if text or delta.reasoning or delta.tool_call else ()
