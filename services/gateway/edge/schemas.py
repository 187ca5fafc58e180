"""Shapes that all features share, as the public API and its OpenAPI document know them."""

from typing import Generic, Literal, TypeVar

import msgspec

ItemT = TypeVar("ItemT")


class PageOf(msgspec.Struct, Generic[ItemT]):
    """A page of a list."""

    data: list[ItemT]
    has_more: bool
    # What to send as `after` for the next page; null at the end.
    next_cursor: str | None
    object: Literal["list"] = "list"


class ListOf(msgspec.Struct, Generic[ItemT]):
    """A whole list."""

    data: list[ItemT]
    object: Literal["list"] = "list"


class Deleted(msgspec.Struct):
    """What was deleted."""

    id: str
    object: str
    deleted: bool = True


class ErrorDetail(msgspec.Struct):
    """What went wrong, in the user's language; `param` names the first wrong field."""

    message: str
    type: str
    code: str
    param: str | None


class Refusal(msgspec.Struct):
    """A refusal by moderation: what to do with what was shown (block, retract), who refuses, for which label."""

    action: str
    layer: str | None
    label: int | None


class ErrorBody(msgspec.Struct):
    """An error in OpenAI's shape; `moderation` stands beside it when moderation refuses."""

    error: ErrorDetail
    moderation: Refusal | msgspec.UnsetType = msgspec.UNSET
