"""The moderation service, over real gRPC, with judgements that a test put in."""

from dataclasses import dataclass, field
from typing import Any

from queqiao.moderation.v1 import moderation_pb2, moderation_pb2_grpc

from services.runtime.errors import ServiceError


@dataclass
class FakeModeration(moderation_pb2_grpc.ModerationServiceServicer):
    """Finds in each text what `found` says, and nothing in others; keeps what it was asked.

    `trouble` is raised in place of every answer; `forgets` answers without the last text's result.
    """

    found: dict[str, moderation_pb2.ModerationResult] = field(default_factory=dict)
    trouble: ServiceError | None = None
    forgets: bool = False
    requests: list[moderation_pb2.ModerateRequest] = field(default_factory=list)

    def reset(self) -> None:
        """Be as new."""
        # The gateway asks for a part of the service alone; the generated base refuses the rest.
        vars(self).update(vars(FakeModeration()))  # type: ignore[abstract]

    async def Moderate(  # noqa: N802  # gRPC's spelling
        self, request: moderation_pb2.ModerateRequest, context: Any
    ) -> moderation_pb2.ModerateResponse:
        self.requests.append(request)
        if self.trouble is not None:
            raise self.trouble
        results = [self.found.get(text, moderation_pb2.ModerationResult()) for text in request.texts]
        return moderation_pb2.ModerateResponse(results=results[:-1] if self.forgets else results)
