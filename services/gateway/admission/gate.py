"""What every authenticated request passes: who it is, and whether they may come in now."""

from starlette.datastructures import Headers

from services.gateway.admission.rate_limit import RateLimit
from services.gateway.identity.authentication import Authenticator


class Gate:
    """What every authenticated request passes."""

    def __init__(self, authenticator: Authenticator, rate_limit: RateLimit) -> None:
        """Ask these in this order."""
        self._authenticator = authenticator
        self._rate_limit = rate_limit

    async def enter(self, headers: Headers) -> str:
        """Answer who it is.

        Raises:
            InvalidApiKeyError: The bearer token is missing or not valid.
            RateLimitedError: The user makes too many requests.
            UnavailableError: The store of keys does not answer.
        """
        user_id = await self._authenticator.user_of(headers.get("authorization"))
        await self._rate_limit.count(user_id)
        return user_id

    async def count(self, user_id: str, requests: int) -> None:
        """Count what a request asks for beyond the one that it came in with.

        Raises:
            RateLimitedError: It is too much.
        """
        if requests > 0:
            await self._rate_limit.count(user_id, requests)
