"""The remote layers' part in a turn: their verdicts are waited for beside the model, not before it. Pure."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from services.chat.domain import Question
from services.chat.errors import ContentRefusedError
from services.chat.passages import Passage, Passages
from services.chat.ports import Moderation, ReviewMetrics
from services.chat.verdicts import InputCheck, Review, Verdict

# Passages of one answer that are judged at once; later ones wait.
_PASSAGES_AT_ONCE = 3


def demand_allowed(verdict: Verdict, *, action: str = "block") -> None:
    """Go on only with what is allowed.

    Raises:
        ContentRefusedError: It is not; `action` says what a client does, as chat.proto has it.
    """
    if verdict.refused:
        raise ContentRefusedError(
            "The content is not allowed here; please change it.",
            metadata={"layer": verdict.layer, "label": str(verdict.label), "action": action},
        )


class Reviewing:
    """What remote layers are asked in one turn; leaving its context ends whatever they were not heard about."""

    def __init__(self, moderation: Moderation, metrics: ReviewMetrics, question: Question, check: InputCheck) -> None:
        """Ask about this question and its answer, as the check of the question says."""
        self._moderation = moderation
        self._metrics = metrics
        self._question = question
        self._check = check
        self._tasks: set[asyncio.Task[None]] = set()
        # The first refusal or failure of a review, and what it ends.
        self._failure: Exception | None = None
        self._interruptible: asyncio.Timeout | None = None
        self._show_text: Callable[[str], object] = str
        self._is_question_open = False
        self._passages = Passages(check.output)
        self._judging: set[Passage] = set()
        self._slots = asyncio.Semaphore(_PASSAGES_AT_ONCE)
        self._held = ""
        self._held_since_s: float | None = None
        self._shown_characters = 0

    async def __aenter__(self) -> Self:
        """Begin to ask about the question; a verdict that must come before the model is waited for.

        Raises:
            ContentRefusedError: It is refused.
            ServiceError: MODERATION_UNAVAILABLE, by the owner's policy.
        """
        if self._check.review is Review.BEFORE:
            await self._judge_question()
        elif self._check.review is Review.BESIDE:
            self._is_question_open = True
            self._start(self._judge_question())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancel what is still asked."""
        if tasks := tuple(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def shows(self, show: Callable[[str], object]) -> None:
        """From now on, show what may be shown here, as soon as it may be."""
        self._show_text = show

    def hold(self, text: str, *, referred: bool) -> None:
        """Take in more of the answer, which the lexicon has let pass; `referred` when remote layers should see it.

        Nothing is shown before the question is allowed. Passages are judged while the answer goes on or, if that is
        the plan, each before it is shown.
        """
        self._held += text
        if self._is_question_open and self._held_since_s is None:
            self._held_since_s = perf_counter()
        if self._check.output.review is not Review.NONE:
            self._ask_about(self._passages.add(text, referred=referred))
        self._show()

    async def finish(self) -> None:
        """The answer is at its end: ask about what is left, and wait until everything is judged and shown.

        Raises:
            ContentRefusedError: With action `retract` when some of what is refused has been shown.
            ServiceError: MODERATION_UNAVAILABLE.
        """
        if self._check.output.review is not Review.NONE:
            self._ask_about(self._passages.finish())
        while self._tasks:
            await asyncio.wait(self._tasks)
            self._demand_no_failure()
        self._demand_no_failure()

    @asynccontextmanager
    async def interrupting(self) -> AsyncIterator[None]:
        """What is done inside ends at once when something is refused, or cannot be judged.

        Raises:
            ContentRefusedError, ServiceError: As `finish`.
        """
        self._demand_no_failure()
        try:
            async with asyncio.timeout(None) as self._interruptible:
                yield
        except TimeoutError:
            self._demand_no_failure()
            raise
        finally:
            self._interruptible = None

    def _showable(self) -> int:
        """How many of the held characters need no verdict any more."""
        if self._is_question_open:
            return 0
        if self._check.output.review is not Review.BEFORE:
            return len(self._held)
        written = self._shown_characters + len(self._held)
        decided = min((each.start for each in self._judging), default=written - self._passages.undecided_characters)
        return max(0, decided - self._shown_characters)

    def _show(self) -> None:
        """Show what needs no verdict any more; after a failure nothing is shown."""
        characters = 0 if self._failure is not None else self._showable()
        if not characters:
            return
        if self._held_since_s is not None:
            self._metrics.waited(perf_counter() - self._held_since_s)
            self._held_since_s = None
        text, self._held = self._held[:characters], self._held[characters:]
        self._shown_characters += characters
        self._show_text(text)

    def _ask_about(self, passages: Iterable[Passage]) -> None:
        for passage in passages:
            self._judging.add(passage)
            self._start(self._judge_passage(passage))

    async def _judge_question(self) -> None:
        demand_allowed(await self._moderation.review_input(self._question))
        self._is_question_open = False

    async def _judge_passage(self, passage: Passage) -> None:
        async with self._slots:
            verdict = await self._moderation.review_output(self._question, passage.text, referred=passage.referred)
        demand_allowed(verdict, action="retract" if self._shown_characters > passage.start else "block")
        self._judging.discard(passage)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._hear(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hear(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  # raised by whoever waits for the verdict
            self._failure = self._failure or error
            if self._interruptible is not None and not self._interruptible.expired():
                self._interruptible.reschedule(asyncio.get_running_loop().time())
        else:
            self._show()

    def _demand_no_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
