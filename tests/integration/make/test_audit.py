"""`make audit` on Node's packages, against an index of the test's own."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

ADVISORY = {
    "id": 1,
    "url": "https://example.invalid/advisory",
    "title": "It says too much",
    "severity": "high",
    "vulnerable_versions": "<=99.0.0",
}


@asynccontextmanager
async def index(answer: object) -> AsyncIterator[str]:
    """npm's index, which gives this answer to every audit; None for none that npm understands."""

    async def audit(_: web.Request) -> web.Response:
        return web.Response(status=405) if answer is None else web.json_response(answer)

    app = web.Application()
    app.router.add_post("/-/npm/v1/security/advisories/bulk", audit)
    app.router.add_post("/-/npm/v1/security/audits/quick", audit)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ({}, 0, "miniprogram: no known vulnerabilities found"),
        ({"openai": [ADVISORY]}, 2, "tests/e2e/node is not clean: raise what is vulnerable"),
        (None, 2, "miniprogram could not be audited: npm's index does not answer; try again online."),
    ],
)
async def test_nodes_packages_are_clean_or_told_or_the_index_is_away(answer: object, status: int, said: str) -> None:
    async with index(answer) as url:
        process = await asyncio.create_subprocess_exec(
            *("make", "--no-print-directory", "audit-node"),
            env=os.environ | {"npm_config_registry": url, "npm_config_fetch_retries": "0"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
    assert said in printed.decode()
    assert process.returncode == status
