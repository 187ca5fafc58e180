"""Reading and parsing of bodies."""

from collections.abc import Sequence

import pytest
from starlette.datastructures import Headers
from starlette.types import Message, Receive

from services.gateway.edge import body
from services.gateway.errors import ClientGoneError, RequestTooLargeError
from services.runtime.errors import InvalidRequestError

JSON = Headers({"content-type": "application/json; charset=utf-8"})


def arriving(*parts: bytes, whole: bool = True) -> Receive:
    """A body in these parts; one that is not whole ends with a disconnect."""
    messages: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if whole:
        messages[-1]["more_body"] = False
    messages.append({"type": "http.disconnect"})
    arrived = iter(messages)

    async def receive() -> Message:
        return next(arrived)

    return receive


async def test_a_body_in_parts_is_put_together() -> None:
    assert await body.read(arriving(b"ab", b"", b"c"), JSON, bytes_max=3) == b"abc"


@pytest.mark.parametrize("parts", [[b"abcd"], [b"ab", b"cd"]])
async def test_more_than_is_allowed_is_refused(parts: Sequence[bytes]) -> None:
    with pytest.raises(RequestTooLargeError):
        await body.read(arriving(*parts), JSON, bytes_max=3)


async def test_a_length_that_is_too_large_is_refused_before_anything_is_read() -> None:
    async def never() -> Message:
        raise AssertionError("the body was read")

    with pytest.raises(RequestTooLargeError):
        await body.read(never, Headers({"content-length": "4"}), bytes_max=3)


async def test_a_client_that_leaves_half_way_is_gone() -> None:
    with pytest.raises(ClientGoneError):
        await body.read(arriving(b"ab", whole=False), JSON, bytes_max=3)


async def test_another_content_type_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        await body.read(arriving(b"{}"), Headers({"content-type": "text/plain"}), bytes_max=3)


def test_names_given_twice_are_found_at_any_depth() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        body.parse(b'{"a":[{"b":1,"b":null}]}')
    assert list(caught.value.fields) == ["b"]


def test_what_is_repeated_to_the_caller_is_short_and_printable() -> None:
    assert body.shown("x" * 100) == "x" * 64 + "…"
    assert body.shown("a\x00\ud800\n") == "a���"
