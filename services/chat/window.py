"""What of a conversation fits into a model's context. Pure.

A chat message costs its text and a few tokens of framing, and so does the answer; how many, the model says. OpenAI's
figures are in "How to count tokens with tiktoken" (OpenAI cookbook): 4 a message, its role included, and 3 that prime
the reply.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from services.chat.domain import Message, Model, Role
from services.chat.errors import ContextTooLongError
from services.chat.ports import Tokenizer
from services.chat.texts import call_answered, calls_of, images_of, parsed

# The least room for an answer that is worth asking for.
OUTPUT_TOKENS_MIN = 16

# What an image costs that is sent with detail "low" (OpenAI, "Images and vision").
_LOW_DETAIL_TOKENS = 85

# No text that people write has more characters a token; what has is refused before the time is spent to count it.
_CHARACTERS_PER_TOKEN_MAX = 16

# Counting this many takes 1 to 6 ms, whatever they are; an event loop should not be held for more.
_LONG_CHARACTERS = 20_000

# Parameters that providers write into the prompt.
_PROMPTED = ("tools", "functions", "response_format")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent to the model: at most `input_tokens`, leaving `max_output_tokens` for the answer.

    `dropped` is what of the history did not fit, oldest first.
    """

    messages: tuple[Message, ...]
    input_tokens: int
    max_output_tokens: int
    dropped: tuple[Message, ...] = ()


def weigh(message: Message, model: Model, tokenizer: Tokenizer) -> Message:
    """The message with its token count for this model, counted only when it is not known."""
    if message.encoding == model.encoding:
        return message
    images = sum(_LOW_DETAIL_TOKENS if detail == "low" else model.image_tokens for detail in images_of(message.json))
    tokens = tokenizer.count(message.content, model.encoding) + images
    return replace(message, tokens=tokens, encoding=model.encoding)


def weigh_extra(extra_json: str, model: Model, tokenizer: Tokenizer) -> int:
    """Tokens of what further parameters add to the prompt: tools, and the shape that an answer is to have.

    Their JSON is counted, which is what many providers send to a model; OpenAI's own form of it is shorter.

    Raises:
        InvalidRequestError: It is no JSON object.
    """
    given = parsed(extra_json) if extra_json else {}
    prompted = [given[name] for name in _PROMPTED if given.get(name)]
    return sum(tokenizer.count(msgspec.json.encode(value).decode(), model.encoding) for value in prompted)


def is_long(messages: Sequence[Message], extra_json: str, model: Model) -> bool:
    """Whether so much of this is yet to be counted that a thread should do it; tiktoken leaves the others running."""
    unknown = (message for message in messages if message.encoding != model.encoding)
    return sum(len(message.content) for message in unknown) + len(extra_json) > _LONG_CHARACTERS


def demand_countable(new: Sequence[Message], model: Model) -> None:
    """Refuse what is so long that it cannot fit, however it counts.

    Raises:
        ContextTooLongError: The messages are far too long for the model.
    """
    characters_max = model.context_tokens * _CHARACTERS_PER_TOKEN_MAX
    characters = sum(len(message.content) for message in new)
    if characters > characters_max:
        raise ContextTooLongError(
            f"The messages have {characters} characters; {model.id} cannot take more than {characters_max}. "
            "Shorten them or start a new conversation.",
            metadata={"tokens": str(characters), "tokens_max": str(model.context_tokens), "model": model.id},
            fields={"messages": "is too long for the model"},
        )


def fit(
    history: Sequence[Message],
    new: Sequence[Message],
    model: Model,
    output_wanted: int | None,
    *,
    summary: Message | None = None,
    extra_tokens: int = 0,
    keep_newest: bool = False,
) -> Prompt:
    """Put what must be sent, and as much history as fits, into the model's context.

    System messages and the new messages always stay. As long as there is room, the newest exchange follows, then the
    summary of what came before the history, then older exchanges, the newest first. An exchange stays or goes whole:
    the user's messages in a row, and what came after them, calls of tools and their results included.

    Args:
        history: What is remembered, oldest first, with token counts.
        new: What was asked now, with token counts.
        model: Sets the budget.
        output_wanted: The most tokens the caller wants back; None for the model's own limit.
        summary: What came before the history, in short, with its token count.
        extra_tokens: What is sent beside messages, such as descriptions of tools.
        keep_newest: Whether the newest exchange of the history must be sent, too.

    Raises:
        ContextTooLongError: Even without history there is no room for an answer.
    """
    output = min(output_wanted or model.max_output_tokens, model.max_output_tokens)
    system = [message for message in (*history, *new) if message.role is Role.SYSTEM]
    past, asked = _divided(
        [message for message in history if message.role is not Role.SYSTEM],
        [message for message in new if message.role is not Role.SYSTEM],
        keep_newest=keep_newest,
    )
    needed = model.reply_tokens + extra_tokens + sum(_weight(message, model) for message in (*system, *asked))
    prologue = 0 if system else model.prologue_tokens
    needed += prologue
    input_max = model.context_tokens - min(output, OUTPUT_TOKENS_MIN)
    if _scaled(needed, model) > input_max:
        raise _too_long(_scaled(needed, model), input_max, model)
    budget = (model.context_tokens - output) * 100 // model.ratio_percent
    summary_weight = None if summary is None else _weight(summary, model)
    kept, with_summary = _kept(_tails(past, model), summary_weight, max(budget - needed, 0))
    if summary is not None and with_summary:
        system.append(summary)
        needed += _weight(summary, model) - prologue
    total = _scaled(needed + kept.weight, model)
    messages = (*system, *past[kept.start :], *asked)
    return Prompt(messages, total, min(output, model.context_tokens - total), tuple(past[: kept.start]))


