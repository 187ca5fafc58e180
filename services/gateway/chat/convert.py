"""The chat service's protos: turns and models."""

from queqiao.chat.v1 import chat_pb2

from services.gateway.chat.domain import (
    CachePolicy,
    Completed,
    Delta,
    Event,
    Message,
    Question,
    Role,
    Started,
    ToolCall,
    Where,
)
from services.gateway.identity.domain import Principal
from services.gateway.models.domain import Model

_ROLES = {
    Role.SYSTEM: chat_pb2.ROLE_SYSTEM,
    Role.USER: chat_pb2.ROLE_USER,
    Role.ASSISTANT: chat_pb2.ROLE_ASSISTANT,
    Role.TOOL: chat_pb2.ROLE_TOOL,
}

_POLICIES = {
    CachePolicy.USE: chat_pb2.CACHE_POLICY_UNSPECIFIED,
    CachePolicy.REFRESH: chat_pb2.CACHE_POLICY_REFRESH,
    CachePolicy.NO_STORE: chat_pb2.CACHE_POLICY_NO_STORE,
}

_PLACES = {
    Where.AFTER: "after_number",
    Where.REGENERATE: "regenerate_number",
    Where.CONTINUE: "continue_number",
}

# A reason that is newer than this gateway is an ordinary end.
_FINISH_REASONS = {
    chat_pb2.FINISH_REASON_LENGTH: "length",
    chat_pb2.FINISH_REASON_TOOL_CALLS: "tool_calls",
    chat_pb2.FINISH_REASON_CONTENT_FILTER: "content_filter",
    chat_pb2.FINISH_REASON_CANCELLED: "cancelled",
}


def turn_request(
    request_id: str, principal: Principal, question: Question, tenant: str = ""
) -> chat_pb2.StreamTurnRequest:
    """A question on the wire."""
    parameters, place = question.parameters, question.place
    return chat_pb2.StreamTurnRequest(
        request_id=request_id,
        user_id=principal.user_id,
        openid=principal.openid,
        tenant=tenant,
        conversation_id=question.conversation_id,
        model=question.model,
        messages=[_message(message) for message in question.messages],
        parameters=chat_pb2.GenerationParameters(
            max_output_tokens=parameters.max_output_tokens,
            temperature=parameters.temperature,
            top_p=parameters.top_p,
            presence_penalty=parameters.presence_penalty,
            frequency_penalty=parameters.frequency_penalty,
            seed=parameters.seed,
            stop=parameters.stop,
            extra_json=parameters.extra_json,
        ),
        cache=_POLICIES[question.cache],
        cancel_on_disconnect=not question.stays,
        **({} if place is None else {_PLACES[place.where]: place.number}),
    )


def event(response: chat_pb2.StreamTurnResponse) -> Event | None:
    """What happened; None for an event that is newer than this gateway."""
    match response.WhichOneof("event"):
        case "delta":
            return _delta(response.delta, response.position)
        case "started":
            started = response.started
            return Started(
                started.conversation_id,
                started.model,
                started.cached,
                started.replayed,
                started.created_s,
                tuple(started.dropped_parameters),
            )
        case "completed":
            done = response.completed
            return Completed(
                finish_reason=_FINISH_REASONS.get(done.finish_reason, "stop"),
                input_tokens=done.usage.input_tokens,
                cached_input_tokens=done.usage.cached_input_tokens,
                output_tokens=done.usage.output_tokens,
                question=done.question_number,
                answer=done.answer_number,
                position=response.position,
                reasoning_tokens=done.usage.reasoning_tokens,
                charged_micros=done.charged_micros,
                logprobs_json=done.logprobs_json,
            )
        case _:
            return None


def model(model: chat_pb2.Model) -> Model:
    """A model."""
    return Model(
        model.id,
        model.created_s,
        model.owned_by,
        model.context_tokens,
        model.max_output_tokens,
        model.price or model.id,
    )


def _message(message: Message) -> chat_pb2.Message:
    if message.json:
        return chat_pb2.Message(role=_ROLES[message.role], json=message.json)
    return chat_pb2.Message(role=_ROLES[message.role], content=message.content)


def _delta(delta: chat_pb2.TurnDelta, position: int) -> Delta:
    if text := delta.text:
        # As nearly every event is.
        return Delta(text, position=position)
    if not delta.HasField("tool_call"):
        return Delta(delta.text, delta.reasoning, position=position)
    call = delta.tool_call
    return Delta(tool_call=ToolCall(call.index, call.id, call.name, call.arguments), position=position)
