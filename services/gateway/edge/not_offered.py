"""Paths of OpenAI's API that are not offered: whoever asks is told so in a sentence."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from services.gateway.errors import NotOfferedError

_PATHS = (
    "assistants",
    "audio",
    "batches",
    "completions",
    "containers",
    "embeddings",
    "evals",
    "files",
    "fine_tuning",
    "images",
    "realtime",
    "responses",
    "threads",
    "uploads",
    "vector_stores",
    "videos",
)
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def routes() -> list[BaseRoute]:
    """The paths, and all below them."""
    return [
        Route(path, _refuse, methods=_METHODS)
        for name in _PATHS
        for path in (f"/v1/{name}", f"/v1/{name}/{{rest:path}}")
    ]


async def _refuse(request: Request) -> Response:
    raise NotOfferedError("This part of OpenAI's API is not offered.", metadata={"path": request.url.path[:64]})
