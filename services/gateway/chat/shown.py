"""The events of an answer as the policy lets this client see them."""

from collections.abc import AsyncIterator
from dataclasses import replace

from services.gateway.chat.domain import Completed, Delta, Event
from services.gateway.policy.code_filter import CodeFilter
from services.gateway.policy.view import View


async def shown_events(events: AsyncIterator[Event], view: View, received: int = 0) -> AsyncIterator[Event]:
    """The events, without code where it is hidden.

    Args:
        events: Where code is hidden, all events of the answer from its beginning: whether a block is open, only what
            came before tells.
        view: What the client sees.
        received: The position up to which the client has the answer; what comes before is not repeated.
    """
    code_filter = view.code_filter()
    async for event in events:
        if code_filter is None:
            yield event
        elif isinstance(event, Delta):
            for delta in _filtered(event, code_filter, received):
                yield delta
        else:
            if isinstance(event, Completed) and (rest := code_filter.finish()):
                yield Delta(rest, position=event.position)
            yield event


def _filtered(delta: Delta, code_filter: CodeFilter, received: int) -> list[Delta]:
    """What is shown of a delta; a part that the client has is only read."""
    if delta.position <= received:
        code_filter.feed(delta.text)
        return []
    had = max(0, len(delta.text) - (delta.position - received)) if received else 0
    code_filter.feed(delta.text[:had])
    text = code_filter.feed(delta.text[had:])
    shown = replace(delta, text=text)
    return [shown] if text or delta.reasoning or delta.tool_call else []
