"""Who pays, and how little a payment is told about them."""

from dataclasses import dataclass

import pytest

from services.gateway.orders.domain import Channel, Payer
from services.gateway.orders.payers import Payers
from services.runtime.errors import InvalidRequestError
from services.runtime.sealing import Sealer

SECRET = "a secret of at least thirty-two characters"


@dataclass
class OneUser:
    """The store of one user's session."""

    openid: str = "openid-1"
    sealed: bytes | None = None

    async def keep_session_key(self, user_id: str, sealed: bytes | None) -> None:
        self.sealed = sealed

    async def wechat_session(self, user_id: str) -> tuple[str, bytes | None]:
        return self.openid, self.sealed


async def problem(payers: Payers, channel: Channel, user_id: str = "usr_1") -> str:
    with pytest.raises(InvalidRequestError) as caught:
        await payers.payer(user_id, channel, "192.0.2.1")
    assert list(caught.value.fields) == ["channel"]
    return caught.value.metadata["problem"]


async def test_each_channel_learns_what_it_needs() -> None:
    payers = Payers(OneUser(), Sealer(SECRET, purpose="keys"))
    await payers.keep("usr_1", "key-1")
    paid = {channel: await payers.payer("usr_1", channel, "192.0.2.1") for channel in Channel}
    assert paid == {
        Channel.NATIVE: Payer("192.0.2.1"),
        Channel.JSAPI: Payer("192.0.2.1", "openid-1"),
        Channel.JSAPI_V2: Payer("192.0.2.1", "openid-1"),
        Channel.VIRTUAL: Payer("192.0.2.1", "openid-1", "key-1"),
    }


async def test_the_key_is_of_the_last_login_and_not_shown() -> None:
    store = OneUser()
    payers = Payers(store, Sealer(SECRET, purpose="keys"))
    await payers.keep("usr_1", "key-1")
    await payers.keep("usr_1", "key-2")
    payer = await payers.payer("usr_1", Channel.VIRTUAL, "192.0.2.1")
    assert payer.session_key == "key-2"
    assert "key-2" not in repr(payer)
    await payers.keep("usr_1", "")
    assert store.sealed is None
    assert await problem(payers, Channel.VIRTUAL) == "no_session"


async def test_a_key_of_a_rotated_secret_or_of_another_user_counts_as_absent() -> None:
    store = OneUser()
    await Payers(store, Sealer(SECRET, purpose="keys")).keep("usr_1", "key-1")
    assert await problem(Payers(store, Sealer(SECRET[::-1], purpose="keys")), Channel.VIRTUAL) == "no_session"
    assert await problem(Payers(store, Sealer(SECRET, purpose="keys")), Channel.VIRTUAL, "usr_2") == "no_session"


@pytest.mark.parametrize("channel", [channel for channel in Channel if channel is not Channel.NATIVE])
async def test_who_is_no_user_of_wechat_can_only_scan(channel: Channel) -> None:
    payers = Payers(OneUser(openid=""), Sealer(SECRET, purpose="keys"))
    assert await problem(payers, channel) == "no_openid"
    assert await payers.payer("usr_1", Channel.NATIVE, "192.0.2.1") == Payer("192.0.2.1")
