"""`make run`: the whole mesh on this machine, until Ctrl-C."""

import asyncio
import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path

from rich.console import Console

from sandbox.mesh import Mesh
from sandbox.node import find_node
from sandbox.ports import HOST
from sandbox.processes import PartError
from sandbox.web_client import WebClientBuild


def main() -> None:
    """Run until told to stop; exit status 1 and one sentence when something is in the way."""
    console = Console(highlight=False)
    try:
        asyncio.run(_run(console))
    except PartError as error:
        console.print(f"[bold red]✗[/] {error}", soft_wrap=True)
        sys.exit(1)


async def _run(console: Console) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup asks that the terminal's end be ignored
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    if sys.stdin.isatty() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        hang_up = asyncio.create_task(_until_hang_up())
        hang_up.add_done_callback(lambda _: stopping.set())
    folder = Path(os.environ.get("QUEQIAO_RUN_DIR", ".run"))
    try:
        port = int(os.environ.get("PORT") or 8080)
    except ValueError:
        raise PartError(f"PORT is {os.environ['PORT']!r}, which is no port: set a number, such as 8080.") from None
    begin = time.monotonic()

    def ready(title: str) -> None:
        console.print(f"  [green]✓[/] {title:<32} {time.monotonic() - begin:4.1f} s")

    console.print("[bold]鹊桥 Queqiao[/] is starting …")

    def restarted(what: str) -> None:
        console.print(f"  [yellow]↻[/] {what}", soft_wrap=True)

    web_client = _web_client(folder.resolve())
    given = {"WEB_CLIENT_DIR": str(web_client.folder), **os.environ}
    mesh = Mesh(folder, given=given, host=os.environ.get("HOST", HOST), port=port, progress=ready, restarted=restarted)
    if not await _until(stopping, mesh.__aenter__()):
        return
    window: asyncio.Task[None] | None = None
    try:
        _welcome(console, mesh)
        if not os.environ.get("WEB_CLIENT_DIR"):
            window = asyncio.create_task(_open_window(console, mesh, web_client))
        death = asyncio.create_task(mesh.given_up())
        await asyncio.wait([death, asyncio.create_task(stopping.wait())], return_when=asyncio.FIRST_COMPLETED)
        if not stopping.is_set():
            raise death.result()
        with contextlib.suppress(OSError):  # a closed terminal cannot be told
            console.print("\nStopping …")
    finally:
        if window is not None:
            window.cancel()
            await asyncio.gather(window, return_exceptions=True)
        await mesh.__aexit__(None, None, None)


def _web_client(folder: Path) -> WebClientBuild:
    """The chat window of this mesh; where WeChat is the stand-in, a browser can log in as anybody."""
    log = folder / "logs" / "web client.log"
    return WebClientBuild(folder / "web_client", log, device_login=not os.environ.get("WECHAT_APPID"))


async def _open_window(console: Console, mesh: Mesh, build: WebClientBuild) -> None:
    """Say where the chat window is, and build it first where that is needed; the mesh works without it."""
    address = f"[bold]{mesh.url}[/]"
    if build.up_to_date:
        console.print(f"Chat window: {address}\n", soft_wrap=True)
        return
    node = await find_node()
    if node is None:
        console.print("[yellow]No chat window:[/] install Node.js 20 or newer and start again.\n", soft_wrap=True)
        return
    console.print("The chat window is being built (once, about a minute) …", soft_wrap=True)
    try:
        await build.run(node)
    except (PartError, OSError) as error:
        console.print(f"[yellow]✗[/] {error}", soft_wrap=True)
    else:
        console.print(f"[green]✓[/] Chat window: {address}\n", soft_wrap=True)


async def _until_hang_up() -> None:
    """Wait until the terminal is closed: where make leads the session, the signal for it reaches make alone."""
    terminal = select.poll()
    terminal.register(sys.stdin, 0)  # nothing but its end
    while not any(event & select.POLLHUP for _, event in terminal.poll(0)):  # noqa: ASYNC110  # the kernel sets no Event
        await asyncio.sleep(0.5)


async def _until(stopping: asyncio.Event, starting: Coroutine[None, None, object]) -> bool:
    """Start, unless told to stop first; answers whether it came up."""
    start = asyncio.create_task(starting)
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait([start, stop], return_when=asyncio.FIRST_COMPLETED)
    if stopping.is_set() and not start.done():
        # Cancelling makes the start undo itself.
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)
        return False
    stop.cancel()
    await start
    return True


def _welcome(console: Console, mesh: Mesh) -> None:
    chosen = f'"model":"{mesh.local_model}",' if mesh.local_model else ""
    body = f'{{{chosen}"stream":true,"messages":[{{"role":"user","content":"你好，请介绍一下你自己"}}]}}'
    console.print(
        f"\n[bold green]Ready[/] at [bold]{mesh.url}[/] (OpenAI's protocol at {mesh.url}/v1)\n"
        f"  API key   {mesh.api_key}\n"
        f"{_cashier(mesh)}"
        f"  logs      {mesh.state.folder / 'logs'}\n"
        "  stop      Ctrl-C; state is kept, `make clean` removes it\n\n"
        "Try it:\n",
        soft_wrap=True,
    )
    # As one plain line: it must survive being copied.
    print(
        f"curl -N {mesh.url}/v1/chat/completions -H 'Authorization: Bearer {mesh.api_key}' "
        f"-H 'Content-Type: application/json' -d '{body}'\n",
        flush=True,
    )


def _cashier(mesh: Mesh) -> str:
    """Where orders can be "paid", when WeChat Pay is the stand-in's."""
    url = mesh.env.get("WECHATPAY_BASE_URL", "")
    return f"  pay       {url}/pay (the stand-in's page, where orders are paid)\n" if HOST in url else ""


if __name__ == "__main__":
    main()
