"""Whether this gateway can serve: each thing it depends on is asked."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

_TIMEOUT_S = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something that is needed; one that is not `essential` only makes the service poorer when it is away."""

    check: Callable[[], Awaitable[object]]
    essential: bool = True


class Readiness:
    """Asks the dependencies."""

    def __init__(self, dependencies: Mapping[str, Dependency]) -> None:
        """Ask these, by name."""
        self._dependencies = dependencies
        self._draining = False

    def begin_drain(self) -> None:
        """Be not ready from now on, so that load balancers go elsewhere."""
        self._draining = True

    async def report(self) -> tuple[bool, dict[str, object]]:
        """Whether to send requests here, and the state of everything by name: ok or down."""
        names = list(self._dependencies)
        answers = await asyncio.gather(*(self._answers(name) for name in names))
        checks = dict(zip(names, answers, strict=True))
        missing = [name for name, answer in checks.items() if not answer]
        ready = not self._draining and not any(self._dependencies[name].essential for name in missing)
        status = "draining" if self._draining else "ok" if not missing else "degraded" if ready else "down"
        return ready, {
            "status": status,
            "checks": {name: "ok" if answer else "down" for name, answer in checks.items()},
        }

    async def _answers(self, name: str) -> bool:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._dependencies[name].check()
        except Exception as error:  # noqa: BLE001  # however it fails, it does not answer
            log.warning("dependency does not answer", dependency=name, error=type(error).__name__)
            return False
        return True
