"""The fixtures of the gateway's integration tests: fuzzing needs a gateway, and nothing behind it that is slow."""

from tests.integration.gateway.conftest import (  # noqa: F401  # fixtures
    gateway,
    shared_gateway,
    start_gateway,
    wechat_url,
)
