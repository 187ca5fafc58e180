"""JSON answers."""

from typing import Any

import msgspec
from starlette.responses import Response


def json_response(value: Any, *, status: int = 200) -> Response:
    """An answer that nobody on the way may keep: it belongs to one user and one moment."""
    return Response(
        msgspec.json.encode(value),
        status,
        {"cache-control": "no-store"},
        media_type="application/json",
    )
