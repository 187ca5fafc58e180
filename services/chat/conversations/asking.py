"""Asking the cheap model for a text that nobody sees but other models. Pure."""

import secrets
from collections.abc import Sequence
from typing import Protocol

from services.chat import ports
from services.chat.domain import Channel, Message, Model, Options, Question
from services.chat.errors import ContentRefusedError, UpstreamError
from services.chat.ports import WINDOW_CHARACTERS_MAX, Moderation, Upstream, Window

# The longest text that is asked for, in tokens.
_TOKENS_MAX = 600


class Models(ports.Models, Protocol):
    """Models, of which one may be the cheap one."""

    def cheap(self) -> Model | None:
        """The model for work beside the conversation; None while there is none."""
        ...


class CheapModel:
    """Asks the owner's cheap model; what it writes passes the lexicon before anybody uses it."""

    def __init__(self, models: Models, upstream: Upstream, moderation: Moderation) -> None:
        """Ask the model of the cheap lane, or the default one where there is no such lane."""
        self._models = models
        self._upstream = upstream
        self._moderation = moderation

    async def ask(self, user_id: str, messages: Sequence[Message]) -> str:
        """The whole answer, what the model thought before it left out.

        Raises:
            ContentRefusedError: The lexicon refuses it.
            ServiceError: The model or moderation does not answer.
        """
        model = self._models.cheap() or await self._models.find("")
        options = Options(max_output_tokens=min(_TOKENS_MAX, model.max_output_tokens))
        texts: list[str] = []
        async with self._upstream.answer(model, messages, options) as stream:
            async for chunk in stream:
                texts += [piece.text for piece in chunk.pieces if piece.channel is Channel.TEXT]
        text = "".join(texts)
        question = Question(f"summary-{secrets.token_hex(8)}", user_id, "", model.id, (), options)
        if len(text) > WINDOW_CHARACTERS_MAX:
            raise UpstreamError("The model wrote too much.")
        (screened,) = await self._moderation.screen([Window(question, text, preceding="", last=True)])
        if screened.verdict.refused:
            raise ContentRefusedError("The summary is not allowed.", metadata={"layer": screened.verdict.layer})
        return text
