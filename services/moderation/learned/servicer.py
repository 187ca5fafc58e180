"""ScreenerService over gRPC: a translator between the wire and the weights."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from queqiao.moderation.v1 import screener_pb2, screener_pb2_grpc

from services.moderation.errors import TrainingNotAllowedError
from services.moderation.learned import convert
from services.moderation.learned.judging import LearnedLayer
from services.moderation.learned.labels import JudgedText, labelled
from services.moderation.learned.library import WeightsLibrary
from services.moderation.learned.model import Screener
from services.moderation.learned.store import WeightsStore
from services.moderation.ports import Lexicons, Panel

_RETAINED_TEXTS = 2_000

# gRPC carries 4 MiB unless told otherwise.
_RESPONSE_BYTES_MAX = 3_500_000


class KeptTexts(Protocol):
    """Texts that the audit keeps.

    Every method raises UnavailableError when the database does not answer.
    """

    async def recent(self, limit: int) -> list[str]:
        """The newest, each once."""
        ...

    async def judged_texts(self, limit: int) -> Sequence[JudgedText]:
        """Those of questions, with what was done about them, one a finding."""
        ...


class ScreenerServicer(screener_pb2_grpc.ScreenerServiceServicer):
    """Answers screener.proto."""

    def __init__(
        self,
        library: WeightsLibrary,
        store: WeightsStore,
        learned: LearnedLayer,
        lexicons: Lexicons,
        panel: Panel,
        kept: KeptTexts,
        *,
        allow_training: bool,
    ) -> None:
        """Use these; `allow_training` is the owner's consent that kept texts are handed out."""
        self._library = library
        self._store = store
        self._learned = learned
        self._lexicons = lexicons
        self._panel = panel
        self._kept = kept
        self._allow_training = allow_training

    async def GetScreener(  # noqa: N802  # gRPC's spelling, here and below
        self, request: screener_pb2.GetScreenerRequest, context: Any
    ) -> screener_pb2.GetScreenerResponse:
        """What is in force in this replica."""
        return convert.screener(self._library.current, self._library.info, self._library.problem)

    async def PutWeights(  # noqa: N802
        self, request: screener_pb2.PutWeightsRequest, context: Any
    ) -> screener_pb2.PutWeightsResponse:
        """Store weights, or try them out."""
        by = None if request.dry_run else convert.signature(request)
        new = await asyncio.to_thread(self._library.screener, request.content)
        tried = list(dict.fromkeys([*convert.texts(request), *await self._kept.recent(_RETAINED_TEXTS)]))
        before, after = await asyncio.gather(
            asyncio.to_thread(self._flagged, self._library.current, tried), asyncio.to_thread(self._flagged, new, tried)
        )
        stored = await self._store.put(request.content, by) if by is not None else 0
        return screener_pb2.PutWeightsResponse(
            stored_version=stored,
            version=new.version,
            texts=len(tried),
            flagged_before=before,
            flagged_after=after,
        )

    async def ListWeightsVersions(  # noqa: N802
        self, request: screener_pb2.ListWeightsVersionsRequest, context: Any
    ) -> screener_pb2.ListWeightsVersionsResponse:
        """A page of what changed."""
        before, limit = convert.page(request)
        return convert.versions(await self._store.versions(before=before, limit=limit + 1), limit)

    async def RestoreWeights(  # noqa: N802
        self, request: screener_pb2.RestoreWeightsRequest, context: Any
    ) -> screener_pb2.RestoreWeightsResponse:
        """Return to an earlier state."""
        version = await self._store.restore(request.stored_version, convert.signature(request))
        return screener_pb2.RestoreWeightsResponse(stored_version=version)

    async def ListTrainingTexts(  # noqa: N802
        self, request: screener_pb2.ListTrainingTextsRequest, context: Any
    ) -> screener_pb2.ListTrainingTextsResponse:
        """Kept texts and what they are.

        Raises:
            TrainingNotAllowedError: The owner has not said that they may be trained on.
        """
        if not self._allow_training:
            raise TrainingNotAllowedError(
                "Kept texts may not be trained on: turn SCREENER_LEARNS_FROM_AUDIT on once your users have agreed."
            )
        judged = await self._kept.judged_texts(convert.limit(request))
        return convert.training_texts(labelled(judged, remote=self._panel.judges_input), _RESPONSE_BYTES_MAX)

    def _flagged(self, screener: Screener, texts: Sequence[str]) -> int:
        lexicon = self._lexicons.current
        return sum(self._learned.flags(screener, lexicon, text) for text in texts)
