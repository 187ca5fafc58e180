"""Protos of the learned layer to the domain and back; a request that does not fit is refused here, field by field."""

from collections.abc import Mapping, Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from queqiao.moderation.v1 import screener_pb2

from services.moderation.learned.library import WeightsInfo
from services.moderation.learned.model import Screener
from services.moderation.learned.samples import Sample
from services.moderation.lists import convert
from services.moderation.lists.domain import Signature, Version
from services.runtime.errors import InvalidRequestError

_AUTHOR_CHARACTERS_MAX = 64
_REASON_CHARACTERS_MAX = 200
_TEXTS_MAX = 10_000
_PAGE_DEFAULT, _PAGE_MAX = 50, 1_000
_LIMIT_DEFAULT, _LIMIT_MAX = 2_000, 5_000


def screener(screener: Screener, info: WeightsInfo, problem: str) -> screener_pb2.GetScreenerResponse:
    """What is in force."""
    loaded = Timestamp()
    loaded.FromDatetime(info.loaded_at)
    return screener_pb2.GetScreenerResponse(
        version=screener.version,
        stored_version=info.stored_version,
        about=screener.weights.about,
        content=info.content,
        load_time=loaded,
        problem=problem,
    )


def signature(request: screener_pb2.PutWeightsRequest | screener_pb2.RestoreWeightsRequest) -> Signature:
    """Who changes weights, and why.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    wrong: dict[str, str] = {}
    for field, low, high in (("author", 1, _AUTHOR_CHARACTERS_MAX), ("reason", 0, _REASON_CHARACTERS_MAX)):
        value = getattr(request, field)
        if not (low <= len(value) <= high and value.isprintable()):
            wrong[field] = f"must be {low} to {high} printable characters"
    _refuse(wrong)
    return Signature(request.author, request.reason)


def texts(request: screener_pb2.PutWeightsRequest) -> Sequence[str]:
    """The texts to try weights on.

    Raises:
        InvalidRequestError: There are too many.
    """
    _refuse({"texts": f"must be at most {_TEXTS_MAX:,}"} if len(request.texts) > _TEXTS_MAX else {})
    return request.texts


def page(request: screener_pb2.ListWeightsVersionsRequest) -> tuple[int | None, int]:
    """Before which version, and how many.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    wrong: dict[str, str] = {}
    if not 0 <= request.page_size <= _PAGE_MAX:
        wrong["page_size"] = f"must be 1 to {_PAGE_MAX:,}, or 0 for {_PAGE_DEFAULT}"
    if request.page_token and not (request.page_token.isascii() and request.page_token.isdecimal()):
        wrong["page_token"] = "must be the next_page_token of the page before"  # noqa: S105  # no password
    _refuse(wrong)
    before = min(int(request.page_token), 2**63 - 1) if request.page_token else None
    return before, request.page_size or _PAGE_DEFAULT


def versions(found: Sequence[Version], limit: int) -> screener_pb2.ListWeightsVersionsResponse:
    """A page of versions, of which one more than `limit` tells that there is another page."""
    token = str(found[limit - 1].number) if len(found) > limit else ""
    return screener_pb2.ListWeightsVersionsResponse(versions=map(convert.version, found[:limit]), next_page_token=token)


def limit(request: screener_pb2.ListTrainingTextsRequest) -> int:
    """How many refusals to look through.

    Raises:
        InvalidRequestError: It is out of range.
    """
    if not 0 <= request.limit <= _LIMIT_MAX:
        _refuse({"limit": f"must be 1 to {_LIMIT_MAX:,}, or 0 for {_LIMIT_DEFAULT:,}"})
    return request.limit or _LIMIT_DEFAULT


def training_texts(samples: Sequence[Sample], bytes_max: int) -> screener_pb2.ListTrainingTextsResponse:
    """Kept texts, the first ones that fit."""
    response = screener_pb2.ListTrainingTextsResponse()
    room = bytes_max
    for sample in samples:
        room -= len(sample.text.encode()) + 16
        if room < 0:
            break
        response.texts.add(label=sample.label, text=sample.text)
    return response


def _refuse(wrong: Mapping[str, str]) -> None:
    if wrong:
        field, why = next(iter(wrong.items()))
        raise InvalidRequestError(f"{field} {why}.", fields=wrong)