def answered(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages without remembered calls of tools whose results never came: providers refuse those.

    What the caller sends now goes as it is.
    """
    kept: list[Message] = []
    for index, message in enumerate(messages):
        calls = calls_of(message.json) if message.number and message.role is Role.ASSISTANT else frozenset()
        results = itertools.takewhile(lambda later: later.role is Role.TOOL, messages[index + 1 :])
        if calls <= {call_answered(result.json) for result in results}:
            kept.append(message)
        elif message.content:
            kept.append(replace(message, json=""))
    return tuple(kept)


def whole(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages, an answer and what continues it as one: that they came in two turns is nothing to the model."""
    joined: list[Message] = []
    for message in messages:
        last = joined[-1] if joined else None
        if last and last.role is message.role is Role.ASSISTANT and not (last.json or message.json):
            joined[-1] = replace(last, content=last.content + message.content, tokens=last.tokens + message.tokens)
        else:
            joined.append(message)
    return tuple(joined)


@dataclass(frozen=True, slots=True)
class _Tail:
    """The history from an index on."""

    start: int
    weight: int


def _divided(
    past: Sequence[Message], asked: Sequence[Message], *, keep_newest: bool
) -> tuple[Sequence[Message], Sequence[Message]]:
    """What may go, and what must stay: results of tools stay with the exchange that called for them."""
    if not keep_newest and (not asked or asked[0].role is not Role.TOOL):
        return past, asked
    start = max((index for index in range(len(past)) if _begins(past, index)), default=0)
    return past[:start], [*past[start:], *asked]


def _begins(past: Sequence[Message], index: int) -> bool:
    """Whether an exchange begins there: at the first of the user's messages in a row."""
    return past[index].role is Role.USER and (index == 0 or past[index - 1].role is not Role.USER)


def _tails(past: Sequence[Message], model: Model) -> Sequence[_Tail]:
    """Everything that can stay: nothing, the newest exchange, the two newest ones …"""
    tails, weight = [_Tail(len(past), 0)], 0
    for index in range(len(past) - 1, -1, -1):
        weight += _weight(past[index], model)
        if _begins(past, index):
            tails.append(_Tail(index, weight))
    return tails


def _kept(tails: Sequence[_Tail], summary_weight: int | None, budget: int) -> tuple[_Tail, bool]:
    """The longest tail that fits, and whether the summary does; only the newest exchange goes before it."""
    if summary_weight is None:
        return _longest(tails, budget), False
    newest = _longest(tails[:2], budget)
    if newest.weight + summary_weight > budget:
        return newest, False
    return _longest(tails, budget - summary_weight), True


def _longest(tails: Sequence[_Tail], budget: int) -> _Tail:
    return [tail for tail in tails if tail.weight <= budget][-1]


def _too_long(tokens: int, tokens_max: int, model: Model) -> ContextTooLongError:
    return ContextTooLongError(
        f"The messages have up to {tokens} tokens; {model.id} takes {tokens_max} with an answer. "
        "Shorten them or start a new conversation.",
        metadata={"tokens": str(tokens), "tokens_max": str(tokens_max), "model": model.id},
        fields={"messages": "is too long for the model"},
    )


def _weight(message: Message, model: Model) -> int:
    more = model.assistant_tokens if message.role is Role.ASSISTANT else 0
    return message.tokens + model.message_tokens + more


def _scaled(tokens: int, model: Model) -> int:
    return -(-tokens * model.ratio_percent // 100)
