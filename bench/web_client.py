"""What a person waits for: how large the client is, and when one can type.

Sizes are of the built files: a web server packs what it sends, WeChat counts what it is given. Times are of a real
Chromium with an empty cache, from the first byte asked for to a field that takes a question; medians of several.
"""

import gzip
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from sandbox.node import find_node
from sandbox.npm import run as run_npm
from sandbox.web_client import WebClientBuild

_ROOT = Path(__file__).resolve().parent.parent
_MINI_PROGRAM = _ROOT / "miniprogram" / "dist" / "build" / "mp-weixin"
_SUBPACKAGE = "pages/wallet"
_VISITS = 5
_KIB = 1024

FIRST_LOAD_BYTES_MAX = 300 * _KIB
MAIN_PACKAGE_BYTES_MAX = 1536 * _KIB
INTERACTIVE_MS_MAX = 2000


@dataclass(frozen=True, slots=True)
class ClientFigures:
    """Sizes in bytes, times in milliseconds."""

    first_load_gzip_bytes: int
    main_package_bytes: int
    interactive_ms: float


async def build(folder: Path) -> WebClientBuild | None:
    """Both builds of the client; None without a Node."""
    node = await find_node()
    if node is None:
        return None
    h5 = WebClientBuild(folder, folder.with_suffix(".log"), device_login=True)
    await h5.run(node)
    await run_npm(node, "--prefix", str(_ROOT / "miniprogram"), "run", "--silent", "build:mp-weixin")
    return h5


async def measure(url: str, token: str, built: Path, chromium: str) -> ClientFigures:
    """Visit the client at this URL, logged in with this token."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        try:
            visits = [await _visit(browser, url, token) for _ in range(_VISITS)]
        finally:
            await browser.close()
    loaded = {path for _, paths in visits for path in paths}
    return ClientFigures(
        first_load_gzip_bytes=sum(len(gzip.compress((built / path).read_bytes(), 9)) for path in loaded),
        main_package_bytes=sum(
            file.stat().st_size
            for file in _MINI_PROGRAM.rglob("*")
            if file.is_file() and not file.relative_to(_MINI_PROGRAM).is_relative_to(_SUBPACKAGE)
        ),
        interactive_ms=round(statistics.median(ms for ms, _ in visits), 1),
    )


async def _visit(browser: Browser, url: str, token: str) -> tuple[float, list[str]]:
    """Milliseconds until one can type, and the client's files that were loaded until then."""
    context = await browser.new_context(viewport={"width": 375, "height": 812})
    try:
        session = {"access_token": token, "refresh_token": ""}
        for key, value in (("session", session), ("settings", {"agreed": True})):
            item = json.dumps({"type": "string", "data": json.dumps(value)})
            await context.add_init_script(f"localStorage.setItem('queqiao.{key}', {item!r})")
        page = await context.new_page()
        loaded: list[str] = []
        page.on("request", lambda request: loaded.append(request.url.removeprefix(url).partition("?")[0]))
        begin = time.perf_counter()
        await page.goto(f"{url}/", wait_until="commit")
        await page.locator(".composer textarea").fill("?")
        spent_ms = (time.perf_counter() - begin) * 1000
    finally:
        await context.close()
    files = ["index.html" if path == "/" else path.lstrip("/") for path in loaded]
    return spent_ms, [path for path in files if path == "index.html" or path.startswith(("assets/", "static/"))]


def render(figures: ClientFigures) -> str:
    """The figures beside their limits."""
    rows = (
        ("H5, first load, packed", figures.first_load_gzip_bytes / _KIB, "KiB", FIRST_LOAD_BYTES_MAX // _KIB),
        ("H5, until one can type", figures.interactive_ms, "ms", INTERACTIVE_MS_MAX),
        ("mp-weixin, main package", figures.main_package_bytes / _KIB, "KiB", MAIN_PACKAGE_BYTES_MAX // _KIB),
    )
    lines = (f"  {name:<24} {value:6.0f} {unit:<4} (limit {limit})" for name, value, unit, limit in rows)
    return "\n".join(("Client", *lines))
