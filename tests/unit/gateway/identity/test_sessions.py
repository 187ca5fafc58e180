"""Access tokens; the rotation of refresh tokens is proven on PostgreSQL."""

import asyncio
import time

import jwt
import pytest

from services.gateway.identity.sessions import Sessions

SECRET = "a secret of at least thirty-two characters"


class Store:
    async def add_refresh_token(self, user_id: str, sha256: bytes, *, ttl_s: float) -> None:
        assert len(sha256) == 32

    async def rotate_refresh_token(self, old_sha256: bytes, new_sha256: bytes, *, ttl_s: float) -> str:
        assert old_sha256 != new_sha256
        return "usr_1"

    async def revoke_refresh_token(self, sha256: bytes) -> None:
        assert len(sha256) == 32


async def test_an_access_token_names_its_user_until_it_expires() -> None:
    fresh = await Sessions(Store(), SECRET).begin("usr_1")
    assert Sessions(Store(), SECRET).user_of(fresh.access_token) == "usr_1"
    old = await Sessions(Store(), SECRET, clock=lambda: time.time() - 7201).begin("usr_1")
    assert Sessions(Store(), SECRET).user_of(old.access_token) is None


async def test_a_token_that_was_good_a_moment_ago_still_expires() -> None:
    sessions, expires_s = Sessions(Store(), SECRET), int(time.time()) + 2
    token = jwt.encode(CLAIMS | {"exp": expires_s}, SECRET, "HS256")
    assert sessions.user_of(token) == "usr_1"
    while time.time() < expires_s:
        await asyncio.sleep(0.05)
    assert sessions.user_of(token) is None


def test_a_token_that_was_changed_is_not_taken_for_the_one_that_was_checked() -> None:
    sessions, token = Sessions(Store(), SECRET), jwt.encode(CLAIMS, SECRET, "HS256")
    assert sessions.user_of(token) == "usr_1"
    signed, _, signature = token.rpartition(".")
    assert sessions.user_of(f"{signed}.{signature[::-1]}") is None


async def test_a_renewed_session_has_new_tokens() -> None:
    sessions = Sessions(Store(), SECRET)
    first = await sessions.begin("usr_1")
    second = await sessions.renew(first.refresh_token)
    assert second.user_id == "usr_1"
    assert second.refresh_token != first.refresh_token


CLAIMS = {"sub": "usr_1", "iss": "queqiao", "exp": int(time.time()) + 1000}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        "é",
        jwt.encode(CLAIMS, SECRET[::-1], "HS256"),
        jwt.encode(CLAIMS, "", "none"),
        jwt.encode(CLAIMS | {"iss": "another"}, SECRET, "HS256"),
        jwt.encode(CLAIMS | {"sub": 5}, SECRET, "HS256"),
        jwt.encode({"iss": "queqiao", "exp": CLAIMS["exp"]}, SECRET, "HS256"),
        jwt.encode({"iss": "queqiao", "sub": "usr_1"}, SECRET, "HS256"),
    ],
)
def test_tokens_that_are_not_ours_name_nobody(token: str) -> None:
    assert Sessions(Store(), SECRET).user_of(token) is None


async def test_a_secret_is_replaced_while_its_tokens_are_in_use() -> None:
    old, new = SECRET, SECRET[::-1]
    token = (await Sessions(Store(), old).begin("usr_1")).access_token
    during = Sessions(Store(), new, previous=[old])
    assert during.user_of(token) == "usr_1"
    fresh = (await during.begin("usr_1")).access_token
    assert Sessions(Store(), new).user_of(fresh) == "usr_1"
    assert Sessions(Store(), new).user_of(token) is None
    assert jwt.get_unverified_header(fresh)["kid"] != jwt.get_unverified_header(token)["kid"]


def test_a_token_that_names_no_secret_is_checked_with_todays() -> None:
    assert Sessions(Store(), SECRET).user_of(jwt.encode(CLAIMS, SECRET, "HS256")) == "usr_1"


@pytest.mark.parametrize("kid", ["unknown", ""])
def test_a_token_that_names_a_secret_we_do_not_have_names_nobody(kid: str) -> None:
    token = jwt.encode(CLAIMS, SECRET, "HS256", headers={"kid": kid})
    assert Sessions(Store(), SECRET).user_of(token) is None
