"""Headers that somebody on the way adds to the answer of a request, whoever answers it."""

from collections.abc import Mapping

from starlette.types import Scope

_KEY = "response_headers"


def add_headers(request: Scope, headers: Mapping[str, str]) -> None:
    """Let the answer to this request carry these, too."""
    request["state"].setdefault(_KEY, {}).update(headers)


def added_headers(request: Scope) -> list[tuple[bytes, bytes]]:
    """What was added, in ASGI's form."""
    added: Mapping[str, str] = request["state"].get(_KEY, {})
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in added.items()]
