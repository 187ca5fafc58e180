"""`/v1/api_keys`: keys for programs."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.admission.gate import Gate
from services.gateway.edge.body import fit, parse, read, wrong
from services.gateway.edge.operations import Operation, id_in_path
from services.gateway.edge.responses import json_response
from services.gateway.edge.schemas import Deleted, ListOf
from services.gateway.edge.texts import clean
from services.gateway.identity.domain import KEY_SCOPES, ApiKey, Scope
from services.gateway.identity.ids import digest, is_id, new_api_key, shown_prefix
from services.gateway.identity.keys import ApiKeys

_NAME_CHARACTERS_MAX = 64
_DAYS_MAX = 3650


class KeyBody(msgspec.Struct, forbid_unknown_fields=True):
    """A key that is asked for.

    `scopes` default to all but `account`; without `expires_in_days` the key is valid until it is deleted.
    """

    name: Annotated[str, msgspec.Meta(description="What the key is for, to tell keys apart.", examples=["laptop"])]
    scopes: list[str] | None = None
    expires_in_days: int | None = None


class Key(msgspec.Struct):
    """An API key. Times are in seconds since 1970 UTC; `expires_at` null is never, `last_used_at` null not yet."""

    id: str
    name: str
    # The beginning of the key, to tell keys apart.
    prefix: str
    scopes: list[str]
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    object: Literal["api_key"] = "api_key"


class IssuedKey(Key, kw_only=True):
    """A new API key: `key` is shown this once and kept nowhere."""

    key: str


class KeyRoutes:
    """Issues, lists and revokes API keys."""

    def __init__(self, gate: Gate, keys: ApiKeys, *, body_bytes_max: int) -> None:
        """Use these."""
        self._gate = gate
        self._keys = keys
        self._body_bytes_max = body_bytes_max

    def operations(self) -> Sequence[Operation]:
        """What is offered here."""
        return (
            Operation(
                "GET",
                "/v1/api_keys",
                self.keys,
                "List your API keys",
                "api keys",
                ListOf[Key],
                scope=Scope.ACCOUNT,
            ),
            Operation(
                "POST",
                "/v1/api_keys",
                self.keys,
                "Issue an API key, shown once",
                "api keys",
                IssuedKey,
                status=201,
                scope=Scope.ACCOUNT,
                body=KeyBody,
                errors=("TOO_MANY_KEYS",),
                examples=(("for a program that chats", {"name": "laptop", "scopes": ["chat"], "expires_in_days": 90}),),
            ),
            Operation(
                "DELETE",
                "/v1/api_keys/{key_id}",
                self.key,
                "Revoke an API key",
                "api keys",
                Deleted,
                scope=Scope.ACCOUNT,
                parameters=(id_in_path("key_id", "The key's id."),),
                errors=("KEY_NOT_FOUND",),
                description="Replicas that have just seen the key refuse it within 5 seconds.",
            ),
        )

    async def keys(self, request: Request) -> Response:
        """List them, or issue one: the only answer that ever contains the key."""
        admitted = await self._gate.enter(request.scope, Scope.ACCOUNT)
        if request.method != "POST":
            return json_response(ListOf([_key(key) for key in await self._keys.list(admitted.user_id)]))
        raw = await read(request.receive, request.headers, bytes_max=self._body_bytes_max)
        asked = fit(parse(raw), KeyBody)
        name, scopes, days = _name(asked.name), _scopes(asked.scopes), _days(asked.expires_in_days)
        secret = new_api_key()
        key = await self._keys.add(
            admitted.user_id, sha256=digest(secret), prefix=shown_prefix(secret), name=name, scopes=scopes, days=days
        )
        return json_response(IssuedKey(**msgspec.structs.asdict(_key(key)), key=secret), status=201)

    async def key(self, request: Request) -> Response:
        """Revoke one."""
        admitted = await self._gate.enter(request.scope, Scope.ACCOUNT)
        key_id: str = request.path_params["key_id"]
        if not is_id(key_id):
            raise wrong("key_id", "id")
        await self._keys.revoke(admitted.user_id, key_id)
        return json_response(Deleted(key_id, "api_key"))


def _name(name: str) -> str:
    name = clean("name", name.strip())
    if not name:
        raise wrong("name", "empty")
    if len(name) > _NAME_CHARACTERS_MAX:
        raise wrong("name", "too_long", limit=_NAME_CHARACTERS_MAX)
    if not name.isprintable():
        raise wrong("name", "characters")
    return name


def _scopes(asked: list[str] | None) -> frozenset[Scope]:
    if asked is None:
        return KEY_SCOPES
    if not asked:
        raise wrong("scopes", "empty")
    known = {scope.value for scope in Scope}
    for index, scope in enumerate(asked):
        if scope not in known:
            raise wrong(f"scopes[{index}]", "one_of", allowed=", ".join(sorted(known)))
    return frozenset(map(Scope, asked))


def _days(days: int | None) -> int | None:
    if days is not None and not 1 <= days <= _DAYS_MAX:
        raise wrong("expires_in_days", "range", low=1, high=_DAYS_MAX)
    return days


def _key(key: ApiKey) -> Key:
    return Key(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        scopes=sorted(scope.value for scope in key.scopes),
        created_at=key.created_s,
        expires_at=key.expires_s or None,
        last_used_at=key.last_used_s or None,
    )
