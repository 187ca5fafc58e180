"""Protos to the domain and back; a request that does not fit the domain is refused here, field by field."""

import math
import re

from queqiao.billing.v1 import billing_pb2
from queqiao.chat.v1 import chat_pb2
from queqiao.moderation.v1 import moderation_pb2

from services.chat.domain import (
    Completed,
    Delta,
    Event,
    FinishReason,
    InputCheck,
    Message,
    Model,
    Options,
    Outcome,
    OutputPlan,
    Question,
    Review,
    Role,
    Screened,
    Started,
    Usage,
    Verdict,
)
from services.runtime.errors import InvalidRequestError

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OPENID = re.compile(r"[\x21-\x7e]{0,64}")
_MESSAGES_MAX = 256
_STOPS_MAX = 4

_ROLES = {
    chat_pb2.ROLE_SYSTEM: Role.SYSTEM,
    chat_pb2.ROLE_USER: Role.USER,
    chat_pb2.ROLE_ASSISTANT: Role.ASSISTANT,
}

_FINISH_REASONS = {
    FinishReason.STOP: chat_pb2.FINISH_REASON_STOP,
    FinishReason.LENGTH: chat_pb2.FINISH_REASON_LENGTH,
}

_LAYERS = {
    moderation_pb2.LAYER_LEXICON: "lexicon",
    moderation_pb2.LAYER_WECHAT: "wechat",
    moderation_pb2.LAYER_OPENAI: "openai",
}

_REVIEWS = {
    moderation_pb2.REVIEW_UNSPECIFIED: Review.NONE,
    moderation_pb2.REVIEW_BESIDE: Review.BESIDE,
    moderation_pb2.REVIEW_BEFORE: Review.BEFORE,
}

OUTCOMES = {
    Outcome.COMPLETED: billing_pb2.TURN_OUTCOME_COMPLETED,
    Outcome.CANCELLED: billing_pb2.TURN_OUTCOME_CANCELLED,
    Outcome.FAILED: billing_pb2.TURN_OUTCOME_FAILED,
    Outcome.REFUSED: billing_pb2.TURN_OUTCOME_REFUSED,
}

# The bounds that chat.proto documents.
_RANGES = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
}


def question(request: chat_pb2.StreamTurnRequest) -> Question:
    """The turn that is asked for.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    wrong: dict[str, str] = {}
    for name, required in (("request_id", True), ("user_id", True), ("conversation_id", False)):
        value = getattr(request, name)
        if (value or required) and not _ID.fullmatch(value):
            wrong[name] = "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -"
    if not _OPENID.fullmatch(request.openid):
        wrong["openid"] = "must be at most 64 visible ASCII characters"
    wrong |= _wrong_messages(request) | _wrong_parameters(request.parameters)
    if wrong:
        first, why = next(iter(wrong.items()))
        raise InvalidRequestError(f"{first} {why}.", fields=wrong)
    return Question(
        request_id=request.request_id,
        user_id=request.user_id,
        conversation_id=request.conversation_id,
        model=request.model,
        messages=tuple(Message(_ROLES[message.role], message.content) for message in request.messages),
        options=_options(request.parameters),
        openid=request.openid,
    )


def _wrong_messages(request: chat_pb2.StreamTurnRequest) -> dict[str, str]:
    if not 1 <= len(request.messages) <= _MESSAGES_MAX:
        return {"messages": f"must hold 1 to {_MESSAGES_MAX} messages"}
    wrong = {}
    for index, message in enumerate(request.messages):
        if message.role not in _ROLES:
            wrong[f"messages[{index}].role"] = "must be system, user or assistant"
        elif not message.content and message.role != chat_pb2.ROLE_ASSISTANT:
            wrong[f"messages[{index}].content"] = "must not be empty"
        elif "\x00" in message.content:
            wrong[f"messages[{index}].content"] = "must not contain NUL"
    if not wrong and not any(message.content for message in request.messages):
        wrong["messages"] = "must hold a message with text"
    return wrong


def _wrong_parameters(parameters: chat_pb2.GenerationParameters) -> dict[str, str]:
    wrong = {}
    if parameters.HasField("max_output_tokens") and parameters.max_output_tokens < 1:
        wrong["max_output_tokens"] = "must be at least 1"
    for name, (low, high) in _RANGES.items():
        value = getattr(parameters, name)
        if math.isnan(value) or not low <= value <= high:
            wrong[name] = f"must be {low:g} to {high:g}"
    if len(parameters.stop) > _STOPS_MAX:
        wrong["stop"] = f"must hold at most {_STOPS_MAX} texts"
    return wrong


def _options(parameters: chat_pb2.GenerationParameters) -> Options:
    given = {field.name: value for field, value in parameters.ListFields() if field.name != "stop"}
    return Options(**given, stop=tuple(parameters.stop))


def event(event: Event) -> chat_pb2.StreamTurnResponse:
    """An event on the wire."""
    match event:
        case Started():
            started = chat_pb2.TurnStarted(conversation_id=event.conversation_id, model=event.model)
            return chat_pb2.StreamTurnResponse(started=started)
        case Delta():
            return chat_pb2.StreamTurnResponse(delta=chat_pb2.TurnDelta(text=event.text))
        case Completed():
            completed = chat_pb2.TurnCompleted(
                finish_reason=_FINISH_REASONS[event.finish_reason],
                usage=chat_pb2.Usage(
                    input_tokens=event.usage.input,
                    cached_input_tokens=event.usage.cached_input,
                    output_tokens=event.usage.output,
                ),
                charged_micros=event.charged_micros,
            )
            return chat_pb2.StreamTurnResponse(completed=completed)


def model(model: Model) -> chat_pb2.Model:
    """A model on the wire."""
    return chat_pb2.Model(
        id=model.id,
        created_s=model.created_s,
        owned_by=model.owned_by,
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
    )


def verdict(verdict: moderation_pb2.Verdict) -> Verdict:
    """A judgement."""
    return Verdict(verdict.refused, _LAYERS.get(verdict.layer, ""), verdict.label)


def input_check(response: moderation_pb2.CheckInputResponse) -> InputCheck:
    """The lexicon's judgement of a question, and what is still to be asked."""
    plan = OutputPlan(
        # A way of asking that is younger than this code is the careful one.
        review=_REVIEWS.get(response.output.review, Review.BEFORE),
        referred_only=response.output.referred_only,
        passage_characters=max(response.output.passage_characters, 1),
        overlap_characters=max(response.output.overlap_characters, 0),
    )
    return InputCheck(verdict(response.verdict), _REVIEWS.get(response.review, Review.BEFORE), plan)


def screened(result: moderation_pb2.WindowResult) -> Screened:
    """What may be released."""
    return Screened(result.released_characters, verdict(result.verdict), result.referred)


def billed_usage(usage: Usage) -> billing_pb2.Usage:
    """What billing charges for."""
    return billing_pb2.Usage(
        input_tokens=usage.input, cached_input_tokens=usage.cached_input, output_tokens=usage.output
    )
