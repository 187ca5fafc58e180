"""The simulated provider as a process of its own, for as long as a context is open."""

import asyncio
import sys
from pathlib import Path
from types import TracebackType

import aiohttp

_ROOT = Path(__file__).resolve().parent.parent
_STOP_GRACE_S = 3.0


class SimulatorProcess:
    """Starts a simulated provider on a free port and stops it; it also ends when this process dies.

    After entering: `url` is the OPENAI_BASE_URL to give to whoever should use it, `pid` its process.
    """

    def __init__(self, *flags: str, program: Path | None = None) -> None:
        """Plan a simulator.

        Args:
            flags: More of its command line, such as `"--deltas", "8"`.
            program: The compiled one, which knows fewer behaviours; else it is `python -m bench.simulator`.
        """
        python = (sys.executable, "-m", "bench.simulator", "--until-stdin-closes")
        self._command = (*((str(program),) if program else python), *flags)
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""
        self.pid = 0

    async def __aenter__(self) -> "SimulatorProcess":
        """Start it and wait until it listens.

        Raises:
            RuntimeError: it ended instead; it has said why on standard error.
        """
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=_ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for this process; that one ends after what uses it
        )
        assert process.stdout is not None
        self.url = (await process.stdout.readline()).decode().strip()
        if not self.url:
            raise RuntimeError(f"the simulated provider did not start (exit status {await process.wait()})")
        self.pid = process.pid
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_GRACE_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def stats(self) -> dict[str, object]:
        """What it saw so far, as `seen.Seen.stats` describes it."""
        url = self.url.removesuffix("/v1") + "/sim/stats"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            stats: dict[str, object] = await answer.json()
            return stats
