"""The chat window of a laptop: the H5 client, built from `miniprogram/` with whatever Node there is."""

import asyncio
import fcntl
import hashlib
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from sandbox.node import Node
from sandbox.processes import PartError, Process, last_line

_SOURCE = Path(__file__).parents[1] / "miniprogram"
_INPUTS = ("src", "index.html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json")
_STAMP = "built-from"
_LOCK = _SOURCE.parent / ".cache" / "web_client.lock"
_LOCK_POLL_S = 0.2
_STOP_GRACE_S = 2.0


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
        if not self._installed():
            await self._command("npm", *node.npm, "ci", "--no-audit", "--no-fund", node=node)
        fresh = self.folder.with_name(f"{self.folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        uni = str(_SOURCE / "node_modules" / "@dcloudio" / "vite-plugin-uni" / "bin" / "uni.js")
        await self._command(
            "Vite", node.node, uni, "build", node=node, UNI_OUTPUT_DIR=str(fresh), NODE_ENV="production"
        )
        (fresh / _STAMP).write_text(fingerprint, encoding="utf-8")
        shutil.rmtree(self.folder, ignore_errors=True)
        fresh.rename(self.folder)

    def _installed(self) -> bool:
        """Whether node_modules is what the lock file says; npm leaves its own copy of it there."""
        installed, lock = _SOURCE / "node_modules" / ".package-lock.json", _SOURCE / "package-lock.json"
        return installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime

    async def _command(self, name: str, *argv: str, node: Node, **env: str) -> None:
        login = {"VITE_DEVICE_LOGIN": "true"} if self._device_login else {}
        process = await Process.start(name, argv, log=self._log, env=node.env() | login | env, cwd=_SOURCE)
        try:
            status = await process.finished()
        finally:
            await process.stop(grace_s=_STOP_GRACE_S)
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


def _files(paths: Iterable[Path]) -> list[Path]:
    return sorted(file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
