"""A login: who it is, a wallet for whoever has none, a session. Pure: what it needs comes through ports."""

from typing import Protocol

from services.gateway.identity.domain import Arrival, PlatformSession, Tokens


class Platform(Protocol):
    """Where users come from."""

    async def session(self, code: str) -> PlatformSession:
        """Who is logging in, as `wechat.WeChatLogin` says it."""
        ...


class Users(Protocol):
    """Knows users."""

    async def user_of_openid(self, openid: str) -> Arrival:
        """The user; a new one is created."""
        ...


class SessionKeys(Protocol):
    """Keeps WeChat's session keys."""

    async def keep(self, user_id: str, session_key: str) -> None:
        """Keep the key of the user's last login; "" when there is none."""
        ...


class Wallets(Protocol):
    """Opens wallets."""

    async def open(self, user_id: str, *, trial: bool) -> None:
        """Open the user's wallet, with trial credit or without, unless it is open."""
        ...


class SessionStarter(Protocol):
    """Begins sessions."""

    async def begin(self, user_id: str) -> Tokens:
        """Log a user in."""
        ...


class Login:
    """Logs users in."""

    def __init__(
        self,
        platform: Platform,
        users: Users,
        session_keys: SessionKeys,
        wallets: Wallets,
        sessions: SessionStarter,
    ) -> None:
        """Take the ports."""
        self._platform = platform
        self._users = users
        self._session_keys = session_keys
        self._wallets = wallets
        self._sessions = sessions

    async def __call__(self, code: str) -> Tokens:
        """Log the user of this code in.

        Every step can be repeated: a login that failed half-way works the next time.

        Raises:
            ServiceError: Of the step that failed.
        """
        session = await self._platform.session(code)
        user = await self._users.user_of_openid(session.openid)
        await self._session_keys.keep(user.user_id, session.session_key)
        await self._wallets.open(user.user_id, trial=not user.comes_back)
        return await self._sessions.begin(user.user_id)
