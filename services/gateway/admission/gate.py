"""What every authenticated request passes: who it is, whether they may do this, and whether they may come in now."""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope as AsgiScope

from services.gateway.admission.rate_limit import RateLimit
from services.gateway.admission.tiers import Tier, TierLimits, Tiers
from services.gateway.edge.response_headers import add_headers
from services.gateway.errors import ScopeMissingError
from services.gateway.identity.authentication import Authenticator
from services.gateway.identity.domain import Caller, Scope


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who came in."""

    user_id: str
    tier: Tier


class Gate:
    """Authenticates and admits."""

    def __init__(self, authenticator: Authenticator, tiers: Tiers, limits: TierLimits, rate_limit: RateLimit) -> None:
        """Ask these in this order."""
        self._authenticator = authenticator
        self._tiers = tiers
        self._limits = limits
        self._rate_limit = rate_limit

    async def enter(self, request: AsgiScope, scope: Scope) -> Admitted:
        """Admit a request that does what `scope` names; its answer will tell what the rate limit leaves.

        Raises:
            InvalidApiKeyError: The bearer token is missing or not valid.
            ScopeMissingError: The API key is not for this.
            RateLimitedError: The user makes too many requests.
            UnavailableError: The store of keys does not answer.
        """
        caller = await self._authenticator.caller_of(Headers(scope=request))
        admitted, headers = await self._admit(_allowed(caller, scope))
        add_headers(request, headers)
        return admitted

    async def enter_token(self, token: str, scope: Scope) -> Admitted:
        """Admit whoever has this token.

        Raises:
            ServiceError: As `enter`.
        """
        admitted, _ = await self._admit(await self.caller(token, scope))
        return admitted

    async def caller(self, token: str, scope: Scope) -> Caller:
        """Who has this token; nothing is counted.

        Raises:
            InvalidApiKeyError: The token is not valid.
            ScopeMissingError: The API key is not for this.
            UnavailableError: The store of keys does not answer.
        """
        return _allowed(await self._authenticator.caller(f"Bearer {token}"), scope)

    async def count(self, admitted: Admitted, requests: int) -> None:
        """Count what a request asks for beyond the one that it came in with.

        Raises:
            RateLimitedError: It is too much.
        """
        if requests > 0:
            await self._count(admitted, requests)

    def weight(self, admitted: Admitted) -> float:
        """How much a turn of theirs weighs in the queue."""
        return self._limits.weight(admitted.tier)

    async def _admit(self, caller: Caller) -> tuple[Admitted, dict[str, str]]:
        """Admit a caller; answers what to tell them in headers, too."""
        admitted = Admitted(caller.user_id, await self._tiers.tier(caller))
        return admitted, await self._count(admitted, 1)

    async def _count(self, admitted: Admitted, requests: int) -> dict[str, str]:
        per_minute = self._limits.per_minute(admitted.tier)
        allowance = await self._rate_limit.count(
            admitted.tier.value, admitted.user_id, per_minute=per_minute, requests=requests
        )
        return allowance.headers if allowance else {}


def _allowed(caller: Caller, scope: Scope) -> Caller:
    if scope not in caller.scopes:
        raise ScopeMissingError("The API key is not for this.", metadata={"scope": scope.value})
    return caller
