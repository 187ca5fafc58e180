"""OpenAI's moderation as a layer.

Source: OpenAI's API reference of moderations. Its answer is decoded as strictly as it is documented: the SDK's own
objects take anything.
"""

import time
from collections.abc import Callable, Sequence

import httpx2
import msgspec
import openai
import structlog

from services.moderation.domain import OTHER, Opinion, Subject
from services.moderation.errors import LayerDownError
from services.moderation.layers.policy import OpenAIPolicy
from services.moderation.layers.splitting import pieces

# How long nobody asks after an answer of "too many requests" that does not say how long.
_PAUSE_S = 1.0
_PAUSE_S_MAX = 60.0

_TOO_MANY_REQUESTS = 429
# What it will not judge, however often it is asked.
_TEXT_REFUSED = frozenset({400, 413, 422})

log = structlog.get_logger()


class _Result(msgspec.Struct):
    flagged: bool
    # null for a category that the model does not know.
    categories: dict[str, bool | None]
    category_scores: dict[str, float | None]


class _Answer(msgspec.Struct):
    results: list[_Result]


class OpenAILayer:
    """The port `RemoteLayer`, answered by OpenAI."""

    def __init__(
        self, client: openai.AsyncOpenAI, policy: OpenAIPolicy, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Ask through this client, which is to try nothing twice by itself."""
        self._client = client
        self._policy = policy
        self._clock = clock
        self._paused_until = 0.0

    async def judge(self, subject: Subject) -> Opinion:
        """Its opinion.

        Raises:
            LayerDownError: It does not answer, or has no quota left, or the text is too long.
        """
        texts = pieces(subject.text, self._policy)
        if self._clock() < self._paused_until:
            raise LayerDownError("quota")
        try:
            return self._opinion(texts, await self._ask(texts))
        except openai.APITimeoutError:
            raise LayerDownError("timeout") from None
        except openai.APIStatusError as error:
            raise self._understood(error) from None
        except (openai.OpenAIError, httpx2.HTTPError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warning("openai's moderation does not answer", error=type(error).__name__)
            raise LayerDownError("error") from None

    async def _ask(self, texts: list[str]) -> bytes:
        try:
            return await self._ask_once(texts)
        except openai.APIConnectionError as error:
            # An idle connection may have been closed unannounced, which the client takes for a timeout of connecting;
            # to ask twice costs nothing.
            if isinstance(error, openai.APITimeoutError) and not isinstance(error.__cause__, httpx2.ConnectTimeout):
                raise
            return await self._ask_once(texts)

    async def _ask_once(self, texts: list[str]) -> bytes:
        response = await self._client.moderations.with_raw_response.create(input=texts, model=self._policy.model)
        return response.content

    def _understood(self, error: openai.APIStatusError) -> LayerDownError:
        log.warning("openai's moderation refuses", status=error.status_code)
        if error.status_code == _TOO_MANY_REQUESTS:
            self._paused_until = self._clock() + _retry_after_s(error)
            return LayerDownError("quota")
        return LayerDownError("rejected" if error.status_code in _TEXT_REFUSED else "error")

    def _opinion(self, texts: Sequence[str], content: bytes) -> Opinion:
        """What the pieces are together: refused for whatever one of them is refused for, with the highest scores."""
        results = msgspec.json.decode(content, type=_Answer).results
        if len(results) != len(texts):
            raise msgspec.ValidationError("There must be one result a text.")
        scores: dict[str, float] = {}
        flagged: dict[str, None] = {}
        unnamed = False
        for result in results:
            for category, score in result.category_scores.items():
                scores[category] = max(scores.get(category, 0.0), min(max(score or 0.0, 0.0), 1.0))
            flagged |= dict.fromkeys(self._flagged(result))
            unnamed = unnamed or (result.flagged and not any(result.categories.values()))
        # The surest first.
        ordered = sorted(flagged, key=lambda category: -scores.get(category, 0.0))
        if ordered:
            return Opinion(True, self._policy.label(ordered[0]), ordered[0], scores, tuple(ordered))
        return Opinion(True, OTHER, "flagged", scores) if unnamed else Opinion(False, scores=scores)

    def _flagged(self, result: _Result) -> list[str]:
        """The categories that are refused: by the owner's threshold where there is one, else by OpenAI's own."""
        flagged = []
        for category, by_openai in result.categories.items():
            threshold, score = self._policy.thresholds.get(category), result.category_scores.get(category)
            if by_openai if threshold is None or score is None else score >= threshold:
                flagged.append(category)
        return flagged


def _retry_after_s(error: openai.APIStatusError) -> float:
    try:
        asked_s = float(error.response.headers.get("retry-after", _PAUSE_S))
    except ValueError:
        # It may also be a date.
        return _PAUSE_S
    return min(max(asked_s, 0.0), _PAUSE_S_MAX)
