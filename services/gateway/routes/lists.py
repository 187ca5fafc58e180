"""Lists in OpenAI's shape."""

from collections.abc import Callable
from typing import Any, TypeVar

from starlette.responses import Response

from services.gateway.domain import Page
from services.gateway.routes.json_response import json_response

ItemT = TypeVar("ItemT")


def page_response(page: Page[ItemT], shape: Callable[[ItemT], dict[str, Any]]) -> Response:
    """A page of a list; `next_cursor` is what to send as `after`, null at the end."""
    return json_response(
        {
            "object": "list",
            "data": [shape(item) for item in page.items],
            "has_more": bool(page.next_cursor),
            "next_cursor": page.next_cursor or None,
        }
    )
