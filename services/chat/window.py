"""What of a conversation fits into a model's context. Pure.

A chat message costs its text and a few tokens of framing; the figures are OpenAI's ("How to count tokens with
tiktoken", OpenAI cookbook): 3 a message and 3 that prime the reply.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.chat.domain import Message, Model, Role
from services.chat.errors import ContextTooLongError

MESSAGE_OVERHEAD_TOKENS = 3
REPLY_OVERHEAD_TOKENS = 3

# The least room for an answer that is worth asking for.
OUTPUT_TOKENS_MIN = 16


# No text that people write has more characters a token; what has is refused before the time is spent to count it.
_CHARACTERS_PER_TOKEN_MAX = 16


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent to the model: at most `input_tokens`, leaving `max_output_tokens` for the answer."""

    messages: tuple[Message, ...]
    input_tokens: int
    max_output_tokens: int


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


def fit(history: Sequence[Message], new: Sequence[Message], model: Model, output_wanted: int | None) -> Prompt:
    """Put what must be sent, and as much history as fits, into the model's context.

    System messages and the new messages always stay. History goes from its oldest end, and always in whole
    exchanges: what remains begins with a question of the user.

    Args:
        history: What is remembered, oldest first, with token counts.
        new: What was asked now, with token counts.
        model: Sets the budget.
        output_wanted: The most tokens the caller wants back; None for the model's own limit.

    Raises:
        ContextTooLongError: Even without history there is no room for an answer.
    """
    output = min(output_wanted or model.max_output_tokens, model.max_output_tokens)
    system = [message for message in (*history, *new) if message.role is Role.SYSTEM]
    asked = [message for message in new if message.role is not Role.SYSTEM]
    needed = REPLY_OVERHEAD_TOKENS + sum(_weight(message) for message in (*system, *asked))
    input_max = model.context_tokens - min(output, OUTPUT_TOKENS_MIN)
    if _scaled(needed, model) > input_max:
        raise ContextTooLongError(
            f"The messages have up to {_scaled(needed, model)} tokens; {model.id} takes {input_max} with an answer. "
            "Shorten them or start a new conversation.",
            metadata={"tokens": str(_scaled(needed, model)), "tokens_max": str(input_max), "model": model.id},
            fields={"messages": "is too long for the model"},
        )
    past = [message for message in history if message.role is not Role.SYSTEM]
    kept = _latest_exchanges(past, (model.context_tokens - output) * 100 // model.ratio_percent - needed)
    total = _scaled(needed + sum(_weight(message) for message in kept), model)
    return Prompt((*system, *kept, *asked), total, min(output, model.context_tokens - total))


def _latest_exchanges(past: Sequence[Message], budget: int) -> Sequence[Message]:
    """The longest tail that begins with a question and weighs at most `budget`."""
    start = len(past)
    for index in range(len(past) - 1, -1, -1):
        budget -= _weight(past[index])
        if budget < 0:
            break
        if past[index].role is Role.USER:
            start = index
    return past[start:]


def _weight(message: Message) -> int:
    return message.tokens + MESSAGE_OVERHEAD_TOKENS


def _scaled(tokens: int, model: Model) -> int:
    return -(-tokens * model.ratio_percent // 100)
