"""What the gateway can be told."""

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from services.gateway.edge.client_address import Network, networks
from services.runtime.config import ServiceSettings


def _networks(value: object) -> object:
    return networks(value) if isinstance(value, str) else value


class GatewaySettings(ServiceSettings):
    """Configuration of the gateway."""

    port: int = Field(default=8080, ge=0, le=65535, description="Port of the public HTTP API.")
    database_url: SecretStr = Field(description="PostgreSQL that keeps users and keys, as postgresql://…")
    redis_url: SecretStr = Field(description="Redis that counts requests for the rate limit, as redis://…")
    chat_target: str = Field(description="The chat service, as host:port or dns:///name:port.")
    billing_target: str = Field(description="The billing service, as host:port or dns:///name:port.")
    moderation_target: str = Field(description="The moderation service, as host:port or dns:///name:port.")
    wechat_api_base_url: str = Field(default="https://api.weixin.qq.com", description="WeChat's server API.")
    wechat_appid: str = Field(min_length=1, description="The mini-program's appid.")
    wechat_secret: SecretStr = Field(min_length=1, description="The mini-program's secret.")
    session_secret: SecretStr = Field(
        min_length=32,
        description="Signs session tokens and encrypts what WeChat entrusts to us; at least 32 random characters, the "
        "same for all replicas.",
    )
    rate_limit_per_minute: int = Field(default=600, ge=1, description="Requests a user may make in a minute.")
    concurrent_turns_max: int = Field(
        default=20, ge=1, description="Turns a user may have running at once, in each replica."
    )
    body_bytes_max: int = Field(default=1024 * 1024, ge=1024, description="Largest request body, in bytes.")
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
    drain_notice_s: float = Field(
        default=0.0,
        ge=0,
        description="Seconds between answering /readyz with 503 and refusing connections when the gateway is stopped; "
        "more than a load balancer's probe interval.",
    )


class KeySettings(ServiceSettings):
    """What the commands about keys need to know."""

    port: int = Field(default=0, description="Not used by commands.")
    database_url: SecretStr = Field(description="PostgreSQL that keeps users and keys, as postgresql://…")
