"""The remote layers' part in a turn: their verdicts are waited for beside the model, not before it. Pure."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from services.chat.domain import InputCheck, Question, Review, Verdict
from services.chat.errors import ContentRefusedError
from services.chat.passages import Passage, Passages
from services.chat.ports import Moderation, ReviewMetrics

# Passages of one answer that are judged at once; later ones wait.
_PASSAGES_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Released:
    """Text that the lexicon has let pass; `referred` when remote layers should see it."""

    text: str
    referred: bool = False


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
        self._news = asyncio.Event()
        # The first refusal or failure of a review; and what ended the answer, which is told after what came before it.
        self._failure: Exception | None = None
        self._failure_of_answer: Exception | None = None
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
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def shown(self, released: AsyncGenerator[Released]) -> AsyncGenerator[str]:
        """What may be shown of an answer, when it may be.

        Nothing is, before the question is allowed. Passages are judged while the answer goes on or, if that is the
        plan, each before it is shown. It ends when everything has been judged.

        Raises:
            ContentRefusedError: With action `retract` when some of what is refused has been shown.
            ServiceError: MODERATION_UNAVAILABLE; or what `released` raises, once what came before is judged and shown.
        """
        self._demand_no_failure()
        if not self._tasks and self._check.output.review is Review.NONE:
            # Nobody is asked about anything: no task, no waiting.
            async with aclosing(released):
                async for piece in released:
                    yield piece.text
            return
        writing = self._start(self._write(released))
        try:
            while self._tasks or self._showable():
                await self._until(lambda: bool(self._showable()) or not self._tasks)
                if text := self._show():
                    yield text
            self._demand_no_failure()
            if self._failure_of_answer is not None:
                raise self._failure_of_answer
        finally:
            # The model stops at once, also when it is only the user who left.
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self, released: AsyncGenerator[Released]) -> None:
        """Take in the answer, and ask about its passages."""
        judges = self._check.output.review is not Review.NONE
        try:
            async with aclosing(released):
                async for piece in released:
                    self._held += piece.text
                    if self._is_question_open and self._held_since_s is None:
                        self._held_since_s = perf_counter()
                    if judges:
                        self._ask_about(self._passages.add(piece.text, referred=piece.referred))
                    self._news.set()
        except Exception as error:  # noqa: BLE001  # raised by whoever shows the answer
            self._failure_of_answer = error
        if judges:
            self._ask_about(self._passages.finish())

    def _showable(self) -> int:
        """How many of the held characters need no verdict any more."""
        if self._is_question_open:
            return 0
        if self._check.output.review is not Review.BEFORE:
            return len(self._held)
        written = self._shown_characters + len(self._held)
        decided = min((each.start for each in self._judging), default=written - self._passages.undecided_characters)
        return max(0, decided - self._shown_characters)

    def _show(self) -> str:
        if self._held_since_s is not None and not self._is_question_open:
            self._metrics.waited(perf_counter() - self._held_since_s)
            self._held_since_s = None
        characters = self._showable()
        text, self._held = self._held[:characters], self._held[characters:]
        self._shown_characters += characters
        return text

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

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._hear(work))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def _hear(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  # from this moment on nothing more is shown
            self._failure = self._failure or error

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._news.set()

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait until it is so.

        Raises:
            Exception: Something was refused, or could not be judged, before.
        """
        while True:
            self._demand_no_failure()
            if condition():
                return
            self._news.clear()
            await self._news.wait()

    def _demand_no_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
