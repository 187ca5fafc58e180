"""The chat service's protos."""

from queqiao.chat.v1 import chat_pb2

from services.gateway.domain import Asker, Completed, Delta, Event, Model, Question, Role, Started

_ROLES = {
    Role.SYSTEM: chat_pb2.ROLE_SYSTEM,
    Role.USER: chat_pb2.ROLE_USER,
    Role.ASSISTANT: chat_pb2.ROLE_ASSISTANT,
}


def turn_request(request_id: str, asker: Asker, question: Question) -> chat_pb2.StreamTurnRequest:
    """A question on the wire."""
    parameters = question.parameters
    return chat_pb2.StreamTurnRequest(
        request_id=request_id,
        user_id=asker.user_id,
        openid=asker.openid,
        conversation_id=question.conversation_id,
        model=question.model,
        messages=[
            chat_pb2.Message(role=_ROLES[message.role], content=message.content) for message in question.messages
        ],
        parameters=chat_pb2.GenerationParameters(
            max_output_tokens=parameters.max_output_tokens,
            temperature=parameters.temperature,
            top_p=parameters.top_p,
            presence_penalty=parameters.presence_penalty,
            frequency_penalty=parameters.frequency_penalty,
            seed=parameters.seed,
            stop=parameters.stop,
        ),
    )


def event(response: chat_pb2.StreamTurnResponse) -> Event | None:
    """What happened; None for an event that is newer than this gateway."""
    match response.WhichOneof("event"):
        case "delta":
            return Delta(response.delta.text)
        case "started":
            return Started(response.started.conversation_id, response.started.model)
        case "completed":
            done = response.completed
            return Completed(
                finish_reason="length" if done.finish_reason == chat_pb2.FINISH_REASON_LENGTH else "stop",
                input_tokens=done.usage.input_tokens,
                cached_input_tokens=done.usage.cached_input_tokens,
                output_tokens=done.usage.output_tokens,
            )
        case _:
            return None


def model(model: chat_pb2.Model) -> Model:
    """A model."""
    return Model(model.id, model.created_s, model.owned_by)
