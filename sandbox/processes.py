"""Child processes that write to a log, become ready or say why not, and never outlive the launcher."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# How often is asked whether a part is ready: at first so often, later once in a twentieth of the time it has taken.
# Asking is not free: the gateway asks all others, each time.
_POLL_S = 0.03
_POLL_SHARE = 0.05

# What a child needs of our environment; everything else it is given by name, so no secret travels by accident.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "SSL_CERT_FILE")


def minimal_env() -> dict[str, str]:
    """The part of our environment that any child may see."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


class PartError(Exception):
    """A part did not come up, or died; the message is one sentence that names its log and what to do."""


@dataclass(frozen=True, slots=True)
class Spawn:
    """How a child is started."""

    name: str
    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str]
    user: int | None
    stop_signal: signal.Signals
    cwd: Path | None

    async def __call__(self) -> asyncio.subprocess.Process:
        """Start it.

        Raises:
            PartError: It cannot be started.
        """
        with self.log.open("ab") as output:
            try:
                return await asyncio.create_subprocess_exec(
                    *self.argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=asyncio.subprocess.STDOUT,
                    env=self.env,
                    cwd=self.cwd,
                    start_new_session=True,
                    user=self.user,
                    extra_groups=[] if self.user is not None else None,
                    preexec_fn=_dies_with_launcher(self.stop_signal),
                )
            except OSError as error:
                raise PartError(f"{self.name} cannot be started: {error.strerror}: {self.argv[0]}") from None


class Process:
    """One running part."""

    def __init__(self, name: str, spawn: "Spawn", process: asyncio.subprocess.Process, log: Path) -> None:
        """Wrap a started child, and remember how to start it again."""
        self.name = name
        self.log = log
        self._spawn = spawn
        self._process = process

    @classmethod
    async def start(
        cls,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        user: int | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        cwd: Path | None = None,
    ) -> "Process":
        """Start a child in a session of its own, so that a Ctrl-C in the terminal reaches the launcher alone.

        Args:
            name: What sentences call it.
            argv: The command.
            log: Where its output goes; begun anew.
            env: Its whole environment; None for `minimal_env`.
            user: The user id to run as; None for ours.
            stop_signal: What makes it stop in good order; sent as well when the launcher dies without a word
                (Linux only: elsewhere a launcher that is killed with SIGKILL leaves its children running).
            cwd: Where it runs; None for our folder.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        spawn = Spawn(name, tuple(argv), log, dict(env) if env is not None else minimal_env(), user, stop_signal, cwd)
        return cls(name, spawn, await spawn(), log)

    async def restart(self) -> None:
        """Start the child again, after its end; its log goes on.

        Raises:
            PartError: It cannot be started.
        """
        self._process = await self._spawn()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the child has ended."""
        return self._process.returncode is not None

    async def ready(self, probe: Callable[[], Awaitable[bool]], *, timeout_s: float) -> None:
        """Wait until the probe succeeds.

        Raises:
            PartError: The child ended, or was not ready in time.
        """
        clock = asyncio.get_running_loop().time
        begin = clock()
        while not await probe():
            waited_s = clock() - begin
            if self.ended:
                raise PartError(self._complaint("did not start"))
            if waited_s > timeout_s:
                raise PartError(self._complaint(f"was not ready after {timeout_s:g} s"))
            await asyncio.sleep(max(_POLL_S, waited_s * _POLL_SHARE))

    async def finished(self) -> int:
        """Wait for the child's end; answers its exit status."""
        return await self._process.wait()

    async def died(self) -> PartError:
        """Wait for the child's end; answers what to say about it."""
        await self.finished()
        return PartError(self._complaint(self.how_it_ended()))

    def how_it_ended(self) -> str:
        """How the child that has ended did so, as the end of a sentence."""
        status = self._process.returncode or 0
        return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"stopped with exit status {status}"

    async def stop(self, *, grace_s: float) -> None:
        """Ask the child to stop; kill it when it takes longer than `grace_s`."""
        if self._process.returncode is None:
            self._process.send_signal(self._spawn.stop_signal)
            try:
                async with asyncio.timeout(grace_s):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        await self._process.wait()

    def kill(self) -> None:
        """End the child without a word, as a power cut does; one that has ended is left alone."""
        if self._process.returncode is None:
            self._process.kill()

    def _complaint(self, what: str) -> str:
        return f"{self.name} {what}: {last_line(self.log)} Its log is {self.log}; mend the cause and start again."


def last_line(log: Path, containing: str = "") -> str:
    """The last line of a log that is not empty and contains this, in quotes; empty when there is none."""
    try:
        lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return ""
    said = next((line for line in reversed(lines) if line and containing in line), "")
    return f"“{said[:300]}”." if said else ""


def _dies_with_launcher(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """What the child does between fork and exec: ask the kernel for a signal when its parent dies."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def request() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(stop_signal))
        # The parent may have died before the request was made.
        if os.getppid() != parent:
            os._exit(1)

    return request
