"""What the public API offers: each operation once, for the router and for its OpenAPI document."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from services.gateway.identity.domain import Scope


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something that a request says outside of its body; `schema` is a JSON schema."""

    name: str
    where: Literal["path", "query", "header"]
    description: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})
    example: object = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    Attributes:
        method: GET, POST, PUT, PATCH or DELETE; a GET answers HEAD, too.
        path: Template of the path, in Starlette's words.
        endpoint: Answers it: the same for all methods of a path.
        summary: One line.
        tag: The feature that it belongs to.
        answer: The type of the JSON that it answers; None when it answers something else.
        status: Of a success.
        scope: What an API key must be for; None when nobody needs to log in.
        body: The type of the JSON that it reads; None when it reads none.
        parameters: What else it reads.
        errors: Reasons that it fails for, beyond those that all operations share.
        description: What a summary has no place for.
        media: Media types of the answer, where it is not only JSON: a description for each.
        examples: Bodies of requests, by name.
    """

    method: str
    path: str
    endpoint: Callable[..., Any]
    summary: str
    tag: str
    answer: Any = None
    status: int = 200
    scope: Scope | None = None
    body: Any = None
    parameters: Sequence[Parameter] = ()
    errors: Sequence[str] = ()
    description: str = ""
    media: Sequence[tuple[str, str]] = ()
    examples: Sequence[tuple[str, object]] = ()


_ID = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}


def id_in_path(name: str, description: str) -> Parameter:
    """An id that is part of the path."""
    return Parameter(name, "path", description, _ID)


PAGE = (
    Parameter(
        "limit", "query", "At most so many items.", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    ),
    Parameter(
        "after",
        "query",
        "The `next_cursor` of the page before; absent for the first.",
        {"type": "string", "pattern": "^[!-~]{1,512}$"},
    ),
)
PERIOD = (
    Parameter("start", "query", "First day, UTC+8; 30 days ago by default.", {"type": "string", "format": "date"}),
    Parameter("end", "query", "Last day, UTC+8; today by default.", {"type": "string", "format": "date"}),
)
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "header",
    "The same key with the same request does it once.",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
)
