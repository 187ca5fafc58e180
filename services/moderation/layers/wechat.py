"""WeChat's content security as a layer: msg_sec_check, version 2.

Source: WeChat's document of msgSecCheck. It judges what users of the mini-program wrote who were there lately, and
nobody else.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from services.moderation.domain import LABELS, OTHER, Opinion, Subject
from services.moderation.errors import LayerDownError
from services.moderation.layers.policy import WeChatPolicy
from services.moderation.layers.quota import Quota
from services.moderation.layers.splitting import pieces
from services.moderation.layers.wechat_client import WeChatError

_VERSION = 2

# Wrong, stale or missing.
_TOKEN_REFUSED = frozenset({40001, 40014, 42001})
# Not a user of this mini-program, or one who has not been there for two hours: 61010 is seen for active users as well.
_USER_UNKNOWN = frozenset({40003, 43104, 61010})
_QUOTA_USED_UP = frozenset({45009, 45011})
_TEXT_EMPTY = 44002
_TEXT_REFUSED = 47001
# How version 1 says "risky"; version 2 says it in `result`.
_RISKY = 87014

_PASSED = Opinion(refused=False)

log = structlog.get_logger()


class TextCheck(Protocol):
    """Sends a text to WeChat."""

    async def check_text(self, token: str, document: Mapping[str, object]) -> Mapping[str, object]:
        """WeChat's answer.

        Raises:
            WeChatError: WeChat says no.
            LayerDownError: It does not answer.
        """
        ...


class Tokens(Protocol):
    """Knows the access token in force."""

    async def get(self) -> str:
        """The token; "" where none is sent.

        Raises:
            LayerDownError: There is none.
        """
        ...

    async def refused(self, value: str) -> None:
        """WeChat does not take this token."""
        ...


class WeChatLayer:
    """The port `RemoteLayer`, answered by WeChat."""

    def __init__(self, client: TextCheck, tokens: Tokens, quota: Quota, policy: WeChatPolicy) -> None:
        """Ask through these."""
        self._client = client
        self._tokens = tokens
        self._quota = quota
        self._policy = policy

    async def judge(self, subject: Subject) -> Opinion | None:
        """Its opinion; None about one who is not a user of the mini-program, or was not there lately.

        Raises:
            LayerDownError: It does not answer, or has no quota left, or the text is too long.
        """
        if not subject.openid:
            return None
        texts = pieces(subject.text, self._policy)
        await self._quota.take(len(texts))
        if len(texts) == 1:
            return await self._piece(texts[0], subject.openid)
        return await self._first_refusal(texts, subject.openid)

    async def _first_refusal(self, texts: Sequence[str], openid: str) -> Opinion | None:
        """The refusal of the piece that is refused first; else what stops them from being judged whole, if anything."""
        asked = [asyncio.create_task(self._piece(text, openid)) for text in texts]
        whole: Opinion | None = _PASSED
        down: LayerDownError | None = None
        try:
            for piece in asyncio.as_completed(asked):
                try:
                    opinion = await piece
                except LayerDownError as error:
                    down = error
                    continue
                if opinion is None:
                    whole = None
                elif opinion.refused:
                    return opinion
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        if down is not None:
            raise down
        return whole

    async def _piece(self, text: str, openid: str) -> Opinion | None:
        document = {"content": text, "version": _VERSION, "scene": self._policy.scene, "openid": openid}
        try:
            answer = await self._ask(document)
        except WeChatError as error:
            return await self._understood(error.errcode)
        self._quota.answered()
        return self._opinion(answer)

    async def _ask(self, document: Mapping[str, object]) -> Mapping[str, object]:
        """Ask with the token in force; when that has just ended, once more with the next."""
        token = await self._tokens.get()
        try:
            return await self._client.check_text(token, document)
        except WeChatError as error:
            if error.errcode not in _TOKEN_REFUSED:
                raise
        await self._tokens.refused(token)
        token = await self._tokens.get()
        try:
            return await self._client.check_text(token, document)
        except WeChatError as error:
            if error.errcode in _TOKEN_REFUSED:
                await self._tokens.refused(token)
            raise

    async def _understood(self, errcode: int) -> Opinion | None:
        """What an error says about the text.

        Raises:
            LayerDownError: Nothing.
        """
        if errcode in _USER_UNKNOWN:
            return None
        if errcode == _TEXT_EMPTY:
            return _PASSED
        if errcode == _RISKY:
            return Opinion(refused=True, label=OTHER, rule="risky")
        if errcode in _QUOTA_USED_UP:
            await self._quota.exhausted()
            raise LayerDownError("quota")
        log.warning("wechat does not judge a text", errcode=errcode)
        raise LayerDownError("rejected" if errcode == _TEXT_REFUSED else "error")

    def _opinion(self, answer: Mapping[str, object]) -> Opinion:
        """What `result` says: an errcode of 0 says only that there is one."""
        result = answer.get("result")
        suggest = result.get("suggest") if isinstance(result, dict) else None
        if not isinstance(result, dict) or suggest not in ("pass", "review", "risky"):
            log.warning("wechat's answer holds no result")
            raise LayerDownError("error")
        label = result.get("label")
        known = label if isinstance(label, int) and label in LABELS else OTHER
        if suggest == "pass" or (suggest == "review" and not self._policy.review_refuses):
            return _PASSED
        if known not in self._policy.risky_labels:
            return _PASSED
        return Opinion(refused=True, label=known, rule=_strategies(answer.get("detail")) or str(suggest))


def _strategies(detail: object) -> str:
    """Which of WeChat's strategies found something; what they found is part of the text, and stays there."""
    found = [
        part["strategy"]
        for part in (detail if isinstance(detail, list) else [])
        if isinstance(part, dict)
        and part.get("suggest") in ("review", "risky")
        and part.get("strategy") in ("keyword", "content_model")
    ]
    return ",".join(dict.fromkeys(found))
