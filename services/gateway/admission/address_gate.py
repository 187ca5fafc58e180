"""What requests pass that come before anybody is known: a limit for each address."""

from starlette.requests import Request

from services.gateway.admission.rate_limit import RateLimit
from services.gateway.edge.client_address import Network, client_address
from services.gateway.edge.response_headers import add_headers


class AddressGate:
    """Counts requests by the address that they come from."""

    def __init__(
        self, rate_limit: RateLimit, limit: str, *, per_minute: int, trusted_proxies: tuple[Network, ...]
    ) -> None:
        """Let each address make so many requests a minute, counted under this limit's name.

        Many people can share an address (a school, a mobile network): the limit is for machines that guess.
        """
        self._rate_limit = rate_limit
        self._limit = limit
        self._per_minute = per_minute
        self._trusted_proxies = trusted_proxies

    async def enter(self, request: Request) -> None:
        """Count this request.

        Raises:
            RateLimitedError: Its address makes too many.
        """
        peer = request.client.host if request.client else None
        address = client_address(peer, request.headers.getlist("x-forwarded-for"), self._trusted_proxies)
        allowance = await self._rate_limit.count(self._limit, address, per_minute=self._per_minute)
        add_headers(request.scope, allowance.headers if allowance else {})
