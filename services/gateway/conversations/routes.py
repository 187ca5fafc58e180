"""`/v1/conversations`: what users said and were answered."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from services.gateway.admission.gate import Gate
from services.gateway.conversations.client import ConversationClient
from services.gateway.conversations.domain import ConversationMessage
from services.gateway.conversations.export import Document, as_json, as_markdown, document
from services.gateway.conversations.schemas import ChangeBody, ConversationShape, CreateBody, MessageShape, RatingBody
from services.gateway.edge import queries
from services.gateway.edge.body import fit, parse, read, wrong
from services.gateway.edge.operations import PAGE, Operation, Parameter, id_in_path
from services.gateway.edge.pages import PageRequest
from services.gateway.edge.responses import json_response, page_response
from services.gateway.edge.schemas import Deleted, PageOf
from services.gateway.edge.texts import clean
from services.gateway.identity.domain import Scope
from services.gateway.identity.ids import is_id, is_message_id
from services.gateway.policy.view import Views

_TITLE_CHARACTERS_MAX = 100
_QUERY_CHARACTERS_MAX = 64

_QUERY = Parameter(
    "query",
    "query",
    "What to look for; absent or blank: everything.",
    {"type": "string", "maxLength": _QUERY_CHARACTERS_MAX},
)

# What a document can be, and how long a conversation may be in it, in messages.
_MEDIA = {"markdown": "text/markdown", "json": "application/json", "pdf": "application/pdf"}
_EXPORTED_MAX = 5_000
_FORMAT = Parameter(
    "format", "query", "What to write.", {"type": "string", "enum": list(_MEDIA), "default": "markdown"}
)


class ConversationRoutes:
    """Conversations."""

    def __init__(
        self, gate: Gate, views: Views, conversations: ConversationClient, *, body_bytes_max: int, producer: str
    ) -> None:
        """Use these; `producer` answers for what is exported."""
        self._producer = producer
        self._gate = gate
        self._views = views
        self._conversations = conversations
        self._body_bytes_max = body_bytes_max

    def operations(self) -> Sequence[Operation]:
        """What is offered here."""
        one, path = (id_in_path("conversation_id", "The conversation's id."),), "/v1/conversations/{conversation_id}"
        offered = partial(Operation, tag="conversations", scope=Scope.CONVERSATIONS)
        gone = ("CONVERSATION_NOT_FOUND",)
        return (
            offered(
                "GET",
                "/v1/conversations",
                self.conversations,
                "List conversations, pinned ones first, then the last used; or find some",
                answer=PageOf[ConversationShape],
                parameters=(*PAGE, _QUERY),
                description="With `query`, those that have it in their title or in what was said, whatever its case.",
            ),
            offered(
                "POST",
                "/v1/conversations",
                self.conversations,
                "Make an empty conversation",
                answer=ConversationShape,
                status=201,
                body=CreateBody,
                errors=("REQUEST_CONFLICT",),
                description="Not needed before a turn: a turn with a new `conversation_id` makes its conversation.",
            ),
            offered(
                "GET", path, self.conversation, "Look one up", answer=ConversationShape, parameters=one, errors=gone
            ),
            offered(
                "PATCH",
                path,
                self.conversation,
                "Rename one, or pin it",
                answer=ConversationShape,
                body=ChangeBody,
                parameters=one,
                errors=gone,
                examples=(("pin it", {"pinned": True}), ("rename it", {"title": "鹊桥"})),
            ),
            offered("DELETE", path, self.conversation, "Delete one", answer=Deleted, parameters=one, errors=gone),
            offered(
                "GET",
                f"{path}/messages",
                self.messages,
                "List the messages of all branches, the oldest first",
                answer=PageOf[MessageShape],
                parameters=(*one, *PAGE),
                errors=gone,
            ),
            offered(
                "PUT",
                f"{path}/messages/{{message_id}}/rating",
                self.rating,
                "Rate an answer, or take its rating back",
                answer=MessageShape,
                body=RatingBody,
                parameters=(*one, Parameter("message_id", "path", "The answer's id.", {"type": "string"})),
                errors=("MESSAGE_NOT_FOUND",),
                examples=(("a good answer", {"rating": "up"}), ("on second thoughts", {"rating": None})),
            ),
            offered(
                "GET",
                f"{path}/export",
                self.export,
                "Write the newest branch down, with the AI label",
                parameters=(*one, _FORMAT),
                errors=gone,
                media=(("text/markdown", "Markdown"), ("application/json", "JSON"), ("application/pdf", "PDF")),
            ),
        )

    async def conversations(self, request: Request) -> Response:
        """List them, find some, or make one."""
        admitted = await self._gate.enter(request.scope, Scope.CONVERSATIONS)
        user_id = admitted.user_id
        if request.method != "POST":
            wanted, query = queries.search(request.query_params, characters_max=_QUERY_CHARACTERS_MAX)
            if not query:
                return page_response(await self._conversations.page(user_id, wanted), ConversationShape.of)
            view = await self._views.of(request.headers, admitted)
            found = await self._conversations.search(user_id, query, wanted)
            return page_response(found, partial(ConversationShape.found, view=view))
        asked = fit(parse(await self._body(request) or b"{}"), CreateBody)
        if asked.id and not is_id(asked.id):
            raise wrong("id", "id")
        made = await self._conversations.create(user_id, asked.id, _title(asked.title, required=False))
        return json_response(ConversationShape.of(made), status=201)

    async def conversation(self, request: Request) -> Response:
        """Read one, rename it, pin it or delete it."""
        user_id = (await self._gate.enter(request.scope, Scope.CONVERSATIONS)).user_id
        conversation_id = _id(request)
        if request.method == "DELETE":
            await self._conversations.delete(user_id, conversation_id)
            return json_response(Deleted(conversation_id, "conversation"))
        if request.method == "PATCH":
            asked = fit(parse(await self._body(request)), ChangeBody)
            if asked.title is None and asked.pinned is None:
                raise wrong("title", "missing")
            title = None if asked.title is None else _title(asked.title, required=True)
            changed = await self._conversations.change(user_id, conversation_id, title=title, pinned=asked.pinned)
            return json_response(ConversationShape.of(changed))
        return json_response(ConversationShape.of(await self._conversations.get(user_id, conversation_id)))

    async def messages(self, request: Request) -> Response:
        """List one's messages, those of all branches, the oldest first."""
        admitted = await self._gate.enter(request.scope, Scope.CONVERSATIONS)
        user_id, view = admitted.user_id, await self._views.of(request.headers, admitted)
        conversation_id = _id(request)
        page = await self._conversations.messages(user_id, conversation_id, queries.page(request.query_params))
        return page_response(page, partial(MessageShape.of, view=view))

    async def rating(self, request: Request) -> Response:
        """Rate an answer."""
        admitted = await self._gate.enter(request.scope, Scope.CONVERSATIONS)
        conversation_id, message_id = _id(request), request.path_params["message_id"]
        if not is_message_id(message_id):
            raise wrong("message_id", "message_id")
        rating = fit(parse(await self._body(request)), RatingBody).rating
        view = await self._views.of(request.headers, admitted)
        rated = await self._conversations.rate(admitted.user_id, conversation_id, int(message_id), rating)
        return json_response(MessageShape.of(rated, view))

    async def export(self, request: Request) -> Response:
        """One as a document to keep: Markdown, JSON or PDF."""
        admitted = await self._gate.enter(request.scope, Scope.CONVERSATIONS)
        view = await self._views.of(request.headers, admitted)
        conversation_id, wanted = _id(request), queries.choice(request.query_params, "format", tuple(_MEDIA))
        conversation = await self._conversations.get(admitted.user_id, conversation_id)
        messages = await self._all_messages(admitted.user_id, conversation_id)
        found = document(conversation, messages, view, self._producer)
        if wanted == "json":
            written = as_json(found)
        elif wanted == "pdf":
            written = await asyncio.to_thread(_as_pdf, found, view.speakers)
        else:
            written = as_markdown(found, view.speakers)
        name = f"{conversation_id}.{'md' if wanted == 'markdown' else wanted}"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(written, headers=headers, media_type=_MEDIA[wanted])

    async def _all_messages(self, user_id: str, conversation_id: str) -> list[ConversationMessage]:
        """The messages of all branches, of a very long conversation the first ones."""
        messages: list[ConversationMessage] = []
        after = ""
        while len(messages) < _EXPORTED_MAX:
            page = await self._conversations.messages(user_id, conversation_id, PageRequest(100, after))
            messages += page.items
            after = page.next_cursor
            if not after:
                break
        return messages

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


def _as_pdf(document: Document, names: Mapping[str, str]) -> bytes:
    # Imported late: reportlab is half a second and thirty megabytes that few processes ever need.
    from services.gateway.conversations.pdf import as_pdf

    return as_pdf(document, names)
