"""What happens to a text: the local layers judge it, the remote ones are asked, and what was found is noted. Pure: what
it needs from the outside comes through ports.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.moderation.categories import categories
from services.moderation.domain import Action, Direction, Finding, Layer, Opinion, OutputPlan, Review, Subject, Verdict
from services.moderation.learned.judging import LearnedLayer, Suspicion
from services.moderation.lexicon.findings import Match
from services.moderation.lexicon.judging import Judged, judge
from services.moderation.lexicon.lexicon import Lexicon
from services.moderation.lexicon.screening import screen
from services.moderation.ports import Audit, Lexicons, Metrics, Panel
from services.runtime.trace import trace_id_of

_ACCEPTED = Verdict()

# Longer texts are judged in a thread: a million characters take a few tenths of a second, and streams go on meanwhile.
_LONG_CHARACTERS = 32_768


@dataclass(frozen=True, slots=True)
class InputCheck:
    """What the local layers say of a question, and what is still to be asked.

    `version` names lists, weights and policy.
    """

    verdict: Verdict
    review: Review
    output: OutputPlan
    version: str


class Window(NamedTuple):
    """The part of an answer that was not released; `preceding` is what was released just before it.

    There are many of them, and tuples are cheap to make.
    """

    request_id: str
    user_id: str
    text: str
    preceding: str
    last: bool
    traceparent: str = ""


class WindowCheck(NamedTuple):
    """How many characters of a window may be shown, the judgement, and whether remote layers should see them."""

    released_characters: int
    verdict: Verdict
    referred: bool


@dataclass(frozen=True, slots=True)
class Moderated:
    """What all layers say of a text: category → (whether one refuses for it, the highest score, 0 to 1)."""

    verdict: Verdict
    categories: dict[str, tuple[bool, float]]


class Checks:
    """Judges texts."""

    def __init__(self, lexicons: Lexicons, learned: LearnedLayer, panel: Panel, audit: Audit, metrics: Metrics) -> None:
        """Judge by these."""
        self._lexicons = lexicons
        self._learned = learned
        self._panel = panel
        self._audit = audit
        self._metrics = metrics

    @property
    def version(self) -> str:
        """Names the lists, weights and policy that are in force."""
        return f"{self._lexicons.current.version}.{self._learned.version}.{self._panel.version}"

    async def check_input(self, subject: Subject) -> InputCheck:
        """Judge a question by the local layers, and decide what is to be asked of the remote ones."""
        lexicon, version = self._lexicons.current, self.version
        with self._metrics.timed(Direction.INPUT, texts=1):
            judged, suspicion = await self._judged(lexicon, subject)
        self._note_matches(lexicon, subject, judged.refused, judged.referred, judged.logged)
        self._note_suspicion(subject, suspicion)
        verdict = _by_lexicon(judged.refused) if judged.refused is not None else _by_learned(suspicion)
        if verdict.refused:
            return InputCheck(verdict, Review.NONE, OutputPlan(), version)
        referred = bool(judged.referred) or suspicion is not None
        return InputCheck(
            verdict=_ACCEPTED,
            review=self._panel.plan_input(subject.request_id, subject.openid, referred=referred),
            output=self._panel.plan_output(subject.request_id, subject.openid),
            version=version,
        )

    def screen(self, windows: Sequence[Window]) -> list[WindowCheck]:
        """Judge windows of answers by the local layers, all by the same lexicon; the learned layer refers, at most."""
        lexicon = self._lexicons.current
        with self._metrics.timed(Direction.OUTPUT, texts=len(windows)):
            screened = [screen(lexicon, w.text, preceding=w.preceding, last=w.last) for w in windows]
            passed = [w for w, found in zip(windows, screened, strict=True) if found.refused is None]
            judged = iter(self._learned.judge_windows(lexicon, [(w.preceding, w.text, w.last) for w in passed]))
        checks = []
        for window, found in zip(windows, screened, strict=True):
            suspicion = next(judged) if found.refused is None else None
            if found.refused is not None or found.referred or found.logged or suspicion is not None:
                subject = Subject(Direction.OUTPUT, window.request_id, window.user_id, window.text)
                trace_id = trace_id_of(window.traceparent)
                self._note_matches(lexicon, subject, found.refused, found.referred, found.logged, trace_id=trace_id)
                self._note_suspicion(subject, suspicion, trace_id=trace_id)
            referred = bool(found.referred) or suspicion is not None
            checks.append(WindowCheck(found.released_characters, _by_lexicon(found.refused), referred))
        return checks

    async def review(self, subject: Subject, *, referred: bool = False) -> Verdict:
        """Judge a text by the remote layers that are due for it; `referred` when it is known to be.

        Raises:
            ModerationUnavailableError: A layer is down, and the policy is to refuse what it cannot judge.
        """
        lexicon = self._lexicons.current
        if not referred:
            judged, suspicion = await self._judged(lexicon, subject)
            referred = bool(judged.referred) or suspicion is not None
        refusal = await self._panel.review(subject, referred=referred)
        if refusal is None:
            return _ACCEPTED
        self._note_opinion(lexicon, subject, *refusal)
        layer, opinion = refusal
        return Verdict(refused=True, layer=layer, label=opinion.label)

    async def moderate(self, subject: Subject) -> Moderated:
        """Judge a text by every layer there is.

        Raises:
            ModerationUnavailableError: As `review`.
        """
        lexicon = self._lexicons.current
        with self._metrics.timed(Direction.INPUT, texts=1):
            judged, suspicion = await self._judged(lexicon, subject)
        match = judged.refused
        opinions = await self._panel.moderate(subject)
        for layer, opinion in opinions:
            if opinion.refused:
                self._note_opinion(lexicon, subject, layer, opinion)
        self._note_suspicion(subject, suspicion)
        if learned := self._learned.opinion(lexicon, subject.text, suspicion):
            opinions.insert(0, (Layer.LEARNED, learned))
        if match is not None:
            self._note_matches(lexicon, subject, match, (), ())
            opinions.insert(0, (Layer.LEXICON, Opinion(refused=True, label=match.entry.label)))
        verdicts = (Verdict(True, layer, opinion.label) for layer, opinion in opinions if opinion.refused)
        return Moderated(next(verdicts, _ACCEPTED), categories(opinions))

    def _note_matches(
        self,
        lexicon: Lexicon,
        subject: Subject,
        refused: Match | None,
        referred: Iterable[Match],
        logged: Iterable[Match],
        *,
        trace_id: str = "",
    ) -> None:
        found = [(Action.REFUSED, refused)] if refused is not None else []
        found += [(Action.REFERRED, match) for match in referred] + [(Action.LOGGED, match) for match in logged]
        self._note(
            Finding(
                action=action,
                direction=subject.direction,
                layer=Layer.LEXICON,
                rule=match.entry.word,
                label=match.entry.label,
                evasion=match.evasion,
                # What completes a combination may have begun in what was released before.
                start=max(match.start, 0),
                end=max(match.end, 0),
                text=subject.text,
                request_id=subject.request_id,
                user_id=subject.user_id,
                version=lexicon.version,
                trace_id=trace_id,
            )
            for action, match in found
        )

    async def _judged(self, lexicon: Lexicon, subject: Subject) -> tuple[Judged, Suspicion | None]:
        """What the lexicon says of a text, and the learned layer of one that the lexicon does not refuse."""

        def judged() -> tuple[Judged, Suspicion | None]:
            by_lexicon = judge(lexicon, subject.text)
            if by_lexicon.refused is not None:
                return by_lexicon, None
            return by_lexicon, self._learned.judge(lexicon, subject.text, subject.direction)

        return judged() if len(subject.text) <= _LONG_CHARACTERS else await asyncio.to_thread(judged)

    def _note_suspicion(self, subject: Subject, suspicion: Suspicion | None, *, trace_id: str = "") -> None:
        if suspicion is None:
            return
        finding = Finding(
            action=suspicion.action,
            direction=subject.direction,
            layer=Layer.LEARNED,
            rule="score",
            label=suspicion.label,
            evasion="",
            start=0,
            end=len(subject.text),
            text=subject.text,
            request_id=subject.request_id,
            user_id=subject.user_id,
            version=suspicion.version,
            trace_id=trace_id,
            score=suspicion.score,
            grams=suspicion.grams,
        )
        self._note([finding])

    def _note_opinion(self, lexicon: Lexicon, subject: Subject, layer: Layer, opinion: Opinion) -> None:
        finding = Finding(
            action=Action.REFUSED,
            direction=subject.direction,
            layer=layer,
            rule=opinion.rule,
            label=opinion.label,
            evasion="",
            start=0,
            end=len(subject.text),
            text=subject.text,
            request_id=subject.request_id,
            user_id=subject.user_id,
            version=lexicon.version,
        )
        self._note([finding])

    def _note(self, findings: Iterable[Finding]) -> None:
        noted = list(findings)
        if noted:
            self._metrics.found(noted)
            self._audit.note(noted)


def _by_lexicon(match: Match | None) -> Verdict:
    return _ACCEPTED if match is None else Verdict(refused=True, layer=Layer.LEXICON, label=match.entry.label)


def _by_learned(suspicion: Suspicion | None) -> Verdict:
    if suspicion is None or suspicion.action is not Action.REFUSED:
        return _ACCEPTED
    return Verdict(refused=True, layer=Layer.LEARNED, label=suspicion.label)
