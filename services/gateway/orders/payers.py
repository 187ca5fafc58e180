"""Who pays: WeChat's openid of a user, and the session key of their last login, which is kept encrypted."""

from typing import Protocol

from services.gateway.edge.body import wrong
from services.gateway.orders.domain import Channel, Payer
from services.runtime.sealing import Sealer


class WeChatSessions(Protocol):
    """Where they are kept; `accounts.Accounts` says what each method does."""

    async def keep_session_key(self, user_id: str, sealed: bytes | None) -> None:
        """Remember the key of the user's last login."""
        ...

    async def wechat_session(self, user_id: str) -> tuple[str, bytes | None]:
        """The user's openid and key."""
        ...


class Payers:
    """Keeps what WeChat said at a login, and tells it to whom a payment needs it."""

    def __init__(self, store: WeChatSessions, sealer: Sealer) -> None:
        """Keep it there, encrypted by this."""
        self._store = store
        self._sealer = sealer

    async def keep(self, user_id: str, session_key: str) -> None:
        """Keep the key of the user's last login; "" when there is none.

        Raises:
            UnavailableError: The store does not answer.
        """
        await self._store.keep_session_key(user_id, self._sealer.seal(user_id, session_key) if session_key else None)

    async def payer(self, user_id: str, channel: Channel, client_ip: str) -> Payer:
        """Who pays over this channel, with no more about them than it needs.

        Raises:
            InvalidRequestError: The channel is for users of WeChat, and this is none, or must log in again.
            UnavailableError: The store does not answer.
        """
        if channel is Channel.NATIVE:
            # Whoever scans the code pays.
            return Payer(client_ip)
        openid, sealed = await self._store.wechat_session(user_id)
        if not openid:
            raise wrong("channel", "no_openid")
        if channel is not Channel.VIRTUAL:
            return Payer(client_ip, openid)
        # A key that was sealed under another secret is as good as none.
        session_key = self._sealer.unseal(user_id, sealed) if sealed is not None else None
        if session_key is None:
            raise wrong("channel", "no_session")
        return Payer(client_ip, openid, session_key)
