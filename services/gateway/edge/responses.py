"""JSON answers, and lists in OpenAI's shape."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from starlette.responses import Response

from services.gateway.edge.pages import Page
from services.gateway.edge.schemas import PageOf

ItemT = TypeVar("ItemT")


def json_response(value: Any, *, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def page_response(page: Page[ItemT], shape: Callable[[ItemT], msgspec.Struct]) -> Response:
    """A page of a list."""
    data = [shape(item) for item in page.items]
    return json_response(PageOf(data, bool(page.next_cursor), page.next_cursor or None))
