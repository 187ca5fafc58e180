"""Where Redis is: one server, a cluster, or whichever server its Sentinels name. Pure.

    redis://user:password@host:port/db                        one server; rediss:// with TLS, unix:///path for a socket
    redis+cluster://user:password@host:port,host:port         a cluster: the nodes that are asked for all others
    redis+sentinel://user:password@host:port,host:port/name/db   the Sentinels, and what they call the service

User and password are the servers'; those of Sentinels are `?sentinel_username=…&sentinel_password=…`.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import AfterValidator, SecretStr
from redis.asyncio.connection import parse_url

_FORMS = "redis://host:port/db, redis+cluster://host:port,host:port or redis+sentinel://host:port,host:port/name/db"

_PORT, _SENTINEL_PORT = 6379, 26379

# What may follow a question mark.
_SENTINEL_OPTIONS = frozenset({"sentinel_username", "sentinel_password"})
_OPTIONS = frozenset(
    {
        "client_name",
        "db",
        "health_check_interval",
        "max_connections",
        "ssl_ca_certs",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_keyfile",
    }
)


class Form(Enum):
    """What the address names."""

    SERVER = auto()
    CLUSTER = auto()
    SENTINEL = auto()


_SCHEMES = {
    "redis": Form.SERVER,
    "rediss": Form.SERVER,
    "unix": Form.SERVER,
    "redis+cluster": Form.CLUSTER,
    "rediss+cluster": Form.CLUSTER,
    "redis+sentinel": Form.SENTINEL,
    "rediss+sentinel": Form.SENTINEL,
}


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A parsed `REDIS_URL`.

    `options` are redis-py's, of connections to servers; `nodes` are a cluster's or the Sentinels; `service` is what
    Sentinels call it.
    """

    form: Form
    options: Mapping[str, Any] = field(repr=False)
    nodes: tuple[tuple[str, int], ...] = ()
    service: str = ""
    sentinel_options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def where(self) -> str:
        """For a sentence; without a secret."""
        if self.nodes:
            return ", ".join(f"{host}:{port}" for host, port in self.nodes)
        return str(self.options.get("host") or "its socket")


def redis_address(url: str) -> RedisAddress:
    """What a URL says.

    Raises:
        ValueError: It is none; the message ends a sentence that begins with the variable's name, and has no secret.
    """
    scheme, _, rest = url.partition("://")
    form = _SCHEMES.get(scheme)
    if form is None or not rest:
        raise ValueError(f"it must be {_FORMS}, with rediss for TLS")
    rest, _, query = rest.partition("?")
    options = dict(parse_qsl(query))
    allowed = _OPTIONS | _SENTINEL_OPTIONS if form is Form.SENTINEL else _OPTIONS
    if options.keys() - allowed:
        raise ValueError(f"what follows ? must be of {', '.join(sorted(allowed))}")
    sentinels = {
        name.removeprefix("sentinel_"): options.pop(name) for name in sorted(_SENTINEL_OPTIONS & options.keys())
    }
    if form is Form.SERVER:
        return RedisAddress(form, _parsed(f"{scheme}://{rest}", options))
    authority, _, path = rest.partition("/")
    user, at, hosts = authority.rpartition("@")
    port = _SENTINEL_PORT if form is Form.SENTINEL else _PORT
    nodes = tuple(_node(host, port) for host in hosts.split(","))
    service, database = _named(path) if form is Form.SENTINEL else ("", path)
    if form is Form.CLUSTER and (path.strip("/") not in ("", "0") or options.get("db", "0") != "0"):
        raise ValueError("a cluster has database 0 alone")
    # What is the same for all of them is read as that of one server.
    server = _parsed(f"{scheme.partition('+')[0]}://{user}{at}{nodes[0][0]}/{database}", options)
    for name in ("host", "port"):
        server.pop(name, None)
    return RedisAddress(form, server, nodes, service, sentinels)


def _named(path: str) -> tuple[str, str]:
    """The service, and its database."""
    service, _, database = path.strip("/").partition("/")
    if not service or not (database or "0").isdigit():
        raise ValueError(
            "the Sentinels' addresses are followed by /name or /name/db, as in redis+sentinel://host:port/name/0"
        )
    return service, database or "0"


def _node(host: str, port: int) -> tuple[str, int]:
    with suppress(ValueError):
        parts = urlsplit(f"//{host}")
        if parts.hostname and not parts.path and "@" not in host:
            return parts.hostname, parts.port or port
    raise ValueError("the addresses must be host:port, separated by commas")


def _parsed(url: str, options: Mapping[str, str]) -> dict[str, Any]:
    parts = urlsplit(url)
    wrong = f"it must be {_FORMS}; what is not a letter or digit in a password is percent-encoded"
    if parts.scheme != "unix" and not (parts.path.strip("/") or "0").isdigit():
        raise ValueError(wrong)
    try:
        return dict(parse_url(f"{url}?{urlencode(options)}" if options else url))
    except ValueError:
        # What redis-py says may have a part of a password in it.
        raise ValueError(wrong) from None


def _checked(url: SecretStr) -> SecretStr:
    redis_address(url.get_secret_value())
    return url


# The type of a setting.
RedisUrl = Annotated[SecretStr, AfterValidator(_checked)]
