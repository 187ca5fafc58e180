"""`/v1/conversations`: what users said and were answered."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.admission.gate import Gate
from services.gateway.conversations.client import ConversationClient
from services.gateway.conversations.domain import Conversation, ConversationMessage
from services.gateway.edge import queries
from services.gateway.edge.body import fit, parse, read, wrong
from services.gateway.edge.responses import json_response, page_response
from services.gateway.edge.texts import clean
from services.gateway.identity.domain import Scope
from services.gateway.identity.ids import is_id

_TITLE_CHARACTERS_MAX = 100


class _CreateBody(msgspec.Struct, forbid_unknown_fields=True):
    id: str = ""
    title: str = ""


class _RenameBody(msgspec.Struct, forbid_unknown_fields=True):
    title: str


class ConversationRoutes:
    """Conversations."""

    def __init__(self, gate: Gate, conversations: ConversationClient, *, body_bytes_max: int) -> None:
        """Use these."""
        self._gate = gate
        self._conversations = conversations
        self._body_bytes_max = body_bytes_max

    async def conversations(self, request: Request) -> Response:
        """List them, or make one."""
        user_id = (await self._gate.enter(request.scope, Scope.CONVERSATIONS)).user_id
        if request.method != "POST":
            page = await self._conversations.page(user_id, queries.page(request.query_params))
            return page_response(page, _conversation)
        asked = fit(parse(await self._body(request) or b"{}"), _CreateBody)
        if asked.id and not is_id(asked.id):
            raise wrong("id", "id")
        made = await self._conversations.create(user_id, asked.id, _title(asked.title, required=False))
        return json_response(_conversation(made), status=201)

    async def conversation(self, request: Request) -> Response:
        """Read one, rename it or delete it."""
        user_id = (await self._gate.enter(request.scope, Scope.CONVERSATIONS)).user_id
        conversation_id = _id(request)
        if request.method == "DELETE":
            await self._conversations.delete(user_id, conversation_id)
            return json_response({"id": conversation_id, "object": "conversation", "deleted": True})
        if request.method == "PATCH":
            title = _title(fit(parse(await self._body(request)), _RenameBody).title, required=True)
            return json_response(_conversation(await self._conversations.rename(user_id, conversation_id, title)))
        return json_response(_conversation(await self._conversations.get(user_id, conversation_id)))

    async def messages(self, request: Request) -> Response:
        """List one's messages, those of all branches, the oldest first."""
        user_id = (await self._gate.enter(request.scope, Scope.CONVERSATIONS)).user_id
        conversation_id = _id(request)
        page = await self._conversations.messages(user_id, conversation_id, queries.page(request.query_params))
        return page_response(page, _message)

    async def _body(self, request: Request) -> bytes:
        return await read(request.receive, request.headers, bytes_max=self._body_bytes_max)


def _id(request: Request) -> str:
    conversation_id: str = request.path_params["conversation_id"]
    if not is_id(conversation_id):
        raise wrong("conversation_id", "id")
    return conversation_id


def _title(title: str, *, required: bool) -> str:
    title = clean("title", title.strip())
    if required and not title:
        raise wrong("title", "empty")
    if len(title) > _TITLE_CHARACTERS_MAX:
        raise wrong("title", "too_long", limit=_TITLE_CHARACTERS_MAX)
    if any(character in title for character in "\t\r\n\x7f"):
        raise wrong("title", "characters")
    return title


def _conversation(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "object": "conversation",
        "title": conversation.title,
        "message_count": conversation.message_count,
        "newest_id": str(conversation.newest) if conversation.newest else None,
        "created_at": conversation.created_s,
        "updated_at": conversation.updated_s,
    }


def _message(message: ConversationMessage) -> dict[str, Any]:
    whole = {"message": msgspec.json.decode(message.json)} if message.json else {}
    return {
        "id": str(message.number),
        "object": "conversation.message",
        "parent_id": str(message.parent) if message.parent else None,
        "role": message.role.value,
        "content": message.content,
        "state": message.state or None,
        "model": message.model or None,
        "request_id": message.request_id or None,
        "created_at": message.created_s,
        **whole,
    }
