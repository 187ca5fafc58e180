"""Searches and appeals on the wire."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from queqiao.moderation.v1 import audit_pb2, moderation_pb2

from services.moderation.audit import convert
from services.moderation.audit.records import Filter, Position, Record, Refusal, text_sha256
from services.moderation.domain import Action, Direction, Layer
from services.moderation.errors import RefusalNotFoundError
from services.runtime.errors import InvalidRequestError


def refusal(refusal_id: int = 7, found_at: datetime = datetime(2026, 11, 1, tzinfo=UTC)) -> Refusal:
    record = Record(
        found_at=found_at,
        action=Action.REFERRED,
        direction=Direction.OUTPUT,
        layer=Layer.WECHAT,
        rule="keyword",
        label=20006,
        evasion="",
        start=3,
        end=9,
        text_sha256=bytes(range(32)),
        request_id="r",
        trace_id="ab" * 16,
        user_id="u",
        version="v.p",
    )
    return Refusal(refusal_id, record, None)


def appeal(**fields: str) -> audit_pb2.GrantAppealRequest:
    return audit_pb2.GrantAppealRequest(**{"refusal_id": "7", "phrase": "病毒", "author": "me"} | fields)


def test_a_search_says_what_it_looks_for() -> None:
    request = audit_pb2.ListRefusalsRequest(
        page_size=10,
        start_time=Timestamp(seconds=1),
        end_time=Timestamp(seconds=2),
        layer=moderation_pb2.LAYER_OPENAI,
        direction=audit_pb2.DIRECTION_INPUT,
        action=audit_pb2.ACTION_LOGGED,
        label=20002,
        user_id="u",
        request_id="r",
        text="原文",
        rule="sexual",
    )
    wanted, before, limit = convert.page(request)
    assert (before, limit) == (None, 10)
    assert wanted == Filter(
        start=datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
        end=datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC),
        layer=Layer.OPENAI,
        direction=Direction.INPUT,
        action=Action.LOGGED,
        label=20002,
        user_id="u",
        request_id="r",
        text_sha256=text_sha256("原文"),
        rule="sexual",
    )
    assert convert.page(audit_pb2.ListRefusalsRequest()) == (Filter(), None, 50)


def test_every_field_that_is_wrong_is_named() -> None:
    request = audit_pb2.ListRefusalsRequest(
        page_size=1_001, page_token="?", start_time=Timestamp(seconds=2**60), end_time=Timestamp(seconds=-(2**60))
    )
    request.MergeFromString(bytes([5 << 3, 99, 6 << 3, 99, 7 << 3, 99]))
    with pytest.raises(InvalidRequestError) as caught:
        convert.page(request)
    assert set(caught.value.fields) == {
        *("page_size", "page_token", "start_time", "end_time"),
        *("layer", "direction", "action"),
    }


@given(
    moment=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=8))]), min_value=datetime(1970, 1, 2)),  # noqa: DTZ001  # the zone is drawn
    number=st.integers(1, 2**63 - 1),
)
def test_a_page_token_leads_to_where_the_page_ended(moment: datetime, number: int) -> None:
    token = convert.next_page_token(refusal(number, moment))
    _, before, _ = convert.page(audit_pb2.ListRefusalsRequest(page_token=token))
    assert before == Position(moment, number)


@given(st.one_of(st.text(min_size=1), st.binary(min_size=1).map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        convert.page(audit_pb2.ListRefusalsRequest(page_token=token))
    assert set(caught.value.fields) == {"page_token"}


@pytest.mark.parametrize(
    "position", ["0001-01-01T00:00:00+08:00 1", "2026-11-01T00:00:00+00:00 0", "x 1", "1", "a b c"]
)
def test_a_token_of_no_position_is_refused(position: str) -> None:
    token = base64.urlsafe_b64encode(position.encode()).decode()
    with pytest.raises(InvalidRequestError):
        convert.page(audit_pb2.ListRefusalsRequest(page_token=token))


@pytest.mark.parametrize("value", ["", "0", "-1", "x", "７", "9" * 20, " 7"])
def test_what_looks_like_no_id_is_not_found(value: str) -> None:
    with pytest.raises(RefusalNotFoundError):
        convert.refusal_id(value)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"phrase": ""}, {"phrase"}),
        ({"phrase": "病" * 65}, {"phrase"}),
        ({"phrase": "病\n毒"}, {"phrase"}),
        ({"phrase": " 病毒"}, {"phrase"}),
        ({"author": ""}, {"author"}),
        ({"author": "a" * 65, "reason": "x" * 201}, {"author", "reason"}),
        ({"reason": "a\x00"}, {"reason"}),
    ],
)
def test_an_appeal_that_does_not_fit_is_refused(fields: dict[str, str], wrong: set[str]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        convert.appeal(appeal(**fields))
    assert set(caught.value.fields) == wrong


def test_an_appeal_that_fits_is_taken() -> None:
    assert convert.appeal(appeal(reason="医学")) == (7, "病毒", "me", "医学")


def test_a_refusal_is_told_whole() -> None:
    found = convert.refusal(refusal())
    assert found == audit_pb2.Refusal(
        refusal_id="7",
        create_time=Timestamp(seconds=1_793_491_200),
        action=audit_pb2.ACTION_REFERRED,
        direction=audit_pb2.DIRECTION_OUTPUT,
        layer=moderation_pb2.LAYER_WECHAT,
        rule="keyword",
        label=20006,
        start=3,
        end=9,
        text_sha256=bytes(range(32)).hex(),
        request_id="r",
        trace_id="ab" * 16,
        user_id="u",
        version="v.p",
    )
    assert not found.HasField("appeal_time")
