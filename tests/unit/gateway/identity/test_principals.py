"""Who asks, and how rarely that is read."""

from dataclasses import dataclass, field

import pytest

from services.gateway.identity.domain import Principal
from services.gateway.identity.principals import Principals
from services.runtime.errors import UnavailableError


@dataclass
class Store:
    openids: dict[str, str] = field(default_factory=lambda: {"usr_1": "openid-1"})
    asked: int = 0
    away: bool = False

    async def principal(self, user_id: str) -> Principal:
        self.asked += 1
        if self.away:
            raise UnavailableError("The accounts do not answer; try again shortly.")
        return Principal(user_id, self.openids.get(user_id, ""))


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("user_id", "openid"), [("usr_1", "openid-1"), ("usr_developer", "")])
async def test_a_user_is_read_once_in_a_minute_whether_of_wechat_or_not(user_id: str, openid: str) -> None:
    store, clock = Store(), Clock()
    principals = Principals(store, clock=clock)
    for _ in range(3):
        assert await principals.principal(user_id) == Principal(user_id, openid)
        clock.now += 15
    assert store.asked == 1
    clock.now += 60
    await principals.principal(user_id)
    assert store.asked == 2


async def test_a_store_that_is_away_is_no_proof_that_a_user_did_not_come_from_wechat() -> None:
    store = Store(away=True)
    principals = Principals(store)
    with pytest.raises(UnavailableError):
        await principals.principal("usr_1")
    store.away = False
    assert (await principals.principal("usr_1")).openid == "openid-1"


async def test_whoever_was_here_in_the_last_minute_needs_no_store() -> None:
    store = Store()
    principals = Principals(store)
    await principals.principal("usr_1")
    store.away = True
    assert (await principals.principal("usr_1")).openid == "openid-1"


def test_an_openid_is_in_no_log() -> None:
    assert "openid-1" not in repr(Principal("usr_1", "openid-1"))


async def test_what_has_changed_about_a_user_is_read_anew() -> None:
    store = Store()
    principals = Principals(store)
    await principals.principal("usr_1")
    principals.forget("usr_1")
    await principals.principal("usr_1")
    assert store.asked == 2
