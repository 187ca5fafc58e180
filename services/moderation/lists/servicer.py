"""LexiconService over gRPC: a translator between the wire and the lists."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from queqiao.moderation.v1 import lexicon_pb2, lexicon_pb2_grpc

from services.moderation.errors import InvalidListError
from services.moderation.learned.judging import LearnedLayer
from services.moderation.lexicon.findings import Match
from services.moderation.lexicon.judging import Judged, judge
from services.moderation.lexicon.lexicon import Lexicon
from services.moderation.lists import convert
from services.moderation.lists.editing import ListEditor
from services.moderation.lists.library import Library
from services.moderation.lists.store import ListStore

# gRPC sends errors in a trailer of at most 8 KiB, in Base64 and beside the sentence.
_COMPLAINTS_BYTES_MAX = 4_000


class LexiconServicer(lexicon_pb2_grpc.LexiconServiceServicer):
    """Answers lexicon.proto."""

    def __init__(self, library: Library, store: ListStore, editor: ListEditor, learned: LearnedLayer) -> None:
        """Use these."""
        self._learned = learned
        self._library = library
        self._store = store
        self._editor = editor

    async def GetLexicon(  # noqa: N802  # gRPC's spelling, here and below
        self, request: lexicon_pb2.GetLexiconRequest, context: Any
    ) -> lexicon_pb2.GetLexiconResponse:
        """What is in force in this replica."""
        return convert.lexicon(self._library.info, self._library.problem)

    async def PutList(  # noqa: N802
        self, request: lexicon_pb2.PutListRequest, context: Any
    ) -> lexicon_pb2.PutListResponse:
        """Store a list, or try it out."""
        form, by = convert.put(request)
        with _fitting():
            return convert.report(await self._editor.put(request.name, form, request.content, request.texts, by))

    async def GetList(  # noqa: N802
        self, request: lexicon_pb2.GetListRequest, context: Any
    ) -> lexicon_pb2.GetListResponse:
        """A stored list as it was put."""
        return convert.stored_list(await self._store.get(convert.name(request.name)))

    async def DeleteList(  # noqa: N802
        self, request: lexicon_pb2.DeleteListRequest, context: Any
    ) -> lexicon_pb2.DeleteListResponse:
        """Remove a stored list."""
        return lexicon_pb2.DeleteListResponse(stored_version=await self._store.delete(*convert.deletion(request)))

    async def AddEntries(  # noqa: N802
        self, request: lexicon_pb2.AddEntriesRequest, context: Any
    ) -> lexicon_pb2.AddEntriesResponse:
        """Add entries one by one."""
        with _fitting():
            version = await self._editor.add(*convert.added(request))
        return lexicon_pb2.AddEntriesResponse(stored_version=version)

    async def RemoveEntries(  # noqa: N802
        self, request: lexicon_pb2.RemoveEntriesRequest, context: Any
    ) -> lexicon_pb2.RemoveEntriesResponse:
        """Remove entries that were added one by one."""
        with _fitting():
            version = await self._editor.remove(*convert.removed(request))
        return lexicon_pb2.RemoveEntriesResponse(stored_version=version)

    async def ListVersions(  # noqa: N802
        self, request: lexicon_pb2.ListVersionsRequest, context: Any
    ) -> lexicon_pb2.ListVersionsResponse:
        """A page of what changed."""
        before, limit = convert.page(request)
        # One more than asked for tells whether there is a page after this one.
        found = await self._store.versions(before=before, limit=limit + 1)
        token = str(found[limit - 1].number) if len(found) > limit else ""
        return lexicon_pb2.ListVersionsResponse(versions=map(convert.version, found[:limit]), next_page_token=token)

    async def RestoreVersion(  # noqa: N802
        self, request: lexicon_pb2.RestoreVersionRequest, context: Any
    ) -> lexicon_pb2.RestoreVersionResponse:
        """Return to an earlier state."""
        version = await self._store.restore(*convert.restoration(request))
        return lexicon_pb2.RestoreVersionResponse(stored_version=version)

    async def ExplainText(  # noqa: N802
        self, request: lexicon_pb2.ExplainTextRequest, context: Any
    ) -> lexicon_pb2.ExplainTextResponse:
        """Everything that is found in a text, and what the learned layer says of it."""
        text = convert.text(request)
        # A long text full of words takes longer than other requests may wait.
        lexicon = self._library.current
        judged, matches = await asyncio.to_thread(_look, lexicon, text)
        scores = await asyncio.to_thread(self._learned.explain, lexicon, text)
        return convert.explanation(text, judged, matches, scores)


def _look(lexicon: Lexicon, text: str) -> tuple[Judged, list[Match]]:
    return judge(lexicon, text), lexicon.find(text)


@contextmanager
def _fitting() -> Iterator[None]:
    """Let a list's error through with as many complaints as a gRPC error has room for, the first ones."""
    try:
        yield
    except InvalidListError as error:
        room = _COMPLAINTS_BYTES_MAX
        fields: dict[str, str] = {}
        for field, why in error.fields.items():
            room -= len(field.encode()) + len(why.encode())
            if room >= 0:
                fields[field] = why
        raise InvalidListError(error.message, fields=fields) from None
