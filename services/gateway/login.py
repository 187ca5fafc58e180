"""A login: who it is, a wallet for whoever has none, a session. Pure: what it needs comes through ports."""

from typing import Protocol

from services.gateway.domain import Tokens


class Platform(Protocol):
    """Where users come from."""

    async def openid(self, code: str) -> str:
        """Who is logging in, as `wechat.WeChatLogin` says it."""
        ...


class Users(Protocol):
    """Knows users."""

    async def user_of_openid(self, openid: str) -> str:
        """The user's id; a new user is created."""
        ...


class Wallets(Protocol):
    """Opens wallets."""

    async def open(self, user_id: str) -> None:
        """Open the user's wallet with its trial credit, unless it is open."""
        ...


class SessionStarter(Protocol):
    """Begins sessions."""

    async def begin(self, user_id: str) -> Tokens:
        """Log a user in."""
        ...


class Login:
    """Logs users in."""

    def __init__(self, platform: Platform, users: Users, wallets: Wallets, sessions: SessionStarter) -> None:
        """Take the ports."""
        self._platform = platform
        self._users = users
        self._wallets = wallets
        self._sessions = sessions

    async def __call__(self, code: str) -> Tokens:
        """Log the user of this code in.

        Every step can be repeated: a login that failed half-way works the next time.

        Raises:
            ServiceError: Of the step that failed.
        """
        openid = await self._platform.openid(code)
        user_id = await self._users.user_of_openid(openid)
        await self._wallets.open(user_id)
        return await self._sessions.begin(user_id)
