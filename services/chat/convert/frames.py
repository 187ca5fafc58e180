"""What callers of an Exchange are told of a turn."""

from google.rpc import code_pb2, status_pb2
from queqiao.chat.v1 import chat_pb2

from services.chat.convert import events
from services.chat.domain import Delta, Failed
from services.chat.streams.carried import News
from services.runtime.errors import ServiceError
from services.runtime.interceptors import UNEXPECTED
from services.runtime.status import to_status


def frame(number: int, news: News) -> chat_pb2.TurnFrame:
    """What is new of the turn that the caller knows by a number."""
    frame = chat_pb2.TurnFrame(call=number)
    for entry in news.entries:
        if isinstance(entry.event, Delta):
            # As nearly every event is: written in place, which costs a third of writing it elsewhere first.
            told = frame.events.add()
            told.position = entry.position
            events.write_delta(entry.event.piece, told.delta)
        elif not isinstance(entry.event, Failed):
            frame.events.append(events.response(entry, replayed=news.replayed))
    if news.ended:
        frame.ended = True
        if news.error is not None:
            frame.error_status = _status(news.error).SerializeToString()
    return frame


def _status(error: Exception) -> status_pb2.Status:
    if isinstance(error, ServiceError):
        return to_status(error)
    if isinstance(error, TimeoutError):
        return status_pb2.Status(code=code_pb2.DEADLINE_EXCEEDED, message="Deadline exceeded.")
    return status_pb2.Status(code=code_pb2.INTERNAL, message=UNEXPECTED)
