"""LexiconService over real gRPC."""

from collections.abc import AsyncIterator

import pytest
from queqiao.moderation.v1 import lexicon_pb2, lexicon_pb2_grpc

from services.runtime.channels import Peer
from services.runtime.errors import RemoteError
from services.runtime.trace import Telemetry
from tests.integration.moderation.lists.conftest import Replica


class Lexicon:
    """A client."""

    def __init__(self, target: str) -> None:
        self._peer = Peer("moderation", target, Telemetry(None))
        self.stub = lexicon_pb2_grpc.LexiconServiceStub(self._peer.channel)

    async def put(self, content: str | bytes, **other: object) -> lexicon_pb2.PutListResponse:
        fields: dict[str, object] = {
            "name": "mine",
            "format": lexicon_pb2.LIST_FORMAT_TXT,
            "content": content.encode() if isinstance(content, str) else content,
            "label": 20008,
            "tier": lexicon_pb2.TIER_BLOCK,
            "author": "clerk",
        }
        request = lexicon_pb2.PutListRequest(**fields | other)  # type: ignore[arg-type]  # fields of any kind
        return await self._peer.unary(self.stub.PutList, request, timeout_s=10)

    async def get(self, name: str = "mine") -> lexicon_pb2.GetListResponse:
        return await self._peer.unary(self.stub.GetList, lexicon_pb2.GetListRequest(name=name), timeout_s=5)

    async def close(self) -> None:
        await self._peer.close()


@pytest.fixture
async def lexicon(target: str) -> AsyncIterator[Lexicon]:
    client = Lexicon(target)
    yield client
    await client.close()


async def test_a_dry_run_says_what_would_be_refused_and_changes_nothing(lexicon: Lexicon, one: Replica) -> None:
    report = await lexicon.put("新词\n", dry_run=True, texts=["有新词", "有文件词", "平安"])
    assert (report.stored_version, report.entries, report.added, report.removed) == (0, 1, 1, 0)
    assert (report.trial.texts, report.trial.refused_before, report.trial.refused_after) == (3, 1, 2)
    (change,) = report.trial.changes
    assert (change.excerpt, change.refused, change.word) == ("有新词", True, "新词")
    assert one.library.info.stored_version == 0


async def test_a_list_is_stored_as_it_is_and_replaced(lexicon: Lexicon, one: Replica) -> None:
    first = await lexicon.put("新词\n# 注释\n")
    assert (first.stored_version, first.added, first.removed) == (1, 1, 0)
    assert (await lexicon.get()).content == "新词\n# 注释\n".encode()
    second = await lexicon.put("别的词\n新词\n")
    assert (second.stored_version, second.added, second.removed) == (2, 1, 0)
    await one.until(lambda: one.refuses("别的词"))


@pytest.mark.parametrize(
    ("content", "place"),
    [(b"\xff\xff", "line 1"), ("好\n坏.*词\n", "line 2"), ("好\n好\n", "line 2"), ("x" * 3_000_000, "line 1")],
)
async def test_a_list_with_a_mistake_changes_nothing(
    lexicon: Lexicon, one: Replica, content: str | bytes, place: str
) -> None:
    await lexicon.put("新词\n")
    with pytest.raises(RemoteError) as caught:
        await lexicon.put(content)
    assert caught.value.wire_reason == "INVALID_LIST"
    assert list(caught.value.fields) == [place]
    assert (await lexicon.get()).content == "新词\n".encode()
    await one.until(lambda: one.refuses("新词"))


async def test_many_wrong_lines_fit_into_the_answer(lexicon: Lexicon) -> None:
    with pytest.raises(RemoteError) as caught:
        await lexicon.put("。\n" * 5_000)
    assert caught.value.wire_reason == "INVALID_LIST"
    assert len(caught.value.fields) > 10


async def test_a_text_is_explained(lexicon: Lexicon) -> None:
    request = lexicon_pb2.ExplainTextRequest(text="说 文 件 词 了")
    found = await lexicon._peer.unary(lexicon.stub.ExplainText, request, timeout_s=5)
    (hit,) = found.hits
    assert (found.refused, hit.entry.word, hit.list) == (True, "文件词", "20006-files.txt")


async def test_what_is_not_there_is_said_to_be_not_there(lexicon: Lexicon) -> None:
    with pytest.raises(RemoteError) as caught:
        await lexicon.get("nothing")
    assert caught.value.wire_reason == "LIST_NOT_FOUND"
