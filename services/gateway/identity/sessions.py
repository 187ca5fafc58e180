"""Sessions of people: short-lived access tokens that any replica can check alone, and refresh tokens that rotate.

An access token names the secret that signed it (`kid`), so that secrets can be replaced while tokens are in use.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import jwt
from cachetools import TLRUCache

from services.gateway.identity.domain import Tokens
from services.gateway.identity.ids import digest, new_refresh_token

_ACCESS_S = 2 * 3600
_REFRESH_S = 30 * 24 * 3600
_ALGORITHM = "HS256"
_ISSUER = "queqiao"

# Tokens that were checked; of ours alone, so nobody can push them out by making some up.
_TOKENS_MAX = 20_000


class RefreshTokens(Protocol):
    """Where refresh tokens are kept; `accounts.Accounts` says what each method does."""

    async def add_refresh_token(self, user_id: str, sha256: bytes, *, ttl_s: float) -> None:
        """Begin a family."""
        ...

    async def rotate_refresh_token(self, old_sha256: bytes, new_sha256: bytes, *, ttl_s: float) -> str:
        """Use up a token."""
        ...

    async def revoke_refresh_token(self, sha256: bytes) -> None:
        """End the session that this token belongs to."""
        ...


@dataclass(frozen=True, slots=True)
class _Claims:
    """What a token says: whose it is, and until when, in seconds since 1970 UTC."""

    user_id: str
    expires_s: int


class Sessions:
    """Begins sessions, renews them and tells whose they are."""

    def __init__(
        self,
        store: RefreshTokens,
        secret: str,
        *,
        previous: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Sign with a secret, and believe tokens signed with a previous one.

        `clock` answers seconds since 1970 UTC and stamps new tokens.
        """
        self._store = store
        self._secret = secret
        self._kid = _kid(secret)
        self._secrets = {_kid(each): each for each in (secret, *previous)}
        self._clock = clock
        # To check a signature and to parse two texts of JSON was a quarter of what a chat cost the gateway.
        self._checked: TLRUCache[str, _Claims] = TLRUCache(_TOKENS_MAX, ttu=_expiry, timer=time.time)

    async def begin(self, user_id: str) -> Tokens:
        """Log a user in.

        Raises:
            UnavailableError: The store does not answer.
        """
        refresh_token = new_refresh_token()
        await self._store.add_refresh_token(user_id, digest(refresh_token), ttl_s=_REFRESH_S)
        return self._tokens(user_id, refresh_token)

    async def renew(self, refresh_token: str) -> Tokens:
        """Exchange a refresh token, which can be used once.

        Raises:
            InvalidRefreshTokenError: It cannot be used; one that was used before ends the whole session.
            UnavailableError: The store does not answer.
        """
        fresh = new_refresh_token()
        user_id = await self._store.rotate_refresh_token(digest(refresh_token), digest(fresh), ttl_s=_REFRESH_S)
        return self._tokens(user_id, fresh)

    async def end(self, refresh_token: str) -> None:
        """Log out: the refresh token ends now, the access token within hours by itself.

        Raises:
            UnavailableError: The store does not answer.
        """
        await self._store.revoke_refresh_token(digest(refresh_token))

    def user_of(self, access_token: str) -> str | None:
        """Whose access token this is; None when it is not ours, or has expired."""
        claims = self._checked.get(access_token)
        if claims is None:
            claims = self._claims(access_token)
            if claims is None:
                return None
            self._checked[access_token] = claims
        return claims.user_id

    def _claims(self, access_token: str) -> _Claims | None:
        try:
            # A token without a name for its secret is from before secrets had one.
            kid = jwt.get_unverified_header(access_token).get("kid", self._kid)
            if kid not in self._secrets:
                return None
            claims = jwt.decode(
                access_token,
                self._secrets[kid],
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                options={"require": ["exp", "iss", "sub"]},
            )
        except jwt.InvalidTokenError:
            return None
        return _Claims(str(claims["sub"]), int(claims["exp"]))

    def _tokens(self, user_id: str, refresh_token: str) -> Tokens:
        now = int(self._clock())
        claims = {"sub": user_id, "iss": _ISSUER, "iat": now, "exp": now + _ACCESS_S}
        token = jwt.encode(claims, self._secret, _ALGORITHM, headers={"kid": self._kid})
        return Tokens(user_id, token, _ACCESS_S, refresh_token)


def _expiry(_token: str, claims: _Claims, _now: float) -> float:
    return claims.expires_s


def _kid(secret: str) -> str:
    """What names a secret and tells nothing of it."""
    return hashlib.sha256(f"kid\n{secret}".encode()).hexdigest()[:8]
