"""Secrets that were planted, and the places that are searched for them."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg
import psutil
import redis.asyncio

# Variables that are secrets themselves, and those that have one in a URL.
_SECRETS = (
    "AUDIT_SECRET",
    "OPENAI_API_KEY",
    "OPENAI_MODERATION_API_KEY",
    "SESSION_SECRET",
    "VIRTUAL_PAYMENT_APP_KEY",
    "WECHATPAY_APIV3_KEY",
    "WECHATPAY_V2_KEY",
    "WECHAT_MESSAGE_TOKEN",
    "WECHAT_SECRET",
)
_URLS = ("DATABASE_URL", "REDIS_URL")


def planted(env: Mapping[str, str]) -> dict[str, str]:
    """The secrets of a mesh, by the names of their variables."""
    found = {name: env[name] for name in _SECRETS}
    for name in _URLS:
        password = urlsplit(env[name]).password
        assert password
        found[name] = password
    key = Path(env["WECHATPAY_PRIVATE_KEY_FILE"]).read_text(encoding="utf-8")
    found["WECHATPAY_PRIVATE_KEY_FILE"] = key.splitlines()[1]
    return found


def leaks(secrets: Mapping[str, str], places: Iterable[tuple[str, bytes]]) -> list[tuple[str, str]]:
    """Which secret stands in which place, however it is written there."""
    forms = {name: set(_forms(secret)) for name, secret in secrets.items()}
    return [
        (name, place)
        for place, content in places
        for name, written in forms.items()
        if any(form in content for form in written)
    ]


def _forms(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    yield raw
    yield json.dumps(secret)[1:-1].encode()
    yield quote(secret, safe="").encode()
    yield raw.hex().encode()
    yield base64.b64encode(raw).rstrip(b"=")
    yield base64.urlsafe_b64encode(raw).rstrip(b"=")


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every log."""
    for log in sorted(folder.glob("*.log")):
        yield log.name, log.read_bytes()


def command_lines(pids: Iterable[int]) -> Iterator[tuple[str, bytes]]:
    """What anybody on the machine sees of these processes."""
    for pid in pids:
        yield f"command line of {pid}", " ".join(psutil.Process(pid).cmdline()).encode()


async def rows(database_url: str) -> list[tuple[str, bytes]]:
    """Every table, as a dump of the database would have it."""
    connection = await asyncpg.connect(database_url)
    try:
        tables = await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information_schema)'"
        )
        found = []
        for schema, table in tables:
            content = await connection.fetch(f'SELECT t::text FROM "{schema}"."{table}" t')  # noqa: S608  # names of its own
            found.append((f"{schema}.{table}", "\n".join(row[0] for row in content).encode()))
        return found
    finally:
        await connection.close()


async def entries(redis_url: str) -> list[tuple[str, bytes]]:
    """Everything in Redis."""
    found = []
    async with redis.asyncio.from_url(redis_url) as store:
        async for key in store.scan_iter():
            match await store.type(key):
                case b"string":
                    value: object = await store.get(key)
                case b"hash":
                    value = await store.hgetall(key)
                case b"list":
                    value = await store.lrange(key, 0, -1)
                case b"set":
                    value = await store.smembers(key)
                case b"zset":
                    value = await store.zrange(key, 0, -1)
                case _:
                    value = await store.xrange(key)
            # As bytes look in Python, texts in UTF-8 are told apart no longer: put together what it is made of.
            found.append((f"Redis {key!r}", key + b" " + b" ".join(_bytes(value))))
    return found


def _bytes(value: object) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, Mapping):
        for item in value.items():
            yield from _bytes(item)
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _bytes(item)
