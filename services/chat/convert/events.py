"""What callers are told."""

from queqiao.chat.v1 import chat_pb2

from services.chat.domain import Channel, Completed, Delta, Failed, FinishReason, Model, Piece, Source, Started
from services.chat.streams.domain import Entry, failure

_FINISH_REASONS = {
    FinishReason.STOP: chat_pb2.FINISH_REASON_STOP,
    FinishReason.LENGTH: chat_pb2.FINISH_REASON_LENGTH,
    FinishReason.TOOL_CALLS: chat_pb2.FINISH_REASON_TOOL_CALLS,
    FinishReason.CONTENT_FILTER: chat_pb2.FINISH_REASON_CONTENT_FILTER,
    FinishReason.CANCELLED: chat_pb2.FINISH_REASON_CANCELLED,
}


def response(entry: Entry, *, replayed: bool) -> chat_pb2.StreamTurnResponse:
    """An event on the wire; `replayed` when an earlier call had begun the turn.

    Raises:
        RemoteError: The turn ended with this error.
    """
    event = entry.event
    match event:
        case Started():
            started = chat_pb2.TurnStarted(
                conversation_id=event.conversation_id,
                model=event.model,
                cached=event.source is Source.CACHE,
                replayed=replayed,
                created_s=event.created_s,
                dropped_parameters=event.dropped,
            )
            return chat_pb2.StreamTurnResponse(started=started, position=entry.position)
        case Delta():
            response = chat_pb2.StreamTurnResponse(position=entry.position)
            write_delta(event.piece, response.delta)
            return response
        case Completed():
            return chat_pb2.StreamTurnResponse(completed=_completed(event), position=entry.position)
        case Failed():
            raise failure(event)


def model(model: Model) -> chat_pb2.Model:
    """A model on the wire."""
    return chat_pb2.Model(
        id=model.id,
        created_s=model.created_s,
        owned_by=model.owned_by,
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        known=model.known,
        price=model.price,
    )


def write_delta(piece: Piece, delta: chat_pb2.TurnDelta) -> None:
    """More of the answer, into an empty message."""
    if piece.tool is not None:
        tool = piece.tool
        delta.tool_call.MergeFrom(
            chat_pb2.ToolCallDelta(index=tool.index, id=tool.id, name=tool.name, arguments=piece.text)
        )
    elif piece.channel is Channel.REASONING:
        delta.reasoning = piece.text
    else:
        delta.text = piece.text


def _completed(event: Completed) -> chat_pb2.TurnCompleted:
    return chat_pb2.TurnCompleted(
        finish_reason=_FINISH_REASONS[event.finish_reason],
        usage=chat_pb2.Usage(
            input_tokens=event.usage.input,
            cached_input_tokens=event.usage.cached_input,
            output_tokens=event.usage.output,
            reasoning_tokens=event.usage.reasoning,
        ),
        charged_micros=event.charged_micros,
        answer_number=event.answer_number,
        question_number=event.question_number,
        receipt_id=event.ledger_id,
        logprobs_json=event.logprobs_json,
    )
