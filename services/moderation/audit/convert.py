"""The audit to protos and back; a request that does not fit is refused here, field by field."""

import base64
import binascii
import re
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from queqiao.moderation.v1 import audit_pb2, moderation_pb2

from services.moderation.audit.records import Filter, Position, Refusal, name, text_sha256
from services.moderation.domain import Action, Direction, Layer
from services.moderation.errors import RefusalNotFoundError
from services.moderation.lexicon.entries import WORD_CHARACTERS_MAX
from services.runtime.errors import InvalidRequestError

_PAGE_DEFAULT, _PAGE_MAX = 50, 1_000
_AUTHOR_CHARACTERS_MAX = 64
_REASON_CHARACTERS_MAX = 200
_ID = re.compile(r"[1-9][0-9]{0,18}")

_LAYERS = {
    Layer.LEXICON: moderation_pb2.LAYER_LEXICON,
    Layer.LEARNED: moderation_pb2.LAYER_LEARNED,
    Layer.WECHAT: moderation_pb2.LAYER_WECHAT,
    Layer.OPENAI: moderation_pb2.LAYER_OPENAI,
}
_DIRECTIONS = {Direction.INPUT: audit_pb2.DIRECTION_INPUT, Direction.OUTPUT: audit_pb2.DIRECTION_OUTPUT}
_ACTIONS = {
    Action.REFUSED: audit_pb2.ACTION_REFUSED,
    Action.REFERRED: audit_pb2.ACTION_REFERRED,
    Action.LOGGED: audit_pb2.ACTION_LOGGED,
}
# What is not set does not narrow.
_WANTED_LAYERS = {number: layer for layer, number in _LAYERS.items()}
_WANTED_DIRECTIONS = {number: direction for direction, number in _DIRECTIONS.items()}
_WANTED_ACTIONS = {number: action for action, number in _ACTIONS.items()}


class _Wrong(dict[str, str]):
    """What is wrong with a request, by field."""

    def check(self, field: str, *, ok: bool, why: str) -> None:
        if not ok:
            self[field] = why

    def demand(self) -> None:
        if self:
            field, why = next(iter(self.items()))
            raise InvalidRequestError(f"{field} {why}.", fields=self)


def page(request: audit_pb2.ListRefusalsRequest) -> tuple[Filter, Position | None, int]:
    """What is looked for, from before which position on, and how many.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
    """
    wrong = _Wrong()
    wrong.check("page_size", ok=0 <= request.page_size <= _PAGE_MAX, why=f"must be 0 to {_PAGE_MAX}")
    for field, known in (("layer", _WANTED_LAYERS), ("direction", _WANTED_DIRECTIONS), ("action", _WANTED_ACTIONS)):
        number = getattr(request, field)
        wrong.check(field, ok=not number or number in known, why="is not one that the protos name")
    before = _position(wrong, request.page_token) if request.page_token else None
    wanted = Filter(
        start=_moment(wrong, "start_time", request.start_time) if request.HasField("start_time") else None,
        end=_moment(wrong, "end_time", request.end_time) if request.HasField("end_time") else None,
        layer=_WANTED_LAYERS.get(request.layer),
        direction=_WANTED_DIRECTIONS.get(request.direction),
        action=_WANTED_ACTIONS.get(request.action),
        label=request.label,
        user_id=name(request.user_id),
        request_id=name(request.request_id),
        text_sha256=text_sha256(request.text) if request.text else None,
        rule=name(request.rule),
    )
    wrong.demand()
    return wanted, before, request.page_size or _PAGE_DEFAULT


def next_page_token(last: Refusal) -> str:
    """Where a page ended."""
    position = f"{last.record.found_at.isoformat()} {last.refusal_id}"
    return base64.urlsafe_b64encode(position.encode()).decode()


def refusal_id(value: str) -> int:
    """A refusal's id.

    Raises:
        RefusalNotFoundError: No refusal has an id that looks like this.
    """
    if not _ID.fullmatch(value):
        raise RefusalNotFoundError("There is no refusal of this id: ids are numbers, as the list of refusals says.")
    return int(value)


def appeal(request: audit_pb2.GrantAppealRequest) -> tuple[int, str, str, str]:
    """Refusal's id, phrase, author and reason.

    Raises:
        InvalidRequestError: `fields` names everything that is wrong.
        RefusalNotFoundError: No refusal has an id that looks like this.
    """
    wrong = _Wrong()
    for field, low, high in (
        ("phrase", 1, WORD_CHARACTERS_MAX),
        ("author", 1, _AUTHOR_CHARACTERS_MAX),
        ("reason", 0, _REASON_CHARACTERS_MAX),
    ):
        value = getattr(request, field)
        ok = low <= len(value) <= high and value.isprintable()
        wrong.check(field, ok=ok, why=f"must be {low} to {high} printable characters")
    wrong.check("phrase", ok=request.phrase == request.phrase.strip(), why="must not begin or end with a space")
    wrong.demand()
    return refusal_id(request.refusal_id), request.phrase, request.author, request.reason


def refusal(found: Refusal) -> audit_pb2.Refusal:
    """A refusal on the wire."""
    record = found.record
    return audit_pb2.Refusal(
        refusal_id=str(found.refusal_id),
        create_time=_timestamp(record.found_at),
        action=_ACTIONS[record.action],
        direction=_DIRECTIONS[record.direction],
        layer=_LAYERS[record.layer],
        rule=record.rule,
        label=record.label,
        evasion=record.evasion,
        start=record.start,
        end=record.end,
        text_sha256=record.text_sha256.hex(),
        request_id=record.request_id,
        trace_id=record.trace_id,
        user_id=record.user_id,
        version=record.version,
        appeal_time=_timestamp(found.appealed_at) if found.appealed_at is not None else None,
        score=record.score,
        grams=record.grams,
    )


def _position(wrong: _Wrong, token: str) -> Position | None:
    try:
        moment, number = base64.urlsafe_b64decode(token.encode()).decode().split(" ")
        if _ID.fullmatch(number):
            # Of our own tokens none has a year that overflows, nor a time without a zone.
            return Position(datetime.fromisoformat(moment).astimezone(UTC), min(int(number), 2**63 - 1))
    except (binascii.Error, ValueError, OverflowError):
        pass
    wrong["page_token"] = "must be the next_page_token of the page before"  # noqa: S105  # no password
    return None


def _moment(wrong: _Wrong, field: str, timestamp: Timestamp) -> datetime | None:
    try:
        return timestamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        wrong[field] = "must be a time of the years 1 to 9999"
        return None


def _timestamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
