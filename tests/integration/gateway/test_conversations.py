"""Conversations over HTTP: their shapes, pages, branches, and that each is its owner's alone."""

from typing import Any

import pytest
from queqiao.chat.v1 import chat_pb2

from tests.integration.gateway.conftest import Gateway, issue_key

URL = "/v1/conversations"
QUESTION = {"messages": [{"role": "user", "content": "你好"}]}


async def call(
    gateway: Gateway, method: str, path: str, body: object = None, key: str | None = None
) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {key or gateway.key}"}
    async with gateway.http.request(method, f"{gateway.url}{path}", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_a_conversation_is_made_read_renamed_and_deleted(gateway: Gateway) -> None:
    status, made = await call(gateway, "POST", URL, {"title": " 鹊桥 "})
    assert status == 201
    assert made == {
        "id": made["id"],
        "object": "conversation",
        "title": "鹊桥",
        "message_count": 0,
        "newest_id": None,
        "created_at": 1_700_000_000,
        "updated_at": made["updated_at"],
        "pinned": False,
    }
    path = f"{URL}/{made['id']}"
    assert (await call(gateway, "GET", path)) == (200, made)
    assert (await call(gateway, "PATCH", path, {"title": "七夕"}))[1]["title"] == "七夕"
    assert await call(gateway, "DELETE", path) == (
        200,
        {"id": made["id"], "object": "conversation", "deleted": True},
    )
    assert (await call(gateway, "GET", path))[0] == 404


async def test_the_id_may_be_the_clients_own(gateway: Gateway) -> None:
    assert (await call(gateway, "POST", URL, {"id": "talk-1"}))[1]["id"] == "talk-1"
    status, answer = await call(gateway, "POST", URL, {"id": "talk-1"})
    assert (status, answer["error"]["code"]) == (409, "idempotency_conflict")


async def test_pages_follow_each_other(gateway: Gateway) -> None:
    ids = [(await call(gateway, "POST", URL, {}))[1]["id"] for _ in range(3)]
    _, first = await call(gateway, "GET", f"{URL}?limit=2")
    assert [each["id"] for each in first["data"]] == ids[:2]
    _, second = await call(gateway, "GET", f"{URL}?limit=2&after={first['next_cursor']}")
    assert [each["id"] for each in second["data"]] == ids[2:]
    assert second["next_cursor"] is None


async def test_a_conversation_is_pinned_and_unpinned_and_keeps_its_title(gateway: Gateway) -> None:
    _, made = await call(gateway, "POST", URL, {"title": "鹊桥"})
    path = f"{URL}/{made['id']}"
    assert (await call(gateway, "PATCH", path, {"pinned": True}))[1] == made | {"pinned": True}
    changed = (await call(gateway, "PATCH", path, {"title": "七夕", "pinned": False}))[1]
    assert (changed["title"], changed["pinned"]) == ("七夕", False)


async def test_what_is_looked_for_is_found_by_title_or_in_a_message(gateway: Gateway) -> None:
    await call(gateway, "POST", URL, {"title": "鹊桥 100%"})
    _, by_title = await gateway.get(f"{URL}?query=%20%E9%B9%8A%E6%A1%A5%20100%25&limit=5")
    assert [(each["title"], each["match"]) for each in by_title["data"]] == [("鹊桥 100%", None)]
    asked = gateway.chat.searches[0]
    assert (asked.query, asked.page_size, asked.user_id) == ("鹊桥 100%", 5, gateway.user_id)
    gateway.chat.quote = chat_pb2.MessageQuote(number=4, snippet="…在鹊桥上…", is_answer=True)
    _, by_text = await gateway.get(f"{URL}?query=%E9%B9%8A%E6%A1%A5")
    assert by_text["data"][0]["match"] == {"message_id": "4", "snippet": "…在鹊桥上…"}
    _, everything = await gateway.get(f"{URL}?query=%20")
    assert "match" not in everything["data"][0]


@pytest.mark.parametrize(
    ("is_answer", "has_code", "shown"), [(True, True, False), (True, False, True), (False, True, True)]
)
async def test_a_platform_that_hides_code_quotes_no_answer_that_has_some(
    gateway: Gateway, is_answer: bool, has_code: bool, shown: bool
) -> None:
    user_id, token = await gateway.login("quotes")
    gateway.chat.conversations[user_id, "talk"] = chat_pb2.Conversation(id="talk")
    gateway.chat.quote = chat_pb2.MessageQuote(number=2, snippet="x = 1", is_answer=is_answer, has_code=has_code)
    for client, expected in (("mp-ios", "x = 1" if shown else None), ("h5", "x = 1")):
        headers = {"Authorization": f"Bearer {token}", "X-Client": client}
        async with gateway.http.get(f"{gateway.url}{URL}?query=x", headers=headers) as answer:
            (found,) = (await answer.json())["data"]
        assert found["match"] == {"message_id": "2", "snippet": expected}


async def test_messages_name_what_they_follow(gateway: Gateway) -> None:
    _, made = await call(gateway, "POST", URL, {})
    _, page = await call(gateway, "GET", f"{URL}/{made['id']}/messages")
    question, answer = page["data"]
    assert (question["id"], question["parent_id"], question["content"]) == ("1", None, "问")
    assert (answer["id"], answer["parent_id"], answer["role"]) == ("2", "1", "assistant")
    assert (answer["state"], answer["request_id"], answer["message"]["content"]) == ("length", "req_1", None)


async def test_an_id_that_somebody_else_has_is_free(gateway: Gateway) -> None:
    _, key = await issue_key(gateway.settings.database_url.get_secret_value(), "somebody-else")
    for token, title in ((gateway.key, "我的"), (key, "别人的")):
        assert (await call(gateway, "POST", URL, {"id": "default", "title": title}, token))[0] == 201
    assert (await call(gateway, "GET", f"{URL}/default"))[1]["title"] == "我的"
    assert (await call(gateway, "GET", f"{URL}/default", key=key))[1]["title"] == "别人的"


async def test_an_answer_is_rated_and_the_rating_taken_back(gateway: Gateway) -> None:
    _, made = await call(gateway, "POST", URL, {})
    messages = f"{URL}/{made['id']}/messages"
    for rating in ("up", "down", None):
        status, rated = await call(gateway, "PUT", f"{messages}/2/rating", {"rating": rating})
        assert (status, rated["id"], rated["rating"]) == (200, "2", rating)
        listed = (await call(gateway, "GET", messages))[1]["data"]
        assert [each["rating"] for each in listed] == [None, rating]
    assert (await call(gateway, "PUT", f"{messages}/1/rating", {"rating": "up"}))[0] == 404


async def test_nobody_sees_or_touches_anothers(gateway: Gateway) -> None:
    _, made = await call(gateway, "POST", URL, {"id": "mine"})
    _, key = await issue_key(gateway.settings.database_url.get_secret_value(), "somebody-else")
    for method, path, body in (
        ("GET", "", None), ("PATCH", "", {"title": "x"}), ("DELETE", "", None), ("GET", "/messages", None),
        ("PUT", "/messages/2/rating", {"rating": "up"}),
    ):  # fmt: skip
        theirs = await call(gateway, method, f"{URL}/mine{path}", body, key)
        nobodys = await call(gateway, method, f"{URL}/nothing{path}", body, key)
        assert theirs == nobodys
        assert theirs[0] == 404
    assert (await call(gateway, "GET", URL, key=key))[1]["data"] == []
    assert await call(gateway, "GET", f"{URL}/mine") == (200, made)


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("POST", "", {"title": 1}, "title"),
        ("POST", "", {"title": "字" * 101}, "title"),
        ("POST", "", {"title": "a\nb"}, "title"),
        ("POST", "", {"id": "a b"}, "id"),
        ("POST", "", {"name": "x"}, "name"),
        ("PATCH", "/c", {"title": "  "}, "title"),
        ("PATCH", "/c", {}, "title"),
        ("GET", "/a%20b", None, "conversation_id"),
        ("GET", "?limit=0", None, "limit"),
        ("GET", "?limit=101", None, "limit"),
        ("PATCH", "/c", {"pinned": "yes"}, "pinned"),
        ("PATCH", "/c", {"title": None, "pinned": None}, "title"),
        ("GET", f"?query={'x' * 65}", None, "query"),
        ("GET", "?query=a%00b", None, "query"),
        ("GET", "?query=a%0Ab", None, "query"),
        ("GET", "?query=a&query=b", None, "query"),
        ("GET", "?q=a", None, "q"),
        ("PUT", "/c/messages/2/rating", {"rating": "good"}, "rating"),
        ("PUT", "/c/messages/2/rating", {"stars": 5}, "stars"),
        ("PUT", "/c/messages/x/rating", {"rating": "up"}, "message_id"),
        ("PUT", "/c/messages/0/rating", {"rating": "up"}, "message_id"),
    ],
)
async def test_bad_input_names_what_is_wrong(
    gateway: Gateway, method: str, path: str, body: object, param: str
) -> None:
    status, answer = await call(gateway, method, f"{URL}{path}", body)
    assert (status, answer["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("asked", "place", "number"),
    [
        (QUESTION | {"parent_id": "2"}, "after_number", 2),
        (QUESTION | {"parent_id": "0"}, "after_number", 0),
        ({"regenerate_id": "4"}, "regenerate_number", 4),
        ({"regenerate_id": "4", "messages": [{"role": "system", "content": "简短"}]}, "regenerate_number", 4),
        ({"continue_id": "4"}, "continue_number", 4),
    ],
)
async def test_a_turn_takes_place_where_the_request_says(
    gateway: Gateway, asked: dict[str, Any], place: str, number: int
) -> None:
    body = {**asked, "conversation_id": "talk-1"}
    status, answer = await gateway.post("/v1/chat/completions", body)
    assert status == 200
    request = gateway.chat.requests[0]
    assert (request.WhichOneof("place"), getattr(request, place)) == (place, number)
    assert answer["conversation"] == {"id": "talk-1", "question_id": "1", "answer_id": "2"}


async def test_without_a_place_a_turn_follows_the_newest_message(gateway: Gateway) -> None:
    await gateway.post("/v1/chat/completions", QUESTION | {"conversation_id": "talk-1"})
    assert gateway.chat.requests[0].WhichOneof("place") is None
    assert gateway.chat.requests[0].conversation_id == "talk-1"
    assert gateway.chat.finish_reason == chat_pb2.FINISH_REASON_STOP
