"""An answer from its first to its last word: what came in, what may be shown of it, and how it ends. Pure.

Nothing here waits: the pump takes what has arrived, has it screened, and says what came of that.
"""

import asyncio
from collections.abc import Callable

import structlog

from services.chat.answer_stream import AnswerStream
from services.chat.domain import Delta, Question
from services.chat.draft import Draft
from services.chat.ending import unexpected
from services.chat.errors import UpstreamError
from services.chat.ports import WINDOW_CHARACTERS_MAX, Show, Window
from services.chat.review import Reviewing, demand_allowed
from services.chat.verdicts import Screened
from services.runtime.errors import ServiceError
from services.runtime.trace import current_traceparent

log = structlog.get_logger()


class LiveAnswer:
    """One answer; made inside its turn, whose trace it keeps."""

    def __init__(
        self,
        question: Question,
        draft: Draft,
        stream: AnswerStream,
        reviewing: Reviewing,
        show: Show,
        *,
        is_screened: bool = False,
    ) -> None:
        """Draft what the stream brings, and show what lexicon and review let pass.

        `is_screened` when the lexicon has let all of it pass before.
        """
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._question = question
        self._draft = draft
        self._stream = stream
        self._reviewing = reviewing
        self._show = show
        self._is_screened = is_screened
        self._traceparent = current_traceparent()
        reviewing.shows(self._show_text)

    async def begun(self) -> None:
        """Wait for the first words.

        Raises:
            ServiceError: The model has none.
        """
        await self._stream.arrived()

    def when_whole(self, tell: Callable[[], None]) -> None:
        """Call this once all of it has arrived."""
        self._stream.when_whole(tell)

    def take(self) -> Window | None:
        """Take in what has arrived; answers what is to be screened now."""
        return None if self.ended.done() else self._guarded(self._taken)

    def screened(self, window: Window, result: Screened) -> None:
        """Show what the lexicon lets pass of a window; a refusal follows what stood before the refused word."""
        if not self.ended.done():
            self._guarded(lambda: self._release(window, result))

    def end(self, error: ServiceError | None = None) -> None:
        """Nothing more is taken."""
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)

    def _taken(self) -> Window | None:
        draft = self._draft
        if (chunk := self._stream.take()) is not None:
            draft.add(chunk)
        elif self._stream.ended and draft.finish_reason is None:
            raise UpstreamError("The model's answer broke off; ask again.", retry_after_s=1)
        if self._is_screened and draft.held:
            self._reviewing.hold(draft.release(len(draft.held)), referred=False)
        last = self._stream.ended and draft.finish_reason is not None
        if last and not draft.held:
            self.end()
        if not draft.held or not (chunk or last):
            return None
        if len(draft.held) > WINDOW_CHARACTERS_MAX:
            raise UpstreamError("The model wrote too much at once; ask again.")
        return Window(self._question, draft.held, draft.preceding, last, self._traceparent)

    def _release(self, window: Window, result: Screened) -> None:
        self._draft.screened_by.add(result.version)
        if text := self._draft.release(result.released_characters):
            self._reviewing.hold(text, referred=result.referred)
        demand_allowed(result.verdict)
        if window.last:
            self.end()

    def _show_text(self, text: str) -> None:
        for piece, position in self._draft.show(text):
            self._show(Delta(piece), position)

    def _guarded(self, step: Callable[[], Window | None]) -> Window | None:
        """A step; what goes wrong ends this answer, and no other."""
        try:
            return step()
        except ServiceError as error:
            self.end(error)
        except Exception as error:
            log.exception("answer failed unexpectedly", error=type(error).__name__)
            self.end(unexpected())
        return None
