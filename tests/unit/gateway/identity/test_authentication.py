"""Bearer tokens become users."""

from dataclasses import dataclass, field

import pytest
from starlette.datastructures import Headers

from services.gateway.errors import InvalidApiKeyError
from services.gateway.identity import authentication
from services.gateway.identity.authentication import Authenticator
from services.gateway.identity.domain import ALL_SCOPES, KEY_SCOPES, Caller
from services.gateway.identity.ids import digest, new_api_key


@dataclass
class Keys:
    owners: dict[bytes, str] = field(default_factory=dict)
    asked: int = 0

    async def caller(self, sha256: bytes) -> Caller | None:
        self.asked += 1
        owner = self.owners.get(sha256)
        return None if owner is None else Caller(owner, KEY_SCOPES, by_key=True)


class NoSessions:
    def user_of(self, access_token: str) -> str | None:
        return "usr_session" if access_token == "session" else None


class NoPlatform:
    async def caller(self, headers: Headers) -> Caller | None:
        return Caller("usr_platform") if "x-wx-openid" in headers else None


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_revoked_key_dies_within_seconds() -> None:
    key, clock = new_api_key(), Clock()
    keys = Keys({digest(key): "usr_1"})
    authenticator = Authenticator(keys, NoSessions(), NoPlatform(), (), clock=clock)
    for _ in range(3):
        assert (await authenticator.caller(f"Bearer {key}")).user_id == "usr_1"
    assert keys.asked == 1
    keys.owners.clear()
    clock.now += 4.9
    assert (await authenticator.caller(f"Bearer {key}")).user_id == "usr_1"
    clock.now += 0.2
    with pytest.raises(InvalidApiKeyError):
        await authenticator.caller(f"Bearer {key}")


async def test_made_up_keys_are_asked_for_each_time_and_push_nothing_out() -> None:
    key = new_api_key()
    keys = Keys({digest(key): "usr_1"})
    authenticator = Authenticator(keys, NoSessions(), NoPlatform(), ())
    await authenticator.caller(f"Bearer {key}")
    for _ in range(3):
        with pytest.raises(InvalidApiKeyError):
            await authenticator.caller(f"Bearer {new_api_key()}")
    assert keys.asked == 4
    await authenticator.caller(f"Bearer {key}")
    assert keys.asked == 4


async def test_the_number_of_remembered_keys_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "_KEYS_MAX", 2)
    three = [new_api_key() for _ in range(3)]
    keys = Keys({digest(key): key for key in three})
    authenticator = Authenticator(keys, NoSessions(), NoPlatform(), ())
    for key in (*three, three[2], three[0]):
        await authenticator.caller(f"Bearer {key}")
    assert keys.asked == 4


async def test_sessions_and_spellings_of_the_scheme() -> None:
    authenticator = Authenticator(Keys(), NoSessions(), NoPlatform(), ())
    assert await authenticator.caller("bearer  session ") == Caller("usr_session", ALL_SCOPES)


@pytest.mark.parametrize("header", [None, "", "session", "Basic session", "Bearer", "Bearer other", "Bearer sk-qq-x"])
async def test_all_else_is_refused_with_one_sentence(header: str | None) -> None:
    with pytest.raises(InvalidApiKeyError) as caught:
        await Authenticator(Keys(), NoSessions(), NoPlatform(), ()).caller(header)
    assert caught.value.message == InvalidApiKeyError().message


async def test_the_platform_is_asked_only_without_a_token() -> None:
    authenticator = Authenticator(Keys(), NoSessions(), NoPlatform(), ())
    assert (await authenticator.caller_of(Headers({"x-wx-openid": "o"}))).user_id == "usr_platform"
    both = Headers({"x-wx-openid": "o", "authorization": "Bearer session"})
    assert (await authenticator.caller_of(both)).user_id == "usr_session"
    with pytest.raises(InvalidApiKeyError):
        await authenticator.caller_of(Headers({"x-wx-openid": "o", "authorization": "Bearer wrong"}))
    with pytest.raises(InvalidApiKeyError):
        await authenticator.caller_of(Headers({}))


async def test_who_was_erased_is_nobody_by_session_and_by_a_key_that_was_just_seen() -> None:
    key, erased = new_api_key(), set[str]()
    authenticator = Authenticator(Keys({digest(key): "usr_1"}), NoSessions(), NoPlatform(), erased)
    for header in (f"Bearer {key}", "Bearer session"):
        assert (await authenticator.caller(header)).user_id
    erased.update({"usr_1", "usr_session"})
    for header in (f"Bearer {key}", "Bearer session"):
        with pytest.raises(InvalidApiKeyError):
            await authenticator.caller(header)
