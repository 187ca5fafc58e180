"""What the gateway can be told."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, FilePath, SecretStr
from pydantic_settings import NoDecode

from services.gateway.edge.client_address import Network, networks
from services.runtime.config import MeshSettings, Pooled, ServiceSettings
from services.runtime.redis_address import RedisUrl

_SECRET_CHARACTERS_MIN = 32


def _networks(value: object) -> object:
    return networks(value) if isinstance(value, str) else value


def _origins(value: object) -> object:
    if not isinstance(value, str):
        return value
    origins = tuple(each.strip() for each in value.split(",") if each.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
            raise ValueError("each must be scheme://host or scheme://host:port, without a path")
    return origins


def _secrets(value: object) -> object:
    if not isinstance(value, str):
        return value
    secrets = [each.strip() for each in value.split(",") if each.strip()]
    if any(len(each) < _SECRET_CHARACTERS_MIN for each in secrets):
        raise ValueError(f"each must have at least {_SECRET_CHARACTERS_MIN} characters")
    return tuple(map(SecretStr, secrets))


class GatewaySettings(ServiceSettings):
    """Configuration of the gateway."""

    port: int = Field(default=8080, ge=0, le=65535, description="Port of the public HTTP API.")
    port_shared: bool = Field(
        default=False,
        description="Whether other gateways of this machine listen on this port, too: the kernel gives each its share "
        "of the connections.",
    )
    database_url: SecretStr = Field(description="PostgreSQL that keeps users and keys, as postgresql://…")
    redis_url: RedisUrl = Field(
        description="Redis that counts requests for the rate limit, as redis://host:port/db, "
        "redis+cluster://host:port,host:port or redis+sentinel://host:port,host:port/name/db; rediss with TLS."
    )
    chat_target: str = Field(description="The chat service, as host:port or dns:///name:port.")
    billing_target: str = Field(description="The billing service, as host:port or dns:///name:port.")
    moderation_target: str = Field(description="The moderation service, as host:port or dns:///name:port.")
    wechat_api_base_url: str = Field(default="https://api.weixin.qq.com", description="WeChat's server API.")
    wechat_appid: str = Field(min_length=1, description="The mini-program's appid.")
    wechat_secret: SecretStr = Field(min_length=1, description="The mini-program's secret.")
    wechat_cloud_run: bool = Field(
        default=False,
        description="Whether this runs on WeChat Cloud Run, whose X-WX-OPENID says who calls. Never set it elsewhere.",
    )
    wechat_cloud_run_mark: str = Field(
        default="CBR_ENV_ID", description="Name of a variable that only WeChat Cloud Run sets."
    )
    platform_policy_file: FilePath = Field(
        default=Path(__file__).parent / "policy" / "policy.toml",
        description="What each kind of client is shown and may do, as TOML.",
    )
    content_producer: str = Field(
        default="queqiao",
        min_length=1,
        max_length=200,
        description="Who answers for generated content, in exports' implicit label: your name or registered code.",
    )
    session_secret: SecretStr = Field(
        min_length=_SECRET_CHARACTERS_MIN,
        description="Signs session tokens and encrypts what WeChat entrusts to us; at least 32 random characters, the "
        "same for all replicas.",
    )
    session_secrets_previous: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_secrets)] = Field(
        default=(),
        description="Session secrets that were in use before, with commas between them: what they signed or encrypted "
        "is still read. Take one out two hours after it was replaced; WeChat's session keys under it then need a new "
        "login before virtual payment.",
    )
    trial_again_after_days: int = Field(
        default=365,
        ge=0,
        le=3650,
        description="Days after which somebody who deleted their data and comes back is given trial credit again; "
        "until then a keyed digest of their openid is kept. 0 keeps none. Replacing SESSION_SECRET forgets them, too.",
    )
    rate_limit_trial_per_minute: int = Field(
        default=120, ge=1, description="Requests a minute of a user who has never topped up."
    )
    rate_limit_paid_per_minute: int = Field(
        default=600, ge=1, description="Requests a minute of a user who has topped up."
    )
    rate_limit_key_per_minute: int = Field(default=600, ge=1, description="Requests a minute of a user by API keys.")
    login_limit_per_minute: int = Field(
        default=600, ge=1, description="Logins and renewals a minute from one address, which many people can share."
    )
    order_limit_per_minute: int = Field(default=30, ge=1, description="Orders that a user may make in a minute.")
    turns_max: int = Field(default=500, ge=1, description="Turns that may run at once, in each replica.")
    concurrent_turns_max: int = Field(
        default=20, ge=1, description="Turns a user may have running at once, in each replica; more wait."
    )
    queue_max: int = Field(default=1000, ge=0, description="Turns that may wait for a place, in each replica.")
    queue_per_user_max: int = Field(default=20, ge=0, description="Turns of one user that may wait, in each replica.")
    queue_wait_s: float = Field(default=30.0, gt=0, description="Longest time that a turn waits, in seconds.")
    queue_weight_paid: float = Field(
        default=4.0, gt=0, description="How many turns of paying users and programs run for one of a user on trial."
    )
    sockets_per_user_max: int = Field(
        default=5, ge=1, description="WebSockets that a user may have open, in each replica."
    )
    body_bytes_max: int = Field(
        default=1024 * 1024, ge=1024, description="Largest request body and WebSocket frame, in bytes."
    )
    turn_timeout_s: float = Field(default=300.0, gt=0, description="Longest turn, in seconds.")
    heartbeat_s: float = Field(default=15.0, gt=0, description="Longest silence of a stream, in seconds.")
    callbacks_max: int = Field(
        default=100, ge=1, description="Payment callbacks that may be under way at once, in each replica."
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = Field(
        default=(),
        description="Networks of the proxies in front of the gateway, as 10.0.0.0/8,fd00::/8: what they say in "
        "X-Forwarded-For is believed. Absent: nobody is.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)] = Field(
        default=(),
        description="Origins of pages that may use the API, as https://chat.example.com, with commas between them. "
        "Absent: none but the gateway's own.",
    )
    web_client_dir: Path | None = Field(
        default=None,
        description="Folder of the built H5 client, which is served at /; it may be built later. Absent: a plain page.",
    )
    drain_notice_s: float = Field(
        default=0.0,
        ge=0,
        description="Seconds between answering /readyz with 503 and refusing connections when the gateway is stopped; "
        "more than a load balancer's probe interval.",
    )


class KeySettings(MeshSettings):
    """What the commands about keys need to know."""

    database_url: SecretStr = Field(description="PostgreSQL that keeps users and keys, as postgresql://…")
    database_pooled: Pooled = False
