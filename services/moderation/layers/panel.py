"""The remote layers together: who is asked about a text, and what their silence means. Pure, but for asking."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol

from services.moderation.domain import Direction, Layer, Opinion, OutputPlan, Review, Subject
from services.moderation.errors import LayerDownError, ModerationUnavailableError
from services.moderation.layers.policy import REMOTE_LAYERS, Mode, Policy, WhenDown, is_due, review_of
from services.moderation.ports import RemoteLayer

_RETRY_AFTER_S = 2.0


class UnjudgedMetrics(Protocol):
    """What an operator asks about texts that a layer was to judge and did not."""

    def unjudged(self, layer: Layer, consequence: WhenDown) -> None:
        """Count one, and what became of it."""
        ...


class Panel:
    """The port `Panel`. A layer that has no account is not among `layers`, and is off."""

    def __init__(self, layers: Mapping[Layer, RemoteLayer], policy: Policy, metrics: UnjudgedMetrics) -> None:
        """Ask these layers by this policy."""
        self._layers = layers
        self._policy = policy
        self._metrics = metrics
        self._version = policy.version

    @property
    def version(self) -> str:
        """Names the policy."""
        return self._version

    @property
    def judges_input(self) -> bool:
        """Whether a layer is on that every referred question is sent to."""
        return bool(self._on(Direction.INPUT))

    def plan_input(self, request_id: str, openid: str, *, referred: bool) -> Review:
        """Whether and when the remote layers are to be asked about a question."""
        return self._review(Direction.INPUT, self._due(Direction.INPUT, request_id, openid, referred=referred))

    def plan_output(self, request_id: str, openid: str) -> OutputPlan:
        """How they are to be asked about its answer."""
        of_all = self._due(Direction.OUTPUT, request_id, openid, referred=False)
        asked = of_all or self._due(Direction.OUTPUT, request_id, openid, referred=True)
        return OutputPlan(
            review=self._review(Direction.OUTPUT, asked),
            referred_only=bool(asked) and not of_all,
            passage_characters=self._policy.output.passage_characters,
            overlap_characters=self._policy.output.overlap_characters,
        )

    async def review(self, subject: Subject, *, referred: bool) -> tuple[Layer, Opinion] | None:
        """The refusal of the first layer that refuses, of those that are due for this text.

        Raises:
            ModerationUnavailableError: A layer is down, and the policy is to refuse what it cannot judge.
        """
        due = self._due(subject.direction, subject.request_id, subject.openid, referred=referred)
        opinions = await self._hear(subject, due, to_the_end=False)
        return next(((layer, opinion) for layer, opinion in opinions if opinion.refused), None)

    async def moderate(self, subject: Subject) -> list[tuple[Layer, Opinion]]:
        """What every layer that is switched on says.

        Raises:
            ModerationUnavailableError: As `review`.
        """
        return await self._hear(subject, self._on(subject.direction), to_the_end=True)

    def _review(self, direction: Direction, layers: Iterable[Layer]) -> Review:
        return review_of([self._policy.of(layer).mode(direction) for layer in layers])

    def _on(self, direction: Direction) -> list[Layer]:
        return [
            layer
            for layer in REMOTE_LAYERS
            if layer in self._layers and self._policy.of(layer).mode(direction) is not Mode.OFF
        ]

    def _after(self, layer: Layer, direction: Direction) -> list[Layer]:
        on = self._on(direction)
        return on[on.index(layer) + 1 :][:1]

    def _due(self, direction: Direction, request_id: str, openid: str, *, referred: bool) -> list[Layer]:
        """The layers to ask about a text, in order."""
        due: list[Layer] = []
        for layer in self._on(direction):
            policy = self._policy.of(layer)
            if layer not in due and not is_due(policy, layer, direction, request_id, referred=referred):
                continue
            if layer is Layer.WECHAT and not openid:
                # WeChat judges its own users alone: another judges in its place, and where there is none, only a
                # policy of refusing makes it worth the question.
                instead = self._after(layer, direction)
                due += instead or ([layer] if policy.when_down is WhenDown.CLOSED else [])
            elif layer not in due:
                due.append(layer)
        return due

    async def _hear(self, subject: Subject, due: Iterable[Layer], *, to_the_end: bool) -> list[tuple[Layer, Opinion]]:
        """What the layers say, in their order; only up to the first refusal unless `to_the_end`."""
        asked = {layer: self._ask(layer, subject) for layer in due}
        opinions: list[tuple[Layer, Opinion]] = []
        unavailable: list[Layer] = []
        try:
            for layer in self._on(subject.direction):
                if layer not in asked:
                    continue
                opinion, consequence = await self._opinion(layer, subject.direction, asked[layer])
                if opinion is not None:
                    opinions.append((layer, opinion))
                    if opinion.refused and not to_the_end:
                        break
                elif consequence is WhenDown.CLOSED:
                    unavailable.append(layer)
                elif consequence is WhenDown.NEXT:
                    asked |= {
                        following: self._ask(following, subject)
                        for following in self._after(layer, subject.direction)
                        if following not in asked
                    }
        finally:
            await _stop(asked.values())
        # A refusal is certain, whoever else is silent.
        if unavailable and not any(opinion.refused for _, opinion in opinions):
            raise ModerationUnavailableError(
                "Moderation cannot judge this now; try again shortly.",
                metadata={"layer": unavailable[0]},
                retry_after_s=_RETRY_AFTER_S,
            )
        return opinions

    def _ask(self, layer: Layer, subject: Subject) -> asyncio.Task[Opinion | None]:
        return asyncio.create_task(self._layers[layer].judge(subject))

    async def _opinion(
        self, layer: Layer, direction: Direction, asked: asyncio.Task[Opinion | None]
    ) -> tuple[Opinion | None, WhenDown]:
        """What a layer says; when it says nothing, what is to become of the text."""
        consequence = self._policy.of(layer).when_down
        has_next = bool(self._after(layer, direction))
        try:
            opinion = await asked
        except LayerDownError:
            opinion = None
        else:
            if opinion is None and has_next:
                # It is well, and cannot judge this user: that is not what a policy of refusing is for.
                consequence = WhenDown.NEXT
        if consequence is WhenDown.NEXT and not has_next:
            consequence = WhenDown.OPEN
        if opinion is None:
            self._metrics.unjudged(layer, consequence)
        return opinion, consequence


async def _stop(asked: Iterable[asyncio.Task[Opinion | None]]) -> None:
    """Cancel whoever is still being asked, and leave no failure unseen."""
    tasks = tuple(asked)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
