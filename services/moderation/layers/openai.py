"""OpenAI's moderation as a layer, over aiohttp.

Source: OpenAI's API reference of moderations. Its answer is decoded as strictly as it is documented. OpenAI's SDK was
here before: its own objects take anything, one URL of it was used, and importing it builds every type of OpenAI's API,
which cost as much as all else that this service imports.
"""

import time
from collections.abc import Callable, Sequence

import aiohttp
import msgspec
import structlog
from pydantic import SecretStr

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
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        key: SecretStr,
        policy: OpenAIPolicy,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask with this key over a session that knows the timeout."""
        self._session = session
        self._url = f"{base_url.rstrip('/')}/moderations"
        self._headers = {"Authorization": f"Bearer {key.get_secret_value()}", "Content-Type": "application/json"}
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
        except TimeoutError:
            raise LayerDownError("timeout") from None
        except (aiohttp.ClientError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warning("openai's moderation does not answer", error=type(error).__name__)
            raise LayerDownError("error") from None

    async def _ask(self, texts: list[str]) -> bytes:
        body = msgspec.json.encode({"input": texts, "model": self._policy.model})
        try:
            return await self._ask_once(body)
        except aiohttp.ClientConnectionError as error:
            if isinstance(error, TimeoutError):
                raise
            # An idle connection may have been closed unannounced; to ask twice costs nothing.
            return await self._ask_once(body)

    async def _ask_once(self, body: bytes) -> bytes:
        async with self._session.post(self._url, data=body, headers=self._headers) as response:
            if not response.ok:
                raise self._understood(response)
            return await response.read()

    def _understood(self, response: aiohttp.ClientResponse) -> LayerDownError:
        log.warning("openai's moderation refuses", status=response.status)
        if response.status == _TOO_MANY_REQUESTS:
            self._paused_until = self._clock() + _retry_after_s(response)
            return LayerDownError("quota")
        return LayerDownError("rejected" if response.status in _TEXT_REFUSED else "error")

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


def _retry_after_s(response: aiohttp.ClientResponse) -> float:
    try:
        asked_s = float(response.headers.get("retry-after", _PAUSE_S))
    except ValueError:
        # It may also be a date.
        return _PAUSE_S
    return min(max(asked_s, 0.0), _PAUSE_S_MAX)
