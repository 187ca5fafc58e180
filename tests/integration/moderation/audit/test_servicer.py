"""AuditService over real gRPC."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from queqiao.moderation.v1 import audit_pb2, audit_pb2_grpc, moderation_pb2

from services.moderation.audit.store import RefusalStore
from services.moderation.domain import Layer
from services.runtime.channels import Peer
from services.runtime.errors import RemoteError
from services.runtime.trace import Telemetry
from tests.fakes.audit import MemoryAllowing
from tests.integration.moderation.audit.conftest import BEGIN, finding, no_connections, written


class Audit:
    """A client of the service."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._stub = audit_pb2_grpc.AuditServiceStub(peer.channel)

    async def list(self, request: audit_pb2.ListRefusalsRequest) -> audit_pb2.ListRefusalsResponse:
        return await self._peer.unary(self._stub.ListRefusals, request, timeout_s=5)

    async def get(self, refusal_id: str) -> audit_pb2.GetRefusalResponse:
        request = audit_pb2.GetRefusalRequest(refusal_id=refusal_id)
        return await self._peer.unary(self._stub.GetRefusal, request, timeout_s=5)

    async def appeal(self, refusal_id: str, phrase: str) -> int:
        request = audit_pb2.GrantAppealRequest(refusal_id=refusal_id, phrase=phrase, author="me", reason="医学")
        return (await self._peer.unary(self._stub.GrantAppeal, request, timeout_s=5)).stored_version

    async def newest(self) -> audit_pb2.Refusal:
        return (await self.list(audit_pb2.ListRefusalsRequest(page_size=1))).refusals[0]


@pytest.fixture
async def audit(target: str) -> AsyncIterator[Audit]:
    peer = Peer("moderation", target, Telemetry(None))
    yield Audit(peer)
    await peer.close()


async def test_refusals_are_listed_page_by_page(audit: Audit, store: RefusalStore) -> None:
    await written(store, [finding(n) for n in range(5)])
    request = audit_pb2.ListRefusalsRequest(page_size=2)
    pages = []
    while True:
        response = await audit.list(request)
        pages.append([refusal.request_id for refusal in response.refusals])
        if not response.next_page_token:
            break
        request.page_token = response.next_page_token
    assert pages == [["r4", "r3"], ["r2", "r1"], ["r0"]]
    full = await audit.list(audit_pb2.ListRefusalsRequest(page_size=5))
    assert (len(full.refusals), full.next_page_token) == (5, "")


async def test_a_text_is_found_by_itself_and_shown_only_when_asked_for(audit: Audit, store: RefusalStore) -> None:
    await written(store, [finding(0), finding(1, text="我在研究毒品的危害", start=4, end=6), finding(2)])
    (found,) = (await audit.list(audit_pb2.ListRefusalsRequest(text="我在研究毒品的危害"))).refusals
    assert (found.request_id, found.start, found.end, found.layer) == ("r1", 4, 6, moderation_pb2.LAYER_LEXICON)
    assert "研究" not in str(found)
    response = await audit.get(found.refusal_id)
    assert response.refusal == found
    assert response.text == "我在研究毒品的危害"
    assert not (await audit.list(audit_pb2.ListRefusalsRequest(text="我在研究毒品"))).refusals


async def test_a_span_of_time_ends_before_its_end(audit: Audit, store: RefusalStore) -> None:
    await written(store, [finding(n) for n in range(4)])
    start, end = Timestamp(), Timestamp()
    start.FromDatetime(BEGIN + timedelta(seconds=1))
    end.FromDatetime(BEGIN + timedelta(seconds=3))
    response = await audit.list(audit_pb2.ListRefusalsRequest(start_time=start, end_time=end))
    assert [refusal.request_id for refusal in response.refusals] == ["r2", "r1"]


async def test_what_does_not_fit_is_named(audit: Audit) -> None:
    with pytest.raises(RemoteError) as caught:
        await audit.list(audit_pb2.ListRefusalsRequest(page_size=-1, page_token="x"))
    assert (caught.value.wire_reason, set(caught.value.fields)) == ("INVALID_REQUEST", {"page_size", "page_token"})
    for unknown in ("", "1", "x", "9" * 19, "9" * 30):
        with pytest.raises(RemoteError) as caught:
            await audit.get(unknown)
        assert caught.value.wire_reason == "REFUSAL_NOT_FOUND"


async def test_an_appeal_allows_the_phrase_and_marks_the_refusal_once(
    audit: Audit, store: RefusalStore, allowing: MemoryAllowing
) -> None:
    await written(store, [finding(0, text="学习毒品预防知识", rule="毒品", start=2, end=4)])
    refusal = await audit.newest()
    assert not refusal.HasField("appeal_time")
    assert await audit.appeal(refusal.refusal_id, "毒品预防") == 1
    marked = await audit.newest()
    assert marked.HasField("appeal_time")
    assert await audit.appeal(refusal.refusal_id, "毒品预防") == 1
    assert await audit.newest() == marked
    assert allowing.granted == [("毒品预防", "me", "医学")]


async def test_an_appeal_for_something_else_allows_nothing(
    audit: Audit, store: RefusalStore, allowing: MemoryAllowing
) -> None:
    await written(store, [finding(0, text="学习毒品预防知识", rule="毒品")])
    refusal = await audit.newest()
    for phrase in ("学习", "毒品种类", ""):
        with pytest.raises(RemoteError) as caught:
            await audit.appeal(refusal.refusal_id, phrase)
        assert (caught.value.wire_reason, set(caught.value.fields)) == ("INVALID_REQUEST", {"phrase"})
    with pytest.raises(RemoteError) as caught:
        await audit.appeal("999999", "毒品预防")
    assert caught.value.wire_reason == "REFUSAL_NOT_FOUND"
    assert not allowing.granted
    assert not (await audit.newest()).HasField("appeal_time")


async def test_an_appeal_against_a_remote_layer_is_impossible(
    audit: Audit, store: RefusalStore, allowing: MemoryAllowing
) -> None:
    await written(store, [finding(0, layer=Layer.WECHAT, rule="keyword", evasion="")])
    with pytest.raises(RemoteError) as caught:
        await audit.appeal((await audit.newest()).refusal_id, "毒品")
    assert caught.value.wire_reason == "APPEAL_IMPOSSIBLE"
    assert not allowing.granted


async def test_an_audit_that_is_away_says_so_and_no_more(audit: Audit, postgres_url: str, database_url: str) -> None:
    async with no_connections(postgres_url, database_url):
        for asked in (audit.list(audit_pb2.ListRefusalsRequest()), audit.get("1"), audit.appeal("1", "毒品")):
            with pytest.raises(RemoteError) as caught:
                await asked
            assert caught.value.wire_reason == "SERVICE_UNAVAILABLE"
            assert caught.value.retry_after_s
            assert "audit" in caught.value.message
