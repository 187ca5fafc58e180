"""The protos of conversations; what does not fit is refused here, field by field."""

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp
from queqiao.chat.v1 import chat_pb2

from services.chat.conversations.domain import Conversation, Cursor, Rating, StoredMessage
from services.chat.conversations.searching import Found
from services.chat.domain import AnswerState, Role
from services.runtime.errors import InvalidRequestError

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_TITLE_CHARACTERS_MAX = 100
_QUERY_CHARACTERS_MAX = 64
_NUMBER_MAX = 2**31 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_OURS = "must be the next_page_token of the page before"

_ROLES = {
    Role.SYSTEM: chat_pb2.ROLE_SYSTEM,
    Role.USER: chat_pb2.ROLE_USER,
    Role.ASSISTANT: chat_pb2.ROLE_ASSISTANT,
    Role.TOOL: chat_pb2.ROLE_TOOL,
}

_STATES = {
    AnswerState.COMPLETE: chat_pb2.ANSWER_STATE_COMPLETE,
    AnswerState.LENGTH: chat_pb2.ANSWER_STATE_LENGTH,
    AnswerState.INTERRUPTED: chat_pb2.ANSWER_STATE_INTERRUPTED,
}


_RATINGS = {
    None: chat_pb2.RATING_UNSPECIFIED,
    Rating.UP: chat_pb2.RATING_UP,
    Rating.DOWN: chat_pb2.RATING_DOWN,
}


class OfUser(Protocol):
    """A request of a user."""

    @property
    def user_id(self) -> str:
        """Whose."""
        ...


class OfConversation(OfUser, Protocol):
    """A request about one conversation of a user."""

    @property
    def conversation_id(self) -> str:
        """Which."""
        ...


def owner(request: OfUser) -> str:
    """Whose conversations are meant.

    Raises:
        InvalidRequestError: The field is wrong.
    """
    return _id("user_id", request.user_id)


def conversation_id(request: OfConversation) -> str:
    """Which conversation is meant.

    Raises:
        InvalidRequestError: The field is wrong.
    """
    return _id("conversation_id", request.conversation_id)


def title(value: str, *, required: bool) -> str:
    """A title.

    Raises:
        InvalidRequestError: It is too long, has control characters, or is empty and must not be.
    """
    value = value.strip()
    if _CONTROL.search(value) or len(value) > _TITLE_CHARACTERS_MAX or (required and not value):
        raise _wrong("title", f"must have {1 if required else 0} to {_TITLE_CHARACTERS_MAX} characters on one line")
    return value


def changes(request: chat_pb2.UpdateConversationRequest) -> tuple[str | None, bool | None]:
    """The new title and whether it is pinned, None for what stays.

    Raises:
        InvalidRequestError: The title is wrong, or nothing changes.
    """
    pinned = request.pinned if request.HasField("pinned") else None
    if not request.title and pinned is not None:
        return None, pinned
    return title(request.title, required=True), pinned


def query(value: str) -> str:
    """What is looked for.

    Raises:
        InvalidRequestError: It is empty or too long, or has control characters.
    """
    value = value.strip()
    if not value or _CONTROL.search(value) or len(value) > _QUERY_CHARACTERS_MAX:
        raise _wrong("query", f"must have 1 to {_QUERY_CHARACTERS_MAX} characters on one line")
    return value


def rating(request: chat_pb2.RateMessageRequest) -> tuple[int, Rating | None]:
    """The number of an answer, and what is thought of it.

    Raises:
        InvalidRequestError: There is no such number or rating.
    """
    if request.number < 1:
        raise _wrong("number", "must be at least 1")
    for known, value in _RATINGS.items():
        if value == request.rating:
            return request.number, known
    raise _wrong("rating", "must be one of those that Rating has")


def page_size(size: int, *, default: int, most: int) -> int:
    """How many items a page may have.

    Raises:
        InvalidRequestError: It is out of bounds.
    """
    if not 0 <= size <= most:
        raise _wrong("page_size", f"must be 1 to {most}")
    return size or default


def cursor(token: str) -> Cursor | None:
    """Where a page of conversations begins; None for the first.

    Raises:
        InvalidRequestError: It is no token of ours.
    """
    if not token:
        return None
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii")
        pinned, micros, last = text.split(".", 2)
        when = _EPOCH + timedelta(microseconds=int(micros))
    except (ValueError, OverflowError, binascii.Error):
        raise _wrong("page_token", _NOT_OURS) from None
    if pinned not in ("0", "1") or not _ID.fullmatch(last):
        raise _wrong("page_token", _NOT_OURS)
    return Cursor(pinned == "1", when, last)


def page_token(last: Conversation) -> str:
    """What the page after this conversation begins with."""
    micros = (last.updated_at - _EPOCH) // timedelta(microseconds=1)
    return base64.b64encode(f"{last.pinned:d}.{micros}.{last.id}".encode("ascii"), altchars=b"-_").decode("ascii")


def number(token: str) -> int:
    """After which message a page begins.

    Raises:
        InvalidRequestError: It is no token of ours.
    """
    if not token:
        return 0
    if not (token.isascii() and token.isdigit()) or len(token) > 10 or int(token) > _NUMBER_MAX:
        raise _wrong("page_token", _NOT_OURS)
    return int(token)


def conversation(conversation: Conversation) -> chat_pb2.Conversation:
    """A conversation on the wire."""
    return chat_pb2.Conversation(
        id=conversation.id,
        title=conversation.title,
        message_count=conversation.message_count,
        newest_number=conversation.newest,
        create_time=_timestamp(conversation.created_at),
        update_time=_timestamp(conversation.updated_at),
        pinned=conversation.pinned,
    )


def match(found: Found) -> chat_pb2.ConversationMatch:
    """A conversation that was found, on the wire."""
    quote = found.quote
    return chat_pb2.ConversationMatch(
        conversation=conversation(found.conversation),
        quote=None
        if quote is None
        else chat_pb2.MessageQuote(
            number=quote.number, snippet=quote.snippet, is_answer=quote.is_answer, has_code=quote.has_code
        ),
    )


def message(message: StoredMessage) -> chat_pb2.StoredMessage:
    """A message on the wire."""
    return chat_pb2.StoredMessage(
        number=message.number,
        parent_number=message.parent,
        role=_ROLES[message.role],
        content=message.content,
        json=message.json,
        state=_STATES[message.state] if message.state else chat_pb2.ANSWER_STATE_UNSPECIFIED,
        request_id=message.request_id,
        model=message.model,
        create_time=_timestamp(message.created_at),
        rating=_RATINGS[message.rating],
    )


def _id(field: str, value: str) -> str:
    if not _ID.fullmatch(value):
        raise _wrong(field, "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -")
    return value


def _timestamp(when: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(when)
    return stamp


def _wrong(field: str, why: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field} {why}.", fields={field: why})
