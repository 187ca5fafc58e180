"""Conversations as documents, with the visible and the implicit AI label."""

import io
import json

import pypdf
import pytest
from queqiao.chat.v1 import chat_pb2

from tests.integration.gateway.conftest import Gateway


async def export(gateway: Gateway, token: str, query: str, **headers: str) -> tuple[int, str, bytes]:
    known = {"Authorization": f"Bearer {token}", "Accept-Language": "zh-CN", **headers}
    async with gateway.http.get(f"{gateway.url}/v1/conversations/talk/export{query}", headers=known) as answer:
        return answer.status, answer.headers["Content-Type"].partition(";")[0], await answer.read()


@pytest.fixture
async def token(gateway: Gateway) -> str:
    """A user with a conversation called talk."""
    user_id, token = await gateway.login("export")
    gateway.chat.answer = "鹊桥是一座桥。"
    gateway.chat.conversations[user_id, "talk"] = chat_pb2.Conversation(
        id="talk", title="关于鹊桥", newest_number=2, message_count=2
    )
    return token


async def test_markdown_has_both_labels_and_who_said_what(gateway: Gateway, token: str) -> None:
    status, kind, raw = await export(gateway, token, "")
    text = raw.decode()
    assert (status, kind) == (200, "text/markdown")
    _, front, rest = text.split("---\n", 2)
    assert json.loads(front.removeprefix("AIGC: "))["Label"] == "1"
    assert rest.count("> 内容由 AI 生成") == 2
    assert "# 关于鹊桥" in rest
    assert "## 我 | " in rest
    assert "## AI 助手 (fake-model) | " in rest


async def test_json_is_for_programs(gateway: Gateway, token: str) -> None:
    status, kind, raw = await export(gateway, token, "?format=json")
    found = json.loads(raw)
    assert (status, kind) == (200, "application/json")
    assert found["AIGC"]["ProduceID"] == "talk"
    assert [message["role"] for message in found["messages"]] == ["user", "assistant"]


async def test_a_pdf_says_in_its_metadata_what_it_is_and_on_every_page(gateway: Gateway, token: str) -> None:
    status, kind, raw = await export(gateway, token, "?format=pdf")
    assert (status, kind) == (200, "application/pdf")
    read = pypdf.PdfReader(io.BytesIO(raw))
    assert read.metadata is not None
    assert json.loads(str(read.metadata["/Keywords"]))["AIGC"]["Label"] == "1"
    assert read.metadata.title == "关于鹊桥"
    assert all("内容由" in page.extract_text() for page in read.pages)


async def test_names_follow_the_platform_policy(gateway: Gateway, token: str) -> None:
    _, _, raw = await export(gateway, token, "?format=json", **{"X-Client": "mp-ios"})
    assert b"fake-model" not in raw


async def test_another_format_is_refused_and_so_is_somebody_elses_conversation(gateway: Gateway, token: str) -> None:
    assert (await export(gateway, token, "?format=docx"))[0] == 400
    _, other = await gateway.login("export-other")
    assert (await export(gateway, other, ""))[0] == 404
