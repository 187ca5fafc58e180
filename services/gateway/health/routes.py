"""`/healthz` and `/readyz`."""

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.edge.operations import Operation
from services.gateway.edge.responses import json_response
from services.gateway.health.readiness import Readiness


class Alive(msgspec.Struct):
    """The process runs."""

    status: str = "ok"


class Ready(msgspec.Struct):
    """Whether the gateway can serve: ok, degraded (something not essential is down), down or draining."""

    status: str
    checks: dict[str, str]


class HealthRoutes:
    """For probes."""

    def __init__(self, readiness: Readiness) -> None:
        """Answer from this."""
        self._readiness = readiness

    def operations(self) -> Sequence[Operation]:
        """What is offered here."""
        return (
            Operation("GET", "/healthz", self.alive, "Whether the process runs", "health", Alive),
            Operation(
                "GET",
                "/readyz",
                self.ready,
                "Whether it can serve, each dependency by name",
                "health",
                Ready,
                description="503 when an essential dependency is down, or while the gateway is being stopped.",
            ),
        )

    async def alive(self, request: Request) -> Response:
        """The process runs."""
        return json_response(Alive())

    async def ready(self, request: Request) -> Response:
        """Each dependency by name; 503 when an essential one is down, or in a drain."""
        ready, report = await self._readiness.report()
        return json_response(report, status=200 if ready else 503)
